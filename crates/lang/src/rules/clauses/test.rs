//! The clauses of tests. Most go on over lines of their own, and every line tells its own mistakes.

use bellwether_model::{DurationMs, Labels, METRIC_NAME, MatchOp};

use super::parts::{matchers_then, name, plain_text, positive};
use super::window::moment;
use crate::promql;
use crate::promql::ast::Span;
use crate::rules::clause::{Clause, InstanceClause, InstanceLine, StepClause};
use crate::rules::diagnostic::{Mistake, Parsed, Spoiled};
use crate::rules::lets::Lets;
use crate::rules::near::nearest;
use crate::rules::scan::{Placed, Scan, shown};
use crate::rules::types::{ExpectedState, Level, Load, TestSeries};

pub(in crate::rules) fn start(scan: &mut Scan<'_>, _: &Lets) -> Parsed<Clause> {
    let time = moment(scan, "start")?;
    scan.finish("the time")?;
    Ok(Clause::Start(time.value))
}

pub(in crate::rules) fn load(scan: &mut Scan<'_>, _: &Lets) -> Parsed<Clause> {
    let (mut first, lines) = scan.lines();
    let step = first.duration("load")?;
    positive(&step, "the distance of two samples")?;
    first
        .finish("the time")
        .map_err(|mistake| mistake.help("series stand on lines of their own below"))?;
    if lines.is_empty() {
        let mistake = Mistake::error(step.span, "nothing is loaded");
        return Err(mistake
            .label("series stand on lines of their own below, deeper indented")
            .help("such as `up{job=\"api\"} 1x10`")
            .into());
    }
    let series = each(lines, |line| {
        let (text, at) = line.take_rest();
        let (labels, values) = promql::parse_series_part(text, at)?;
        let span = Span {
            start: at,
            end: at + text.len(),
        };
        if labels.get(METRIC_NAME).is_none() {
            return Err(Mistake::error(span, "a series without a metric's name")
                .label("expected one such as `up{job=\"api\"} 1x10`")
                .into());
        }
        if values.is_empty() {
            return Err(Mistake::error(span, "a series without values")
                .label("values follow, one a step: `1 2 3`, `0+10x5`, `_ stale`")
                .into());
        }
        Ok(TestSeries { labels, values })
    })?;
    Ok(Clause::Load(Load {
        step: step.value,
        series,
    }))
}

/// Reads every line, and tells the mistakes of all of them.
fn each<'a, T>(lines: Vec<Scan<'a>>, read: impl Fn(&mut Scan<'a>) -> Parsed<T>) -> Parsed<Vec<T>> {
    let mut good = Vec::with_capacity(lines.len());
    let mut mistakes = Vec::new();
    let mut spoiled = false;
    for mut line in lines {
        match read(&mut line) {
            Ok(value) => good.push(value),
            Err(Spoiled(found)) => {
                spoiled = true;
                mistakes.extend(found);
            }
        }
    }
    if spoiled {
        Err(Spoiled(mistakes))
    } else {
        Ok(good)
    }
}

pub(in crate::rules) fn eval(scan: &mut Scan<'_>, lets: &Lets) -> Parsed<Clause> {
    let (mut first, lines) = scan.lines();
    let at = first.duration("eval")?.value;
    if first.rest().is_empty() {
        let what = "PromQL, on the same line";
        return Err(first.expected("the expression is missing", what).into());
    }
    let (text, start) = first.take_rest();
    let expr = lets.expr(text, start);
    let expected = each(lines, |line| sample(line));
    // Both are looked at before either is refused.
    let (expr, expected) = match (expr, expected) {
        (Ok(expr), Ok(expected)) => (expr, expected),
        (Err(mut a), Err(b)) => {
            a.0.extend(b.0);
            return Err(a);
        }
        (Err(e), Ok(_)) | (Ok(_), Err(e)) => return Err(e),
    };
    for (i, (labels, _, span)) in expected.iter().enumerate() {
        if expected[..i].iter().any(|(other, _, _)| other == labels) {
            return Err(Mistake::error(*span, "this series is expected twice")
                .label("one value each")
                .into());
        }
    }
    Ok(Clause::Step(at, StepClause::Eval(expr, expected)))
}

/// `{labels} value`
fn sample(line: &mut Scan<'_>) -> Parsed<(Labels, f64, Span)> {
    let (text, at) = line.take_rest();
    let span = Span {
        start: at,
        end: at + text.len(),
    };
    if text.parse::<f64>().is_ok() {
        return Err(Mistake::error(span, "the labels are missing")
            .label(format!("write `{{}} {text}`"))
            .into());
    }
    let (labels, values) = promql::parse_series_part(text, at)?;
    let mut values = values.iter();
    match (values.next(), values.next()) {
        (Some(Some(value)), None) => Ok((labels, value, span)),
        _ => Err(
            Mistake::error(span, "one value is expected for each series")
                .label("such as `{job=\"api\"} 0.05`")
                .into(),
        ),
    }
}

