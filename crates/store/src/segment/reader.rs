//! An open segment: its directories in memory, packed, verified when it was opened.

use super::chunks::{ChunkDir, ChunkMeta};
use super::columns::Columns;
use super::layout::{Kind, Layout};
use super::pairs::Pairs;
use super::series::Series;
use super::symbols::Symbols;
use super::{SegmentError, SegmentMeta, Zone};
use crate::codec::Corrupt;
use bellwether_disk::{Disk, DiskFile, OpenMode};
use bellwether_model::Labels;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// A segment file, open for reading. Shared between threads; all methods take `&self`.
#[derive(Debug)]
pub struct Segment {
    pub(super) file: Arc<dyn DiskFile>,
    pub(super) path: PathBuf,
    pub(super) layout: Layout,
    /// Where chunks and timestamp columns lie in the file.
    pub(super) data: Range<u64>,
    pub(super) symbols: Symbols,
    pub(super) pairs: Pairs,
    pub(super) series: Series,
    pub(super) columns: Columns,
    pub(super) chunks: ChunkDir,
    /// Texts of the label names, in the order of `pairs`.
    pub(super) names: Vec<String>,
    /// Off only for fuzzing, which damages chunks and cannot mend their checksums.
    pub(super) check_payloads: bool,
}

/// One series of a segment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SeriesEntry {
    /// Its number in the segment, as the other methods take it.
    pub ix: u32,
    /// Its id in the store.
    pub id: u64,
    /// Its labels.
    pub labels: Labels,
}

impl Segment {
    /// Opens the segment at `path`, reading and verifying its header and all directories.
    pub fn open(disk: &dyn Disk, path: &Path) -> Result<Segment, SegmentError> {
        let file = disk
            .open(path, OpenMode::Read)
            .map_err(SegmentError::io("open", path))?;
        Segment::open_file(file, path)
    }

    pub(super) fn open_file(file: Arc<dyn DiskFile>, path: &Path) -> Result<Segment, SegmentError> {
        let layout = Layout::read(&*file, path)?;
        let corrupt = |kind: Kind| {
            let offset = layout.section(kind).map_or(0, |section| section.offset);
            move |_: Corrupt| SegmentError::Corrupt {
                path: path.to_owned(),
                offset,
                what: kind.name(),
                series: None,
            }
        };
        let bad = Corrupt { offset: 0 };
        let read = |kind| read_section(&*file, path, &layout, kind);
        let data = layout
            .section(Kind::Chunks)
            .ok_or(bad)
            .map_err(corrupt(Kind::Chunks))?;
        let totals = || {
            Some((
                u32::try_from(layout.series).ok()?,
                usize::try_from(layout.chunks).ok()?,
            ))
        };
        let (all, chunk_count) = totals().ok_or(bad).map_err(corrupt(Kind::Series))?;
        let symbols = Symbols::open(read(Kind::Symbols)?).map_err(corrupt(Kind::Symbols))?;
        let pairs =
            Pairs::open(read(Kind::Pairs)?, symbols.len(), all).map_err(corrupt(Kind::Pairs))?;
        let series = Series::open(read(Kind::Series)?, chunk_count, pairs.len())
            .map_err(corrupt(Kind::Series))?;
        let columns = Columns::open(read(Kind::Columns)?).map_err(corrupt(Kind::Columns))?;
        let chunks = ChunkDir::open(read(Kind::ChunkDir)?, read(Kind::Zones)?)
            .map_err(corrupt(Kind::ChunkDir))?;
        if series.len() != all as usize || chunks.len() != chunk_count {
            return Err(corrupt(Kind::Series)(bad));
        }
        let names = pairs
            .names()
            .map(|symbol| symbols.get(symbol))
            .collect::<Result<_, _>>();
        let names = names.map_err(corrupt(Kind::Symbols))?;
        Ok(Segment {
            data: data.offset..data.offset + data.len,
            path: path.to_owned(),
            check_payloads: true,
            file,
            layout,
            symbols,
            pairs,
            series,
            columns,
            chunks,
            names,
        })
    }

    /// Which segment this is.
    pub fn meta(&self) -> SegmentMeta {
        self.layout.meta
    }

    /// The file's path when it was opened.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The earliest sample's time; `i64::MAX` when there is none.
    pub fn min_ts(&self) -> i64 {
        self.layout.min_ts
    }

    /// The latest sample's time; `i64::MIN` when there is none.
    pub fn max_ts(&self) -> i64 {
        self.layout.max_ts
    }

    /// Number of series.
    pub fn series_count(&self) -> u32 {
        self.series.len() as u32
    }

    /// Number of samples.
    pub fn sample_count(&self) -> u64 {
        self.layout.samples
    }

    /// Number of chunks.
    pub fn chunk_count(&self) -> u32 {
        self.chunks.len() as u32
    }

    /// The file's length in bytes.
    pub fn file_bytes(&self) -> u64 {
        self.layout.file_len
    }

