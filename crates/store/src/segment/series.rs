//! SERIES: for each series its global id, its number of chunks and its label pairs; ids ascend.
//!
//! ```text
//! group of 128 = first chunk: varint | columns: id, number of chunks | labels of each
//! labels = number << 1 | like: varint | changed: varint, if like | pairs
//! ```
//!
//! A pair is a number in PAIRS, by name ascending, as the difference to the pair at the same place of the
//! series before (a place it did not have: 0), signed varint. "Like" means as many labels as the series before,
//! and then only the places set in `changed` follow: neighbours mostly differ in one or two labels.

use super::SegmentError;
use super::groups::{GROUP_ROWS, Groups, GroupsWriter, Recent, column, column_of, put_column};
use crate::codec::Corrupt;
use crate::codec::varint::{Input, put_signed, put_unsigned};
use std::ops::Range;
use std::sync::Arc;

/// Places that `changed` can name; series with more labels are written in full.
const LIKE_LABELS_MAX: usize = 64;
/// Far more labels than ingest accepts.
const LABELS_MAX: usize = 1 << 16;

/// A series to be written.
#[derive(Debug)]
pub(super) struct SeriesRow<'a> {
    pub(super) id: u64,
    pub(super) chunks: u32,
    pub(super) pairs: &'a [u32],
}

