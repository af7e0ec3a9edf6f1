//! Opening a store: what a crash, a power loss or a failing disk may have left, and how it becomes a store again.
//!
//! | found | done |
//! | --- | --- |
//! | a log that ends in the middle of a write | cut: nobody was told that it was durable |
//! | a bad frame with good ones behind it | that frame is lost; counted, reported, the file copied to quarantine |
//! | a segment that is missing or unreadable | moved to quarantine; queries over its time carry a warning |
//! | files that the catalogue does not name | removed: what a flush had not finished is still in the log |
//! | an unreadable catalogue | set aside, rebuilt from segments and log |
//! | a lock held by someone else | refused |
//! | a format version not known here | refused |
//!
//! Every step can be interrupted and done again: nothing is removed before what replaces it is synced.

mod decode;
pub(crate) mod quarantine;
mod replay;
mod report;

pub use report::{DamagedLog, QuarantinedSegment, RecoveryReport};

use crate::catalog::{self, Catalog, Change, Loaded, OpenError};
use crate::config::Config;
use crate::error::StoreError;
use crate::flush::{self, Flushing};
use crate::head::{Generation, Newest, Writer};
use crate::index::Index;
use crate::meta_codec::{ProgressRow, StoreRow};
use crate::segments::Segments;
use crate::shared::Shared;
use crate::visible::{Published, Visible};
use crate::wal::file::{self, Fill, LogFile};
use crate::wal::frame::{FILE_HEADER_BYTES, FileHeader};
use crate::wal::log::Log;
use bellwether_disk::{Disk, Lock};
use bellwether_model::{TimeRange, TimestampMs};
use replay::Replay;
use std::hash::BuildHasher;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// The folders inside a store's folder.
const FOLDERS: [&str; 3] = ["wal", "seg", "tmp"];

/// Fewer series than this are not worth being forgotten.
const UNUSED_SERIES_MIN: usize = 10_000;

/// An opened store, ready to be served.
pub(crate) struct Opened {
    pub(crate) shared: Arc<Shared>,
    pub(crate) log: Log,
    pub(crate) catalog: Catalog,
    pub(crate) manifest: Manifest,
    pub(crate) report: RecoveryReport,
    pub(crate) lock: Box<dyn Lock>,
}

/// What the catalogue says, as far as it is needed after opening.
pub(crate) struct Manifest {
    pub(crate) progress: ProgressRow,
    pub(crate) segments: std::collections::BTreeMap<u64, crate::meta_codec::SegmentRow>,
}

/// Opens the store in `folder`, making it when there is none.
pub(crate) fn open(
    disk: Arc<dyn Disk>,
    folder: &Path,
    config: Config,
    now: TimestampMs,
) -> Result<Opened, StoreError> {
    let lock = prepare_folder(&*disk, folder)?;
    let mut report = RecoveryReport::default();
    let wal_folder = folder.join("wal");
    let parts = replay::list(&*disk, &wal_folder)?;
    let (catalog, mut manifest, store_id, index) =
        open_catalog(&*disk, folder, &parts, now, &mut report)?;
    let segments = Segments::open(&disk, folder, store_id, &mut manifest.segments, &mut report)?;
    commit_quarantined(&catalog, &manifest, &report)?;
    remove_orphans(&*disk, folder, &manifest, &mut report)?;

    let index = Arc::new(index);
    let state = State {
        disk: Arc::clone(&disk),
        folder,
        store_id,
        index: Arc::clone(&index),
        config: &config,
        now,
    };
    let recovered = state.replay(&catalog, &mut manifest, segments, parts, &mut report)?;
    // Again: a flush in the middle of replay made some log superfluous.
    remove_orphans(&*disk, folder, &manifest, &mut report)?;
    forget_unused_series(&catalog, &recovered, &index)?;
    report.clean = manifest.progress.clean && report.samples == 0 && !report.has_damage();
    let published = Published {
        active: Arc::clone(&recovered.generation),
        frozen: None,
        segments: recovered.segments,
    };
    let newest = published
        .segments
        .bounds()
        .into_iter()
        .chain(recovered.generation.bounds());
    let newest = newest.map(|b| b.to.0).max().unwrap_or(i64::MIN);
    let visible = Arc::new(Visible::new(replay::GROUP, published));
    let series_end = manifest.progress.series_end;
    let shared = Arc::new(Shared::new(
        config,
        disk,
        folder.to_owned(),
        store_id,
        index,
        visible,
        series_end,
        recovered.next_file,
        recovered.wal_bytes + FILE_HEADER_BYTES as u64,
        newest,
    ));
    let header = FileHeader {
        store: store_id,
        number: recovered.next_file,
    };
    let file = first_file(&shared, header)?;
    let log = Log::new(Arc::clone(&shared), file, recovered.seq, recovered.newest);
    Ok(Opened {
        shared,
        log,
        catalog,
        manifest,
        report,
        lock,
    })
}

