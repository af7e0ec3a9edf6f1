//! The parser's state: where it stands, which token comes next, and how much it has built.
//!
//! Every limit is kept here, before anything is allocated beyond it: the length of the text, the nodes of the
//! tree, its depth (which bounds the recursion of the parser and of everyone who walks or drops the tree), and
//! the regular expressions.
//!
//! Not here: the grammar (`parse.rs`, `selector.rs`, `duration.rs`).

use bellwether_model::limits::{self, Limit};

use super::ast::{Expr, ExprKind, NumberLiteral, Span};
use super::error::ParseError;
use super::lex::{self, Colon, Token};

/// What `$name` stands for; `None` when there is no such `let`.
pub type Lets<'a> = &'a dyn Fn(&str) -> Option<Expr>;

/// An expression and the depth of its tree, 1 for a leaf. Boxed, because it is handed up through every level
/// of the grammar: the stack stays small.
pub(super) struct Node {
    pub(super) expr: Box<Expr>,
    pub(super) depth: usize,
    /// A mistake in it was told, and what it would have been is not known: nothing is asked of its type.
    pub(super) is_odd: bool,
}

impl Node {
    /// A node that has been counted already.
    pub(super) fn new(kind: ExprKind, span: Span, depth: usize) -> Node {
        let expr = Box::new(Expr { kind, span });
        let is_odd = false;
        Node {
            expr,
            depth,
            is_odd,
        }
    }
}

pub(super) struct Parser<'a> {
    text: &'a str,
    /// Where `text` begins in the file that places speak of.
    base: usize,
    /// The end of the last token taken, in `text`.
    pos: usize,
    /// The next token, once someone has looked.
    ahead: Option<(Token<'a>, Span)>,
    colon: Colon,
    nesting: usize,
    nodes: usize,
    patterns: usize,
    lets: Option<Lets<'a>>,
    /// The next selector, which comes at once, picks labels: it may match anything and names no metric.
    pub(super) labels_only: bool,
    /// Mistakes behind which the text can be read on, in the order met.
    told: Vec<ParseError>,
}

