//! From the head to the disk: a frozen generation becomes one segment, official in one transaction.
//!
//! The order is what makes a crash harmless: the segment is written under `tmp/` and synced, renamed into
//! `seg/`, the folder synced; then one transaction adds it to the manifest, names its series and moves the log's
//! beginning past the generation. Before that transaction the log still has everything, after it nothing of
//! the log is needed. A file that the manifest does not name is removed by the next open.

use crate::catalog::{Catalog, Change, SeriesRows};
use crate::config::DuplicatePolicy;
use crate::error::StoreError;
use crate::head::Generation;
use crate::index::Index;
use crate::meta_codec::SegmentRow;
use crate::recovery::Manifest;
use crate::recovery::quarantine::{self, Finding};
use crate::recovery::{QuarantinedSegment, RecoveryReport};
use crate::segment::{SegmentError, SegmentMeta, SegmentSummary, SegmentWriter};
use crate::segments::Live;
use crate::selection::settle_captured;
use bellwether_disk::Disk;
use bellwether_model::{TimeRange, TimestampMs};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Segments that a flush makes are of this level.
const LEVEL: u8 = 0;

/// The path of segment `id`.
pub(crate) fn segment_path(folder: &Path, id: u64) -> PathBuf {
    folder.join("seg").join(segment_name(id))
}

fn segment_name(id: u64) -> String {
    format!("{LEVEL:02}-{id:010}.seg")
}

/// The id in a segment file's name.
pub(crate) fn segment_id_of(path: &Path) -> Option<u64> {
    let name = path.file_name()?.to_str()?;
    let id = name.strip_suffix(".seg")?.split_once('-')?.1.parse().ok()?;
    (name == segment_name(id)).then_some(id)
}

/// What a flush needs.
pub(crate) struct Flushing<'a> {
    pub(crate) disk: &'a Arc<dyn Disk>,
    pub(crate) folder: &'a Path,
    pub(crate) store_id: u128,
    pub(crate) index: &'a Index,
    pub(crate) duplicates: DuplicatePolicy,
    /// What retention takes for the present.
    pub(crate) clock: TimestampMs,
}

impl Flushing<'_> {
    /// Makes `generation`, which takes no more samples, a segment. Afterwards the log is needed from file
    /// `wal_first` on. `None` when there was no sample.
    pub(crate) fn run(
        &self,
        generation: &Generation,
        catalog: &mut Catalog,
        manifest: &mut Manifest,
        wal_first: u64,
    ) -> Result<Option<Arc<Live>>, StoreError> {
        let id = manifest.progress.segment_next;
        let temp = self.folder.join("tmp").join(segment_name(id));
        let live = match self.write(generation, id, &temp) {
            Ok(summary) if summary.samples == 0 => {
                self.disk
                    .remove_file(&temp)
                    .map_err(StoreError::io("remove", &temp))?;
                None
            }
            Ok(_) => Some(self.put_in_place(id, &temp)?),
            Err(error) => {
                let _ = self.disk.remove_file(&temp); // Best effort; the next open removes it, too.
                return Err(error);
            }
        };
        self.make_official(live.as_ref(), catalog, manifest, wal_first)?;
        Ok(live.map(Arc::new))
    }

    fn write(
        &self,
        generation: &Generation,
        id: u64,
        temp: &Path,
    ) -> Result<SegmentSummary, StoreError> {
        if self
            .disk
            .exists(temp)
            .map_err(StoreError::io("look for", temp))?
        {
            self.disk
                .remove_file(temp)
                .map_err(StoreError::io("remove", temp))?;
        }
        let meta = SegmentMeta {
            store_id: self.store_id,
            seg_id: id,
            level: LEVEL,
        };
        let mut writer = SegmentWriter::create(&**self.disk, temp, meta)?;
        let (mut times, mut values) = (Vec::new(), Vec::new());
        for series in generation.ids() {
            // Everything: a frozen generation has no group that is not visible yet.
            let Some(captured) = generation.capture(series, u64::MAX, TimeRange::ALL) else {
                continue;
            };
            let Some(labels) = self.index.labels(series) else {
                continue;
            };
            settle_captured(captured, self.duplicates, &mut times, &mut values)?;
            writer.add_series(u64::from(series), &labels, &times, &values)?;
        }
        Ok(writer.finish()?)
    }

    fn put_in_place(&self, id: u64, temp: &Path) -> Result<Live, StoreError> {
        let path = segment_path(self.folder, id);
        self.disk
            .rename(temp, &path)
            .map_err(StoreError::io("rename", temp))?;
        for folder in [path.parent(), temp.parent()].into_iter().flatten() {
            self.disk
                .sync_dir(folder)
                .map_err(StoreError::io("sync", folder))?;
        }
        // Read back before anything relies on it.
        Ok(Live::open(&**self.disk, &path, id, Some(self.store_id))?)
    }

    fn make_official(
        &self,
        live: Option<&Live>,
        catalog: &mut Catalog,
        manifest: &mut Manifest,
        wal_first: u64,
    ) -> Result<(), StoreError> {
        let mut progress = manifest.progress.clone();
        let end = self.index.end();
        let mut series = SeriesRows::default();
        self.index
            .each_labels(progress.series_end..end, |id, labels| {
                series.add(id, labels);
            });
        progress.series_end = end;
        progress.wal_first = wal_first;
        progress.clock = self.clock.0;
        progress.clean = false;
        let rows: Vec<(u64, SegmentRow)> =
            live.map(|live| (live.id, live.row())).into_iter().collect();
        progress.segment_next += rows.len() as u64;
        let change = Change {
            progress: Some(progress.clone()),
            segments: rows.clone(),
            series: series.into_rows(),
            ..Change::default()
        };
        catalog.commit(&change)?;
        manifest.progress = progress;
        manifest.segments.extend(rows);
        Ok(())
    }
}

