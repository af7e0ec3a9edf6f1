//! CHUNKDIR and ZONE: one row for each chunk, in file order, which is that of series and time.
//!
//! ```text
//! CHUNKDIR group of 128 = offset of the first chunk: varint
//!                       | columns: gap before, length, timestamp column, crc32c of the payload
//! ZONE group of 128 = column: 1 for a chunk with a zone, else 0
//!                   | of those that have one: columns: flags, resets
//!                   | min, max, sum, first, last, reset_sum: size: varint, value chunk (codec) each
//! flags = bit 0: a NaN | bit 1: a staleness marker | bit 2: sums are exact
//! ```
//!
//! A gap is what lies between a chunk and the one before: a timestamp column that came up there. Number
//! of samples and times are those of the timestamp column. Zones are apart since reading samples does
//! not need them.

use super::SegmentError;
use super::groups::{GROUP_ROWS, Groups, GroupsWriter, Recent, column, column_of, put_column};
use super::zone::Zone;
use crate::codec::varint::{Input, put_unsigned};
use crate::codec::{Corrupt, values};
use std::sync::Arc;

/// One chunk, as the directory knows it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ChunkMeta {
    /// Its number in the segment.
    pub ix: u32,
    /// The first sample's time.
    pub t_first: i64,
    /// The last sample's time.
    pub t_last: i64,
    /// Number of samples.
    pub n: u32,
    /// Where the payload lies in the file.
    pub offset: u64,
    /// The payload's length.
    pub len: u32,
    /// The payload's CRC32C.
    pub crc: u32,
    /// The timestamp column that it shares.
    pub column: u32,
}

/// A row of CHUNKDIR.
#[derive(Debug, Clone, Copy)]
pub(super) struct ChunkRow {
    pub(super) offset: u64,
    pub(super) len: u32,
    pub(super) column: u32,
    pub(super) crc: u32,
}

/// Collects the rows of both sections.
#[derive(Debug, Default)]
pub(super) struct ChunkDirWriter {
    rows: Vec<(ChunkRow, Option<Zone>)>,
    chunks: GroupsWriter,
    zones: GroupsWriter,
}

impl ChunkDirWriter {
    pub(super) fn push(&mut self, row: ChunkRow, zone: Option<Zone>) {
        self.rows.push((row, zone));
        if self.rows.len() == GROUP_ROWS {
            self.flush();
        }
    }

    pub(super) fn len(&self) -> usize {
        self.chunks.rows() + self.rows.len()
    }

    fn flush(&mut self) {
        let Some((first, _)) = self.rows.first() else {
            return;
        };
        let rows = &self.rows;
        self.chunks.push(rows.len(), |out| {
            put_unsigned(out, first.offset);
            let mut end = first.offset;
            put_column(
                out,
                rows.iter().map(|(row, _)| {
                    let gap = row.offset - end;
                    end = row.offset + u64::from(row.len);
                    gap as i64
                }),
            );
            put_column(out, rows.iter().map(|(row, _)| i64::from(row.len)));
            put_column(out, rows.iter().map(|(row, _)| i64::from(row.column)));
            put_column(out, rows.iter().map(|(row, _)| i64::from(row.crc)));
        });
        self.zones.push(rows.len(), |out| write_zones(rows, out));
        self.rows.clear();
    }

    /// CHUNKDIR and ZONE.
    pub(super) fn finish(mut self) -> Result<(Vec<u8>, Vec<u8>), SegmentError> {
        self.flush();
        Ok((self.chunks.finish("chunks")?, self.zones.finish("zones")?))
    }
}

fn write_zones(rows: &[(ChunkRow, Option<Zone>)], out: &mut Vec<u8>) {
    put_column(out, rows.iter().map(|(_, zone)| i64::from(zone.is_some())));
    let zones: Vec<&Zone> = rows.iter().filter_map(|(_, zone)| zone.as_ref()).collect();
    if zones.is_empty() {
        return;
    }
    put_column(out, zones.iter().map(|zone| zone.flags()));
    put_column(out, zones.iter().map(|zone| i64::from(zone.resets)));
    for field in 0..6 {
        let floats: Vec<f64> = zones.iter().map(|zone| zone.floats()[field]).collect();
        let mut packed = Vec::new();
        values::encode(&floats, &mut values::Hint::default(), &mut packed);
        put_unsigned(out, packed.len() as u64);
        out.extend_from_slice(&packed);
    }
}

