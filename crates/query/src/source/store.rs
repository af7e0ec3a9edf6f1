//! The store as a source: one view of it, so that all selectors of a query see the same samples.
//!
//! Damage on disk costs the damaged chunk, not the answer: the store reports a chunk once and leaves it out
//! from then on, so reading is tried again and the answer carries a warning.

use std::sync::{Mutex, PoisonError};

use bellwether_model::{Matcher, TimeRange};
use bellwether_store::{Selection, StoreError, View};

use super::{Columns, Digests, Need, Select, SeriesReader, SeriesSet, Source, SourceError, Values};

/// How many damaged chunks one read puts up with before it gives up.
const DAMAGE_MAX: usize = 64;

/// A view of the store.
#[derive(Clone, Copy)]
pub struct ViewSource<'a>(pub &'a View);

impl Source for ViewSource<'_> {
    fn select(&self, select: &Select<'_>) -> Result<SeriesSet<'_>, SourceError> {
        let damage = Mutex::default();
        let mut selection = around_damage(&damage, || {
            self.0
                .select(select.matchers, select.range, select.series_max)
        })?;
        let labels = std::mem::take(&mut selection.labels);
        let mut warnings = std::mem::take(&mut selection.warnings);
        let found = damage.into_inner().unwrap_or_else(PoisonError::into_inner);
        warnings.extend(found);
        Ok(SeriesSet {
            labels,
            reader: Box::new(Reader {
                selection,
                damage: Mutex::default(),
            }),
            warnings,
        })
    }

    fn estimate(&self, matchers: &[Matcher]) -> Option<usize> {
        Some(self.0.count(matchers))
    }
}

struct Reader {
    selection: Selection,
    /// What was found damaged while reading, each once.
    damage: Mutex<Vec<String>>,
}

impl SeriesReader for Reader {
    fn read(
        &self,
        index: usize,
        range: TimeRange,
        room: usize,
        out: &mut Columns,
    ) -> Result<(), SourceError> {
        around_damage(&self.damage, || {
            self.selection
                .read_within(index, range, room, &mut out.times, &mut out.values)
        })
    }

    fn read_known(
        &self,
        index: usize,
        range: TimeRange,
        room: usize,
        out: &mut Columns,
    ) -> Result<Values, SourceError> {
        around_damage(&self.damage, || {
            self.selection
                .read_known(index, range, room, &mut out.times, &mut out.values)
        })
    }

    fn read_newest(
        &self,
        index: usize,
        range: TimeRange,
        room: usize,
        out: &mut Columns,
    ) -> Result<(), SourceError> {
        around_damage(&self.damage, || {
            self.selection
                .read_newest(index, range, room, &mut out.times, &mut out.values)
        })
    }

    fn read_digested(
        &self,
        index: usize,
        range: TimeRange,
        room: usize,
        out: &mut Columns,
        digests: &mut Digests,
    ) -> Result<Values, SourceError> {
        let Columns { times, values } = out;
        around_damage(&self.damage, || {
            self.selection
                .read_digested(index, range, room, times, values, digests)
        })
    }

    fn has_digests(&self, need: Need, range: TimeRange) -> bool {
        self.selection.has_digests(need, range)
    }

    fn warnings(&self) -> Vec<String> {
        self.damage
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }
}

/// Tries again after damage, which the store then leaves out, and notes it in `damage`.
fn around_damage<T>(
    damage: &Mutex<Vec<String>>,
    mut read: impl FnMut() -> Result<T, StoreError>,
) -> Result<T, SourceError> {
    for _ in 0..DAMAGE_MAX {
        match read() {
            Ok(value) => return Ok(value),
            Err(error @ StoreError::Corrupt { .. }) => {
                let message = format!("samples are missing: {error}");
                let mut damage = damage.lock().unwrap_or_else(PoisonError::into_inner);
                if !damage.contains(&message) {
                    damage.push(message);
                }
            }
            Err(StoreError::TooManySeries { max }) => {
                return Err(SourceError::TooManySeries { max });
            }
            Err(StoreError::NoRoom { needed }) => return Err(SourceError::NoRoom { needed }),
            Err(error) => return Err(SourceError::Read(error.to_string())),
        }
    }
    Err(SourceError::Read(format!(
        "more than {DAMAGE_MAX} damaged chunks in one series"
    )))
}
