//! PAIRS: every label pair of the segment once, sorted by name and value.
//!
//! ```text
//! section = names_len: u32 | names | groups of 128 pairs
//! names = count: varint, then for each name: symbol, less the one before: varint | pairs: varint
//! group = column: value symbol
//! ```
//!
//! A pair's number is its rank; it stands for the pair in SERIES. Symbols ascend as their texts do, so the
//! values of a name are sorted too.
//!
//! Not here: which series have a pair. The index knows that for all segments at once.

use super::SegmentError;
use super::groups::{GROUP_ROWS, Groups, GroupsWriter, column_of, put_column};
use crate::codec::Corrupt;
use crate::codec::varint::{Input, put_unsigned};
use std::ops::Range;

/// A pair to be written, as symbols.
#[derive(Clone, Copy, Debug)]
pub(super) struct Pair {
    pub(super) name: u32,
    pub(super) value: u32,
}

/// Packs `pairs`, sorted by name and value.
pub(super) fn write(pairs: &[Pair]) -> Result<Vec<u8>, SegmentError> {
    let mut names = Vec::new();
    let by_name = || pairs.chunk_by(|a, b| a.name == b.name);
    put_unsigned(&mut names, by_name().count() as u64);
    let mut last = 0;
    for pairs in by_name() {
        put_unsigned(&mut names, u64::from(pairs[0].name - last));
        put_unsigned(&mut names, pairs.len() as u64);
        last = pairs[0].name;
    }
    let mut groups = GroupsWriter::default();
    for group in pairs.chunks(GROUP_ROWS) {
        let values = group.iter().map(|pair| i64::from(pair.value));
        groups.push(group.len(), |out| put_column(out, values));
    }
    let groups = groups.finish("label pairs")?;
    let names_len = u32::try_from(names.len()).map_err(|_| SegmentError::TooLarge {
        what: "label names",
    })?;
    let mut out = names_len.to_le_bytes().to_vec();
    out.extend_from_slice(&names);
    out.extend_from_slice(&groups);
    Ok(out)
}

#[derive(Debug)]
struct Name {
    symbol: u32,
    pairs: Range<u32>,
}

/// The section, unpacked: 4 bytes a pair.
#[derive(Debug)]
pub(super) struct Pairs {
    names: Vec<Name>,
    values: Vec<u32>,
}

impl Pairs {
    /// `symbols`: how many symbols the segment has.
    pub(super) fn open(bytes: &[u8], symbols: usize) -> Result<Pairs, Corrupt> {
        let corrupt = Corrupt { offset: 0 };
        let names_len = u32::from_le_bytes(*bytes.first_chunk::<4>().ok_or(corrupt)?) as usize;
        let names_end = names_len
            .checked_add(4)
            .filter(|&end| end <= bytes.len())
            .ok_or(corrupt)?;
        let groups = Groups::open(bytes[names_end..].to_vec(), GROUP_ROWS)?;
        let names = read_names(&bytes[4..names_end], symbols, groups.rows())?;
        let values = read_values(&groups)?;
        let sorted = names.iter().all(|name| {
            let values = &values[name.pairs.start as usize..name.pairs.end as usize];
            values.windows(2).all(|pair| pair[0] < pair[1])
                && values.last().is_none_or(|&last| (last as usize) < symbols)
        });
        if sorted {
            Ok(Pairs { names, values })
        } else {
            Err(corrupt)
        }
    }

    pub(super) fn len(&self) -> usize {
        self.values.len()
    }

    pub(super) fn memory(&self) -> usize {
        4 * self.values.capacity() + size_of::<Name>() * self.names.capacity()
    }

    /// Symbols of the label names, ascending.
    pub(super) fn names(&self) -> impl Iterator<Item = u32> {
        self.names.iter().map(|name| name.symbol)
    }

    /// The rank of a pair's name among the names, and its value symbol.
    pub(super) fn place(&self, pair: u32) -> Option<(usize, u32)> {
        let value = *self.values.get(pair as usize)?;
        let after = self.names.partition_point(|name| name.pairs.start <= pair);
        Some((after.checked_sub(1)?, value))
    }
}

fn read_values(groups: &Groups) -> Result<Vec<u32>, Corrupt> {
    let mut values = Vec::new();
    for group in 0..groups.len() {
        let (mut input, rows) = groups.group(group);
        values.extend(column_of::<u32>(&mut input, rows)?);
        input.finish()?;
    }
    Ok(values)
}

fn read_names(bytes: &[u8], symbols: usize, pairs: usize) -> Result<Vec<Name>, Corrupt> {
    let mut input = Input::new(bytes);
    let count = input.count(bytes.len())?;
    let mut names: Vec<Name> = Vec::with_capacity(count);
    let (mut symbol, mut start) = (0_usize, 0_usize);
    for _ in 0..count {
        let corrupt = input.corrupt();
        let delta = input.count(symbols)?;
        let len = input.count(pairs)?;
        symbol += delta;
        let end = start + len;
        if symbol >= symbols || end > pairs || len == 0 || (delta == 0 && !names.is_empty()) {
            return Err(corrupt);
        }
        names.push(Name {
            symbol: symbol as u32,
            pairs: start as u32..end as u32,
        });
        start = end;
    }
    input.finish()?;
    if start == pairs {
        Ok(names)
    } else {
        Err(input.corrupt())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pairs_keep_their_places() {
        for count in [0, 1, 3, 127, 128, 129, 1000] {
            let pairs: Vec<Pair> = (0..count)
                .map(|value| Pair {
                    name: value / 3 + 2,
                    value,
                })
                .collect();
            let read = Pairs::open(&write(&pairs).unwrap(), count as usize + 2).unwrap();
            assert_eq!(read.len(), count as usize);
            for i in 0..count {
                assert_eq!(read.place(i), Some((i as usize / 3, i)));
            }
            assert_eq!(read.place(count), None);
            let names: Vec<u32> = read.names().collect();
            assert_eq!(names, (2..2 + count.div_ceil(3)).collect::<Vec<_>>());
        }
    }

    #[test]
    fn symbols_that_do_not_exist_or_do_not_ascend_are_refused() {
        let pair = |name, value| Pair { name, value };
        let open = |pairs: &[Pair]| Pairs::open(&write(pairs).unwrap(), 5).map(|read| read.len());
        assert_eq!(open(&[pair(0, 1), pair(0, 4), pair(4, 0)]), Ok(3));
        assert!(open(&[pair(0, 5)]).is_err());
        assert!(open(&[pair(5, 0)]).is_err());
        assert!(open(&[pair(0, 2), pair(0, 2)]).is_err());
    }
}
