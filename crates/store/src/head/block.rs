//! Compressed samples of one series in memory: two columns, coded as in a segment, never on disk.

use crate::codec::{Corrupt, timestamps, values};
use crate::digest::{Digest, Totals};
use bellwether_model::TimeRange;
use bellwether_model::whole::small;
use std::sync::Arc;

/// Some hundred samples of one series, in order of time. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Block {
    /// The coded times, then the coded values; of several blocks once they are [joined](Block::join).
    bytes: Arc<[u8]>,
    /// Where the times begin.
    start: u32,
    /// Where the values begin.
    split: u32,
    /// Where the values end.
    end: u32,
    /// Number of samples.
    pub(super) len: u32,
    /// First and last time.
    pub(super) first: i64,
    pub(super) last: i64,
    summary: Summary,
}

/// What the values of a block amount to; of those only that are all whole numbers of nine digits or so. No option, and
/// no floats: a block fills a line of the processor's cache.
#[derive(Clone, Copy)]
struct Summary {
    sum: i64,
    /// More than `max` when there is no summary.
    min: i32,
    max: i32,
}

impl Summary {
    const NONE: Summary = Summary {
        sum: 0,
        min: i32::MAX,
        max: i32::MIN,
    };

    fn of(values: &[f64]) -> Summary {
        values
            .iter()
            .try_fold(Summary::NONE, |all, value| {
                let whole = small(*value)?;
                Some(Summary {
                    sum: all.sum + i64::from(whole),
                    min: all.min.min(whole),
                    max: all.max.max(whole),
                })
            })
            .unwrap_or(Summary::NONE)
    }
}

/// Memory that could not be decoded: a fault of the machine or of this program.
#[derive(Debug, thiserror::Error)]
#[error("compressed samples in memory are damaged: {0}")]
pub(crate) struct Corrupted(#[from] Corrupt);

impl Block {
    /// Bytes of memory, with the bookkeeping.
    pub(super) fn memory(&self) -> usize {
        size_of::<Block>() + 16 + (self.end - self.start) as usize
    }

    /// Puts the bytes of neighbouring blocks next to each other: reading a series then goes through memory in a line,
    /// instead of waiting for each block anew.
    pub(super) fn join(blocks: &mut [Block]) {
        let bytes: Vec<u8> = blocks.iter().flat_map(Block::coded).copied().collect();
        let bytes = Arc::from(bytes);
        let mut start = 0;
        for block in blocks {
            let (times, all) = (block.split - block.start, block.end - block.start);
            block.bytes = Arc::clone(&bytes);
            (block.start, block.split, block.end) = (start, start + times, start + all);
            start += all;
        }
    }

    fn coded(&self) -> &[u8] {
        &self.bytes[self.start as usize..self.end as usize]
    }

    /// Whether all values are known to be [`small`].
    pub(super) fn is_small(&self) -> bool {
        self.summary.min <= self.summary.max
    }

    /// What all samples amount to, if they lie within `range` and that is known.
    pub(super) fn digest(&self, range: TimeRange) -> Option<Digest> {
        let Summary { sum, min, max } = self.summary;
        let is_inside = range.contains(self.first) && range.contains(self.last);
        let totals = Totals {
            sum: sum as f64,
            min: f64::from(min),
            max: f64::from(max),
        };
        (is_inside && self.is_small()).then_some(Digest {
            count: u64::from(self.len),
            totals: Some(totals),
            course: None,
        })
    }

    /// Appends those of the first `len` samples that lie within `range`.
    pub(super) fn decode(
        &self,
        len: usize,
        range: TimeRange,
        times: &mut Vec<i64>,
        vals: &mut Vec<f64>,
    ) -> Result<(), Corrupted> {
        let (coded_times, coded_values) = self.coded().split_at((self.split - self.start) as usize);
        let (start, all) = (times.len(), self.len as usize);
        timestamps::decode(coded_times, all, times)?;
        times.truncate(start + len);
        let own = &times[start..];
        // Blocks at the ends of the range stick out of it.
        let to = if self.last <= range.to.0 {
            own.len()
        } else {
            own.partition_point(|&t| t <= range.to.0)
        };
        let from = if self.first >= range.from.0 {
            0
        } else {
            own[..to].partition_point(|&t| t < range.from.0)
        };
        times.truncate(start + to);
        times.drain(start..start + from);
        values::decode_range(coded_values, all, from..to, vals)?;
        Ok(())
    }
}

/// What the codec learned from a series' last block.
#[derive(Clone, Copy, Default)]
pub(super) struct Hints {
    times: timestamps::Hint,
    values: values::Hint,
}

/// Makes blocks; keeps the memory it needs for that.
#[derive(Default)]
pub(super) struct Sealer {
    times: Vec<i64>,
    values: Vec<f64>,
    bytes: Vec<u8>,
}

impl Sealer {
    /// Compresses samples in order of time, at least one.
    pub(super) fn seal(&mut self, samples: &[(i64, u64)], hints: &mut Hints) -> Block {
        self.times.clear();
        self.values.clear();
        self.bytes.clear();
        self.times.extend(samples.iter().map(|s| s.0));
        self.values
            .extend(samples.iter().map(|s| f64::from_bits(s.1)));
        timestamps::encode(&self.times, &mut hints.times, &mut self.bytes);
        let split = self.bytes.len() as u32;
        values::encode(&self.values, &mut hints.values, &mut self.bytes);
        Block {
            bytes: Arc::from(self.bytes.as_slice()),
            start: 0,
            split,
            end: self.bytes.len() as u32,
            len: samples.len() as u32,
            first: self.times[0],
            last: self.times[samples.len() - 1],
            summary: Summary::of(&self.values),
        }
    }
}
