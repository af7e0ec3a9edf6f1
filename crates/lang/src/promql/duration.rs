//! Durations: of ranges, of subquery steps and of offsets.
//!
//! A duration is a number of seconds, `1h30m`, or arithmetic over these and `step()`, `range()`, `min_of` and
//! `max_of`. In brackets the arithmetic is free; after `offset` it stands in parentheses, because
//! `x offset 5m + 1` adds 1 to `x offset 5m`.

use bellwether_model::DurationMs;

use super::ast::{
    Binary, BinaryOp, Call, DurationExpr, Expr, ExprKind, NumberLiteral, Span, UnaryOp,
};
use super::error::ParseError;
use super::functions::function;
use super::lex::Token;
use super::parse::{binary_op, sign_number, step_value};
use super::parser::{Node, Parser};

/// The longest duration, as upstream has it: what 63 bits of nanoseconds hold, about 292 years.
const DURATION_MAX_SECONDS: f64 = 9_223_372_036.0;

const EXPECTED: &str = "a number, duration, step(), or range()";

impl Parser<'_> {
    /// A duration in brackets: arithmetic as it likes, and more than nothing.
    pub(super) fn positive_duration(&mut self, place: &str) -> Result<DurationExpr, ParseError> {
        let expr = self.duration_sum(1, place)?.expr;
        let span = expr.span;
        let duration = seal(expr)?;
        // Arithmetic may wait for the query's step: its result is checked when it is known.
        let nothing = matches!(duration, DurationExpr::Const(ms) if ms.0 <= 0);
        if nothing {
            return Err(ParseError::new(span, "duration must be greater than 0"));
        }
        Ok(duration)
    }

    /// A duration after `offset`: signs and one operand.
    pub(super) fn offset_duration(&mut self) -> Result<DurationExpr, ParseError> {
        let node = self.duration_signed("offset", false)?;
        seal(node.expr)
    }

    /// Operands joined by `+ -` (1), `* / %` (2) and `^` (3).
    fn duration_sum(&mut self, weakest: u8, place: &str) -> Result<Node, ParseError> {
        self.enter()?;
        let mut lhs = self.duration_signed(place, true)?;
        while let Some((op, strength)) = arithmetic(self.peek()?) {
            if strength < weakest {
                break;
            }
            self.next()?;
            let tighter = if op == BinaryOp::Pow {
                strength
            } else {
                strength + 1
            };
            let rhs = self.duration_sum(tighter, place)?;
            lhs = self.duration_join(lhs, op, rhs)?;
        }
        self.leave();
        Ok(lhs)
    }

    fn duration_join(&mut self, lhs: Node, op: BinaryOp, rhs: Node) -> Result<Node, ParseError> {
        let divides = match op {
            BinaryOp::Div => Some("division"),
            BinaryOp::Mod => Some("modulo"),
            _ => None,
        };
        let zero = matches!(rhs.expr.kind, ExprKind::Number(n) if n.value == 0.0);
        if let (Some(name), true) = (divides, zero) {
            return Err(ParseError::new(rhs.expr.span, format!("{name} by zero")));
        }
        let span = Span {
            start: lhs.expr.span.start,
            end: rhs.expr.span.end,
        };
        let kind = ExprKind::Binary(Binary {
            op,
            lhs: lhs.expr,
            rhs: rhs.expr,
            return_bool: false,
            matching: None,
        });
        self.node(kind, span, lhs.depth.max(rhs.depth))
    }

    /// An operand after any number of signs. With `powers` they apply to a whole power, `-2 ^ 2` being -4.
    fn duration_signed(&mut self, place: &str, powers: bool) -> Result<Node, ParseError> {
        let sign = self.peek_span()?;
        let negative = self.at("-")?;
        if !negative && !self.at("+")? {
            return self.duration_operand(place);
        }
        self.next()?;
        self.enter()?;
        let operand = if powers {
            self.duration_sum(3, place)?
        } else {
            self.duration_signed(place, false)?
        };
        self.leave();
        let span = Span {
            start: sign.start,
            end: operand.expr.span.end,
        };
        let depth = operand.depth;
        match operand.expr.kind {
            ExprKind::Number(number) => {
                let op = if negative { UnaryOp::Neg } else { UnaryOp::Pos };
                let kind = ExprKind::Number(sign_number(op, number));
                Ok(Node::new(kind, span, depth))
            }
            _ if !negative => Ok(operand),
            _ => {
                let kind = ExprKind::Unary(UnaryOp::Neg, operand.expr);
                self.node(kind, span, depth)
            }
        }
    }

    fn duration_operand(&mut self, place: &str) -> Result<Node, ParseError> {
        let (token, span) = (self.peek()?, self.peek_span()?);
        let number = |value, is_duration| ExprKind::Number(NumberLiteral { value, is_duration });
        match token {
            Token::Number(value) => {
                self.next()?;
                self.node(number(value, false), span, 0)
            }
            Token::Duration(duration) => {
                self.next()?;
                self.node(number(duration.as_seconds(), true), span, 0)
            }
            Token::Symbol("(") => {
                self.next()?;
                let inner = self.duration_sum(1, place)?;
                let close = self.close_parenthesis("an operator or `)`")?;
                let span = Span {
                    start: span.start,
                    end: close.end,
                };
                self.node(ExprKind::Paren(inner.expr), span, inner.depth)
            }
            Token::Word(word) => self.duration_word(word, place),
            Token::Let(name) => {
                let Some(expr) = self.resolve_let(name, span)? else {
                    self.next()?;
                    return self.odd(span, 0);
                };
                let ExprKind::Number(literal) = expr.unparenthesized().kind else {
                    return Err(ParseError::new(
                        span,
                        format!("`${name}` stands where a duration is expected, but is none"),
                    ));
                };
                self.next()?;
                self.node(ExprKind::Number(literal), span, 0)
            }
            _ => Err(self.unexpected(place, EXPECTED)),
        }
    }

    fn duration_word(&mut self, word: &str, place: &str) -> Result<Node, ParseError> {
        let lower = word.to_ascii_lowercase();
        match lower.as_str() {
            "step" | "range" => {
                let (_, name) = self.next()?;
                match step_value(&lower) {
                    Some(value) if self.at("(")? => self.step_value(value, name),
                    _ => Err(self.unexpected(place, &format!("`()` after `{word}`"))),
                }
            }
            "min_of" | "max_of" => self.duration_choice(&lower, place),
            _ => Err(self.unexpected(place, EXPECTED)),
        }
    }

    /// `min_of(a, b)` and `max_of(a, b)`.
    fn duration_choice(&mut self, name: &str, place: &str) -> Result<Node, ParseError> {
        let (_, start) = self.next()?;
        let Some(function) = function(name) else {
            return Err(self.unexpected(place, EXPECTED));
        };
        self.expect("(", place, "`(`")?;
        let first = self.duration_sum(1, place)?;
        self.expect(",", place, "`,`")?;
        let second = self.duration_sum(1, place)?;
        let close = self.close_parenthesis("an operator or `)`")?;
        let span = Span {
            start: start.start,
            end: close.end,
        };
        let depth = first.depth.max(second.depth);
        let args = vec![*first.expr, *second.expr];
        self.node(ExprKind::Call(Call { function, args }), span, depth)
    }
}

fn arithmetic(token: Token<'_>) -> Option<(BinaryOp, u8)> {
    let op = binary_op(token)?;
    let strength = match op {
        BinaryOp::Add | BinaryOp::Sub => 1,
        BinaryOp::Mul | BinaryOp::Div | BinaryOp::Mod => 2,
        BinaryOp::Pow => 3,
        _ => return None,
    };
    Some((op, strength))
}

/// A plain number becomes a constant; whatever has more parts stays as written.
fn seal(expr: Box<Expr>) -> Result<DurationExpr, ParseError> {
    let ExprKind::Number(number) = expr.kind else {
        return Ok(DurationExpr::Dynamic(expr));
    };
    if number.value.abs() > DURATION_MAX_SECONDS {
        return Err(ParseError::new(expr.span, "duration out of range"));
    }
    let ms = (number.value * 1000.0).round();
    Ok(DurationExpr::Const(DurationMs(ms as i64)))
}
