//! Slices of time: at the end of each one the expression says whether it was good.
//!
//! One bad series makes the slice of its group bad. Slices lie at multiples of their length.

use std::collections::BTreeMap;

use bellwether_lang::promql::Expr;
use bellwether_lang::rules::Slice;
use bellwether_model::{DurationMs, Labels, TimestampMs};
use bellwether_query::{Steps, Value, range};

use super::events::{Events, Part, SlaError, Visit};

/// Slices asked for in one query.
pub(super) const SLICES_MAX: i64 = 5000;

/// Of each group its slices that have data, by their ends: whether they were good.
pub(super) type Judged = BTreeMap<Labels, BTreeMap<i64, bool>>;

/// The ends of the first and the last slice that end in `(from, to]`.
pub(super) fn ends(width: i64, from: TimestampMs, to: TimestampMs) -> (i64, i64) {
    let before = |t: TimestampMs| t.0.div_euclid(width) * width;
    (before(from).saturating_add(width), before(to))
}

impl Events<'_> {
    /// Judges the slices that end from `first` to `last`.
    pub(super) fn judge(
        &self,
        ok: &Expr,
        width: i64,
        first: i64,
        last: i64,
        judged: &mut Judged,
    ) -> Result<(), SlaError> {
        let mut begin = first;
        while begin <= last {
            let end = last.min(begin.saturating_add(width.saturating_mul(SLICES_MAX - 1)));
            let steps = Steps {
                start: TimestampMs(begin),
                end: TimestampMs(end),
                step: DurationMs(width),
            };
            let answer = range(ok, self.source, steps, self.options, self.control)?;
            if let Value::Matrix(matrix) = answer.value {
                for i in 0..matrix.len() {
                    let group = matrix.labels(i).only(&self.sla.by);
                    let group = judged.entry(group).or_default();
                    matrix.for_each(i, |t, value| {
                        if !value.is_nan() {
                            let good = group.entry(t.0).or_insert(true);
                            *good &= value != 0.0;
                        }
                    });
                }
            }
            begin = end.saturating_add(width);
        }
        Ok(())
    }

    /// Gives `visit` the slices that end in `(from, to]`, of each group from its first one with data on.
    pub(super) fn slices(
        &self,
        (ok, slice, missing): (&Expr, DurationMs, Slice),
        from: TimestampMs,
        to: TimestampMs,
        visit: &mut Visit<'_>,
    ) -> Result<(), SlaError> {
        let width = slice.0.max(1);
        let (first, last) = ends(width, from, to);
        let mut judged = Judged::new();
        self.judge(ok, width, first, last, &mut judged)?;
        for (group, slices) in &judged {
            let (mut times, mut bad) = (Vec::new(), Vec::new());
            let mut t = slices.keys().next().copied().unwrap_or(i64::MAX);
            while t <= last {
                let is_bad = match (slices.get(&t), missing) {
                    (Some(good), _) => Some(!good),
                    (None, Slice::Ok) => Some(false),
                    (None, Slice::Bad) => Some(true),
                    (None, Slice::Skip) => None,
                };
                if let Some(is_bad) = is_bad {
                    times.push(t);
                    bad.push(f64::from(u8::from(is_bad)));
                }
                t += width;
            }
            visit(group, Part::Counted, &times, &bad);
            visit(group, Part::Total, &times, &vec![1.0; times.len()]);
        }
        Ok(())
    }
}
