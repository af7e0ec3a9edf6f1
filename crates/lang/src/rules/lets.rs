//! `let`: names for constants and sub-expressions, resolved over the whole folder.
//!
//! `$name` stands for a tree, never for a text: it cannot change how what surrounds it is read. Definitions may
//! use each other in any order, in a circle they may not; what they expand to is bounded by `query.max_nodes`.

use std::collections::BTreeMap;

use bellwether_model::{DurationMs, limits};

use super::brackets;
use super::diagnostic::{Mistake, Parsed, Spoiled};
use super::graph::{circles, in_order};
use super::near::nearest;
use super::scan::{Placed, Scan};
use crate::promql;
use crate::promql::ast::{BinaryOp, Expr, ExprKind, NumberLiteral, Span, UnaryOp};

/// A `let` as it is written.
#[derive(Debug)]
pub(super) struct Definition<'a> {
    pub(super) name: Placed<&'a str>,
    /// What stands behind `=`, and where.
    pub(super) text: Placed<&'a str>,
    /// Which file it is in.
    pub(super) file: usize,
}

/// Every `let` of the folder, resolved.
#[derive(Debug, Default)]
pub(super) struct Lets {
    /// `None`: there is such a `let`, and its mistake was told at its own place.
    by_name: BTreeMap<String, Option<Expr>>,
}

impl Lets {
    /// Resolves definitions with unique names; mistakes come with the number of their file.
    pub(super) fn resolve(
        definitions: &[Definition<'_>],
        mistakes: &mut Vec<(usize, Mistake)>,
    ) -> Lets {
        let index: BTreeMap<&str, usize> = definitions
            .iter()
            .enumerate()
            .map(|(i, d)| (d.name.value, i))
            .collect();
        let uses: Vec<Vec<usize>> = definitions
            .iter()
            .map(|d| {
                let names = references(&d.text);
                names
                    .iter()
                    .filter_map(|n| index.get(n.value).copied())
                    .collect()
            })
            .collect();
        let order = in_order(&uses);
        let mut lets = Lets {
            // Known from the start, so that nothing that uses one in a circle is called unknown.
            by_name: index
                .keys()
                .map(|name| ((*name).to_owned(), None))
                .collect(),
        };
        for i in &order {
            let definition = &definitions[*i];
            match lets.value(definition) {
                Ok(expr) => {
                    lets.by_name
                        .insert(definition.name.value.to_owned(), Some(expr));
                }
                Err(spoiled) => {
                    mistakes.extend(spoiled.mistakes.into_iter().map(|m| (definition.file, m)));
                }
            }
        }
        for circle in circles(&uses, &order) {
            let first = &definitions[circle[0]];
            let names: Vec<&str> = circle.iter().map(|i| definitions[*i].name.value).collect();
            let mistake =
                Mistake::error(first.name.span, format!("`let {}` uses itself", names[0]))
                    .label(format!("{} -> {}", names.join(" -> "), names[0]));
            mistakes.push((first.file, mistake));
        }
        lets
    }

    fn value(&self, definition: &Definition<'_>) -> Parsed<Expr> {
        let text = &definition.text;
        if let Some(value) = with_unit(text) {
            let literal = NumberLiteral {
                value,
                is_duration: false,
            };
            return Ok(Expr {
                kind: ExprKind::Number(literal),
                span: text.span,
            });
        }
        let expr = self.expr(text.value, text.span.start)?;
        let max = limits::QUERY_NODES_MAX;
        if nodes(&expr) > max.usize() {
            let message = format!("`let {}` is too large", definition.name.value);
            return Err(Mistake::error(definition.name.span, message)
                .label(format!(
                    "with all it uses more than {} parts ({})",
                    max.value, max.name
                ))
                .into());
        }
        Ok(expr)
    }

    /// Reads an expression that begins at byte `at` of its file.
    pub(super) fn expr(&self, text: &str, at: usize) -> Parsed<Expr> {
        match self.recover(text, at) {
            (Some(expr), mistakes) if mistakes.is_empty() => Ok(expr),
            (_, mistakes) => Err(mistakes.into()),
        }
    }

    /// As [`Lets::expr`]; where only types are wrong the tree is there, too, for those who know better what is.
    pub(super) fn recover(&self, text: &str, at: usize) -> (Option<Expr>, Vec<Mistake>) {
        let placed = Placed {
            value: text,
            span: Span {
                start: at,
                end: at + text.len(),
            },
        };
        // Those that are broken where they stand were told there.
        let mut unresolved = references(&placed);
        unresolved.retain(|name| !matches!(self.by_name.get(name.value), Some(Some(_))));
        let lookup = |name: &str| self.by_name.get(name).cloned().flatten();
        let (tree, mut errors) = promql::recover_with_lets(text, at, &lookup);
        errors.retain(|error| unresolved.iter().all(|name| name.span != error.span));
        let mut mistakes: Vec<Mistake> = errors.into_iter().map(Mistake::from).collect();
        // Only the last one can be about the form; brackets that do not match are its reason more often than not.
        if !mistakes.is_empty()
            && let Some(bracket) = brackets::unbalanced(text, at, "the expression")
        {
            mistakes.pop();
            mistakes.push(bracket);
        }
        let unknown = unresolved
            .iter()
            .filter(|name| !self.by_name.contains_key(name.value));
        mistakes.extend(unknown.map(|name| self.unknown(name)));
        (tree.filter(|_| unresolved.is_empty()), mistakes)
    }

    /// The number that `$name` at the scan's place stands for.
    pub(super) fn number(&self, name: &Placed<&str>) -> Parsed<f64> {
        match self.by_name.get(name.value) {
            None => Err(self.unknown(name).into()),
            Some(None) => Err(Spoiled::default()),
            Some(Some(expr)) => constant(expr).filter(|n| n.is_finite()).ok_or_else(|| {
                Mistake::error(name.span, format!("`${}` is not a number", name.value))
                    .label("an expression, which has no value before it is evaluated")
                    .into()
            }),
        }
    }

    fn unknown(&self, name: &Placed<&str>) -> Mistake {
        let mistake = Mistake::error(name.span, format!("no `let` is named `{}`", name.value));
        match nearest(name.value, self.by_name.keys().map(String::as_str)) {
            Some(near) => mistake.label(format!("did you mean `${near}`?")),
            None => mistake.label(format!(
                "`let {} = ...` defines it, in any file of the folder",
                name.value
            )),
        }
    }
}

/// Every `$name` of an expression outside of texts, with its `$`.
fn references<'a>(text: &Placed<&'a str>) -> Vec<Placed<&'a str>> {
    let mut found = Vec::new();
    let bytes = text.value.as_bytes();
    let mut at = 0;
    while at < bytes.len() {
        match bytes[at] {
            quote @ (b'"' | b'\'' | b'`') => {
                at += 1;
                while at < bytes.len() && bytes[at] != quote {
                    at += if bytes[at] == b'\\' && quote != b'`' {
                        2
                    } else {
                        1
                    };
                }
                at += 1;
            }
            b'$' => {
                let len = bytes[at + 1..]
                    .iter()
                    .take_while(|b| b.is_ascii_alphanumeric() || **b == b'_')
                    .count();
                if len > 0 && !bytes[at + 1].is_ascii_digit() {
                    let start = text.span.start + at;
                    found.push(Placed {
                        value: &text.value[at + 1..=at + len],
                        span: Span {
                            start,
                            end: start + 1 + len,
                        },
                    });
                }
                at += 1 + len;
            }
            _ => at += 1,
        }
    }
    found
}

