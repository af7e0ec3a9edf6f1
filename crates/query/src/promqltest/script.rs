//! The commands of a script.
//!
//! Lines are trimmed; a comment counts as an empty line, and an empty line ends a command.

use bellwether_lang::promql;
use bellwether_model::{DurationMs, Labels, TimestampMs, value::parse_value};

/// One command.
#[derive(Debug)]
pub(super) enum Command {
    Clear,
    Load {
        step: DurationMs,
        lines: Vec<String>,
    },
    Eval(Eval),
    Unknown(String),
}

/// When a query is evaluated.
#[derive(Clone, Copy, Debug)]
pub(super) enum When {
    Instant(TimestampMs),
    Range {
        start: TimestampMs,
        end: TimestampMs,
        step: DurationMs,
    },
}

/// A query and what is expected of it.
#[derive(Debug)]
pub(super) struct Eval {
    pub(super) when: When,
    pub(super) expr: String,
    pub(super) expects: Vec<Expect>,
    pub(super) result: Expected,
}

/// The values expected.
#[derive(Debug, Default)]
pub(super) struct Expected {
    pub(super) scalar: Option<f64>,
    pub(super) series: Vec<(Labels, Vec<Option<f64>>)>,
    /// Lines that could not be read: the evaluation cannot pass.
    pub(super) unreadable: Vec<String>,
}

/// Notes and errors.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Fail,
    Warn,
    Info,
}

/// How a text has to look.
#[derive(Debug)]
pub(super) enum Text {
    Any,
    Exactly(String),
    Regex(String),
}

/// An `expect` line.
#[derive(Debug)]
pub(super) enum Expect {
    Some(Kind, Text),
    None(Kind),
    Ordered,
    String(String),
    /// The instant query's answer is a range vector with samples at these times.
    Matrix {
        start: TimestampMs,
        end: TimestampMs,
        step: DurationMs,
    },
}

impl Eval {
    /// An instant query with a plain result: the ones that can be checked again as ranges.
    pub(super) fn is_plain_instant(&self) -> bool {
        matches!(self.when, When::Instant(_))
            && !self.expects.iter().any(|e| {
                matches!(
                    e,
                    Expect::String(_) | Expect::Matrix { .. } | Expect::Some(Kind::Fail, _)
                )
            })
    }
}

/// The commands of `text` with the lines they begin at, from 1.
pub(super) fn parse(text: &str) -> Vec<(usize, Command)> {
    let mut commands = Vec::new();
    let mut lines = text
        .lines()
        .map(str::trim)
        .map(|l| if l.starts_with('#') { "" } else { l })
        .enumerate()
        .peekable();
    while let Some((at, first)) = lines.next() {
        if first.is_empty() {
            continue;
        }
        // Alone among the commands this one needs no empty line behind it.
        if first.eq_ignore_ascii_case("clear") {
            commands.push((at + 1, Command::Clear));
            continue;
        }
        let mut block = Vec::new();
        while let Some((_, line)) = lines.next_if(|(_, line)| !line.is_empty()) {
            block.push(line);
        }
        let command = command(first, &block).unwrap_or_else(|| Command::Unknown(first.into()));
        commands.push((at + 1, command));
    }
    commands
}

fn command(first: &str, block: &[&str]) -> Option<Command> {
    let (word, rest) = split_word(first);
    Some(match word.to_ascii_lowercase().as_str() {
        "load" | "load_with_nhcb" => Command::Load {
            step: DurationMs::parse(rest)?,
            lines: block.iter().map(ToString::to_string).collect(),
        },
        "eval" => Command::Eval(eval(rest, block, None)?),
        // As upstream wrote them before there were `expect` lines.
        "eval_fail" => Command::Eval(eval(rest, block, Some("fail"))?),
        "eval_warn" => Command::Eval(eval(rest, block, Some("warn"))?),
        "eval_info" => Command::Eval(eval(rest, block, Some("info"))?),
        "eval_ordered" => Command::Eval(eval(rest, block, Some("ordered"))?),
        _ => return None,
    })
}

/// `expected` is what the command itself expects, as an `expect` line says it.
fn eval(rest: &str, block: &[&str], expected: Option<&str>) -> Option<Eval> {
    let (kind, rest) = split_word(rest);
    let (when, expr) = match kind {
        "instant" => {
            let (at, expr) = split_word(after(rest, "at")?);
            (When::Instant(time(at)?), expr)
        }
        "range" => {
            let (start, end, step, expr) = range(rest)?;
            (When::Range { start, end, step }, expr)
        }
        _ => return None,
    };
    let mut eval = Eval {
        when,
        expr: expr.into(),
        expects: Vec::new(),
        result: Expected::default(),
    };
    if let Some(expected) = expected {
        eval.expects.push(expect(expected)?);
    }
    for line in block {
        if let Some(rest) = after(line, "expect") {
            eval.expects.push(expect(rest)?);
        } else if let Some(message) = after(line, "expected_fail_message") {
            let text = Text::Exactly(message.into());
            eval.expects.push(Expect::Some(Kind::Fail, text));
        } else if let Some(pattern) = after(line, "expected_fail_regexp") {
            let text = Text::Regex(pattern.into());
            eval.expects.push(Expect::Some(Kind::Fail, text));
        } else if let Some(value) = parse_value(line) {
            eval.result.scalar = Some(value);
        } else {
            match promql::parse_series_line(line) {
                Ok(series) => eval.result.series.push((series.labels, series.values)),
                Err(_) => eval.result.unreadable.push(line.to_string()),
            }
        }
    }
    Some(eval)
}

fn expect(rest: &str) -> Option<Expect> {
    let (what, rest) = split_word(rest);
    Some(match what {
        "fail" => Expect::Some(Kind::Fail, text(rest)?),
        "warn" => Expect::Some(Kind::Warn, text(rest)?),
        "info" => Expect::Some(Kind::Info, text(rest)?),
        "no_warn" => Expect::None(Kind::Warn),
        "no_info" => Expect::None(Kind::Info),
        "ordered" => Expect::Ordered,
        "string" => match promql::parse(rest).ok()?.kind {
            promql::ast::ExprKind::String(text) => Expect::String(text),
            _ => return None,
        },
        "range" => {
            let (start, end, step, _) = range(after(rest, "vector")?)?;
            Expect::Matrix { start, end, step }
        }
        _ => return None,
    })
}

fn text(rest: &str) -> Option<Text> {
    if rest.is_empty() {
        return Some(Text::Any);
    }
    if let Some(text) = rest.strip_prefix("msg:") {
        return Some(Text::Exactly(text.trim().into()));
    }
    let regex = rest.strip_prefix("regex:")?;
    Some(Text::Regex(regex.trim().into()))
}

/// `from A to B step S rest`
fn range(text: &str) -> Option<(TimestampMs, TimestampMs, DurationMs, &str)> {
    let (start, rest) = split_word(after(text, "from")?);
    let (end, rest) = split_word(after(rest, "to")?);
    let (step, rest) = split_word(after(rest, "step")?);
    Some((time(start)?, time(end)?, DurationMs::parse(step)?, rest))
}

fn time(text: &str) -> Option<TimestampMs> {
    DurationMs::parse(text).map(|d| TimestampMs(d.0))
}

/// What follows `word`, if the text begins with it.
fn after<'a>(text: &'a str, word: &str) -> Option<&'a str> {
    let (first, rest) = split_word(text);
    (first == word).then_some(rest)
}

fn split_word(text: &str) -> (&str, &str) {
    let text = text.trim_start();
    let end = text.find(char::is_whitespace).unwrap_or(text.len());
    (&text[..end], text[end..].trim())
}
