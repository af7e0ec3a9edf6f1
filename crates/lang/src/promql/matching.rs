//! What stands between a binary operator and its right side: `bool`, `on`, `ignoring`, `group_left`,
//! `group_right`, `fill`, in this order.
//!
//! Not here: whether it may stand there, which depends on the types of both sides (`check.rs`).

use super::ast::{BinaryOp, Cardinality, Fill, Span, VectorMatching};
use super::error::ParseError;
use super::lex::Token;
use super::parser::Parser;

/// An operator and its modifiers as written.
pub(super) struct Modified {
    pub(super) op: BinaryOp,
    /// The operator and its modifiers.
    pub(super) span: Span,
    pub(super) return_bool: bool,
    pub(super) matching: VectorMatching,
    /// `group_left` or `group_right` was written.
    pub(super) grouped: bool,
}

impl Parser<'_> {
    /// Everything after the operator `op`, which stands at `at`.
    pub(super) fn binary_modifiers(
        &mut self,
        op: BinaryOp,
        at: Span,
    ) -> Result<Modified, ParseError> {
        let return_bool = self.take_word("bool")?;
        let mut matching = VectorMatching::default();
        let start = self.peek_span()?.start;
        matching.on = self.take_word("on")?;
        let matched = matching.on || self.take_word("ignoring")?;
        if matched {
            let place = if matching.on { "`on`" } else { "`ignoring`" };
            matching.labels = self.label_list(place)?;
        }
        let grouped = self.group(&mut matching, matched)?;
        self.fill(&mut matching.fill)?;
        let span = Span {
            start: at.start,
            end: self.end(),
        };
        let both = matching
            .labels
            .iter()
            .find(|l| matching.include.contains(l));
        if let (true, Some(label)) = (matching.on, both) {
            return Err(ParseError::new(
                Span { start, ..span },
                format!("label {label:?} must not occur in `on` and in the group clause at once"),
            ));
        }
        Ok(Modified {
            op,
            span,
            return_bool,
            matching,
            grouped,
        })
    }

    fn group(&mut self, matching: &mut VectorMatching, matched: bool) -> Result<bool, ParseError> {
        let (place, card) = if self.at_word("group_left")? {
            ("`group_left`", Cardinality::ManyToOne)
        } else if self.at_word("group_right")? {
            ("`group_right`", Cardinality::OneToMany)
        } else {
            return Ok(false);
        };
        if !matched {
            let error = self.unexpected("", "an expression");
            return Err(error.help(format!(
                "{place} needs `on (...)` or `ignoring (...)` before it"
            )));
        }
        self.next()?;
        matching.card = card;
        if self.at("(")? {
            matching.include = self.label_list(place)?;
        }
        Ok(true)
    }

    /// `fill(v)`, or `fill_left(v)` and `fill_right(v)` in any order. Before anything but a parenthesis these
    /// words are metrics.
    fn fill(&mut self, fill: &mut Fill) -> Result<(), ParseError> {
        while let Token::Word(word) = self.peek()? {
            let lower = word.to_ascii_lowercase();
            let (left, right) = match lower.as_str() {
                "fill" => (true, true),
                "fill_left" => (true, false),
                "fill_right" => (false, true),
                _ => return Ok(()),
            };
            if !self.rest_opens_after(word) {
                return Ok(());
            }
            let (_, span) = self.next()?;
            if left && fill.left.is_some() || right && fill.right.is_some() {
                return Err(ParseError::new(
                    span,
                    format!("`{word}` fills a side a second time"),
                ));
            }
            self.expect("(", word, "`(`")?;
            let Some(value) = self.signed_number()? else {
                return Err(self.unexpected(&format!("`{word}`"), "a number"));
            };
            self.close_parenthesis("`)`")?;
            if left {
                fill.left = Some(value);
            }
            if right {
                fill.right = Some(value);
            }
        }
        Ok(())
    }

    /// True when `(` follows the next token, which is this word.
    fn rest_opens_after(&self, word: &str) -> bool {
        let rest = super::lex::blanks(self.rest());
        super::lex::blanks(&rest[word.len().min(rest.len())..]).starts_with('(')
    }
}
