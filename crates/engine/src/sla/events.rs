//! What counts for an objective: a stream of events, each at a time and in a group (the labels of `by`).
//!
//! **Counters**: each sample stands for what the counter went up since the sample before; a counter that went down has been
//! reset and counts from zero. The first sample of a counter stands for nothing, because nobody knows how much of it is new,
//! unless the counter is known to be new: the objective's other counters had samples earlier than a lookback before it.
//!
//! **Slices**: at the end of each slice the expression says whether it was good. One bad series makes the slice of its group bad.
//! A group's slices are counted from its first one with data on.
//!
//! Events in excluded windows are left out, of the numerator and the denominator. An event belongs to a stretch `(from, to]`.

use std::collections::BTreeMap;

use bellwether_lang::rules::{Counted, Counters, Indicator, RuleSet, Sign, Sla, Slice};
use bellwether_model::{DurationMs, Labels, TimeRange, TimestampMs, is_stale, limits};
use bellwether_query::source::Columns;
use bellwether_query::{
    Control, Options, QueryError, Select, Source, SourceError, Steps, Value, range,
};

use super::tally::Tally;
use crate::calendar;

/// Samples before a stretch that are looked at to find the one just before it; further ones are sought only for series
/// that have none here.
const JUST_BEFORE: DurationMs = DurationMs::from_mins(60);

/// Slices asked for in one query.
const SLICES_MAX: i64 = 5000;

/// Why events cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum SlaError {
    /// The expression of slices cannot be evaluated.
    #[error(transparent)]
    Query(#[from] QueryError),
    /// The counters cannot be read.
    #[error(transparent)]
    Source(#[from] SourceError),
}

/// Where events come from.
pub(super) struct Events<'a> {
    pub(super) rules: &'a RuleSet,
    pub(super) sla: &'a Sla,
    pub(super) source: &'a dyn Source,
    pub(super) options: &'a Options,
    pub(super) control: &'a Control,
}

/// Takes events: the group, the time, what is counted beside all events, all events.
pub(super) type Take<'t> = dyn FnMut(&Labels, TimestampMs, f64, f64) + 't;

