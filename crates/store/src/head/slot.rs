//! One series in the head: samples in order, samples that came late, and what older views see of both.
//!
//! Both lists only ever grow at their end, so what a group knew is two lengths. When a slot is changed
//! and a living view still shows the state before, those two lengths are kept as a [`Version`]. How the samples
//! in order are stored (open, or compressed in blocks) may change underneath without a view noticing.
//!
//! A late sample at a time that is there already replaces its value, or not: the reader decides by the
//! duplicate policy. Among late samples of one time the order of arrival is kept.

use super::block::{Block, Corrupted, Hints, Sealer};
use crate::digest::Digests;
use bellwether_model::TimeRange;
use bellwether_model::whole::{Values, small};

/// Blocks of a series whose bytes are put next to each other once there are so many.
const JOINED_BLOCKS: usize = 16;

/// One sample: its time and the bits of its value.
pub(super) type Pair = (i64, u64);

/// Samples of one series.
#[derive(Default)]
pub(super) struct Slot {
    /// The group that changed it last; 0 for a slot without samples.
    changed: u64,
    /// Samples in order, compressed and open together.
    in_order: u32,
    /// The times of the oldest and the newest of them. They stand here, so that a slot says whether it has anything to
    /// do with a question before a pointer is followed: that is a wait for memory each.
    first: i64,
    last: i64,
    /// The time of the newest in a block, if there is one: whoever asks for nothing after it need not look at the open ones.
    sealed: i64,
    hints: Hints,
    blocks: Vec<Block>,
    open: Vec<Pair>,
    /// Absent from most slots, and there are millions of slots.
    rare: Option<Box<Rare>>,
}

#[derive(Default)]
struct Rare {
    /// Samples that were not newer than all in order.
    late: Vec<Pair>,
    /// What groups before `changed` knew, ascending, as far as living views may ask.
    versions: Vec<Version>,
}

/// What the groups from `changed` on knew, until the next change.
#[derive(Clone, Copy)]
struct Version {
    changed: u64,
    in_order: u32,
    late: u32,
}

/// The groups that living views show, as far as the writer must know.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Living {
    pub(crate) oldest: u64,
    pub(crate) newest: u64,
}

/// What a batch added to a generation.
pub(super) struct Gain {
    pub(super) samples: u64,
    pub(super) series: u64,
    pub(super) bytes: i64,
    pub(super) first: i64,
    pub(super) last: i64,
}

impl Default for Gain {
    fn default() -> Gain {
        Gain {
            samples: 0,
            series: 0,
            bytes: 0,
            first: i64::MAX,
            last: i64::MIN,
        }
    }
}

impl Slot {
    /// Must come before any push: remembers the state that views may still ask for.
    #[inline]
    pub(super) fn before_change(&mut self, group: u64, living: Option<Living>, gain: &mut Gain) {
        if self.changed == group {
            return;
        }
        if self.changed == 0 {
            gain.series += 1;
        } else if let Some(living) = living
            && living.newest >= self.changed
        {
            self.remember(living.oldest, gain);
        }
        self.changed = group;
    }

    #[cold]
    fn remember(&mut self, oldest: u64, gain: &mut Gain) {
        let Rare { late, versions } = &mut **self.rare.get_or_insert_default();
        let before = versions.len();
        // The first is what views before the second's change see: gone with the last of them.
        let unused = versions
            .iter()
            .skip(1)
            .take_while(|v| v.changed <= oldest)
            .count();
        versions.drain(..unused);
        let (in_order, late) = (self.in_order, late.len() as u32);
        versions.push(Version {
            changed: self.changed,
            in_order,
            late,
        });
        gain.bytes += (versions.len() as i64 - before as i64) * size_of::<Version>() as i64;
    }

    /// Appends a sample newer than all in order.
    #[inline]
    pub(super) fn push(
        &mut self,
        pair: Pair,
        open_samples: usize,
        sealer: &mut Sealer,
        gain: &mut Gain,
    ) {
        if self.open.len() == self.open.capacity() {
            self.make_room(open_samples, sealer, gain);
        }
        self.open.push(pair);
        if self.in_order == 0 {
            self.first = pair.0;
        }
        self.last = pair.0;
        self.in_order += 1;
        gain.samples += 1;
    }