/// The log file to begin with. On a full disk, one without room for samples: reading must go on.
fn first_file(shared: &Shared, header: FileHeader) -> Result<LogFile, StoreError> {
    let prepare = |bytes| {
        file::prepare(
            &*shared.disk,
            &shared.wal_folder,
            header,
            bytes,
            Fill::Reserve,
        )
    };
    prepare(shared.config.wal_file_bytes).or_else(|error| {
        if !error.is_disk_full() {
            return Err(error);
        }
        shared.set_disk_full(true);
        prepare(FILE_HEADER_BYTES as u64)
    })
}

fn prepare_folder(disk: &dyn Disk, folder: &Path) -> Result<Box<dyn Lock>, StoreError> {
    disk.create_dir_all(folder)
        .map_err(StoreError::io("create", folder))?;
    let lock_path = folder.join("lock");
    let lock = disk.lock(&lock_path).map_err(|error| match error.kind() {
        std::io::ErrorKind::WouldBlock => StoreError::Locked {
            path: folder.to_owned(),
            reason: error.to_string(),
        },
        _ => StoreError::io("lock", &lock_path)(error),
    })?;
    for name in FOLDERS {
        let path = folder.join(name);
        disk.create_dir_all(&path)
            .map_err(StoreError::io("create", &path))?;
    }
    Ok(lock)
}

/// Opens or rebuilds the catalogue; the index holds its series afterwards.
fn open_catalog(
    disk: &dyn Disk,
    folder: &Path,
    parts: &[replay::LogPart],
    now: TimestampMs,
    report: &mut RecoveryReport,
) -> Result<(Catalog, Manifest, u128, Index), StoreError> {
    let path = folder.join("catalog.redb");
    let existed = disk
        .exists(&path)
        .map_err(StoreError::io("look for", &path))?;
    let has_data = !parts.is_empty() || flush::has_segments(disk, folder)?;
    let loaded = Catalog::open(disk, &path).and_then(|catalog| Ok((catalog.load()?, catalog)));
    let why = match loaded {
        Ok((Some(loaded), catalog)) => {
            let index = Index::new();
            for (id, labels) in &loaded.series {
                index.restore(*id, labels);
            }
            index.reserve(loaded.progress.series_end);
            let Loaded {
                store,
                progress,
                segments,
                ..
            } = loaded;
            return Ok((catalog, Manifest { progress, segments }, store.id, index));
        }
        Ok((None, catalog)) if !has_data => {
            return found_store(&catalog, new_store_id(folder, now))
                .map(|(m, id)| (catalog, m, id, Index::new()));
        }
        Ok((None, _)) if existed => "it is empty".to_owned(),
        Ok((None, _)) => "it is missing".to_owned(),
        Err(OpenError::Unreadable(why)) => why,
        Err(OpenError::Fatal(error)) => return Err(error),
    };
    rebuild_catalog(disk, folder, &path, parts, now, why, report)
}

