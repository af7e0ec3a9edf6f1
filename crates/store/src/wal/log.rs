//! The log thread: the only writer of the log and of the head.
//!
//! For each batch, in the order of arrival: decide which samples are taken, and encode those. For all batches that
//! wait: one write, one sync, then insert into the head, publish, acknowledge.
//!
//! Space for a batch, and for all that its file is still owed, is made sure of before anything is decided. Where a
//! write meets a full disk all the same (there are file systems that need space to overwrite), its group is
//! taken back: refused as [`ReadOnly::DiskFull`], with the next write going to the same place.
//!
//! Any other failed write, and any failed sync, makes the store read-only until it is opened anew
//! ([`ReadOnly::LogFailed`]). The file is not touched again: after a failed sync, a second one may report
//! success without having written.
//!
//! There is no file until the first batch comes: a store that is opened to be read writes no log.

use super::file::{self, Fill, LogFile};
use super::frame::{
    COPY, FILE_HEADER_BYTES, FIRST, FRAME_HEADER_BYTES, FileHeader, Framer, Kind, LAST,
    PAYLOAD_BYTES_MAX,
};
use super::record::{self, DefinitionWriter, RowWriter};
use crate::batch::Batch;
use crate::config::Durability;
use crate::earlier;
use crate::error::{ReadOnly, StoreError};
use crate::head::{self, Decided, Generation, Newest, Writer};
use crate::shared::Shared;
use crossbeam::channel::{Receiver, Sender};
use std::sync::Arc;
use std::sync::atomic::Ordering;

/// Samples of one group: more wait for the next sync.
const GROUP_SAMPLES_MAX: usize = 200_000;
/// What a frame takes beside its payload: the header, and zeros up to the alignment.
const FRAME_OVERHEAD_MAX: usize = FRAME_HEADER_BYTES + 8;
/// Log bytes between a definition and its copy: damage to a disk's sector or page does not reach that far.
const COPY_DISTANCE: u64 = 64 << 10;

/// What the log thread is asked.
pub(crate) enum Message {
    /// Make this batch durable and visible, then send it back.
    Commit {
        batch: Box<Batch>,
        reply: Sender<Reply>,
    },
    /// Write and sync all that was acknowledged.
    Sync {
        reply: Sender<Result<(), StoreError>>,
    },
    /// End the active generation and start the next, in a new file. `None` when there was nothing in it.
    Freeze {
        reply: Sender<Result<Option<Arc<Generation>>, StoreError>>,
    },
    /// Take no more batches. Answered with `false`, and not done, when there are samples to be flushed first.
    Close { reply: Sender<bool> },
}

/// The answer to [`Message::Commit`]; the batch comes back for its memory.
pub(crate) struct Reply {
    pub(crate) batch: Box<Batch>,
    pub(crate) result: Result<Decided, StoreError>,
}

/// The state of the log thread.
pub(crate) struct Log {
    shared: Arc<Shared>,
    file: Option<LogFile>,
    /// The low half of its number.
    number: u32,
    /// Where the next write goes, and below which offset everything is synced.
    at: u64,
    synced: u64,
    framer: Framer,
    active: Arc<Generation>,
    newest: Newest,
    writer: Writer,
    /// By series: the low half of the number of the file that defines it last.
    defined_in: Vec<u32>,
    /// Definitions to be copied once the log has reached the offset, and those that the group being written copies.
    copies: Copies,
    copied: Copies,
    copies_at: u64,
    group: Vec<Pending>,
    /// Where in the framer's bytes the group begins.
    group_at: usize,
    /// Set when nothing is written any more.
    refused: Option<ReadOnly>,
    ints: Vec<i64>,
    row: (Vec<u32>, Vec<f64>),
    /// Series of a batch that the file does not define yet, and the most their definitions can take.
    fresh: Vec<u32>,
    fresh_bytes: u64,
}

/// Series, and bytes that their definitions take at most.
#[derive(Default)]
struct Copies {
    ids: Vec<u32>,
    bytes: u64,
}

struct Pending {
    batch: Box<Batch>,
    reply: Sender<Reply>,
    decided: Decided,
}

