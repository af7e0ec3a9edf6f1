//! The work that has to be done now and then, on the thread that calls for it: flushes, retention, free
//! space, the next log file, checks, the end.

use crate::catalog::{Catalog, Change};
use crate::config::Durability;
use crate::error::{Health, StoreError};
use crate::flush::{self, Flushing};
use crate::head::Generation;
use crate::recovery::{Manifest, remove_files};
use crate::retention::Clock;
use crate::shared::Shared;
use crate::stats::{FlushReport, Maintenance, VerifyReport};
use crate::store::Inner;
use crate::wal::file::{self, Fill};
use crate::wal::frame::FileHeader;
use crate::wal::log::Message;
use crate::wal::scan::scan;
use bellwether_disk::read_file;
use bellwether_model::{DurationMs, TimestampMs};
use crossbeam::channel::bounded;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::Ordering;

/// Samples this far past the newest one are what the clock may claim and retention believes.
const CLOCK_TRUST: DurationMs = DurationMs(3_600_000);
/// Log files longer than this are not verified.
const LOG_BYTES_MAX: u64 = 4 << 30;

/// What only one thread at a time works on.
pub(crate) struct Upkeep {
    catalog: Catalog,
    manifest: Manifest,
    /// When the head was first seen to hold samples.
    filling_since: Option<TimestampMs>,
    clock: Clock,
}

impl Upkeep {
    pub(crate) fn new(catalog: Catalog, manifest: Manifest) -> Upkeep {
        let last = Some(TimestampMs(manifest.progress.clock)).filter(|t| t.0 != 0);
        Upkeep {
            catalog,
            manifest,
            filling_since: None,
            clock: Clock::new(last),
        }
    }

    /// See [`crate::Store::maintain`].
    pub(crate) fn maintain(
        &mut self,
        store: &Inner,
        now: TimestampMs,
    ) -> Result<Maintenance, StoreError> {
        let shared = &store.shared;
        // Each of these is worth doing when another cannot be done. First what makes room.
        let dropped = unless_read_only(self.drop_expired(shared, now));
        look_at_space(shared);
        let flushed = unless_read_only(self.flush_if_due(store, now));
        let synced = unless_read_only(sync_log(store));
        let prepared = unless_read_only(prepare_next(shared));
        let segments = &shared.visible.published().segments;
        let reported = segments.report_damage(&*shared.disk, &shared.folder);
        let done = Maintenance {
            segments_dropped: *dropped.as_ref().unwrap_or(&0),
            flushed: flushed.as_ref().map_or(None, Clone::clone),
        };
        let failed = [
            dropped.map(drop),
            flushed.map(drop),
            synced,
            prepared,
            reported,
        ];
        failed
            .into_iter()
            .collect::<Result<(), StoreError>>()
            .map(|()| done)
    }

    fn flush_if_due(
        &mut self,
        store: &Inner,
        now: TimestampMs,
    ) -> Result<Option<FlushReport>, StoreError> {
        if !self.flush_is_due(&store.shared, now) {
            return Ok(None);
        }
        self.flush(store, now).map(Some)
    }

    fn flush_is_due(&mut self, shared: &Shared, now: TimestampMs) -> bool {
        let (config, published) = (&shared.config, shared.visible.published());
        if published.frozen.is_some() {
            return true; // The last attempt failed.
        }
        if published.active.samples() == 0 {
            self.filling_since = None;
            return false;
        }
        let since = *self.filling_since.get_or_insert(now);
        published.active.fillings(config.flush_bytes) >= 1
            || shared.totals.wal_bytes.load(Ordering::Relaxed) >= config.flush_wal_bytes
            || now.since(since) >= config.flush_age
    }

