//! Series at open: every id that a segment mentions has labels, and series without samples are forgotten.

use super::manifest::Catalogued;
use super::report::RecoveryReport;
use crate::catalog::{Catalog, Change, SeriesRows};
use crate::error::StoreError;
use crate::head::Generation;
use crate::index::Index;
use crate::segments::Segments;
use bellwether_model::TimeRange;
use roaring::RoaringBitmap;

/// Fewer series than this are not worth being forgotten.
const UNUSED_SERIES_MIN: usize = 10_000;

/// Gives labels to the ids that segments mention and the catalogue does not know: a segment names its
/// series itself. An id whose labels belong to another one stays without: that is damage, and reported.
pub(super) fn name_all(
    segments: &Segments,
    index: &Index,
    catalog: &mut Catalog,
    report: &mut RecoveryReport,
) -> Result<(), StoreError> {
    let unknown = segments.series() - index.ids();
    if unknown.is_empty() {
        return Ok(());
    }
    let mut named = RoaringBitmap::new();
    for live in segments.iter() {
        // What cannot be read stays unnamed.
        for entry in live.segment.series().map_while(Result::ok) {
            let id = u32::try_from(entry.id).ok();
            if let Some(id) = id.filter(|&id| unknown.contains(id))
                && index.restore(id, &entry.labels) == Some(id)
            {
                named.insert(id);
            }
        }
    }
    report.unnamed_series = unknown.len() - named.len();
    if named.is_empty() {
        return Ok(());
    }
    catalog.commit(&Change {
        series: rows(index, &named),
        ..Change::default()
    })
}

/// Series whose samples have all expired are forgotten, once they are most of all. Their ids are not given
/// out again. Returns the index without them, or `None` when there is nothing to forget.
pub(super) fn forget_unused(
    found: &mut Catalogued,
    generation: &Generation,
    segments: &Segments,
) -> Result<Option<Index>, StoreError> {
    let index = &found.index;
    // What lies in quarantine may come back, under the ids it has.
    if index.len() < UNUSED_SERIES_MIN || segments.missing() > 0 {
        return Ok(None);
    }
    let mut used = segments.series();
    generation.each_present(generation.ids(), u64::MAX, TimeRange::ALL, |id| {
        used.insert(id);
    });
    if used.len() > index.len() as u64 / 2 {
        return Ok(None);
    }
    let kept = Index::new();
    kept.reserve(index.end());
    index.each_labels(&used, |id, labels| {
        kept.restore(id, labels);
    });
    // Those above are the log's, until a flush: written now, they would stand for ids of which the log lost the
    // definition.
    used.remove_range(found.manifest.progress.series_end..);
    found.catalog.commit(&Change {
        series: rows(index, &used),
        series_replaced: true,
        ..Change::default()
    })?;
    Ok(Some(kept))
}

fn rows(index: &Index, ids: &RoaringBitmap) -> Vec<(u32, crate::meta_codec::SeriesRow)> {
    let mut rows = SeriesRows::default();
    index.each_labels(ids, |id, labels| rows.add(id, labels));
    rows.into_rows()
}
