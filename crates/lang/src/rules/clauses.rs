//! One parser for each clause: what follows its word, into types. Level lines are in `level_line.rs`, addresses
//! and secrets in `address.rs`.
//!
//! A parser sees its own clause only. What needs the rest of the item or the folder is checked later
//! (`alerts.rs`, `levels.rs`, `folder.rs`), so what is read here keeps its spans.

use bellwether_model::labels::is_legacy_metric_name;
use bellwether_model::{DurationMs, Matcher, limits};

use super::address::check_url;
use super::brackets;
use super::diagnostic::{Mistake, Parsed};
use super::lets::Lets;
use super::level_line::LevelClause;
use super::near::nearest;
use super::scan::{Placed, Scan, shown};
use super::template::{self, ParsedText};
use super::text::Part;
use super::types::{Level, Missing};
use crate::promql;
use crate::promql::ast::Expr;

/// The least distance of two evaluations.
const EVERY_MIN: DurationMs = DurationMs::from_secs(1);

/// A clause that was read.
#[derive(Clone, Debug)]
pub(super) enum Clause {
    Expr(Expr),
    Level(LevelClause),
    Missing(Missing),
    Every(DurationMs),
    Delay(DurationMs),
    Max(usize),
    Summary(ParsedText),
    Description(ParsedText),
    Runbook(String),
    Label(Placed<String>, ParsedText),
    Note(Placed<String>, ParsedText),
    Match(Vec<Matcher>),
    To(Vec<Placed<String>>),
    Log,
    Webhook { url: String, bearer: Option<String> },
    Retry(DurationMs),
    Fallback(Placed<String>),
}

pub(super) fn expr(scan: &mut Scan<'_>, lets: &Lets) -> Parsed<Clause> {
    if scan.rest().is_empty() {
        return Err(scan
            .expected("the expression is missing", "PromQL, as on the query page")
            .into());
    }
    if let Some(span) = scan.symbol("=") {
        return Err(Mistake::error(span, "`=` is too much here")
            .label("`expr` is followed by the expression")
            .into());
    }
    let (text, at) = scan.take_rest();
    Ok(Clause::Expr(lets.expr(text, at)?))
}

/// Matchers in braces, the rest of the clause.
pub(super) fn matchers_of(scan: &mut Scan<'_>, after: &str) -> Parsed<Vec<Matcher>> {
    if !scan.rest().starts_with('{') {
        let message = format!("matchers are missing after `{after}`");
        return Err(scan
            .expected(message, "matchers in braces such as {job=\"api\"}")
            .into());
    }
    let (text, at) = scan.take_rest();
    promql::parse_matchers_part(text, at).map_err(|error| {
        brackets::unbalanced(text, at, "the matchers")
            .unwrap_or(error.into())
            .into()
    })
}

pub(super) fn missing(scan: &mut Scan<'_>, _: &Lets) -> Parsed<Clause> {
    let what = "clear, keep DUR, or LEVEL after DUR";
    let next = scan.next();
    let Some(word) = scan.any_word() else {
        let mistake = scan.expected("`missing` needs a policy", what);
        return Err(match DurationMs::parse(next.value) {
            Some(_) => mistake.help(format!("did you mean `missing keep {}`?", next.value)),
            None => mistake,
        }
        .into());
    };
    let missing = match (word.value, Level::from_word(word.value)) {
        ("clear", _) => Missing::Clear,
        ("keep", _) => Missing::Keep(scan.duration("keep")?.value),
        (_, Some(level)) => {
            if scan.word("after").is_none() {
                let message = format!("`after` is missing behind `{level}`");
                return Err(scan.expected(message, "`after` and a time").into());
            }
            let after = scan.duration("after")?.value;
            Missing::Raise { level, after }
        }
        (word, None) => {
            let known = ["clear", "keep"]
                .into_iter()
                .chain(Level::ALL.map(Level::word));
            let mistake = Mistake::error(
                next.span,
                format!("{} is not a policy for missing series", shown(word)),
            );
            return Err(match nearest(word, known) {
                Some(near) => mistake.label(format!("did you mean `{near}`?")),
                None => mistake.label(format!("expected {what}")),
            }
            .into());
        }
    };
    scan.finish("the policy")?;
    Ok(Clause::Missing(missing))
}

pub(super) fn every(scan: &mut Scan<'_>, _: &Lets) -> Parsed<Clause> {
    let every = scan.duration("every")?;
    scan.finish("the time")?;
    if every.value < EVERY_MIN {
        return Err(
            Mistake::error(every.span, format!("every {} is too often", every.value))
                .label(format!("{EVERY_MIN} is the shortest"))
                .into(),
        );
    }
    Ok(Clause::Every(every.value))
}

pub(super) fn delay(scan: &mut Scan<'_>, _: &Lets) -> Parsed<Clause> {
    let delay = scan.duration("delay")?;
    scan.finish("the time")?;
    Ok(Clause::Delay(delay.value))
}

pub(super) fn max(scan: &mut Scan<'_>, _: &Lets) -> Parsed<Clause> {
    let max = scan.integer("max")?;
    scan.finish("the number")?;
    let limit = limits::RULES_INSTANCES_MAX;
    if !(1..=limit.value).contains(&max.value) {
        return Err(Mistake::error(
            max.span,
            format!("a rule cannot have {} instances", max.value),
        )
        .label(format!("expected 1 to {} ({})", limit.value, limit.name))
        .into());
    }
    Ok(Clause::Max(max.value as usize))
}

fn text(scan: &mut Scan<'_>, after: &str) -> Parsed<ParsedText> {
    let quoted = scan.quoted(after)?;
    let text = template::parse(&quoted)?;
    scan.finish("the text")?;
    Ok(text)
}

