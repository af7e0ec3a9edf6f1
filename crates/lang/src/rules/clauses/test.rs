//! The clauses of tests. Most go on over lines of their own, and every line tells its own mistakes.

use bellwether_model::{DurationMs, METRIC_NAME, MatchOp, Matcher};

use super::parts::{matchers_then, name, plain_text, positive, time_then};
use super::window::moment;
use crate::promql;
use crate::promql::ast::{Expr, Span};
use crate::rules::clause::{Clause, InstanceClause, InstanceLine, SampleLine, StepClause};
use crate::rules::diagnostic::{Gathered, Mistake, Parsed};
use crate::rules::lets::Lets;
use crate::rules::near::nearest;
use crate::rules::scan::{Scan, shown};
use crate::rules::types::{ExpectedState, Level, Load, TestSeries};

pub(in crate::rules) fn start(scan: &mut Scan<'_>, _: &Lets) -> Parsed<Clause> {
    let time = moment(scan, "start")?;
    scan.finish("the time")?;
    Ok(Clause::Start(time.value))
}

pub(in crate::rules) fn load(scan: &mut Scan<'_>, _: &Lets) -> Parsed<Clause> {
    let (mut first, lines) = scan.lines();
    let mut gathered = Gathered::default();
    let step = gathered.take(load_step(&mut first, &lines));
    let series = each(lines, &mut gathered, series_line);
    gathered.whole(Clause::Load(Load {
        step: step.unwrap_or_default(),
        series,
    }))
}

/// The first line of `load`; `lines` stand below it.
fn load_step(first: &mut Scan<'_>, lines: &[Scan<'_>]) -> Parsed<DurationMs> {
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
    Ok(step.value)
}

/// `NAME{labels} VALUES`
fn series_line(line: &mut Scan<'_>) -> Parsed<TestSeries> {
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
}

/// Reads every line; those with mistakes are left out.
fn each<'a, T>(
    lines: Vec<Scan<'a>>,
    gathered: &mut Gathered,
    read: impl Fn(&mut Scan<'a>) -> Parsed<T>,
) -> Vec<T> {
    let lines = lines.into_iter();
    lines
        .filter_map(|mut line| gathered.take(read(&mut line)))
        .collect()
}

pub(in crate::rules) fn eval(scan: &mut Scan<'_>, lets: &Lets) -> Parsed<Clause> {
    let (mut first, lines) = scan.lines();
    let mut gathered = Gathered::default();
    let at = time_then(&mut first, "eval", &mut gathered);
    let at = gathered.take(at);
    let expr = at.and_then(|_| gathered.take(eval_expr(&mut first, lets)));
    let expected = each(lines, &mut gathered, sample);
    for (i, line) in expected.iter().enumerate() {
        if expected[..i]
            .iter()
            .any(|other| other.labels == line.labels)
        {
            let mistake = Mistake::error(line.span, "this series is expected twice");
            gathered.add(mistake.label("one value each"));
        }
    }
    match (at, expr) {
        (Some(at), Some(expr)) => gathered.whole(Clause::Step(
            at.unwrap_or_default(),
            StepClause::Eval(expr, expected),
        )),
        _ => Err(gathered.spoiled()),
    }
}

fn eval_expr(first: &mut Scan<'_>, lets: &Lets) -> Parsed<Expr> {
    if first.rest().is_empty() {
        let what = "PromQL, on the same line";
        return Err(first.expected("the expression is missing", what).into());
    }
    let (text, start) = first.take_rest();
    lets.expr(text, start)
}

/// `{labels} value`
fn sample(line: &mut Scan<'_>) -> Parsed<SampleLine> {
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
        (Some(Some(value)), None) => Ok(SampleLine {
            is_nameless: says_nameless(text),
            labels,
            value,
            span,
        }),
        _ => Err(
            Mistake::error(span, "one value is expected for each series")
                .label("such as `{job=\"api\"} 0.05`")
                .into(),
        ),
    }
}

/// True for `{__name__="", ...} VALUE`. Among the labels an empty value is none at all.
fn says_nameless(text: &str) -> bool {
    let braces = text.rfind('}').map(|end| &text[..=end]);
    let matchers = braces.map(|braces| promql::parse_matchers_part(braces, 0));
    let says =
        |m: &Matcher| m.name() == METRIC_NAME && m.op() == MatchOp::Equal && m.value().is_empty();
    matchers.is_some_and(|found| found.is_ok_and(|all| all.iter().any(says)))
}

