//! The set of segments that a view reads.

use crate::error::StoreError;
use crate::meta_codec::SegmentRow;
use crate::recovery::RecoveryReport;
use crate::selection::Merge;
use bellwether_disk::Disk;
use bellwether_model::TimeRange;
use roaring::RoaringBitmap;
use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

pub(crate) struct Segment {}

/// All live segments, oldest first.
#[derive(Default)]
pub(crate) struct Segments {}

impl Segments {
    pub(crate) fn open(
        _disk: &Arc<dyn Disk>,
        _folder: &Path,
        _store_id: u128,
        _rows: &mut BTreeMap<u64, SegmentRow>,
        _report: &mut RecoveryReport,
    ) -> Result<Segments, StoreError> {
        Ok(Segments {})
    }

    pub(crate) fn with(&self, _segment: Option<Arc<Segment>>) -> Segments {
        Segments {}
    }

    /// The newest sample of a series, when it may be at or after `t`.
    pub(crate) fn newest(&self, _id: u32, _t: i64) -> Option<(i64, u64)> {
        None
    }

    pub(crate) fn warnings(&self, _range: TimeRange) -> Vec<String> {
        Vec::new()
    }

    pub(crate) fn bounds(&self) -> Option<TimeRange> {
        None
    }

    pub(crate) fn present(
        &self,
        _matching: &RoaringBitmap,
        _range: TimeRange,
    ) -> Result<RoaringBitmap, StoreError> {
        Ok(RoaringBitmap::new())
    }

    pub(crate) fn read(
        &self,
        _id: u32,
        _range: TimeRange,
        _merge: &mut Merge<'_>,
    ) -> Result<(), StoreError> {
        Ok(())
    }
}
