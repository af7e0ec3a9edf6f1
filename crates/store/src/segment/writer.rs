//! Writes a segment, series by series, holding only directories in memory.
//!
//! Chunks go to the file as they come. What stays until the end: each label text once, four bytes for
//! each label of each series twice (series and postings), the packed directories.

use super::chunks::{ChunkDirWriter, ChunkRow};
use super::columns::ColumnsWriter;
use super::layout::{HEADER_LEN, Kind, Layout, Section};
use super::pairs::{self, PairLists};
use super::series::{self, SeriesRow};
use super::symbols;
use super::zone::Zone;
use super::{CHUNK_SAMPLES_TARGET, SegmentError, SegmentMeta};
use crate::codec::values;
use bellwether_disk::{Disk, DiskFile, OpenMode};
use bellwether_model::{HashMap, Labels};
use std::collections::BTreeSet;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Chunk bytes collected before they are written.
const WRITE_BYTES: usize = 1 << 20;

/// What was written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SegmentSummary {
    /// The file's length.
    pub bytes: u64,
    /// Number of series.
    pub series: u64,
    /// Number of samples.
    pub samples: u64,
    /// Number of chunks.
    pub chunks: u64,
    /// The earliest sample's time; `i64::MAX` when there is none.
    pub min_ts: i64,
    /// The latest sample's time; `i64::MIN` when there is none.
    pub max_ts: i64,
}

/// A segment being written. After an error the file is worthless; the caller removes it.
#[derive(Debug)]
pub struct SegmentWriter {
    file: Output,
    layout: Layout,
    labels: LabelTable,
    series: Vec<Written>,
    /// Pairs of all series, by number in `labels`, behind each other.
    pairs: Vec<u32>,
    columns: ColumnsWriter,
    chunks: ChunkDirWriter,
    hint: values::Hint,
}

#[derive(Debug)]
struct Written {
    id: u64,
    chunks: u32,
    pairs: Range<usize>,
}

impl SegmentWriter {
    /// Creates the file `path`, which must not exist: usually a temporary name, which the caller renames
    /// once [`SegmentWriter::finish`] has synced the bytes.
    pub fn create(
        disk: &dyn Disk,
        path: &Path,
        meta: SegmentMeta,
    ) -> Result<SegmentWriter, SegmentError> {
        let file = disk
            .open(path, OpenMode::CreateNew)
            .map_err(SegmentError::io("create", path))?;
        // The header comes last, when it is known; until then its place holds zeros.
        let file = Output {
            file,
            path: path.to_owned(),
            pending: vec![0; HEADER_LEN as usize],
            written: 0,
        };
        let layout = Layout {
            meta,
            min_ts: i64::MAX,
            max_ts: i64::MIN,
            series: 0,
            samples: 0,
            chunks: 0,
            file_len: 0,
            sections: Vec::new(),
        };
        Ok(SegmentWriter {
            file,
            layout,
            labels: LabelTable::default(),
            series: Vec::new(),
            pairs: Vec::new(),
            columns: ColumnsWriter::default(),
            chunks: ChunkDirWriter::default(),
            hint: values::Hint::default(),
        })
    }

    /// Adds a series with all its samples. Ids ascend from call to call, times within the call; both
    /// slices have the same length.
    pub fn add_series(
        &mut self,
        id: u64,
        labels: &Labels,
        ts: &[i64],
        vals: &[f64],
    ) -> Result<(), SegmentError> {
        assert_eq!(ts.len(), vals.len(), "one time for each value");
        self.check_order(id, ts)?;
        let number = u32::try_from(self.series.len())
            .ok()
            .filter(|&ix| ix < u32::MAX);
        let number = number.ok_or(SegmentError::TooLarge { what: "series" })?;
        let first_pair = self.pairs.len();
        for (name, value) in labels {
            self.pairs.push(self.labels.add(name, value, number)?);
        }
        // Even parts, so that series with the same times are cut alike and share their columns.
        let part = ts
            .len()
            .div_ceil(ts.len().div_ceil(CHUNK_SAMPLES_TARGET).max(1))
            .max(1);
        let mut chunks = 0;
        self.hint = values::Hint::default();
        for (ts, vals) in ts.chunks(part).zip(vals.chunks(part)) {
            self.add_chunk(ts, vals)?;
            chunks += 1;
        }
        self.series.push(Written {
            id,
            chunks,
            pairs: first_pair..self.pairs.len(),
        });
        if let (Some(&first), Some(&last)) = (ts.first(), ts.last()) {
            self.layout.min_ts = self.layout.min_ts.min(first);
            self.layout.max_ts = self.layout.max_ts.max(last);
            self.layout.samples += ts.len() as u64;
        }
        Ok(())
    }

