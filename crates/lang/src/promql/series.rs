//! Series lines of tests: `up{job="api"} 0+10x4 _ stale`, a series and its values in a row.
//!
//! The notation is that of Prometheus' own tests; the first value stands at the start, each next one a step
//! later. Native histograms (`{{...}}`) and start timestamps (`@st`) are refused by name.

use bellwether_model::limits::{Limit, Unit};
use bellwether_model::{Labels, METRIC_NAME, STALE_NAN, limits, value::parse_value};
use nom::branch::alt;
use nom::bytes::complete::{tag, tag_no_case};
use nom::character::complete::{char, digit1, one_of};
use nom::combinator::{all_consuming, opt, recognize, value};
use nom::sequence::{pair, preceded};
use nom::{IResult, Parser as _};

use super::ast::Span;
use super::error::ParseError;
use super::lex::Token;
use super::parser::{Parser, shorten};

/// How many values one line may unfold to.
const VALUES_MAX: Limit = Limit {
    name: "series values",
    value: 100_000,
    unit: Unit::Count,
    beyond: "the line is refused",
};

/// A series and its values, one a step.
#[derive(Clone, Debug)]
pub struct SeriesLine {
    /// The series; may be the empty set.
    pub labels: Labels,
    /// The value at each step, `None` where there is no sample. A staleness marker is
    /// [`STALE_NAN`].
    pub values: Vec<Option<f64>>,
}

/// Reads one line.
pub fn parse_series_line(text: &str) -> Result<SeriesLine, ParseError> {
    parse_series_line_part(text, 0)
}

/// As [`parse_series_line`], for a line that begins at byte `at` of its file.
pub fn parse_series_line_part(text: &str, at: usize) -> Result<SeriesLine, ParseError> {
    let mut parser = Parser::new(text, at, &limits::INGEST_LINE_MAX, None)?;
    let labels = parser.label_set()?;
    let mut place = parser.end();
    let rest = parser.rest();
    if let Some(c) = rest.chars().next().filter(|c| !c.is_ascii_whitespace()) {
        let span = Span {
            start: place,
            end: place + c.len_utf8(),
        };
        return Err(ParseError::new(
            span,
            match c {
                '@' => "start timestamps (`@st`) are not supported",
                _ => "expected a blank before the values",
            },
        ));
    }
    let mut values = Vec::new();
    for word in rest.split([' ', '\t', '\n', '\r']) {
        if !word.is_empty() {
            unfold(word, place, &mut values)?;
        }
        place += word.len() + 1;
    }
    Ok(SeriesLine { labels, values })
}

impl Parser<'_> {
    /// `name{a="b", "c.d"="e"}`, `{"name", a="b"}`, `{}`.
    fn label_set(&mut self) -> Result<Labels, ParseError> {
        let mut pairs: Vec<(String, String)> = Vec::new();
        if let Token::Word(name) = self.peek()? {
            self.next()?;
            pairs.push((METRIC_NAME.to_string(), name.to_string()));
        } else if !self.at("{")? {
            return Err(self.unexpected("", "a metric name or `{`"));
        }
        let start = self.end();
        if self.rest().starts_with('{') {
            for (name, value) in self.label_pairs()? {
                if pairs.iter().any(|(n, _)| *n == name) {
                    let span = Span {
                        start,
                        end: self.end(),
                    };
                    return Err(ParseError::new(
                        span,
                        format!("label {name:?} is set twice"),
                    ));
                }
                pairs.push((name, value));
            }
        }
        Ok(Labels::from_pairs(pairs))
    }
}

/// One word of the sequence, unfolded to its values.
fn unfold(word: &str, start: usize, values: &mut Vec<Option<f64>>) -> Result<(), ParseError> {
    let span = Span {
        start,
        end: start + word.len(),
    };
    if word.starts_with("{{") {
        return Err(ParseError::new(span, "native histograms are not supported"));
    }
    let Ok((_, item)) = all_consuming(item).parse(word) else {
        let shown = shorten(word);
        return Err(ParseError::new(
            span,
            format!("expected a value in the sequence, found `{shown}`"),
        )
        .help("values are `1`, `_`, `stale`, `1x5`, `0+10x5`, `_x5`, between blanks"));
    };
    let times = item.times.unwrap_or(0);
    let count = match item.first {
        // `_x3` is three gaps, `1x3` four values: the first and three more.
        First::Gap => item.times.unwrap_or(1),
        First::Value(_) => times.saturating_add(1),
    };
    if count.saturating_add(values.len() as u64) > VALUES_MAX.value {
        let (name, max) = (VALUES_MAX.name, VALUES_MAX.value);
        return Err(ParseError::new(
            span,
            format!("the line has more than {max} {name}"),
        ));
    }
    match item.first {
        First::Gap => values.extend((0..count).map(|_| None)),
        First::Value(first) => {
            // Added up one by one, as upstream does: the rounding is the same.
            let mut v = first;
            for _ in 0..count {
                values.push(Some(v));
                v = item.step.map_or(v, |step| v + step);
            }
        }
    }
    Ok(())
}

struct Item {
    first: First,
    step: Option<f64>,
    /// What stands after `x`.
    times: Option<u64>,
}

