//! The segments that a store consists of, open, in the order in which they were written.
//!
//! A set is immutable and shared by views; a flush or a retention pass publishes another one. A dropped segment's
//! file loses its name at once and its bytes with the last view.
//!
//! Damage met while reading is remembered for as long as the store is open: the read that finds it fails, so that
//! it cannot be overlooked, and later selections leave the damaged part out and say so.

use crate::error::StoreError;
use crate::flush;
use crate::meta_codec::SegmentRow;
use crate::recovery::quarantine::{self, Finding};
use crate::recovery::{QuarantinedSegment, RecoveryReport};
use crate::segment::{Segment, SegmentError};
use crate::selection::Merge;
use bellwether_disk::Disk;
use bellwether_model::TimeRange;
use parking_lot::Mutex;
use roaring::{MultiOps, RoaringBitmap};
use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

/// One open segment.
pub(crate) struct Live {
    pub(crate) id: u64,
    pub(crate) segment: Segment,
    /// The series it holds.
    ids: RoaringBitmap,
}

impl Live {
    /// Opens the segment `id`, checking that it is the one that its name and the manifest say.
    pub(crate) fn open(
        disk: &dyn Disk,
        path: &Path,
        id: u64,
        store_id: Option<u128>,
    ) -> Result<Live, SegmentError> {
        let segment = Segment::open(disk, path)?;
        let meta = segment.meta();
        let foreign = |what| SegmentError::Corrupt {
            path: path.to_owned(),
            offset: 0,
            what,
            series: None,
        };
        if meta.seg_id != id || store_id.is_some_and(|store| store != meta.store_id) {
            return Err(foreign("header: another segment's"));
        }
        let mut ids = RoaringBitmap::new();
        for ix in 0..segment.series_count() {
            let series = segment.series_id(ix)?;
            let ascends = u32::try_from(series).is_ok_and(|id| ids.try_push(id).is_ok());
            if !ascends {
                return Err(foreign("series id"));
            }
        }
        Ok(Live { id, segment, ids })
    }

    /// What the manifest says about it.
    pub(crate) fn row(&self) -> SegmentRow {
        SegmentRow {
            first: self.segment.min_ts(),
            last: self.segment.max_ts(),
            samples: self.segment.sample_count(),
            series: u64::from(self.segment.series_count()),
            bytes: self.segment.file_bytes(),
            quarantined: None,
        }
    }

    /// The number of series `id` in the segment, if it has samples of it: ids ascend there.
    pub(crate) fn index_of(&self, id: u32) -> Option<u32> {
        let below = self.ids.rank(id);
        self.ids
            .contains(id)
            .then(|| below.saturating_sub(1) as u32)
    }

    /// The series it holds.
    pub(crate) fn ids(&self) -> &RoaringBitmap {
        &self.ids
    }

    fn overlaps(&self, range: TimeRange) -> bool {
        range.overlaps(self.segment.min_ts(), self.segment.max_ts())
    }
}

/// Damage met while reading, by segment and series.
type Damage = BTreeMap<(u64, u32), Found>;

#[derive(Clone)]
struct Found {
    what: String,
    /// A report lies in quarantine.
    reported: bool,
}

/// A set of segments.
#[derive(Default)]
pub(crate) struct Segments {
    /// Ids ascending: of two samples at one time, that of the later segment was written later.
    live: Vec<Arc<Live>>,
    /// What is missing: the times of a segment in quarantine, and its file.
    missing: Vec<(TimeRange, String)>,
    damage: Arc<Mutex<Damage>>,
}

impl Segments {
    /// Opens what the manifest names. What cannot be opened is set aside and marked in `rows`.
    pub(crate) fn open(
        disk: &Arc<dyn Disk>,
        folder: &Path,
        store_id: u128,
        rows: &mut BTreeMap<u64, SegmentRow>,
        report: &mut RecoveryReport,
    ) -> Result<Segments, StoreError> {
        let mut segments = Segments::default();
        for (&id, row) in rows.iter_mut() {
            let path = flush::segment_path(folder, id);
            if row.quarantined.is_none() {
                match Live::open(&**disk, &path, id, Some(store_id)) {
                    Ok(live) => segments.live.push(Arc::new(live)),
                    Err(SegmentError::Version { path, found, known }) => {
                        let (found, known) = (u32::from(found), u32::from(known));
                        return Err(StoreError::Version { path, found, known });
                    }
                    Err(error) if is_transient(&error) => return Err(error.into()),
                    Err(error) => {
                        set_aside(&**disk, folder, &path, row, error.to_string(), report)?;
                    }
                }
            }
            if row.quarantined.is_some() {
                segments.note_missing(row, &path);
            }
        }
        Ok(segments)
    }

