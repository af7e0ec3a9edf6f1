//! The words of a clause: names, numbers with units, durations, texts, links.
//!
//! A [`Scan`] stands somewhere in one clause and takes what comes next, or says what it found instead. The tokens
//! are nom parsers over the rest of the clause; every span is one of the file.
//!
//! Not here: what a clause consists of (`clauses.rs`), what is inside a text (`template.rs`).

use bellwether_model::DurationMs;
use nom::branch::alt;
use nom::bytes::complete::{tag, take_while, take_while1};
use nom::character::complete::{char, digit1, none_of, one_of, satisfy};
use nom::combinator::{opt, recognize};
use nom::multi::many0_count;
use nom::sequence::{pair, preceded};
use nom::{IResult, Parser};

use super::diagnostic::Mistake;
use super::near::nearest;
use crate::promql::ast::{BinaryOp, Span};

/// Characters of a word that a message shows; more is cut.
const SHOWN_MAX: usize = 32;

/// Something read, and where it stands.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Placed<T> {
    pub(super) value: T,
    pub(super) span: Span,
}

/// A place in a clause.
#[derive(Clone, Copy, Debug)]
pub(super) struct Scan<'a> {
    /// The clause from its first word to its end, comments blanked out.
    clause: &'a str,
    /// Where the clause begins in its file.
    base: usize,
    at: usize,
}

impl<'a> Scan<'a> {
    /// At the start of the clause at `span` of a masked file.
    pub(super) fn new(masked: &'a str, span: Span) -> Scan<'a> {
        Scan {
            clause: &masked[span.start..span.end],
            base: span.start,
            at: 0,
        }
    }

    /// The clause's first word.
    pub(super) fn head(&self) -> Placed<&'a str> {
        let len = self
            .clause
            .find(|c: char| !c.is_ascii_alphanumeric() && c != '_');
        let end = len.unwrap_or(self.clause.len());
        Placed {
            value: &self.clause[..end],
            span: Span {
                start: self.base,
                end: self.base + end,
            },
        }
    }

