//! Arithmetic and comparisons between the series of two vectors that share a match group.
//!
//! Series find each other once for all steps; who is there at a step is read from the masks. On the "one" side of a match at
//! most one series of a group may have a value at a step. Matches are checked before a comparison filters, so that a bad
//! match never hides behind a false comparison.

use bellwether_lang::promql::ast::{BinaryOp, Cardinality, Span, VectorMatching};
use bellwether_model::{HashMap, Labels, LabelsBuilder, labels::Quoted};

use super::arith;
use crate::error::QueryError;
use crate::grouping::{Keys, LabelChoice};
use crate::mask;
use crate::vector::{RowName, Vector};

/// The labels that decide a match.
pub(crate) fn choice(matching: &VectorMatching) -> LabelChoice {
    if matching.on {
        LabelChoice::only(&matching.labels)
    } else {
        LabelChoice::without(&matching.labels)
    }
}

/// `lhs op rhs` for an operator that is not a set operator.
pub(crate) fn evaluate(
    op: BinaryOp,
    return_bool: bool,
    matching: &VectorMatching,
    lhs: &Vector,
    rhs: &Vector,
    span: Span,
) -> Result<Vector, QueryError> {
    let swapped = matching.card == Cardinality::OneToMany;
    let (many, one) = if swapped { (rhs, lhs) } else { (lhs, rhs) };
    let mut join = Join {
        op,
        return_bool,
        matching,
        choice: choice(matching),
        swapped,
        many,
        one,
        // `fill_left` means the many side even when that is on the right: upstream turns the sides first.
        fill_many: matching.fill.left,
        fill_one: matching.fill.right,
        span,
        many_present: presence(many),
        out: many.like(),
        claimed: Vec::new(),
        row_of: HashMap::default(),
    };
    for group in join.match_groups() {
        join.group(&group)?;
    }
    let order: Vec<usize> = (0..join.out.len()).collect();
    join.out.reordered(&order)
}

/// The steps at which any row has a value.
fn presence(vector: &Vector) -> Vec<u64> {
    let mut all = vec![0; mask::words(vector.steps())];
    for row in 0..vector.len() {
        all.iter_mut()
            .zip(vector.mask(row))
            .for_each(|(a, m)| *a |= m);
    }
    all
}

/// The rows of one match group.
#[derive(Default)]
struct MatchGroup {
    many: Vec<usize>,
    one: Vec<usize>,
}

struct Join<'a> {
    op: BinaryOp,
    return_bool: bool,
    matching: &'a VectorMatching,
    choice: LabelChoice,
    /// The many side is on the right.
    swapped: bool,
    many: &'a Vector,
    one: &'a Vector,
    fill_many: Option<f64>,
    fill_one: Option<f64>,
    span: Span,
    many_present: Vec<u64>,
    out: Vector,
    /// For each row of `out`, the steps at which a match has produced it, filtered away or not.
    claimed: Vec<Vec<u64>>,
    row_of: HashMap<Labels, usize>,
}