    fn note_missing(&mut self, row: &SegmentRow, path: &Path) {
        let name = path
            .file_name()
            .unwrap_or_default()
            .to_string_lossy()
            .into_owned();
        self.missing
            .push((TimeRange::new(row.first, row.last), name));
    }

    /// This set and `segment`, which is newer than all.
    pub(crate) fn with(&self, segment: Option<Arc<Live>>) -> Segments {
        let live = self.live.iter().cloned().chain(segment).collect();
        Segments {
            live,
            missing: self.missing.clone(),
            damage: Arc::clone(&self.damage),
        }
    }

    /// This set without the segments of which `gone` says so by their id, and what is missing by its times.
    pub(crate) fn without(&self, gone: &[u64], cutoff: i64) -> Segments {
        let live = self
            .live
            .iter()
            .filter(|s| !gone.contains(&s.id))
            .cloned()
            .collect();
        let missing = self
            .missing
            .iter()
            .filter(|(times, _)| times.to.0 >= cutoff)
            .cloned()
            .collect();
        Segments {
            live,
            missing,
            damage: Arc::clone(&self.damage),
        }
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &Arc<Live>> {
        self.live.iter()
    }

    /// The one written last comes first.
    pub(crate) fn newest_first(&self) -> impl Iterator<Item = &Arc<Live>> {
        self.live.iter().rev()
    }

    /// The series that have samples.
    pub(crate) fn series(&self) -> RoaringBitmap {
        self.live.iter().map(|live| &live.ids).union()
    }

    /// Number of segments in quarantine.
    pub(crate) fn missing(&self) -> usize {
        self.missing.len()
    }

    /// First and last time of all samples.
    pub(crate) fn bounds(&self) -> Option<TimeRange> {
        let first = self.live.iter().map(|s| s.segment.min_ts()).min()?;
        let last = self.live.iter().map(|s| s.segment.max_ts()).max()?;
        (first <= last).then_some(TimeRange::new(first, last))
    }

    /// Which of `matching` have samples in segments that touch `range`.
    pub(crate) fn present(&self, matching: &RoaringBitmap, range: TimeRange) -> RoaringBitmap {
        let mut present = RoaringBitmap::new();
        for live in self.live.iter().filter(|s| s.overlaps(range)) {
            present |= matching & &live.ids;
            if present.len() == matching.len() {
                break;
            }
        }
        present
    }

    /// Whether some chunk may lie within `range` as a whole. Most segments have one chunk a series, about as long as they are.
    pub(crate) fn have_chunks_within(&self, range: TimeRange) -> bool {
        self.live.iter().rev().any(|live| {
            let segment = &live.segment;
            let is_inside = range.contains(segment.min_ts()) && range.contains(segment.max_ts());
            let has_inner_chunks = segment.chunk_count() > segment.series_count();
            is_inside || has_inner_chunks && live.overlaps(range)
        })
    }

    /// What a selection over `range` lacks.
    pub(crate) fn warnings(&self, range: TimeRange) -> Vec<String> {
        let missing = self
            .missing
            .iter()
            .filter(|(times, _)| range.overlaps(times.from.0, times.to.0));
        let mut warnings: Vec<String> = missing
            .map(|(times, name)| {
                format!(
                    "samples between {} and {} may be missing: {name} is in quarantine",
                    times.from, times.to
                )
            })
            .collect();
        let damage = self.damage.lock();
        for live in self.live.iter().filter(|s| s.overlaps(range)) {
            let found = damage.range((live.id, 0)..=(live.id, u32::MAX));
            warnings
                .extend(found.map(|(_, found)| format!("samples are left out: {}", found.what)));
        }
        warnings
    }

    /// Adds the samples of series `id` inside `range`, segment after segment.
    pub(crate) fn read(
        &self,
        id: u32,
        range: TimeRange,
        merge: &mut Merge<'_>,
    ) -> Result<(), StoreError> {
        let room = merge.room;
        for live in self.live.iter().filter(|s| s.overlaps(range)) {
            let Some(ix) = live.index_of(id) else {
                continue;
            };
            // A corrupt chunk leaves the others appended, so what is there is settled in either case.
            let mut read = Ok(());
            merge.add(|times, values| {
                read = live.segment.read_within(ix, range, room, times, values);
                Ok::<(), StoreError>(())
            })?;
            match read {
                Err(error @ SegmentError::Corrupt { .. }) => {
                    let known = self.note_damage(live.id, id, &error);
                    if !known {
                        return Err(error.into());
                    }
                }
                other => other?,
            }
        }
        Ok(())
    }

    /// Calls `with` with each segment that may have samples of series `id` inside `range`, and its number there.
    pub(crate) fn each_holding(
        &self,
        id: u32,
        range: TimeRange,
        mut with: impl FnMut(&Segment, u32) -> Result<(), SegmentError>,
    ) -> Result<(), StoreError> {
        for live in self.live.iter().filter(|s| s.overlaps(range)) {
            if let Some(ix) = live.index_of(id) {
                with(&live.segment, ix)?;
            }
        }
        Ok(())
    }

    /// Returns whether it was known.
    fn note_damage(&self, segment: u64, series: u32, error: &SegmentError) -> bool {
        let mut damage = self.damage.lock();
        let known = damage.contains_key(&(segment, series));
        let found = || Found {
            what: error.to_string(),
            reported: false,
        };
        damage.entry((segment, series)).or_insert_with(found);
        known
    }

    /// Writes a report to quarantine about each damage that was met since the last call. The segment stays where
    /// it is: what is sound in it is served.
    pub(crate) fn report_damage(&self, disk: &dyn Disk, folder: &Path) -> Result<(), StoreError> {
        let damage = self.damage.lock().clone();
        for (&(segment, series), found) in damage.iter().filter(|(_, found)| !found.reported) {
            if let Some(live) = self.live.iter().find(|live| live.id == segment) {
                let times = Some((live.segment.min_ts(), live.segment.max_ts()));
                let file = live.segment.path();
                let what = &found.what;
                quarantine::report(
                    disk,
                    folder,
                    &Finding {
                        file,
                        what,
                        ranges: &[],
                        times,
                    },
                )?;
            }
            if let Some(found) = self.damage.lock().get_mut(&(segment, series)) {
                found.reported = true;
            }
        }
        Ok(())
    }

    /// The newest sample of a series, when it may be at or after `t`.
    pub(crate) fn newest(&self, id: u32, t: i64) -> Option<(i64, u64)> {
        let may_hold = self.live.iter().filter(|s| s.segment.max_ts() >= t);
        let last = may_hold.filter_map(|s| {
            // Unreadable means unknown; the sample is then judged as if there were none.
            s.segment.newest(s.index_of(id)?, TimeRange::ALL).ok()?
        });
        // Of one time, the one written later is the one that counts.
        last.reduce(|a, b| if b.0 >= a.0 { b } else { a })
    }
}

/// True when the file may be perfectly fine, and only could not be read now.
fn is_transient(error: &SegmentError) -> bool {
    use std::io::ErrorKind::{NotFound, UnexpectedEof};
    matches!(error, SegmentError::Io { source, .. } if !matches!(source.kind(), NotFound | UnexpectedEof))
}

fn set_aside(
    disk: &dyn Disk,
    folder: &Path,
    path: &Path,
    row: &mut SegmentRow,
    reason: String,
    report: &mut RecoveryReport,
) -> Result<(), StoreError> {
    let exists = disk
        .exists(path)
        .map_err(StoreError::io("look for", path))?;
    let finding = Finding {
        file: path,
        what: &reason,
        ranges: &[],
        times: Some((row.first, row.last)),
    };
    let moved = if exists {
        quarantine::take(disk, folder, &finding).map(Some)
    } else {
        quarantine::report(disk, folder, &finding).map(|()| None)
    };
    // Where quarantine cannot be written to, it stays where it is, and the rest is served all the same.
    let moved = moved.unwrap_or_else(|error| {
        report.carry_on(Err(error));
        None
    });
    report.quarantined_segments.push(QuarantinedSegment {
        path: path.to_owned(),
        moved,
        reason: reason.clone(),
    });
    row.quarantined = Some(reason);
    Ok(())
}

impl From<SegmentError> for StoreError {
    fn from(error: SegmentError) -> StoreError {
        match error {
            SegmentError::Io {
                action,
                path,
                source,
            } => StoreError::Io {
                action,
                path,
                source,
            },
            SegmentError::NoRoom { needed } => StoreError::NoRoom { needed },
            SegmentError::NotASegment { path } => StoreError::corrupt(&path, 0, "not a segment"),
            SegmentError::Version { path, found, known } => StoreError::Version {
                path,
                found: u32::from(found),
                known: u32::from(known),
            },
            SegmentError::Corrupt {
                path,
                offset,
                what,
                series,
            } => {
                let series = series
                    .map(|id| format!(" of series {id}"))
                    .unwrap_or_default();
                StoreError::corrupt(&path, offset, format!("{what}{series}"))
            }
            other => StoreError::Catalog {
                action: "writing a segment",
                message: other.to_string(),
            },
        }
    }
}
