//! Reading: a view is what the store held at one moment, and stays that while writers go on.

use crate::config::DuplicatePolicy;
use crate::error::StoreError;
use crate::index::Index;
use crate::selection::Selection;
use crate::visible::{Pin, Visible};
use bellwether_model::{Labels, Matcher, TimeRange, TimestampMs};
use roaring::RoaringBitmap;
use std::sync::Arc;

/// What the store held when the view was made: whole batches only, and never changing. Cheap to make and to
/// clone; keeps the files and the memory it shows until the last clone is dropped.
#[derive(Clone)]
pub struct View {
    pub(crate) pin: Arc<Pin>,
    index: Arc<Index>,
    /// Series from this id on came later.
    end: u32,
    pub(crate) duplicates: DuplicatePolicy,
}

impl View {
    pub(crate) fn new(
        visible: &Arc<Visible>,
        index: &Arc<Index>,
        duplicates: DuplicatePolicy,
    ) -> View {
        let pin = Arc::new(Pin::new(visible));
        // Read after the pin: whatever the pinned group holds was in the index before.
        let end = index.end();
        View {
            pin,
            index: Arc::clone(index),
            end,
            duplicates,
        }
    }

    /// The series that satisfy every matcher and have samples inside `range`, sorted by labels. Or may
    /// have: of a segment that touches the range, all series count.
    ///
    /// More than `series_max` of them is [`StoreError::TooManySeries`].
    pub fn select(
        &self,
        matchers: &[Matcher],
        range: TimeRange,
        series_max: usize,
    ) -> Result<Selection, StoreError> {
        let ids = self.present(matchers, range);
        if ids.len() > series_max as u64 {
            return Err(StoreError::TooManySeries { max: series_max });
        }
        let warnings = self.pin.published.segments.warnings(range);
        let (ids, labels) = self.index.sorted(&ids).into_iter().unzip();
        Ok(Selection::new(self.clone(), ids, labels, warnings))
    }

    /// How many series satisfy every matcher, whenever they have samples. The index alone knows.
    pub fn count(&self, matchers: &[Matcher]) -> usize {
        self.index.matching(matchers, self.end).len() as usize
    }

    /// The label sets of the series that [`View::select`] would return, sorted.
    pub fn series(
        &self,
        matchers: &[Matcher],
        range: TimeRange,
    ) -> Result<Vec<Labels>, StoreError> {
        let ids = self.present(matchers, range);
        Ok(self
            .index
            .sorted(&ids)
            .into_iter()
            .map(|(_, labels)| labels)
            .collect())
    }

    /// The names of the labels of these series, sorted.
    pub fn label_names(
        &self,
        matchers: &[Matcher],
        range: TimeRange,
    ) -> Result<Vec<String>, StoreError> {
        Ok(self.index.names(&self.present(matchers, range)))
    }

    /// The values that the label `name` has among these series, sorted.
    pub fn label_values(
        &self,
        name: &str,
        matchers: &[Matcher],
        range: TimeRange,
    ) -> Result<Vec<String>, StoreError> {
        Ok(self.index.values(name, &self.present(matchers, range)))
    }

    /// First and last time of all samples; the first may be one that a newer view no longer has. `None` for
    /// an empty store.
    pub fn time_bounds(&self) -> Option<TimeRange> {
        let published = &self.pin.published;
        let generations = published.frozen.iter().chain([&published.active]);
        let all = generations
            .filter_map(|g| g.bounds())
            .chain(published.segments.bounds());
        all.reduce(|a, b| TimeRange {
            from: a.from.min(b.from),
            to: a.to.max(b.to),
        })
    }

    /// The time of the newest sample.
    pub fn newest(&self) -> Option<TimestampMs> {
        self.time_bounds().map(|bounds| bounds.to)
    }

    /// The ids that match and have samples inside the range, as far as can be told without decoding.
    fn present(&self, matchers: &[Matcher], range: TimeRange) -> RoaringBitmap {
        let matching = self.index.matching(matchers, self.end);
        let published = &self.pin.published;
        let mut present = published.segments.present(&matching, range);
        for generation in published.frozen.iter().chain([&published.active]) {
            // Those found already need not be looked for again.
            let rest = &matching - &present;
            let mut found = Vec::new();
            generation.each_present(rest.iter(), self.pin.group, range, |id| found.push(id));
            // Ascending, which saves looking for each one's place.
            if let Ok(found) = RoaringBitmap::from_sorted_iter(found) {
                present |= found;
            }
        }
        present
    }
}