pub(in crate::rules) fn at(scan: &mut Scan<'_>, _: &Lets) -> Parsed<Clause> {
    let (mut first, mut lines) = scan.lines();
    let mut gathered = Gathered::default();
    let at = gathered.take(at_time(&mut first, &lines));
    let at = at.unwrap_or_default();
    if let [line] = &mut lines[..]
        && line.word("none").is_some()
    {
        gathered.take(line.finish("`none`"));
        return gathered.clause(Clause::Step(at, StepClause::At(Vec::new())));
    }
    let mut expected = Vec::with_capacity(lines.len());
    for mut line in lines {
        expected.extend(instance_line(&mut line, &mut gathered));
    }
    gathered.clause(Clause::Step(at, StepClause::At(expected)))
}

/// The first line of `at`; `lines` stand below it.
fn at_time(first: &mut Scan<'_>, lines: &[Scan<'_>]) -> Parsed<DurationMs> {
    let at = first.duration("at")?.value;
    if !first.rest().is_empty() {
        let next = first.next();
        let message = format!("{} belongs on a line of its own", shown(next.value));
        return Err(Mistake::error(next.span, message)
            .label("below, deeper indented")
            .into());
    }
    if lines.is_empty() {
        let end = first.offset();
        let span = Span { start: end, end };
        return Err(Mistake::error(span, "what is expected is missing")
            .label("expected lines such as `warning DiskFilling{instance=\"a\"}`, or `none`")
            .into());
    }
    Ok(at)
}

/// `LEVEL|pending ALERT{labels} ["summary"]`; the instance is there also when its state or its summary is none.
fn instance_line(line: &mut Scan<'_>, gathered: &mut Gathered) -> Option<InstanceLine> {
    let (before, told) = (*line, gathered.take(state(line)));
    if told.is_none() {
        *line = before;
        line.any_word()?;
    }
    if told.is_none() && line.rest().is_empty() {
        return None;
    }
    let state = told.unwrap_or(ExpectedState::Pending);
    let instance = gathered.take(instance(line, state.word()))?;
    let summary = gathered.take(summary(line, &instance.alert.value));
    Some(InstanceLine {
        state,
        instance,
        summary: summary.flatten(),
    })
}

/// The text behind an instance, if there is one.
fn summary(line: &mut Scan<'_>, alert: &str) -> Parsed<Option<String>> {
    if line.rest().is_empty() {
        return Ok(None);
    }
    let text = plain_text(line, alert)?.value;
    line.finish("the summary")?;
    Ok(Some(text))
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
    let mut gathered = Gathered::default();
    let at = time_then(scan, "notify", &mut gathered)?.unwrap_or_default();
    let Some(channel) = gathered.take(name(scan, "channel", "notify")) else {
        return Err(gathered.spoiled());
    };
    let mut probe = *scan;
    // An alert may be called `resolved`: then something other than a name follows.
    let resolved = probe.word("resolved").is_some()
        && !probe.rest().is_empty()
        && !probe.rest().starts_with('{');
    if resolved {
        *scan = probe;
    }
    // Without a channel the alert stands in its place.
    let is_alone = scan.rest().is_empty() || scan.rest().starts_with('{');
    let step = match gathered.take(instance(scan, "notify")) {
        Some(instance) => {
            gathered.take(scan.finish("the instance"));
            StepClause::Notify {
                channel,
                resolved,
                instance,
            }
        }
        None if is_alone => return Err(gathered.spoiled()),
        // The channel is still looked up.
        None => StepClause::Silent(channel),
    };
    gathered.clause(Clause::Step(at, step))
}

pub(in crate::rules) fn silent(scan: &mut Scan<'_>, _: &Lets) -> Parsed<Clause> {
    let mut gathered = Gathered::default();
    let at = time_then(scan, "silent", &mut gathered)?.unwrap_or_default();
    let Some(channel) = gathered.take(name(scan, "channel", "silent")) else {
        return Err(gathered.spoiled());
    };
    gathered.take(scan.finish("the channel"));
    gathered.clause(Clause::Step(at, StepClause::Silent(channel)))
}

pub(in crate::rules) fn ack(scan: &mut Scan<'_>, _: &Lets) -> Parsed<Clause> {
    let mut gathered = Gathered::default();
    let at = time_then(scan, "ack", &mut gathered)?.unwrap_or_default();
    let Some(instance) = gathered.take(instance(scan, "ack")) else {
        return Err(gathered.spoiled());
    };
    gathered.take(scan.finish("the instance"));
    gathered.clause(Clause::Step(at, StepClause::Ack(instance)))
}
