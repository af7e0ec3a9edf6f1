//! The work that has to be done now and then, on the thread that calls for it: flushes, retention, free
//! space, the next log file, checks, the end.

use crate::catalog::{Catalog, Change};
use crate::config::Durability;
use crate::error::{Health, StoreError};
use crate::flush::{self, Flushing};
use crate::head::Generation;
use crate::recovery::Manifest;
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
use std::sync::Arc;
use std::sync::atomic::Ordering;

/// A clock that moved further than this between two looks has jumped.
const JUMP: DurationMs = DurationMs(3_600_000);
/// Between passes of retention for as long as a jump is recent, and how long that is.
const WARY_PAUSE: DurationMs = DurationMs(10 * 60_000);
const WARY_FOR: DurationMs = JUMP;
/// Of the bytes stored, one pass after a jump removes at most one part in this many.
const WARY_PART: u64 = 10;
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

/// What retention knows about the clock.
struct Clock {
    last: Option<TimestampMs>,
    /// Jumped at this time, or 0 before now; passes are small until [`WARY_FOR`] after it.
    jumped: Option<TimestampMs>,
    last_pass: Option<TimestampMs>,
}

impl Upkeep {
    pub(crate) fn new(catalog: Catalog, manifest: Manifest) -> Upkeep {
        let last = Some(TimestampMs(manifest.progress.clock)).filter(|t| t.0 != 0);
        let clock = Clock {
            last,
            jumped: None,
            last_pass: None,
        };
        Upkeep {
            catalog,
            manifest,
            filling_since: None,
            clock,
        }
    }