    /// See [`crate::Store::flush`].
    pub(crate) fn flush(
        &mut self,
        store: &Inner,
        now: TimestampMs,
    ) -> Result<FlushReport, StoreError> {
        let shared = &store.shared;
        let Some(frozen) = Upkeep::freeze(store)? else {
            return Ok(FlushReport::default());
        };
        let wal_first = shared.visible.published().active.wal_from;
        self.mend_catalog(shared)?;
        let flushing = Flushing {
            disk: &shared.disk,
            folder: &shared.folder,
            store_id: shared.store_id,
            index: &shared.index,
            duplicates: shared.config.duplicates,
            clock: self.clock.look(now),
        };
        let live = flushing.run(&frozen, &mut self.catalog, &mut self.manifest, wal_first);
        let live = live.map_err(|error| shared.note_full(error))?;
        let row = live.as_ref().map(|live| live.row());
        shared.visible.publish(|published| {
            published.segments = Arc::new(published.segments.with(live));
            published.frozen = None;
        });
        shared
            .catalogued
            .store(self.manifest.progress.series_end, Ordering::Release);
        shared
            .totals
            .wal_bytes
            .fetch_sub(frozen.wal_bytes(), Ordering::Relaxed);
        self.filling_since = None;
        release_logs(shared, wal_first)?;
        Ok(row.map_or_else(FlushReport::default, |row| FlushReport {
            samples: row.samples,
            series: row.series,
            bytes: row.bytes,
        }))
    }

    /// The generation to flush: one left by a failed attempt, or the active one.
    fn freeze(store: &Inner) -> Result<Option<Arc<Generation>>, StoreError> {
        let published = store.shared.visible.published();
        if let Some(frozen) = &published.frozen {
            return Ok(Some(Arc::clone(frozen)));
        }
        if published.active.samples() == 0 {
            return Ok(None);
        }
        // So that the log thread need not stop for it.
        prepare_spare(&store.shared, Fill::Reserve)?;
        let (reply, answer) = bounded(1);
        store.send(Message::Freeze { reply })?;
        answer.recv().map_err(|_| store.log_is_gone())?
    }

    /// After a failed sync of the catalogue: writes it anew, from what it said last.
    fn mend_catalog(&mut self, shared: &Shared) -> Result<(), StoreError> {
        if !self.catalog.is_lost() {
            return Ok(());
        }
        let whole = self.manifest.whole(shared.store_id, &shared.index);
        self.catalog
            .replace(&whole)
            .map_err(|error| shared.note_full(error))
    }

    /// Drops the segments that hold nothing young enough. Returns how many.
    fn drop_expired(&mut self, shared: &Shared, now: TimestampMs) -> Result<u64, StoreError> {
        let clock = self.clock.look(now);
        let newest = shared.totals.newest.load(Ordering::Relaxed);
        if newest == i64::MIN {
            return Ok(0);
        }
        // A clock far ahead of every sample is not believed either.
        let present = clock.min(TimestampMs(newest).plus(CLOCK_TRUST));
        let cutoff = present.minus(shared.config.retention).0;
        let rows = self.manifest.segments.iter();
        let gone: Vec<u64> = rows
            .filter(|(_, row)| row.last < cutoff)
            .map(|(&id, _)| id)
            .collect();
        if gone.is_empty() {
            return Ok(0);
        }
        self.drop_segments(shared, &gone, cutoff, clock)?;
        Ok(gone.len() as u64)
    }

    fn drop_segments(
        &mut self,
        shared: &Shared,
        gone: &[u64],
        cutoff: i64,
        clock: TimestampMs,
    ) -> Result<(), StoreError> {
        self.mend_catalog(shared)?;
        let mut progress = self.manifest.progress.clone();
        progress.clock = clock.0;
        let change = Change {
            progress: Some(progress.clone()),
            segments_gone: gone.to_vec(),
            ..Change::default()
        };
        self.catalog
            .commit(&change)
            .map_err(|error| shared.note_full(error))?;
        self.manifest.progress = progress;
        self.manifest.segments.retain(|id, _| !gone.contains(id));
        shared.visible.publish(|published| {
            published.segments = Arc::new(published.segments.without(gone, cutoff));
        });
        // The manifest forgot them, so a crash from here on leaves files that the next open removes.
        let paths: Vec<_> = gone
            .iter()
            .map(|&id| flush::segment_path(&shared.folder, id))
            .collect();
        remove_files(&*shared.disk, &paths, |_| {})
    }

