//! Taking samples back from the log: reads its files in order and inserts what counts into a generation.
//!
//! Everything in the log was accepted once and is accepted again; only where a sample goes is decided anew.

use super::decode::{Decoded, Decoder};
use super::quarantine::{self, Finding};
use super::report::{DamagedLog, RecoveryReport};
use crate::batch::Batch;
use crate::error::StoreError;
use crate::head::{Generation, Newest, Writer};
use crate::index::Index;
use crate::segments::Segments;
use crate::wal::file::number_of;
use crate::wal::frame::{FILE_HEADER_BYTES, FileHeader, HeaderError, Kind, VERSION};
use crate::wal::record;
use crate::wal::scan::{Scan, scan};
use bellwether_disk::{Disk, OpenMode, read_file};
use bellwether_model::HashMap;
use crossbeam::channel::bounded;
use std::io;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::thread;

/// A longer log file is not one of ours: batches are bounded.
const FILE_BYTES_MAX: u64 = 4 << 30;
/// What is read of a file to see whether it holds frames.
const BEGINNING_BYTES: usize = 1 << 20;
/// Log files with more than this are decoded on a thread of their own.
const DECODE_AHEAD_BYTES: usize = 1 << 20;
/// Decoded batches that may wait for their insertion.
const BATCHES_AHEAD: usize = 4;
/// The group that everything recovered belongs to.
pub(crate) const GROUP: u64 = 1;

/// What a file turned out to hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Content {
    /// Frames, or damage where frames were.
    Frames,
    /// It was made ready and never written to, or a crash tore the first write.
    Nothing,
}

/// One log file to be read.
pub(crate) struct LogPart {
    pub(crate) path: PathBuf,
    pub(crate) number: u64,
}

/// The log files of a store, in order.
pub(crate) fn list(disk: &dyn Disk, folder: &Path) -> Result<Vec<LogPart>, StoreError> {
    let paths = disk
        .read_dir(folder)
        .map_err(StoreError::io("list", folder))?;
    let mut parts: Vec<LogPart> = paths
        .into_iter()
        .filter_map(|path| {
            Some(LogPart {
                number: number_of(&path)?,
                path,
            })
        })
        .collect();
    parts.sort_unstable_by_key(|part| part.number);
    Ok(parts)
}

/// The store whose log this is, from the first readable header.
pub(crate) fn store_id(disk: &dyn Disk, parts: &[LogPart]) -> Option<u128> {
    parts.iter().find_map(|part| {
        let mut bytes = [0; FILE_HEADER_BYTES];
        let file = disk.open(&part.path, OpenMode::Read).ok()?;
        file.read_exact_at(&mut bytes, 0).ok()?;
        FileHeader::decode(&bytes).ok().map(|header| header.store)
    })
}

fn read_beginning(disk: &dyn Disk, path: &Path, bytes_max: usize) -> io::Result<Vec<u8>> {
    let file = disk.open(path, OpenMode::Read)?;
    let mut bytes = vec![0; bytes_max.min(file.len()? as usize)];
    file.read_exact_at(&mut bytes, 0)?;
    Ok(bytes)
}

/// Reads a log back into a generation.
pub(crate) struct Replay<'a> {
    pub(crate) disk: &'a dyn Disk,
    pub(crate) folder: &'a Path,
    pub(crate) store_id: u128,
    pub(crate) index: &'a Index,
    pub(crate) segments: &'a Segments,
    pub(crate) newest: &'a mut Newest,
    pub(crate) writer: &'a mut Writer,
    pub(crate) report: &'a mut RecoveryReport,
    /// The sequence number after the last frame read.
    pub(crate) seq: &'a mut u64,
}