/// What the files of `seg/` say by themselves.
pub(crate) struct Found {
    pub(crate) store_id: Option<u128>,
    pub(crate) segments: BTreeMap<u64, SegmentRow>,
}

/// Reads every segment for what a lost catalogue knew: series go to `index`. Unreadable ones go to quarantine.
pub(crate) fn scan_segments(
    disk: &dyn Disk,
    folder: &Path,
    index: &Index,
    report: &mut RecoveryReport,
) -> Result<Found, StoreError> {
    let mut found = Found {
        store_id: None,
        segments: BTreeMap::new(),
    };
    for path in segment_files(disk, folder)? {
        let Some(id) = segment_id_of(&path) else {
            continue;
        };
        let opened = Live::open(disk, &path, id, found.store_id)
            .and_then(|live| restore_series(&live, index).map(|()| live));
        match opened {
            Ok(live) => {
                found.store_id = Some(live.segment.meta().store_id);
                found.segments.insert(id, live.row());
            }
            Err(SegmentError::Version { path, found, known }) => {
                return Err(SegmentError::Version { path, found, known }.into());
            }
            Err(error) => {
                let reason = error.to_string();
                let finding = Finding {
                    file: &path,
                    what: &reason,
                    ranges: &[],
                    times: None,
                };
                let moved = Some(quarantine::take(disk, folder, &finding)?);
                report.quarantined_segments.push(QuarantinedSegment {
                    path,
                    moved,
                    reason,
                });
            }
        }
    }
    Ok(found)
}

fn restore_series(live: &Live, index: &Index) -> Result<(), SegmentError> {
    // Ids have gaps where series were forgotten; those that a segment holds were given out.
    index.reserve(live.ids().max().map_or(0, |id| id.saturating_add(1)));
    for entry in live.segment.series() {
        let entry = entry?;
        let id = u32::try_from(entry.id).ok();
        if id.and_then(|id| index.restore(id, &entry.labels)) != id || id.is_none() {
            // Two series of one name, or two names of one series: another store's, or worse.
            let (path, what) = (live.segment.path().to_owned(), "series id");
            return Err(SegmentError::Corrupt {
                path,
                offset: 0,
                what,
                series: Some(entry.id),
            });
        }
    }
    Ok(())
}

/// True when `seg/` holds files named like segments.
pub(crate) fn has_segments(disk: &dyn Disk, folder: &Path) -> Result<bool, StoreError> {
    Ok(segment_files(disk, folder)?
        .iter()
        .any(|path| segment_id_of(path).is_some()))
}

fn segment_files(disk: &dyn Disk, folder: &Path) -> Result<Vec<PathBuf>, StoreError> {
    let seg = folder.join("seg");
    disk.read_dir(&seg).map_err(StoreError::io("list", &seg))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_ids_agree() {
        let path = segment_path(Path::new("data"), 42);
        assert_eq!(path, Path::new("data/seg/00-0000000042.seg"));
        assert_eq!(segment_id_of(&path), Some(42));
        for other in ["00-42.seg", "0000000042.seg", "00-0000000042.seg.new", "x"] {
            assert_eq!(segment_id_of(Path::new(other)), None);
        }
    }
}
