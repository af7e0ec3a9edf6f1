//! Reading samples: chunk bytes by positional reads, verified, decoded, cut to a range.

use super::SegmentError;
use super::chunks::ChunkMeta;
use super::layout::Kind;
use super::reader::Segment;
use crate::codec::{timestamps, values};
use crate::digest::{Digest, Digests};
use bellwether_model::TimeRange;
use std::ops::Range;
use std::sync::Arc;

/// Most bytes read at once for one series.
const READ_BYTES_MAX: u64 = 1 << 20;
/// Bytes between two wanted chunks that are read along rather than skipped.
const GAP_BYTES_MAX: u64 = 4096;
/// Least bytes read at once by a buffer that reads ahead.
const AHEAD_BYTES: u64 = 64 << 10;

/// Bytes of one segment's chunks, kept between reads: neighbouring series lie next to each other, and
/// short chunks are many to one read. For one segment only; empty it by making a new one.
#[derive(Debug, Default)]
pub struct ReadBuf {
    bytes: Vec<u8>,
    start: u64,
    ahead: bool,
}

/// Columns that samples are appended to, as long as there are no more than `room` of them.
struct Out<'a> {
    room: usize,
    ts: &'a mut Vec<i64>,
    vals: &'a mut Vec<f64>,
}

impl ReadBuf {
    /// A buffer that reads at least 64 KiB at once, for reading series after series in ascending order.
    pub fn ahead() -> ReadBuf {
        ReadBuf {
            ahead: true,
            ..ReadBuf::default()
        }
    }

    fn get(&self, offset: u64, len: u32) -> Option<&[u8]> {
        let start = usize::try_from(offset.checked_sub(self.start)?).ok()?;
        self.bytes.get(start..start.checked_add(len as usize)?)
    }
}

/// Times of a chunk: computed, or unpacked once for all chunks that share them.
enum Times {
    Line { first: i64, step: u64 },
    Column(Arc<Vec<i64>>),
}

impl Times {
    fn append(&self, range: Range<usize>, out: &mut Vec<i64>) {
        match self {
            Times::Line { first, step } => {
                out.extend(
                    range.map(|i| first.wrapping_add((i as u64).wrapping_mul(*step) as i64)),
                );
            }
            Times::Column(times) => out.extend_from_slice(times.get(range).unwrap_or_default()),
        }
    }
}

impl Segment {
    /// Appends the samples of series `ix` within `range`, oldest first, to both vectors.
    ///
    /// When chunks are corrupt, all others are still read and appended; then the first damage is the error.
    /// After any other error the vectors are as they were.
    pub fn read(
        &self,
        ix: u32,
        range: TimeRange,
        ts: &mut Vec<i64>,
        vals: &mut Vec<f64>,
    ) -> Result<(), SegmentError> {
        self.read_within(ix, range, usize::MAX, ts, vals)
    }

    /// As [`Segment::read`], as long as the columns have no more than `room` samples: beyond that
    /// [`SegmentError::NoRoom`], before anything is decoded that does not fit.
    pub fn read_within(
        &self,
        ix: u32,
        range: TimeRange,
        room: usize,
        ts: &mut Vec<i64>,
        vals: &mut Vec<f64>,
    ) -> Result<(), SegmentError> {
        self.read_chunks(
            &mut ReadBuf::default(),
            ix,
            range,
            &mut Out { room, ts, vals },
        )
    }

    /// As [`Segment::read`], with a buffer for the bytes.
    pub fn read_with(
        &self,
        buf: &mut ReadBuf,
        ix: u32,
        range: TimeRange,
        ts: &mut Vec<i64>,
        vals: &mut Vec<f64>,
    ) -> Result<(), SegmentError> {
        let room = usize::MAX;
        self.read_chunks(buf, ix, range, &mut Out { room, ts, vals })
    }