impl Log {
    /// - `seq`: the number of the next frame.
    /// - `newest`: what recovery learned about the series.
    pub(crate) fn new(shared: Arc<Shared>, seq: u64, newest: Newest) -> Log {
        let none = FileHeader {
            store: shared.store_id,
            number: 0,
        };
        let active = Arc::clone(&shared.visible.published().active);
        let writer = Writer::new(shared.config.open_bytes);
        Log {
            shared,
            file: None,
            number: 0,
            at: FILE_HEADER_BYTES as u64,
            synced: FILE_HEADER_BYTES as u64,
            framer: Framer::new(&none, seq),
            active,
            newest,
            writer,
            defined_in: Vec::new(),
            copies: Copies::default(),
            copied: Copies::default(),
            copies_at: 0,
            group: Vec::new(),
            group_at: 0,
            refused: None,
            ints: Vec::new(),
            row: (Vec::new(), Vec::new()),
            fresh: Vec::new(),
            fresh_bytes: 0,
        }
    }

    /// Serves until every sender is gone; then writes what waits.
    pub(crate) fn run(mut self, messages: &Receiver<Message>) {
        while let Ok(message) = messages.recv() {
            let mut samples = self.serve(message);
            while samples < GROUP_SAMPLES_MAX
                && let Ok(message) = messages.try_recv()
            {
                samples += self.serve(message);
            }
            self.finish_group();
        }
        // Nobody is left to be told; a failure shows in what the next open finds.
        let _ = self.sync();
    }

    /// Returns the number of samples that joined the group.
    fn serve(&mut self, message: Message) -> usize {
        match message {
            Message::Commit { batch, reply } => return self.join_group(batch, reply),
            Message::Sync { reply } => {
                self.finish_group();
                let _ = reply.send(self.sync());
            }
            Message::Freeze { reply } => {
                self.finish_group();
                let _ = reply.send(self.freeze());
            }
            Message::Close { reply } => {
                self.finish_group();
                let empty = self.active.samples() == 0;
                self.refused = empty.then_some(ReadOnly::Closed).or(self.refused);
                let _ = reply.send(empty);
            }
        }
        0
    }

    fn join_group(&mut self, mut batch: Box<Batch>, reply: Sender<Reply>) -> usize {
        let samples = batch.len();
        if let Err(error) = self.make_room(&batch) {
            // The appender may be gone; then nobody wants to know.
            let _ = reply.send(Reply {
                batch,
                result: Err(error),
            });
            return 0;
        }
        if self.group.is_empty() {
            self.group_at = self.framer.bytes.len();
        }
        let decided = self.decide(&mut batch);
        if decided.accepted > 0 {
            self.encode(&batch);
        }
        self.group.push(Pending {
            batch,
            reply,
            decided,
        });
        samples
    }

    fn decide(&mut self, batch: &mut Batch) -> Decided {
        let published = self.shared.visible.published();
        let rules = self.shared.config.rules();
        let lookup = |id, t| published.newest(id, t, rules.duplicates);
        let (mut decided, mut past) = self.newest.decide(batch, rules, lookup);
        if !past.is_empty() {
            let group = self.group.iter().rev().map(|pending| &*pending.batch);
            let waiting = std::iter::once(&*batch).chain(group);
            earlier::look_up(&mut past, rules.duplicates, waiting, &published);
            head::settle(batch, &past, rules, &mut decided);
        }
        decided
    }

    /// Makes sure that `batch` fits in the file, taking the next one, or growing this one, if need be.
    fn make_room(&mut self, batch: &Batch) -> Result<(), StoreError> {
        self.refuse_after_failure()?;
        if self.file.is_none() {
            self.rotate()?;
        }
        let mut end = self.end() + self.bytes_max(batch);
        if end > self.allocated() && self.end() > FILE_HEADER_BYTES as u64 {
            self.finish_group();
            self.rotate()?;
            end = self.end() + self.bytes_max(batch);
        }
        if let Some(file) = &mut self.file
            && end > file.allocated
        {
            let grown = file.file.allocate(end);
            grown
                .map_err(StoreError::io("grow", &file.path))
                .map_err(|e| self.shared.note_full(e))?;
            file.allocated = end;
        }
        Ok(())
    }

    fn allocated(&self) -> u64 {
        self.file.as_ref().map_or(0, |file| file.allocated)
    }

