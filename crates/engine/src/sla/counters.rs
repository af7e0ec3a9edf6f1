//! What counters went up by: each sample stands for the increase since the one before.
//!
//! A counter that went down was reset and counts from zero. The first sample of a counter stands for nothing, because nobody
//! knows how much of it is new, unless the counter is known to be new: any counter of the objective had a sample more than a
//! lookback before it. So an increase depends on the stored samples alone, not on the stretch that is asked for: increases of two
//! neighbouring stretches are those of both together.

use bellwether_lang::rules::{Counter, Counters, Sign};
use bellwether_model::{DurationMs, Labels, TimeRange, TimestampMs, limits};
use bellwether_query::SeriesSet;
use bellwether_query::source::Columns;

use super::events::{Events, Part, SlaError, Visit};

/// Samples before a stretch that are read with it, to find the one just before it.
const JUST_BEFORE: DurationMs = DurationMs(limits::QUERY_LOOKBACK.millis());

/// How far back is looked for a sample, step by step: most often the first step finds one.
const FURTHER_BACK: [DurationMs; 4] = [
    DurationMs::from_mins(60),
    DurationMs::from_mins(24 * 60),
    DurationMs::from_mins(32 * 24 * 60),
    DurationMs(i64::MAX),
];

/// The counters of an objective, and what is known about their beginnings.
pub(super) struct Increases<'a> {
    events: &'a Events<'a>,
    counted: &'a Counters,
    total: &'a Counters,
    /// Some counter had a sample then.
    seen_at: TimestampMs,
    /// No counter had one before then.
    unseen_before: TimestampMs,
}

impl<'a> Increases<'a> {
    pub(super) fn new(
        events: &'a Events<'a>,
        counted: &'a Counters,
        total: &'a Counters,
    ) -> Increases<'a> {
        Increases {
            events,
            counted,
            total,
            seen_at: TimestampMs(i64::MAX),
            unseen_before: TimestampMs(i64::MIN),
        }
    }

    /// Gives `visit` the increases in `(from, to]`, series by series.
    pub(super) fn read(
        &mut self,
        from: TimestampMs,
        to: TimestampMs,
        visit: &mut Visit<'_>,
    ) -> Result<(), SlaError> {
        let (counted, total) = (self.counted, self.total);
        for (part, counters) in [(Part::Counted, counted), (Part::Total, total)] {
            for counter in &counters.0 {
                self.counter(counter, part, from, to, visit)?;
            }
        }
        Ok(())
    }

    fn counter(
        &mut self,
        counter: &Counter,
        part: Part,
        from: TimestampMs,
        to: TimestampMs,
        visit: &mut Visit<'_>,
    ) -> Result<(), SlaError> {
        let events = self.events;
        let range = TimeRange {
            from: from.minus(JUST_BEFORE),
            to,
        };
        let set = events.select(&counter.selector.matchers, range)?;
        let mut older = None;
        let mut columns = Columns::default();
        for (i, labels) in set.labels.iter().enumerate() {
            events.control.check()?;
            set.reader.read(i, range, events.room(), &mut columns)?;
            if let Some(first) = columns.times.first() {
                self.seen_at = self.seen_at.min(TimestampMs(*first));
            }
            keep_numbers(&mut columns);
            let begin = columns.times.partition_point(|t| *t <= from.0);
            let Some(first) = columns.times.get(begin).copied() else {
                continue;
            };
            let before = match begin.checked_sub(1) {
                Some(last) => Some(columns.values[last]),
                None => match last_before(events, counter, labels, range.from, &mut older)? {
                    Some(value) => Some(value),
                    None => self.is_new(TimestampMs(first))?.then_some(0.0),
                },
            };
            let begin = increases(&mut columns, begin, before, counter.sign);
            visit(
                &labels.only(&events.sla.by),
                part,
                &columns.times[begin..],
                &columns.values[begin..],
            );
        }
        Ok(())
    }

    /// Whether a counter that begins at `first` is new: another one was there long before.
    fn is_new(&mut self, first: TimestampMs) -> Result<bool, SlaError> {
        let until = first.minus(DurationMs(limits::QUERY_LOOKBACK.millis() + 1));
        if self.seen_at <= until {
            return Ok(true);
        }
        if until < self.unseen_before {
            return Ok(false);
        }
        for span in FURTHER_BACK {
            let range = TimeRange {
                from: until.minus(span),
                to: until,
            };
            if let Some(seen) = self.any_sample(range)? {
                self.seen_at = seen;
                return Ok(true);
            }
        }
        self.unseen_before = until.plus(DurationMs(1));
        Ok(false)
    }

    /// The time of a sample of any counter.
    fn any_sample(&self, range: TimeRange) -> Result<Option<TimestampMs>, SlaError> {
        let events = self.events;
        let mut columns = Columns::default();
        for counter in self.counted.0.iter().chain(&self.total.0) {
            let set = events.select(&counter.selector.matchers, range)?;
            for i in 0..set.labels.len() {
                events.control.check()?;
                set.reader
                    .read_newest(i, range, events.room(), &mut columns)?;
                if let Some(seen) = columns.times.first() {
                    return Ok(Some(TimestampMs(*seen)));
                }
            }
        }
        Ok(None)
    }
}

/// The last number of a series before a time, however long ago. `older` keeps what was asked for the first one.
fn last_before<'s>(
    events: &'s Events<'_>,
    counter: &Counter,
    labels: &Labels,
    before: TimestampMs,
    older: &mut Option<SeriesSet<'s>>,
) -> Result<Option<f64>, SlaError> {
    let to = before.minus(DurationMs(1));
    let set = if let Some(set) = older {
        set
    } else {
        let ever = TimeRange {
            from: TimeRange::ALL.from,
            to,
        };
        older.insert(events.select(&counter.selector.matchers, ever)?)
    };
    let Ok(i) = set.labels.binary_search(labels) else {
        return Ok(None);
    };
    let mut columns = Columns::default();
    for span in FURTHER_BACK {
        let range = TimeRange {
            from: before.minus(span),
            to,
        };
        set.reader
            .read_newest(i, range, events.room(), &mut columns)?;
        if columns.values.iter().any(|value| value.is_nan()) {
            set.reader.read(i, range, events.room(), &mut columns)?;
        }
        if let Some(value) = columns.values.iter().rev().find(|value| !value.is_nan()) {
            return Ok(Some(*value));
        }
    }
    Ok(None)
}

/// Drops values that are none: staleness markers among them.
fn keep_numbers(columns: &mut Columns) {
    if !columns.values.iter().any(|value| value.is_nan()) {
        return; // Nearly always.
    }
    let Columns { times, values } = columns;
    let mut keep = values.iter().map(|value| !value.is_nan());
    times.retain(|_| keep.next().unwrap_or(false));
    values.retain(|value| !value.is_nan());
}

/// Makes increases of the values from `begin` on, and returns where they begin. `before` is the value just before.
fn increases(columns: &mut Columns, begin: usize, before: Option<f64>, sign: Sign) -> usize {
    let sign = match sign {
        Sign::Plus => 1.0,
        Sign::Minus => -1.0,
    };
    let (mut last, begin) = match before {
        Some(last) => (last, begin),
        None => (columns.values[begin], begin + 1),
    };
    for value in &mut columns.values[begin..] {
        let increase = if *value >= last {
            *value - last
        } else {
            *value
        };
        last = *value;
        *value = sign * increase;
    }
    begin
}
