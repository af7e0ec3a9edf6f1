//! Expressions: operators by precedence, and what an operand is.
//!
//! Precedence, weakest first: `or`; `and unless`; comparisons; `+ -`; `* / % atan2` and the signs; `^`, which
//! alone groups to the right. Strongest is what follows an operand (`suffix.rs`).
//!
//! The recursion goes through [`Parser::enter`], so its depth is bounded. Types are checked as nodes are made
//! (`check.rs`).

use bellwether_model::limits;

use super::ast::{
    AggregateOp, BinaryOp, Call, Expr, ExprKind, Grouping, NumberLiteral, Span, StepValue, UnaryOp,
};
use super::check;
use super::error::{ParseError, nearest};
use super::functions::{FUNCTIONS, function};
use super::lex::Token;
use super::parser::{Lets, Node, Parser};

/// Reads a whole query; the first mistake ends it.
///
/// The text may have `query.max_len` bytes, the tree `query.max_nodes` nodes and `query.max_depth` levels, all
/// selectors together `regex.per_query` regular expressions.
pub fn parse(text: &str) -> Result<Expr, ParseError> {
    parse_part(text, 0)
}

/// Reads a query that is a part of a file, from byte `at` of it; every place is one of the file.
pub fn parse_part(text: &str, at: usize) -> Result<Expr, ParseError> {
    let mut parser = Parser::new(text, at, &limits::QUERY_LEN_MAX, None)?;
    let read = parser.whole();
    parser.first(read)
}

/// As [`parse_part`], and `$name` is the expression that `lets` knows by this name, in parentheses. Every mistake
/// behind which the text can be read on is there, in order: unknown names, wrong types, wrong patterns.
///
/// A `let` that is a number may stand as a duration, one that is a bare selector may be given a range or a
/// shift; the places inside an expanded expression are those of its definition.
pub fn parse_with_lets(text: &str, at: usize, lets: Lets<'_>) -> Result<Expr, Vec<ParseError>> {
    match recover_with_lets(text, at, lets) {
        (Some(expr), mistakes) if mistakes.is_empty() => Ok(expr),
        (_, mistakes) => Err(mistakes),
    }
}

/// As [`parse_with_lets`], and beside mistakes behind which the text could be read to its end the tree is there, too,
/// with a number in the place of what nobody knows.
pub(crate) fn recover_with_lets(
    text: &str,
    at: usize,
    lets: Lets<'_>,
) -> (Option<Expr>, Vec<ParseError>) {
    match Parser::new(text, at, &limits::QUERY_LEN_MAX, Some(lets)) {
        Ok(mut parser) => {
            let read = parser.whole();
            parser.all(read)
        }
        Err(error) => (None, vec![error]),
    }
}

const OR: u8 = 1;
const POW: u8 = 6;

fn precedence(op: BinaryOp) -> u8 {
    use BinaryOp::{Add, And, Atan2, Div, Eq, Ge, Gt, Le, Lt, Mod, Mul, Ne, Or, Pow, Sub, Unless};
    match op {
        Or => OR,
        And | Unless => 2,
        Eq | Ne | Gt | Ge | Lt | Le => 3,
        Add | Sub => 4,
        Mul | Div | Mod | Atan2 => 5,
        Pow => POW,
    }
}

/// The operator that a token is, when it is one.
pub(super) fn binary_op(token: Token<'_>) -> Option<BinaryOp> {
    match token {
        Token::Symbol(text) => Some(match text {
            "^" => BinaryOp::Pow,
            "*" => BinaryOp::Mul,
            "/" => BinaryOp::Div,
            "%" => BinaryOp::Mod,
            "+" => BinaryOp::Add,
            "-" => BinaryOp::Sub,
            "==" => BinaryOp::Eq,
            "!=" => BinaryOp::Ne,
            ">" => BinaryOp::Gt,
            ">=" => BinaryOp::Ge,
            "<" => BinaryOp::Lt,
            "<=" => BinaryOp::Le,
            _ => return None,
        }),
        Token::Word(word) => [
            BinaryOp::And,
            BinaryOp::Or,
            BinaryOp::Unless,
            BinaryOp::Atan2,
        ]
        .into_iter()
        .find(|op| op.text().eq_ignore_ascii_case(word)),
        _ => None,
    }
}