    #[cold]
    fn make_room(&mut self, open_samples: usize, sealer: &mut Sealer, gain: &mut Gain) {
        let before = self.memory();
        if self.open.len() >= open_samples {
            self.blocks
                .reserve_exact(usize::from(self.blocks.len() == self.blocks.capacity()) * 4);
            let block = sealer.seal(&self.open, &mut self.hints);
            self.sealed = block.last;
            self.blocks.push(block);
            if self.blocks.len().is_multiple_of(JOINED_BLOCKS) {
                let from = self.blocks.len() - JOINED_BLOCKS;
                Block::join(&mut self.blocks[from..]);
            }
            self.open.clear();
            // There may be more series by now, and so less room for each.
            self.open.shrink_to(open_samples);
        } else {
            let room = (self.open.len() * 2).clamp(4, open_samples);
            self.open.reserve_exact(room - self.open.len());
        }
        gain.bytes += self.memory() as i64 - before as i64;
    }

    /// Appends a sample that is not newer than all in order.
    pub(super) fn push_late(&mut self, pair: Pair, gain: &mut Gain) {
        let late = &mut self.rare.get_or_insert_default().late;
        let before = late.capacity();
        late.push(pair);
        gain.bytes += ((late.capacity() - before) * size_of::<Pair>()) as i64;
        gain.samples += 1;
    }

    fn late(&self) -> &[Pair] {
        self.rare.as_ref().map_or(&[], |rare| &rare.late)
    }

    fn memory(&self) -> usize {
        let blocks: usize = self.blocks.last().map_or(0, Block::memory) * self.blocks.len();
        blocks + self.open.capacity() * size_of::<Pair>()
    }

    /// How many samples in order and late ones group `at` knew.
    fn known_at(&self, at: u64) -> (usize, usize) {
        if at >= self.changed {
            return (self.in_order as usize, self.late().len());
        }
        let versions = self.rare.as_ref().map_or(&[][..], |rare| &rare.versions);
        let version = versions.iter().rev().find(|v| v.changed <= at);
        version.map_or((0, 0), |v| (v.in_order as usize, v.late as usize))
    }

    /// True when group `at` knew a sample inside `range`, or may have.
    pub(super) fn is_present(&self, at: u64, range: TimeRange) -> bool {
        let (in_order, late) = self.known_at(at);
        let spans = in_order > 0 && range.overlaps(self.first, self.last);
        spans || self.late()[..late].iter().any(|p| range.contains(p.0))
    }

    /// The blocks that touch `range`: from the first to before the second.
    fn touching(&self, range: TimeRange) -> (usize, usize) {
        let (blocks, from) = (&self.blocks, range.from.0);
        if blocks.is_empty() {
            return (0, 0);
        }
        let first = if from <= self.first {
            0
        } else {
            // Samples come regularly, mostly: then this is the block, and no other is looked at.
            let span = self.last.saturating_sub(self.first).max(1);
            let part = from.saturating_sub(self.first) as f64 / span as f64;
            let compressed = 1.0 - self.open.len() as f64 / f64::from(self.in_order);
            let guess = part / compressed * blocks.len() as f64;
            let guess = (guess as usize).min(blocks.len() - 1);
            if (blocks[guess].first..=blocks[guess].last).contains(&from) {
                guess
            } else {
                partition_near(blocks, guess, |b| b.last < from)
            }
        };
        let mut end = first;
        while let Some(block) = blocks.get(end).filter(|b| b.first <= range.to.0) {
            end += 1;
            if block.last >= range.to.0 {
                break; // Without a look at the next one.
            }
        }
        (first, end)
    }

    /// What group `at` knew inside `range`; `None` when that was nothing.
    pub(super) fn capture(&self, at: u64, range: TimeRange) -> Option<Captured> {
        let (in_order, late) = self.known_at(at);
        let in_blocks = self.in_order as usize - self.open.len();
        let is_before_open = !self.blocks.is_empty() && range.to.0 <= self.sealed;
        let open = match in_order.saturating_sub(in_blocks) {
            _ if is_before_open => &[],
            known => &self.open[..known],
        };
        // From the end, since mostly the newest are wanted.
        let to = open
            .iter()
            .rposition(|p| p.0 <= range.to.0)
            .map_or(0, |at| at + 1);
        let open = &open[..to];
        let from = open
            .iter()
            .rposition(|p| p.0 < range.from.0)
            .map_or(0, |at| at + 1);
        // Blocks are older than what is open.
        let (first, end) = match from {
            0 => self.touching(range),
            _ => (self.blocks.len(), self.blocks.len()),
        };
        let mut left = in_order;
        if in_order < self.in_order as usize {
            let before = self.blocks[..first].iter().map(|b| b.len as usize);
            left = left.saturating_sub(before.sum());
        }
        let mut blocks = Vec::with_capacity(end - first);
        for block in &self.blocks[first..end] {
            let len = left.min(block.len as usize);
            left -= len;
            if len > 0 {
                blocks.push((block.clone(), len));
            }
        }
        let late: Vec<Pair> = self.late()[..late]
            .iter()
            .filter(|p| range.contains(p.0))
            .copied()
            .collect();
        let captured = Captured {
            blocks,
            open: open[from..].to_vec(),
            late,
            range,
        };
        (!captured.is_empty()).then_some(captured)
    }
}

