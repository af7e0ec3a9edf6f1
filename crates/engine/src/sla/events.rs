//! What counts for an objective: a stream of events, each at a time and in a group (the labels of `by`).
//!
//! - `counters`: exact increases. `slices`: slices of time.
//!
//! Events in excluded windows are left out, of the numerator and the denominator. An event belongs to a stretch `(from, to]`.

use bellwether_lang::rules::{Counted, Indicator, RuleSet, Sla};
use bellwether_model::{Labels, Matcher, TimeRange, TimestampMs};
use bellwether_query::{Control, Options, QueryError, Select, SeriesSet, Source, SourceError};

use super::counters::Increases;
use super::tally::Tally;
use crate::calendar;

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

/// Which of the two numbers of an event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Part {
    /// What is counted beside all events: the good or the bad ones.
    Counted,
    /// All.
    Total,
}

/// Takes events of one group: which number, times ascending, and how many at each.
pub(super) type Visit<'t> = dyn FnMut(&Labels, Part, &[i64], &[f64]) + 't;

impl Events<'_> {
    /// Gives `visit` every event in `(from, to]`, excluded ones among them.
    pub(super) fn read(
        &self,
        from: TimestampMs,
        to: TimestampMs,
        visit: &mut Visit<'_>,
    ) -> Result<(), SlaError> {
        match &self.sla.indicator {
            Indicator::Counted { events, total, .. } => {
                Increases::new(self, events, total).read(from, to, visit)
            }
            Indicator::Sliced { ok, slice, missing } => {
                self.slices((ok, *slice, *missing), from, to, visit)
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

    pub(super) fn select(
        &self,
        matchers: &[Matcher],
        range: TimeRange,
    ) -> Result<SeriesSet<'_>, SlaError> {
        let select = Select {
            matchers,
            range,
            series_max: self.options.series_max,
        };
        Ok(self.source.select(&select)?)
    }

    /// Samples that may be held at a time.
    pub(super) fn room(&self) -> usize {
        self.options.memory_max / size_of::<(i64, f64)>()
    }
}

/// The times that an objective leaves out, within a stretch.
#[derive(Clone, Debug, Default)]
pub(super) struct Excluded {
    /// Begin and end of each, ascending, apart from each other; closed at the end, as events are.
    spans: Vec<(TimestampMs, TimestampMs)>,
}

impl Excluded {
    /// Those that touch the stretch from `from` to `to`.
    pub(super) fn of(rules: &RuleSet, sla: &Sla, from: TimestampMs, to: TimestampMs) -> Excluded {
        let named = |name: &String| {
            let mut windows = rules.windows.iter();
            windows.find(|window| window.name == *name)
        };
        let mut found = Vec::new();
        for window in sla.exclude.iter().filter_map(named) {
            let mut at = from;
            while at <= to {
                let is_open = calendar::is_open(window, at);
                let change = calendar::next_change(window, at);
                let until = change.unwrap_or(TimestampMs(i64::MAX));
                if is_open {
                    found.push((at, until));
                }
                if until <= at {
                    break;
                }
                at = until;
            }
        }
        found.sort_unstable();
        let mut spans: Vec<(TimestampMs, TimestampMs)> = Vec::new();
        for (from, to) in found {
            match spans.last_mut() {
                Some(last) if from <= last.1 => last.1 = last.1.max(to),
                _ => spans.push((from, to)),
            }
        }
        Excluded { spans }
    }

    /// Begin and end of each, as they count for events: `(begin, end]`.
    pub(super) fn spans(&self) -> &[(TimestampMs, TimestampMs)] {
        &self.spans
    }

    /// Whether no event from `from`, exclusive, up to `to` counts for anything.
    pub(super) fn has_all(&self, from: TimestampMs, to: TimestampMs) -> bool {
        let first = self.spans.first();
        first.is_some_and(|(begin, end)| *begin <= from && to <= *end)
    }

    /// Whether an event at this time counts for nothing.
    pub(super) fn has(&self, at: i64) -> bool {
        let behind = self.spans.partition_point(|(from, _)| from.0 < at);
        behind > 0 && at <= self.spans[behind - 1].1.0
    }
}
