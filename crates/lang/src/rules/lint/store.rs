//! Rules against what a store has seen.
//!
//! Not here: how the facts are gathered (the command line reads a store, or asks a server).

use std::collections::{BTreeMap, BTreeSet};

use bellwether_model::{DurationMs, METRIC_NAME, TimestampMs, limits};

use super::Lint;
use crate::promql::ast::{
    Binary, BinaryOp, Call, DurationExpr, Expr, ExprKind, Span, VectorSelector,
};
use crate::rules::alerts;
use crate::rules::clause::LevelClause;
use crate::rules::diagnostic::Mistake;
use crate::rules::labels::Produced;
use crate::rules::near::nearest;
use crate::rules::reads;
use crate::rules::reserved::ENGINE_SERIES;
use crate::rules::types::{Counter, Counters};

/// Functions that take something that only grows.
const OF_COUNTERS: [&str; 3] = ["rate", "irate", "increase"];
/// Functions that need two samples in their window.
const OF_TWO: [&str; 6] = ["rate", "irate", "increase", "delta", "idelta", "deriv"];

/// What a store knows about its metrics.
#[derive(Clone, Debug, Default)]
pub struct StoreFacts {
    /// By name; every metric it has.
    pub metrics: BTreeMap<String, MetricFacts>,
    /// The time at which the rules are held against it; `None` when that does not matter.
    pub now: Option<TimestampMs>,
}

impl StoreFacts {
    /// The labels that series of a metric have; `None` when that is not known, or the engine writes the metric.
    pub(in crate::rules) fn labels(&self, metric: &str) -> Option<Produced> {
        let known = self.metrics.get(metric).filter(|known| known.series > 0)?;
        let is_own = ENGINE_SERIES.contains(&metric);
        (!is_own).then(|| Produced::Only(known.labels.clone()))
    }
}

/// What a store knows about one metric.
#[derive(Clone, Debug, Default)]
pub struct MetricFacts {
    /// Names of labels that some series of it has.
    pub labels: BTreeSet<String>,
    /// How many series it has.
    pub series: usize,
    /// Distance of two samples of a series; `None` with fewer than two.
    pub interval: Option<DurationMs>,
    /// What kind it is.
    pub kind: MetricKind,
    /// The least and the greatest value of all its samples; `None` when that is not known.
    pub values: Option<(f64, f64)>,
}

/// How the values of a metric move.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum MetricKind {
    /// Only up, but for restarts.
    Counter,
    /// Up and down.
    Gauge,
    /// Its samples don't say.
    #[default]
    Unknown,
}

impl MetricFacts {
    /// The facts of a metric called `name`: its labels, how many series, and the newest samples of one of them, in
    /// order of time.
    pub fn new(
        name: &str,
        labels: BTreeSet<String>,
        series: usize,
        times: &[i64],
        values: &[f64],
    ) -> MetricFacts {
        let mut gaps: Vec<i64> = times.windows(2).map(|pair| pair[1] - pair[0]).collect();
        gaps.sort_unstable();
        let counts = ["_total", "_count", "_sum", "_bucket"];
        // A counter that restarts falls to almost nothing; anything that falls by less is none.
        let falls = values
            .windows(2)
            .any(|pair| pair[1] < pair[0] && pair[1] > pair[0] / 2.0);
        let kind = match (falls, counts.iter().any(|end| name.ends_with(end))) {
            (true, _) => MetricKind::Gauge,
            (false, true) => MetricKind::Counter,
            (false, false) => MetricKind::Unknown,
        };
        MetricFacts {
            labels,
            series,
            // The median: a hole or two say nothing.
            interval: gaps.get(gaps.len() / 2).map(|gap| DurationMs(*gap)),
            kind,
            values: None,
        }
    }
}

/// An expression of a rule, and where to point.
pub(in crate::rules) struct Judged<'a> {
    pub(in crate::rules) expr: &'a Expr,
    /// The text of the rule's file.
    pub(in crate::rules) text: &'a str,
    /// The clause's word, for what stands elsewhere.
    pub(in crate::rules) word: Span,
    /// Metrics that the folder records.
    pub(in crate::rules) recorded: &'a BTreeSet<String>,
}

/// What a store's facts say about an expression.
pub(in crate::rules) fn judge(judged: &Judged<'_>, facts: &StoreFacts) -> Vec<Mistake> {
    let mut found = Vec::new();
    let mut selectors = Vec::new();
    reads::selectors(judged.expr, &mut selectors);
    for selector in selectors {
        found.extend(unseen(judged, selector, facts));
    }
    calls(judged, judged.expr, facts, &mut found);
    found.extend(too_many(judged, facts));
    found
}

