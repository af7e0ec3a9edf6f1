//! Samples in memory: for tests, examples, and whoever evaluates over data that is not stored.

use std::collections::BTreeMap;

use bellwether_model::{Labels, Matcher, TimeRange, TimestampMs};

use super::{Columns, Select, SeriesReader, SeriesSet, Source, SourceError};

/// A set of series in memory.
#[derive(Clone, Debug, Default)]
pub struct MemorySource {
    series: BTreeMap<Labels, Columns>,
}

impl MemorySource {
    /// Without any series.
    pub fn new() -> MemorySource {
        MemorySource::default()
    }

    /// Adds a sample. Times may come in any order; of two samples of one time the later one stays.
    pub fn push(&mut self, labels: &Labels, t: i64, v: f64) {
        let Some(columns) = self.series.get_mut(labels) else {
            let (times, values) = (vec![t], vec![v]);
            self.series
                .insert(labels.clone(), Columns { times, values });
            return;
        };
        let at = columns.times.partition_point(|other| *other < t);
        if columns.times.get(at) == Some(&t) {
            columns.values[at] = v;
        } else {
            columns.times.insert(at, t);
            columns.values.insert(at, v);
        }
    }

    /// Adds many samples of one series, times strictly ascending. Where there are some from the first time on already, the
    /// new ones take their place.
    pub fn extend(&mut self, labels: &Labels, times: &[i64], values: &[f64]) {
        let Some(first) = times.first() else {
            return;
        };
        let columns = self.series.entry(labels.clone()).or_default();
        let keep = columns.times.partition_point(|t| t < first);
        columns.times.truncate(keep);
        columns.values.truncate(keep);
        columns.times.extend_from_slice(times);
        columns.values.extend_from_slice(values);
    }

    /// Drops all samples before `t`, and the series that have no others.
    pub fn forget_before(&mut self, t: TimestampMs) {
        self.series.retain(|_, columns| {
            let from = columns.times.partition_point(|time| *time < t.0);
            columns.times.drain(..from);
            columns.values.drain(..from);
            !columns.times.is_empty()
        });
    }

    /// Number of series.
    pub fn len(&self) -> usize {
        self.series.len()
    }

    /// True without any series.
    pub fn is_empty(&self) -> bool {
        self.series.is_empty()
    }
}

impl Source for MemorySource {
    fn select(&self, select: &Select<'_>) -> Result<SeriesSet<'_>, SourceError> {
        let matches = |labels: &Labels| select.matchers.iter().all(|m| m.matches_labels(labels));
        let found: Vec<(&Labels, &Columns)> =
            self.series.iter().filter(|(l, _)| matches(l)).collect();
        if found.len() > select.series_max {
            return Err(SourceError::TooManySeries {
                max: select.series_max,
            });
        }
        Ok(SeriesSet {
            labels: found.iter().map(|(labels, _)| (*labels).clone()).collect(),
            reader: Box::new(Reader(found.into_iter().map(|(_, c)| c).collect())),
            warnings: Vec::new(),
        })
    }

    fn estimate(&self, matchers: &[Matcher]) -> Option<usize> {
        let matches = |labels: &&Labels| matchers.iter().all(|m| m.matches_labels(labels));
        Some(self.series.keys().filter(matches).count())
    }
}

struct Reader<'a>(Vec<&'a Columns>);

impl SeriesReader for Reader<'_> {
    fn read(
        &self,
        index: usize,
        range: TimeRange,
        room: usize,
        out: &mut Columns,
    ) -> Result<(), SourceError> {
        let columns = self.0[index];
        let from = columns.times.partition_point(|t| *t < range.from.0);
        let to = columns
            .times
            .partition_point(|t| *t <= range.to.0)
            .max(from);
        out.clear();
        let needed = to - from;
        if needed > room {
            return Err(SourceError::NoRoom { needed });
        }
        out.times.extend_from_slice(&columns.times[from..to]);
        out.values.extend_from_slice(&columns.values[from..to]);
        Ok(())
    }
}