    fn read_chunks(
        &self,
        buf: &mut ReadBuf,
        ix: u32,
        range: TimeRange,
        out: &mut Out<'_>,
    ) -> Result<(), SegmentError> {
        let before = out.ts.len();
        let id = self.series_id(ix)?;
        let chunks = self.chunks_within(ix, range)?;
        let mut damage = None;
        for i in 0..chunks.len() {
            match self.read_first(buf, id, &chunks[i..], range, out) {
                Ok(()) => {}
                Err(error @ SegmentError::Corrupt { .. }) => damage = damage.or(Some(error)),
                Err(error) => {
                    out.ts.truncate(before);
                    out.vals.truncate(before);
                    return Err(error);
                }
            }
        }
        damage.map_or(Ok(()), Err)
    }

    /// As [`Segment::read_within`], but chunks that lie within `range` as a whole and have a digest that is enough go to
    /// `digests` instead, and are not read.
    pub(crate) fn read_digested(
        &self,
        ix: u32,
        range: TimeRange,
        room: usize,
        ts: &mut Vec<i64>,
        vals: &mut Vec<f64>,
        digests: &mut Digests,
    ) -> Result<(), SegmentError> {
        let id = self.series_id(ix)?;
        let mut buf = ReadBuf::default();
        for chunk in self.chunks_within(ix, range)? {
            let is_inside = range.contains(chunk.t_first) && range.contains(chunk.t_last);
            let zone = if is_inside { self.zone(&chunk)? } else { None };
            if !digests.take(zone.and_then(|zone| Digest::of(&zone, &chunk))) {
                let out = &mut Out { room, ts, vals };
                self.read_first(&mut buf, id, &[chunk], range, out)?;
            }
        }
        Ok(())
    }

    /// First and last time of the chunks of series `ix` that touch `range`.
    pub(crate) fn times_within(
        &self,
        ix: u32,
        range: TimeRange,
    ) -> Result<Option<(i64, i64)>, SegmentError> {
        let chunks = self.chunks_within(ix, range)?;
        let ends = chunks.first().zip(chunks.last());
        Ok(ends.map(|(first, last)| (first.t_first, last.t_last)))
    }

    fn chunks_within(&self, ix: u32, range: TimeRange) -> Result<Vec<ChunkMeta>, SegmentError> {
        let mut chunks = self.chunks(ix)?;
        chunks.retain(|chunk| range.overlaps(chunk.t_first, chunk.t_last));
        Ok(chunks)
    }

    /// The newest sample of series `ix` inside `range`: its time and its value's bits.
    pub fn newest(&self, ix: u32, range: TimeRange) -> Result<Option<(i64, u64)>, SegmentError> {
        let mut chunks = self.chunks(ix)?;
        // Chunks ascend, so the last one that begins in time holds it, or none does.
        chunks.retain(|chunk| chunk.t_first <= range.to.0);
        let Some(chunk) = chunks.pop().filter(|chunk| chunk.t_last >= range.from.0) else {
            return Ok(None);
        };
        if chunk.t_last <= range.to.0
            && let Some(zone) = self.zone(&chunk)?
        {
            return Ok(Some((chunk.t_last, zone.last.to_bits())));
        }
        let id = self.series_id(ix)?;
        let (times, wanted) = self.times(id, &chunk, range)?;
        let Some(last) = wanted.last() else {
            return Ok(None);
        };
        let (mut ts, mut vals) = (Vec::with_capacity(1), Vec::with_capacity(1));
        self.decode(
            &mut ReadBuf::default(),
            id,
            &[chunk],
            last..last + 1,
            &mut vals,
        )?;
        times.append(last..last + 1, &mut ts);
        Ok(ts.pop().zip(vals.pop().map(f64::to_bits)))
    }

    /// Reads the first of `chunks`; the others are those that will be wanted after it.
    fn read_first(
        &self,
        buf: &mut ReadBuf,
        id: u64,
        chunks: &[ChunkMeta],
        range: TimeRange,
        out: &mut Out<'_>,
    ) -> Result<(), SegmentError> {
        let Some(chunk) = chunks.first() else {
            return Ok(());
        };
        let (times, wanted) = self.times(id, chunk, range)?;
        if wanted.is_empty() {
            return Ok(());
        }
        if out.ts.len().saturating_add(wanted.len()) > out.room {
            // What the chunks after this one add is not known any closer without their times.
            let later: usize = chunks[1..].iter().map(|chunk| chunk.n as usize).sum();
            return Err(SegmentError::NoRoom {
                needed: out.ts.len() + wanted.len() + later,
            });
        }
        self.decode(buf, id, chunks, wanted.clone(), out.vals)?;
        times.append(wanted, out.ts);
        Ok(())
    }