    /// See [`crate::Store::maintain`].
    pub(crate) fn maintain(
        &mut self,
        store: &Inner,
        now: TimestampMs,
    ) -> Result<Maintenance, StoreError> {
        let shared = &store.shared;
        // First, since it makes room.
        let segments_dropped = self.drop_expired(shared, now)?;
        look_at_space(shared);
        let published = shared.visible.published();
        published
            .segments
            .report_damage(&*shared.disk, &shared.folder)?;
        let mut flushed = None;
        if self.flush_is_due(shared, now) {
            flushed = match self.flush(store, now) {
                Ok(report) => Some(report),
                // Known by now as the store's health; retried when there is space.
                Err(StoreError::ReadOnly { .. }) => None,
                Err(error) => return Err(error),
            };
        }
        if shared.config.durability != Durability::Sync && shared.health() == Health::Ok {
            let (reply, answer) = bounded(1);
            store.send(Message::Sync { reply })?;
            answer.recv().map_err(|_| store.log_is_gone())??;
        }
        let file_bytes = shared.config.wal_file_bytes;
        if shared.health() == Health::Ok && shared.log_at.load(Ordering::Relaxed) > file_bytes / 2 {
            prepare_spare(shared, Fill::Zeros)?;
        }
        Ok(Maintenance {
            flushed,
            segments_dropped,
        })
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
        published.active.bytes() >= config.flush_bytes
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
        let flushing = Flushing {
            disk: &shared.disk,
            folder: &shared.folder,
            store_id: shared.store_id,
            index: &shared.index,
            duplicates: shared.config.duplicates,
            now,
        };
        let live = flushing.run(&frozen, &self.catalog, &mut self.manifest, wal_first);
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

    /// Drops the segments that hold nothing young enough. Returns how many.
    fn drop_expired(&mut self, shared: &Shared, now: TimestampMs) -> Result<u64, StoreError> {
        let wary = self.clock.look(now);
        let newest = shared.totals.newest.load(Ordering::Relaxed);
        if newest == i64::MIN
            || wary
                && self
                    .clock
                    .last_pass
                    .is_some_and(|t| now.since(t) < WARY_PAUSE)
        {
            return Ok(0);
        }
        // A clock far ahead of every sample is not believed: it must not delete anything.
        let present = now.min(TimestampMs(newest).plus(CLOCK_TRUST));
        let cutoff = present.minus(shared.config.retention).0;
        let all: u64 = self.manifest.segments.values().map(|row| row.bytes).sum();
        let mut gone = Vec::new();
        let mut bytes = 0;
        for (&id, row) in self
            .manifest
            .segments
            .iter()
            .filter(|(_, row)| row.last < cutoff)
        {
            if wary && !gone.is_empty() && bytes + row.bytes > all / WARY_PART {
                break;
            }
            bytes += row.bytes;
            gone.push(id);
        }
        if gone.is_empty() {
            return Ok(0);
        }
        self.clock.last_pass = Some(now);
        self.drop_segments(shared, &gone, cutoff, now)?;
        Ok(gone.len() as u64)
    }

    fn drop_segments(
        &mut self,
        shared: &Shared,
        gone: &[u64],
        cutoff: i64,
        now: TimestampMs,
    ) -> Result<(), StoreError> {
        let mut progress = self.manifest.progress.clone();
        progress.clock = now.0;
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
        for &id in gone {
            let path = flush::segment_path(&shared.folder, id);
            match shared.disk.remove_file(&path) {
                Err(e) if e.kind() == std::io::ErrorKind::NotFound => {} // In quarantine.
                removed => removed.map_err(StoreError::io("remove", &path))?,
            }
        }
        let folder = shared.folder.join("seg");
        shared
            .disk
            .sync_dir(&folder)
            .map_err(StoreError::io("sync", &folder))
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
        progress.clock = now.0;
        progress.clean = true;
        self.catalog.commit(&Change {
            progress: Some(progress.clone()),
            ..Change::default()
        })?;
        self.manifest.progress = progress;
        remove_logs(shared, self.manifest.progress.wal_first)?;
        self.catalog.compact()
    }
}

impl Clock {
    /// Notes the time; true while a jump is recent.
    fn look(&mut self, now: TimestampMs) -> bool {
        let moved = self
            .last
            .map_or(0, |last| now.since(last).0.saturating_abs());
        if moved > JUMP.0 {
            self.jumped = Some(now);
        }
        self.last = Some(now);
        let recent = |jumped: TimestampMs| now.since(jumped).0.saturating_abs() < WARY_FOR.0;
        self.jumped = self.jumped.filter(|&jumped| recent(jumped));
        self.jumped.is_some()
    }
}

/// Read-only below the minimum, writable again some way above it.
fn look_at_space(shared: &Shared) {
    let config = &shared.config;
    // Unknown means no reason to change anything.
    let Ok(free) = shared.disk.free_space(&shared.folder) else {
        return;
    };
    if free < config.disk_free_min {
        shared.set_disk_full(true);
    } else if free >= config.disk_free_min.saturating_add(config.disk_hysteresis) {
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
    let paths = shared
        .disk
        .read_dir(&shared.wal_folder)
        .map_err(StoreError::io("list", &shared.wal_folder))?;
    let mut old: Vec<_> = paths
        .into_iter()
        .filter(|p| file::number_of(p).is_some_and(|n| n < first))
        .collect();
    let mut spare = shared.spare.lock();
    let wanted = spare.is_none() && shared.health() == Health::Ok;
    if wanted && let Some(path) = old.pop() {
        let number = shared.log_number.fetch_add(1, Ordering::Relaxed) + 1;
        let header = FileHeader {
            store: shared.store_id,
            number,
        };
        let bytes = shared.config.wal_file_bytes;
        *spare = Some(file::recycle(
            &*shared.disk,
            &shared.wal_folder,
            &path,
            header,
            bytes,
        )?);
    }
    drop(spare);
    for path in old {
        shared
            .disk
            .remove_file(&path)
            .map_err(StoreError::io("remove", &path))?;
    }
    shared
        .disk
        .sync_dir(&shared.wal_folder)
        .map_err(StoreError::io("sync", &shared.wal_folder))
}

fn remove_logs(shared: &Shared, first: u64) -> Result<(), StoreError> {
    let paths = shared
        .disk
        .read_dir(&shared.wal_folder)
        .map_err(StoreError::io("list", &shared.wal_folder))?;
    for path in paths
        .into_iter()
        .filter(|p| file::number_of(p).is_some_and(|n| n < first))
    {
        shared
            .disk
            .remove_file(&path)
            .map_err(StoreError::io("remove", &path))?;
    }
    shared
        .disk
        .sync_dir(&shared.wal_folder)
        .map_err(StoreError::io("sync", &shared.wal_folder))
}
