//! COLS: timestamp columns, each stored once however many series share it.
//!
//! ```text
//! group of 128 = columns: first time, last - first, number, payload length, payload crc32c, payload offset
//! ```
//!
//! A column with a constant step has no payload (length 0): first, last and number say it all. Others lie
//! among the chunks, just before the first chunk that uses them.
//!
//! The writer finds equal columns by comparing them, never by hash alone: those with a constant step among
//! all, others among the last [`RECENT_COLUMNS`]. Series scraped together come together.

use super::SegmentError;
use super::groups::{GROUP_ROWS, Groups, GroupsWriter, Recent, column, column_of, put_column};
use crate::codec::{CHUNK_SAMPLES_MAX, Corrupt, timestamps};
use std::collections::{BTreeMap, VecDeque};
use std::ops::Range;
use std::sync::Arc;

/// Columns without a constant step that the writer can share; at 64 KiB each, 4 MiB.
const RECENT_COLUMNS: usize = 64;

/// A row of COLS.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct ColumnRow {
    pub(super) first: i64,
    pub(super) last: i64,
    pub(super) n: u32,
    pub(super) len: u32,
    pub(super) crc: u32,
    pub(super) offset: u64,
}

impl ColumnRow {
    /// The constant step, when the row says it all; 0 for a single timestamp.
    pub(super) fn step(&self) -> Option<u64> {
        (self.len == 0)
            .then(|| self.last.wrapping_sub(self.first) as u64 / u64::from(self.n - 1).max(1))
    }

    /// Indices of the timestamps within `from..=to`, for a constant step.
    pub(super) fn line_range(&self, step: u64, from: i64, to: i64) -> Range<usize> {
        let below = |t: i64| {
            // How many timestamps are below `t`.
            if t <= self.first {
                0
            } else {
                t.abs_diff(self.first)
                    .div_ceil(step.max(1))
                    .min(self.n.into())
            }
        };
        let start = below(from) as usize;
        let end = to.checked_add(1).map_or(u64::from(self.n), below) as usize;
        start..end.max(start)
    }
}

/// The step, when it is the same all along (0 for a single timestamp).
fn constant_step(ts: &[i64]) -> Option<i64> {
    let step = ts.get(1).map_or(0, |second| second.wrapping_sub(ts[0]));
    let differing = |(a, b): (&i64, &i64)| (b.wrapping_sub(*a) ^ step) as u64;
    let differing = ts
        .iter()
        .zip(ts.iter().skip(1))
        .map(differing)
        .fold(0, |all, bits| all | bits);
    (differing == 0).then_some(step)
}

/// Collects columns, each once.
#[derive(Debug, Default)]
pub(super) struct ColumnsWriter {
    lines: BTreeMap<(i64, i64, usize), u32>,
    recent: VecDeque<(u32, Vec<i64>)>,
    rows: Vec<ColumnRow>,
    groups: GroupsWriter,
    hint: timestamps::Hint,
}

impl ColumnsWriter {
    /// The number of the column `ts` (ascending, 1..=65,535 times); one not seen before gets a row, and its
    /// payload, if it needs one, is handed to `store`, which returns its offset.
    pub(super) fn add(
        &mut self,
        ts: &[i64],
        store: impl FnOnce(&[u8]) -> Result<u64, SegmentError>,
    ) -> Result<u32, SegmentError> {
        assert!(!ts.is_empty() && ts.len() <= CHUNK_SAMPLES_MAX);
        let next = self.groups.rows() + self.rows.len();
        let next = u32::try_from(next).map_err(|_| SegmentError::TooLarge {
            what: "timestamp columns",
        })?;
        let mut row = ColumnRow {
            first: ts[0],
            last: ts[ts.len() - 1],
            n: ts.len() as u32,
            len: 0,
            crc: 0,
            offset: 0,
        };
        if let Some(step) = constant_step(ts) {
            let number = *self.lines.entry((ts[0], step, ts.len())).or_insert(next);
            if number == next {
                self.push(row);
            }
            return Ok(number);
        }
        if let Some((number, _)) = self.recent.iter().rev().find(|(_, column)| column == ts) {
            return Ok(*number);
        }
        let mut payload = Vec::new();
        timestamps::encode(ts, &mut self.hint, &mut payload);
        row.len = payload.len() as u32;
        row.crc = crc32c::crc32c(&payload);
        row.offset = store(&payload)?;
        self.push(row);
        if self.recent.len() == RECENT_COLUMNS {
            self.recent.pop_front();
        }
        self.recent.push_back((next, ts.to_vec()));
        Ok(next)
    }

    fn push(&mut self, row: ColumnRow) {
        self.rows.push(row);
        if self.rows.len() == GROUP_ROWS {
            self.flush();
        }
    }