/// The value of a number with a unit that PromQL does not know: `15%`, `5k`, `10GiB`.
fn with_unit(text: &Placed<&str>) -> Option<f64> {
    let plain = |c: char| c.is_ascii_digit();
    if text.value.ends_with(plain) || DurationMs::parse(text.value).is_some() {
        return None;
    }
    let span = Span {
        start: 0,
        end: text.value.len(),
    };
    let mut scan = Scan::new(text.value, span);
    let number = scan.number("=").ok()?;
    scan.finish("a number").ok()?;
    Some(number.value)
}

/// How many parts a tree has.
fn nodes(expr: &Expr) -> usize {
    1 + expr.children().into_iter().map(nodes).sum::<usize>()
}

/// The value of an expression of numbers only.
fn constant(expr: &Expr) -> Option<f64> {
    match &expr.unparenthesized().kind {
        ExprKind::Number(literal) => Some(literal.value),
        ExprKind::Unary(UnaryOp::Neg, inner) => constant(inner).map(|v| -v),
        ExprKind::Unary(UnaryOp::Pos, inner) => constant(inner),
        ExprKind::Binary(binary) => {
            let (lhs, rhs) = (constant(&binary.lhs)?, constant(&binary.rhs)?);
            match binary.op {
                BinaryOp::Add => Some(lhs + rhs),
                BinaryOp::Sub => Some(lhs - rhs),
                BinaryOp::Mul => Some(lhs * rhs),
                BinaryOp::Div => Some(lhs / rhs),
                BinaryOp::Pow => Some(lhs.powf(rhs)),
                _ => None,
            }
        }
        _ => None,
    }
}
