//! PAIRS: every label pair of the segment once, sorted by name and value, and which series have it.
//!
//! ```text
//! section = names_len: u32 | names | groups of 128 pairs
//! names = count: varint, then for each name: symbol, less the one before: varint | pairs: varint
//! group = columns: value symbol, number of series, first series, list length | lists
//! list = the series ascending, 4096 at a time, as the codec packs integers
//! ```
//!
//! A pair of one series, or of all, has no list. A pair's number is its rank; it stands for the pair in
//! SERIES. Symbols ascend as their texts do, so the values of a name are sorted too.
//!
//! Lists are not stored as roaring bitmaps because ours come smaller: series ids are dense and written
//! host by host, so most lists are runs or strides, which the codec packs into a few bytes. In
//! memory they are bitmaps.

use super::SegmentError;
use super::groups::{GROUP_ROWS, Groups, GroupsWriter, Recent, column_of, put_column};
use crate::codec::Corrupt;
use crate::codec::ints;
use crate::codec::varint::{Input, put_unsigned};
use roaring::RoaringBitmap;
use std::ops::Range;
use std::sync::Arc;

/// Most series in one sequence of a list.
const LIST_PART: usize = 4096;

/// A pair to be written: symbols, and the series that have it, ascending.
#[derive(Debug)]
pub(super) struct PairLists<'a> {
    pub(super) name: u32,
    pub(super) value: u32,
    pub(super) series: &'a [u32],
}