impl Events<'_> {
    /// Gives `take` every event in `(from, to]`, not in order.
    pub(super) fn read(
        &self,
        from: TimestampMs,
        to: TimestampMs,
        take: &mut Take<'_>,
    ) -> Result<(), SlaError> {
        let closed = self.excluded(from, to);
        let mut take_open = |group: &Labels, at: TimestampMs, counted: f64, total: f64| {
            if !closed.iter().any(|(from, to)| *from < at && at <= *to) {
                take(group, at, counted, total);
            }
        };
        match &self.sla.indicator {
            Indicator::Counted { events, total, .. } => {
                let known_since = self.known_since(&[events, total], from, to)?;
                let ends = (from, to, known_since);
                self.counters(events, ends, &mut |group, at, n| {
                    take_open(group, at, n, 0.0);
                })?;
                self.counters(total, ends, &mut |group, at, n| {
                    take_open(group, at, 0.0, n);
                })
            }
            Indicator::Sliced { ok, slice, missing } => {
                self.slices((ok, *slice, *missing), from, to, &mut take_open)
            }
        }
    }

    /// What the counts of this objective mean.
    pub(super) fn tally(&self, (counted, total): (f64, f64)) -> Tally {
        let bad = match &self.sla.indicator {
            Indicator::Counted {
                counted: Counted::Good,
                ..
            } => total - counted,
            _ => counted,
        };
        // Counters that are read at different moments may disagree for a while.
        let total = total.max(0.0);
        Tally {
            bad: bad.clamp(0.0, total),
            total,
        }
    }

    /// The stretches of excluded windows.
    fn excluded(&self, from: TimestampMs, to: TimestampMs) -> Vec<(TimestampMs, TimestampMs)> {
        let named = |name: &String| {
            self.rules
                .windows
                .iter()
                .find(|window| window.name == *name)
        };
        let mut closed = Vec::new();
        for window in self.sla.exclude.iter().filter_map(named) {
            let mut at = from;
            while at <= to {
                let is_open = calendar::is_open(window, at);
                let change = calendar::next_change(window, at);
                let until = change.unwrap_or(TimestampMs(i64::MAX));
                if is_open {
                    closed.push((at, until));
                }
                if until <= at {
                    break;
                }
                at = until;
            }
        }
        closed
    }

    fn select(
        &self,
        matchers: &[bellwether_model::Matcher],
        range: TimeRange,
    ) -> Result<bellwether_query::SeriesSet<'_>, SlaError> {
        let select = Select {
            matchers,
            range,
            series_max: self.options.series_max,
        };
        Ok(self.source.select(&select)?)
    }

    /// The first sample of any counter that lies just before or in the stretch.
    fn known_since(
        &self,
        parts: &[&Counters],
        from: TimestampMs,
        to: TimestampMs,
    ) -> Result<TimestampMs, SlaError> {
        let range = TimeRange {
            from: from.minus(JUST_BEFORE),
            to,
        };
        let mut known_since = TimestampMs(i64::MAX);
        let mut columns = Columns::default();
        for counter in parts.iter().flat_map(|part| &part.0) {
            let set = self.select(&counter.selector.matchers, range)?;
            for i in 0..set.labels.len() {
                set.reader.read(i, range, self.room(), &mut columns)?;
                if let Some(first) = columns.times.first() {
                    known_since = known_since.min(TimestampMs(*first));
                }
            }
        }
        Ok(known_since)
    }

    fn room(&self) -> usize {
        self.options.memory_max / size_of::<(i64, f64)>()
    }

    /// Increases of the counters in a stretch whose counters are known since some time.
    fn counters(
        &self,
        counters: &Counters,
        (from, to, known_since): (TimestampMs, TimestampMs, TimestampMs),
        take: &mut dyn FnMut(&Labels, TimestampMs, f64),
    ) -> Result<(), SlaError> {
        let mut columns = Columns::default();
        for counter in &counters.0 {
            let sign = match counter.sign {
                Sign::Plus => 1.0,
                Sign::Minus => -1.0,
            };
            let ever = TimeRange {
                from: TimeRange::ALL.from,
                to,
            };
            let set = self.select(&counter.selector.matchers, ever)?;
            for (i, labels) in set.labels.iter().enumerate() {
                self.control.check()?;
                let range = TimeRange {
                    from: from.minus(JUST_BEFORE),
                    to,
                };
                set.reader.read(i, range, self.room(), &mut columns)?;
                let Some(first) = columns.times.iter().find(|t| **t > from.0).copied() else {
                    continue;
                };
                if columns.times.first() == Some(&first) {
                    // Nothing just before: it is new, or it is seldom seen.
                    let before = TimeRange {
                        from: TimeRange::ALL.from,
                        to: from,
                    };
                    let mut older = Columns::default();
                    set.reader.read(i, before, self.room(), &mut older)?;
                    let is_number = |i: &usize| !older.values[*i].is_nan();
                    if let Some(last) = (0..older.times.len()).rev().find(is_number) {
                        columns.times.insert(0, older.times[last]);
                        columns.values.insert(0, older.values[last]);
                    }
                }
                let group = labels.only(&self.sla.by);
                let is_new = first.saturating_sub(limits::QUERY_LOOKBACK.millis()) > known_since.0;
                increases(&columns, is_new, |t, increase| {
                    if t > from.0 {
                        take(&group, TimestampMs(t), sign * increase);
                    }
                });
            }
        }
        Ok(())
    }

    fn slices(
        &self,
        (ok, slice, missing): (&bellwether_lang::promql::Expr, DurationMs, Slice),
        from: TimestampMs,
        to: TimestampMs,
        take: &mut Take<'_>,
    ) -> Result<(), SlaError> {
        let width = slice.0.max(1);
        let first = from.0.div_euclid(width) * width + width;
        let last = to.0.div_euclid(width) * width;
        // Of each group its slices: the first with data, and those that have any.
        let mut groups: BTreeMap<Labels, BTreeMap<i64, bool>> = BTreeMap::new();
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
                    let group = groups
                        .entry(matrix.labels(i).only(&self.sla.by))
                        .or_default();
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
        for (group, slices) in &groups {
            let Some(first) = slices.keys().next() else {
                continue; // Nothing but NaN.
            };
            let mut t = *first;
            while t <= last {
                match (slices.get(&t), missing) {
                    (Some(true), _) | (None, Slice::Ok) => take(group, TimestampMs(t), 0.0, 1.0),
                    (Some(false), _) | (None, Slice::Bad) => take(group, TimestampMs(t), 1.0, 1.0),
                    (None, Slice::Skip) => {}
                }
                t += width;
            }
        }
        Ok(())
    }
}

/// What each sample of a counter stands for. `is_new` says that the first one counts from zero.
fn increases(columns: &Columns, is_new: bool, mut visit: impl FnMut(i64, f64)) {
    let mut last: Option<f64> = if is_new { Some(0.0) } else { None };
    for (t, value) in columns.times.iter().zip(&columns.values) {
        if value.is_nan() || is_stale(*value) {
            continue;
        }
        if let Some(last) = last {
            let increase = if *value >= last { value - last } else { *value };
            visit(*t, increase);
        }
        last = Some(*value);
    }
}
