//! The newest samples, in memory: everything that no segment holds yet.
//!
//! A [`Generation`] takes samples from the log thread, the only writer, and is read by views at the same
//! time. A flush freezes it and starts the next one, so writing goes on while it is turned into a segment.
//!
//! Samples arrive in *groups*, numbered from 1. A view pins the number of the last group it shows;
//! a slot can tell how much of it that group knew ([`slot`]). That makes a batch visible as a whole, and
//! a view stable, without copying anything when a view is made.
//!
//! Slots lie in pages of 256 with a lock each: a reader copies a few references under it, the writer
//! keeps it for a run of samples. Growing adds pages and moves nothing.
//!
//! Not here: which samples are acceptable (`placement`), and the log that made them durable.

mod block;
mod placement;
mod slot;

pub(crate) use block::Corrupted;
pub(crate) use placement::{Decided, Newest, Past, Placement, Rules, settle};
pub(crate) use slot::{Captured, Living};

use crate::batch::Batch;
use bellwether_model::TimeRange;
use block::Sealer;
use parking_lot::{RwLock, RwLockWriteGuard};
use slot::Slot;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};

const PAGE_SLOTS: usize = 256;
/// Samples after which the writer lets readers in.
const SAMPLES_PER_HOLD: usize = 4096;

/// Samples of a series that are kept uncompressed: between these, depending on the number of series.
const OPEN_MIN: u64 = 32;
const OPEN_MAX: u64 = 512;

/// One filling of the head.
pub(crate) struct Generation {
    pages: RwLock<Vec<Arc<Page>>>,
    /// Samples held.
    samples: AtomicU64,
    /// Bytes of memory held, roughly.
    bytes: AtomicU64,
    /// Series with samples.
    series: AtomicU64,
    /// First and last time held; `MAX`, `MIN` when there is none.
    first: AtomicI64,
    last: AtomicI64,
    /// The log file in which its samples begin.
    pub(crate) wal_from: u64,
    /// Once frozen: bytes of log that are not needed when its samples are in a segment.
    wal_bytes: AtomicU64,
}

struct Page {
    slots: RwLock<Box<[Slot]>>,
}

impl Generation {
    pub(crate) fn new(wal_from: u64) -> Generation {
        Generation {
            pages: RwLock::new(Vec::new()),
            samples: AtomicU64::new(0),
            bytes: AtomicU64::new(0),
            series: AtomicU64::new(0),
            first: AtomicI64::new(i64::MAX),
            last: AtomicI64::new(i64::MIN),
            wal_from,
            wal_bytes: AtomicU64::new(0),
        }
    }

    /// Bytes of log that its flush makes superfluous; 0 until it is frozen.
    pub(crate) fn wal_bytes(&self) -> u64 {
        self.wal_bytes.load(Ordering::Relaxed)
    }

    pub(crate) fn set_wal_bytes(&self, bytes: u64) {
        self.wal_bytes.store(bytes, Ordering::Relaxed);
    }

    pub(crate) fn samples(&self) -> u64 {
        self.samples.load(Ordering::Relaxed)
    }

    pub(crate) fn bytes(&self) -> u64 {
        self.bytes.load(Ordering::Relaxed)
    }

    /// First and last time of all samples, those included that a view may not show yet.
    pub(crate) fn bounds(&self) -> Option<TimeRange> {
        let (first, last) = (
            self.first.load(Ordering::Relaxed),
            self.last.load(Ordering::Relaxed),
        );
        (first <= last).then_some(TimeRange::new(first, last))
    }

    /// What group `at` knew of series `id` inside `range`; `None` when that was nothing.
    pub(crate) fn capture(&self, id: u32, at: u64, range: TimeRange) -> Option<Captured> {
        let page = self.page(id)?;
        let slots = page.slots.read();
        slots[id as usize % PAGE_SLOTS].capture(at, range)
    }

