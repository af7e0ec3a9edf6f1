//! The order of all series by labels, kept so that a selection of many is sorted by comparing numbers.

use bellwether_model::Labels;

/// The rank of every id below an end.
#[derive(Default)]
pub(super) struct Order {
    /// Ids sorted by labels; ids without labels are not among them.
    ids: Vec<u32>,
    /// By id: its place in `ids`.
    ranks: Vec<u32>,
}

impl Order {
    /// Ids below this have a rank.
    pub(super) fn end(&self) -> u32 {
        self.ranks.len() as u32
    }

    /// The place of `id` in the order of labels.
    pub(super) fn rank(&self, id: u32) -> u32 {
        self.ranks.get(id as usize).copied().unwrap_or(u32::MAX)
    }

    /// The order of all of `labels`: the new ones sorted, then merged with those known.
    pub(super) fn extended(&self, labels: &[Option<Labels>]) -> Order {
        let of = |id: u32| labels[id as usize].as_ref();
        // Ids that had no labels before may have got some since: those count as new.
        let mut new: Vec<u32> = (0..labels.len() as u32)
            .filter(|&id| of(id).is_some() && self.rank(id) == u32::MAX)
            .collect();
        new.sort_unstable_by(|&a, &b| of(a).cmp(&of(b)));
        let mut ids = Vec::with_capacity(self.ids.len() + new.len());
        let mut known = self.ids.iter().copied().peekable();
        for id in new {
            while let Some(before) = known.next_if(|&k| of(k) < of(id)) {
                ids.push(before);
            }
            ids.push(id);
        }
        ids.extend(known);
        let mut ranks = vec![u32::MAX; labels.len()];
        for (rank, &id) in ids.iter().enumerate() {
            ranks[id as usize] = rank as u32;
        }
        Order { ids, ranks }
    }
}
