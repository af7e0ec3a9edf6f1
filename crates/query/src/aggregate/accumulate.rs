//! Aggregations that need no more than one cell a group and step: `sum`, `avg`, `count`, `min`, `max`, `group`, `stddev`, `stdvar`.
//!
//! Accumulators of parts of the series merge in the order of the parts.

use std::sync::Arc;

use bellwether_lang::promql::ast::AggregateOp;

use super::Groups;
use crate::budget::{Budget, Charge};
use crate::error::QueryError;
use crate::mask;
use crate::sum::{Deviation, Mean, Sum};
use crate::vector::Vector;

/// Cells of one kind, `slots x steps`.
#[derive(Debug)]
enum Cells {
    Sum(Vec<Sum>),
    Mean(Vec<Mean>),
    /// Also of `group`, which looks at presence alone.
    Count(Vec<f64>),
    Min(Vec<f64>),
    Max(Vec<f64>),
    Deviation(Vec<Deviation>),
}

/// Aggregates rows as they come.
#[derive(Debug)]
pub(crate) struct Accumulator {
    op: AggregateOp,
    steps: usize,
    words: usize,
    /// Slot of each group, [`NONE`] until its first row.
    slot_of: Vec<u32>,
    /// Group of each slot.
    groups: Vec<usize>,
    dropped: Vec<bool>,
    cells: Cells,
    masks: Vec<u64>,
    /// Slots that are charged for.
    paid: usize,
    charge: Charge,
}

const NONE: u32 = u32::MAX;

impl Accumulator {
    /// `None` for operators that need to see whole groups.
    pub(crate) fn new(
        op: AggregateOp,
        groups: usize,
        steps: usize,
        budget: &Arc<Budget>,
    ) -> Option<Accumulator> {
        let cells = match op {
            AggregateOp::Sum => Cells::Sum(Vec::new()),
            AggregateOp::Avg => Cells::Mean(Vec::new()),
            AggregateOp::Count | AggregateOp::Group => Cells::Count(Vec::new()),
            AggregateOp::Min => Cells::Min(Vec::new()),
            AggregateOp::Max => Cells::Max(Vec::new()),
            AggregateOp::Stddev | AggregateOp::Stdvar => Cells::Deviation(Vec::new()),
            AggregateOp::Topk
            | AggregateOp::Bottomk
            | AggregateOp::CountValues
            | AggregateOp::Quantile
            | AggregateOp::Limitk
            | AggregateOp::LimitRatio => return None,
        };
        Some(Accumulator {
            op,
            steps,
            words: mask::words(steps),
            slot_of: vec![NONE; groups],
            groups: Vec::new(),
            dropped: Vec::new(),
            cells,
            masks: Vec::new(),
            paid: 0,
            charge: Charge::new(budget),
        })
    }

    fn slot(&mut self, group: usize) -> Result<usize, QueryError> {
        if self.slot_of[group] != NONE {
            return Ok(self.slot_of[group] as usize);
        }
        let slot = self.groups.len();
        let cell = match &self.cells {
            Cells::Sum(_) => size_of::<Sum>(),
            Cells::Mean(_) => size_of::<Mean>(),
            Cells::Count(_) | Cells::Min(_) | Cells::Max(_) => size_of::<f64>(),
            Cells::Deviation(_) => size_of::<Deviation>(),
        };
        if slot == self.paid {
            self.charge
                .grow(self.steps.saturating_mul(cell) + self.words * 8)?;
            self.paid += 1;
        }
        let room = Room {
            budget: self.charge.budget(),
            more: self.steps,
            len_max: self.slot_of.len().saturating_mul(self.steps),
        };
        match &mut self.cells {
            Cells::Sum(cells) => room.extend(cells, Sum::EMPTY),
            Cells::Mean(cells) => room.extend(cells, Mean::default()),
            Cells::Count(cells) => room.extend(cells, 0.0),
            // NaN gives way to any number.
            Cells::Min(cells) | Cells::Max(cells) => room.extend(cells, f64::NAN),
            Cells::Deviation(cells) => room.extend(cells, Deviation::default()),
        }
        self.masks.resize((slot + 1) * self.words, 0);
        self.slot_of[group] = slot as u32;
        self.groups.push(group);
        self.dropped.push(false);
        Ok(slot)
    }

    /// Forgets the rows, keeps the memory.
    pub(crate) fn clear(&mut self) {
        for group in self.groups.drain(..) {
            self.slot_of[group] = NONE;
        }
        self.dropped.clear();
        self.masks.clear();
        match &mut self.cells {
            Cells::Sum(cells) => cells.clear(),
            Cells::Mean(cells) => cells.clear(),
            Cells::Count(cells) | Cells::Min(cells) | Cells::Max(cells) => cells.clear(),
            Cells::Deviation(cells) => cells.clear(),
        }
    }

