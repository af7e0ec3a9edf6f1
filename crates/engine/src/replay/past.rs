//! What a replay's rules see: the samples that are there, and what the replayed rules have written instead of what the rules
//! of that time wrote.
//!
//! Series that the rules write are hidden below from the start of the replay on, each as far back as its rule's delay; what was
//! recorded before the start is history like any other.

use bellwether_model::{Labels, TimeRange, TimestampMs};
use bellwether_query::source::memory::MemorySource;
use bellwether_query::source::{Columns, Select, SeriesReader, SeriesSet, Source, SourceError};

use crate::overlay::Written;

/// The samples of a replay.
pub(crate) struct Past<'a> {
    pub(crate) below: &'a dyn Source,
    /// What the rules have written since the start.
    pub(crate) above: MemorySource,
    pub(crate) written: Written,
    pub(crate) from: TimestampMs,
}

impl Past<'_> {
    fn hidden_from(&self, labels: &Labels) -> Option<TimestampMs> {
        self.written
            .delay(labels)
            .map(|delay| self.from.minus(delay))
    }
}

impl Source for Past<'_> {
    fn select(&self, select: &Select<'_>) -> Result<SeriesSet<'_>, SourceError> {
        let below = self.below.select(select)?;
        let above = self.above.select(select)?;
        let hidden: Vec<Option<TimestampMs>> = below
            .labels
            .iter()
            .map(|labels| self.hidden_from(labels))
            .collect();
        if above.labels.is_empty() && hidden.iter().all(Option::is_none) {
            return Ok(below); // Most selectors: nothing of it is the rules'.
        }
        let mut labels = Vec::with_capacity(below.labels.len() + above.labels.len());
        let mut layers = Vec::with_capacity(labels.capacity());
        let mut on_top = above.labels.into_iter().enumerate().peekable();
        for (i, (name, hidden)) in below.labels.into_iter().zip(hidden).enumerate() {
            while let Some((j, new)) = on_top.next_if(|(_, new)| *new < name) {
                labels.push(new);
                layers.push(Layer {
                    below: None,
                    above: Some(j),
                });
            }
            let same = on_top.next_if(|(_, new)| *new == name).map(|(j, _)| j);
            labels.push(name);
            layers.push(Layer {
                below: Some((i, hidden)),
                above: same,
            });
        }
        for (j, new) in on_top {
            labels.push(new);
            layers.push(Layer {
                below: None,
                above: Some(j),
            });
        }
        if labels.len() > select.series_max {
            return Err(SourceError::TooManySeries {
                max: select.series_max,
            });
        }
        let reader = Reader {
            below: below.reader,
            above: above.reader,
            layers,
        };
        Ok(SeriesSet {
            labels,
            reader: Box::new(reader),
            warnings: below.warnings,
        })
    }
}

/// Where the samples of one series come from.
struct Layer {
    /// Its index below, and the time from which samples below are hidden.
    below: Option<(usize, Option<TimestampMs>)>,
    above: Option<usize>,
}

struct Reader<'a> {
    below: Box<dyn SeriesReader + 'a>,
    above: Box<dyn SeriesReader + 'a>,
    layers: Vec<Layer>,
}

impl SeriesReader for Reader<'_> {
    fn read(
        &self,
        index: usize,
        range: TimeRange,
        room: usize,
        out: &mut Columns,
    ) -> Result<(), SourceError> {
        out.clear();
        let layer = &self.layers[index];
        if let Some((i, hidden)) = layer.below {
            let range = hidden.map_or(range, |from| TimeRange {
                from: range.from,
                to: range.to.min(from.minus(bellwether_model::DurationMs(1))),
            });
            if range.from <= range.to {
                self.below.read(i, range, room, out)?;
            }
        }
        let Some(j) = layer.above else {
            return Ok(());
        };
        // All that lies above is later than what is seen below: it is what the series' rule has written since.
        let mut written = Columns::default();
        self.above
            .read(j, range, room.saturating_sub(out.times.len()), &mut written)?;
        out.times.append(&mut written.times);
        out.values.append(&mut written.values);
        Ok(())
    }

    fn warnings(&self) -> Vec<String> {
        self.below.warnings()
    }
}