impl<'a> Parser<'a> {
    /// A parser of `text`, which begins at byte `base` of its file and has at most `len` bytes.
    pub(super) fn new(
        text: &'a str,
        base: usize,
        len: &Limit,
        lets: Option<Lets<'a>>,
    ) -> Result<Parser<'a>, ParseError> {
        if text.len() > len.usize() {
            let span = Span {
                start: base + floor_boundary(text, len.usize()),
                end: base + text.len(),
            };
            let (got, max, name) = (text.len(), len.value, len.name);
            return Err(ParseError::new(
                span,
                format!("text of {got} bytes is longer than {name} ({max})"),
            ));
        }
        Ok(Parser {
            text,
            base,
            pos: 0,
            ahead: None,
            colon: Colon::InWords,
            nesting: 0,
            nodes: 0,
            patterns: 0,
            lets,
            labels_only: false,
            told: Vec::new(),
        })
    }

    /// Notes a mistake behind which the text can be read on. What is read then is not for use.
    pub(super) fn tell(&mut self, error: ParseError) {
        self.told.push(error);
    }

    /// How many mistakes were noted so far.
    pub(super) fn told(&self) -> usize {
        self.told.len()
    }

    /// Takes what was read, or the first mistake.
    pub(super) fn first<T>(self, read: Result<T, ParseError>) -> Result<T, ParseError> {
        match self.told.into_iter().next() {
            Some(first) => Err(first),
            None => read,
        }
    }

    /// Takes what was read, where it could be read to its end, and every mistake.
    pub(super) fn all<T>(mut self, read: Result<T, ParseError>) -> (Option<T>, Vec<ParseError>) {
        match read {
            Ok(read) => (Some(read), self.told),
            Err(last) => {
                self.told.push(last);
                (None, self.told)
            }
        }
    }

    /// The next token, left in place.
    pub(super) fn peek(&mut self) -> Result<Token<'a>, ParseError> {
        Ok(self.peek_spanned()?.0)
    }

    /// Where the next token stands.
    pub(super) fn peek_span(&mut self) -> Result<Span, ParseError> {
        Ok(self.peek_spanned()?.1)
    }

    fn peek_spanned(&mut self) -> Result<(Token<'a>, Span), ParseError> {
        if let Some(ahead) = self.ahead {
            return Ok(ahead);
        }
        let (token, span) = lex::token(self.text, self.pos, self.colon).map_err(|mut e| {
            e.span = self.shift(e.span);
            e
        })?;
        let ahead = (token, self.shift(span));
        self.ahead = Some(ahead);
        Ok(ahead)
    }

    /// Takes the next token.
    pub(super) fn next(&mut self) -> Result<(Token<'a>, Span), ParseError> {
        let (token, span) = self.peek_spanned()?;
        self.ahead = None;
        self.pos = span.end - self.base;
        Ok((token, span))
    }

    /// Takes the next token when it is this symbol.
    pub(super) fn take(&mut self, symbol: &str) -> Result<bool, ParseError> {
        let found = self.peek()? == Token::Symbol(symbol);
        if found {
            self.next()?;
        }
        Ok(found)
    }

    /// Takes the next token when it is this keyword, in any case; `keyword` is in lower case.
    pub(super) fn take_word(&mut self, keyword: &str) -> Result<bool, ParseError> {
        let found = self.at_word(keyword)?;
        if found {
            self.next()?;
        }
        Ok(found)
    }

    /// True when the next token is this keyword, in any case.
    pub(super) fn at_word(&mut self, keyword: &str) -> Result<bool, ParseError> {
        Ok(matches!(self.peek()?, Token::Word(w) if w.eq_ignore_ascii_case(keyword)))
    }

    /// True when the next token is this symbol.
    pub(super) fn at(&mut self, symbol: &str) -> Result<bool, ParseError> {
        Ok(self.peek()? == Token::Symbol(symbol))
    }

    /// Takes this symbol or fails; `place` says where, `expected` what else could stand here.
    pub(super) fn expect(
        &mut self,
        symbol: &str,
        place: &str,
        expected: &str,
    ) -> Result<Span, ParseError> {
        if self.at(symbol)? {
            return Ok(self.next()?.1);
        }
        Err(self.unexpected(place, expected))
    }

    /// From here on colons belong to words, or do not. Only between tokens nobody has looked beyond.
    pub(super) fn set_colon(&mut self, colon: Colon) {
        self.ahead = None;
        self.colon = colon;
    }

    /// The end of the last token taken.
    pub(super) fn end(&self) -> usize {
        self.base + self.pos
    }

    /// The text that tokens have been taken from.
    pub(super) fn taken(&self) -> &'a str {
        &self.text[..self.pos]
    }

    /// The text that no token has been taken from.
    pub(super) fn rest(&self) -> &'a str {
        &self.text[self.pos..]
    }

    /// The source of a span inside this text.
    pub(super) fn source(&self, span: Span) -> &'a str {
        let local = |at: usize| at.saturating_sub(self.base);
        self.text
            .get(local(span.start)..local(span.end))
            .unwrap_or("")
    }

    /// `expected X in PLACE, found Y`, at the next token. The place may be empty.
    pub(super) fn unexpected(&mut self, place: &str, expected: &str) -> ParseError {
        match self.peek_spanned() {
            Err(e) => e,
            Ok((token, span)) => {
                let found = self.name_token(token, span);
                let place = if place.is_empty() {
                    String::new()
                } else {
                    format!(" in {place}")
                };
                ParseError::new(span, format!("expected {expected}{place}, found {found}"))
            }
        }
    }

    fn name_token(&self, token: Token<'_>, span: Span) -> String {
        let source = shorten(self.source(span));
        match token {
            Token::End => "end of input".into(),
            Token::Number(_) => format!("number `{source}`"),
            Token::Duration(_) => format!("duration `{source}`"),
            Token::Quoted(_) => format!("string {source}"),
            Token::Word(_) | Token::Let(_) | Token::Symbol(_) => format!("`{source}`"),
        }
    }

    fn shift(&self, span: Span) -> Span {
        Span {
            start: span.start + self.base,
            end: span.end + self.base,
        }
    }

    /// One level deeper into the grammar. An error ends the parse, so only success needs [`Parser::leave`].
    pub(super) fn enter(&mut self) -> Result<(), ParseError> {
        self.nesting += 1;
        if self.nesting > limits::QUERY_DEPTH_MAX.usize() {
            let span = self.peek_span()?;
            return Err(too_much(
                span,
                "is nested too deeply",
                &limits::QUERY_DEPTH_MAX,
            ));
        }
        Ok(())
    }

    pub(super) fn leave(&mut self) {
        self.nesting -= 1;
    }

    /// Makes a node whose deepest child has this depth, 0 for none.
    pub(super) fn node(
        &mut self,
        kind: ExprKind,
        span: Span,
        below: usize,
    ) -> Result<Node, ParseError> {
        self.count_nodes(1, span)?;
        let depth = below + 1;
        if depth > limits::QUERY_DEPTH_MAX.usize() {
            return Err(
                too_much(span, "is nested too deeply", &limits::QUERY_DEPTH_MAX)
                    .help("a chain of operators is as deep as it is long"),
            );
        }
        Ok(Node::new(kind, span, depth))
    }

    pub(super) fn count_nodes(&mut self, count: usize, span: Span) -> Result<(), ParseError> {
        self.nodes += count;
        if self.nodes > limits::QUERY_NODES_MAX.usize() {
            return Err(too_much(
                span,
                "has too many parts",
                &limits::QUERY_NODES_MAX,
            ));
        }
        Ok(())
    }

    pub(super) fn count_pattern(&mut self, span: Span) -> Result<(), ParseError> {
        self.patterns += 1;
        if self.patterns > limits::REGEX_PER_QUERY_MAX.usize() {
            let limit = &limits::REGEX_PER_QUERY_MAX;
            return Err(too_much(span, "has too many regular expressions", limit));
        }
        Ok(())
    }

    /// In place of what has a mistake that was told.
    pub(super) fn odd(&mut self, span: Span, below: usize) -> Result<Node, ParseError> {
        let literal = NumberLiteral {
            value: 1.0,
            is_duration: false,
        };
        let mut node = self.node(ExprKind::Number(literal), span, below)?;
        node.is_odd = true;
        Ok(node)
    }

    /// What `$name` stands for, as the file says it; `None` when it is told that there is no such `let`.
    pub(super) fn resolve_let(
        &mut self,
        name: &str,
        span: Span,
    ) -> Result<Option<Expr>, ParseError> {
        let Some(lets) = self.lets else {
            return Err(ParseError::new(span, "unexpected character '$'")
                .help("`$name` stands for a `let`, which only rule files have"));
        };
        let found = lets(name);
        if found.is_none() {
            self.tell(
                ParseError::new(span, format!("there is no `let {name}`"))
                    .help(format!("define it: `let {name} = ...`")),
            );
        }
        Ok(found)
    }
}

fn too_much(span: Span, what: &str, limit: &Limit) -> ParseError {
    ParseError::new(
        span,
        format!(
            "the query {what}: more than {} ({})",
            limit.value, limit.name
        ),
    )
}

/// A source text short enough for a message.
pub(super) fn shorten(source: &str) -> String {
    const SHOWN: usize = 40;
    if source.len() <= SHOWN {
        return source.to_string();
    }
    format!("{}...", &source[..floor_boundary(source, SHOWN)])
}

/// The last boundary between characters at or before `at`.
fn floor_boundary(text: &str, at: usize) -> usize {
    let mut at = at.min(text.len());
    while !text.is_char_boundary(at) {
        at -= 1;
    }
    at
}
