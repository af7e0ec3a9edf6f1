//! An answer against what the script expects of it.

use bellwether_model::{Labels, TimestampMs, is_stale};
use regex::Regex;

use super::script::{Eval, Expect, Kind, Text, When};
use crate::{Answer, Value};

/// Checks the answer, or the failure, of an evaluation.
pub(super) fn outcome(eval: &Eval, outcome: Result<&Answer, &String>) -> Result<(), String> {
    let failures: Vec<&Text> = texts(eval, Kind::Fail).collect();
    let answer = match (outcome, failures.is_empty()) {
        (Err(message), true) => return Err(message.clone()),
        (Ok(_), false) => return Err("expected an error, got an answer".into()),
        (Err(message), false) => {
            return match failures.iter().find(|text| !matches(text, message)) {
                Some(text) => Err(format!("expected the error {text:?}, got {message:?}")),
                None => Ok(()),
            };
        }
        (Ok(answer), true) => answer,
    };
    notes(eval, Kind::Warn, &answer.warnings)?;
    notes(eval, Kind::Info, &answer.infos)?;
    if let Some(line) = eval.result.unreadable.first() {
        return Err(format!("cannot read the expected result `{line}`"));
    }
    value(eval, &answer.value)
}

fn texts(eval: &Eval, wanted: Kind) -> impl Iterator<Item = &Text> {
    eval.expects.iter().filter_map(move |e| match e {
        Expect::Some(kind, text) if *kind == wanted => Some(text),
        _ => None,
    })
}

fn matches(wanted: &Text, got: &str) -> bool {
    match wanted {
        Text::Any => true,
        Text::Exactly(text) => text == got,
        Text::Regex(pattern) => Regex::new(pattern).is_ok_and(|r| r.is_match(got)),
    }
}

fn notes(eval: &Eval, kind: Kind, got: &[String]) -> Result<(), String> {
    let none = |e: &Expect| matches!(e, Expect::None(k) if *k == kind);
    if let (true, Some(note)) = (eval.expects.iter().any(none), got.first()) {
        return Err(format!("unexpected {kind:?}: {note}"));
    }
    let wanted: Vec<&Text> = texts(eval, kind).collect();
    for text in &wanted {
        if !got.iter().any(|note| matches(text, note)) {
            return Err(format!("expected {kind:?} {text:?}, got {got:?}"));
        }
    }
    if wanted.iter().any(|text| !matches!(text, Text::Any)) {
        for note in got {
            if !wanted.iter().any(|text| matches(text, note)) {
                return Err(format!("unexpected {kind:?}: {note}"));
            }
        }
    }
    Ok(())
}

/// One series with the values expected, or got, at each step.
type Row = (Labels, Vec<Option<f64>>);

fn value(eval: &Eval, got: &Value) -> Result<(), String> {
    for expect in &eval.expects {
        match (expect, got) {
            (Expect::String(want), Value::String(_, got)) if want == got => return Ok(()),
            (Expect::String(want), _) => return Err(format!("expected {want:?}, got {got:?}")),
            (Expect::Matrix { start, end, step }, _) => {
                let rows = rows(got, *start, *end, step.0)?;
                return same(&eval.result.series, &rows, false);
            }
            _ => {}
        }
    }
    if let Some(want) = eval.result.scalar {
        return match got {
            Value::Scalar(sample) if close(want, sample.v) => Ok(()),
            _ => Err(format!("expected {want}, got {got:?}")),
        };
    }
    match eval.when {
        When::Instant(at) => {
            let ordered = eval.expects.iter().any(|e| matches!(e, Expect::Ordered));
            same(&eval.result.series, &rows(got, at, at, 1)?, ordered)
        }
        When::Range { start, end, step } => {
            let rows = rows(got, start, end, step.0)?;
            if !rows.is_sorted_by(|a, b| a.0 < b.0) {
                return Err("the series are not sorted".into());
            }
            same(&eval.result.series, &rows, false)
        }
    }
}

/// The series of a value at the steps from `start` to `end`.
pub(super) fn rows(
    value: &Value,
    start: TimestampMs,
    end: TimestampMs,
    step: i64,
) -> Result<Vec<Row>, String> {
    let steps = ((end.0 - start.0) / step + 1) as usize;
    match value {
        Value::Scalar(sample) => Ok(vec![(Labels::empty(), vec![Some(sample.v)])]),
        Value::String(_, text) => Err(format!("got the string {text:?}")),
        Value::Vector(samples) => Ok(samples
            .iter()
            .map(|(labels, sample)| (labels.clone(), vec![Some(sample.v)]))
            .collect()),
        Value::Matrix(matrix) => (0..matrix.len())
            .map(|index| {
                let mut values = vec![None; steps];
                let mut outside = None;
                matrix.for_each(index, |t, v| {
                    let at = (t.0 - start.0) / step;
                    match usize::try_from(at).ok().and_then(|at| values.get_mut(at)) {
                        Some(slot) if start.0 + at * step == t.0 => *slot = Some(v),
                        _ => outside = Some(t),
                    }
                });
                match outside {
                    Some(t) => Err(format!("unexpected sample at {}", t.0)),
                    None => Ok((matrix.labels(index).clone(), values)),
                }
            })
            .collect(),
    }
}

/// The same series with close values; steps left out at the end have no value.
pub(super) fn same(want: &[Row], got: &[Row], ordered: bool) -> Result<(), String> {
    for (i, (labels, values)) in want.iter().enumerate() {
        let found = if ordered {
            got.get(i).filter(|(l, _)| l == labels)
        } else {
            got.iter().find(|(l, _)| l == labels)
        };
        let Some((_, found)) = found else {
            return Err(format!("{labels} is missing, got {got:?}"));
        };
        let steps = values.len().max(found.len());
        for step in 0..steps {
            let want = values.get(step).copied().flatten();
            let got = found.get(step).copied().flatten();
            let equal = match (want, got) {
                (Some(want), Some(got)) => close(want, got),
                (None, None) => true,
                _ => false,
            };
            if !equal {
                return Err(format!(
                    "{labels} step {step}: expected {want:?}, got {got:?}"
                ));
            }
        }
    }
    match got.iter().find(|(l, _)| !want.iter().any(|(w, _)| w == l)) {
        Some((labels, values)) => Err(format!("unexpected {labels} {values:?}")),
        None => Ok(()),
    }
}

/// Equal, or different by less than 1e-6 of both together. A staleness marker equals only itself.
fn close(want: f64, got: f64) -> bool {
    const TOLERANCE: f64 = 1e-6;
    if is_stale(want) || is_stale(got) {
        return is_stale(want) && is_stale(got);
    }
    if want == got || want.is_nan() && got.is_nan() {
        return true;
    }
    let (sum, difference) = (want.abs() + got.abs(), (want - got).abs());
    if want == 0.0 || got == 0.0 || sum < f64::MIN_POSITIVE {
        return difference < TOLERANCE * f64::MIN_POSITIVE;
    }
    difference / sum.min(f64::MAX) < TOLERANCE
}
