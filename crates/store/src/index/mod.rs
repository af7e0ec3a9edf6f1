//! All series the store holds: from labels to id, and from matchers to ids.
//!
//! Ids are dense, ascending and stay the same over restarts; a view looks only at ids below its own
//! end, so what it selects does not change while series are added. Nothing is removed while the
//! store is open: appenders hold ids.
//!
//! Not here: which series have samples when (`view`), and how ids reach the disk (`wal`, `catalog`).

mod order;
mod postings;

use crate::error::AppendError;
use bellwether_model::{Labels, Matcher};
use foldhash::fast::RandomState;
use hashbrown::HashTable;
use hashbrown::hash_table::Entry;
use order::Order;
use parking_lot::{Mutex, RwLock};
use postings::Postings;
use roaring::RoaringBitmap;
use std::hash::BuildHasher;
use std::sync::Arc;

/// Bytes of packed labels that one series may have: a definition must fit in a log frame.
pub(crate) const LABELS_BYTES_MAX: usize = 512 << 10;

/// Ids are below this: tables by id are as long as the highest id, and a damaged one must not blow them up.
const IDS_MAX: u32 = 1 << 26;

/// Ids that may be missing before one that a log mentions: series that were created and never had a sample
/// leave such gaps. Beyond them, the series gets another id instead of a table of holes.
const GAP_MAX: usize = 1 << 16;

/// The index of a store. Shared by appenders, views and the log.
pub(crate) struct Index {
    inner: RwLock<Inner>,
    order: Mutex<Known>,
}

/// Ids in the order of their labels, for as many as were there when it was last brought up to date.
#[derive(Default)]
struct Known {
    order: Arc<Order>,
    /// Comparisons of labels that were made since then, for want of a newer one.
    spent: u64,
}

#[derive(Default)]
struct Inner {
    /// By id. A hole is an id of a series that was forgotten, or never had a sample.
    labels: Vec<Option<Labels>>,
    /// Ids below this are known to have been given out.
    reserved: u32,
    /// Ids, found by the hash of their labels.
    table: HashTable<u32>,
    hasher: RandomState,
    postings: Postings,
    series: usize,
    label_bytes: usize,
}

impl Index {
    pub(crate) fn new() -> Index {
        Index {
            inner: RwLock::new(Inner::default()),
            order: Mutex::default(),
        }
    }

    /// The id of the series with these labels, created when it is new and fewer than `series_max` exist.
    pub(crate) fn find_or_create(
        &self,
        labels: &Labels,
        series_max: usize,
    ) -> Result<u32, AppendError> {
        if let Some(id) = self.inner.read().find(labels) {
            return Ok(id);
        }
        let got = labels.as_packed().len();
        if got == 0 {
            return Err(AppendError::NoLabels);
        }
        if got > LABELS_BYTES_MAX {
            return Err(AppendError::LabelsTooLong {
                got,
                max: LABELS_BYTES_MAX,
            });
        }
        let mut inner = self.inner.write();
        if let Some(id) = inner.find(labels) {
            return Ok(id); // Someone else was quicker.
        }
        let id = inner.labels.len();
        if inner.series >= series_max || id >= IDS_MAX as usize {
            return Err(AppendError::SeriesLimit { max: series_max });
        }
        inner.insert(id as u32, labels);
        Ok(id as u32)
    }

    /// Takes a series that the disk knows under `id`. Returns the id under which it is known here: another
    /// one when either the labels or the id stand for something else already, or when the id is so far
    /// beyond all others that it cannot be true; `None` when `id` is none.
    pub(crate) fn restore(&self, id: u32, labels: &Labels) -> Option<u32> {
        let mut inner = self.inner.write();
        if let Some(known) = inner.find(labels) {
            return Some(known);
        }
        if id >= IDS_MAX {
            return None;
        }
        let taken = inner.labels.get(id as usize).is_some_and(Option::is_some);
        let far = id as usize >= inner.reserved as usize + inner.series + GAP_MAX;
        let id = if taken || far {
            inner.labels.len() as u32
        } else {
            id
        };
        if id >= IDS_MAX {
            return None;
        }
        inner.insert(id, labels);
        Some(id)
    }

    /// Makes sure that ids below `end`, which were given out once, are never given to new series.
    pub(crate) fn reserve(&self, end: u32) {
        let mut inner = self.inner.write();
        let end = end.min(IDS_MAX);
        inner.reserved = inner.reserved.max(end);
        if inner.labels.len() < end as usize {
            inner.labels.resize(end as usize, None);
        }
    }

