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
use crate::vector::{METADATA, RowName, Vector};

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
    let choice = choice(matching);
    let mut keys = Keys::default();
    let many_groups = GroupRows::new(many, &choice, &mut keys);
    let one_groups = GroupRows::new(one, &choice, &mut keys);
    let mut join = Join {
        op,
        return_bool,
        matching,
        kept: Kept::new(op, matching),
        choice,
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
    let mut present = vec![0; mask::words(many.steps())];
    for group in 0..many_groups.len().max(one_groups.len()) {
        join.group(
            many_groups.rows(group),
            one_groups.rows(group),
            &mut present,
        )?;
    }
    let order: Vec<usize> = (0..join.out.len()).collect();
    join.out.reordered(&order)
}

/// The steps at which any row has a value.
fn presence(vector: &Vector) -> Vec<u64> {
    let mut all = vec![0; mask::words(vector.steps())];
    for row in 0..vector.len() {
        add(&mut all, vector.mask(row));
    }
    all
}

/// The rows of each match group, one list behind the other.
struct GroupRows {
    /// Where each group's rows begin in `rows`, and where the last one's end.
    starts: Vec<usize>,
    rows: Vec<usize>,
}

impl GroupRows {
    fn new(vector: &Vector, choice: &LabelChoice, keys: &mut Keys) -> GroupRows {
        let ids: Vec<usize> = (0..vector.len())
            .map(|row| keys.id(choice, &vector.name(row).labels).0)
            .collect();
        let groups = ids.iter().max().map_or(0, |last| last + 1);
        // Counted first, so that every group's place is known before rows are put there.
        let mut starts = vec![0; groups + 1];
        for id in &ids {
            starts[id + 1] += 1;
        }
        for group in 0..groups {
            starts[group + 1] += starts[group];
        }
        let (mut next, mut rows) = (starts.clone(), vec![0; ids.len()]);
        for (row, id) in ids.iter().enumerate() {
            rows[next[*id]] = row;
            next[*id] += 1;
        }
        GroupRows { starts, rows }
    }

    fn len(&self) -> usize {
        self.starts.len() - 1
    }

    /// The rows of a group, ascending; none for a group of the other side alone.
    fn rows(&self, group: usize) -> &[usize] {
        match (self.starts.get(group), self.starts.get(group + 1)) {
            (Some(from), Some(to)) => &self.rows[*from..*to],
            _ => &[],
        }
    }
}

/// Which labels of the many side a result keeps.
enum Kept {
    All,
    Only(Vec<String>),
    Without(Vec<String>),
}

impl Kept {
    /// One to one, the labels of the match; else all. Arithmetic makes a new metric, so the name goes.
    fn new(op: BinaryOp, matching: &VectorMatching) -> Kept {
        let metadata = || METADATA.iter().map(ToString::to_string);
        let is_new = !op.is_comparison();
        let one_to_one = matching.card == Cardinality::OneToOne;
        if one_to_one && matching.on {
            let is_kept = |name: &&String| !(is_new && METADATA.contains(&name.as_str()));
            return Kept::Only(matching.labels.iter().filter(is_kept).cloned().collect());
        }
        let mut without: Vec<String> = Vec::new();
        if one_to_one {
            without.extend(matching.labels.iter().cloned());
        }
        if is_new {
            without.extend(metadata());
        }
        if without.is_empty() {
            Kept::All
        } else {
            Kept::Without(without)
        }
    }

    fn of(&self, labels: &Labels) -> Labels {
        match self {
            Kept::All => labels.clone(),
            Kept::Only(names) => labels.only(names),
            Kept::Without(names) => labels.without(names),
        }
    }
}

struct Join<'a> {
    op: BinaryOp,
    return_bool: bool,
    matching: &'a VectorMatching,
    kept: Kept,
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
    /// Mask after mask, for each row of `out`: the steps at which a match has produced it, filtered away or not.
    claimed: Vec<u64>,
    row_of: HashMap<Labels, usize>,
}

