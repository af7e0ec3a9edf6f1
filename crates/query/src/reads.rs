//! The selections of a query: each one is asked of the source once, on first use.
//!
//! A selection that several selectors share also keeps its decoded samples while there is room, so
//! that `rate(x[5m])` in two places decodes `x` once. Where there is none, each use reads what it needs.

use std::sync::{Arc, OnceLock};

use bellwether_model::{Labels, TimeRange, is_stale};

use crate::budget::{Budget, Charge};
use crate::error::QueryError;
use crate::notes::Notes;
use crate::plan::Read;
use crate::source::{Columns, Digests, Need, Select, SeriesReader, Source, SourceError, Values};
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
    /// Decoded samples by series, for selections used more than once. `None` inside: there was no room, and so it stays.
    kept: Option<Vec<OnceLock<Option<Kept>>>>,
    budget: Arc<Budget>,
}

struct Kept {
    columns: Columns,
    known: Values,
    _charge: Charge,
}

/// Columns that samples are read into, series after series, charged before they grow.
pub(crate) struct Buffer {
    columns: Columns,
    /// What the source knows of the values.
    known: Values,
    /// How many samples are paid for.
    room: usize,
    charge: Charge,
}

/// Bytes of a sample in columns.
pub(crate) const SAMPLE_BYTES: usize = 16;

/// Room that a buffer begins with: most reads of a few hours fit.
const FIRST_ROOM: usize = 2048;

impl Buffer {
    pub(crate) fn new(budget: &Arc<Budget>) -> Buffer {
        Buffer {
            columns: Columns::default(),
            known: Values::Any,
            room: 0,
            charge: Charge::new(budget),
        }
    }

    /// Forgets the samples and makes room for `samples`.
    pub(crate) fn clear_for(&mut self, samples: usize) -> Result<&mut Columns, QueryError> {
        self.columns.clear();
        self.known = Values::Any;
        if samples > self.room {
            self.charge.cover(samples.saturating_mul(SAMPLE_BYTES))?;
            self.columns.times.reserve_exact(samples);
            self.columns.values.reserve_exact(samples);
            self.room = samples;
        }
        Ok(&mut self.columns)
    }

    pub(crate) fn samples(&self) -> Samples<'_> {
        Samples {
            times: &self.columns.times,
            values: &self.columns.values,
            known: self.known,
        }
    }
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
        buffer: &'b mut Buffer,
    ) -> Result<Samples<'b>, QueryError> {
        let Some(slot) = self.kept.as_ref().map(|kept| &kept[index]) else {
            self.fill(index, range, buffer)?;
            return Ok(buffer.samples());
        };
        match slot.get() {
            Some(Some(kept)) => Ok(inside(&kept.columns, kept.known, range)),
            // Asked before reading, so that samples that cannot be kept are not read in vain.
            None if self.budget.has_room_for_cache(SAMPLE_BYTES) => {
                self.fill(index, self.range, buffer)?;
                // Losing a race against another thread means that its copy is there.
                match slot.get_or_init(|| self.keep(buffer)) {
                    Some(kept) => Ok(inside(&kept.columns, kept.known, range)),
                    None => Ok(inside(&buffer.columns, buffer.known, range)),
                }
            }
            Some(None) | None => {
                let _ = slot.set(None);
                self.fill(index, range, buffer)?;
                Ok(buffer.samples())
            }
        }
    }

    /// The newest of these samples.
    pub(crate) fn read_newest<'b>(
        &'b self,
        index: usize,
        range: TimeRange,
        buffer: &'b mut Buffer,
    ) -> Result<Samples<'b>, QueryError> {
        if self.kept.is_some() {
            return self.read(index, range, buffer);
        }
        self.fill_by(buffer, |room, columns| {
            self.reader.read_newest(index, range, room, columns)?;
            Ok(Values::Any)
        })?;
        Ok(buffer.samples())
    }

    /// Whether some of the samples inside `range` need not be read, where so much has to be known of them. Those that are shared
    /// with other selectors are.
    pub(crate) fn has_digests(&self, need: Need, range: TimeRange) -> bool {
        self.kept.is_none() && self.reader.has_digests(need, range)
    }

    /// These samples, as far as they are not told by `digests`, which is replaced.
    pub(crate) fn read_digested<'b>(
        &self,
        index: usize,
        range: TimeRange,
        buffer: &'b mut Buffer,
        digests: &mut Digests,
    ) -> Result<Samples<'b>, QueryError> {
        self.fill_by(buffer, |room, columns| {
            self.reader
                .read_digested(index, range, room, columns, digests)
        })?;
        Ok(buffer.samples())
    }

    /// A copy, if there is room for it.
    fn keep(&self, read: &Buffer) -> Option<Kept> {
        let columns = &read.columns;
        let bytes = columns.times.len() * SAMPLE_BYTES;
        let mut charge = Charge::new(&self.budget);
        if !self.budget.has_room_for_cache(bytes) || charge.grow(bytes).is_err() {
            return None;
        }
        Some(Kept {
            columns: columns.clone(),
            known: read.known,
            _charge: charge,
        })
    }

    /// Reads samples from the source and counts them.
    fn fill(&self, index: usize, range: TimeRange, buffer: &mut Buffer) -> Result<(), QueryError> {
        self.fill_by(buffer, |room, columns| {
            self.reader.read_known(index, range, room, columns)
        })
    }

    fn fill_by(
        &self,
        buffer: &mut Buffer,
        mut read: impl FnMut(usize, &mut Columns) -> Result<Values, SourceError>,
    ) -> Result<(), QueryError> {
        buffer.clear_for(FIRST_ROOM)?;
        loop {
            let (room, columns) = (buffer.room, &mut buffer.columns);
            match read(room, columns) {
                Err(SourceError::NoRoom { needed }) if needed > room => buffer.clear_for(needed)?,
                Err(error) => return Err(error.into()),
                Ok(known) => {
                    buffer.known = known;
                    return self.budget.add_samples(buffer.columns.times.len());
                }
            };
        }
    }
}

/// The samples inside `range`.
fn inside(columns: &Columns, known: Values, range: TimeRange) -> Samples<'_> {
    let from = columns.times.partition_point(|t| *t < range.from.0);
    let to = columns.times.partition_point(|t| *t <= range.to.0);
    let to = to.max(from);
    Samples {
        times: &columns.times[from..to],
        values: &columns.values[from..to],
        known,
    }
}

/// The samples without staleness markers, in `fresh` when there are any.
pub(crate) fn without_stale<'a>(
    samples: Samples<'a>,
    fresh: &'a mut Buffer,
) -> Result<Samples<'a>, QueryError> {
    if samples.known == Values::Small {
        return Ok(samples);
    }
    // In lots, and each to its end: that takes several values at a time.
    let any_stale = |lot: &[f64]| lot.iter().fold(false, |any, v| any | is_stale(*v));
    if !samples.values.chunks(256).any(any_stale) {
        return Ok(samples);
    }
    let columns = fresh.clear_for(samples.times.len())?;
    for (t, v) in samples.times.iter().zip(samples.values) {
        if !is_stale(*v) {
            columns.times.push(*t);
            columns.values.push(*v);
        }
    }
    Ok(fresh.samples())
}
