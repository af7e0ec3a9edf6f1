//! The outer layout of a segment file: header and table of contents.
//!
//! ```text
//! header = magic: u64 | major: u16 | minor: u16 | flags: u32 | store_id: u128 | seg_id: u64
//!        | level: u32 | crc32c of the header with this field 0: u32 | min_ts: i64 | max_ts: i64
//! toc    = series: u64 | samples: u64 | chunks: u64
//!        | for each section: kind: u32, crc32c: u32, offset: u64, len: u64
//! tail   = toc_len: u32 | toc_crc32c: u32 | file_len: u64 | magic: u64
//! ```
//!
//! A reader starts at the tail. An unknown major version is refused; sections of unknown kind are
//! skipped, so a minor version may add some. Level 0 is a flush of the head. Flags are 0 so far. An empty
//! segment has `min_ts > max_ts`. The checksum of CHUNKS is 0: each chunk has its own.

use super::SegmentError;
use crate::codec::Corrupt;
use crate::codec::varint::Input;
use bellwether_disk::DiskFile;
use std::path::Path;

/// The format this program writes, and the highest it reads.
pub const VERSION_MAJOR: u16 = 1;
/// 1: zones say whether sums are exact.
const VERSION_MINOR: u16 = 1;

const MAGIC: u64 = u64::from_le_bytes(*b"BWSEG\0\x01\n");
pub(super) const HEADER_LEN: u64 = 64;
const TAIL_LEN: u64 = 24;
const CRC_AT: usize = 44;
/// Totals, and room for far more sections than any version will have.
const TOC_LEN_MAX: u64 = 24 + 24 * 256;

/// Which segment this is. Chosen by the caller, stored in the header, not interpreted here.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SegmentMeta {
    /// The store it belongs to.
    pub store_id: u128,
    /// Its number in that store.
    pub seg_id: u64,
    /// 0: flushed from the head; above: merged from lower levels.
    pub level: u8,
}

/// What a section holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Chunks = 1,
    Symbols = 2,
    Pairs = 3,
    Series = 4,
    Columns = 5,
    ChunkDir = 6,
    Zones = 7,
}

impl Kind {
    pub(super) fn name(self) -> &'static str {
        match self {
            Kind::Chunks => "CHUNKS",
            Kind::Symbols => "SYMS",
            Kind::Pairs => "PAIRS",
            Kind::Series => "SERIES",
            Kind::Columns => "COLS",
            Kind::ChunkDir => "CHUNKDIR",
            Kind::Zones => "ZONE",
        }
    }
}

/// Where a section lies.
#[derive(Debug, Clone, Copy)]
pub(super) struct Section {
    pub(super) kind: u32,
    pub(super) crc: u32,
    pub(super) offset: u64,
    pub(super) len: u64,
}

/// The header's and the table's contents.
#[derive(Debug, Clone)]
pub(super) struct Layout {
    pub(super) meta: SegmentMeta,
    pub(super) min_ts: i64,
    pub(super) max_ts: i64,
    pub(super) series: u64,
    pub(super) samples: u64,
    pub(super) chunks: u64,
    pub(super) file_len: u64,
    pub(super) sections: Vec<Section>,
}

impl Layout {
    pub(super) fn section(&self, kind: Kind) -> Option<Section> {
        self.sections
            .iter()
            .copied()
            .find(|section| section.kind == kind as u32)
    }

    pub(super) fn header(&self) -> [u8; HEADER_LEN as usize] {
        let mut out = Vec::with_capacity(HEADER_LEN as usize);
        out.extend_from_slice(&MAGIC.to_le_bytes());
        out.extend_from_slice(&VERSION_MAJOR.to_le_bytes());
        out.extend_from_slice(&VERSION_MINOR.to_le_bytes());
        out.extend_from_slice(&0_u32.to_le_bytes());
        out.extend_from_slice(&self.meta.store_id.to_le_bytes());
        out.extend_from_slice(&self.meta.seg_id.to_le_bytes());
        out.extend_from_slice(&u32::from(self.meta.level).to_le_bytes());
        out.extend_from_slice(&0_u32.to_le_bytes());
        out.extend_from_slice(&self.min_ts.to_le_bytes());
        out.extend_from_slice(&self.max_ts.to_le_bytes());
        let mut header = [0; HEADER_LEN as usize];
        header.copy_from_slice(&out);
        fix_header_crc(&mut header);
        header
    }

    /// The table of contents and the tail; `self.file_len` is not used, the tail's is `at` plus this.
    pub(super) fn toc_and_tail(&self, at: u64) -> Vec<u8> {
        let mut out = Vec::new();
        for total in [self.series, self.samples, self.chunks] {
            out.extend_from_slice(&total.to_le_bytes());
        }
        for section in &self.sections {
            out.extend_from_slice(&section.kind.to_le_bytes());
            out.extend_from_slice(&section.crc.to_le_bytes());
            out.extend_from_slice(&section.offset.to_le_bytes());
            out.extend_from_slice(&section.len.to_le_bytes());
        }
        let (len, crc) = (out.len() as u32, crc32c::crc32c(&out));
        out.extend_from_slice(&len.to_le_bytes());
        out.extend_from_slice(&crc.to_le_bytes());
        out.extend_from_slice(&(at + u64::from(len) + TAIL_LEN).to_le_bytes());
        out.extend_from_slice(&MAGIC.to_le_bytes());
        out
    }

