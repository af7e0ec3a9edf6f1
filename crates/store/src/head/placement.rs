//! Which samples of a batch are taken, and where they go: decided before anything is written to the log.
//!
//! | time of the sample | |
//! | --- | --- |
//! | after the newest of its series | in order |
//! | equal, same bits | a no-op: retries are safe |
//! | equal, other bits | by the duplicate policy |
//! | before, inside the out-of-order window | late: kept aside, merged when read |
//! | before that | refused as too old |
//!
//! What is decided counts at once, also for the samples after it in the same batch. Should writing fail, the
//! store is read-only until it is opened anew, so nothing has to be taken back.

use crate::batch::Batch;
use crate::config::DuplicatePolicy;
use crate::error::{RejectReason, Rejected};

/// Where a sample goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Placement {
    /// After all samples of its series.
    InOrder,
    /// Among the late ones.
    Late,
    /// Nowhere: it is there already, or refused.
    Dropped,
}

impl Placement {
    pub(crate) fn is_kept(self) -> bool {
        self != Placement::Dropped
    }
}

/// What deciding about a batch came to.
#[derive(Debug, Default)]
pub(crate) struct Decided {
    pub(crate) accepted: u64,
    pub(crate) duplicates: u64,
    pub(crate) rejected: Vec<Rejected>,
}

/// The newest sample of a series, wherever it is stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Known {
    t: i64,
    bits: u64,
    state: State,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// Nothing came since the store was opened: segments may know.
    Unresolved,
    /// There is no sample at all.
    None,
    /// `t` and `bits` say it.
    Some,
}

/// The newest sample of every series, by id. Owned by the one who writes.
#[derive(Default)]
pub(crate) struct Newest {
    known: Vec<Known>,
}

/// The rules that depend on the configuration.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Rules {
    pub(crate) ooo_window: i64,
    pub(crate) duplicates: DuplicatePolicy,
}

impl Newest {
    /// Decides about every sample of `batch`, in order, and fills its placements.
    ///
    /// - `lookup`: the newest sample of a series in the segments, called at most once per series.
    pub(crate) fn decide(
        &mut self,
        batch: &mut Batch,
        rules: Rules,
        mut lookup: impl FnMut(u32, i64) -> Option<(i64, u64)>,
    ) -> Decided {
        let mut decided = Decided::default();
        if let Some(&max) = batch.series.iter().max()
            && max as usize >= self.known.len()
        {
            self.known.resize(
                max as usize + 1,
                Known {
                    t: 0,
                    bits: 0,
                    state: State::Unresolved,
                },
            );
        }
        let Batch {
            rows,
            series,
            values,
            placements,
            ..
        } = batch;
        placements.clear();
        placements.resize(series.len(), Placement::Dropped);
        let mut start = 0;
        for row in rows.iter() {
            let samples = start..row.end as usize;
            start = row.end as usize;
            if let Some(reason) = row.refused {
                decided
                    .rejected
                    .extend(samples.map(|index| Rejected { index, reason }));
                continue;
            }
            for index in samples {
                let known = &mut self.known[series[index] as usize];
                let bits = values[index].to_bits();
                if known.state == State::Some && row.t > known.t {
                    (known.t, known.bits) = (row.t, bits);
                    placements[index] = Placement::InOrder;
                    decided.accepted += 1;
                    continue;
                }
                if known.state == State::Unresolved {
                    known.resolve(lookup(series[index], row.t));
                }
                match known.place(row.t, bits, rules) {
                    Place::At(placement) => {
                        placements[index] = placement;
                        decided.accepted += 1;
                    }
                    Place::Duplicate => decided.duplicates += 1,
                    Place::Refused(reason) => decided.rejected.push(Rejected { index, reason }),
                }
            }
        }
        decided
    }

    /// Places every sample of a batch that a log gives back: it was accepted once, so nothing is refused.
    pub(crate) fn place_replayed(
        &mut self,
        batch: &mut Batch,
        lookup: impl FnMut(u32, i64) -> Option<(i64, u64)>,
    ) {
        let rules = Rules {
            ooo_window: i64::MAX,
            duplicates: DuplicatePolicy::LastWins,
        };
        self.decide(batch, rules, lookup);
    }
}

enum Place {
    At(Placement),
    Duplicate,
    Refused(RejectReason),
}

impl Known {
    fn resolve(&mut self, found: Option<(i64, u64)>) {
        match found {
            Some((t, bits)) => {
                *self = Known {
                    t,
                    bits,
                    state: State::Some,
                }
            }
            None => self.state = State::None,
        }
    }

    #[cold]
    fn place(&mut self, t: i64, bits: u64, rules: Rules) -> Place {
        if self.state != State::Some || t > self.t {
            *self = Known {
                t,
                bits,
                state: State::Some,
            };
            return Place::At(Placement::InOrder);
        }
        if t == self.t && bits == self.bits {
            return Place::Duplicate;
        }
        if t == self.t {
            return match rules.duplicates {
                DuplicatePolicy::LastWins => {
                    self.bits = bits;
                    Place::At(Placement::Late)
                }
                DuplicatePolicy::FirstWins => Place::Duplicate,
                DuplicatePolicy::Reject => Place::Refused(RejectReason::Duplicate),
            };
        }
        if t < self.t.saturating_sub(rules.ooo_window) {
            return Place::Refused(RejectReason::TooOld);
        }
        Place::At(Placement::Late)
    }
}