/// The words that cannot name a metric outside of quotes, in lower case.
pub(super) const RESERVED: [&str; 8] = [
    "atan2",
    "bool",
    "group_left",
    "group_right",
    "ignoring",
    "inf",
    "nan",
    "on",
];

impl Parser<'_> {
    /// An expression and nothing behind it.
    fn whole(&mut self) -> Result<Expr, ParseError> {
        if self.peek()? == Token::End {
            let start = self.end();
            let span = Span { start, end: start };
            return Err(ParseError::new(span, "no expression found in input"));
        }
        let expr = *self.expression()?.expr;
        match self.peek()? {
            Token::End => Ok(expr),
            token => Err(self.trailing(token)),
        }
    }

    pub(super) fn expression(&mut self) -> Result<Node, ParseError> {
        self.binary(OR)
    }

    /// Operands joined by operators that bind at least as strongly as `weakest`.
    fn binary(&mut self, weakest: u8) -> Result<Node, ParseError> {
        self.enter()?;
        let mut lhs = self.signed()?;
        while let Some(op) = binary_op(self.peek()?) {
            let strength = precedence(op);
            if strength < weakest {
                break;
            }
            let (_, at) = self.next()?;
            let modifiers = self.binary_modifiers(op, at)?;
            let rhs = self.binary(if op == BinaryOp::Pow {
                POW
            } else {
                strength + 1
            })?;
            lhs = check::join(self, lhs, modifiers, rhs)?;
        }
        self.leave();
        Ok(lhs)
    }

    fn signed(&mut self) -> Result<Node, ParseError> {
        let op = match self.peek()? {
            Token::Symbol("-") => UnaryOp::Neg,
            Token::Symbol("+") => UnaryOp::Pos,
            _ => return self.operand_and_suffixes(),
        };
        let (_, sign) = self.next()?;
        let operand = self.binary(POW)?;
        let span = Span {
            start: sign.start,
            end: operand.expr.span.end,
        };
        if let ExprKind::Number(number) = operand.expr.kind
            && !operand.is_odd
        {
            let kind = ExprKind::Number(sign_number(op, number));
            return Ok(Node::new(kind, span, operand.depth));
        }
        let is_odd = check::unary(self, &operand, span);
        let kind = ExprKind::Unary(op, operand.expr);
        let node = self.node(kind, span, operand.depth)?;
        Ok(Node { is_odd, ..node })
    }

    pub(super) fn operand(&mut self) -> Result<Node, ParseError> {
        match self.peek()? {
            Token::Number(value) => {
                let (_, span) = self.next()?;
                self.number(value, false, span)
            }
            Token::Duration(duration) => {
                let (_, span) = self.next()?;
                self.number(duration.as_seconds(), true, span)
            }
            Token::Quoted(_) => {
                let (text, span) = self.string("an expression")?;
                self.node(ExprKind::String(text), span, 0)
            }
            Token::Symbol("(") => self.parenthesised(),
            Token::Symbol("{") => self.selector(None),
            Token::Word(word) => self.word_operand(word),
            Token::Let(name) => self.let_operand(name),
            Token::End | Token::Symbol(_) => {
                let error = self.unexpected("", "an expression");
                Err(match self.peek()? {
                    _ if self.taken().ends_with('%') => {
                        error.help("`%` is the remainder of a division; 5% is written 0.05")
                    }
                    Token::Symbol("=") => error.help("\"equal\" is `==`"),
                    Token::Symbol("/") => {
                        error.help("`</` and `>/` trim native histograms, which are not supported")
                    }
                    _ => error,
                })
            }
        }
    }

    fn number(&mut self, value: f64, is_duration: bool, span: Span) -> Result<Node, ParseError> {
        let literal = NumberLiteral { value, is_duration };
        self.node(ExprKind::Number(literal), span, 0)
    }

    fn parenthesised(&mut self) -> Result<Node, ParseError> {
        let (_, open) = self.next()?;
        let inner = self.expression()?;
        let close = self.close_parenthesis("an operator or `)`")?;
        let span = Span {
            start: open.start,
            end: close.end,
        };
        let node = self.node(ExprKind::Paren(inner.expr), span, inner.depth)?;
        Ok(Node {
            is_odd: inner.is_odd,
            ..node
        })
    }

    /// Takes `)`; at the end of the text the message is about what is open.
    pub(super) fn close_parenthesis(&mut self, expected: &str) -> Result<Span, ParseError> {
        if self.peek()? == Token::End {
            let span = self.peek_span()?;
            return Err(ParseError::new(
                span,
                format!("unclosed left parenthesis: expected {expected}, found end of input"),
            ));
        }
        self.expect(")", "", expected)
    }

    /// An operand that starts with a word: number, aggregation, call, value of the evaluation, or a metric.
    fn word_operand(&mut self, word: &str) -> Result<Node, ParseError> {
        let (_, span) = self.next()?;
        let lower = word.to_ascii_lowercase();
        match lower.as_str() {
            "inf" => return self.number(f64::INFINITY, false, span),
            "nan" => return self.number(f64::NAN, false, span),
            _ => {}
        }
        let called = self.at("(")?;
        let aggregation = AggregateOp::ALL.into_iter().find(|op| op.text() == lower);
        if let Some(op) = aggregation
            && (called || self.at_word("by")? || self.at_word("without")?)
        {
            return self.aggregate(op, span);
        }
        if called {
            if let Some(value) = step_value(&lower) {
                return self.step_value(value, span);
            }
            return self.call(word, &lower, span);
        }
        if RESERVED.contains(&lower.as_str()) {
            return Err(ParseError::new(
                span,
                format!("expected an expression, found keyword `{word}`"),
            )
            .help(format!("a metric of this name is written `{{\"{word}\"}}`")));
        }
        self.selector(Some((word, span)))
    }

    /// `step()` and its like; the parentheses take nothing.
    pub(super) fn step_value(&mut self, value: StepValue, name: Span) -> Result<Node, ParseError> {
        self.expect("(", "", "`(`")?;
        let close = self
            .close_parenthesis("`)`")
            .map_err(|e| e.help("it takes no arguments"))?;
        let span = Span {
            start: name.start,
            end: close.end,
        };
        self.node(ExprKind::StepValue(value), span, 0)
    }

    fn call(&mut self, word: &str, lower: &str, name: Span) -> Result<Node, ParseError> {
        // `min_of` and `max_of` are keywords of duration expressions, and as such come in any case.
        let wanted = if matches!(lower, "min_of" | "max_of") {
            lower
        } else {
            word
        };
        let function = function(wanted);
        if function.is_none() {
            self.tell(unknown_function(word, name));
        }
        let (args, close) = self.arguments(wanted == "info")?;
        let span = Span {
            start: name.start,
            end: close.end,
        };
        let depth = args.iter().map(|a| a.depth).max().unwrap_or(0);
        let Some(function) = function else {
            return self.odd(span, depth);
        };
        check::call(self, function, &args, span);
        let args: Vec<Expr> = args.into_iter().map(|a| *a.expr).collect();
        self.node(ExprKind::Call(Call { function, args }), span, depth)
    }

    /// `(a, b, c)` and the place of the closing parenthesis. With `labels_second` the second argument is the
    /// selector of `info`: one that may match nothing, because it picks labels.
    fn arguments(&mut self, labels_second: bool) -> Result<(Vec<Node>, Span), ParseError> {
        self.expect("(", "", "`(`")?;
        let mut args = Vec::new();
        if self.at(")")? {
            return Ok((args, self.next()?.1));
        }
        loop {
            self.labels_only = labels_second && args.len() == 1 && self.at("{")?;
            args.push(self.expression()?);
            let comma = self.peek_span()?;
            if !self.take(",")? {
                break;
            }
            if self.at(")")? {
                return Err(
                    ParseError::new(comma, "expected another argument after `,`")
                        .help("a comma after the last argument is not allowed"),
                );
            }
        }
        let close = self.close_parenthesis("an operator, `,` or `)`")?;
        Ok((args, close))
    }

    fn aggregate(&mut self, op: AggregateOp, name: Span) -> Result<Node, ParseError> {
        let before = self.grouping()?;
        if !self.at("(")? {
            return Err(self.unexpected(&format!("`{}`", op.text()), "`(`"));
        }
        let (args, _) = self.arguments(false)?;
        let grouping = match before {
            Some(grouping) => grouping,
            None => self.grouping()?.unwrap_or(Grouping::By(Vec::new())),
        };
        let span = Span {
            start: name.start,
            end: self.end(),
        };
        let depth = args.iter().map(|a| a.depth).max().unwrap_or(0);
        match check::aggregate(self, op, args, grouping, span) {
            Some(aggregate) => self.node(ExprKind::Aggregate(aggregate), span, depth),
            None => self.odd(span, depth),
        }
    }

    fn grouping(&mut self) -> Result<Option<Grouping>, ParseError> {
        if self.take_word("by")? {
            return Ok(Some(Grouping::By(self.label_list("`by`")?)));
        }
        if self.take_word("without")? {
            return Ok(Some(Grouping::Without(self.label_list("`without`")?)));
        }
        Ok(None)
    }

    fn let_operand(&mut self, name: &str) -> Result<Node, ParseError> {
        let (_, span) = self.next()?;
        let Some(expr) = self.resolve_let(name, span)? else {
            return self.odd(span, 0);
        };
        let (nodes, depth) = measure(&expr);
        self.count_nodes(nodes, span)?;
        let shifted = self.at("[")? || self.at("@")? || self.at_word("offset")?;
        if shifted && matches!(expr.kind, ExprKind::Selector(_)) {
            return Ok(Node::new(expr.kind, span, depth));
        }
        self.node(ExprKind::Paren(Box::new(expr)), span, depth)
    }

    /// A number with an optional sign, a duration counting as its seconds; `None` when there is none.
    pub(super) fn signed_number(&mut self) -> Result<Option<f64>, ParseError> {
        let negative = self.at("-")?;
        if negative || self.at("+")? {
            self.next()?;
        }
        let magnitude = match self.peek()? {
            Token::Number(value) => value,
            Token::Duration(duration) => duration.as_seconds(),
            Token::Word(w) if w.eq_ignore_ascii_case("inf") => f64::INFINITY,
            Token::Word(w) if w.eq_ignore_ascii_case("nan") => f64::NAN,
            _ => return Ok(None),
        };
        self.next()?;
        Ok(Some(if negative { -magnitude } else { magnitude }))
    }

    /// What to say about a token after a whole expression.
    fn trailing(&mut self, token: Token<'_>) -> ParseError {
        let error = self.unexpected("", "an operator or the end of the query");
        match token {
            Token::Symbol("=") => error.help("\"equal\" is `==`"),
            Token::Symbol("=~" | "!~") => {
                error.help("patterns are matched inside braces: `{label=~\"...\"}`")
            }
            Token::Symbol(")" | "]" | "}") => error.help("nothing before it is open"),
            Token::Word(word) => {
                let keywords = [
                    "and", "or", "unless", "offset", "atan2", "anchored", "smoothed",
                ];
                match nearest(word, keywords) {
                    Some(near) => error.help(format!("did you mean `{near}`?")),
                    None => error,
                }
            }
            _ => error,
        }
    }
}

