//! Samples on their way from an appender to the log thread and back: three columns and the rows over them.

use crate::error::RejectReason;
use crate::head::Placement;
use std::ops::Range;

/// The samples between two commits, in the order they were pushed.
pub(crate) struct Batch {
    pub(crate) rows: Vec<Row>,
    /// Series and value of every sample.
    pub(crate) series: Vec<u32>,
    pub(crate) values: Vec<f64>,
    /// Where each sample goes; filled by [`crate::head::Newest::decide`].
    pub(crate) placements: Vec<Placement>,
    /// Times beyond it are ahead of the clock by more than samples may be.
    pub(crate) trusted: i64,
}

impl Default for Batch {
    fn default() -> Batch {
        Batch {
            rows: Vec::new(),
            series: Vec::new(),
            values: Vec::new(),
            placements: Vec::new(),
            trusted: i64::MAX,
        }
    }
}

/// Samples of one time, next to each other.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Row {
    pub(crate) t: i64,
    /// The index after its last sample; it begins where the row before ends.
    pub(crate) end: u32,
    /// Set when its time alone speaks against it.
    pub(crate) refused: Option<RejectReason>,
}

impl Batch {
    /// Adds one sample; extends the last row when that has the same time.
    #[inline]
    pub(crate) fn push(&mut self, series: u32, t: i64, value: f64) {
        self.series.push(series);
        self.values.push(value);
        self.end_row(t);
    }

    /// Adds samples of one time.
    #[inline]
    pub(crate) fn end_row(&mut self, t: i64) {
        let end = self.series.len() as u32;
        match self.rows.last_mut() {
            Some(row) if row.t == t => row.end = end,
            _ => self.rows.push(Row {
                t,
                end,
                refused: None,
            }),
        }
    }

    /// The rows: time, and indices of the samples.
    pub(crate) fn rows(&self) -> impl Iterator<Item = (i64, Range<usize>)> + '_ {
        let mut start = 0;
        self.rows.iter().map(move |row| {
            let samples = start..row.end as usize;
            start = row.end as usize;
            (row.t, samples)
        })
    }

    /// Series, time and value of those samples that were decided to be kept, the last one first.
    pub(crate) fn kept_newest_first(&self) -> impl Iterator<Item = (u32, i64, f64)> + '_ {
        let start = |row: usize| row.checked_sub(1).map_or(0, |r| self.rows[r].end as usize);
        (0..self.rows.len()).rev().flat_map(move |row| {
            let samples = start(row)..self.rows[row].end as usize;
            samples
                .rev()
                .filter(|&i| self.placements[i].is_kept())
                .map(move |i| (self.series[i], self.rows[row].t, self.values[i]))
        })
    }

    pub(crate) fn len(&self) -> usize {
        self.series.len()
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.series.is_empty()
    }

    pub(crate) fn clear(&mut self) {
        self.rows.clear();
        self.series.clear();
        self.values.clear();
        self.placements.clear();
    }
}