    fn refuse_after_failure(&self) -> Result<(), StoreError> {
        self.refused
            .map_or(Ok(()), |reason| Err(StoreError::ReadOnly { reason }))
    }

    /// Beyond this, a frame takes no further row. One row or definition always fits in what is read back.
    fn frame_bytes(&self) -> usize {
        self.shared
            .config
            .wal_frame_bytes
            .min(PAYLOAD_BYTES_MAX / 2)
    }

    /// Where the log will end once the group is written.
    fn end(&self) -> u64 {
        self.at + self.framer.bytes.len() as u64
    }

    /// Bytes that encoding `batch` takes at most, and all copies of definitions that come after it. Also collects
    /// the series that the file does not define.
    fn bytes_max(&mut self, batch: &Batch) -> u64 {
        if let Some(&max) = batch.series.iter().max()
            && max as usize >= self.defined_in.len()
        {
            self.defined_in.resize(max as usize + 1, 0);
        }
        self.fresh.clear();
        let undefined = |id: &u32| self.defined_in[*id as usize] != self.number;
        self.fresh
            .extend(batch.series.iter().copied().filter(undefined));
        self.fresh.sort_unstable();
        self.fresh.dedup();
        let mut definitions = 0;
        let fresh = self.fresh.iter().copied();
        self.shared.index.each_labels(fresh, |_, labels| {
            definitions += record::definition_bytes_max(labels) + FRAME_OVERHEAD_MAX;
        });
        self.fresh_bytes = (definitions + FRAME_OVERHEAD_MAX) as u64;
        let rows = batch.rows.len() * record::row_bytes_max(0) + record::row_bytes_max(batch.len());
        // Each frame holds a row, or a piece of one.
        let frames = 2 + batch.rows.len() + batch.len() / record::ROW_SAMPLES_MAX;
        (rows + frames * FRAME_OVERHEAD_MAX) as u64 + 2 * self.fresh_bytes + self.copies.bytes
    }

    fn encode(&mut self, batch: &Batch) {
        if self.framer.bytes.is_empty() {
            self.framer.set_synced(self.synced);
        }
        let mut flags = FIRST;
        if !self.fresh.is_empty() {
            let fresh = std::mem::take(&mut self.fresh);
            self.encode_definitions(&fresh, flags);
            flags = 0;
            self.plan_copies(&fresh);
            self.fresh = fresh;
        }
        self.encode_rows(batch, flags);
        if !self.copies.ids.is_empty() && self.end() >= self.copies_at {
            self.encode_copies();
        }
    }

    /// Several frames if need be: `FIRST` then goes to the first, `LAST` to the last of them.
    fn encode_definitions(&mut self, ids: &[u32], mut flags: u8) {
        let number = self.number;
        let frame_bytes = self.frame_bytes();
        let Log {
            framer,
            shared,
            defined_in,
            ..
        } = self;
        framer.begin();
        let mut definitions = DefinitionWriter::default();
        shared.index.each_labels(ids.iter().copied(), |id, labels| {
            let len = framer.payload_len();
            if len > 0 && len + record::definition_bytes_max(labels) > frame_bytes {
                framer.end(Kind::Series, flags & !LAST);
                flags &= !FIRST;
                framer.begin();
                definitions = DefinitionWriter::default();
            }
            definitions.write(id, labels, &mut framer.bytes);
            defined_in[id as usize] = number;
        });
        framer.end(Kind::Series, flags);
    }

    /// Series that the catalogue knows have their second copy there.
    fn plan_copies(&mut self, fresh: &[u32]) {
        let catalogued = self.shared.catalogued.load(Ordering::Acquire);
        if self.copies.ids.is_empty() {
            self.copies_at = self.end() + COPY_DISTANCE;
        }
        let before = self.copies.ids.len();
        let new = fresh.iter().copied().filter(|&id| id >= catalogued);
        self.copies.ids.extend(new);
        // What is owed to nobody must not be asked of the files to come.
        if self.copies.ids.len() > before {
            self.copies.bytes += self.fresh_bytes;
        }
    }

    fn encode_copies(&mut self) {
        let copies = std::mem::take(&mut self.copies);
        self.encode_definitions(&copies.ids, FIRST | LAST | COPY);
        self.copied = copies;
    }

