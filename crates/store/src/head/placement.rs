//! Which samples of a batch are taken, and where they go: decided before anything is written to the log.
//!
//! | time of the sample | |
//! | --- | --- |
//! | after the newest of its series | in order |
//! | one that is stored, same bits | a no-op: retries are safe |
//! | one that is stored, other bits | by the duplicate policy; too old all the same |
//! | before the newest, inside the out-of-order window | late: kept aside, merged when read |
//! | before that | refused as too old |
//!
//! What is stored at the time of the newest sample is known here. What is stored before that has to be looked
//! up, so deciding takes two steps where a batch has such samples: [`Newest::decide`] leaves them open, someone
//! who can read looks for them, [`settle`] decides.
//!
//! The window is measured from the newest sample of the series, but not from one that lies further ahead of the
//! clock than samples may: a clock that ran ahead for a while and was set back must not freeze its series.
//!
//! What is decided counts at once, also for the samples after it in the same batch. Should writing fail in a way that the
//! store survives, all that is known here is forgotten, and looked up again.

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

/// A sample before the newest of its series, to be decided once it is known what is stored at its time.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Past {
    pub(crate) series: u32,
    pub(crate) t: i64,
    /// Which of the batch's samples it is.
    index: u32,
    in_window: bool,
    /// Bits of the value that is stored at its time.
    stored: Option<u64>,
}

impl Past {
    /// Samples to be decided are sorted by this, those of one key in the order of the batch.
    pub(crate) fn key(&self) -> (u32, i64) {
        (self.series, self.t)
    }

    pub(crate) fn is_found(&self) -> bool {
        self.stored.is_some()
    }

    /// Notes a value at its time. To be told about newer values first.
    pub(crate) fn found(&mut self, bits: u64, policy: DuplicatePolicy) {
        if policy != DuplicatePolicy::LastWins || self.stored.is_none() {
            self.stored = Some(bits);
        }
    }
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
    /// Decides about the samples of `batch`, in order, and fills its placements. Those before the newest of their
    /// series are returned, sorted, for [`settle`].
    ///
    /// - `lookup`: the newest sample of a series in the segments, called at most once per series.
    pub(crate) fn decide(
        &mut self,
        batch: &mut Batch,
        rules: Rules,
        mut lookup: impl FnMut(u32, i64) -> Option<(i64, u64)>,
    ) -> (Decided, Vec<Past>) {
        let mut decided = Decided::default();
        let mut past = Vec::new();
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
            trusted,
        } = batch;
        let trusted = *trusted;
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
                    Place::Past => past.push(Past {
                        series: series[index],
                        t: row.t,
                        index: index as u32,
                        in_window: row.t >= known.window_start(trusted, rules),
                        stored: None,
                    }),
                }
            }
        }
        past.sort_unstable_by_key(|p| (p.key(), p.index));
        (decided, past)
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
        let (mut decided, past) = self.decide(batch, rules, lookup);
        settle(batch, &past, rules, &mut decided);
    }
}

/// Decides about the samples that [`Newest::decide`] left open, now that they know what is stored.
pub(crate) fn settle(batch: &mut Batch, past: &[Past], rules: Rules, decided: &mut Decided) {
    for same in past.chunk_by(|a, b| a.key() == b.key()) {
        let mut stored = same[0].stored;
        for past in same {
            let index = past.index as usize;
            let bits = batch.values[index].to_bits();
            match past.place(stored, bits, rules.duplicates) {
                Place::Refused(reason) => decided.rejected.push(Rejected { index, reason }),
                Place::At(placement) => {
                    batch.placements[index] = placement;
                    decided.accepted += 1;
                    stored = Some(bits); // Unless there was none, the last one wins.
                }
                _ => decided.duplicates += 1,
            }
        }
    }
    decided.rejected.sort_unstable_by_key(|r| r.index);
}

enum Place {
    At(Placement),
    Duplicate,
    Refused(RejectReason),
    /// To be looked up.
    Past,
}

impl Past {
    fn place(&self, stored: Option<u64>, bits: u64, policy: DuplicatePolicy) -> Place {
        match (stored, policy) {
            (Some(stored), _) if stored == bits => Place::Duplicate,
            (Some(_), DuplicatePolicy::FirstWins) => Place::Duplicate,
            (Some(_), DuplicatePolicy::Reject) => Place::Refused(RejectReason::Duplicate),
            _ if self.in_window => Place::At(Placement::Late),
            _ => Place::Refused(RejectReason::TooOld),
        }
    }
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
        Place::Past
    }

    /// Samples from this time on may come out of order.
    fn window_start(&self, trusted: i64, rules: Rules) -> i64 {
        self.t.min(trusted).saturating_sub(rules.ooo_window)
    }
}