pub(super) fn summary(scan: &mut Scan<'_>, _: &Lets) -> Parsed<Clause> {
    Ok(Clause::Summary(text(scan, "summary")?))
}

pub(super) fn description(scan: &mut Scan<'_>, _: &Lets) -> Parsed<Clause> {
    Ok(Clause::Description(text(scan, "description")?))
}

pub(super) fn runbook(scan: &mut Scan<'_>, _: &Lets) -> Parsed<Clause> {
    let url = scan.chunk();
    check_url(&url, "runbook")?;
    scan.finish("the address")?;
    Ok(Clause::Runbook(url.value.to_owned()))
}

/// `NAME = "text"`
fn assignment(scan: &mut Scan<'_>, of: &str) -> Parsed<(Placed<String>, ParsedText)> {
    let name = scan.label_name("the label")?;
    if scan.symbol("=").is_none() {
        let message = format!("`=` is missing after `{of} {}`", name.value);
        let example = format!("`{of} {} = \"...\"`", name.value);
        return Err(scan.expected(message, &example).into());
    }
    let text = text(scan, "=")?;
    let name = Placed {
        value: name.value.to_owned(),
        span: name.span,
    };
    Ok((name, text))
}

pub(super) fn label(scan: &mut Scan<'_>, _: &Lets) -> Parsed<Clause> {
    let (name, text) = assignment(scan, "label")?;
    if name.value == "alertname" || name.value.starts_with("__") {
        let mistake = Mistake::error(
            name.span,
            format!("the label `{}` cannot be set", name.value),
        );
        return Err(match name.value.as_str() {
            "alertname" => mistake.label("it is the alert's name"),
            "__name__" => mistake.label("it is the metric's name"),
            _ => mistake.label("names that begin with `__` are the server's own"),
        }
        .into());
    }
    let changing = text
        .places
        .iter()
        .filter(|p| !matches!(p.value, Part::Label(_)));
    let mistakes: Vec<Mistake> = changing
        .map(|place| {
            Mistake::error(
                place.span,
                "a label that changes from one evaluation to the next",
            )
            .label("every change would begin a new alert and end the old one")
            .help(format!(
                "labels are made of labels; put it in a `note` or the summary: `note {} = ...`",
                name.value
            ))
        })
        .collect();
    if mistakes.is_empty() {
        return Ok(Clause::Label(name, text));
    }
    Err(mistakes.into())
}

pub(super) fn note(scan: &mut Scan<'_>, _: &Lets) -> Parsed<Clause> {
    let (name, text) = assignment(scan, "note")?;
    let clause = match name.value.as_str() {
        "summary" | "description" | "runbook" => name.value.as_str(),
        "runbook_url" => "runbook",
        _ => return Ok(Clause::Note(name, text)),
    };
    Err(Mistake::error(
        name.span,
        format!("`{}` is a clause of its own", name.value),
    )
    .label(format!("write `{clause}` without `note` and `=`"))
    .into())
}

pub(super) fn matchers(scan: &mut Scan<'_>, _: &Lets) -> Parsed<Clause> {
    Ok(Clause::Match(matchers_of(scan, "match")?))
}

pub(super) fn to(scan: &mut Scan<'_>, _: &Lets) -> Parsed<Clause> {
    let mut names: Vec<Placed<String>> = Vec::new();
    loop {
        let name = channel_name(scan, "to")?;
        if names.iter().any(|n| n.value == name.value) {
            return Err(
                Mistake::error(name.span, format!("`{}` is there twice", name.value))
                    .label("one message each is enough")
                    .into(),
            );
        }
        names.push(name);
        if scan.symbol(",").is_none() {
            break;
        }
    }
    if !scan.rest().is_empty() {
        let next = scan.next();
        let mistake = Mistake::error(next.span, "a comma is missing between channels");
        return Err(mistake.label(format!("write `, {}`", next.value)).into());
    }
    Ok(Clause::To(names))
}

fn channel_name(scan: &mut Scan<'_>, after: &str) -> Parsed<Placed<String>> {
    if scan.rest().is_empty() {
        let message = format!("a channel is missing after `{after}`");
        return Err(scan.expected(message, "the name of a channel").into());
    }
    let name = scan.name("the channel")?;
    Ok(Placed {
        value: name.value.to_owned(),
        span: name.span,
    })
}

pub(super) fn fallback(scan: &mut Scan<'_>, _: &Lets) -> Parsed<Clause> {
    let name = channel_name(scan, "fallback")?;
    scan.finish("the channel")?;
    Ok(Clause::Fallback(name))
}

pub(super) fn retry(scan: &mut Scan<'_>, _: &Lets) -> Parsed<Clause> {
    let retry = scan.duration("retry")?;
    scan.finish("the time")?;
    Ok(Clause::Retry(retry.value))
}

pub(super) fn log(scan: &mut Scan<'_>, _: &Lets) -> Parsed<Clause> {
    scan.finish("`log`")?;
    Ok(Clause::Log)
}

/// The metric of a `record`, from its head.
pub(super) fn metric<'a>(scan: &mut Scan<'a>) -> Result<Placed<&'a str>, Mistake> {
    let found = scan.chunk();
    if found.value.is_empty() {
        return Err(Mistake::error(found.span, "the record has no metric")
            .label("expected a metric's name such as job:errors:rate5m"));
    }
    if is_legacy_metric_name(found.value) {
        return Ok(found);
    }
    let mistake = Mistake::error(
        found.span,
        format!("{} is not a metric's name", shown(found.value)),
    );
    Err(if found.value.contains('{') {
        mistake.label("labels are set by `label NAME = \"...\"` below")
    } else {
        mistake.label("a metric's name has letters, digits, `_` and `:`, no digit first")
    })
}
