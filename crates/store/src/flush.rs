//! Turning a frozen generation into a segment.

use crate::catalog::Catalog;
use crate::config::DuplicatePolicy;
use crate::error::StoreError;
use crate::head::Generation;
use crate::index::Index;
use crate::meta_codec::SegmentRow;
use crate::recovery::Manifest;
use crate::segments::Segment;
use bellwether_disk::Disk;
use bellwether_model::TimestampMs;
use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

pub(crate) struct Flushing<'a> {
    pub(crate) disk: &'a Arc<dyn Disk>,
    pub(crate) folder: &'a Path,
    pub(crate) store_id: u128,
    pub(crate) index: &'a Index,
    pub(crate) duplicates: DuplicatePolicy,
    pub(crate) now: TimestampMs,
}

impl Flushing<'_> {
    pub(crate) fn run(
        &self,
        _generation: &Generation,
        _catalog: &Catalog,
        _manifest: &mut Manifest,
        _wal_first: u64,
    ) -> Result<Option<Arc<Segment>>, StoreError> {
        let _ = (
            self.disk,
            self.folder,
            self.store_id,
            self.index,
            self.duplicates,
            self.now,
        );
        Ok(None)
    }
}

pub(crate) struct Found {
    pub(crate) store_id: Option<u128>,
    pub(crate) segments: BTreeMap<u64, SegmentRow>,
}

pub(crate) fn scan_segments(
    _disk: &dyn Disk,
    _folder: &Path,
    _index: &Index,
) -> Result<Found, StoreError> {
    Ok(Found {
        store_id: None,
        segments: BTreeMap::new(),
    })
}

pub(crate) fn has_segments(_disk: &dyn Disk, _folder: &Path) -> Result<bool, StoreError> {
    Ok(false)
}

pub(crate) fn segment_id_of(_path: &Path) -> Option<u64> {
    None
}