/// What a store's facts say about the counters of an objective.
pub(in crate::rules) fn judge_counters(
    counters: &Counters,
    text: &str,
    word: Span,
    recorded: &BTreeSet<String>,
    facts: &StoreFacts,
) -> Vec<Mistake> {
    let mut found = Vec::new();
    for Counter { selector, .. } in &counters.0 {
        let expr = Expr {
            kind: ExprKind::Selector(selector.clone()),
            // Names are sought behind the clause's word: the first place is theirs.
            span: Span {
                start: word.end,
                end: text.len(),
            },
        };
        let judged = Judged {
            expr: &expr,
            text,
            word,
            recorded,
        };
        found.extend(unseen(&judged, selector, facts));
        let known = reads::metric(selector).and_then(|name| Some((name, facts.metrics.get(name)?)));
        if let Some((metric, known)) = known
            && known.kind == MetricKind::Gauge
        {
            let place = judged.place_of(metric);
            let message = format!("`{metric}` is no counter: it goes down, too");
            found.push(
                Mistake::warning(Lint::GaugeWithRate, place, message)
                    .label("every fall counts as a restart from zero"),
            );
        }
    }
    found
}

/// A counter compared as it is, whose name alone does not say that it is one: a part of a histogram or a summary.
pub(in crate::rules) fn judge_alert(
    judged: &Judged<'_>,
    lines: &[&LevelClause],
    facts: &StoreFacts,
) -> Option<Mistake> {
    let metric = alerts::bare_metric(judged.expr)?;
    let parts = ["_count", "_sum", "_bucket"];
    let whole = parts.iter().find_map(|part| metric.strip_suffix(part))?;
    let is_there = |part: &&&str| facts.metrics.contains_key(&format!("{whole}{part}"));
    let known = facts.metrics.get(metric)?;
    let is_counter = known.kind == MetricKind::Counter && parts.iter().filter(is_there).count() > 1;
    let compares = lines.iter().any(|line| alerts::has_condition(line));
    (is_counter && compares).then(|| alerts::compared_counter(metric, judged.word))
}

/// A metric or a label that the store has never seen.
fn unseen(judged: &Judged<'_>, selector: &VectorSelector, facts: &StoreFacts) -> Vec<Mistake> {
    let Some(metric) = reads::metric(selector) else {
        return Vec::new();
    };
    if judged.recorded.contains(metric) || ENGINE_SERIES.contains(&metric) {
        return Vec::new();
    }
    let span = judged.place_of(metric);
    let Some(known) = facts.metrics.get(metric) else {
        let message = format!("the store has never seen `{metric}`");
        let mistake = Mistake::warning(Lint::UnknownMetric, span, message);
        let names = facts.metrics.keys().map(String::as_str);
        return vec![match nearest(metric, names) {
            Some(near) => mistake.label(format!("did you mean `{near}`?")),
            None => mistake.label("nothing near it is there either"),
        }];
    };
    if known.series == 0 {
        // Only its name was asked for.
        return Vec::new();
    }
    let asked = selector
        .matchers
        .iter()
        .filter(|m| m.name() != METRIC_NAME && !m.matches(""));
    asked
        .filter(|m| !known.labels.contains(m.name()))
        .map(|m| {
            let message = format!("`{metric}` has never had the label `{}`", m.name());
            let mistake = Mistake::warning(Lint::UnknownLabel, judged.place_of(m.name()), message);
            let labels = || known.labels.iter().map(String::as_str);
            let label = nearest(m.name(), labels()).map_or_else(
                || match labels().collect::<Vec<_>>().join(", ") {
                    none if none.is_empty() => "it has no labels".to_owned(),
                    names => format!("it has {names}"),
                },
                |near| format!("did you mean `{near}`?"),
            );
            mistake.label(label)
        })
        .collect()
}