/// Packs the rows, ids ascending.
pub(super) fn write(rows: &[SeriesRow<'_>]) -> Result<Vec<u8>, SegmentError> {
    let mut groups = GroupsWriter::default();
    let mut first_chunk = 0_u64;
    for group in rows.chunks(GROUP_ROWS) {
        groups.push(group.len(), |out| {
            put_unsigned(out, first_chunk);
            put_column(out, group.iter().map(|row| row.id as i64));
            put_column(out, group.iter().map(|row| i64::from(row.chunks)));
            let mut last: &[u32] = &[];
            for row in group {
                write_labels(row.pairs, last, out);
                last = row.pairs;
            }
        });
        first_chunk += group.iter().map(|row| u64::from(row.chunks)).sum::<u64>();
    }
    groups.finish("series")
}

fn write_labels(pairs: &[u32], last: &[u32], out: &mut Vec<u8>) {
    let like = pairs.len() == last.len() && pairs.len() <= LIKE_LABELS_MAX;
    put_unsigned(out, (pairs.len() as u64) << 1 | u64::from(like));
    let before = |place: usize| last.get(place).copied().unwrap_or(0);
    let changed = |place: usize| !like || pairs[place] != before(place);
    if like {
        let places = (0..pairs.len()).filter(|&place| changed(place));
        put_unsigned(out, places.fold(0, |all, place| all | 1 << place));
    }
    for place in (0..pairs.len()).filter(|&place| changed(place)) {
        put_signed(out, i64::from(pairs[place]) - i64::from(before(place)));
    }
}

/// Where the series of a group are to be found: all that reading samples needs to know of them.
#[derive(Debug)]
pub(super) struct Places {
    ids: Vec<u64>,
    /// One more than there are series: each one's chunks end where the next one's start.
    chunks: Vec<u32>,
}

impl Places {
    pub(super) fn id(&self, at: usize) -> Option<u64> {
        self.ids.get(at).copied()
    }

    pub(super) fn chunks(&self, at: usize) -> Option<Range<u32>> {
        Some(*self.chunks.get(at)?..*self.chunks.get(at + 1)?)
    }
}

/// The labels of the series of a group. Apart, because they take ten times as long to unpack.
#[derive(Debug)]
pub(super) struct LabelRows {
    pairs: Vec<u32>,
    /// One more than there are series: each one's pairs end where the next one's start.
    starts: Vec<usize>,
}

impl LabelRows {
    pub(super) fn pairs(&self, at: usize) -> Option<&[u32]> {
        self.pairs
            .get(*self.starts.get(at)?..*self.starts.get(at + 1)?)
    }
}

/// Groups whose places are kept unpacked; a kilobyte and a half each.
const RECENT_PLACES: usize = 16;

/// The section, packed.
#[derive(Debug)]
pub(super) struct Series {
    groups: Groups,
    recent_places: Recent<Places, RECENT_PLACES>,
    recent_labels: Recent<LabelRows, 2>,
    chunks: usize,
    pairs: usize,
}

impl Series {
    /// `chunks` and `pairs`: how many of them the segment has.
    pub(super) fn open(bytes: Vec<u8>, chunks: usize, pairs: usize) -> Result<Series, Corrupt> {
        Ok(Series {
            groups: Groups::open(bytes, GROUP_ROWS)?,
            recent_places: Recent::default(),
            recent_labels: Recent::default(),
            chunks,
            pairs,
        })
    }

    pub(super) fn len(&self) -> usize {
        self.groups.rows()
    }

    pub(super) fn memory(&self) -> usize {
        self.groups.memory()
    }

    /// The places of the group of series `ix`, and which of them is its own.
    pub(super) fn places(&self, ix: u32) -> Result<(Arc<Places>, usize), Corrupt> {
        let (number, at) = self.number(ix)?;
        let unpack = || {
            let (mut input, rows) = self.groups.group(number);
            self.read_places(&mut input, rows)
        };
        Ok((self.recent_places.get(number, unpack)?, at))
    }

    /// The labels of the group of series `ix`, and which of them are its own.
    pub(super) fn labels(&self, ix: u32) -> Result<(Arc<LabelRows>, usize), Corrupt> {
        let (number, at) = self.number(ix)?;
        let unpack = || {
            let (mut input, rows) = self.groups.group(number);
            self.read_places(&mut input, rows)?;
            let labels = self.read_label_rows(&mut input, rows)?;
            input.finish()?;
            Ok(labels)
        };
        Ok((self.recent_labels.get(number, unpack)?, at))
    }

    fn number(&self, ix: u32) -> Result<(usize, usize), Corrupt> {
        let ix = ix as usize;
        if ix >= self.len() {
            return Err(Corrupt { offset: 0 });
        }
        Ok((ix / GROUP_ROWS, ix % GROUP_ROWS))
    }

    fn read_places(&self, input: &mut Input<'_>, rows: usize) -> Result<Places, Corrupt> {
        let corrupt = input.corrupt();
        let mut chunk = u32::try_from(input.unsigned()?).map_err(|_| corrupt)?;
        let ids: Vec<u64> = column(input, rows)?
            .into_iter()
            .map(|id| id as u64)
            .collect();
        if !ids.windows(2).all(|pair| pair[0] < pair[1]) {
            return Err(corrupt);
        }
        let mut chunks = vec![chunk];
        for count in column_of::<u32>(input, rows)? {
            chunk = chunk
                .checked_add(count)
                .filter(|&end| end as usize <= self.chunks)
                .ok_or(corrupt)?;
            chunks.push(chunk);
        }
        Ok(Places { ids, chunks })
    }

    fn read_label_rows(&self, input: &mut Input<'_>, rows: usize) -> Result<LabelRows, Corrupt> {
        let mut pairs = Vec::new();
        let mut starts = vec![0];
        let mut last = 0..0;
        for _ in 0..rows {
            let start = pairs.len();
            read_labels(input, &mut pairs, last, self.pairs)?;
            last = start..pairs.len();
            starts.push(pairs.len());
        }
        Ok(LabelRows { pairs, starts })
    }
}

fn read_labels(
    input: &mut Input<'_>,
    pairs: &mut Vec<u32>,
    last: Range<usize>,
    pairs_max: usize,
) -> Result<(), Corrupt> {
    let corrupt = input.corrupt();
    let head = input.count(2 * LABELS_MAX + 1)?;
    let (len, like) = (head >> 1, head & 1 == 1);
    let changed = if like {
        if len != last.len() || len > LIKE_LABELS_MAX {
            return Err(corrupt);
        }
        input.unsigned()?
    } else {
        // Each pair takes a byte: a lying number fails soon.
        if len > input.remaining() {
            return Err(corrupt);
        }
        u64::MAX
    };
    for place in 0..len {
        let before = if place < last.len() {
            pairs[last.start + place]
        } else {
            0
        };
        let pair = if like && changed >> place & 1 == 0 {
            before
        } else {
            let pair = i64::from(before)
                .checked_add(input.signed()?)
                .ok_or(corrupt)?;
            u32::try_from(pair)
                .ok()
                .filter(|&pair| (pair as usize) < pairs_max)
                .ok_or(corrupt)?
        };
        pairs.push(pair);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_come_back() {
        let sets: Vec<Vec<u32>> = (0..500)
            .map(|i: u32| match i % 5 {
                0 => vec![i, 600, 700 + i],
                1 => vec![],
                2 => (i..i + 70).collect(),
                _ => vec![3, 600],
            })
            .collect();
        let id = |i: usize| 10 + 3 * i as u64 + if i > 400 { 1 << 63 } else { 0 };
        let row = |(i, pairs)| SeriesRow {
            id: id(i),
            chunks: i as u32 % 3,
            pairs,
        };
        let rows: Vec<SeriesRow<'_>> = sets
            .iter()
            .map(Vec::as_slice)
            .enumerate()
            .map(row)
            .collect();
        let chunks = rows.iter().map(|row| row.chunks).sum::<u32>() as usize;
        let series = Series::open(write(&rows).unwrap(), chunks, 1500).unwrap();
        let mut next = 0;
        for (i, row) in rows.iter().enumerate() {
            let (places, at) = series.places(i as u32).unwrap();
            assert_eq!(places.id(at), Some(row.id));
            assert_eq!(places.chunks(at), Some(next..next + row.chunks));
            next += row.chunks;
            let (labels, at) = series.labels(i as u32).unwrap();
            assert_eq!(labels.pairs(at), Some(row.pairs));
        }
        assert!(series.places(500).is_err() && series.labels(500).is_err());
    }
}