impl Replay<'_> {
    /// Which of `parts` is the last with frames that count: only its end may be torn.
    pub(crate) fn last_written(&self, parts: &[LogPart]) -> Result<Option<usize>, StoreError> {
        for (i, part) in parts.iter().enumerate().rev() {
            if self.has_frames(part)? {
                return Ok(Some(i));
            }
        }
        Ok(None)
    }

    /// Almost always its beginning tells; only of a file without frames all is read.
    fn has_frames(&self, part: &LogPart) -> Result<bool, StoreError> {
        let beginning = read_beginning(self.disk, &part.path, BEGINNING_BYTES)
            .map_err(StoreError::io("read", &part.path))?;
        let holds = |bytes: &[u8]| !scan(bytes, &self.header(part), true).frames.is_empty();
        Ok(holds(&beginning) || beginning.len() == BEGINNING_BYTES && holds(&self.read(part)?))
    }

    /// Inserts the samples of one file, and says whether it holds anything worth keeping.
    ///
    /// - `newest`: it is the last with frames, or one after that; its torn end is cut off.
    pub(crate) fn file(
        &mut self,
        part: &LogPart,
        newest: bool,
        into: &Generation,
    ) -> Result<Content, StoreError> {
        let bytes = self.read(part)?;
        let mut lost: Vec<_> = self.check_header(part, &bytes)?.into_iter().collect();
        let found = scan(&bytes, &self.header(part), newest);
        lost.extend(
            found
                .damage
                .iter()
                .map(|range| range.start as u64..range.end as u64),
        );
        self.report.wal_files += 1;
        self.report.wal_bytes += found.end as u64;
        let decoded = self.frames(&found, &bytes, into)?;
        lost.extend(decoded.bad);
        let content = match (&found.frames[..], &lost[..]) {
            ([], []) => Content::Nothing,
            _ => Content::Frames,
        };
        if !lost.is_empty() {
            self.report_damage(part, lost, &found, decoded.batches_partial);
        }
        if newest {
            self.report.torn |= found.torn;
            if content == Content::Frames {
                self.seal(part, bytes.len(), found.end)?;
            }
        }
        if let Some(last) = found.frames.last() {
            *self.seq = (*self.seq).max(last.seq.saturating_add(1));
        }
        Ok(content)
    }

    fn header(&self, part: &LogPart) -> FileHeader {
        FileHeader {
            store: self.store_id,
            number: part.number,
        }
    }

    fn read(&self, part: &LogPart) -> Result<Vec<u8>, StoreError> {
        read_file(self.disk, &part.path, FILE_BYTES_MAX).map_err(StoreError::io("read", &part.path))
    }

    /// The header says nothing that is not known already, so damage to it costs nothing.
    fn check_header(&self, part: &LogPart, bytes: &[u8]) -> Result<Option<Range<u64>>, StoreError> {
        match FileHeader::decode(bytes) {
            Ok(header) if header == self.header(part) => Ok(None),
            Err(HeaderError::Version(found)) => Err(StoreError::Version {
                path: part.path.clone(),
                found: u32::from(found),
                known: u32::from(VERSION),
            }),
            Ok(_) | Err(HeaderError::Unreadable) => Ok(Some(0..FILE_HEADER_BYTES as u64)),
        }
    }

    /// Inserts what the frames hold, decoding ahead on a second thread where that pays.
    fn frames(
        &mut self,
        found: &Scan,
        bytes: &[u8],
        into: &Generation,
    ) -> Result<Decoded, StoreError> {
        let mut bad = Vec::new();
        let (renamed, defined) = self.define(found, bytes, &mut bad);
        let decoder = Decoder::new(bytes, &found.frames, &renamed, &defined);
        let mut decoded = if found.end < DECODE_AHEAD_BYTES {
            decoder.run(|mut batch| {
                self.insert(&mut batch, into);
                batch
            })
        } else {
            self.decode_ahead(decoder, into)?
        };
        decoded.bad.append(&mut bad);
        self.report.undefined_samples += decoded.undefined;
        Ok(decoded)
    }

    fn decode_ahead(
        &mut self,
        decoder: Decoder<'_>,
        into: &Generation,
    ) -> Result<Decoded, StoreError> {
        let (full, batches) = bounded(BATCHES_AHEAD);
        let (empty, empties) = bounded(BATCHES_AHEAD);
        thread::scope(|scope| {
            let decode = move || {
                decoder.run(|batch| {
                    // The other side takes until this one is done.
                    let _ = full.send(batch);
                    empties.try_recv().unwrap_or_default()
                })
            };
            let thread = thread::Builder::new().name("store-replay".to_owned());
            let decoding = thread
                .spawn_scoped(scope, decode)
                .map_err(StoreError::io("start a thread to replay", self.folder))?;
            for mut batch in batches {
                self.insert(&mut batch, into);
                // Its memory is used again, unless there is enough.
                let _ = empty.try_send(batch);
            }
            Ok(decoding
                .join()
                .unwrap_or_else(|panic| std::panic::resume_unwind(panic)))
        })
    }

    /// Takes every definition of the file, wherever in it: a copy may come after the first use. Returns the
    /// ids that are called otherwise here, and by id, whether it means here what it means in the file.
    fn define(
        &self,
        found: &Scan,
        bytes: &[u8],
        bad: &mut Vec<Range<u64>>,
    ) -> (HashMap<u32, u32>, Vec<bool>) {
        let mut renamed = HashMap::default();
        let mut defined = self.index.defined();
        for frame in found.frames.iter().filter(|f| f.kind == Some(Kind::Series)) {
            let read = record::read_definitions(&bytes[frame.payload.clone()], |id, labels| {
                match self.index.restore(id, &labels) {
                    Some(known) if known == id => {
                        // The index just grew to hold it, so it is no length from outside.
                        defined.resize(defined.len().max(id as usize + 1), false);
                        defined[id as usize] = true;
                    }
                    Some(known) => {
                        renamed.insert(id, known);
                    }
                    None => bad.push(frame.at as u64..frame.end as u64),
                }
            });
            if read.is_err() {
                bad.push(frame.at as u64..frame.end as u64);
            }
        }
        (renamed, defined)
    }

    fn insert(&mut self, batch: &mut Batch, into: &Generation) {
        self.report.samples += batch.len() as u64;
        let segments = self.segments;
        self.newest
            .place_replayed(batch, |id, t| segments.newest(id, t));
        self.writer.insert(into, batch, GROUP, None);
        batch.clear();
    }

    fn report_damage(
        &mut self,
        part: &LogPart,
        lost: Vec<Range<u64>>,
        found: &Scan,
        batches_partial: u64,
    ) {
        let seqs = found.frames.first().zip(found.frames.last());
        let spanned = seqs.map_or(0, |(first, last)| last.seq - first.seq + 1);
        let finding = Finding {
            file: &part.path,
            what: "damaged log frames",
            ranges: &lost,
            times: None,
        };
        // Without the copy (a full disk, say) the store still opens; the report says that there is none.
        let copy = quarantine::copy(self.disk, self.folder, &finding).ok();
        self.report.damaged_logs.push(DamagedLog {
            path: part.path.clone(),
            copy,
            frames_lost: spanned - found.frames.len() as u64,
            lost,
            batches_partial,
        });
    }

    /// Ends the file behind its last frame, without the space that was kept for more, and syncs it: what was read
    /// may be in the kernel's memory only, and once a later file holds frames, this one must be whole.
    fn seal(&self, part: &LogPart, len: usize, end: usize) -> Result<(), StoreError> {
        let file = self
            .disk
            .open(&part.path, OpenMode::ReadWrite)
            .map_err(StoreError::io("open", &part.path))?;
        if len > end {
            file.set_len(end as u64)
                .map_err(StoreError::io("cut", &part.path))?;
        }
        file.sync_all().map_err(StoreError::io("sync", &part.path))
    }
}