    fn encode_rows(&mut self, batch: &Batch, mut flags: u8) {
        self.framer.begin();
        let mut rows = RowWriter::default();
        let frame_bytes = self.frame_bytes();
        for (t, samples) in batch.rows() {
            let all = batch.placements[samples.clone()]
                .iter()
                .all(|p| p.is_kept());
            if !all {
                self.row.0.clear();
                self.row.1.clear();
                for i in samples.clone().filter(|&i| batch.placements[i].is_kept()) {
                    self.row.0.push(batch.series[i]);
                    self.row.1.push(batch.values[i]);
                }
            }
            let (ids, values) = if all {
                (&batch.series[samples.clone()], &batch.values[samples])
            } else {
                (self.row.0.as_slice(), self.row.1.as_slice())
            };
            let pieces = ids
                .chunks(record::ROW_SAMPLES_MAX)
                .zip(values.chunks(record::ROW_SAMPLES_MAX));
            for (ids, values) in pieces {
                let len = self.framer.payload_len();
                if len > 0 && len + record::row_bytes_max(ids.len()) > frame_bytes {
                    self.framer.end(Kind::Rows, flags);
                    flags = 0;
                    self.framer.begin();
                    rows = RowWriter::default();
                }
                rows.write(t, ids, values, &mut self.ints, &mut self.framer.bytes);
            }
        }
        self.framer.end(Kind::Rows, flags | LAST);
    }

    /// Writes the group, syncs, makes it visible, acknowledges.
    fn finish_group(&mut self) {
        if self.group.is_empty() {
            return;
        }
        let durable = self.make_durable();
        let mut group = std::mem::take(&mut self.group);
        if let Err(error) = durable {
            let reason = self.give_up(&group, &error);
            for Pending { batch, reply, .. } in group.drain(..) {
                let result = Err(StoreError::ReadOnly { reason });
                let _ = reply.send(Reply { batch, result });
            }
            return;
        }
        self.apply(&group);
        for Pending {
            batch,
            reply,
            decided,
        } in group.drain(..)
        {
            let _ = reply.send(Reply {
                batch,
                result: Ok(decided),
            });
        }
        self.group = group; // For its memory.
    }

    /// What becomes of a group that could not be made durable.
    fn give_up(&mut self, group: &[Pending], error: &StoreError) -> ReadOnly {
        self.fail(error);
        if self.refused.is_none() {
            self.take_back(group);
            return ReadOnly::DiskFull;
        }
        ReadOnly::LogFailed
    }

    /// Undoes what joining the group changed. The numbers of its frames are not used again, so that what a
    /// write left of them is older than whatever is written over it.
    fn take_back(&mut self, group: &[Pending]) {
        self.framer.bytes.truncate(self.group_at);
        for id in group.iter().flat_map(|pending| &pending.batch.series) {
            self.defined_in[*id as usize] = 0;
        }
        let copied = std::mem::take(&mut self.copied);
        self.copies.ids.extend(copied.ids);
        self.copies.bytes += copied.bytes;
        // Looked up again in head and segments, when asked for.
        self.newest = Newest::default();
    }

    fn make_durable(&mut self) -> Result<(), StoreError> {
        match self.shared.config.durability {
            Durability::Sync => self.write_and_sync(),
            Durability::Write => self.write(),
            Durability::Buffer { bytes } if self.framer.bytes.len() < bytes => Ok(()),
            Durability::Buffer { .. } => self.write(),
        }
    }

    /// A full disk is [`ReadOnly::DiskFull`]: then nothing has changed, and the same can be written again.
    fn write(&mut self) -> Result<(), StoreError> {
        let Some(file) = self.file.as_ref().filter(|_| !self.framer.bytes.is_empty()) else {
            return Ok(());
        };
        let written = file.file.write_all_at(&self.framer.bytes, self.at);
        written
            .map_err(StoreError::io("write to", &file.path))
            .map_err(|e| self.shared.note_full(e))?;
        let len = self.framer.bytes.len() as u64;
        self.at += len;
        self.shared.log_at.store(self.at, Ordering::Relaxed);
        self.shared
            .totals
            .wal_bytes
            .fetch_add(len, Ordering::Relaxed);
        self.framer.bytes.clear();
        self.copied = Copies::default();
        Ok(())
    }

