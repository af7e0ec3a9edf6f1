//! The values of a series line, as they are written: `0+10x4 _ stale`.
//!
//! Words stay words until someone asks for the values, so a short text stays small however much it unfolds to.
//! Native histograms (`{{...}}`) are refused by name.

use std::fmt;

use bellwether_model::STALE_NAN;
use bellwether_model::limits::{Limit, Unit};
use bellwether_model::value::{format_value, parse_value};
use nom::branch::alt;
use nom::bytes::complete::{tag, tag_no_case};
use nom::character::complete::{char, digit1, one_of};
use nom::combinator::{all_consuming, opt, recognize, value};
use nom::sequence::{pair, preceded};
use nom::{IResult, Parser as _};

use super::ast::Span;
use super::error::ParseError;
use super::parser::shorten;

/// How many values one line may unfold to.
const VALUES_MAX: Limit = Limit {
    name: "series values",
    value: 100_000,
    unit: Unit::Count,
    beyond: "the line is refused",
};

/// Values in a row, one a step.
#[derive(Clone, Debug, Default)]
pub struct Sequence {
    items: Vec<Item>,
}

/// Equal when the same values come out, bit for bit.
impl PartialEq for Sequence {
    fn eq(&self, other: &Sequence) -> bool {
        let bits = |value: Option<f64>| value.map(f64::to_bits);
        self.iter().map(bits).eq(other.iter().map(bits))
    }
}

/// Mistakes of one line behind which no more are looked for.
const MISTAKES_MAX: usize = 20;

impl Sequence {
    /// Reads words between blanks; `text` begins at byte `at` of its file.
    pub(super) fn parse(text: &str, at: usize) -> Result<Sequence, Vec<ParseError>> {
        let mut items = Vec::new();
        let mut errors = Vec::new();
        let mut count = 0_u64;
        let mut place = at;
        for word in text.split([' ', '\t', '\n', '\r']) {
            if !word.is_empty() {
                match one(word, place, &mut count) {
                    Ok(item) => items.push(item),
                    Err(error) => errors.push(error),
                }
                if errors.len() > MISTAKES_MAX || count > VALUES_MAX.value {
                    return Err(errors);
                }
            }
            place += word.len() + 1;
        }
        if errors.is_empty() {
            return Ok(Sequence { items });
        }
        Err(errors)
    }

    /// The value at each step, `None` where there is no sample. A staleness marker is [`STALE_NAN`].
    pub fn iter(&self) -> impl Iterator<Item = Option<f64>> {
        self.items.iter().flat_map(Item::values)
    }

    /// How many steps it covers; at most 100,000.
    pub fn len(&self) -> usize {
        self.items.iter().map(|item| item.count() as usize).sum()
    }

    /// True when it covers no step.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

/// As it is written; reading it back gives an equal sequence.
impl fmt::Display for Sequence {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (i, item) in self.items.iter().enumerate() {
            if i > 0 {
                f.write_str(" ")?;
            }
            item.fmt(f)?;
        }
        Ok(())
    }
}

/// One word. `count`: how many values there are with it.
fn one(word: &str, start: usize, count: &mut u64) -> Result<Item, ParseError> {
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
    *count = count.saturating_add(item.count());
    if *count > VALUES_MAX.value {
        let (name, max) = (VALUES_MAX.name, VALUES_MAX.value);
        return Err(ParseError::new(
            span,
            format!("the line has more than {max} {name}"),
        ));
    }
    Ok(item)
}

impl Item {
    /// How many values it unfolds to.
    fn count(&self) -> u64 {
        match self.first {
            // `_x3` is three gaps, `1x3` four values: the first and three more.
            First::Gap => self.times.unwrap_or(1),
            First::Value(_) => self.times.unwrap_or(0).saturating_add(1),
        }
    }

    fn values(&self) -> impl Iterator<Item = Option<f64>> {
        let mut next = match self.first {
            First::Gap => None,
            First::Value(first) => Some(first),
        };
        let step = self.step;
        (0..self.count()).map(move |_| {
            let value = next;
            // Added up one by one, as upstream does: the rounding is the same.
            next = value.map(|v| step.map_or(v, |step| v + step));
            value
        })
    }
}

impl fmt::Display for Item {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.first {
            First::Gap => f.write_str("_")?,
            First::Value(v) if v.to_bits() == STALE_NAN.to_bits() => f.write_str("stale")?,
            First::Value(v) => f.write_str(&format_value(v))?,
        }
        if let Some(step) = self.step {
            let sign = if step.is_sign_negative() { '-' } else { '+' };
            write!(
                f,
                "{sign}{}",
                format_value(step.abs()).trim_start_matches('+')
            )?;
        }
        match self.times {
            Some(times) => write!(f, "x{times}"),
            None => Ok(()),
        }
    }
}

/// One word: a value or a gap, and how it goes on.
#[derive(Clone, Copy, Debug)]
struct Item {
    first: First,
    step: Option<f64>,
    /// What stands after `x`.
    times: Option<u64>,
}

#[derive(Clone, Copy, Debug)]
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
