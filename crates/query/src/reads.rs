//! The selections of a query: each one is asked of the source once, on first use.
//!
//! A selection that several selectors share also keeps its decoded samples while there is room, so
//! that `rate(x[5m])` in two places decodes `x` once.

use std::sync::{Arc, OnceLock};

use bellwether_model::{Labels, TimeRange};

use crate::budget::{Budget, Charge};
use crate::error::QueryError;
use crate::notes::Notes;
use crate::plan::Read;
use crate::source::{Columns, Select, SeriesReader, Source};
use crate::window::Samples;

/// One selection of the plan, asked at most once.
pub(crate) struct Selection<'a> {
    read: &'a Read,
    answer: OnceLock<Answered<'a>>,
}

/// What the source answered.
pub(crate) struct Answered<'a> {
    pub(crate) labels: Vec<Labels>,
    reader: Box<dyn SeriesReader + 'a>,
    range: TimeRange,
    /// Decoded samples by series, for selections used more than once.
    kept: Option<Vec<OnceLock<Kept>>>,
    budget: Arc<Budget>,
}

struct Kept {
    columns: Columns,
    _charge: Charge,
}

impl<'a> Selection<'a> {
    pub(crate) fn new(read: &'a Read) -> Selection<'a> {
        Selection {
            read,
            answer: OnceLock::new(),
        }
    }

    /// The series; the first call asks the source.
    pub(crate) fn answer(
        &self,
        source: &'a dyn Source,
        series_max: usize,
        budget: &Arc<Budget>,
        notes: &Notes,
    ) -> Result<&Answered<'a>, QueryError> {
        if let Some(answered) = self.answer.get() {
            return Ok(answered);
        }
        let range = TimeRange::new(self.read.from, self.read.to);
        let set = source.select(&Select {
            matchers: &self.read.matchers,
            range,
            series_max,
        })?;
        set.warnings.iter().for_each(|w| notes.source(w));
        budget.add_series(set.labels.len());
        let kept =
            (self.read.uses > 1).then(|| (0..set.labels.len()).map(|_| OnceLock::new()).collect());
        Ok(self.answer.get_or_init(|| Answered {
            labels: set.labels,
            reader: set.reader,
            range,
            kept,
            budget: Arc::clone(budget),
        }))
    }
}

impl Selection<'_> {
    /// Notes what reading has found missing.
    pub(crate) fn finish(&self, notes: &Notes) {
        if let Some(answered) = self.answer.get() {
            answered
                .reader
                .warnings()
                .iter()
                .for_each(|w| notes.source(w));
        }
    }
}

impl Answered<'_> {
    /// The samples of series `index` inside `range`. `buffer` holds them unless they are kept here.
    pub(crate) fn read<'b>(
        &'b self,
        index: usize,
        range: TimeRange,
        buffer: &'b mut Columns,
    ) -> Result<Samples<'b>, QueryError> {
        if let Some(kept) = self.kept(index)? {
            let from = kept.times.partition_point(|t| *t < range.from.0);
            let to = kept.times.partition_point(|t| *t <= range.to.0).max(from);
            return Ok(Samples {
                times: &kept.times[from..to],
                values: &kept.values[from..to],
            });
        }
        self.reader.read(index, range, buffer)?;
        self.budget.add_samples(buffer.times.len())?;
        Ok(Samples {
            times: &buffer.times,
            values: &buffer.values,
        })
    }

    /// The samples of a series over the whole range, when they are worth keeping and there is room.
    fn kept(&self, index: usize) -> Result<Option<&Columns>, QueryError> {
        let Some(slot) = self.kept.as_ref().map(|kept| &kept[index]) else {
            return Ok(None);
        };
        if let Some(kept) = slot.get() {
            return Ok(Some(&kept.columns));
        }
        let mut columns = Columns::default();
        self.reader.read(index, self.range, &mut columns)?;
        self.budget.add_samples(columns.times.len())?;
        let bytes = columns.times.len() * 16;
        if !self.budget.has_room_for_cache(bytes) {
            return Ok(None);
        }
        let mut charge = Charge::new(&self.budget);
        charge.grow(bytes)?;
        let kept = slot.get_or_init(|| Kept {
            columns,
            _charge: charge,
        });
        Ok(Some(&kept.columns))
    }
}