    /// After a failed sync nothing is known, also when it failed for want of space.
    fn write_and_sync(&mut self) -> Result<(), StoreError> {
        self.write()?;
        if let Some(file) = &self.file
            && self.synced < self.at
        {
            file.file
                .sync_data()
                .map_err(StoreError::io("sync", &file.path))?;
            self.synced = self.at;
            self.shared.totals.syncs.fetch_add(1, Ordering::Relaxed);
        }
        Ok(())
    }

    /// Everything that was acknowledged is durable when this returns `Ok`.
    fn sync(&mut self) -> Result<(), StoreError> {
        self.refuse_after_failure()?;
        self.write_and_sync().inspect_err(|error| self.fail(error))
    }

    /// Ends writing, unless it was a write that found the disk full.
    fn fail(&mut self, error: &StoreError) {
        let full = matches!(
            error,
            StoreError::ReadOnly {
                reason: ReadOnly::DiskFull
            }
        );
        if !full {
            self.refused = Some(ReadOnly::LogFailed);
            self.shared.log_failed(error);
        }
    }

    /// Inserts the group's samples and makes them visible in one step.
    fn apply(&mut self, group: &[Pending]) {
        let totals = &self.shared.totals;
        let mut state = self.shared.visible.lock();
        let number = state.group + 1;
        let living = state.living();
        for Pending { batch, decided, .. } in group {
            if decided.accepted > 0 {
                self.writer.insert(&self.active, batch, number, living);
            }
            totals.count(decided);
        }
        state.group = number;
        if let Some(bounds) = self.active.bounds() {
            totals.newest.fetch_max(bounds.to.0, Ordering::Relaxed);
        }
    }

    /// Goes on in the next file; this one is whole and synced then.
    fn rotate(&mut self) -> Result<(), StoreError> {
        let next = self.next_file().map_err(|e| self.shared.note_full(e))?;
        if !self.copies.ids.is_empty() {
            self.framer.set_synced(self.synced);
            self.encode_copies();
        }
        if let Err(error) = self.sync() {
            // For the next attempt, or each of them would leave a file.
            self.shared.spare.lock().get_or_insert(next);
            return Err(error);
        }
        self.framer.change_file(&next.header);
        self.number = next.header.number as u32;
        self.file = Some(next);
        self.at = FILE_HEADER_BYTES as u64;
        self.synced = self.at;
        self.shared.log_at.store(self.at, Ordering::Relaxed);
        self.shared
            .totals
            .wal_bytes
            .fetch_add(self.at, Ordering::Relaxed);
        Ok(())
    }

    /// The prepared file, or else one made now: never waits for one that is being prepared.
    fn next_file(&mut self) -> Result<LogFile, StoreError> {
        let shared = &self.shared;
        let ready = shared.spare.try_lock().and_then(|mut spare| spare.take());
        let current = self.file.as_ref().map_or(0, |file| file.header.number);
        // One that was overtaken stays empty until a flush removes it.
        if let Some(ready) = ready.filter(|file| file.header.number > current) {
            return Ok(ready);
        }
        let number = shared.log_number.fetch_add(1, Ordering::Relaxed) + 1;
        let header = FileHeader {
            store: shared.store_id,
            number,
        };
        let bytes = shared.config.wal_file_bytes;
        file::prepare(
            &*shared.disk,
            &shared.wal_folder,
            header,
            bytes,
            Fill::Reserve,
        )
    }

    fn freeze(&mut self) -> Result<Option<Arc<Generation>>, StoreError> {
        self.refuse_after_failure()?;
        if self.active.samples() == 0 {
            return Ok(None);
        }
        self.rotate()?;
        // Of what the log holds from here on, the file header is all that a flush of `frozen` leaves.
        let wal_bytes = self.shared.totals.wal_bytes.load(Ordering::Relaxed) - self.at;
        self.active.set_wal_bytes(wal_bytes);
        let number = self.file.as_ref().map_or(0, |file| file.header.number);
        let next = Arc::new(Generation::new(number));
        let frozen = std::mem::replace(&mut self.active, Arc::clone(&next));
        self.shared.visible.publish(|published| {
            published.active = next;
            published.frozen = Some(Arc::clone(&frozen));
        });
        Ok(Some(frozen))
    }
}
