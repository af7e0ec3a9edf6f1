//! When rules are due: slots at multiples of `every`, spread by the name, the same on every machine.
//!
//! A slot of a rule is a time `t` with `t = phase (mod every)`. The phase is a whole number of seconds
//! out of a day, taken from a hash of the name of the rule's component: rules that read what others
//! record share the phase, so that their slots coincide as often as their intervals allow.
//! Whole seconds keep the number of ticks, and with it of commits, at one a second at most.
//!
//! Not here: what a tick does (`engine.rs`), which rules form a component (`order.rs`).

use std::collections::BTreeSet;

use bellwether_model::{DurationMs, TimestampMs};

/// Whether slots are spread over the interval.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Spread {
    /// By a hash of the name: the load of many rules is even.
    #[default]
    ByName,
    /// Not at all: slots are the multiples of `every` since the epoch. For tests and examples.
    None,
}

/// The phase of a component with this name.
pub(crate) fn phase(name: &str, spread: Spread) -> DurationMs {
    const DAY_SECONDS: u64 = 86_400;
    match spread {
        Spread::None => DurationMs::ZERO,
        Spread::ByName => DurationMs((fnv1a(name.as_bytes()) % DAY_SECONDS) as i64 * 1000),
    }
}

/// FNV-1a, 64 bits: stable for ever, which a slot has to be.
fn fnv1a(bytes: &[u8]) -> u64 {
    bytes.iter().fold(14_695_981_039_346_656_037, |hash, b| {
        (hash ^ u64::from(*b)).wrapping_mul(1_099_511_628_211)
    })
}

/// The slots of one phase and interval.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Slots {
    phase: DurationMs,
    every: DurationMs,
}

impl Slots {
    /// `every` below one millisecond is taken as one millisecond.
    pub(crate) fn new(phase: DurationMs, every: DurationMs) -> Slots {
        let every = DurationMs(every.0.max(1));
        Slots {
            phase: DurationMs(phase.0.rem_euclid(every.0)),
            every,
        }
    }

    /// True when `t` is a slot.
    pub(crate) fn contains(self, t: TimestampMs) -> bool {
        t.0.rem_euclid(self.every.0) == self.phase.0
    }

    /// True when some slot is one of both.
    pub(crate) fn meet(self, other: Slots) -> bool {
        let (mut a, mut b) = (self.every.0, other.every.0);
        while b != 0 {
            (a, b) = (b, a % b);
        }
        self.phase.0.rem_euclid(a) == other.phase.0.rem_euclid(a)
    }

    /// The first slot later than `t`; `None` at the end of time.
    pub(crate) fn after(self, t: TimestampMs) -> Option<TimestampMs> {
        let into = (t.0.rem_euclid(self.every.0) - self.phase.0).rem_euclid(self.every.0);
        t.0.checked_add(self.every.0 - into).map(TimestampMs)
    }
}

/// The slots of all rules.
#[derive(Clone, Debug, Default)]
pub(crate) struct Schedule(BTreeSet<Slots>);

impl Schedule {
    pub(crate) fn new(slots: impl IntoIterator<Item = Slots>) -> Schedule {
        Schedule(slots.into_iter().collect())
    }

    /// The first slot of any rule later than `t`.
    pub(crate) fn after(&self, t: TimestampMs) -> Option<TimestampMs> {
        self.0.iter().filter_map(|slots| slots.after(t)).min()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn slots(phase: i64, every: i64) -> Slots {
        Slots::new(DurationMs(phase), DurationMs(every))
    }

    #[test]
    fn slots_are_multiples_shifted_by_the_phase() {
        let s = slots(7_000, 30_000);
        assert!(s.contains(TimestampMs(37_000)) && s.contains(TimestampMs(-23_000)));
        assert!(!s.contains(TimestampMs(30_000)));
        assert_eq!(s.after(TimestampMs(7_000)), Some(TimestampMs(37_000)));
        assert_eq!(s.after(TimestampMs(6_999)), Some(TimestampMs(7_000)));
        assert_eq!(s.after(TimestampMs(-1)), Some(TimestampMs(7_000)));
        assert_eq!(s.after(TimestampMs(i64::MAX)), None);
        assert!(slots(5, 0).contains(TimestampMs(3)));
    }

    #[test]
    fn slots_meet_when_their_phases_agree_in_the_common_part_of_their_intervals() {
        let meet = |a: Slots, b: Slots| {
            let met = a.meet(b);
            assert_eq!(met, b.meet(a));
            // By looking: within the product of both there is a common slot or there is none.
            let common = (0..36_000)
                .any(|t| a.contains(TimestampMs(t * 10)) && b.contains(TimestampMs(t * 10)));
            assert_eq!(met, common, "{a:?} {b:?}");
            met
        };
        assert!(meet(slots(10, 300), slots(10, 300)));
        assert!(!meet(slots(10, 300), slots(20, 300)));
        assert!(meet(slots(10, 300), slots(310, 600)));
        assert!(!meet(slots(10, 300), slots(20, 600)));
        assert!(meet(slots(10, 200), slots(110, 300)));
        assert!(meet(slots(50, 70), slots(20, 110)));
    }

    #[test]
    fn one_phase_makes_slots_of_different_intervals_meet() {
        let phase = phase("job:errors:rate5m", Spread::ByName);
        let (short, long) = (slots(phase.0, 30_000), slots(phase.0, 60_000));
        let t = long.after(TimestampMs(1_700_000_000_000)).unwrap();
        assert!(short.contains(t));
    }

    #[test]
    fn phases_are_the_same_for_ever() {
        assert_eq!(phase("DiskFilling", Spread::ByName), DurationMs(39_523_000));
        assert_eq!(phase("DiskFilling", Spread::None), DurationMs::ZERO);
    }

    #[test]
    fn the_schedule_is_the_union() {
        let schedule = Schedule::new([slots(0, 30_000), slots(10_000, 60_000)]);
        let mut t = TimestampMs(0);
        let mut seen = Vec::new();
        for _ in 0..4 {
            t = schedule.after(t).unwrap();
            seen.push(t.0);
        }
        assert_eq!(seen, [10_000, 30_000, 60_000, 70_000]);
        assert_eq!(Schedule::default().after(t), None);
    }
}
