//! One case: an expression, data and times, asked of both evaluators.

use std::collections::BTreeMap;
use std::fmt;

use bellwether_lang::promql::ast::{AggregateOp, ExprKind, Grouping};
use bellwether_lang::promql::{self, Expr};
use bellwether_model::{DurationMs, Labels, TimestampMs};
use bellwether_query::source::memory::MemorySource;
use bellwether_query::{Control, Options, QueryError, Source, Steps, Value, instant, range};

use crate::data::{Data, LabelMap};
use crate::naive::{self, Fail, Naive, Rules, Times};

/// Series and their points.
pub(crate) type Rows = BTreeMap<LabelMap, Vec<(i64, f64)>>;

/// What an evaluator said.
#[derive(Clone, Debug)]
pub(crate) enum Said {
    Rows(Rows),
    String(String),
    Error(String),
}

/// When an expression is evaluated.
#[derive(Clone, Copy, Debug)]
pub(crate) struct When(pub(crate) Times);

impl When {
    pub(crate) fn instant(t: i64) -> When {
        When(Times {
            start: t,
            end: t,
            step: 0,
        })
    }

    pub(crate) fn is_instant(self) -> bool {
        self.0.step == 0
    }
}

/// As a script of promqltest says it.
impl fmt::Display for When {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Times { start, end, step } = self.0;
        let [start, end, step] = [start, end, step].map(DurationMs);
        if self.is_instant() {
            write!(f, "instant at {start}")
        } else {
            write!(f, "range from {start} to {end} step {step}")
        }
    }
}

/// How a comparison ended.
#[derive(Debug, PartialEq)]
pub(crate) enum Verdict {
    Same,
    /// The same error, or at least an error on both sides.
    SameError,
    /// The definition leaves the answer open.
    Open(&'static str),
    /// The answer hangs by a rounding error.
    Unstable,
    Different(String),
}

/// Asks both.
pub(crate) fn compare(expr: &Expr, data: &Data, source: &MemorySource, when: When) -> Verdict {
    let naive = || Naive::new(data, when.0, Rules::PROMETHEUS_3);
    let want = match by_definition(&naive(), expr, when) {
        Ok(said) => said,
        Err(open) => return Verdict::Open(open),
    };
    let got = ours(expr, source, when, 1);
    let checked = same(&want, &got, 1e-10).and_then(|()| {
        if when.is_instant() && !matches!(want, Said::Error(_)) {
            same_order(&naive(), expr, source, when.0.start)
        } else {
            Ok(())
        }
    });
    let Err(difference) = checked else {
        return if matches!(want, Said::Error(_)) {
            Verdict::SameError
        } else {
            Verdict::Same
        };
    };
    let is_steady = |seed| {
        let moved = by_definition(&naive().noisy(seed), expr, when);
        moved.is_ok_and(|moved| same(&want, &moved, 1e-11).is_ok())
    };
    if !(1..=3).all(is_steady) {
        return Verdict::Unstable;
    }
    Verdict::Different(difference)
}

/// Where an instant query asks for an order, both have it. Series of equal values may change places.
fn same_order(naive: &Naive<'_>, expr: &Expr, source: &MemorySource, t: i64) -> Result<(), String> {
    let by_labels = match &expr.unparenthesized().kind {
        ExprKind::Call(call) if call.function.name.starts_with("sort_by_label") => true,
        ExprKind::Call(call) if call.function.name.starts_with("sort") => false,
        ExprKind::Aggregate(a) if matches!(a.op, AggregateOp::Topk | AggregateOp::Bottomk) => {
            // Which group comes first is open.
            if a.grouping != Grouping::By(Vec::new()) {
                return Ok(());
            }
            false
        }
        _ => return Ok(()),
    };
    let options = Options::default();
    let got = instant(expr, source, TimestampMs(t), &options, &Control::new());
    let (Ok(naive::Value::Vector(want)), Ok(Value::Vector(got))) =
        (naive.at(expr, t), got.map(|answer| answer.value))
    else {
        return Err("not a vector any more".into());
    };
    for (want, (labels, sample)) in want.iter().zip(&got) {
        let is_same = if by_labels {
            want.labels == map(labels)
        } else {
            close(want.value, sample.v, 1e-10)
        };
        if !is_same {
            return Err(format!(
                "out of order: want {want:?}, got {labels} {}",
                sample.v
            ));
        }
    }
    Ok(())
}

/// What the definitions say; an error when they leave it open.
pub(crate) fn by_definition(
    naive: &Naive<'_>,
    expr: &Expr,
    when: When,
) -> Result<Said, &'static str> {
    let said = if when.is_instant() {
        naive
            .at(expr, when.0.start)
            .map(|value| instant_rows(value, when.0.start))
    } else {
        naive.over(expr).map(Said::Rows)
    };
    match said {
        Ok(said) => Ok(said),
        Err(Fail::Error(message)) => Ok(Said::Error(message)),
        Err(Fail::Open(why)) => Err(why),
    }
}

