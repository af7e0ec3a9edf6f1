//! Whether a sample that comes late, or again, is stored already: what makes a repeated request a no-op.
//!
//! Looked at, newest first: the batch itself, the batches that wait for the same sync, the head, the segments. A series
//! is read once per place, over the times asked for, and everything is done in the order of the series; so
//! a repeated body costs about what reading it back costs.
//!
//! Reading is bounded, because the log thread waits for it and nobody else is served meanwhile. What the
//! bound leaves out counts as not stored: inside the out-of-order window it is then kept twice and settled when
//! read, before that refused as too old. Only samples strewn thinly over long times come to that.
//! So do those in damaged chunks.

use crate::batch::Batch;
use crate::config::DuplicatePolicy;
use crate::head::{Generation, Past};
use crate::segment::ReadBuf;
use crate::segments::Live;
use crate::selection::settle_captured;
use crate::visible::Published;
use bellwether_model::TimeRange;

/// Samples that may be read in order to look up one; and those that may be in any case.
const READ_PER_SAMPLE: usize = 256;
const READ_MIN: usize = 1 << 20;
/// What finding a series in one place costs, in samples read.
const READ_PER_SERIES: usize = 256;

/// Notes in each of `past` the value that is stored at its time, if any.
///
/// - `past`: sorted by series, then time.
/// - `waiting`: batches that are decided and not in the head yet, newest first.
pub(crate) fn look_up<'a>(
    past: &mut [Past],
    policy: DuplicatePolicy,
    waiting: impl Iterator<Item = &'a Batch>,
    published: &Published,
) {
    let left = READ_MIN.max(past.len().saturating_mul(READ_PER_SAMPLE));
    let mut search = Search {
        past,
        policy,
        left,
        times: Vec::new(),
        values: Vec::new(),
    };
    for batch in waiting {
        search.in_batch(batch);
    }
    for generation in std::iter::once(&published.active).chain(&published.frozen) {
        search.in_generation(generation);
    }
    for live in published.segments.newest_first() {
        search.in_segment(live);
    }
}

struct Search<'a> {
    past: &'a mut [Past],
    policy: DuplicatePolicy,
    /// Samples that may still be read.
    left: usize,
    times: Vec<i64>,
    values: Vec<f64>,
}

impl Search<'_> {
    fn in_batch(&mut self, batch: &Batch) {
        for (series, t, value) in batch.kept_newest_first() {
            let start = self.past.partition_point(|p| p.key() < (series, t));
            for past in self.past[start..]
                .iter_mut()
                .take_while(|p| p.key() == (series, t))
            {
                past.found(value.to_bits(), self.policy);
            }
        }
    }

    fn in_generation(&mut self, generation: &Generation) {
        let Some(bounds) = generation.bounds() else {
            return;
        };
        let policy = self.policy;
        self.each_series(bounds, |id, range, times, values| {
            // Everything: the log thread, which asks, has applied every group itself.
            let Some(captured) = generation.capture(id, u64::MAX, range) else {
                return false;
            };
            // Memory that cannot be decoded is told by those who read it for its own sake.
            let _ = settle_captured(captured, policy, times, values);
            true
        });
    }

    fn in_segment(&mut self, live: &Live) {
        let bounds = TimeRange::new(live.segment.min_ts(), live.segment.max_ts());
        let mut buf = ReadBuf::ahead();
        self.each_series(bounds, |id, range, times, values| {
            let Some(ix) = live.index_of(id) else {
                return false;
            };
            // As above, and a damaged chunk leaves the others readable.
            let _ = live.segment.read_with(&mut buf, ix, range, times, values);
            true
        });
    }

    /// Reads every series over the times that are asked for and lie within `bounds`, and notes what is there.
    ///
    /// - `read`: appends the samples of a series, oldest first; false when it did not have to look for any.
    fn each_series(
        &mut self,
        bounds: TimeRange,
        mut read: impl FnMut(u32, TimeRange, &mut Vec<i64>, &mut Vec<f64>) -> bool,
    ) {
        let last_wins = self.policy == DuplicatePolicy::LastWins;
        for series in self.past.chunk_by_mut(|a, b| a.series == b.series) {
            let start = series.partition_point(|p| p.t < bounds.from.0);
            let end = series.partition_point(|p| p.t <= bounds.to.0).max(start);
            let asked = &mut series[start..end];
            let settled = last_wins && asked.iter().all(Past::is_found);
            let (false, Some(first), Some(last)) = (settled, asked.first(), asked.last()) else {
                continue;
            };
            if self.left == 0 {
                return;
            }
            self.times.clear();
            self.values.clear();
            let range = TimeRange::new(first.t, last.t);
            if !read(first.series, range, &mut self.times, &mut self.values) {
                continue;
            }
            let cost = READ_PER_SERIES + self.times.len();
            self.left = self.left.saturating_sub(cost);
            let mut stored = self.times.iter().zip(&self.values).peekable();
            for past in asked {
                while stored.next_if(|(t, _)| **t < past.t).is_some() {}
                if let Some((_, value)) = stored.peek().filter(|(t, _)| **t == past.t) {
                    past.found(value.to_bits(), self.policy);
                }
            }
        }
    }
}