    fn check_order(&self, id: u64, ts: &[i64]) -> Result<(), SegmentError> {
        if let Some(last) = self.series.last()
            && last.id >= id
        {
            return Err(SegmentError::NotAscending {
                what: "series",
                last: last.id.into(),
                got: id.into(),
            });
        }
        match ts.windows(2).find(|pair| pair[0] >= pair[1]) {
            Some(pair) => Err(SegmentError::NotAscending {
                what: "time",
                last: pair[0].into(),
                got: pair[1].into(),
            }),
            None => Ok(()),
        }
    }

    fn add_chunk(&mut self, ts: &[i64], vals: &[f64]) -> Result<(), SegmentError> {
        let column = self.columns.add(ts, |payload| {
            let offset = self.file.len();
            self.file.append(payload)?;
            Ok(offset)
        })?;
        if u32::try_from(self.chunks.len()).is_err() {
            return Err(SegmentError::TooLarge { what: "chunks" });
        }
        let offset = self.file.len();
        let start = self.file.pending.len();
        values::encode(vals, &mut self.hint, &mut self.file.pending);
        let payload = &self.file.pending[start..];
        let row = ChunkRow {
            offset,
            len: payload.len() as u32,
            column,
            crc: crc32c::crc32c(payload),
        };
        self.chunks.push(row, Zone::of(vals));
        self.file.write_out_if(WRITE_BYTES)
    }

    /// Bytes written so far, without the directories that [`SegmentWriter::finish`] adds.
    pub fn bytes(&self) -> u64 {
        self.file.len()
    }

    /// Writes the directories and syncs the file. Renaming it and syncing the folder is the caller's.
    pub fn finish(mut self) -> Result<SegmentSummary, SegmentError> {
        self.layout.series = self.series.len() as u64;
        self.layout.chunks = self.chunks.len() as u64;
        let chunks_len = self.file.len() - HEADER_LEN;
        self.layout.sections.push(Section {
            kind: Kind::Chunks as u32,
            crc: 0,
            offset: HEADER_LEN,
            len: chunks_len,
        });
        let LabelSections {
            symbols,
            pairs,
            rank,
        } = self.labels.finish(self.series.len())?;
        for pair in &mut self.pairs {
            *pair = rank[*pair as usize];
        }
        let row = |written: &Written| SeriesRow {
            id: written.id,
            chunks: written.chunks,
            pairs: &self.pairs[written.pairs.clone()],
        };
        let rows: Vec<SeriesRow<'_>> = self.series.iter().map(row).collect();
        let series = series::write(&rows)?;
        let columns = self.columns.finish()?;
        let (chunks, zones) = self.chunks.finish()?;
        let sections = [
            (Kind::Symbols, symbols),
            (Kind::Pairs, pairs),
            (Kind::Series, series),
            (Kind::Columns, columns),
            (Kind::ChunkDir, chunks),
            (Kind::Zones, zones),
        ];
        for (kind, bytes) in sections {
            self.layout.sections.push(Section {
                kind: kind as u32,
                crc: crc32c::crc32c(&bytes),
                offset: self.file.len(),
                len: bytes.len() as u64,
            });
            self.file.append(&bytes)?;
        }
        let toc = self.layout.toc_and_tail(self.file.len());
        self.file.append(&toc)?;
        self.file.finish(&self.layout.header())?;
        Ok(SegmentSummary {
            bytes: self.file.len(),
            series: self.layout.series,
            samples: self.layout.samples,
            chunks: self.layout.chunks,
            min_ts: self.layout.min_ts,
            max_ts: self.layout.max_ts,
        })
    }
}