/// Groups of rows kept unpacked; three kilobytes each.
const RECENT_ROWS: usize = 16;
/// Groups of zones kept unpacked; eight kilobytes each.
const RECENT_ZONES: usize = 8;

/// Both sections, packed.
#[derive(Debug)]
pub(super) struct ChunkDir {
    chunks: Groups,
    zones: Groups,
    recent: Recent<Vec<ChunkRow>, RECENT_ROWS>,
    recent_zones: Recent<Vec<Option<Zone>>, RECENT_ZONES>,
}

impl ChunkDir {
    pub(super) fn open(chunks: Vec<u8>, zones: Vec<u8>) -> Result<ChunkDir, Corrupt> {
        let chunks = Groups::open(chunks, GROUP_ROWS)?;
        let zones = Groups::open(zones, GROUP_ROWS)?;
        if chunks.rows() != zones.rows() {
            return Err(Corrupt { offset: 0 });
        }
        Ok(ChunkDir {
            chunks,
            zones,
            recent: Recent::default(),
            recent_zones: Recent::default(),
        })
    }

    pub(super) fn len(&self) -> usize {
        self.chunks.rows()
    }

    pub(super) fn memory(&self) -> usize {
        self.chunks.memory() + self.zones.memory()
    }

    pub(super) fn row(&self, ix: u32) -> Result<ChunkRow, Corrupt> {
        let (group, at) = (ix as usize / GROUP_ROWS, ix as usize % GROUP_ROWS);
        let rows: Arc<Vec<ChunkRow>> = self.recent.get(group, || {
            let (mut input, rows) = self.chunks.group(group);
            read_chunks(&mut input, rows)
        })?;
        rows.get(at).copied().ok_or(Corrupt { offset: 0 })
    }

    pub(super) fn zone(&self, ix: u32) -> Result<Option<Zone>, Corrupt> {
        let (group, at) = (ix as usize / GROUP_ROWS, ix as usize % GROUP_ROWS);
        let rows: Arc<Vec<Option<Zone>>> = self.recent_zones.get(group, || {
            let (mut input, rows) = self.zones.group(group);
            read_zones(&mut input, rows)
        })?;
        rows.get(at).copied().ok_or(Corrupt { offset: 0 })
    }
}

fn read_chunks(input: &mut Input<'_>, rows: usize) -> Result<Vec<ChunkRow>, Corrupt> {
    let mut end = input.unsigned()?;
    let gaps = column_of::<u64>(input, rows)?;
    let lens = column_of::<u32>(input, rows)?;
    let columns = column_of::<u32>(input, rows)?;
    let crcs = column_of::<u32>(input, rows)?;
    input.finish()?;
    let mut out = Vec::with_capacity(rows);
    for i in 0..rows {
        let corrupt = input.corrupt();
        let offset = end.checked_add(gaps[i]).ok_or(corrupt)?;
        end = offset.checked_add(u64::from(lens[i])).ok_or(corrupt)?;
        out.push(ChunkRow {
            offset,
            len: lens[i],
            column: columns[i],
            crc: crcs[i],
        });
    }
    Ok(out)
}

fn read_zones(input: &mut Input<'_>, rows: usize) -> Result<Vec<Option<Zone>>, Corrupt> {
    let has = column(input, rows)?;
    let count = has.iter().filter(|&&has| has != 0).count();
    if count == 0 {
        input.finish()?;
        return Ok(vec![None; rows]);
    }
    let flags = column(input, count)?;
    let resets = column_of::<u32>(input, count)?;
    let mut floats: [Vec<f64>; 6] = Default::default();
    for field in &mut floats {
        let len = input.count(input.remaining())?;
        values::decode(input.take(len)?, count, field)?;
    }
    input.finish()?;
    let zone =
        |i: usize| Zone::from_columns(std::array::from_fn(|f| floats[f][i]), resets[i], flags[i]);
    let mut next = 0..count;
    Ok(has
        .into_iter()
        .map(|has| {
            if has == 0 {
                None
            } else {
                next.next().map(zone)
            }
        })
        .collect())
}