    /// Reads header, tail and table, and checks that every section lies within the file.
    pub(super) fn read(file: &dyn DiskFile, path: &Path) -> Result<Layout, SegmentError> {
        let corrupt = |offset, what| SegmentError::Corrupt {
            path: path.to_owned(),
            offset,
            what,
            series: None,
        };
        let read = |offset: u64, len: u64| -> Result<Vec<u8>, SegmentError> {
            let mut bytes = vec![0; len as usize];
            file.read_exact_at(&mut bytes, offset)
                .map_err(SegmentError::io("read", path))?;
            Ok(bytes)
        };
        let file_len = file
            .len()
            .map_err(SegmentError::io("read the length of", path))?;
        if file_len < 8 || read(0, 8)? != MAGIC.to_le_bytes() {
            return Err(SegmentError::NotASegment {
                path: path.to_owned(),
            });
        }
        if file_len < HEADER_LEN + TAIL_LEN {
            return Err(corrupt(0, "header"));
        }
        let header = read(0, HEADER_LEN)?;
        let mut layout = parse_header(&header).map_err(|error| match error {
            HeaderError::Crc => corrupt(0, "header"),
            HeaderError::Version(found) => SegmentError::Version {
                path: path.to_owned(),
                found,
                known: VERSION_MAJOR,
            },
        })?;
        let tail_at = file_len - TAIL_LEN;
        let tail = read(tail_at, TAIL_LEN)?;
        let (toc_len, toc_crc, written_len) =
            parse_tail(&tail).map_err(|_| corrupt(tail_at, "end of file"))?;
        if written_len != file_len || u64::from(toc_len) > TOC_LEN_MAX.min(tail_at - HEADER_LEN) {
            return Err(corrupt(tail_at, "end of file"));
        }
        let toc_at = tail_at - u64::from(toc_len);
        let toc = read(toc_at, u64::from(toc_len))?;
        if crc32c::crc32c(&toc) != toc_crc {
            return Err(corrupt(toc_at, "table of contents"));
        }
        layout.file_len = file_len;
        layout
            .parse_toc(&toc)
            .map_err(|_| corrupt(toc_at, "table of contents"))?;
        let inside = |section: &Section| {
            section.offset >= HEADER_LEN
                && section
                    .offset
                    .checked_add(section.len)
                    .is_some_and(|end| end <= toc_at)
        };
        if layout.sections.iter().all(inside) {
            Ok(layout)
        } else {
            Err(corrupt(toc_at, "table of contents"))
        }
    }

    fn parse_toc(&mut self, toc: &[u8]) -> Result<(), Corrupt> {
        let mut input = Input::new(toc);
        self.series = input.u64()?;
        self.samples = input.u64()?;
        self.chunks = input.u64()?;
        while input.remaining() > 0 {
            let kind_and_crc = input.u64()?;
            self.sections.push(Section {
                kind: kind_and_crc as u32,
                crc: (kind_and_crc >> 32) as u32,
                offset: input.u64()?,
                len: input.u64()?,
            });
        }
        Ok(())
    }
}

enum HeaderError {
    Crc,
    Version(u16),
}

impl From<Corrupt> for HeaderError {
    fn from(_: Corrupt) -> HeaderError {
        HeaderError::Crc
    }
}

fn parse_header(header: &[u8]) -> Result<Layout, HeaderError> {
    let mut input = Input::new(header);
    input.u64()?; // The magic number, checked before.
    let versions = input.u64()?;
    // The version first: another one may keep its checksum elsewhere.
    let major = versions as u16;
    if major != VERSION_MAJOR {
        return Err(HeaderError::Version(major));
    }
    let mut fixed = [0; HEADER_LEN as usize];
    fixed.copy_from_slice(header);
    fix_header_crc(&mut fixed);
    if fixed != header {
        return Err(HeaderError::Crc);
    }
    let store_id = u128::from(input.u64()?) | u128::from(input.u64()?) << 64;
    let seg_id = input.u64()?;
    let level = input.u64()? as u8;
    Ok(Layout {
        meta: SegmentMeta {
            store_id,
            seg_id,
            level,
        },
        min_ts: input.u64()? as i64,
        max_ts: input.u64()? as i64,
        series: 0,
        samples: 0,
        chunks: 0,
        file_len: 0,
        sections: Vec::new(),
    })
}

fn parse_tail(tail: &[u8]) -> Result<(u32, u32, u64), Corrupt> {
    let mut input = Input::new(tail);
    let len_and_crc = input.u64()?;
    let file_len = input.u64()?;
    if input.u64()? != MAGIC {
        return Err(input.corrupt());
    }
    Ok((len_and_crc as u32, (len_and_crc >> 32) as u32, file_len))
}

pub(super) fn fix_header_crc(header: &mut [u8; HEADER_LEN as usize]) {
    header[CRC_AT..CRC_AT + 4].fill(0);
    let crc = crc32c::crc32c(&*header);
    header[CRC_AT..CRC_AT + 4].copy_from_slice(&crc.to_le_bytes());
}
