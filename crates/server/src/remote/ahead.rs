//! Answers for the questions to come: who replays tick after tick asks for windows that slide, and a request a tick takes
//! longer than all the rest.
//!
//! A window that has slid on a little is asked for with more time than it wants, and the answer is kept: the windows behind it
//! find theirs there. Where that is too much, for the memory or for the server, the selector is asked tick by tick.
//!
//! What is kept is a copy of what the server had when it was asked. A sample that comes in meanwhile may be missing.

use std::collections::VecDeque;
use std::sync::Arc;

use bellwether_model::{DurationMs, Matcher, TimeRange, TimestampMs};
use bellwether_query::Select;
use parking_lot::Mutex;

use super::Held;

/// So much more than a window is asked for, or once more the window's length if that is more.
const AHEAD_MIN: DurationMs = DurationMs::from_mins(60);
/// Windows that are remembered. Behind so many a rule set asks tick by tick again.
const WINDOWS_MAX: usize = 4096;

/// What is kept, for one source.
#[derive(Default)]
pub(super) struct Ahead(Mutex<VecDeque<Window>>);

/// A window of one selector, as it was asked for last.
struct Window {
    matchers: Vec<Matcher>,
    wanted: TimeRange,
    /// The answer for it and for windows behind it.
    kept: Option<Arc<Held>>,
    /// More than it wants was too much.
    is_narrow: bool,
}

impl Ahead {
    /// The answer to `select`, if it is kept.
    pub(super) fn find(&self, select: &Select<'_>) -> Option<Arc<Held>> {
        let mut windows = self.0.lock();
        let window = nearest(&mut windows, select)?;
        let kept = window.kept.as_ref()?;
        if !kept.holds(select) {
            return None;
        }
        window.wanted = select.range;
        Some(Arc::clone(kept))
    }

    /// For which time to ask instead of what `select` wants, `until` at the latest; `None` for a window that does not slide. What
    /// was kept of the window is dropped, for the next answer needs its memory.
    pub(super) fn widen(&self, select: &Select<'_>, until: TimestampMs) -> Option<TimeRange> {
        let mut windows = self.0.lock();
        let Some(window) = nearest(&mut windows, select) else {
            if windows.len() >= WINDOWS_MAX {
                windows.pop_front();
            }
            windows.push_back(Window {
                matchers: select.matchers.to_vec(),
                wanted: select.range,
                kept: None,
                is_narrow: false,
            });
            return None;
        };
        window.kept = None;
        let moved = select.range.to > window.wanted.to;
        window.wanted = select.range;
        let to = select.range.to.plus(ahead(select.range)).min(until);
        let wide = TimeRange { to, ..select.range };
        (moved && !window.is_narrow && wide.to > select.range.to).then_some(wide)
    }

    /// Keeps what a widened `select` was answered; `None` when that was too much.
    pub(super) fn keep(&self, select: &Select<'_>, answer: Option<&Arc<Held>>) {
        let mut windows = self.0.lock();
        if let Some(window) = nearest(&mut windows, select) {
            window.kept = answer.cloned();
            window.is_narrow = answer.is_none();
        }
    }

    /// Gives back all memory, and asks for no more than what is wanted from now on. False when there was none to give.
    pub(super) fn give_up(&self) -> bool {
        let mut had_any = false;
        for window in self.0.lock().iter_mut() {
            had_any |= window.kept.take().is_some();
            window.is_narrow = true;
        }
        had_any
    }
}

/// The window that slides to `select`: of several, such as those of a selector with and without an offset, the next.
fn nearest<'a>(windows: &'a mut VecDeque<Window>, select: &Select<'_>) -> Option<&'a mut Window> {
    let sliding = windows.iter_mut().filter(|window| window.slides_to(select));
    sliding.min_by_key(|window| select.range.to.since(window.wanted.to))
}

