//! A row of bits that are known by their numbers, grows at its end and is cut off at both: what a group's slices were.
//!
//! Counting costs a 64th of the stretch that is counted, so that a month of minutes is summed in a microsecond.

use std::collections::VecDeque;

const WIDTH: i64 = u64::BITS as i64;

/// Bits by number; those that were never set are not.
#[derive(Debug, Default)]
pub(super) struct Bits {
    /// The number of the first bit of the first word, a multiple of 64.
    first: i64,
    words: VecDeque<u64>,
}

impl Bits {
    /// Sets the bit of this number. Numbers come in ascending order.
    pub(super) fn set(&mut self, n: i64) {
        if self.words.is_empty() {
            self.first = n.div_euclid(WIDTH) * WIDTH;
        }
        let Ok(at) = usize::try_from((n - self.first).div_euclid(WIDTH)) else {
            return; // It was cut off.
        };
        if at >= self.words.len() {
            self.words.resize(at + 1, 0);
        }
        self.words[at] |= 1 << (n - self.first).rem_euclid(WIDTH);
    }

    pub(super) fn has(&self, n: i64) -> bool {
        self.count(n, n + 1) == 1
    }

    /// How many bits are set from `from` on and before `to`.
    pub(super) fn count(&self, from: i64, to: i64) -> u64 {
        let words = self.masked(from, to);
        words.map(|(_, word)| u64::from(word.count_ones())).sum()
    }

    /// The lowest number from `from` on whose bit is set.
    pub(super) fn first_from(&self, from: i64) -> Option<i64> {
        let mut words = self.masked(from, i64::MAX);
        let (first, word) = words.find(|(_, word)| *word != 0)?;
        Some(first + i64::from(word.trailing_zeros()))
    }

    /// Forgets the bits before `from`, and those from `to` on.
    pub(super) fn keep(&mut self, from: i64, to: i64) {
        while !self.words.is_empty() && self.first + WIDTH <= from {
            self.words.pop_front();
            self.first += WIDTH;
        }
        while let Some(last) = self.words.len().checked_sub(1) {
            if self.first + last as i64 * WIDTH < to {
                break;
            }
            self.words.pop_back();
        }
        let first = self.first;
        if let Some(word) = self.words.front_mut() {
            *word &= mask(first, from, to);
        }
        let last = first + WIDTH * (self.words.len() as i64 - 1);
        if let Some(word) = self.words.back_mut() {
            *word &= mask(last, from, to);
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.words.iter().all(|word| *word == 0)
    }

    /// The words that touch a stretch, without the bits outside of it, each with the number of its first bit.
    fn masked(&self, from: i64, to: i64) -> impl Iterator<Item = (i64, u64)> {
        let word_of = |n: i64| {
            let words = n.saturating_sub(self.first).div_euclid(WIDTH).max(0);
            usize::try_from(words).map_or(self.words.len(), |word| word.min(self.words.len()))
        };
        let (begin, end) = (word_of(from), word_of(to.saturating_add(WIDTH - 1)));
        let words = self.words.range(begin..end.max(begin));
        words.zip(begin as i64..).map(move |(word, i)| {
            let first = self.first + i * WIDTH;
            (first, word & mask(first, from, to))
        })
    }
}

/// Of the 64 bits from `first` on those from `from` on and before `to`.
fn mask(first: i64, from: i64, to: i64) -> u64 {
    let up_to = |n: i64| match n.saturating_sub(first) {
        n if n <= 0 => 0,
        n if n >= WIDTH => u64::MAX,
        n => (1 << n) - 1,
    };
    up_to(to) & !up_to(from)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn they_count_as_a_set_does(
            mut set in prop::collection::btree_set(-300..300_i64, 0..60),
            (from, to) in (-320..320_i64, -320..320_i64),
            (kept, until) in (-320..320_i64, -320..320_i64),
        ) {
            let mut bits = Bits::default();
            for n in &set {
                bits.set(*n);
            }
            for is_cut in [false, true] {
                if is_cut {
                    bits.keep(kept, until);
                    set.retain(|n| kept <= *n && *n < until);
                }
                let inside: BTreeSet<i64> = set.iter().copied().filter(|n| from <= *n && *n < to).collect();
                prop_assert_eq!(bits.count(from, to), inside.len() as u64);
                prop_assert_eq!(bits.first_from(from), set.range(from..).next().copied());
                prop_assert_eq!(bits.has(from), set.contains(&from));
                prop_assert_eq!(bits.is_empty(), set.is_empty());
            }
        }
    }
}
