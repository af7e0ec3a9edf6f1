//! The clock that retention goes by: it runs with the caller's, and does not jump with it.
//!
//! Whoever steps the machine's clock forward must not delete anything by it. Samples are no witness: those taken since
//! carry the same wrong time. What can be believed is the time between two looks at the clock, while looks come
//! often: this clock advances by that, and by nothing for a step. When it is behind, after a step or because the
//! process was not running, it goes [`CATCH_UP`] times as fast until it has caught up. A clock that is wrong by a
//! month can so be put right within ten days, and nothing is lost; a process that was down for a month keeps
//! what is too old for ten days more.
//!
//! When the caller's clock goes back, so does this one. Not here: what is deleted (`upkeep`).

use bellwether_model::{DurationMs, TimestampMs};

/// Two looks further apart than this say nothing about how much time has passed.
const LOOKS_APART_MAX: DurationMs = DurationMs(3_600_000);
/// How much faster than time the clock goes while it is behind. More than 1, or it never caught up; several, so that
/// it does for a machine that is off at night.
const CATCH_UP: i64 = 4;

/// Retention's own clock.
pub(crate) struct Clock {
    /// What it shows, and the caller's clock at the last look.
    state: Option<(TimestampMs, TimestampMs)>,
}

impl Clock {
    /// - `last`: what the clock showed when it was last written down, if ever.
    pub(crate) fn new(last: Option<TimestampMs>) -> Clock {
        Clock {
            state: last.map(|t| (t, t)),
        }
    }

    /// The present, as far as it can be believed: never after `now`.
    pub(crate) fn look(&mut self, now: TimestampMs) -> TimestampMs {
        let shows = match self.state {
            None => now,
            Some((shows, seen)) => {
                let passed = now.since(seen).0;
                let believed = if (0..=LOOKS_APART_MAX.0).contains(&passed) {
                    passed
                } else {
                    0
                };
                now.min(shows.plus(DurationMs(believed * CATCH_UP)))
            }
        };
        self.state = Some((shows, now));
        shows
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MINUTE: i64 = 60_000;
    const HOUR: i64 = 60 * MINUTE;
    const DAY: i64 = 24 * HOUR;

    /// Looks at the clock every `every` from `from` on, up to `to`; returns what it shows in the end.
    fn walk(clock: &mut Clock, from: i64, to: i64, every: i64) -> i64 {
        let mut now = from;
        loop {
            let shows = clock.look(TimestampMs(now)).0;
            assert!(shows <= now);
            if now >= to {
                return shows;
            }
            now += every;
        }
    }

    #[test]
    fn it_runs_with_the_callers_clock() {
        let mut clock = Clock::new(None);
        for (to, every) in [(MINUTE, 1000), (DAY, MINUTE), (9 * DAY, HOUR)] {
            assert_eq!(walk(&mut clock, 0, to, every), to);
        }
    }

    #[test]
    fn a_step_is_not_believed_and_is_forgotten_when_it_is_taken_back() {
        let mut clock = Clock::new(Some(TimestampMs(0)));
        assert_eq!(walk(&mut clock, 0, HOUR, MINUTE), HOUR);
        let year = 365 * DAY;
        assert_eq!(walk(&mut clock, year, year + HOUR, 1000), 5 * HOUR);
        // Again and again, it is no more.
        for _ in 0..100 {
            assert_eq!(clock.look(TimestampMs(2 * HOUR)).0, 2 * HOUR);
            assert_eq!(clock.look(TimestampMs(year)).0, 2 * HOUR);
        }
        assert_eq!(walk(&mut clock, 2 * HOUR, 3 * HOUR, 1000), 3 * HOUR);
    }

    #[test]
    fn after_a_pause_it_catches_up() {
        let mut clock = Clock::new(Some(TimestampMs(0)));
        let from = 30 * DAY;
        assert_eq!(clock.look(TimestampMs(from)).0, 0);
        assert_eq!(walk(&mut clock, from, from + DAY, MINUTE), 4 * DAY);
        assert_eq!(
            walk(&mut clock, from + DAY, from + 11 * DAY, MINUTE),
            from + 11 * DAY
        );
    }

    #[test]
    fn extreme_times_do_no_harm() {
        let mut clock = Clock::new(Some(TimestampMs(i64::MIN)));
        for now in [i64::MAX, i64::MIN, 0, i64::MAX, i64::MIN] {
            assert!(clock.look(TimestampMs(now)).0 <= now);
        }
    }
}