    /// What is left, after blanks.
    pub(super) fn rest(&self) -> &'a str {
        self.clause[self.at..].trim_start()
    }

    /// Where the next word begins, a byte of the file; the end of the clause when there is none.
    pub(super) fn offset(&self) -> usize {
        self.base + self.clause.len() - self.rest().len()
    }

    /// What is left, for a parser of its own: the text, and where it begins. Nothing is left after it.
    pub(super) fn take_rest(&mut self) -> (&'a str, usize) {
        let taken = (self.rest(), self.offset());
        self.at = self.clause.len();
        taken
    }

    /// Reads with a nom parser, after blanks.
    fn take(
        &mut self,
        mut parser: impl FnMut(&'a str) -> IResult<&'a str, &'a str>,
    ) -> Option<Placed<&'a str>> {
        let rest = self.rest();
        let start = self.offset();
        let (_, value) = parser(rest).ok()?;
        self.at = start - self.base + value.len();
        let end = start + value.len();
        Some(Placed {
            value,
            span: Span { start, end },
        })
    }

    /// The next word as messages show it: up to a blank, or a text with its quotes.
    pub(super) fn next(&self) -> Placed<&'a str> {
        let rest = self.rest();
        let start = self.offset();
        let len = rest.find(char::is_whitespace).unwrap_or(rest.len());
        let end = start + len;
        Placed {
            value: &rest[..len],
            span: Span { start, end },
        }
    }

    /// "expected X, found Y" at the next word.
    pub(super) fn expected(&self, message: impl Into<String>, what: &str) -> Mistake {
        let next = self.next();
        Mistake::error(next.span, message)
            .label(format!("expected {what}, found {}", shown(next.value)))
    }

    /// Takes `word` when it is the next one.
    pub(super) fn word(&mut self, word: &str) -> Option<Span> {
        let mut probe = *self;
        let found = probe.take(plain_word)?;
        if found.value != word {
            return None;
        }
        *self = probe;
        Some(found.span)
    }

    /// Takes the next word, letters only.
    pub(super) fn any_word(&mut self) -> Option<Placed<&'a str>> {
        self.take(plain_word)
    }

    /// Takes `symbol` when it comes next.
    pub(super) fn symbol(&mut self, symbol: &'static str) -> Option<Span> {
        self.take(|rest| tag(symbol)(rest)).map(|s| s.span)
    }

    /// The name of a rule: a letter, then letters, digits and `- _ . :`.
    pub(super) fn name(&mut self, of: &str) -> Result<Placed<&'a str>, Mistake> {
        let what = format!("a name such as {}", example_name(of));
        if self.rest().is_empty() {
            return Err(self.expected(format!("{of} has no name"), &what));
        }
        if self.rest().starts_with(['"', '\'', '`']) {
            return Err(self
                .expected("a name stands without quotes".to_string(), &what)
                .help("letters, digits and `- _ . :`"));
        }
        let Some(found) = self.take(name) else {
            return Err(self
                .expected(format!("{of} has no name"), &what)
                .help("a name begins with a letter; letters, digits and `- _ . :` follow"));
        };
        self.ends_word(found.span, "a name has letters, digits and `- _ . :`")?;
        Ok(found)
    }

    /// A mistake unless a blank, a comma, a bracket or the end follows what was just taken.
    fn ends_word(&self, taken: Span, rule: &str) -> Result<(), Mistake> {
        match self.clause[self.at..].chars().next() {
            None => Ok(()),
            Some(c) if c.is_whitespace() || matches!(c, ',' | ')' | '(' | '{' | '=') => Ok(()),
            Some(c) => {
                let start = self.base + self.at;
                let end = start + c.len_utf8();
                let word = &self.clause[taken.start - self.base..self.at];
                Err(
                    Mistake::error(Span { start, end }, format!("`{c}` cannot stand in a name"))
                        .label(format!("after {}", shown(word)))
                        .help(rule),
                )
            }
        }
    }

    /// The name of a label or a `let`: a letter or `_`, then letters, digits and `_`.
    pub(super) fn label_name(&mut self, of: &str) -> Result<Placed<&'a str>, Mistake> {
        let Some(found) = self.take(label_name) else {
            return Err(self.expected(format!("{of} has no name"), "letters, digits and `_`"));
        };
        self.ends_word(found.span, "this name has letters, digits and `_` only")?;
        Ok(found)
    }

    /// The comparison that comes next, if one does; other operators are explained.
    pub(super) fn comparison(&mut self) -> Result<Option<Placed<BinaryOp>>, Mistake> {
        let mut probe = *self;
        let Some(found) = probe.take(|rest| take_while1(|c| "<>=!~".contains(c))(rest)) else {
            return Ok(None);
        };
        let right = match found.value {
            ">" => BinaryOp::Gt,
            ">=" => BinaryOp::Ge,
            "<" => BinaryOp::Lt,
            "<=" => BinaryOp::Le,
            "==" => BinaryOp::Eq,
            "!=" => BinaryOp::Ne,
            other => {
                let mistake =
                    Mistake::error(found.span, format!("{} is not a comparison", shown(other)));
                return Err(match other {
                    "=" => mistake.label("did you mean `==`?"),
                    "=>" => mistake.label("did you mean `>=`?"),
                    "=<" => mistake.label("did you mean `<=`?"),
                    "<>" => mistake.label("did you mean `!=`?"),
                    _ => mistake.label("expected one of > >= < <= == !="),
                });
            }
        };
        let split = probe.rest().starts_with('=') && found.value.len() == 1;
        if split {
            let span = Span {
                start: found.span.start,
                end: probe.offset() + 1,
            };
            return Err(
                Mistake::error(span, format!("a blank inside `{}=`", found.value))
                    .label(format!("write `{}=`", found.value)),
            );
        }
        *self = probe;
        Ok(Some(Placed {
            value: right,
            span: found.span,
        }))
    }

    /// A number with an optional unit: `15%` is 0.15, `4h` is 14400. `after` is what it follows.
    pub(super) fn number(&mut self, after: &str) -> Result<Placed<f64>, Mistake> {
        let Some(found) = self.take(number) else {
            let what = "a number such as 15% or 4h";
            return Err(match self.rest().strip_prefix('.') {
                Some(rest) if rest.starts_with(|c: char| c.is_ascii_digit()) => self
                    .expected("a number begins with a digit".to_string(), what)
                    .help(format!("write `0{}`", self.next().value)),
                _ => self.expected(format!("a number is missing after `{after}`"), what),
            });
        };
        let unit = self.clause[self.at..]
            .find(|c: char| !(c.is_alphanumeric() || matches!(c, '%' | '_' | '.')))
            .map_or(&self.clause[self.at..], |len| {
                &self.clause[self.at..][..len]
            });
        let start = self.base + self.at;
        let unit_span = Span {
            start,
            end: start + unit.len(),
        };
        let span = Span {
            start: found.span.start,
            end: unit_span.end,
        };
        self.at += unit.len();
        let Some(value) = scaled(found.value, unit) else {
            return Err(wrong_unit(found.value, unit, unit_span));
        };
        if !value.is_finite() {
            return Err(Mistake::error(span, "the number is too large")
                .label("more than a 64-bit float holds"));
        }
        if self.clause[self.at..].starts_with(',')
            && self.clause[self.at + 1..].starts_with(|c: char| c.is_ascii_digit())
        {
            let start = self.base + self.at;
            let comma = Span {
                start,
                end: start + 1,
            };
            return Err(Mistake::error(comma, "a comma inside a number")
                .label("write the digits without it"));
        }
        // `15 %` reads as one number and is two words.
        let next = self.next();
        if unit.is_empty() && unit_factor(next.value).is_some() {
            return Err(
                Mistake::error(next.span, "a blank between a number and its unit")
                    .label(format!("write `{}{}`", found.value, next.value)),
            );
        }
        Ok(Placed { value, span })
    }

    /// A length of time: `10m`, `1h30m`. `after` is what it follows.
    pub(super) fn duration(&mut self, after: &str) -> Result<Placed<DurationMs>, Mistake> {
        let example = "a time such as 30s, 10m or 1h30m";
        let in_word = |c: char| c.is_alphanumeric() || matches!(c, '.' | '-' | '+' | '_' | '%');
        let starts = self
            .rest()
            .starts_with(|c: char| c.is_ascii_digit() || matches!(c, '-' | '+' | '.'));
        if !starts {
            return Err(self.expected(format!("a time is missing after `{after}`"), example));
        }
        let Some(found) = self.take(|rest| take_while1(in_word)(rest)) else {
            return Err(self.expected(format!("a time is missing after `{after}`"), example));
        };
        if found.value.bytes().all(|b| b.is_ascii_digit()) {
            if found.value.bytes().all(|b| b == b'0') {
                return Ok(Placed {
                    value: DurationMs::ZERO,
                    span: found.span,
                });
            }
            let next = self.next();
            if DurationMs::parse(&format!("{}{}", found.value, next.value)).is_some() {
                return Err(
                    Mistake::error(next.span, "a blank between a number and its unit")
                        .label(format!("write `{}{}`", found.value, next.value)),
                );
            }
            return Err(Mistake::error(
                found.span,
                format!("{} has no unit of time", shown(found.value)),
            )
            .label(format!(
                "write `{0}s` for seconds, `{0}m` for minutes",
                found.value
            )));
        }
        match DurationMs::parse(found.value) {
            Some(value) => Ok(Placed {
                value,
                span: found.span,
            }),
            None => Err(wrong_duration(found)),
        }
    }

    /// A whole number.
    pub(super) fn integer(&mut self, after: &str) -> Result<Placed<u64>, Mistake> {
        let next = self.next();
        let Some(found) = self.take(digit1) else {
            return Err(self.expected(
                format!("a number is missing after `{after}`"),
                "a whole number such as 100",
            ));
        };
        if found.value != next.value {
            return Err(Mistake::error(
                next.span,
                format!("{} is not a whole number", shown(next.value)),
            )
            .label("expected digits only"));
        }
        match found.value.parse() {
            Ok(value) => Ok(Placed {
                value,
                span: found.span,
            }),
            Err(_) => Err(Mistake::error(found.span, "the number is too large")),
        }
    }

    /// A text with its quotes, as written: `"..."` or between backticks.
    pub(super) fn quoted(&mut self, after: &str) -> Result<Placed<&'a str>, Mistake> {
        let rest = self.rest();
        let mistake = match rest.chars().next() {
            Some('"') => match double_quoted(rest) {
                Ok(_) => None,
                Err(_) => Some("the text is not closed"),
            },
            Some('`') => {
                if rest[1..].contains('`') {
                    None
                } else {
                    Some("the text is not closed")
                }
            }
            Some('\'') => Some("a text stands in double quotes"),
            Some('\u{201c}' | '\u{201d}' | '\u{201e}' | '\u{2018}' | '\u{2019}') => {
                Some("a typographic quote")
            }
            _ => {
                let message = format!("a text is missing after `{after}`");
                return Err(self.expected(message, "a text in double quotes"));
            }
        };
        let start = self.offset();
        match mistake {
            None => self
                .take(|rest| alt((double_quoted, back_quoted)).parse(rest))
                .ok_or_else(|| self.expected("a text is missing", "a text in double quotes")),
            Some(message) => {
                let quote = rest.chars().next().map_or(0, char::len_utf8);
                let span = Span {
                    start,
                    end: start + quote,
                };
                let mistake = Mistake::error(span, message);
                Err(match message {
                    "the text is not closed" => mistake.label("opened here").help(
                        "a text ends on its line; between backticks it may go on over indented lines",
                    ),
                    _ => mistake.label("write `\"`"),
                })
            }
        }
    }

    /// Everything up to the next blank, a link for example; may be empty.
    pub(super) fn chunk(&mut self) -> Placed<&'a str> {
        let next = self.next();
        self.at = next.span.end - self.base;
        next
    }

    /// A mistake when something is left.
    pub(super) fn finish(&self, after: &str) -> Result<(), Mistake> {
        if self.rest().is_empty() {
            return Ok(());
        }
        let next = self.next();
        Err(
            Mistake::error(next.span, format!("{} is too much here", shown(next.value)))
                .label(format!("nothing follows {after}")),
        )
    }
}

