//! Sums of events, and how they lie in time.

use bellwether_lang::rules::Objective;
use bellwether_model::{DurationMs, TimestampMs};

use super::events::Part;

/// Events of a stretch of time.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Tally {
    /// Bad ones; not negative, not more than there are.
    pub bad: f64,
    /// All.
    pub total: f64,
}

impl Tally {
    /// The good part; `None` without events.
    pub fn ratio(self) -> Option<f64> {
        (self.total > 0.0).then(|| 1.0 - self.bad / self.total)
    }

    /// How many events may be bad.
    pub fn budget(self, objective: Objective) -> f64 {
        objective.error_budget() * self.total
    }

    /// The part of the budget that is left: 1 untouched, 0 spent, below 0 overspent.
    pub fn remaining(self, objective: Objective) -> f64 {
        if self.total > 0.0 {
            1.0 - self.bad / self.budget(objective)
        } else {
            1.0
        }
    }

    /// Whether the promise was kept; no events break none.
    pub fn is_met(self, objective: Objective) -> bool {
        // Not by the ratio, whose subtraction from one rounds: a promise kept to the last event is kept.
        self.total <= 0.0 || (self.total - self.bad) / self.total >= objective.good()
    }
}

/// Events of one group as they are read: sums over equal stretches of time, each open at its begin and closed at its end.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Buckets {
    from: TimestampMs,
    width: DurationMs,
    /// What is counted beside all events, and all events.
    sums: Vec<(f64, f64)>,
}

impl Buckets {
    /// From `from` to `to`, which lie a whole number of `width` apart, or the last one is cut off.
    pub(super) fn new(from: TimestampMs, to: TimestampMs, width: DurationMs) -> Buckets {
        let width = DurationMs(width.0.max(1));
        let count = to.since(from).0.max(0).div_euclid(width.0)
            + i64::from(to.since(from).0.max(0) % width.0 != 0);
        Buckets {
            from,
            width,
            sums: vec![(0.0, 0.0); usize::try_from(count).unwrap_or(0)],
        }
    }

    /// Adds events at a time; times outside are none of its business.
    pub(super) fn add(&mut self, at: TimestampMs, part: Part, count: f64) {
        let into = at.since(self.from).0 - 1; // Closed at the end: the begin itself belongs to the one before.
        if into < 0 {
            return;
        }
        if let Some(sum) = usize::try_from(into / self.width.0)
            .ok()
            .and_then(|i| self.sums.get_mut(i))
        {
            match part {
                Part::Counted => sum.0 += count,
                Part::Total => sum.1 += count,
            }
        }
    }

    /// Begin, end and sums of each.
    pub(super) fn iter(&self) -> impl Iterator<Item = (TimestampMs, TimestampMs, (f64, f64))> {
        self.sums.iter().enumerate().map(|(i, sums)| {
            let from = self
                .from
                .plus(DurationMs(self.width.0.saturating_mul(i as i64)));
            (from, from.plus(self.width), *sums)
        })
    }

    /// The sum over all.
    pub(super) fn sum(&self) -> (f64, f64) {
        let add = |a: (f64, f64), b: &(f64, f64)| (a.0 + b.0, a.1 + b.1);
        self.sums.iter().fold((0.0, 0.0), add)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_promise_kept_to_the_last_event_is_kept() {
        let promised = Objective::new(0.9058).unwrap();
        let of = |bad: f64| Tally { bad, total: 5000.0 }.is_met(promised);
        assert_eq!([of(470.0), of(471.0), of(472.0)], [true, true, false]);
        assert!(Tally::default().is_met(promised));
    }
}
