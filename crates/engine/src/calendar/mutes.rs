//! When a mute holds as far as the clock decides: `during`, `outside` and `until`.
//!
//! Not here: which instances it is about, and `while`.

use bellwether_lang::rules::{Mute, Window};
use bellwether_model::{DurationMs, TimestampMs};

use super::{DAYS_AHEAD, Opening, is_open, next_change, stretches};

/// True when the clock lets the mute hold. `windows` are those of its folder.
pub fn mute_holds(windows: &[Window], mute: &Mute, at: TimestampMs) -> bool {
    let any_open = |names: &[String]| {
        let mut named = windows.iter().filter(|window| names.contains(&window.name));
        named.any(|window| is_open(window, at))
    };
    mute.until.is_none_or(|until| at < until)
        && (mute.during.is_empty() || any_open(&mute.during))
        && !any_open(&mute.outside)
}

/// The next `count` stretches in which the clock lets the mute hold, the running one first, which begins with `from` here.
pub fn mute_openings(
    windows: &[Window],
    mute: &Mute,
    from: TimestampMs,
    count: usize,
) -> Vec<Opening> {
    let change = |at| next_change_of(windows, mute, at);
    stretches(from, count, mute_holds(windows, mute, from), &change)
}

/// The next moment after `at` at which the mute begins or ends to hold; `None` when there is none within 50 years.
fn next_change_of(windows: &[Window], mute: &Mute, at: TimestampMs) -> Option<TimestampMs> {
    if mute.until.is_some_and(|until| until <= at) {
        return None; // It is over.
    }
    const DAY: i64 = 24 * 60 * 60_000;
    let horizon = at.plus(DurationMs(DAY * DAYS_AHEAD as i64));
    let holds = mute_holds(windows, mute, at);
    let is_named = |window: &&Window| {
        mute.during.contains(&window.name) || mute.outside.contains(&window.name)
    };
    // Each window's next change; one that never changes again is not asked again.
    let named = windows.iter().filter(is_named);
    let mut changes: Vec<_> = named.map(|w| (w, next_change(w, at))).collect();
    loop {
        let next = changes.iter().filter_map(|(_, change)| *change);
        let next = next
            .chain(mute.until)
            .min()
            .filter(|next| *next <= horizon)?;
        if mute_holds(windows, mute, next) != holds {
            return Some(next);
        }
        if mute.until == Some(next) {
            return None; // It did not hold, and is over.
        }
        for (window, change) in &mut changes {
            if *change == Some(next) {
                *change = next_change(window, next);
            }
        }
    }
}
