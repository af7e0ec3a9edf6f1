//! The newest hour in pieces from one evaluation to the next, where no sample comes late: in a replay an evaluation reads what is
//! new and nothing twice.

use std::collections::{BTreeMap, VecDeque};

use bellwether_model::{Labels, TimestampMs};

use super::hours::{Reader, Sums, add, of_group};
use crate::sla::events::SlaError;
use crate::sla::exact::Sum;

/// Neighbouring stretches of time and what happened in them.
#[derive(Debug, Default)]
pub(super) struct Recent {
    /// The begin of the first piece, which is the end of what came before it.
    from: TimestampMs,
    pieces: VecDeque<Piece>,
}

#[derive(Debug)]
struct Piece {
    end: TimestampMs,
    groups: BTreeMap<Labels, Sum>,
}

impl Recent {
    /// What happened in `(begin, to]` for each of `begins`; those before `open` get what came behind it. `None` when a window
    /// begins inside of a piece.
    pub(super) fn sums(
        &mut self,
        reader: &Reader<'_>,
        begins: &[TimestampMs],
        open: TimestampMs,
        to: TimestampMs,
    ) -> Result<Option<Sums>, SlaError> {
        self.follow(reader, open, to)?;
        let mut sums = Sums::new();
        for (window, begin) in begins.iter().enumerate() {
            let begin = (*begin).max(open);
            let first = self.pieces.partition_point(|piece| piece.end <= begin);
            let starts_at = match first.checked_sub(1) {
                Some(before) => self.pieces[before].end,
                None => self.from,
            };
            if starts_at != begin && first < self.pieces.len() {
                return Ok(None);
            }
            for (group, sum) in self.pieces.range(first..).flat_map(|piece| &piece.groups) {
                let of_window = &mut of_group(&mut sums, group, begins)[window];
                *of_window = of_window.plus(*sum);
            }
        }
        Ok(Some(sums))
    }

    /// Reads what is new; a piece ends at `open`, so that what comes before it can be forgotten.
    fn follow(
        &mut self,
        reader: &Reader<'_>,
        open: TimestampMs,
        to: TimestampMs,
    ) -> Result<(), SlaError> {
        let until = self.pieces.back().map_or(self.from, |piece| piece.end);
        if until < open || to < until || open < self.from {
            self.pieces.clear();
            self.from = open;
        }
        while self.pieces.front().is_some_and(|piece| piece.end <= open) {
            self.from = self.pieces.pop_front().map_or(open, |piece| piece.end);
        }
        let until = self.pieces.back().map_or(self.from, |piece| piece.end);
        if until < to {
            let mut groups: BTreeMap<Labels, Sum> = BTreeMap::new();
            reader.read(until, to, &mut |group, part, events| {
                for (_, count) in events {
                    add(groups.entry(group.clone()).or_default(), part, count);
                }
            })?;
            self.pieces.push_back(Piece { end: to, groups });
        }
        Ok(())
    }
}
