//! Opening a store: what a crash, a power loss or a failing disk may have left, and how it becomes a store again.
//!
//! | found | done |
//! | --- | --- |
//! | a log that ends in the middle of a write | cut: nobody was told that it was durable |
//! | a bad frame with good ones behind it | that frame is lost; counted, reported, the file copied to quarantine |
//! | a log file without frames | removed |
//! | a segment that is missing or unreadable | moved to quarantine; queries over its time carry a warning |
//! | files that the catalogue does not name | removed: what a flush had not finished is still in the log |
//! | an unreadable catalogue | set aside, rebuilt from segments and log |
//! | a full disk | what must be written waits for room; reading goes on |
//! | a lock held by someone else | refused |
//! | a format version not known here | refused |
//!
//! Every step can be interrupted and done again: nothing is removed before what replaces it is synced. Opening a
//! store that was closed in order, and closing it again without a sample, leaves its files as they were.

mod decode;
mod folder;
mod log;
mod manifest;
pub(crate) mod quarantine;
mod replay;
mod report;
mod series;

pub(crate) use folder::remove as remove_files;
pub(crate) use manifest::Manifest;
pub use report::{DamagedLog, QuarantinedSegment, RecoveryReport};

use crate::catalog::Catalog;
use crate::config::Config;
use crate::error::StoreError;
use crate::segments::Segments;
use crate::shared::{Begin, Shared};
use crate::visible::{Published, Visible};
use crate::wal::log::Log;
use bellwether_disk::{Disk, Lock};
use bellwether_model::TimestampMs;
use log::{LogReader, Recovered};
use manifest::Catalogued;
use std::path::Path;
use std::sync::Arc;

/// An opened store, ready to be served.
pub(crate) struct Opened {
    pub(crate) shared: Arc<Shared>,
    pub(crate) log: Log,
    pub(crate) catalog: Catalog,
    pub(crate) manifest: Manifest,
    pub(crate) report: RecoveryReport,
    pub(crate) lock: Box<dyn Lock>,
}

/// Opens the store in `folder`, making it when there is none.
pub(crate) fn open(
    disk: Arc<dyn Disk>,
    folder: &Path,
    config: Config,
    now: TimestampMs,
) -> Result<Opened, StoreError> {
    let lock = folder::prepare(&*disk, folder, config.create)?;
    let mut report = RecoveryReport::default();
    let parts = replay::list(&*disk, &folder.join("wal"))?;
    let mut found = manifest::open(&disk, folder, &parts, now, &mut report)?;
    let segments = open_segments(&disk, folder, &mut found, &mut report)?;
    let reader = LogReader {
        disk: &disk,
        folder,
        store_id: found.store_id,
        index: &found.index,
        config: &config,
        catalog: &mut found.catalog,
        manifest: &mut found.manifest,
        report: &mut report,
    };
    let recovered = reader.run(segments, parts)?;
    tidy(&*disk, folder, &mut found, &recovered, &mut report)?;
    report.clean = found.manifest.progress.clean && report.samples == 0 && !report.has_damage();
    let (visible, newest) = publish(&recovered);
    let shared = Arc::new(Shared::new(Begin {
        config,
        disk,
        folder: folder.to_owned(),
        store_id: found.store_id,
        index: Arc::new(found.index),
        visible: Arc::new(visible),
        catalogued: found.manifest.progress.series_end,
        log_number: recovered.last_file,
        wal_bytes: recovered.wal_bytes,
        newest,
        disk_full: report.disk_full,
    }));
    let log = Log::new(Arc::clone(&shared), recovered.seq, recovered.newest);
    Ok(Opened {
        shared,
        log,
        catalog: found.catalog,
        manifest: found.manifest,
        report,
        lock,
    })
}

/// Opens what the manifest names; sets aside what cannot be opened, and names the series of the rest.
fn open_segments(
    disk: &Arc<dyn Disk>,
    folder: &Path,
    found: &mut Catalogued,
    report: &mut RecoveryReport,
) -> Result<Segments, StoreError> {
    let rows = &mut found.manifest.segments;
    let segments = Segments::open(disk, folder, found.store_id, rows, report)?;
    let committed = manifest::commit_quarantined(&mut found.catalog, &found.manifest, report);
    report.carry_on(committed);
    let named = series::name_all(&segments, &found.index, &mut found.catalog, report);
    report.carry_on(named);
    Ok(segments)
}

/// Lets go of what nobody needs: files, and series.
fn tidy(
    disk: &dyn Disk,
    folder: &Path,
    found: &mut Catalogued,
    recovered: &Recovered,
    report: &mut RecoveryReport,
) -> Result<(), StoreError> {
    let mut unwanted = folder::orphans(disk, folder, &found.manifest)?;
    unwanted.extend(recovered.empty.iter().cloned());
    let removed = folder::remove(disk, &unwanted, |path| {
        report.removed.push(path.to_owned());
    });
    report.carry_on(removed);
    match series::forget_unused(found, &recovered.generation, &recovered.segments) {
        Ok(Some(kept)) => found.index = kept,
        Ok(None) => {}
        Err(error) => {
            report.carry_on(Err(error));
        }
    }
    Ok(())
}

/// What views see at first, and the newest time in it (`i64::MIN` without samples).
fn publish(recovered: &Recovered) -> (Visible, i64) {
    let published = Published {
        active: Arc::clone(&recovered.generation),
        frozen: None,
        segments: Arc::clone(&recovered.segments),
    };
    let bounds = published.segments.bounds();
    let bounds = bounds.into_iter().chain(recovered.generation.bounds());
    let newest = bounds.map(|b| b.to.0).max().unwrap_or(i64::MIN);
    (Visible::new(replay::GROUP, published), newest)
}

#[cfg(test)]
mod tests;