pub(in crate::rules) fn at(scan: &mut Scan<'_>, _: &Lets) -> Parsed<Clause> {
    let (mut first, mut lines) = scan.lines();
    let at = first.duration("at")?.value;
    if !first.rest().is_empty() {
        let next = first.next();
        let message = format!("{} belongs on a line of its own", shown(next.value));
        return Err(Mistake::error(next.span, message)
            .label("below, deeper indented")
            .into());
    }
    if let [line] = &mut lines[..]
        && line.word("none").is_some()
    {
        line.finish("`none`")?;
        return Ok(Clause::Step(at, StepClause::At(Vec::new())));
    }
    if lines.is_empty() {
        let end = first.offset();
        let span = Span { start: end, end };
        return Err(Mistake::error(span, "what is expected is missing")
            .label("expected lines such as `warning DiskFilling{instance=\"a\"}`, or `none`")
            .into());
    }
    Ok(Clause::Step(
        at,
        StepClause::At(each(lines, instance_line)?),
    ))
}

/// `LEVEL|pending ALERT{labels} ["summary"]`
fn instance_line(line: &mut Scan<'_>) -> Parsed<InstanceLine> {
    let state = state(line)?;
    let instance = instance(line, state.word())?;
    let mut summary = None;
    if !line.rest().is_empty() {
        summary = Some(plain_text(line, &instance.alert.value)?.value);
        line.finish("the summary")?;
    }
    Ok(InstanceLine {
        state,
        instance,
        summary,
    })
}

fn state(line: &mut Scan<'_>) -> Parsed<ExpectedState> {
    let words: Vec<&str> = std::iter::once("pending")
        .chain(Level::ALL.map(Level::word))
        .collect();
    let next = line.next();
    let Some(word) = line.any_word() else {
        return Err(line
            .expected("a state is missing", &words.join(", "))
            .into());
    };
    if word.value == "pending" {
        return Ok(ExpectedState::Pending);
    }
    if let Some(level) = Level::from_word(word.value) {
        return Ok(ExpectedState::Firing(level));
    }
    let mistake = Mistake::error(next.span, format!("{} is not a state", shown(next.value)));
    Err(
        match (word.value, nearest(word.value, words.iter().copied())) {
            ("none", _) => mistake.label("`none` stands alone"),
            ("firing", _) => mistake
                .label("write its level")
                .help("such as `critical InstanceDown{instance=\"a\"}`"),
            ("resolved" | "inactive", _) => mistake
                .label("what is not listed is neither pending nor firing")
                .help("that it was told: `notify 20m CHANNEL resolved ALERT{...}`"),
            (_, Some(near)) => mistake.label(format!("did you mean `{near}`?")),
            (_, None) => mistake.label(format!("expected {}", words.join(", "))),
        }
        .into(),
    )
}

/// `ALERT{label="value", ...}`
fn instance(scan: &mut Scan<'_>, after: &str) -> Parsed<InstanceClause> {
    let alert = name(scan, "alert", after)?;
    let mut labels: Vec<(String, String)> = Vec::new();
    let mut labels_span = alert.span;
    if scan.rest().starts_with('{') {
        let start = scan.offset();
        let matchers = matchers_then(scan, &alert.value)?;
        labels_span = Span {
            start,
            end: scan.position(),
        };
        for matcher in matchers {
            let mistake = |message: String| Mistake::error(labels_span, message);
            if matcher.op() != MatchOp::Equal {
                return Err(mistake(format!("`{matcher}` names no instance"))
                    .label("labels and their values: `{instance=\"a\"}`")
                    .into());
            }
            if labels.iter().any(|(name, _)| name == matcher.name()) {
                return Err(
                    mistake(format!("the label `{}` is there twice", matcher.name()))
                        .label("one value each")
                        .into(),
                );
            }
            labels.push((matcher.name().to_owned(), matcher.value().to_owned()));
        }
    }
    Ok(InstanceClause {
        alert,
        labels,
        labels_span,
    })
}

pub(in crate::rules) fn notify(scan: &mut Scan<'_>, _: &Lets) -> Parsed<Clause> {
    let (at, channel) = time_and_channel(scan, "notify")?;
    let mut probe = *scan;
    // An alert may be called `resolved`: then something other than a name follows.
    let resolved = probe.word("resolved").is_some()
        && !probe.rest().is_empty()
        && !probe.rest().starts_with('{');
    if resolved {
        *scan = probe;
    }
    let instance = instance(scan, "notify")?;
    scan.finish("the instance")?;
    let step = StepClause::Notify {
        channel,
        resolved,
        instance,
    };
    Ok(Clause::Step(at, step))
}

pub(in crate::rules) fn silent(scan: &mut Scan<'_>, _: &Lets) -> Parsed<Clause> {
    let (at, channel) = time_and_channel(scan, "silent")?;
    scan.finish("the channel")?;
    Ok(Clause::Step(at, StepClause::Silent(channel)))
}

fn time_and_channel(scan: &mut Scan<'_>, after: &str) -> Parsed<(DurationMs, Placed<String>)> {
    let at = scan.duration(after)?.value;
    let channel = name(scan, "channel", after)?;
    Ok((at, channel))
}

pub(in crate::rules) fn ack(scan: &mut Scan<'_>, _: &Lets) -> Parsed<Clause> {
    let at = scan.duration("ack")?.value;
    let instance = instance(scan, "ack")?;
    scan.finish("the instance")?;
    Ok(Clause::Step(at, StepClause::Ack(instance)))
}