/// The first commit of a new store.
fn found_store(catalog: &Catalog, id: u128) -> Result<(Manifest, u128), StoreError> {
    let progress = ProgressRow {
        wal_first: 1,
        segment_next: 1,
        clean: true,
        ..ProgressRow::default()
    };
    let store = Some(StoreRow {
        format: catalog::FORMAT,
        id,
    });
    catalog.commit(&Change {
        store,
        progress: Some(progress.clone()),
        ..Change::default()
    })?;
    Ok((
        Manifest {
            progress,
            segments: std::collections::BTreeMap::new(),
        },
        id,
    ))
}

fn rebuild_catalog(
    disk: &dyn Disk,
    folder: &Path,
    path: &Path,
    parts: &[replay::LogPart],
    now: TimestampMs,
    why: String,
    report: &mut RecoveryReport,
) -> Result<(Catalog, Manifest, u128, Index), StoreError> {
    let finding = quarantine::Finding {
        file: path,
        what: &why,
        ranges: &[],
        times: None,
    };
    quarantine::take(disk, folder, &finding)?;
    report.catalog_rebuilt = Some(why);
    let index = Index::new();
    let found = flush::scan_segments(disk, folder, &index, report)?;
    let id = found.store_id.or_else(|| replay::store_id(disk, parts));
    let id = id.unwrap_or_else(|| new_store_id(folder, now));
    let rebuild = |e: OpenError| match e {
        OpenError::Fatal(error) => error,
        OpenError::Unreadable(message) => StoreError::Catalog {
            action: "rebuilding",
            message,
        },
    };
    let catalog = Catalog::open(disk, path).map_err(rebuild)?;
    // Series have no rows until a flush writes them all; whatever log there is counts.
    let progress = ProgressRow {
        wal_first: 1,
        segment_next: found.segments.last_key_value().map_or(1, |(id, _)| id + 1),
        series_end: 0,
        clock: now.0,
        clean: false,
    };
    let store = Some(StoreRow {
        format: catalog::FORMAT,
        id,
    });
    let segments = found
        .segments
        .iter()
        .map(|(id, row)| (*id, row.clone()))
        .collect();
    let mut rows = catalog::SeriesRows::default();
    index.each_labels(0..index.end(), |id, labels| rows.add(id, labels));
    let progress = ProgressRow {
        series_end: index.end(),
        ..progress
    };
    let series = rows.into_rows();
    catalog.commit(&Change {
        store,
        progress: Some(progress.clone()),
        segments,
        series,
        ..Change::default()
    })?;
    Ok((
        catalog,
        Manifest {
            progress,
            segments: found.segments,
        },
        id,
        index,
    ))
}

/// Series whose samples have all expired leave the catalogue, once they are most of it. In memory they stay
/// until the next open; their ids are not given out again.
fn forget_unused_series(
    catalog: &Catalog,
    recovered: &Recovered,
    index: &Index,
) -> Result<(), StoreError> {
    let mut used = recovered.segments.series();
    let generation = &recovered.generation;
    generation.each_present(0..generation.end(), u64::MAX, TimeRange::ALL, |id| {
        used.insert(id);
    });
    if index.len() < UNUSED_SERIES_MIN || used.len() > index.len() as u64 / 2 {
        return Ok(());
    }
    let mut rows = catalog::SeriesRows::default();
    index.each_labels(&used, |id, labels| rows.add(id, labels));
    let series = rows.into_rows();
    catalog.commit(&Change {
        series,
        series_replaced: true,
        ..Change::default()
    })
}

/// Differs between stores as far as chance can: keys of this process, hashed with place and time.
fn new_store_id(folder: &Path, now: TimestampMs) -> u128 {
    let half = || u128::from(foldhash::quality::RandomState::default().hash_one((folder, now.0)));
    half() << 64 | half()
}

