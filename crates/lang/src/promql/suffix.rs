//! What follows an operand and binds to it: `[5m]`, `[1h:5m]`, `offset 5m`, `@ 0`, `anchored`, `smoothed`.
//!
//! Not here: the durations inside (`duration.rs`).

use bellwether_model::TimestampMs;

use super::ast::{
    At, DurationExpr, ExprKind, Extended, Modifiers, RangeSelector, Span, Subquery, ValueType,
    VectorSelector,
};
use super::error::ParseError;
use super::lex::{Colon, Token};
use super::parser::{Node, Parser};

impl Parser<'_> {
    /// An operand and everything that binds to it from behind.
    pub(super) fn operand_and_suffixes(&mut self) -> Result<Node, ParseError> {
        let mut node = self.operand()?;
        loop {
            node = match self.peek()? {
                Token::Symbol("[") => self.brackets(node)?,
                Token::Symbol("@") => self.at_modifier(node)?,
                Token::Word(w) if w.eq_ignore_ascii_case("offset") => self.offset_modifier(node)?,
                Token::Word(w) if w.eq_ignore_ascii_case("anchored") => {
                    self.extend(node, Extended::Anchored)?
                }
                Token::Word(w) if w.eq_ignore_ascii_case("smoothed") => {
                    self.extend(node, Extended::Smoothed)?
                }
                _ => return Ok(node),
            };
        }
    }

    /// `[range]` and `[range:step]`.
    fn brackets(&mut self, node: Node) -> Result<Node, ParseError> {
        let (_, open) = self.next()?;
        self.set_colon(Colon::Separates);
        let range = self.positive_duration("range")?;
        let subquery = self.take(":")?;
        let step = if subquery && !self.at("]")? {
            Some(self.positive_duration("subquery step")?)
        } else {
            None
        };
        let expected = if subquery { "`]`" } else { "`:` or `]`" };
        let close = self.expect("]", "subquery or range selector", expected)?;
        self.set_colon(Colon::InWords);
        let brackets = Span {
            start: open.start,
            end: close.end,
        };
        if subquery {
            self.subquery(node, range, step, brackets)
        } else {
            self.range_selector(node, range, brackets)
        }
    }

    fn subquery(
        &mut self,
        node: Node,
        range: DurationExpr,
        step: Option<DurationExpr>,
        brackets: Span,
    ) -> Result<Node, ParseError> {
        let span = Span {
            start: node.expr.span.start,
            end: brackets.end,
        };
        let found = node.expr.value_type();
        if found != ValueType::Vector && !node.is_odd {
            let message = format!("a subquery needs an instant vector, got {found}");
            self.tell(ParseError::new(span, message));
        }
        let kind = ExprKind::Subquery(Subquery {
            expr: node.expr,
            range,
            step,
            at: Modifiers::default(),
        });
        self.node(kind, span, node.depth)
    }

    fn offset_modifier(&mut self, mut node: Node) -> Result<Node, ParseError> {
        let (_, keyword) = self.next()?;
        let offset = self.offset_duration()?;
        let end = self.end();
        let Some(modifiers) = modifiers_of(&mut node.expr.kind) else {
            return Ok(self.misplaced("offset modifier", node));
        };
        if modifiers.offset.is_some() {
            return Err(ParseError::new(keyword, "offset must not be set twice"));
        }
        modifiers.offset = Some(offset);
        node.expr.span.end = end;
        Ok(node)
    }

    fn at_modifier(&mut self, mut node: Node) -> Result<Node, ParseError> {
        let (_, sign) = self.next()?;
        let at = self.at_time()?;
        let end = self.end();
        let Some(modifiers) = modifiers_of(&mut node.expr.kind) else {
            return Ok(self.misplaced("@ modifier", node));
        };
        if modifiers.at.is_some() {
            return Err(ParseError::new(sign, "@ must not be set twice"));
        }
        modifiers.at = Some(at);
        node.expr.span.end = end;
        Ok(node)
    }

    /// What stands after `@`: a time, `start()` or `end()`.
    fn at_time(&mut self) -> Result<At, ParseError> {
        for (keyword, at) in [("start", At::Start), ("end", At::End)] {
            if self.take_word(keyword)? {
                self.expect("(", "@", "`(`")?;
                self.close_parenthesis("`)`")?;
                return Ok(at);
            }
        }
        let start = self.peek_span()?.start;
        let seconds = self
            .signed_number()?
            .ok_or_else(|| self.unexpected("@", "a timestamp, `start()` or `end()`"))?;
        let span = Span {
            start,
            end: self.end(),
        };
        TimestampMs::from_seconds(seconds)
            .map(At::Time)
            .ok_or_else(|| {
                let source = self.source(span);
                ParseError::new(span, format!("timestamp out of bounds for @: {source}"))
            })
    }

    fn extend(&mut self, mut node: Node, extended: Extended) -> Result<Node, ParseError> {
        let (_, keyword) = self.next()?;
        let selector = match &mut node.expr.kind {
            ExprKind::Selector(s) => s,
            ExprKind::Range(r) => &mut r.selector,
            _ if node.is_odd => return Ok(node),
            _ => {
                let name = self.source(keyword);
                return Err(ParseError::new(
                    node.expr.span,
                    format!("`{name}` must follow an instant or range vector selector"),
                ));
            }
        };
        if selector.extended.is_some() {
            return Err(ParseError::new(
                keyword,
                "only one of `anchored` and `smoothed`, and only once",
            ));
        }
        selector.extended = Some(extended);
        node.expr.span.end = keyword.end;
        Ok(node)
    }

    /// `x[5m]` from the selector and the range.
    fn range_selector(
        &mut self,
        node: Node,
        range: DurationExpr,
        brackets: Span,
    ) -> Result<Node, ParseError> {
        let span = Span {
            start: node.expr.span.start,
            end: brackets.end,
        };
        let Node {
            expr,
            depth,
            is_odd,
        } = node;
        let ExprKind::Selector(selector) = expr.kind else {
            if !is_odd {
                self.tell(no_range(expr.value_type(), brackets));
            }
            return self.odd(span, depth);
        };
        let VectorSelector { at, .. } = &selector;
        if at.offset.is_some() || at.at.is_some() {
            let name = if at.offset.is_some() { "offset" } else { "@" };
            let error = ParseError::new(
                brackets,
                format!("no {name} modifiers allowed before a range"),
            );
            self.tell(error.help(format!("write it after the range: `x[5m] {name} ...`")));
            return self.odd(span, depth);
        }
        let kind = ExprKind::Range(RangeSelector { selector, range });
        Ok(Node::new(kind, span, depth))
    }

    /// A modifier behind something that takes none.
    fn misplaced(&mut self, what: &str, node: Node) -> Node {
        if !node.is_odd {
            self.tell(ParseError::new(
                node.expr.span,
                format!(
                    "{what} must be preceded by an instant vector selector or range vector selector or a \
                     subquery"
                ),
            ));
        }
        Node {
            is_odd: true,
            ..node
        }
    }
}

fn no_range(found: ValueType, brackets: Span) -> ParseError {
    ParseError::new(brackets, "ranges are only allowed for vector selectors").help(
        if found == ValueType::Vector {
            "a subquery has a colon: `[1h:]` or `[1h:5m]`".to_string()
        } else {
            format!("this is a {found}")
        },
    )
}

fn modifiers_of(kind: &mut ExprKind) -> Option<&mut Modifiers> {
    match kind {
        ExprKind::Selector(s) => Some(&mut s.at),
        ExprKind::Range(r) => Some(&mut r.selector.at),
        ExprKind::Subquery(s) => Some(&mut s.at),
        _ => None,
    }
}