/// Packs `pairs`, sorted by name and value; `all` is the number of series in the segment.
pub(super) fn write(pairs: &[PairLists<'_>], all: usize) -> Result<Vec<u8>, SegmentError> {
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
        groups.push(group.len(), |out| write_group(group, all, out));
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

fn write_group(group: &[PairLists<'_>], all: usize, out: &mut Vec<u8>) {
    let mut lists = Vec::new();
    let mut lens = Vec::with_capacity(group.len());
    for pair in group {
        let before = lists.len();
        if pair.series.len() > 1 && pair.series.len() < all {
            for part in pair.series.chunks(LIST_PART) {
                put_column(&mut lists, part.iter().map(|&ix| i64::from(ix)));
            }
        }
        lens.push((lists.len() - before) as i64);
    }
    put_column(out, group.iter().map(|pair| i64::from(pair.value)));
    put_column(out, group.iter().map(|pair| pair.series.len() as i64));
    put_column(
        out,
        group
            .iter()
            .map(|pair| pair.series.first().map_or(0, |&ix| i64::from(ix))),
    );
    put_column(out, lens);
    out.extend_from_slice(&lists);
}

#[derive(Debug)]
struct Name {
    symbol: u32,
    pairs: Range<u32>,
}

/// A group's columns; the lists lie behind each other from `lists` on.
#[derive(Debug)]
struct Group {
    counts: Vec<u32>,
    firsts: Vec<u32>,
    /// End of each list, from the start of the body.
    ends: Vec<usize>,
    lists: usize,
}

/// The section: names and values unpacked (4 bytes a pair), lists packed.
#[derive(Debug)]
pub(super) struct Pairs {
    names: Vec<Name>,
    values: Vec<u32>,
    groups: Groups,
    recent: Recent<Group, 2>,
    all: u32,
}

impl Pairs {
    /// `symbols` and `all`: how many symbols and series the segment has.
    pub(super) fn open(bytes: Vec<u8>, symbols: usize, all: u32) -> Result<Pairs, Corrupt> {
        let corrupt = Corrupt { offset: 0 };
        let names_len = u32::from_le_bytes(*bytes.first_chunk::<4>().ok_or(corrupt)?) as usize;
        let names_end = names_len
            .checked_add(4)
            .filter(|&end| end <= bytes.len())
            .ok_or(corrupt)?;
        let groups = Groups::open(bytes[names_end..].to_vec(), GROUP_ROWS)?;
        let names = read_names(&bytes[4..names_end], symbols, groups.rows())?;
        let mut values = Vec::with_capacity(groups.rows());
        for group in 0..groups.len() {
            let (mut input, rows) = groups.group(group);
            values.extend(column_of::<u32>(&mut input, rows)?);
        }
        let sorted = names.iter().all(|name| {
            let values = &values[name.pairs.start as usize..name.pairs.end as usize];
            values.windows(2).all(|pair| pair[0] < pair[1])
                && values.last().is_none_or(|&last| (last as usize) < symbols)
        });
        if !sorted {
            return Err(corrupt);
        }
        Ok(Pairs {
            names,
            values,
            groups,
            recent: Recent::default(),
            all,
        })
    }

    pub(super) fn len(&self) -> usize {
        self.values.len()
    }

    pub(super) fn memory(&self) -> usize {
        self.groups.memory()
            + 4 * self.values.capacity()
            + size_of::<Name>() * self.names.capacity()
    }

    /// Symbols of the label names, ascending.
    pub(super) fn names(&self) -> impl Iterator<Item = u32> {
        self.names.iter().map(|name| name.symbol)
    }

    /// The pairs with this name; empty when there is none.
    pub(super) fn of_name(&self, symbol: u32) -> Range<u32> {
        let found = self.names.binary_search_by_key(&symbol, |name| name.symbol);
        found.map_or(0..0, |at| self.names[at].pairs.clone())
    }

    /// The value symbol of a pair.
    pub(super) fn value(&self, pair: u32) -> Option<u32> {
        self.values.get(pair as usize).copied()
    }

    /// The pair of a name with this value symbol.
    pub(super) fn find(&self, name: u32, value: u32) -> Option<u32> {
        let pairs = self.of_name(name);
        let values = self.values.get(pairs.start as usize..pairs.end as usize)?;
        values
            .binary_search(&value)
            .ok()
            .map(|at| pairs.start + at as u32)
    }

    /// The rank of a pair's name among the names, and its value symbol.
    pub(super) fn place(&self, pair: u32) -> Option<(usize, u32)> {
        let value = self.value(pair)?;
        let after = self.names.partition_point(|name| name.pairs.start <= pair);
        Some((after.checked_sub(1)?, value))
    }

    /// The series that have the pair.
    pub(super) fn series(&self, pair: u32) -> Result<RoaringBitmap, Corrupt> {
        let (number, at) = (pair as usize / GROUP_ROWS, pair as usize % GROUP_ROWS);
        let group: Arc<Group> = self.recent.get(number, || self.unpack(number))?;
        let (mut input, rows) = self.groups.group(number);
        let corrupt = input.corrupt();
        if at >= rows {
            return Err(corrupt);
        }
        let (count, first) = (group.counts[at], group.firsts[at]);
        if count > self.all || (count > 0 && first >= self.all) {
            return Err(corrupt);
        }
        if count == self.all {
            return Ok((0..count).collect());
        }
        if count <= 1 {
            return Ok((first..first + count).collect());
        }
        let start = if at == 0 {
            group.lists
        } else {
            group.ends[at - 1]
        };
        input.take(start)?;
        let list = input.take(group.ends[at].checked_sub(start).ok_or(corrupt)?)?;
        read_list(list, count as usize, self.all)
    }

    fn unpack(&self, number: usize) -> Result<Group, Corrupt> {
        let (mut input, rows) = self.groups.group(number);
        let corrupt = input.corrupt();
        column_of::<u32>(&mut input, rows)?; // Values, unpacked at opening.
        let counts = column_of::<u32>(&mut input, rows)?;
        let firsts = column_of::<u32>(&mut input, rows)?;
        let lens = column_of::<u32>(&mut input, rows)?;
        let lists = input.offset();
        let mut end = lists;
        let mut ends = Vec::with_capacity(rows);
        for len in lens {
            end = end.checked_add(len as usize).ok_or(corrupt)?;
            ends.push(end);
        }
        if end != lists + input.remaining() {
            return Err(corrupt);
        }
        Ok(Group {
            counts,
            firsts,
            ends,
            lists,
        })
    }
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

fn read_list(bytes: &[u8], count: usize, all: u32) -> Result<RoaringBitmap, Corrupt> {
    let mut input = Input::new(bytes);
    let mut list = RoaringBitmap::new();
    let mut good = true;
    for start in (0..count).step_by(LIST_PART) {
        ints::decode(
            &mut input,
            (count - start).min(LIST_PART),
            |_, block, len| {
                for &ix in &block[..len] {
                    let ix = u32::try_from(ix).ok().filter(|&ix| ix < all);
                    good &= ix.is_some_and(|ix| list.try_push(ix).is_ok());
                }
                good
            },
        )?;
        if !good {
            break;
        }
    }
    input.finish()?;
    if good { Ok(list) } else { Err(input.corrupt()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(lists: &[Vec<u32>], all: u32) -> usize {
        let pairs: Vec<PairLists<'_>> = lists
            .iter()
            .enumerate()
            .map(|(i, series)| PairLists {
                name: i as u32 / 3 + 2,
                value: i as u32,
                series,
            })
            .collect();
        let bytes = write(&pairs, all as usize).unwrap();
        let read = Pairs::open(bytes.clone(), lists.len() + 2, all).unwrap();
        assert_eq!(read.len(), lists.len());
        for (i, list) in lists.iter().enumerate() {
            let i = i as u32;
            assert_eq!(read.place(i), Some((i as usize / 3, i)));
            assert_eq!(read.find(i / 3 + 2, i), Some(i));
            assert_eq!(
                read.series(i).unwrap().iter().collect::<Vec<_>>(),
                *list,
                "pair {i}"
            );
        }
        assert_eq!(read.find(2, 77), None);
        assert_eq!(read.of_name(9999), 0..0);
        assert!(read.series(lists.len() as u32).is_err());
        bytes.len()
    }

    #[test]
    fn lists_of_every_shape_come_back() {
        let spread = |step: usize| (0..20_000).step_by(step).collect::<Vec<u32>>();
        check(
            &[
                spread(1),
                spread(2),
                vec![0],
                vec![19_999],
                vec![5, 6, 100],
                spread(7),
            ],
            20_000,
        );
        check(&[], 0);
        check(&[vec![0], vec![0]], 1);
        let many: Vec<Vec<u32>> = (0..300).map(|i| vec![i, i + 1]).collect();
        check(&many, 1000);
    }

    #[test]
    fn runs_and_strides_take_a_few_bytes() {
        let lists = [
            (0..9000).collect::<Vec<u32>>(),
            (3..10_000).step_by(10).collect(),
        ];
        assert!(check(&lists, 10_000) < 80);
    }
}