    /// By id: whether a series has it.
    pub(crate) fn defined(&self) -> Vec<bool> {
        self.inner
            .read()
            .labels
            .iter()
            .map(Option::is_some)
            .collect()
    }

    /// The ids of all series.
    pub(crate) fn ids(&self) -> RoaringBitmap {
        self.inner.read().postings.matching(&[])
    }

    /// One more than the highest id in use.
    pub(crate) fn end(&self) -> u32 {
        self.inner.read().labels.len() as u32
    }

    /// Number of series.
    pub(crate) fn len(&self) -> usize {
        self.inner.read().series
    }

    /// Bytes of all labels.
    pub(crate) fn label_bytes(&self) -> usize {
        self.inner.read().label_bytes
    }

    /// The labels of a series.
    pub(crate) fn labels(&self, id: u32) -> Option<Labels> {
        self.inner.read().labels.get(id as usize)?.clone()
    }

    /// Calls `with` for each of these ids that stands for a series.
    pub(crate) fn each_labels(
        &self,
        ids: impl IntoIterator<Item = u32>,
        mut with: impl FnMut(u32, &Labels),
    ) {
        let inner = self.inner.read();
        for id in ids {
            if let Some(Some(labels)) = inner.labels.get(id as usize) {
                with(id, labels);
            }
        }
    }

    /// The ids below `end` whose labels satisfy every matcher.
    pub(crate) fn matching(&self, matchers: &[Matcher], end: u32) -> RoaringBitmap {
        let mut ids = self.inner.read().postings.matching(matchers);
        ids.remove_range(end..);
        ids
    }

    /// The names of labels, sorted, that some series of `among` has.
    pub(crate) fn names(&self, among: &RoaringBitmap) -> Vec<String> {
        let inner = self.inner.read();
        inner
            .postings
            .names()
            .filter(|(_, ids)| !ids.is_disjoint(among))
            .map(|(n, _)| n.to_owned())
            .collect()
    }

    /// The values of the label `name`, sorted, that some series of `among` has.
    pub(crate) fn values(&self, name: &str, among: &RoaringBitmap) -> Vec<String> {
        self.inner
            .read()
            .postings
            .values(name, among)
            .map(str::to_owned)
            .collect()
    }

    /// The ids, in the order of their labels, with the labels.
    pub(crate) fn sorted(&self, ids: &RoaringBitmap) -> Vec<(u32, Labels)> {
        let order = self.order_for(ids);
        let inner = self.inner.read();
        let mut found: Vec<(u32, Labels)> = ids
            .iter()
            .filter_map(|id| Some((id, inner.labels.get(id as usize)?.clone()?)))
            .collect();
        drop(inner);
        match order {
            Some(order) => found.sort_unstable_by_key(|(id, _)| order.rank(*id)),
            None => found.sort_unstable_by(|a, b| a.1.cmp(&b.1)),
        }
        found
    }

    /// The known order, if it knows all of these. It is brought up to date, which costs something for each series there is, once
    /// sorting without it has cost as much.
    fn order_for(&self, ids: &RoaringBitmap) -> Option<Arc<Order>> {
        let last = ids.max()?;
        let mut known = self.order.lock();
        if known.order.end() <= last {
            let comparisons = ids.len() * u64::from(ids.len().ilog2() + 1);
            known.spent = known.spent.saturating_add(comparisons);
            let inner = self.inner.read();
            if known.spent < inner.labels.len() as u64 {
                return None;
            }
            let order = Arc::new(known.order.extended(&inner.labels));
            *known = Known { order, spent: 0 };
        }
        Some(Arc::clone(&known.order))
    }
}

impl Inner {
    fn find(&self, labels: &Labels) -> Option<u32> {
        let hash = self.hasher.hash_one(labels);
        let same = |id: &u32| self.labels[*id as usize].as_ref() == Some(labels);
        self.table.find(hash, same).copied()
    }

    /// The labels are not in the table, and nothing stands at `id`.
    fn insert(&mut self, id: u32, labels: &Labels) {
        if self.labels.len() <= id as usize {
            self.labels.resize(id as usize + 1, None);
        }
        let Inner {
            labels: all,
            table,
            hasher,
            ..
        } = self;
        let rehash = |id: &u32| {
            all[*id as usize]
                .as_ref()
                .map_or(0, |labels| hasher.hash_one(labels))
        };
        if let Entry::Vacant(place) = table.entry(hasher.hash_one(labels), |_| false, rehash) {
            place.insert(id);
        }
        self.labels[id as usize] = Some(labels.clone());
        self.postings.insert(id, labels);
        self.series += 1;
        self.label_bytes += labels.heap_bytes();
    }
}

#[cfg(test)]
mod tests;