    /// See [`crate::Store::verify`].
    pub(crate) fn verify(&mut self, shared: &Shared) -> VerifyReport {
        let mut report = VerifyReport::default();
        for live in shared.visible.published().segments.iter() {
            report.segments += 1;
            report.chunks += u64::from(live.segment.chunk_count());
            report.problems.extend(
                live.segment
                    .verify(true)
                    .into_iter()
                    .map(|problem| problem.what),
            );
        }
        let quarantined = self
            .manifest
            .segments
            .iter()
            .filter_map(|(id, row)| Some((id, row.quarantined.as_ref()?)));
        report
            .problems
            .extend(quarantined.map(|(id, why)| format!("segment {id} is in quarantine: {why}")));
        if let Err(error) = self.verify_logs(shared, &mut report) {
            report.problems.push(error.to_string());
        }
        report.problems.extend(
            self.catalog
                .verify()
                .map(|what| format!("catalog.redb: {what}")),
        );
        report
    }

    fn verify_logs(&self, shared: &Shared, report: &mut VerifyReport) -> Result<(), StoreError> {
        let first = self.manifest.progress.wal_first;
        for path in shared
            .disk
            .read_dir(&shared.wal_folder)
            .map_err(StoreError::io("list", &shared.wal_folder))?
        {
            let Some(number) = file::number_of(&path).filter(|&number| number >= first) else {
                continue;
            };
            let bytes = read_file(&*shared.disk, &path, LOG_BYTES_MAX)
                .map_err(StoreError::io("read", &path))?;
            let header = FileHeader {
                store: shared.store_id,
                number,
            };
            report.logs += 1;
            if FileHeader::decode(&bytes) != Ok(header) {
                report
                    .problems
                    .push(format!("{}: damaged header", path.display()));
            }
            // As the newest: a frame being written meanwhile is no problem.
            for lost in scan(&bytes, &header, true).damage {
                report.problems.push(format!(
                    "{}: damaged frames at {}..{}",
                    path.display(),
                    lost.start,
                    lost.end
                ));
            }
        }
        Ok(())
    }

    /// See [`crate::Store::close`].
    pub(crate) fn close(&mut self, store: &Inner, now: TimestampMs) -> Result<(), StoreError> {
        let shared = &store.shared;
        shared.set_closed();
        // A commit that was under way when the store became read-only may come after the flush.
        loop {
            self.flush(store, now)?;
            let (reply, answer) = bounded(1);
            store.send(Message::Close { reply })?;
            if answer.recv().map_err(|_| store.log_is_gone())? {
                break;
            }
        }
        shared.spare.lock().take();
        let mut progress = self.manifest.progress.clone();
        progress.wal_first = shared.log_number.load(Ordering::Relaxed) + 1;
        if progress.clean && progress.wal_first == self.manifest.progress.wal_first {
            return Ok(()); // Nothing was written since it was closed the last time.
        }
        progress.clock = self.clock.look(now).0;
        progress.clean = true;
        self.mend_catalog(shared)?;
        self.catalog.commit(&Change {
            progress: Some(progress.clone()),
            ..Change::default()
        })?;
        self.manifest.progress = progress;
        let removed = remove_logs(shared, self.manifest.progress.wal_first);
        let compacted = self
            .catalog
            .compact()
            .or_else(|_| self.mend_catalog(shared));
        removed.and(compacted)
    }
}

