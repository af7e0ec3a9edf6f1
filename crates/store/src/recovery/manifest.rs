//! The catalogue at open: read, founded for a new store, or rebuilt when it cannot be read.

use super::folder::catalog_path;
use super::quarantine;
use super::replay::{self, LogPart};
use super::report::RecoveryReport;
use crate::catalog::{self, Catalog, Change, Loaded, OpenError};
use crate::error::StoreError;
use crate::flush;
use crate::index::Index;
use crate::meta_codec::{ProgressRow, SegmentRow, StoreRow};
use bellwether_disk::Disk;
use bellwether_model::TimestampMs;
use std::collections::BTreeMap;
use std::hash::BuildHasher;
use std::path::Path;
use std::sync::Arc;

/// What the catalogue says, as far as it is needed after opening.
pub(crate) struct Manifest {
    pub(crate) progress: ProgressRow,
    pub(crate) segments: BTreeMap<u64, SegmentRow>,
}

/// The catalogue and what was read from it.
pub(super) struct Catalogued {
    pub(super) catalog: Catalog,
    pub(super) manifest: Manifest,
    pub(super) store_id: u128,
    /// Holds the series that the catalogue knows.
    pub(super) index: Index,
}

impl Manifest {
    /// All of it as rows, to be written anew. The series are those of `index` that had been written.
    pub(crate) fn whole(&self, store_id: u128, index: &Index) -> Change {
        let mut series = catalog::SeriesRows::default();
        index.each_labels(0..self.progress.series_end, |id, labels| {
            series.add(id, labels);
        });
        let segments = self.segments.iter().map(|(id, row)| (*id, row.clone()));
        Change {
            store: Some(StoreRow {
                format: catalog::FORMAT,
                id: store_id,
            }),
            progress: Some(self.progress.clone()),
            segments: segments.collect(),
            series: series.into_rows(),
            ..Change::default()
        }
    }
}

/// Opens the catalogue of the store in `folder`, of which `parts` is the log.
pub(super) fn open(
    disk: &Arc<dyn Disk>,
    folder: &Path,
    parts: &[LogPart],
    now: TimestampMs,
    report: &mut RecoveryReport,
) -> Result<Catalogued, StoreError> {
    let path = catalog_path(folder);
    let existed = disk
        .exists(&path)
        .map_err(StoreError::io("look for", &path))?;
    let has_data = !parts.is_empty() || flush::has_segments(&**disk, folder)?;
    let loaded = Catalog::open(disk, &path).and_then(|catalog| Ok((catalog.load()?, catalog)));
    let why = match loaded {
        Ok((Some(loaded), catalog)) => return Ok(take(catalog, loaded)),
        Ok((None, catalog)) if !has_data => return found(catalog, new_store_id(folder, now), now),
        Ok((None, _)) if existed => "it is empty".to_owned(),
        Ok((None, _)) => "it is missing".to_owned(),
        Err(OpenError::Unreadable(why)) => why,
        Err(OpenError::Fatal(error)) => return Err(error),
    };
    let finding = quarantine::Finding {
        file: &path,
        what: &why,
        ranges: &[],
        times: None,
    };
    quarantine::take(&**disk, folder, &finding)?;
    report.catalog_rebuilt = Some(why);
    rebuild(disk, folder, parts, now, report)
}

fn take(catalog: Catalog, loaded: Loaded) -> Catalogued {
    let index = Index::new();
    // First: it is what says which ids can be true.
    index.reserve(loaded.progress.series_end);
    for (id, labels) in &loaded.series {
        index.restore(*id, labels);
    }
    Catalogued {
        catalog,
        manifest: Manifest {
            progress: loaded.progress,
            segments: loaded.segments,
        },
        store_id: loaded.store.id,
        index,
    }
}

/// The first commit of a new store.
fn found(mut catalog: Catalog, store_id: u128, now: TimestampMs) -> Result<Catalogued, StoreError> {
    let manifest = Manifest {
        progress: ProgressRow {
            wal_first: 1,
            segment_next: 1,
            series_end: 0,
            clock: now.0,
            clean: true,
        },
        segments: BTreeMap::new(),
    };
    let index = Index::new();
    catalog.commit(&manifest.whole(store_id, &index))?;
    Ok(Catalogued {
        catalog,
        manifest,
        store_id,
        index,
    })
}

/// A catalogue made of what the segments say; the log adds to it when it is read.
fn rebuild(
    disk: &Arc<dyn Disk>,
    folder: &Path,
    parts: &[LogPart],
    now: TimestampMs,
    report: &mut RecoveryReport,
) -> Result<Catalogued, StoreError> {
    let index = Index::new();
    let found = flush::scan_segments(&**disk, folder, &index, report)?;
    let store_id = found
        .store_id
        .or_else(|| replay::store_id(&**disk, parts))
        .unwrap_or_else(|| new_store_id(folder, now));
    let unusable = |e: OpenError| match e {
        OpenError::Fatal(error) => error,
        OpenError::Unreadable(message) => StoreError::Catalog {
            action: "rebuilding",
            message,
        },
    };
    let mut catalog = Catalog::open(disk, &catalog_path(folder)).map_err(unusable)?;
    // What retention's clock showed is lost: not later than the newest sample, to be safe.
    let newest = found.segments.values().map(|row| row.last).max();
    let manifest = Manifest {
        // Whatever log there is counts.
        progress: ProgressRow {
            wal_first: 1,
            segment_next: found.segments.last_key_value().map_or(1, |(id, _)| id + 1),
            series_end: index.end(),
            clock: newest.map_or(now.0, |newest| newest.min(now.0)),
            clean: false,
        },
        segments: found.segments,
    };
    catalog.commit(&manifest.whole(store_id, &index))?;
    Ok(Catalogued {
        catalog,
        manifest,
        store_id,
        index,
    })
}

/// Differs between stores as far as chance can: keys of this process, hashed with place and time.
fn new_store_id(folder: &Path, now: TimestampMs) -> u128 {
    let half = || u128::from(foldhash::quality::RandomState::default().hash_one((folder, now.0)));
    half() << 64 | half()
}

/// Notes in the catalogue which segments went to quarantine.
pub(super) fn commit_quarantined(
    catalog: &mut Catalog,
    manifest: &Manifest,
    report: &RecoveryReport,
) -> Result<(), StoreError> {
    if report.quarantined_segments.is_empty() {
        return Ok(());
    }
    let rows = manifest
        .segments
        .iter()
        .filter(|(_, row)| row.quarantined.is_some());
    let segments = rows.map(|(id, row)| (*id, row.clone())).collect();
    catalog.commit(&Change {
        segments,
        ..Change::default()
    })
}