#[derive(Clone, Copy)]
enum First {
    Gap,
    Value(f64),
}

fn item(text: &str) -> IResult<&str, Item> {
    let (rest, first) = alt((
        value(First::Gap, char('_')),
        value(First::Value(STALE_NAN), tag("stale")),
        hexadecimal.map(First::Value),
        pair(opt(one_of("+-")), magnitude).map(|(sign, v)| First::Value(signed(sign, v))),
    ))
    .parse(text)?;
    let times = |t| preceded(char('x'), digit1).map_res(str::parse).parse(t);
    if let (First::Value(_), Ok((rest, (sign, step)))) = (first, step(rest)) {
        // A step says nothing without the number of steps.
        let (rest, times) = times(rest)?;
        let (step, times) = (Some(signed(Some(sign), step)), Some(times));
        return Ok((rest, Item { first, step, times }));
    }
    let (rest, times) = opt(times).parse(rest)?;
    let step = None;
    Ok((rest, Item { first, step, times }))
}

fn step(text: &str) -> IResult<&str, (char, f64)> {
    pair(one_of("+-"), magnitude).parse(text)
}

fn signed(sign: Option<char>, v: f64) -> f64 {
    if sign == Some('-') { -v } else { v }
}

/// `5`, `1.5e-3`, `.5`, `Inf`, `NaN`. Not hexadecimal: `0x4` is five zeros.
fn magnitude(text: &str) -> IResult<&str, f64> {
    let exponent = (one_of("eE"), opt(one_of("+-")), digit1);
    let decimal = (
        alt((
            recognize((digit1, opt(pair(char('.'), opt(digit1))))),
            recognize((char('.'), digit1)),
        )),
        opt(exponent),
    );
    alt((tag_no_case("inf"), tag_no_case("nan"), recognize(decimal)))
        .map_opt(parse_value)
        .parse(text)
}

/// A whole word such as `0x1f`: with a letter among its digits, it can be nothing else.
fn hexadecimal(text: &str) -> IResult<&str, f64> {
    let error = || {
        nom::Err::Error(nom::error::Error::new(
            text,
            nom::error::ErrorKind::HexDigit,
        ))
    };
    let unsigned = text.strip_prefix(['+', '-']).unwrap_or(text);
    let digits = unsigned.strip_prefix("0x").ok_or_else(error)?;
    if !digits.bytes().any(|b| b.is_ascii_alphabetic()) {
        return Err(error());
    }
    Ok(("", parse_value(text).ok_or_else(error)?))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(line: &str, want: &str) {
        let got = match parse_series_line(line) {
            Ok(SeriesLine { labels, values }) => {
                let values: Vec<String> = values
                    .iter()
                    .map(|v| match v {
                        None => "_".into(),
                        Some(v) if v.to_bits() == STALE_NAN.to_bits() => "stale".into(),
                        Some(v) => v.to_string(),
                    })
                    .collect();
                format!("{labels} = {}", values.join(" "))
            }
            Err(e) => e.describe(line).replacen(" parse error:", "", 1),
        };
        assert_eq!(got, want, "{line}");
    }

    #[test]
    fn sequences_unfold() {
        check("{} 1 2", "{} = 1 2");
        check("m", "m = ");
        check(
            "m{a=\"b\"}  0+10x3 _ stale",
            "m{a=\"b\"} = 0 10 20 30 _ stale",
        );
        check("m -2-3x2 +5 7x2 _x2", "m = -2 -5 -8 5 7 7 7 _ _");
        check("m 1.5e3 .5 5. Inf -Inf NaN", "m = 1500 0.5 5 inf -inf NaN");
        check("m 0.4 1.25-0.5x1", "m = 0.4 1.25 0.75");
        check("m 0x2 0x1f", "m = 0 0 0 31");
        check("m 1+NaNx1", "m = 1 NaN");
        check("m _x0 1", "m = 1");
        check("m stalex1", "m = stale stale");
        check("{\"a.b\", \"c.d\"='e'} 1", "{\"a.b\", \"c.d\"=\"e\"} = 1");
    }

    #[test]
    fn mistakes_have_a_place() {
        let values = "(values are `1`, `_`, `stale`, `1x5`, `0+10x5`, `_x5`, between blanks)";
        for (line, at, word) in [
            ("m 1 -3-3", "1:5", "-3-3"),
            ("m 3+3x4-4", "1:3", "3+3x4-4"),
            ("m 1x", "1:3", "1x"),
            ("m x3", "1:3", "x3"),
            ("m 1x99999999999999999999", "1:3", "1x99999999999999999999"),
        ] {
            let want = format!("{at}: expected a value in the sequence, found `{word}` {values}");
            check(line, &want);
        }
        check("m {{schema:1}}", "1:3: native histograms are not supported");
        check("m@st 1m", "1:2: start timestamps (`@st`) are not supported");
        check(
            "m 1x200000",
            "1:3: the line has more than 100000 series values",
        );
        check("m{a=\"b\"}1", "1:9: expected a blank before the values");
        check(
            "m{a=~\"b\"} 1",
            "1:4: expected `=` in label set, found `=~`",
        );
        check("m{a=\"b\",a=\"c\"} 1", "1:2: label \"a\" is set twice");
    }
}