    /// Calls `with` for those of `ids` (ascending) of which group `at` knew a sample inside `range`.
    pub(crate) fn each_present(
        &self,
        ids: impl Iterator<Item = u32>,
        at: u64,
        range: TimeRange,
        mut with: impl FnMut(u32),
    ) {
        if self
            .bounds()
            .is_none_or(|b| !range.overlaps(b.from.0, b.to.0))
        {
            return;
        }
        let pages = self.pages.read().clone();
        let mut ids = ids.peekable();
        while let Some(&next) = ids.peek() {
            let number = next as usize / PAGE_SLOTS;
            let Some(page) = pages.get(number) else {
                return;
            };
            let slots = page.slots.read();
            while let Some(id) = ids.next_if(|&id| id as usize / PAGE_SLOTS == number) {
                if slots[id as usize % PAGE_SLOTS].is_present(at, range) {
                    with(id);
                }
            }
        }
    }

    /// Ids below this may have samples.
    pub(crate) fn end(&self) -> u32 {
        (self.pages.read().len() * PAGE_SLOTS) as u32
    }

    fn page(&self, id: u32) -> Option<Arc<Page>> {
        self.pages.read().get(id as usize / PAGE_SLOTS).cloned()
    }

    /// Samples a series collects before they are compressed: fewer the more series there are.
    fn open_samples(&self, open_bytes: u64) -> usize {
        let series = self.series.load(Ordering::Relaxed).max(1);
        (open_bytes / (16 * series)).clamp(OPEN_MIN, OPEN_MAX) as usize
    }

    fn grow(&self, id: u32) -> Vec<Arc<Page>> {
        let mut pages = self.pages.write();
        while pages.len() <= id as usize / PAGE_SLOTS {
            let slots = (0..PAGE_SLOTS).map(|_| Slot::default()).collect();
            pages.push(Arc::new(Page {
                slots: RwLock::new(slots),
            }));
            self.bytes
                .fetch_add((PAGE_SLOTS * size_of::<Slot>()) as u64, Ordering::Relaxed);
        }
        pages.clone()
    }
}

/// The writer's side of the head: one per log thread, or per recovery.
pub(crate) struct Writer {
    sealer: Sealer,
    open_bytes: u64,
}

impl Writer {
    pub(crate) fn new(open_bytes: u64) -> Writer {
        Writer {
            sealer: Sealer::default(),
            open_bytes,
        }
    }

    /// Puts the samples of a decided batch where they were decided to go.
    ///
    /// - `group`: the group they belong to, at least that of any call before.
    /// - `living`: the views to be spared; what they see is remembered.
    pub(crate) fn insert(
        &mut self,
        into: &Generation,
        batch: &Batch,
        group: u64,
        living: Option<Living>,
    ) {
        let mut pages = into.pages.read().clone();
        if let Some(&max) = batch.series.iter().max()
            && max as usize / PAGE_SLOTS >= pages.len()
        {
            pages = into.grow(max);
        }
        let open_samples = into.open_samples(self.open_bytes);
        let mut held: Option<(usize, RwLockWriteGuard<'_, Box<[Slot]>>)> = None;
        let mut until_release = SAMPLES_PER_HOLD;
        let mut gain = slot::Gain::default();
        for (t, samples) in batch.rows() {
            for i in samples {
                let placement = batch.placements[i];
                if !placement.is_kept() {
                    continue;
                }
                let id = batch.series[i] as usize;
                let number = id / PAGE_SLOTS;
                until_release -= 1;
                let slots = match &mut held {
                    Some((held_number, slots)) if *held_number == number && until_release > 0 => {
                        slots
                    }
                    other => {
                        *other = None; // Unlocked before the next is locked.
                        until_release = SAMPLES_PER_HOLD;
                        &mut other.insert((number, pages[number].slots.write())).1
                    }
                };
                let slot = &mut slots[id % PAGE_SLOTS];
                slot.before_change(group, living, &mut gain);
                let pair = (t, batch.values[i].to_bits());
                match placement {
                    Placement::InOrder => {
                        slot.push(pair, open_samples, &mut self.sealer, &mut gain);
                    }
                    _ => slot.push_late(pair, &mut gain),
                }
                gain.first = gain.first.min(t);
                gain.last = gain.last.max(t);
            }
        }
        drop(held);
        into.samples.fetch_add(gain.samples, Ordering::Relaxed);
        into.bytes.fetch_add(gain.bytes as u64, Ordering::Relaxed); // Wraps for what became smaller.
        into.series.fetch_add(gain.series, Ordering::Relaxed);
        into.first.fetch_min(gain.first, Ordering::Relaxed);
        into.last.fetch_max(gain.last, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests;