impl Window {
    /// True when `select` asks for this window again, or for one of its length a little later: not for another stretch of a
    /// range that is walked through piece by piece.
    fn slides_to(&self, select: &Select<'_>) -> bool {
        let length = |range: TimeRange| range.to.since(range.from);
        let moved = select.range.to.since(self.wanted.to).0;
        length(self.wanted) == length(select.range)
            && (0..=ahead(self.wanted).0 / 2).contains(&moved)
            && self.matchers == select.matchers
    }
}

fn ahead(range: TimeRange) -> DurationMs {
    range.to.since(range.from).max(AHEAD_MIN)
}

#[cfg(test)]
mod tests {
    use bellwether_model::MatchOp;
    use bellwether_wire::remote_read::{ReadAnswer, ReadResponse, decoded_len};

    use super::super::memory::{Charge, Memory};
    use super::*;

    const MINUTE: i64 = 60_000;

    fn nothing(range: TimeRange) -> Held {
        let mut body = ReadResponse::new();
        body.end_query();
        let body = body.finish().unwrap();
        Held {
            answer: ReadAnswer::decode(&body, decoded_len(&body).unwrap(), 0).unwrap(),
            range,
            _charge: Charge::new(&Memory::new(0)),
        }
    }

    /// What is asked of the server, in minutes, when `wanted` are asked for one after the other until the minute 300 and `answered`
    /// says whether more than is wanted may be had.
    fn asked(wanted: &[(i64, i64)], answered: bool) -> Vec<(i64, i64)> {
        let ahead = Ahead::default();
        let matchers = [Matcher::new(MatchOp::Equal, "__name__", "x").unwrap()];
        let mut asked = Vec::new();
        for (from, to) in wanted {
            let select = Select {
                matchers: &matchers,
                range: TimeRange::new(from * MINUTE, to * MINUTE),
                series_max: 10,
            };
            if ahead.find(&select).is_some() {
                continue;
            }
            let wide = ahead.widen(&select, TimestampMs(300 * MINUTE));
            let range = wide.unwrap_or(select.range);
            asked.push((range.from.0 / MINUTE, range.to.0 / MINUTE));
            if wide.is_some() {
                let held = Arc::new(nothing(range));
                ahead.keep(&select, answered.then_some(&held));
            }
        }
        asked
    }

    #[test]
    fn windows_that_slide_are_read_ahead() {
        let ticks: Vec<(i64, i64)> = (10..=300).map(|to| (to - 5, to)).collect();
        let want = [
            (5, 10),
            (6, 71),
            (67, 132),
            (128, 193),
            (189, 254),
            (250, 300),
        ];
        assert_eq!(asked(&ticks, true), want);
        let long: Vec<(i64, i64)> = (200..=300).map(|to| (to - 190, to)).collect();
        assert_eq!(asked(&long, true), [(10, 200), (11, 300)]);
    }

    #[test]
    fn windows_of_two_lengths_and_places_do_not_meet() {
        let ticks = (200..=260).flat_map(|to| [(to - 5, to), (to - 30, to), (to - 15, to - 10)]);
        let ticks: Vec<(i64, i64)> = ticks.collect();
        let want = [
            (195, 200),
            (170, 200),
            (185, 190),
            (196, 261),
            (171, 261),
            (186, 251),
        ];
        assert_eq!(asked(&ticks, true), want);
    }

    #[test]
    fn pieces_of_a_range_and_windows_that_stay_are_asked_for_as_they_are() {
        let pieces = [(0, 100), (95, 195), (190, 290)];
        assert_eq!(asked(&pieces, true), pieces);
        let same = [(0, 100), (0, 100), (0, 100)];
        assert_eq!(asked(&same, true), same);
    }

    #[test]
    fn what_is_too_much_is_not_tried_again() {
        let ticks = [(0, 5), (1, 6), (2, 7), (3, 8)];
        assert_eq!(asked(&ticks, false), [(0, 5), (1, 66), (2, 7), (3, 8)]);
    }
}