/// Functions over windows that are too short, or of metrics that are none of theirs. The parser bounds the depth.
fn calls(judged: &Judged<'_>, expr: &Expr, facts: &StoreFacts, found: &mut Vec<Mistake>) {
    for child in expr.children() {
        calls(judged, child, facts, found);
    }
    let ExprKind::Call(Call { function, args }) = &expr.kind else {
        return;
    };
    let Some(ExprKind::Range(range)) = args.first().map(|arg| &arg.unparenthesized().kind) else {
        return;
    };
    let known =
        reads::metric(&range.selector).and_then(|name| Some((name, facts.metrics.get(name)?)));
    let Some((metric, known)) = known else { return };
    let name = function.name;
    if let (DurationExpr::Const(window), Some(interval)) = (&range.range, known.interval)
        && OF_TWO.contains(&name)
        && window.0 < 2 * interval.0
    {
        let message = format!("`{name}` over {window} sees fewer than two samples");
        found.push(
            Mistake::warning(Lint::ShortWindow, judged.place_of(metric), message)
                .label(format!("`{metric}` has one every {interval}"))
                .help(format!(
                    "write `[{}]` or longer",
                    DurationMs(interval.0 * 4)
                )),
        );
    }
    if OF_COUNTERS.contains(&name) && known.kind == MetricKind::Gauge {
        let message = format!("`{name}` of something that goes down, too");
        found.push(
            Mistake::warning(Lint::GaugeWithRate, judged.place_of(metric), message)
                .label(format!(
                    "every fall of `{metric}` counts as a restart from zero"
                ))
                .help(format!(
                    "its slope is `deriv({metric}[10m])`, its change `delta({metric}[1h])`"
                )),
        );
    }
}

/// An alert for more series than people can look at.
fn too_many(judged: &Judged<'_>, facts: &StoreFacts) -> Option<Mistake> {
    let (metric, series) = widest(judged.expr, facts)?;
    let limit = limits::LINT_SERIES;
    (series as u64 > limit.value).then(|| {
        let message = format!("the result may have {series} series");
        Mistake::warning(Lint::HighCardinality, judged.place_of(metric), message)
            .label(format!(
                "`{metric}` has so many; more than {} ({})",
                limit.value, limit.name
            ))
            .help("aggregate: `sum by (job) (...)`")
    })
}

/// The metric whose series come out as they are, and how many it has.
fn widest<'e>(expr: &'e Expr, facts: &StoreFacts) -> Option<(&'e str, usize)> {
    let of_selector = |selector: &'e VectorSelector| {
        // Matchers pick some of them; how many, only a query would tell.
        let name = reads::metric(selector).filter(|_| selector.matchers.len() == 1)?;
        Some((name, facts.metrics.get(name)?.series))
    };
    match &expr.kind {
        ExprKind::Selector(selector) => of_selector(selector),
        ExprKind::Range(range) => of_selector(&range.selector),
        ExprKind::Paren(inner) | ExprKind::Unary(_, inner) => widest(inner, facts),
        ExprKind::Call(call) => call.args.iter().find_map(|arg| widest(arg, facts)),
        // What filters, filters; of two that are matched, the smaller decides.
        ExprKind::Binary(Binary { op, lhs, rhs, .. }) => match op {
            BinaryOp::And | BinaryOp::Unless => None,
            op if op.is_comparison() => None,
            _ => widest(lhs, facts).or_else(|| widest(rhs, facts)),
        },
        _ => None,
    }
}

impl Judged<'_> {
    /// Where a name stands in the expression; the clause's word when it comes from a `let` of another place.
    fn place_of(&self, name: &str) -> Span {
        word_in(self.text, name, self.expr.span).unwrap_or(self.word)
    }

    /// Where a name stands behind a word of a part of the expression.
    pub(super) fn place_behind(&self, name: &str, word: &str, part: Span) -> Span {
        let is_inside = self.expr.span.start <= part.start && part.end <= self.expr.span.end;
        // Operators stand between their sides: the last such word inside is as near as any.
        let behind = is_inside.then(|| {
            let mut found = None;
            let mut from = part.start;
            while let Some(at) = word_in(
                self.text,
                word,
                Span {
                    start: from,
                    ..part
                },
            ) {
                from = at.end;
                found = word_in(
                    self.text,
                    name,
                    Span {
                        start: from,
                        ..part
                    },
                )
                .or(found);
            }
            found
        });
        behind.flatten().unwrap_or_else(|| self.place_of(name))
    }
}

/// Where a name first stands as a word of its own in a part of a text.
pub(super) fn word_in(text: &str, name: &str, part: Span) -> Option<Span> {
    let inside = text.get(part.start..part.end)?;
    let is_part = |c: char| c.is_alphanumeric() || matches!(c, '_' | ':');
    let whole = |at: &usize| {
        let before = inside[..*at].chars().next_back();
        let after = inside[at + name.len()..].chars().next();
        !before.is_some_and(is_part) && !after.is_some_and(is_part)
    };
    let at = inside.match_indices(name).map(|(at, _)| at).find(whole)?;
    let start = part.start + at;
    Some(Span {
        start,
        end: start + name.len(),
    })
}