/// What `items.partition_point(is_before)` is, looked for from `guess` on in either direction.
pub(super) fn partition_near<T>(
    items: &[T],
    guess: usize,
    is_before: impl Fn(&T) -> bool,
) -> usize {
    let (mut low, mut high) = (0, items.len());
    let guess = guess.min(high);
    let mut step = 1;
    if items.get(guess).is_some_and(&is_before) {
        low = guess + 1;
        while low + step <= items.len() {
            if !is_before(&items[low + step - 1]) {
                high = low + step - 1;
                break;
            }
            low += step;
            step *= 2;
        }
    } else {
        high = guess;
        while high >= step {
            if is_before(&items[high - step]) {
                low = high - step + 1;
                break;
            }
            high -= step;
            step *= 2;
        }
    }
    low + items[low..high].partition_point(is_before)
}

/// Samples of one series as one group knew them, taken out of the head to be decoded without a lock.
pub(crate) struct Captured {
    /// Blocks that touch the range, with how many of their samples count.
    blocks: Vec<(Block, usize)>,
    open: Vec<Pair>,
    late: Vec<Pair>,
    range: TimeRange,
}

impl Captured {
    fn is_empty(&self) -> bool {
        self.blocks.is_empty() && self.open.is_empty() && self.late.is_empty()
    }

    /// The time of the last sample, if all came in order and lie after `t`; else `None`. Blocks at the ends of the range may
    /// stick out of it.
    pub(crate) fn follows(&self, t: i64) -> Option<i64> {
        let first = self.blocks.first().map(|(block, _)| block.first);
        let first = first.or(self.open.first().map(|p| p.0))?;
        let last = self.blocks.last().map(|(block, _)| block.last);
        let last = self.open.last().map(|p| p.0).or(last)?;
        let is_after = first.max(self.range.from.0) > t;
        (self.late.is_empty() && is_after).then_some(last.min(self.range.to.0))
    }

    /// Moves to `digests` the blocks of which that is all one needs to know.
    pub(crate) fn digest(&mut self, digests: &mut Digests) {
        let range = self.range;
        self.blocks.retain(|(block, len)| {
            let is_whole = *len == block.len as usize;
            !(is_whole && digests.take(block.digest(range)))
        });
    }

    /// What is known of the values.
    pub(crate) fn values(&self) -> Values {
        let pairs = self.open.iter().chain(&self.late);
        let are_small = self.blocks.iter().all(|(block, _)| block.is_small())
            && pairs
                .into_iter()
                .all(|p| small(f64::from_bits(p.1)).is_some());
        if are_small {
            Values::Small
        } else {
            Values::Any
        }
    }

    /// The most samples that decoding puts into a column: blocks at the ends of the range are decoded whole.
    pub(crate) fn len(&self) -> usize {
        let blocks: usize = self
            .blocks
            .iter()
            .map(|(block, _)| block.len as usize)
            .sum();
        blocks + self.open.len() + self.late.len()
    }

    /// Appends the samples that came in order, in order.
    pub(crate) fn in_order(
        &self,
        times: &mut Vec<i64>,
        values: &mut Vec<f64>,
    ) -> Result<(), Corrupted> {
        for (block, len) in &self.blocks {
            block.decode(*len, self.range, times, values)?;
        }
        times.extend(self.open.iter().map(|p| p.0));
        values.extend(self.open.iter().map(|p| f64::from_bits(p.1)));
        Ok(())
    }

    /// The samples that came late, sorted by time, those of one time in the order of arrival.
    pub(crate) fn late(&mut self) -> &[(i64, u64)] {
        self.late.sort_by_key(|p| p.0);
        &self.late
    }
}