    /// Bytes of memory held for as long as the segment is open. Beyond that at most half a megabyte of
    /// unpacked groups and timestamp columns is kept for the next reader.
    pub fn memory_bytes(&self) -> usize {
        self.symbols.memory()
            + self.pairs.memory()
            + self.series.memory()
            + self.columns.memory()
            + self.chunks.memory()
    }

    pub(super) fn corrupt(&self, kind: Kind, series: Option<u64>) -> SegmentError {
        let offset = self
            .layout
            .section(kind)
            .map_or(0, |section| section.offset);
        SegmentError::Corrupt {
            path: self.path.clone(),
            offset,
            what: kind.name(),
            series,
        }
    }

    /// Every series with id and labels, ids ascending: all that a catalogue needs to know again.
    pub fn series(&self) -> impl Iterator<Item = Result<SeriesEntry, SegmentError>> {
        (0..self.series_count()).map(|ix| {
            Ok(SeriesEntry {
                ix,
                id: self.series_id(ix)?,
                labels: self.labels(ix)?,
            })
        })
    }

    /// The id of series `ix`. A number beyond [`Segment::series_count`] is reported as corrupt, here
    /// and below: numbers come from this segment.
    pub fn series_id(&self, ix: u32) -> Result<u64, SegmentError> {
        let found = self
            .series
            .places(ix)
            .ok()
            .and_then(|(places, at)| places.id(at));
        found.ok_or_else(|| self.corrupt(Kind::Series, None))
    }

    /// The labels of series `ix`.
    pub fn labels(&self, ix: u32) -> Result<Labels, SegmentError> {
        self.labels_of(ix)
            .ok_or_else(|| self.corrupt(Kind::Series, self.series_id(ix).ok()))
    }

    fn labels_of(&self, ix: u32) -> Option<Labels> {
        let (rows, at) = self.series.labels(ix).ok()?;
        let place = |&pair: &u32| {
            let (name, value) = self.pairs.place(pair)?;
            Some((
                self.names.get(name)?.as_str(),
                self.symbols.get(value).ok()?,
            ))
        };
        let texts: Vec<(&str, String)> =
            rows.pairs(at)?.iter().map(place).collect::<Option<_>>()?;
        let pairs: Vec<(&str, &str)> = texts
            .iter()
            .map(|(name, value)| (*name, value.as_str()))
            .collect();
        Labels::from_sorted(&pairs)
    }

    /// The chunks of series `ix`, oldest first.
    pub fn chunks(&self, ix: u32) -> Result<Vec<ChunkMeta>, SegmentError> {
        let id = self.series_id(ix)?;
        let found = self
            .series
            .places(ix)
            .ok()
            .and_then(|(places, at)| places.chunks(at));
        let chunks = found.ok_or_else(|| self.corrupt(Kind::Series, Some(id)))?;
        chunks
            .map(|chunk| {
                self.chunk(chunk)
                    .ok_or_else(|| self.corrupt(Kind::ChunkDir, Some(id)))
            })
            .collect()
    }

    fn chunk(&self, ix: u32) -> Option<ChunkMeta> {
        let row = self.chunks.row(ix).ok()?;
        let column = self.columns.row(row.column).ok()?;
        // Both payloads must lie among the data; then nothing below can read or allocate beyond the file.
        let inside = |offset: u64, len: u32| {
            offset >= self.data.start
                && offset
                    .checked_add(len.into())
                    .is_some_and(|end| end <= self.data.end)
        };
        let sound =
            inside(row.offset, row.len) && (column.len == 0 || inside(column.offset, column.len));
        sound.then_some(ChunkMeta {
            ix,
            t_first: column.first,
            t_last: column.last,
            n: column.n,
            offset: row.offset,
            len: row.len,
            crc: row.crc,
            column: row.column,
        })
    }

    /// What a chunk contains; `None` for a short chunk, which is read as quickly.
    pub fn zone(&self, chunk: &ChunkMeta) -> Result<Option<Zone>, SegmentError> {
        self.chunks
            .zone(chunk.ix)
            .map_err(|_| self.corrupt(Kind::Zones, None))
    }

    /// All label names, sorted.
    pub fn label_names(&self) -> &[String] {
        &self.names
    }
}

/// A directory's bytes, checked.
pub(super) fn read_section(
    file: &dyn DiskFile,
    path: &Path,
    layout: &Layout,
    kind: Kind,
) -> Result<Vec<u8>, SegmentError> {
    let corrupt = |offset| SegmentError::Corrupt {
        path: path.to_owned(),
        offset,
        what: kind.name(),
        series: None,
    };
    let section = layout.section(kind).ok_or_else(|| corrupt(0))?;
    // Within the file, as the table of contents was checked to say.
    let mut bytes = vec![0; section.len as usize];
    file.read_exact_at(&mut bytes, section.offset)
        .map_err(SegmentError::io("read", path))?;
    if crc32c::crc32c(&bytes) == section.crc {
        Ok(bytes)
    } else {
        Err(corrupt(section.offset))
    }
}