    fn flush(&mut self) {
        let rows = &self.rows;
        if rows.is_empty() {
            return;
        }
        self.groups.push(rows.len(), |out| {
            put_column(out, rows.iter().map(|row| row.first));
            put_column(out, rows.iter().map(|row| row.last.wrapping_sub(row.first)));
            put_column(out, rows.iter().map(|row| i64::from(row.n)));
            put_column(out, rows.iter().map(|row| i64::from(row.len)));
            put_column(out, rows.iter().map(|row| i64::from(row.crc)));
            put_column(out, rows.iter().map(|row| row.offset as i64));
        });
        self.rows.clear();
    }

    pub(super) fn finish(mut self) -> Result<Vec<u8>, SegmentError> {
        self.flush();
        self.groups.finish("timestamp columns")
    }
}

/// The section, packed, and the last few columns unpacked.
#[derive(Debug)]
pub(super) struct Columns {
    groups: Groups,
    recent: Recent<Vec<ColumnRow>, 2>,
    pub(super) unpacked: Recent<Vec<i64>, 4>,
}

impl Columns {
    pub(super) fn open(bytes: Vec<u8>) -> Result<Columns, Corrupt> {
        let groups = Groups::open(bytes, GROUP_ROWS)?;
        Ok(Columns {
            groups,
            recent: Recent::default(),
            unpacked: Recent::default(),
        })
    }

    pub(super) fn memory(&self) -> usize {
        self.groups.memory()
    }

    pub(super) fn row(&self, number: u32) -> Result<ColumnRow, Corrupt> {
        let (group, at) = (number as usize / GROUP_ROWS, number as usize % GROUP_ROWS);
        let rows: Arc<Vec<ColumnRow>> = self.recent.get(group, || {
            let (mut input, rows) = self.groups.group(group);
            let first = column(&mut input, rows)?;
            let span = column(&mut input, rows)?;
            let n = column_of::<u16>(&mut input, rows)?;
            let len = column_of::<u32>(&mut input, rows)?;
            let crc = column_of::<u32>(&mut input, rows)?;
            let offset = column(&mut input, rows)?;
            input.finish()?;
            let row = |i: usize| ColumnRow {
                first: first[i],
                last: first[i].wrapping_add(span[i]),
                n: n[i].into(),
                len: len[i],
                crc: crc[i],
                offset: offset[i] as u64,
            };
            (0..rows)
                .map(row)
                .map(|row| sound(row).ok_or(input.corrupt()))
                .collect()
        })?;
        rows.get(at).copied().ok_or(Corrupt { offset: 0 })
    }
}

/// The row, if its numbers can belong to an ascending column.
fn sound(row: ColumnRow) -> Option<ColumnRow> {
    let span = row.last.wrapping_sub(row.first) as u64;
    let ascends = row.n > 0 && row.last >= row.first && span >= u64::from(row.n) - 1;
    let exact = row.len > 0
        || if row.n == 1 {
            span == 0
        } else {
            span.is_multiple_of(u64::from(row.n - 1))
        };
    (ascends && exact).then_some(row)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equal_columns_are_one() {
        let mut columns = ColumnsWriter::default();
        let mut stored = 0;
        let mut add = |ts: &[i64]| {
            columns.add(ts, |_| {
                stored += 1;
                Ok(stored)
            })
        };
        assert_eq!(add(&[10, 20, 30]).unwrap(), 0);
        assert_eq!(add(&[10, 20, 31]).unwrap(), 1);
        assert_eq!(add(&[10, 20, 30]).unwrap(), 0);
        assert_eq!(add(&[10, 20, 31]).unwrap(), 1);
        assert_eq!(add(&[10, 20, 30, 40]).unwrap(), 2);
        assert_eq!(add(&[7]).unwrap(), 3);
        assert_eq!(stored, 1);
        let columns = Columns::open(columns.finish().unwrap()).unwrap();
        assert_eq!(columns.row(2).unwrap().step(), Some(10));
        assert_eq!(columns.row(1).unwrap().step(), None);
        assert_eq!(columns.row(3).unwrap().step(), Some(0));
        assert!(columns.row(4).is_err());
    }

    #[test]
    fn ranges_on_a_line_are_closed() {
        let row = ColumnRow {
            first: -5,
            last: 15,
            n: 5,
            len: 0,
            crc: 0,
            offset: 0,
        };
        let times = [-5, 0, 5, 10, 15];
        for from in -12..20 {
            for to in -12..20 {
                let want: Vec<i64> = times
                    .into_iter()
                    .filter(|t| (from..=to).contains(t))
                    .collect();
                let got = row.line_range(5, from, to);
                assert_eq!(times[got], want, "{from}..={to}");
            }
        }
        assert_eq!(row.line_range(5, i64::MIN, i64::MAX), 0..5);
        let wide = ColumnRow {
            first: i64::MIN,
            last: i64::MAX,
            n: 2,
            len: 0,
            crc: 0,
            offset: 0,
        };
        assert_eq!(
            wide.line_range(wide.step().unwrap(), i64::MAX, i64::MAX),
            1..2
        );
    }
}