    /// Adds a row to its group.
    pub(crate) fn add(
        &mut self,
        group: usize,
        dropped: bool,
        values: &[f64],
        mask: &[u64],
    ) -> Result<(), QueryError> {
        let slot = self.slot(group)?;
        let at = slot * self.steps..(slot + 1) * self.steps;
        match &mut self.cells {
            Cells::Sum(cells) => update(&mut cells[at], values, mask, Sum::add),
            Cells::Mean(cells) => update(&mut cells[at], values, mask, Mean::add),
            Cells::Count(cells) => update(&mut cells[at], values, mask, |n, _| *n += 1.0),
            Cells::Min(cells) => update(&mut cells[at], values, mask, keep_min),
            Cells::Max(cells) => update(&mut cells[at], values, mask, keep_max),
            Cells::Deviation(cells) => update(&mut cells[at], values, mask, Deviation::add),
        }
        self.cover(slot, dropped, mask);
        Ok(())
    }

    fn cover(&mut self, slot: usize, dropped: bool, mask: &[u64]) {
        self.dropped[slot] |= dropped;
        let own = &mut self.masks[slot * self.words..][..self.words];
        own.iter_mut().zip(mask).for_each(|(own, m)| *own |= m);
    }

    /// Adds what another accumulator of the same kind has gathered.
    pub(crate) fn merge(&mut self, other: &Accumulator) -> Result<(), QueryError> {
        for (from, group) in other.groups.iter().enumerate() {
            let slot = self.slot(*group)?;
            let to = slot * self.steps..(slot + 1) * self.steps;
            let of = from * self.steps..(from + 1) * self.steps;
            let mask = &other.masks[from * self.words..][..self.words];
            match (&mut self.cells, &other.cells) {
                (Cells::Sum(a), Cells::Sum(b)) => update(&mut a[to], &b[of], mask, Sum::merge),
                (Cells::Mean(a), Cells::Mean(b)) => update(&mut a[to], &b[of], mask, Mean::merge),
                (Cells::Count(a), Cells::Count(b)) => {
                    update(&mut a[to], &b[of], mask, |a, b| *a += b);
                }
                (Cells::Min(a), Cells::Min(b)) => update(&mut a[to], &b[of], mask, keep_min),
                (Cells::Max(a), Cells::Max(b)) => update(&mut a[to], &b[of], mask, keep_max),
                (Cells::Deviation(a), Cells::Deviation(b)) => {
                    update(&mut a[to], &b[of], mask, Deviation::merge);
                }
                _ => unreachable!("accumulators of one aggregation hold the same cells"),
            }
            self.cover(slot, other.dropped[from], mask);
        }
        Ok(())
    }

    /// One row a group, in the order of the groups.
    pub(crate) fn finish(self, groups: &Groups) -> Result<Vector, QueryError> {
        let mut out = Vector::new(self.steps, self.charge.budget());
        let mut values = vec![0.0; self.steps];
        for (group, slot) in self.slot_of.iter().enumerate() {
            if *slot == NONE {
                continue;
            }
            let slot = *slot as usize;
            let at = slot * self.steps..(slot + 1) * self.steps;
            match &self.cells {
                Cells::Sum(cells) => write(&mut values, &cells[at], Sum::total),
                Cells::Mean(cells) => write(&mut values, &cells[at], Mean::mean),
                Cells::Count(_) if self.op == AggregateOp::Group => values.fill(1.0),
                Cells::Count(cells) | Cells::Min(cells) | Cells::Max(cells) => {
                    values.copy_from_slice(&cells[at]);
                }
                Cells::Deviation(cells) if self.op == AggregateOp::Stdvar => {
                    write(&mut values, &cells[at], Deviation::variance);
                }
                Cells::Deviation(cells) => {
                    write(&mut values, &cells[at], |c| c.variance().sqrt());
                }
            }
            let mask = &self.masks[slot * self.words..][..self.words];
            out.push(groups.name(group, self.dropped[slot]), &values, mask)?;
        }
        Ok(out)
    }
}

/// Cells of one more slot, which are charged already.
struct Room<'a> {
    budget: &'a Budget,
    more: usize,
    /// Of all groups.
    len_max: usize,
}

impl Room<'_> {
    fn extend<C: Clone>(&self, cells: &mut Vec<C>, empty: C) {
        self.budget.make_room(cells, self.more, self.len_max);
        cells.resize(cells.len() + self.more, empty);
    }
}

fn update<C, V: Copy>(cells: &mut [C], values: &[V], mask: &[u64], add: impl Fn(&mut C, V)) {
    for (word, bits) in mask.iter().enumerate() {
        let from = word * 64;
        let to = cells.len().min(from + 64);
        let (cells, values) = (&mut cells[from..to], &values[from..to]);
        if bits.count_ones() as usize == cells.len() {
            // Every step has a value: no bit to look at.
            cells.iter_mut().zip(values).for_each(|(c, v)| add(c, *v));
        } else {
            mask::ones(&[*bits]).for_each(|i| add(&mut cells[i], values[i]));
        }
    }
}

fn write<C: Copy>(values: &mut [f64], cells: &[C], value: impl Fn(C) -> f64) {
    values
        .iter_mut()
        .zip(cells)
        .for_each(|(v, c)| *v = value(*c));
}

fn keep_min(own: &mut f64, value: f64) {
    if *own > value || own.is_nan() {
        *own = value;
    }
}

fn keep_max(own: &mut f64, value: f64) {
    if *own < value || own.is_nan() {
        *own = value;
    }
}