impl Join<'_> {
    /// Joins the rows of one match group; `present` is scratch.
    fn group(
        &mut self,
        many: &[usize],
        one: &[usize],
        present: &mut [u64],
    ) -> Result<(), QueryError> {
        if one.len() > 1 {
            self.check_one_side(one)?;
        }
        if self.matching.card == Cardinality::OneToOne && many.len() > 1 {
            self.check_many_side(many, one)?;
        }
        for many in many {
            self.out.budget().check()?;
            for one in one {
                present.copy_from_slice(self.many.mask(*many));
                keep(present, self.one.mask(*one));
                self.matched(*many, Some(*one), present)?;
            }
            if self.fill_one.is_some() {
                present.copy_from_slice(self.many.mask(*many));
                for one in one {
                    subtract(present, self.one.mask(*one));
                }
                self.matched(*many, None, present)?;
            }
        }
        let Some(fill) = self.fill_many else {
            return Ok(());
        };
        for one in one {
            present.copy_from_slice(self.one.mask(*one));
            for many in many {
                subtract(present, self.many.mask(*many));
            }
            self.filled(*one, fill, present)?;
        }
        Ok(())
    }

    /// At each step at most one series of the group may stand on the one side.
    fn check_one_side(&self, one: &[usize]) -> Result<(), QueryError> {
        let mut seen = vec![0; self.many_present.len()];
        let mut clash = seen.clone();
        let is_filled = self.fill_many.is_some() || self.fill_one.is_some();
        for (i, row) in one.iter().enumerate() {
            clash.copy_from_slice(self.one.mask(*row));
            // Without anything on the other side nothing is matched, so nothing is wrong.
            if !is_filled {
                keep(&mut clash, &self.many_present);
            }
            keep(&mut clash, &seen);
            if let Some(step) = mask::ones(&clash).next() {
                let other = one[..i]
                    .iter()
                    .find(|other| self.one.get(**other, step).is_some())
                    .unwrap_or(row);
                return Err(self.duplicate(*other, *row));
            }
            add(&mut seen, self.one.mask(*row));
        }
        Ok(())
    }

    /// One to one: two series of the many side must not meet the same partner.
    fn check_many_side(&self, many: &[usize], one: &[usize]) -> Result<(), QueryError> {
        let mut partner = vec![0; self.many_present.len()];
        if self.fill_one.is_some() {
            partner.fill(u64::MAX);
        }
        for one in one {
            add(&mut partner, self.one.mask(*one));
        }
        let mut seen = vec![0; partner.len()];
        let mut meets = seen.clone();
        for many in many {
            meets.copy_from_slice(self.many.mask(*many));
            keep(&mut meets, &partner);
            if overlap(&seen, &meets) {
                return Err(self.ambiguous());
            }
            add(&mut seen, &meets);
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
        if mask::is_empty(present) {
            return Ok(());
        }
        let many_name = self.many.name(many);
        let name = match one {
            Some(row) => self.result_name(many_name, self.one.name(row)),
            None => self.result_name(many_name, &self.stand_in(many_name)),
        };
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
        if mask::is_empty(alone) {
            return Ok(());
        }
        let one_name = self.one.name(one);
        let name = self.result_name(&self.stand_in(one_name), one_name);
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
            let claimed = &mut self.claimed[at * steps.len()..][..steps.len()];
            if overlap(claimed, steps) {
                return Err(self.ambiguous());
            }
            add(claimed, steps);
            return Ok(*at);
        }
        self.row_of.insert(name.labels.clone(), self.out.len());
        self.claimed.extend_from_slice(steps);
        self.out.push_made(name)
    }

    /// The name of a missing partner: the labels that were matched.
    fn stand_in(&self, partner: &RowName) -> RowName {
        RowName {
            labels: self.choice.labels(&partner.labels),
            drop_name: false,
        }
    }

    /// The labels of a match: what is kept of the many side, and the included ones of the one side.
    fn result_name(&self, many: &RowName, one: &RowName) -> RowName {
        let mut labels = self.kept.of(&many.labels);
        if !self.matching.include.is_empty() {
            let mut builder = LabelsBuilder::from_labels(&labels);
            for name in &self.matching.include {
                builder.set(name, one.labels.get(name).unwrap_or(""));
            }
            labels = builder.build();
        }
        RowName {
            labels,
            drop_name: many.drop_name || self.return_bool,
        }
    }
}

fn keep(mask: &mut [u64], what: &[u64]) {
    mask.iter_mut().zip(what).for_each(|(m, w)| *m &= w);
}

fn add(mask: &mut [u64], what: &[u64]) {
    mask.iter_mut().zip(what).for_each(|(m, w)| *m |= w);
}

fn subtract(mask: &mut [u64], what: &[u64]) {
    mask.iter_mut().zip(what).for_each(|(m, w)| *m &= !w);
}

fn overlap(a: &[u64], b: &[u64]) -> bool {
    a.iter().zip(b).any(|(a, b)| a & b != 0)
}

/// All labels inside the braces, the metric's name too.
fn braced(labels: &Labels) -> String {
    let pairs: Vec<String> = labels
        .iter()
        .map(|(name, value)| format!("{name}={}", Quoted(value)))
        .collect();
    format!("{{{}}}", pairs.join(", "))
}