fn commit_quarantined(
    catalog: &Catalog,
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

/// Removes what a crash left of unfinished work.
fn remove_orphans(
    disk: &dyn Disk,
    folder: &Path,
    manifest: &Manifest,
    report: &mut RecoveryReport,
) -> Result<(), StoreError> {
    let mut unwanted: Vec<PathBuf> = Vec::new();
    for name in FOLDERS {
        let path = folder.join(name);
        let entries = disk
            .read_dir(&path)
            .map_err(StoreError::io("list", &path))?;
        unwanted.extend(entries.into_iter().filter(|entry| match name {
            "wal" => {
                let unfinished = entry.extension().is_some_and(|e| e == "new");
                unfinished
                    || file::number_of(entry).is_some_and(|n| n < manifest.progress.wal_first)
            }
            "seg" => {
                flush::segment_id_of(entry).is_none_or(|id| !manifest.segments.contains_key(&id))
            }
            _ => true,
        }));
    }
    for path in unwanted {
        disk.remove_file(&path)
            .map_err(StoreError::io("remove", &path))?;
        report.removed.push(path);
    }
    for name in FOLDERS {
        let path = folder.join(name);
        disk.sync_dir(&path)
            .map_err(StoreError::io("sync", &path))?;
    }
    Ok(())
}

struct State<'a> {
    disk: Arc<dyn Disk>,
    folder: &'a Path,
    store_id: u128,
    index: Arc<Index>,
    config: &'a Config,
    now: TimestampMs,
}

struct Recovered {
    generation: Arc<Generation>,
    segments: Arc<Segments>,
    newest: Newest,
    /// Bytes of log that hold the generation.
    wal_bytes: u64,
    /// The number of the log file to begin, and of the first frame in it.
    next_file: u64,
    seq: u64,
}

impl State<'_> {
    /// Reads the log. When that fills the head, the head is flushed and reading goes on: replay takes no
    /// more memory than running.
    fn replay(
        &self,
        catalog: &Catalog,
        manifest: &mut Manifest,
        segments: Segments,
        mut parts: Vec<replay::LogPart>,
        report: &mut RecoveryReport,
    ) -> Result<Recovered, StoreError> {
        let next_file = parts
            .last()
            .map_or(0, |part| part.number)
            .max(manifest.progress.wal_first - 1)
            + 1;
        parts.retain(|part| part.number >= manifest.progress.wal_first);
        let mut segments = Arc::new(segments);
        let mut generation = Arc::new(Generation::new(manifest.progress.wal_first));
        let (mut newest, mut writer) = (Newest::default(), Writer::new(self.config.open_bytes));
        let mut seq = 1;
        let mut wal_bytes = 0;
        let mut last_written = None;
        for (i, part) in parts.iter().enumerate() {
            let before = report.wal_bytes;
            let shared_segments = Arc::clone(&segments);
            let mut replay = Replay {
                disk: &*self.disk,
                folder: self.folder,
                store_id: self.store_id,
                index: &self.index,
                segments: &shared_segments,
                newest,
                writer,
                report,
                seq,
            };
            if i == 0 {
                last_written = replay.last_written(&parts)?;
            }
            replay.file(part, last_written.is_none_or(|last| i >= last), &generation)?;
            (newest, writer, seq) = (replay.newest, replay.writer, replay.seq);
            wal_bytes += report.wal_bytes - before;
            if generation.bytes() >= self.config.flush_bytes && i + 1 < parts.len() {
                let flushing = Flushing {
                    disk: &self.disk,
                    folder: self.folder,
                    store_id: self.store_id,
                    index: &self.index,
                    duplicates: self.config.duplicates,
                    now: self.now,
                };
                let flushed = flushing.run(&generation, catalog, manifest, parts[i + 1].number)?;
                segments = Arc::new(segments.with(flushed));
                generation = Arc::new(Generation::new(parts[i + 1].number));
                wal_bytes = 0;
            }
        }
        Ok(Recovered {
            generation,
            segments,
            newest,
            wal_bytes,
            next_file,
            seq,
        })
    }
}