/// The file, appended to in large writes.
#[derive(Debug)]
struct Output {
    file: Arc<dyn DiskFile>,
    path: PathBuf,
    pending: Vec<u8>,
    written: u64,
}

impl Output {
    fn len(&self) -> u64 {
        self.written + self.pending.len() as u64
    }

    fn append(&mut self, bytes: &[u8]) -> Result<(), SegmentError> {
        self.pending.extend_from_slice(bytes);
        self.write_out_if(WRITE_BYTES)
    }

    fn write_out_if(&mut self, at_least: usize) -> Result<(), SegmentError> {
        if self.pending.len() < at_least {
            return Ok(());
        }
        let write = self.file.write_all_at(&self.pending, self.written);
        write.map_err(SegmentError::io("write", &self.path))?;
        self.written += self.pending.len() as u64;
        self.pending.clear();
        Ok(())
    }

    fn finish(&mut self, header: &[u8]) -> Result<(), SegmentError> {
        self.write_out_if(1)?;
        self.file
            .write_all_at(header, 0)
            .map_err(SegmentError::io("write", &self.path))?;
        self.file
            .sync_data()
            .map_err(SegmentError::io("sync", &self.path))
    }
}

/// Label pairs numbered in order of appearance, and the series of each.
#[derive(Debug, Default)]
struct LabelTable {
    names: HashMap<Box<str>, HashMap<Box<str>, u32>>,
    series: Vec<Vec<u32>>,
}

struct LabelSections {
    symbols: Vec<u8>,
    pairs: Vec<u8>,
    /// From number of appearance to number in the file.
    rank: Vec<u32>,
}

impl LabelTable {
    fn add(&mut self, name: &str, value: &str, series: u32) -> Result<u32, SegmentError> {
        if !self.names.contains_key(name) {
            self.names.insert(name.into(), HashMap::default());
        }
        let next = self.series.len();
        let values = self.names.get_mut(name);
        let known = values
            .as_ref()
            .and_then(|values| values.get(value).copied());
        let pair = match (known, values) {
            (None, Some(values)) => {
                let pair = u32::try_from(next).map_err(|_| SegmentError::TooLarge {
                    what: "label pairs",
                })?;
                values.insert(value.into(), pair);
                self.series.push(Vec::new());
                pair
            }
            (known, _) => known.unwrap_or_default(),
        };
        self.series[pair as usize].push(series);
        Ok(pair)
    }

    fn finish(&self, all: usize) -> Result<LabelSections, SegmentError> {
        let mut texts = BTreeSet::new();
        for (name, values) in &self.names {
            texts.insert(&**name);
            texts.extend(values.keys().map(|value| &**value));
        }
        let texts: Vec<&str> = texts.into_iter().collect();
        if u32::try_from(texts.len()).is_err() {
            return Err(SegmentError::TooLarge { what: "symbols" });
        }
        let numbers: HashMap<&str, u32> = texts
            .iter()
            .enumerate()
            .map(|(i, text)| (*text, i as u32))
            .collect();
        // By name and value, since symbols are numbered in the order of their texts.
        let mut sorted = Vec::with_capacity(self.series.len());
        for (name, values) in &self.names {
            for (value, &pair) in values {
                sorted.push((numbers[&**name], numbers[&**value], pair));
            }
        }
        sorted.sort_unstable();
        let mut rank = vec![0; sorted.len()];
        for (i, &(_, _, pair)) in sorted.iter().enumerate() {
            rank[pair as usize] = i as u32;
        }
        let list = |&(name, value, pair): &(u32, u32, u32)| PairLists {
            name,
            value,
            series: &self.series[pair as usize],
        };
        let lists: Vec<PairLists<'_>> = sorted.iter().map(list).collect();
        Ok(LabelSections {
            symbols: symbols::write(&texts)?,
            pairs: pairs::write(&lists, all)?,
            rank,
        })
    }
}