/// A word for a message: in backticks, not too long; the end of the line for an empty one.
pub(super) fn shown(word: &str) -> String {
    if word.is_empty() {
        return "the end of the line".to_owned();
    }
    match word.char_indices().nth(SHOWN_MAX) {
        Some((cut, _)) => format!("`{}...`", &word[..cut]),
        None => format!("`{word}`"),
    }
}

fn example_name(of: &str) -> &'static str {
    match of {
        "the channel" => "team-chat",
        "the route" => "everything",
        "the `let`" => "disk_free",
        _ => "DiskFilling",
    }
}

fn plain_word(rest: &str) -> IResult<&str, &str> {
    recognize(pair(
        satisfy(|c| c.is_ascii_alphabetic()),
        take_while(|c: char| c.is_ascii_alphanumeric() || c == '_'),
    ))
    .parse(rest)
}

fn name(rest: &str) -> IResult<&str, &str> {
    recognize(pair(
        satisfy(|c| c.is_ascii_alphabetic()),
        take_while(|c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.' | ':')),
    ))
    .parse(rest)
}

fn label_name(rest: &str) -> IResult<&str, &str> {
    recognize(pair(
        satisfy(|c| c.is_ascii_alphabetic() || c == '_'),
        take_while(|c: char| c.is_ascii_alphanumeric() || c == '_'),
    ))
    .parse(rest)
}

/// `-1.5e3`, without a unit.
fn number(rest: &str) -> IResult<&str, &str> {
    let exponent = (one_of("eE"), opt(one_of("+-")), digit1);
    recognize((
        opt(one_of("+-")),
        digit1,
        opt((char('.'), digit1)),
        opt(exponent),
    ))
    .parse(rest)
}

/// `"..."` on one line, its escapes not looked at.
fn double_quoted(rest: &str) -> IResult<&str, &str> {
    let escape = preceded(char('\\'), none_of("\n"));
    let inside = many0_count(alt((escape, none_of("\"\\\n"))));
    recognize((char('"'), inside, char('"'))).parse(rest)
}

fn back_quoted(rest: &str) -> IResult<&str, &str> {
    recognize((char('`'), take_while(|c| c != '`'), char('`'))).parse(rest)
}

/// How a unit changes a number: a shift of the decimal point keeps it exact.
enum Factor {
    Tens(i32),
    Times(f64),
}

fn unit_factor(unit: &str) -> Option<Factor> {
    const KIB: f64 = 1024.0;
    Some(match unit {
        "%" => Factor::Tens(-2),
        "ns" => Factor::Tens(-9),
        "us" => Factor::Tens(-6),
        "ms" => Factor::Tens(-3),
        "s" => Factor::Tens(0),
        "m" => Factor::Times(60.0),
        "h" => Factor::Times(3600.0),
        "d" => Factor::Times(86_400.0),
        "w" => Factor::Times(7.0 * 86_400.0),
        "k" => Factor::Tens(3),
        "M" => Factor::Tens(6),
        "G" => Factor::Tens(9),
        "T" => Factor::Tens(12),
        "KiB" => Factor::Times(KIB),
        "MiB" => Factor::Times(KIB * KIB),
        "GiB" => Factor::Times(KIB * KIB * KIB),
        "TiB" => Factor::Times(KIB * KIB * KIB * KIB),
        _ => return None,
    })
}

/// The value of `digits` with `unit`; `None` when the unit is none.
fn scaled(digits: &str, unit: &str) -> Option<f64> {
    if unit.is_empty() {
        return digits.parse().ok();
    }
    match unit_factor(unit) {
        Some(Factor::Times(factor)) => Some(digits.parse::<f64>().ok()? * factor),
        Some(Factor::Tens(shift)) => {
            let (mantissa, exponent) = digits.split_once(['e', 'E']).unwrap_or((digits, "0"));
            // An exponent beyond i32 is infinite or zero whatever is added to it.
            let exponent: i32 = exponent.parse().unwrap_or(if exponent.starts_with('-') {
                i32::MIN / 2
            } else {
                i32::MAX / 2
            });
            format!("{mantissa}e{}", exponent + shift).parse().ok()
        }
        None => {
            let duration = DurationMs::parse(&format!("{digits}{unit}"))?;
            Some(duration.as_seconds())
        }
    }
}

fn wrong_unit(digits: &str, unit: &str, span: Span) -> Mistake {
    const UNITS: &str = "units: % · ns us ms s m h d w · k M G T · KiB MiB GiB TiB";
    let mistake = Mistake::error(span, format!("{} is not a unit", shown(unit))).help(UNITS);
    let meant = match unit {
        "K" => "k",
        "kb" | "kB" | "KB" | "Kb" | "kib" | "Ki" => "KiB",
        "mb" | "MB" | "Mb" | "mib" | "Mi" => "MiB",
        "gb" | "GB" | "Gb" | "gib" | "Gi" | "g" => "GiB",
        "tb" | "TB" | "Tb" | "tib" | "Ti" | "t" => "TiB",
        "min" | "mins" | "minute" | "minutes" => "m",
        "sec" | "secs" | "second" | "seconds" | "S" => "s",
        "hour" | "hours" | "hr" | "hrs" | "H" => "h",
        "day" | "days" | "D" => "d",
        "week" | "weeks" | "W" => "w",
        "µs" | "μs" => "us",
        "percent" | "pct" => "%",
        _ => return mistake.label("expected a unit, or nothing"),
    };
    mistake.label(format!("did you mean `{digits}{meant}`?"))
}

fn wrong_duration(found: Placed<&str>) -> Mistake {
    let text = found.value;
    let mistake = Mistake::error(found.span, format!("{} is not a time", shown(text)));
    if text.starts_with(['-', '+']) {
        return mistake.label("a time has no sign");
    }
    if text.contains('.') {
        return mistake
            .label("whole numbers only")
            .help("1.5h is written 1h30m");
    }
    let digits = text.bytes().take_while(u8::is_ascii_digit).count();
    let (number, unit) = text.split_at(digits);
    let long = [
        "milliseconds",
        "seconds",
        "secs",
        "sec",
        "minutes",
        "mins",
        "min",
        "hours",
        "hrs",
        "days",
        "weeks",
        "years",
    ];
    let meant = match unit {
        "M" => Some("m"),
        "Y" => Some("y"),
        "S" | "H" | "D" | "W" => ["s", "h", "d", "w"]
            .into_iter()
            .find(|u| unit.eq_ignore_ascii_case(u)),
        "ns" | "us" => return mistake.label("the smallest unit is ms"),
        unit => long
            .iter()
            .find(|l| **l == unit || l.strip_suffix('s') == Some(unit))
            .map(|l| {
                if l.starts_with("milli") {
                    "ms"
                } else {
                    &l[..1]
                }
            })
            .or_else(|| {
                nearest(unit, long).map(|l| {
                    if l.starts_with("milli") {
                        "ms"
                    } else {
                        &l[..1]
                    }
                })
            }),
    };
    match meant {
        Some(unit) => mistake.label(format!("did you mean `{number}{unit}`?")),
        None => mistake
            .label("expected a time such as 30s, 10m or 1h30m")
            .help("units, from large to small, each once: y w d h m s ms"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn scan(text: &str) -> Scan<'_> {
        Scan::new(
            text,
            Span {
                start: 0,
                end: text.len(),
            },
        )
    }

    #[test]
    fn numbers_with_units_are_exact() {
        for (text, value) in [
            ("15%", 0.15),
            ("29%", 0.29),
            ("0.1%", 0.001),
            ("4h", 14400.0),
            ("1h30m", 5400.0),
            ("200ms", 0.2),
            ("3us", 3e-6),
            ("7ns", 7e-9),
            ("5k", 5000.0),
            ("1.5M", 1.5e6),
            ("10GiB", 10.0 * 1_073_741_824.0),
            ("-4", -4.0),
            ("+4", 4.0),
            ("5e8", 5e8),
            ("5e-1%", 0.005),
            ("2w", 1_209_600.0),
            ("0", 0.0),
        ] {
            assert_eq!(scan(text).number(">").unwrap().value, value, "{text}");
        }
    }

    #[test]
    fn words_that_are_no_numbers_say_why() {
        for (text, message) in [
            ("for", "a number is missing after `>`"),
            ("", "a number is missing after `>`"),
            (".5", "a number begins with a digit"),
            ("5 %", "a blank between a number and its unit"),
            ("5kb", "`kb` is not a unit"),
            ("1,000", "a comma inside a number"),
            ("1, x", ""),
            ("1_000", "`_000` is not a unit"),
            ("1.2.3", "`.3` is not a unit"),
            ("1e999", "the number is too large"),
            ("1e99999999999%", "the number is too large"),
        ] {
            let result = scan(text).number(">").map_err(|m| m.message);
            match message {
                "" => assert!(result.is_ok(), "{text}"),
                message => assert_eq!(result.unwrap_err(), message, "{text}"),
            }
        }
    }

    #[test]
    fn durations_say_what_is_wrong() {
        assert_eq!(
            scan("1h30m x").duration("for").unwrap().value,
            DurationMs::from_mins(90)
        );
        assert_eq!(scan("0").duration("for").unwrap().value, DurationMs::ZERO);
        for (text, label) in [
            ("10", "write `10s` for seconds, `10m` for minutes"),
            ("10 m", "write `10m`"),
            ("10min", "did you mean `10m`?"),
            ("10minute", "did you mean `10m`?"),
            ("10mintues", "did you mean `10m`?"),
            ("10M", "did you mean `10m`?"),
            ("1.5h", "whole numbers only"),
            ("-5m", "a time has no sign"),
            ("30m1h", "expected a time such as 30s, 10m or 1h30m"),
            ("5us", "the smallest unit is ms"),
            (
                "clear",
                "expected a time such as 30s, 10m or 1h30m, found `clear`",
            ),
        ] {
            assert_eq!(
                scan(text).duration("for").unwrap_err().label,
                label,
                "{text}"
            );
        }
    }

    #[test]
    fn spans_are_those_of_the_file() {
        let file = "xx warning  > 5%";
        let mut scan = Scan::new(
            file,
            Span {
                start: 3,
                end: file.len(),
            },
        );
        assert_eq!(scan.any_word().unwrap().span, Span { start: 3, end: 10 });
        assert_eq!(
            scan.comparison().unwrap().unwrap().span,
            Span { start: 12, end: 13 }
        );
        assert_eq!(scan.number(">").unwrap().span, Span { start: 14, end: 16 });
        assert!(scan.finish("it").is_ok());
    }
}