impl Join<'_> {
    fn match_groups(&self) -> Vec<MatchGroup> {
        let mut keys = Keys::default();
        let mut groups: Vec<MatchGroup> = Vec::new();
        let mut at = |labels: &Labels, groups: &mut Vec<MatchGroup>| {
            let (id, is_new) = keys.id(&self.choice, labels);
            if is_new {
                groups.push(MatchGroup::default());
            }
            id
        };
        for row in 0..self.many.len() {
            let id = at(&self.many.name(row).labels, &mut groups);
            groups[id].many.push(row);
        }
        for row in 0..self.one.len() {
            let id = at(&self.one.name(row).labels, &mut groups);
            groups[id].one.push(row);
        }
        groups
    }

    fn group(&mut self, group: &MatchGroup) -> Result<(), QueryError> {
        self.check_one_side(&group.one)?;
        if self.matching.card == Cardinality::OneToOne && group.many.len() > 1 {
            self.check_many_side(group)?;
        }
        for many in &group.many {
            for one in &group.one {
                let present = both(self.many.mask(*many), self.one.mask(*one));
                if !mask::is_empty(&present) {
                    self.matched(*many, Some(*one), &present)?;
                }
            }
            if self.fill_one.is_some() {
                let mut alone = self.many.mask(*many).to_vec();
                for one in &group.one {
                    subtract(&mut alone, self.one.mask(*one));
                }
                if !mask::is_empty(&alone) {
                    self.matched(*many, None, &alone)?;
                }
            }
        }
        if let Some(fill) = self.fill_many {
            for one in &group.one {
                let mut alone = self.one.mask(*one).to_vec();
                for many in &group.many {
                    subtract(&mut alone, self.many.mask(*many));
                }
                if !mask::is_empty(&alone) {
                    self.filled(*one, fill, &alone)?;
                }
            }
        }
        Ok(())
    }

    /// At each step at most one series of the group may stand on the one side.
    fn check_one_side(&self, one: &[usize]) -> Result<(), QueryError> {
        let mut seen = vec![0; self.many_present.len()];
        for (i, row) in one.iter().enumerate() {
            // Without anything on the other side nothing is matched, so nothing is wrong.
            let present = both(self.one.mask(*row), &self.many_present);
            let clash = both(&seen, &present);
            if let Some(step) = mask::ones(&clash).next() {
                let other = one[..i]
                    .iter()
                    .find(|other| self.one.get(**other, step).is_some())
                    .unwrap_or(row);
                return Err(self.duplicate(*other, *row));
            }
            seen.iter_mut().zip(&present).for_each(|(s, p)| *s |= p);
        }
        Ok(())
    }

    /// One to one: two series of the many side must not meet the same partner.
    fn check_many_side(&self, group: &MatchGroup) -> Result<(), QueryError> {
        let mut partner = vec![0; self.many_present.len()];
        if self.fill_one.is_some() {
            partner.fill(u64::MAX);
        }
        for one in &group.one {
            let mask = self.one.mask(*one);
            partner.iter_mut().zip(mask).for_each(|(p, m)| *p |= m);
        }
        let mut seen = vec![0; partner.len()];
        for many in &group.many {
            let meets = both(self.many.mask(*many), &partner);
            if !mask::is_empty(&both(&seen, &meets)) {
                return Err(self.ambiguous());
            }
            seen.iter_mut().zip(&meets).for_each(|(s, m)| *s |= m);
        }
        Ok(())
    }

    fn ambiguous(&self) -> QueryError {
        let message = if self.matching.card == Cardinality::OneToOne {
            "multiple matches for labels: many-to-one matching must be explicit (group_left/group_right)"
        } else {
            "multiple matches for labels: grouping labels must ensure unique matches"
        };
        QueryError::eval(self.span, message)
    }

    fn duplicate(&self, a: usize, b: usize) -> QueryError {
        let side = if self.swapped { "left" } else { "right" };
        let mut pair = [a, b].map(|row| &self.one.name(row).labels);
        pair.sort();
        let group = braced(&self.choice.labels(pair[0]));
        let [a, b] = pair.map(braced);
        QueryError::eval(
            self.span,
            format!(
                "found duplicate series for the match group {group} on the {side} hand-side of the operation: \
                 [{a}, {b}];many-to-many matching not allowed: matching labels must be unique on one side"
            ),
        )
    }

    /// A match of rows at the steps of `present`; without a partner its fill value stands in.
    fn matched(
        &mut self,
        many: usize,
        one: Option<usize>,
        present: &[u64],
    ) -> Result<(), QueryError> {
        let name = self.result_name(self.many.name(many), one.map(|row| self.one.name(row)));
        let at = self.claim(name, present)?;
        let many_values = self.many.values(many);
        let one_values = one.map(|row| self.one.values(row));
        let fill = self.fill_one.unwrap_or(f64::NAN);
        for step in mask::ones(present) {
            let one_value = one_values.map_or(fill, |values| values[step]);
            self.compute(at, step, many_values[step], one_value);
        }
        Ok(())
    }

    /// A row of the one side whose partner is missing at the steps of `alone`.
    fn filled(&mut self, one: usize, fill: f64, alone: &[u64]) -> Result<(), QueryError> {
        let one_name = self.one.name(one);
        let stand_in = RowName {
            labels: self.choice.labels(&one_name.labels),
            drop_name: false,
        };
        let name = self.result_name(&stand_in, Some(one_name));
        let at = self.claim(name, alone)?;
        for step in mask::ones(alone) {
            self.compute(at, step, fill, self.one.values(one)[step]);
        }
        Ok(())
    }

    #[inline]
    fn compute(&mut self, at: usize, step: usize, many: f64, one: f64) {
        let (lhs, rhs) = if self.swapped {
            (one, many)
        } else {
            (many, one)
        };
        if let Some(value) = arith::sample(self.op, self.return_bool, lhs, rhs) {
            self.out.put(at, step, value);
        }
    }

    /// The output row called `name`, which must not have been produced at these steps before.
    fn claim(&mut self, name: RowName, steps: &[u64]) -> Result<usize, QueryError> {
        if let Some(at) = self.row_of.get(&name.labels) {
            let claimed = &mut self.claimed[*at];
            if !mask::is_empty(&both(claimed, steps)) {
                return Err(self.ambiguous());
            }
            claimed.iter_mut().zip(steps).for_each(|(c, s)| *c |= s);
            return Ok(*at);
        }
        self.row_of.insert(name.labels.clone(), self.out.len());
        self.claimed.push(steps.to_vec());
        self.out.push_empty(name)
    }

    /// The labels of a match: those of the many side, or of the match group when it is one to one, and the included ones of the one side.
    fn result_name(&self, many: &RowName, one: Option<&RowName>) -> RowName {
        let mut labels = if self.op.is_comparison() {
            many.labels.clone()
        } else {
            many.labels.without(&crate::vector::METADATA)
        };
        if self.matching.card == Cardinality::OneToOne {
            labels = if self.matching.on {
                labels.only(&self.matching.labels)
            } else if self.matching.labels.is_empty() {
                labels
            } else {
                labels.without(&self.matching.labels)
            };
        }
        if !self.matching.include.is_empty() {
            let mut builder = LabelsBuilder::from_labels(&labels);
            for name in &self.matching.include {
                let value = one.and_then(|one| one.labels.get(name)).unwrap_or("");
                builder.set(name, value);
            }
            labels = builder.build();
        }
        RowName {
            labels,
            drop_name: many.drop_name || self.return_bool,
        }
    }
}

fn both(a: &[u64], b: &[u64]) -> Vec<u64> {
    a.iter().zip(b).map(|(a, b)| a & b).collect()
}

fn subtract(from: &mut [u64], what: &[u64]) {
    from.iter_mut().zip(what).for_each(|(f, w)| *f &= !w);
}

/// All labels inside the braces, the metric's name too.
fn braced(labels: &Labels) -> String {
    let pairs: Vec<String> = labels
        .iter()
        .map(|(name, value)| format!("{name}={}", Quoted(value)))
        .collect();
    format!("{{{}}}", pairs.join(", "))
}
