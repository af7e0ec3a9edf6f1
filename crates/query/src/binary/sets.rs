//! `and`, `unless`, `or`: which series stay, step by step.

use bellwether_lang::promql::ast::{BinaryOp, Span, VectorMatching};
use bellwether_model::Labels;

use super::matching::choice;
use crate::error::QueryError;
use crate::grouping::{Keys, LabelChoice};
use crate::mask;
use crate::vector::Vector;

/// `a or b or c ..` as far as it is evaluated. Each row is looked at once, however many operands follow.
pub(crate) struct Union {
    choice: LabelChoice,
    cover: Cover,
    all: Vector,
}

impl Union {
    pub(crate) fn new(matching: &VectorMatching, first: Vector) -> Union {
        let choice = choice(matching);
        Union {
            cover: Cover::of(&choice, &first),
            all: first,
            choice,
        }
    }

    /// Rows so far; of one series there may be several still.
    pub(crate) fn len(&self) -> usize {
        self.all.len()
    }

    /// Adds what nothing before covers.
    pub(crate) fn add(&mut self, mut rhs: Vector) -> Result<(), QueryError> {
        let cover = &mut self.cover;
        let ids: Vec<usize> = (0..rhs.len())
            .map(|row| cover.id(&self.choice, &rhs.name(row).labels))
            .collect();
        for (row, id) in ids.iter().enumerate() {
            let mask = rhs.row_mut(row).mask.iter_mut();
            mask.zip(cover.steps(*id)).for_each(|(m, c)| *m &= !c);
        }
        for (row, id) in ids.iter().enumerate() {
            cover.add(*id, rhs.mask(row));
        }
        self.all.append(rhs)
    }

    pub(crate) fn finish(self, span: Span) -> Result<Vector, QueryError> {
        self.all.join_same(span)
    }
}

/// `lhs and rhs`, `lhs unless rhs`.
pub(crate) fn evaluate(
    op: BinaryOp,
    matching: &VectorMatching,
    mut lhs: Vector,
    rhs: &Vector,
) -> Result<Vector, QueryError> {
    let choice = choice(matching);
    let mut cover = Cover::of(&choice, rhs);
    let nothing = vec![0; mask::words(lhs.steps())];
    for row in 0..lhs.len() {
        let id = cover.keys.find(&choice, &lhs.name(row).labels);
        let covered = id.map_or(&nothing[..], |id| cover.steps(id));
        let mask = lhs.row_mut(row).mask.iter_mut();
        if op == BinaryOp::And {
            mask.zip(covered).for_each(|(m, c)| *m &= c);
        } else {
            mask.zip(covered).for_each(|(m, c)| *m &= !c);
        }
    }
    let order: Vec<usize> = (0..lhs.len()).collect();
    lhs.reordered(&order)
}

/// For each match group, the steps at which one of its rows has a value.
struct Cover {
    keys: Keys,
    /// The masks of the groups, one after the other.
    masks: Vec<u64>,
    words: usize,
}

impl Cover {
    fn of(choice: &LabelChoice, vector: &Vector) -> Cover {
        let mut cover = Cover {
            keys: Keys::default(),
            masks: Vec::new(),
            words: mask::words(vector.steps()),
        };
        for row in 0..vector.len() {
            let id = cover.id(choice, &vector.name(row).labels);
            cover.add(id, vector.mask(row));
        }
        cover
    }

    /// The group of `labels`; a new one covers nothing.
    fn id(&mut self, choice: &LabelChoice, labels: &Labels) -> usize {
        let (id, is_new) = self.keys.id(choice, labels);
        if is_new {
            self.masks.resize(self.masks.len() + self.words, 0);
        }
        id
    }

    fn steps(&self, id: usize) -> &[u64] {
        &self.masks[id * self.words..][..self.words]
    }

    fn add(&mut self, id: usize, mask: &[u64]) {
        let steps = &mut self.masks[id * self.words..][..self.words];
        steps.iter_mut().zip(mask).for_each(|(s, m)| *s |= m);
    }
}