    /// Appends the values at `wanted` of the first of `chunks`; the others are read along.
    fn decode(
        &self,
        buf: &mut ReadBuf,
        id: u64,
        chunks: &[ChunkMeta],
        wanted: Range<usize>,
        vals: &mut Vec<f64>,
    ) -> Result<(), SegmentError> {
        let Some(chunk) = chunks.first() else {
            return Ok(());
        };
        if buf.get(chunk.offset, chunk.len).is_none() {
            self.fill(buf, chunks)?;
        }
        let corrupt = || self.corrupt_at(chunk.offset, "chunk", id);
        let payload = buf.get(chunk.offset, chunk.len).ok_or_else(corrupt)?;
        if self.check_payloads && crc32c::crc32c(payload) != chunk.crc {
            return Err(corrupt());
        }
        values::decode_range(payload, chunk.n as usize, wanted, vals).map_err(|_| corrupt())
    }

    fn corrupt_at(&self, offset: u64, what: &'static str, id: u64) -> SegmentError {
        SegmentError::Corrupt {
            path: self.path.clone(),
            offset,
            what,
            series: Some(id),
        }
    }

    /// Reads the first of `chunks` and as many neighbours as one read is worth.
    fn fill(&self, buf: &mut ReadBuf, chunks: &[ChunkMeta]) -> Result<(), SegmentError> {
        let Some(first) = chunks.first() else {
            return Ok(());
        };
        let end_of = |chunk: &ChunkMeta| chunk.offset + u64::from(chunk.len);
        let mut end = end_of(first);
        for chunk in &chunks[1..] {
            let near = chunk.offset >= end && chunk.offset - end <= GAP_BYTES_MAX;
            if !near || end_of(chunk) - first.offset > READ_BYTES_MAX {
                break;
            }
            end = end_of(chunk);
        }
        if buf.ahead {
            end = end.max(self.data.end.min(first.offset + AHEAD_BYTES));
        }
        // `chunk` checked that each lies within the data, so this is at most the file.
        buf.bytes.clear();
        buf.bytes.resize((end - first.offset) as usize, 0);
        buf.start = first.offset;
        let read = self.file.read_exact_at(&mut buf.bytes, first.offset);
        if read.is_err() {
            buf.bytes.clear();
        }
        read.map_err(SegmentError::io("read", &self.path))
    }

    /// The times of a chunk, and the indices of those in `range`.
    fn times(
        &self,
        id: u64,
        chunk: &ChunkMeta,
        range: TimeRange,
    ) -> Result<(Times, Range<usize>), SegmentError> {
        let row = self
            .columns
            .row(chunk.column)
            .map_err(|_| self.corrupt(Kind::Columns, Some(id)))?;
        if let Some(step) = row.step() {
            let wanted = row.line_range(step, range.from.0, range.to.0);
            return Ok((
                Times::Line {
                    first: row.first,
                    step,
                },
                wanted,
            ));
        }
        let times = self.columns.unpacked.get(chunk.column as usize, || {
            let corrupt = || self.corrupt_at(row.offset, "timestamp column", id);
            let mut payload = vec![0; row.len as usize];
            let read = self.file.read_exact_at(&mut payload, row.offset);
            read.map_err(SegmentError::io("read", &self.path))?;
            if self.check_payloads && crc32c::crc32c(&payload) != row.crc {
                return Err(corrupt());
            }
            let mut times = Vec::new();
            timestamps::decode(&payload, row.n as usize, &mut times).map_err(|_| corrupt())?;
            let ends = (times.first().copied(), times.last().copied());
            let sound = times.windows(2).all(|pair| pair[0] < pair[1]);
            if sound && ends == (Some(row.first), Some(row.last)) {
                Ok(times)
            } else {
                Err(corrupt())
            }
        })?;
        let start = times.partition_point(|&t| t < range.from.0);
        let end = times.partition_point(|&t| t <= range.to.0).max(start);
        Ok((Times::Column(times), start..end))
    }
}
