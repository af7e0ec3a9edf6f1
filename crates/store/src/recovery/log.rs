//! All of the log, file after file, into the head.

use super::manifest::Manifest;
use super::replay::{Content, LogPart, Replay};
use super::report::RecoveryReport;
use crate::catalog::Catalog;
use crate::config::Config;
use crate::error::StoreError;
use crate::flush::Flushing;
use crate::head::{Generation, Newest, Writer};
use crate::index::Index;
use crate::segments::Segments;
use bellwether_disk::Disk;
use bellwether_model::TimestampMs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// What reading the log needs.
pub(super) struct LogReader<'a> {
    pub(super) disk: &'a Arc<dyn Disk>,
    pub(super) folder: &'a Path,
    pub(super) store_id: u128,
    pub(super) index: &'a Index,
    pub(super) config: &'a Config,
    pub(super) catalog: &'a mut Catalog,
    pub(super) manifest: &'a mut Manifest,
    pub(super) report: &'a mut RecoveryReport,
}

/// What the log came to.
pub(super) struct Recovered {
    pub(super) generation: Arc<Generation>,
    pub(super) segments: Arc<Segments>,
    pub(super) newest: Newest,
    /// Bytes of log that hold the generation.
    pub(super) wal_bytes: u64,
    /// The highest number that a log file has had, and the number of the next frame.
    pub(super) last_file: u64,
    pub(super) seq: u64,
    /// Files with nothing in them.
    pub(super) empty: Vec<PathBuf>,
}

impl LogReader<'_> {
    /// Reads the log. When that fills the head, the head is flushed and reading goes on: replay takes no
    /// more memory than running. Unless the flush fails: then all of it stays in memory, and in the log.
    pub(super) fn run(
        mut self,
        segments: Segments,
        mut parts: Vec<LogPart>,
    ) -> Result<Recovered, StoreError> {
        let wal_first = self.manifest.progress.wal_first;
        let last_file = parts.last().map_or(0, |part| part.number);
        parts.retain(|part| part.number >= wal_first);
        let mut recovered = Recovered {
            generation: Arc::new(Generation::new(wal_first)),
            segments: Arc::new(segments),
            newest: Newest::default(),
            wal_bytes: 0,
            last_file: last_file.max(wal_first.saturating_sub(1)),
            seq: 1,
            empty: Vec::new(),
        };
        let mut writer = Writer::new(self.config.open_bytes);
        let mut flushing = true;
        let last_written = self.replay(&mut recovered, &mut writer, |replay, _| {
            replay.last_written(&parts)
        })?;
        for (i, part) in parts.iter().enumerate() {
            let before = self.report.wal_bytes;
            let newest = last_written.is_none_or(|last| i >= last);
            let content = self.replay(&mut recovered, &mut writer, |replay, generation| {
                replay.file(part, newest, generation)
            })?;
            if content == Content::Nothing {
                recovered.empty.push(part.path.clone());
            }
            recovered.wal_bytes += self.report.wal_bytes - before;
            let full = recovered.generation.fillings(self.config.flush_bytes) >= 1;
            if let Some(next) = parts.get(i + 1).filter(|_| full && flushing) {
                let flushed = self.flush(&mut recovered, next.number);
                flushing = self.report.carry_on(flushed);
            }
        }
        Ok(recovered)
    }

    /// Lends a [`Replay`] what it works on.
    fn replay<T>(
        &mut self,
        recovered: &mut Recovered,
        writer: &mut Writer,
        run: impl FnOnce(&mut Replay<'_>, &Generation) -> Result<T, StoreError>,
    ) -> Result<T, StoreError> {
        let mut replay = Replay {
            disk: &**self.disk,
            folder: self.folder,
            store_id: self.store_id,
            index: self.index,
            segments: &recovered.segments,
            newest: &mut recovered.newest,
            writer,
            report: self.report,
            seq: &mut recovered.seq,
        };
        run(&mut replay, &recovered.generation)
    }

    /// Makes a segment of what was read so far; the log is needed from file `next` on.
    fn flush(&mut self, recovered: &mut Recovered, next: u64) -> Result<(), StoreError> {
        let flushing = Flushing {
            disk: self.disk,
            folder: self.folder,
            store_id: self.store_id,
            index: self.index,
            duplicates: self.config.duplicates,
            clock: TimestampMs(self.manifest.progress.clock),
        };
        let live = flushing.run(&recovered.generation, self.catalog, self.manifest, next)?;
        recovered.segments = Arc::new(recovered.segments.with(live));
        recovered.generation = Arc::new(Generation::new(next));
        recovered.wal_bytes = 0;
        Ok(())
    }
}
