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
//! keeps it for a run of samples. A page is made for the first sample in it, so ids that rest cost nothing, and
//! making one moves no other.
//!
//! Not here: which samples are acceptable (`placement`), and the log that made them durable.

mod block;
mod placement;
mod slot;

pub(crate) use block::Corrupted;
pub(crate) use placement::{Decided, Newest, Past, Placement, Rules, settle};
pub(crate) use slot::{Captured, Living};

use crate::batch::Batch;
use crate::codec::bitpack::BLOCK;
use bellwether_model::TimeRange;
use block::Sealer;
use parking_lot::{RwLock, RwLockWriteGuard};
use slot::Slot;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};

const PAGE_SLOTS: usize = 256;
/// Samples after which the writer lets readers in.
const SAMPLES_PER_HOLD: usize = 4096;

/// A flush is not worth its while before the series have this much of samples each, on average: 8 of them, not
/// compressed. It bounds what a store with very many series holds, where `flush_bytes` is less than that.
const SERIES_BYTES_MIN: u64 = 128;

/// Samples of a series that are kept uncompressed: between these, depending on the number of series.
const OPEN_MIN: u64 = 32;
const OPEN_MAX: u64 = 512;

/// One filling of the head.
pub(crate) struct Generation {
    pages: RwLock<Pages>,
    /// Samples held.
    samples: AtomicU64,
    /// Bytes of memory that the samples take, roughly.
    bytes: AtomicU64,
    /// Bytes of the pages.
    slot_bytes: AtomicU64,
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

/// By number; copied by whoever needs it for longer than a moment, since that costs a reference.
type Pages = Arc<Vec<Option<Arc<Page>>>>;

struct Page {
    slots: RwLock<Box<[Slot]>>,
}

impl Page {
    const BYTES: u64 = (PAGE_SLOTS * size_of::<Slot>()) as u64;

    fn new() -> Page {
        let slots = (0..PAGE_SLOTS).map(|_| Slot::default()).collect();
        Page {
            slots: RwLock::new(slots),
        }
    }
}

impl Generation {
    pub(crate) fn new(wal_from: u64) -> Generation {
        Generation {
            pages: RwLock::default(),
            samples: AtomicU64::new(0),
            bytes: AtomicU64::new(0),
            slot_bytes: AtomicU64::new(0),
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

    /// Bytes of memory, roughly: of the samples, and of the slots that hold them.
    pub(crate) fn memory(&self) -> u64 {
        self.bytes.load(Ordering::Relaxed) + self.slot_bytes.load(Ordering::Relaxed)
    }

    /// How often the samples fill a head that is to be flushed at `flush_bytes`. What the slots take does not count:
    /// the next sample of each series brings it back.
    pub(crate) fn fillings(&self, flush_bytes: u64) -> u64 {
        let series = self.series.load(Ordering::Relaxed);
        let full = flush_bytes.max(series.saturating_mul(SERIES_BYTES_MIN));
        self.bytes.load(Ordering::Relaxed) / full.max(1)
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
        self.reader().capture(id, at, range)
    }

    /// For reading many series of groups that are here by now: looking up a page takes no lock then, whose line of memory
    /// the threads of a query would pass to and fro.
    pub(crate) fn reader(&self) -> Reader {
        Reader(self.pages())
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
        let pages = self.pages();
        let mut ids = ids.peekable();
        while let Some(&next) = ids.peek() {
            let number = next as usize / PAGE_SLOTS;
            if number >= pages.len() {
                return;
            }
            let slots = pages[number].as_ref().map(|page| page.slots.read());
            while let Some(id) = ids.next_if(|&id| id as usize / PAGE_SLOTS == number) {
                let slot = slots.as_ref().map(|slots| &slots[id as usize % PAGE_SLOTS]);
                if slot.is_some_and(|slot| slot.is_present(at, range)) {
                    with(id);
                }
            }
        }
    }

    /// The ids that may have samples, ascending.
    pub(crate) fn ids(&self) -> impl Iterator<Item = u32> {
        let pages = self.pages();
        (0..pages.len())
            .filter(move |&number| pages[number].is_some())
            .flat_map(|number| (number * PAGE_SLOTS..(number + 1) * PAGE_SLOTS).map(|id| id as u32))
    }

    fn pages(&self) -> Pages {
        Arc::clone(&self.pages.read())
    }

    /// The pages, those among them that `batch` needs.
    fn pages_for(&self, batch: &Batch) -> Pages {
        let pages = self.pages();
        let is_missing = |number: usize| pages.get(number).is_none_or(Option::is_none);
        if !page_numbers(batch).any(is_missing) {
            return pages;
        }
        drop(pages); // Or else making the first one would copy all references.
        let mut pages = self.pages.write();
        let all = Arc::make_mut(&mut pages);
        for number in page_numbers(batch) {
            if all.len() <= number {
                all.resize(number + 1, None);
            }
            all[number].get_or_insert_with(|| {
                self.slot_bytes.fetch_add(Page::BYTES, Ordering::Relaxed);
                Arc::new(Page::new())
            });
        }
        Arc::clone(&pages)
    }

    /// Adds to the figures what a batch brought.
    fn add(&self, gain: &slot::Gain) {
        self.samples.fetch_add(gain.samples, Ordering::Relaxed);
        self.bytes.fetch_add(gain.bytes as u64, Ordering::Relaxed); // Wraps for what became smaller.
        self.series.fetch_add(gain.series, Ordering::Relaxed);
        self.first.fetch_min(gain.first, Ordering::Relaxed);
        self.last.fetch_max(gain.last, Ordering::Relaxed);
    }

    /// Samples a series collects before they are compressed: fewer the more series there are. Whole frames of the
    /// codec where that is near, since those are read several times as fast as parts of one.
    fn open_samples(&self, open_bytes: u64) -> usize {
        let series = self.series.load(Ordering::Relaxed).max(1);
        let fair = (open_bytes / (16 * series)).clamp(OPEN_MIN, OPEN_MAX) as usize;
        let whole_frames = (fair + BLOCK / 2) / BLOCK * BLOCK;
        if whole_frames == 0 {
            fair
        } else {
            whole_frames
        }
    }
}

/// The pages that a generation had at some moment. What their slots get later can be seen, if a later group is asked for.
pub(crate) struct Reader(Pages);

impl Reader {
    /// What group `at` knew of series `id` inside `range`; `None` when that was nothing.
    pub(crate) fn capture(&self, id: u32, at: u64, range: TimeRange) -> Option<Captured> {
        let page = self.0.get(id as usize / PAGE_SLOTS)?.as_ref()?;
        let slots = page.slots.read();
        slots[id as usize % PAGE_SLOTS].capture(at, range)
    }
}

/// The pages of the samples that are kept, each at least once.
fn page_numbers(batch: &Batch) -> impl Iterator<Item = usize> + '_ {
    let mut last = None;
    let samples = batch.series.iter().zip(&batch.placements);
    samples.filter_map(move |(&id, placement)| {
        let number = id as usize / PAGE_SLOTS;
        (placement.is_kept() && last.replace(number) != Some(number)).then_some(number)
    })
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
        let pages = into.pages_for(batch);
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
                        let Some(page) = &pages[number] else {
                            continue; // `pages_for` made it.
                        };
                        &mut other.insert((number, page.slots.write())).1
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
        into.add(&gain);
    }
}

#[cfg(test)]
mod tests;
