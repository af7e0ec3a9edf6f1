//! The clauses of alerts and records, but for level lines (`level_line.rs`).

use bellwether_model::labels::is_legacy_metric_name;
use bellwether_model::{DurationMs, limits};

use super::address::check_url;
use super::parts::text;
use crate::rules::clause::Clause;
use crate::rules::diagnostic::{Gathered, Mistake, Parsed, Spoiled};
use crate::rules::lets::Lets;
use crate::rules::near::nearest;
use crate::rules::scan::{Placed, Scan, shown};
use crate::rules::template::ParsedText;
use crate::rules::text::Part;
use crate::rules::types::{Level, Missing};

/// The least distance of two evaluations.
const EVERY_MIN: DurationMs = DurationMs::from_secs(1);

pub(in crate::rules) fn expr(scan: &mut Scan<'_>, lets: &Lets) -> Parsed<Clause> {
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

pub(in crate::rules) fn missing(scan: &mut Scan<'_>, _: &Lets) -> Parsed<Clause> {
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

pub(in crate::rules) fn every(scan: &mut Scan<'_>, _: &Lets) -> Parsed<Clause> {
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

pub(in crate::rules) fn delay(scan: &mut Scan<'_>, _: &Lets) -> Parsed<Clause> {
    let delay = scan.duration("delay")?;
    scan.finish("the time")?;
    Ok(Clause::Delay(delay.value))
}

pub(in crate::rules) fn max(scan: &mut Scan<'_>, _: &Lets) -> Parsed<Clause> {
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

pub(in crate::rules) fn summary(scan: &mut Scan<'_>, _: &Lets) -> Parsed<Clause> {
    one_text(scan, "summary", Clause::Summary)
}

pub(in crate::rules) fn description(scan: &mut Scan<'_>, _: &Lets) -> Parsed<Clause> {
    one_text(scan, "description", Clause::Description)
}

/// A clause that is a text.
fn one_text(
    scan: &mut Scan<'_>,
    after: &str,
    clause: impl Fn(ParsedText) -> Clause,
) -> Parsed<Clause> {
    let mut gathered = Gathered::default();
    match text(scan, after, &mut gathered) {
        Some(text) => gathered.clause(clause(text)),
        None => Err(gathered.spoiled()),
    }
}

pub(in crate::rules) fn runbook(scan: &mut Scan<'_>, _: &Lets) -> Parsed<Clause> {
    let url = scan.chunk();
    check_url(&url, "runbook")?;
    scan.finish("the address")?;
    Ok(Clause::Runbook(url.value.to_owned()))
}

/// `NAME = "text"`, the text also when some places in it are wrong.
fn assignment(
    scan: &mut Scan<'_>,
    of: &str,
    gathered: &mut Gathered,
) -> Parsed<(Placed<String>, ParsedText)> {
    let name = scan.label_name("the label")?;
    if scan.symbol("=").is_none() {
        let message = format!("`=` is missing after `{of} {}`", name.value);
        let example = format!("`{of} {} = \"...\"`", name.value);
        return Err(scan.expected(message, &example).into());
    }
    // What is wrong with the text is among what was gathered.
    let text = text(scan, "=", gathered).ok_or_else(Spoiled::default)?;
    let name = Placed {
        value: name.value.to_owned(),
        span: name.span,
    };
    Ok((name, text))
}

pub(in crate::rules) fn label(scan: &mut Scan<'_>, _: &Lets) -> Parsed<Clause> {
    let mut gathered = Gathered::default();
    let pair = assignment(scan, "label", &mut gathered);
    let Some((name, text)) = gathered.take(pair) else {
        return Err(gathered.spoiled());
    };
    if name.value == "alertname" || name.value.starts_with("__") {
        let mistake = Mistake::error(
            name.span,
            format!("the label `{}` cannot be set", name.value),
        );
        gathered.add(match name.value.as_str() {
            "alertname" => mistake.label("it is the alert's name"),
            "__name__" => mistake.label("it is the metric's name"),
            _ => mistake.label("names that begin with `__` are the server's own"),
        });
    }
    let changing = text
        .places
        .iter()
        .filter(|p| !matches!(p.value, Part::Label(_)));
    for place in changing {
        let message = "a label that changes from one evaluation to the next";
        gathered.add(
            Mistake::error(place.span, message)
                .label("every change would begin a new alert and end the old one")
                .help(format!(
                    "labels are made of labels; put it in a `note` or the summary: `note {} = ...`",
                    name.value
                )),
        );
    }
    gathered.clause(Clause::Label(name, text))
}

pub(in crate::rules) fn note(scan: &mut Scan<'_>, _: &Lets) -> Parsed<Clause> {
    let mut gathered = Gathered::default();
    let pair = assignment(scan, "note", &mut gathered);
    let Some((name, text)) = gathered.take(pair) else {
        return Err(gathered.spoiled());
    };
    let clause = match name.value.as_str() {
        word @ ("summary" | "description" | "runbook") => Some(word),
        "runbook_url" => Some("runbook"),
        _ => None,
    };
    if let Some(clause) = clause {
        let message = format!("`{}` is a clause of its own", name.value);
        gathered.add(
            Mistake::error(name.span, message)
                .label(format!("write `{clause}` without `note` and `=`")),
        );
    }
    gathered.clause(Clause::Note(name, text))
}

/// The metric of a `record`, from its head.
pub(in crate::rules) fn metric<'a>(scan: &mut Scan<'a>) -> Result<Placed<&'a str>, Mistake> {
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
