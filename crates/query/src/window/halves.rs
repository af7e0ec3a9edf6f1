//! Folds of the samples in sliding windows: O(1) for each sample and each window, and nothing is ever taken away.
//!
//! Time is cut at the multiples of the windows' length. A window holds the newest cut before its end and no other, so it is the tail
//! of one cell and the head of the next: tails are folded once, backwards from the cut, and the head grows forwards.
//!
//! ```text
//!       cut                 cut                 cut
//!        |    <-- tails     |  head -->          |
//!               (-----------------]  a window, as long as a cell
//! ```
//!
//! A running sum that adds what enters and subtracts what leaves would keep the rounding errors of large values, and NaN for
//! ever. Here a window's fold depends on its own samples alone: it is the same to the last bit in every query that has this window.
//!
//! Source: M. van Herk, 1992; J. Gil and M. Werman, 1993 (for extremes; any operation that merges will do).

use super::{Window, Windows};

/// The folds around the current cut.
#[derive(Debug)]
pub(crate) struct Halves<A> {
    cut: i64,
    /// The first sample after the cut.
    middle: usize,
    /// `tails[i]` folds the last `i + 1` samples up to the cut.
    tails: Vec<A>,
    /// Folds the samples from `middle` to `head_end`.
    head: A,
    head_end: usize,
}

impl<A: Default> Default for Halves<A> {
    fn default() -> Halves<A> {
        Halves {
            cut: i64::MAX,
            middle: 0,
            tails: Vec::new(),
            head: A::default(),
            head_end: 0,
        }
    }
}

/// A window in its two halves.
pub(crate) struct Halved<A> {
    /// The samples up to the cut.
    pub(crate) tail: A,
    /// The samples after it.
    pub(crate) head: A,
    /// The first sample after the cut.
    pub(crate) middle: usize,
}

/// The newest cut before the end of a window.
pub(crate) fn cut(windows: Windows, w: Window) -> i64 {
    let cell = w.end.saturating_sub(1).div_euclid(windows.range);
    cell.saturating_mul(windows.range)
}

impl<A: Copy + Default> Halves<A> {
    /// Forgets the series, keeps the memory. To be called before the first window of each series.
    pub(crate) fn reset(&mut self) {
        self.tails.clear();
        *self = Halves {
            tails: std::mem::take(&mut self.tails),
            ..Halves::default()
        };
    }

    /// The folds of the samples of `w`. `prepend` adds the sample before those already folded, `append` the
    /// one behind. Windows come in order; those that nobody asks for may be left out.
    #[inline]
    pub(crate) fn fold(
        &mut self,
        times: &[i64],
        cut: i64,
        w: Window,
        prepend: impl Fn(&mut A, usize),
        append: impl Fn(&mut A, usize),
    ) -> Halved<A> {
        if cut != self.cut {
            self.turn(times, cut, w, prepend);
        }
        while self.head_end < w.hi {
            append(&mut self.head, self.head_end);
            self.head_end += 1;
        }
        let tail = match self.middle.checked_sub(w.lo) {
            None | Some(0) => A::default(),
            Some(len) => self.tails[len - 1],
        };
        Halved {
            tail,
            head: self.head,
            middle: self.middle,
        }
    }

    /// Goes on to another cut. Its first window reaches back furthest, so its tails are all that will be asked for.
    fn turn(&mut self, times: &[i64], cut: i64, w: Window, prepend: impl Fn(&mut A, usize)) {
        self.cut = cut;
        self.middle = w.lo + times[w.lo..w.hi].partition_point(|t| *t <= cut);
        self.tails.clear();
        self.tails.reserve_exact(self.middle - w.lo);
        let mut tail = A::default();
        for index in (w.lo..self.middle).rev() {
            prepend(&mut tail, index);
            self.tails.push(tail);
        }
        self.head = A::default();
        self.head_end = self.middle;
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Shift, Windows};
    use super::*;
    use crate::budget::{Budget, Pace};
    use crate::control::Control;
    use crate::steps::Grid;
    use crate::vector::RowBuffer;

    /// Each window's fold holds its samples, in order: the fold is the list of them.
    #[test]
    fn halves_hold_the_samples_of_their_window() {
        let times: Vec<i64> = (0..200).map(|i| i * i % 37 + i * 20 - 1000).collect();
        let pace = Pace::new(&Budget::new(&Control::new(), 0, 0));
        for (range, step) in [(1, 1), (50, 10), (700, 20), (700, 900), (100_000, 333)] {
            let grid = Grid {
                start: -1500,
                step,
                count: 6000 / step as usize,
            };
            let windows = Windows {
                grid,
                shift: Shift::default(),
                range,
            };
            // The first and last index folded, and how many.
            let mut halves: Halves<Option<(usize, usize)>> = Halves::default();
            halves.reset();
            let visit = |w: Window| {
                if w.lo == w.hi {
                    return None;
                }
                let halved = halves.fold(
                    &times,
                    cut(windows, w),
                    w,
                    |own, i| {
                        assert!(own.is_none_or(|(first, _)| first == i + 1));
                        *own = Some((i, own.map_or(i, |o| o.1)));
                    },
                    |own, i| {
                        assert!(own.is_none_or(|(_, last)| last + 1 == i));
                        *own = Some((own.map_or(i, |o| o.0), i));
                    },
                );
                let (first, last) = match (halved.tail, halved.head) {
                    (Some((first, end)), Some((start, last))) => {
                        assert_eq!(end + 1, start);
                        (first, last)
                    }
                    (Some(one), None) | (None, Some(one)) => one,
                    (None, None) => panic!("the window has samples"),
                };
                assert_eq!((first, last), (w.lo, w.hi - 1));
                None
            };
            let mut out = RowBuffer::new(grid.count);
            windows.fill(&times, &pace, &mut out, visit).unwrap();
        }
    }
}