/// What the store's health says already is no error of maintenance: it is tried again by the next one.
fn unless_read_only<T: Default>(result: Result<T, StoreError>) -> Result<T, StoreError> {
    match result {
        Err(StoreError::ReadOnly { .. }) => Ok(T::default()),
        other => other,
    }
}

/// What was acknowledged before it was synced becomes durable.
fn sync_log(store: &Inner) -> Result<(), StoreError> {
    let shared = &store.shared;
    if shared.config.durability == Durability::Sync || shared.health() != Health::Ok {
        return Ok(());
    }
    let (reply, answer) = bounded(1);
    store.send(Message::Sync { reply })?;
    answer.recv().map_err(|_| store.log_is_gone())?
}

/// The next log file, once the current one is half full.
fn prepare_next(shared: &Shared) -> Result<(), StoreError> {
    let half = shared.config.wal_file_bytes / 2;
    if shared.health() != Health::Ok || shared.log_at.load(Ordering::Relaxed) <= half {
        return Ok(());
    }
    prepare_spare(shared, Fill::Zeros)
}

/// Read-only below the minimum, writable again some way above it.
fn look_at_space(shared: &Shared) {
    let config = &shared.config;
    // Unknown means no reason to change anything.
    let Ok(free) = shared.disk.free_space(&shared.folder) else {
        return;
    };
    let Ok(total) = shared.disk.total_space(&shared.folder) else {
        return;
    };
    let part = total / 100 * config.disk_free_min_percent.min(100);
    let free_min = config.disk_free_min.max(part);
    if free < free_min {
        shared.set_disk_full(true);
    } else if free >= free_min.saturating_add(config.disk_hysteresis) {
        shared.set_disk_full(false);
    }
}

/// Makes the next log file ready, unless it is.
fn prepare_spare(shared: &Shared, fill: Fill) -> Result<(), StoreError> {
    let mut spare = shared.spare.lock();
    if spare.is_some() {
        return Ok(());
    }
    let number = shared.log_number.fetch_add(1, Ordering::Relaxed) + 1;
    let header = FileHeader {
        store: shared.store_id,
        number,
    };
    let bytes = shared.config.wal_file_bytes;
    let ready = file::prepare(&*shared.disk, &shared.wal_folder, header, bytes, fill);
    *spare = Some(ready.map_err(|error| shared.note_full(error))?);
    Ok(())
}

/// Of the log files below `first`, one becomes the next file, if that is wanted; the others are removed.
fn release_logs(shared: &Shared, first: u64) -> Result<(), StoreError> {
    let mut old = logs_below(shared, first)?;
    let mut spare = shared.spare.lock();
    let wanted = spare.is_none() && shared.health() == Health::Ok;
    if wanted && let Some(path) = old.pop() {
        let number = shared.log_number.fetch_add(1, Ordering::Relaxed) + 1;
        let header = FileHeader {
            store: shared.store_id,
            number,
        };
        let bytes = shared.config.wal_file_bytes;
        let ready = file::recycle(&*shared.disk, &shared.wal_folder, &path, header, bytes);
        let ready = ready.inspect_err(|_| {
            // Best effort: after a failed sync it must not be used again.
            let _ = shared.disk.remove_file(&path);
        });
        *spare = Some(ready.map_err(|error| shared.note_full(error))?);
    }
    drop(spare);
    remove_files(&*shared.disk, &old, |_| {})
}

fn remove_logs(shared: &Shared, first: u64) -> Result<(), StoreError> {
    remove_files(&*shared.disk, &logs_below(shared, first)?, |_| {})
}

fn logs_below(shared: &Shared, first: u64) -> Result<Vec<PathBuf>, StoreError> {
    let paths = shared
        .disk
        .read_dir(&shared.wal_folder)
        .map_err(StoreError::io("list", &shared.wal_folder))?;
    let old = |path: &PathBuf| file::number_of(path).is_some_and(|number| number < first);
    Ok(paths.into_iter().filter(old).collect())
}