fn unknown_function(word: &str, span: Span) -> ParseError {
    let error = ParseError::new(span, format!("unknown function `{word}`"));
    let names = FUNCTIONS
        .iter()
        .map(|f| f.name)
        .chain(AggregateOp::ALL.map(AggregateOp::text));
    match (word, nearest(word, names)) {
        ("zscore" | "trend" | "seasonal", _) => {
            error.help("a word of the detection functions, which this version does not have yet")
        }
        ("holt_winters", _) => error.help("it is called `double_exponential_smoothing` now"),
        (_, Some(near)) => error.help(format!("did you mean `{near}`?")),
        (_, None) => error,
    }
}

pub(super) fn step_value(lower: &str) -> Option<StepValue> {
    match lower {
        "step" => Some(StepValue::Step),
        "range" => Some(StepValue::Range),
        "start" => Some(StepValue::Start),
        "end" => Some(StepValue::End),
        _ => None,
    }
}

/// A sign before a number becomes a part of the number.
pub(super) fn sign_number(op: UnaryOp, number: NumberLiteral) -> NumberLiteral {
    match op {
        UnaryOp::Pos => number,
        UnaryOp::Neg => NumberLiteral {
            value: -number.value,
            ..number
        },
    }
}

/// How many nodes a tree has and how deep it is. Trees come from this parser, so the recursion is bounded.
pub(super) fn measure(expr: &Expr) -> (usize, usize) {
    let mut nodes = 1;
    let mut below = 0;
    for child in expr.children() {
        let (n, d) = measure(child);
        nodes += n;
        below = below.max(d);
    }
    (nodes, below + 1)
}
