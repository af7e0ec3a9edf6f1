//! `and`, `unless`, `or`: which series stay, step by step.

use bellwether_lang::promql::ast::{BinaryOp, Span, VectorMatching};

use super::matching::choice;
use crate::error::QueryError;
use crate::grouping::{Keys, LabelChoice};
use crate::mask;
use crate::vector::Vector;

/// `lhs op rhs` for a set operator.
pub(crate) fn evaluate(
    op: BinaryOp,
    matching: &VectorMatching,
    mut lhs: Vector,
    mut rhs: Vector,
    span: Span,
) -> Result<Vector, QueryError> {
    let choice = choice(matching);
    if op == BinaryOp::Or {
        let (mut keys, covered) = cover(&choice, &lhs);
        for row in 0..rhs.len() {
            if let Some(id) = keys.find(&choice, &rhs.name(row).labels) {
                let mask = rhs.row_mut(row).mask.iter_mut();
                mask.zip(&covered[id]).for_each(|(m, c)| *m &= !c);
            }
        }
        lhs.append(rhs)?;
        return lhs.join_same(span);
    }
    let (mut keys, covered) = cover(&choice, &rhs);
    let nothing = vec![0; mask::words(lhs.steps())];
    for row in 0..lhs.len() {
        let id = keys.find(&choice, &lhs.name(row).labels);
        let covered = id.map_or(&nothing, |id| &covered[id]);
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
fn cover(choice: &LabelChoice, vector: &Vector) -> (Keys, Vec<Vec<u64>>) {
    let mut keys = Keys::default();
    let mut covered: Vec<Vec<u64>> = Vec::new();
    for row in 0..vector.len() {
        let (id, is_new) = keys.id(choice, &vector.name(row).labels);
        if is_new {
            covered.push(vector.mask(row).to_vec());
        } else {
            let cover = covered[id].iter_mut();
            cover.zip(vector.mask(row)).for_each(|(c, m)| *c |= m);
        }
    }
    (keys, covered)
}