fn instant_rows(value: naive::Value, t: i64) -> Said {
    Said::Rows(match value {
        naive::Value::String(text) => return Said::String(text),
        naive::Value::Scalar(v) => BTreeMap::from([(LabelMap::new(), vec![(t, v)])]),
        naive::Value::Vector(elements) => {
            let row = |e: naive::Element| (e.labels, vec![(t, e.value)]);
            elements.into_iter().map(row).collect()
        }
        naive::Value::Matrix(windows) => {
            windows.into_iter().map(|w| (w.labels, w.points)).collect()
        }
    })
}

/// What the evaluator under test says.
pub(crate) fn ours(expr: &Expr, source: &dyn Source, when: When, threads: usize) -> Said {
    let options = Options {
        threads,
        ..Options::default()
    };
    let Times { start, end, step } = when.0;
    let control = Control::new();
    let answer = if when.is_instant() {
        instant(expr, source, TimestampMs(start), &options, &control)
    } else {
        let steps = Steps {
            start: TimestampMs(start),
            end: TimestampMs(end),
            step: DurationMs(step),
        };
        range(expr, source, steps, &options, &control)
    };
    match answer {
        Ok(answer) => rows(answer.value),
        Err(error @ QueryError::Eval { .. }) => Said::Error(error.to_string()),
        // No case comes near a limit, so this is never what the definitions say.
        Err(limit) => Said::String(format!("limit: {limit}")),
    }
}

fn rows(value: Value) -> Said {
    Said::Rows(match value {
        Value::String(_, text) => return Said::String(text),
        Value::Scalar(sample) => BTreeMap::from([(LabelMap::new(), vec![(sample.t.0, sample.v)])]),
        Value::Vector(samples) => {
            let count = samples.len();
            let row = |(labels, s): (Labels, bellwether_model::Sample)| {
                (map(&labels), vec![(s.t.0, s.v)])
            };
            let rows: Rows = samples.into_iter().map(row).collect();
            assert_eq!(rows.len(), count, "a series twice in an instant vector");
            rows
        }
        Value::Matrix(matrix) => (0..matrix.len())
            .map(|index| {
                let columns = matrix.columns(index);
                (
                    map(matrix.labels(index)),
                    columns.times.into_iter().zip(columns.values).collect(),
                )
            })
            .collect(),
    })
}

fn map(labels: &Labels) -> LabelMap {
    labels
        .iter()
        .map(|(n, v)| (n.to_string(), v.to_string()))
        .collect()
}

/// The same series with values equal up to `tolerance` of them; or what is not.
pub(crate) fn same(want: &Said, got: &Said, tolerance: f64) -> Result<(), String> {
    let (want, got) = match (want, got) {
        (Said::Rows(want), Said::Rows(got)) => (want, got),
        (Said::Error(_), Said::Error(_)) => return Ok(()),
        (Said::String(want), Said::String(got)) if want == got => return Ok(()),
        _ => return Err(format!("want {want:?}\n got {got:?}")),
    };
    for (labels, points) in want {
        let Some(found) = got.get(labels) else {
            return Err(format!("{labels:?} is missing, want {points:?}"));
        };
        let times = |points: &[(i64, f64)]| -> Vec<i64> { points.iter().map(|p| p.0).collect() };
        if times(points) != times(found) {
            return Err(format!("{labels:?}: want {points:?}\n got {found:?}"));
        }
        for (want, got) in points.iter().zip(found) {
            if !close(want.1, got.1, tolerance) {
                return Err(format!(
                    "{labels:?} at {}: want {:?}, got {:?}",
                    want.0, want.1, got.1
                ));
            }
        }
    }
    match got.keys().find(|labels| !want.contains_key(*labels)) {
        Some(labels) => Err(format!(
            "{labels:?} should not be there, got {:?}",
            got[labels]
        )),
        None => Ok(()),
    }
}

/// All times and values, values as their bits.
pub(crate) fn bits(said: &Said) -> Vec<(i64, u64)> {
    let Said::Rows(rows) = said else {
        return Vec::new();
    };
    let points = rows.values().flatten();
    points.map(|(t, v)| (*t, v.to_bits())).collect()
}

fn close(a: f64, b: f64, tolerance: f64) -> bool {
    a == b || a.is_nan() && b.is_nan() || (a - b).abs() <= tolerance * a.abs().max(b.abs())
}

/// Parses what the generator wrote: it must be able to.
pub(crate) fn parse(text: &str) -> Expr {
    promql::parse(text).unwrap_or_else(|e| panic!("the generator wrote `{text}`: {}", e.message))
}
