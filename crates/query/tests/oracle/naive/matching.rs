//! Operators: of numbers, of a vector and a number, of two vectors.

use std::collections::{BTreeMap, BTreeSet};

use bellwether_lang::promql::ast::{Binary, BinaryOp, Cardinality, VectorMatching};

use super::{Element, NAME, Naive, Outcome, error, is_set};
use crate::data::LabelMap;

impl Naive<'_> {
    /// `l op r`; a comparison gives 1 or 0.
    pub(crate) fn number(&self, op: BinaryOp, l: f64, r: f64) -> f64 {
        let noise = &self.noise;
        match op {
            BinaryOp::Add => noise.unless((l + r) - r == l && (l + r) - l == r, l + r),
            BinaryOp::Sub => noise.unless((l - r) + r == l && l - (l - r) == r, l - r),
            BinaryOp::Mul => noise.unless((l * r).fract() == 0.0 && (l * r).abs() < 1e15, l * r),
            BinaryOp::Div => noise.unless((l / r) * r == l, l / r),
            BinaryOp::Mod => l % r,
            BinaryOp::Pow => noise.unless(l.powf(r).fract() == 0.0, l.powf(r)),
            BinaryOp::Atan2 => noise.rough(l.atan2(r)),
            comparison => f64::from(u8::from(holds(comparison, l, r))),
        }
    }

    /// A vector and a number; `sides` puts them into order.
    pub(crate) fn with_scalar(
        &self,
        b: &Binary,
        elements: Vec<Element>,
        sides: impl Fn(f64) -> (f64, f64),
    ) -> Vec<Element> {
        let mut out = Vec::new();
        for mut e in elements {
            let (l, r) = sides(e.value);
            if b.op.is_comparison() && !b.return_bool {
                if holds(b.op, l, r) {
                    out.push(e);
                }
                continue;
            }
            e.value = self.number(b.op, l, r);
            e.drop_name = true;
            out.push(e);
        }
        out
    }

    pub(crate) fn vectors(
        &self,
        b: &Binary,
        lhs: Vec<Element>,
        rhs: Vec<Element>,
    ) -> Outcome<Vec<Element>> {
        let matching = b.matching.clone().unwrap_or_default();
        if is_set(b.op) {
            return Ok(sets(b.op, &matching, lhs, rhs));
        }
        let fill = matching.fill;
        let unfilled = fill.left.is_none() && fill.right.is_none();
        if lhs.is_empty() && rhs.is_empty() || (lhs.is_empty() || rhs.is_empty()) && unfilled {
            return Ok(Vec::new());
        }
        let swapped = matching.card == Cardinality::OneToMany;
        let (many, one, fill_many, fill_one) = if swapped {
            (rhs, lhs, fill.right, fill.left)
        } else {
            (lhs, rhs, fill.left, fill.right)
        };
        let mut partners: BTreeMap<LabelMap, &Element> = BTreeMap::new();
        for e in &one {
            if partners.insert(key(&matching, &e.labels), e).is_some() {
                return error("many-to-many matching not allowed");
            }
        }
        let mut join = Join {
            naive: self,
            b,
            matching: &matching,
            swapped,
            met: BTreeMap::new(),
            out: Vec::new(),
        };
        for e in &many {
            let key = key(&matching, &e.labels);
            match (partners.get(&key), fill_one) {
                (Some(partner), _) => join.pair(&key, e, partner)?,
                (None, Some(fill)) => join.pair(&key, e, &stand_in(&key, fill))?,
                (None, None) => {}
            }
        }
        if let Some(fill) = fill_many {
            for (key, partner) in &partners {
                if !join.met.contains_key(key) {
                    join.pair(key, &stand_in(key, fill), partner)?;
                }
            }
        }
        Ok(join.out)
    }
}

struct Join<'a> {
    naive: &'a Naive<'a>,
    b: &'a Binary,
    matching: &'a VectorMatching,
    swapped: bool,
    /// The results of each match group so far.
    met: BTreeMap<LabelMap, BTreeSet<LabelMap>>,
    out: Vec<Element>,
}

impl Join<'_> {
    fn pair(&mut self, key: &LabelMap, many: &Element, one: &Element) -> Outcome<()> {
        let labels = self.labels(many, one);
        let group = self.met.entry(key.clone()).or_default();
        let one_to_one = self.matching.card == Cardinality::OneToOne;
        if one_to_one && !group.is_empty() || !group.insert(labels.clone()) {
            return error("multiple matches for labels");
        }
        let (l, r) = if self.swapped {
            (one.value, many.value)
        } else {
            (many.value, one.value)
        };
        let filters = self.b.op.is_comparison() && !self.b.return_bool;
        if filters && !holds(self.b.op, l, r) {
            return Ok(());
        }
        let value = if filters {
            l
        } else {
            self.naive.number(self.b.op, l, r)
        };
        self.out.push(Element {
            labels,
            drop_name: many.drop_name || self.b.return_bool,
            value,
        });
        Ok(())
    }

    /// One to one, what was matched on; else all of the many side; with what is included from the one side.
    fn labels(&self, many: &Element, one: &Element) -> LabelMap {
        let mut labels = many.labels.clone();
        if !self.b.op.is_comparison() {
            labels.remove(NAME);
        }
        if self.matching.card == Cardinality::OneToOne {
            let named = |name: &String| self.matching.labels.contains(name);
            labels.retain(|name, _| named(name) == self.matching.on);
        }
        for name in &self.matching.include {
            match one.labels.get(name) {
                Some(value) => labels.insert(name.clone(), value.clone()),
                None => labels.remove(name),
            };
        }
        labels
    }
}

fn stand_in(key: &LabelMap, value: f64) -> Element {
    Element {
        labels: key.clone(),
        drop_name: false,
        value,
    }
}

/// The labels that decide a match.
fn key(matching: &VectorMatching, labels: &LabelMap) -> LabelMap {
    let mut key = labels.clone();
    key.retain(|name, _| {
        if matching.on {
            matching.labels.contains(name)
        } else {
            name != NAME && !matching.labels.contains(name)
        }
    });
    key
}

fn sets(
    op: BinaryOp,
    matching: &VectorMatching,
    mut lhs: Vec<Element>,
    mut rhs: Vec<Element>,
) -> Vec<Element> {
    let keys = |side: &[Element]| -> BTreeSet<LabelMap> {
        side.iter().map(|e| key(matching, &e.labels)).collect()
    };
    if op == BinaryOp::Or {
        let there = keys(&lhs);
        rhs.retain(|e| !there.contains(&key(matching, &e.labels)));
        lhs.extend(rhs);
        return lhs;
    }
    let there = keys(&rhs);
    lhs.retain(|e| there.contains(&key(matching, &e.labels)) == (op == BinaryOp::And));
    lhs
}

fn holds(op: BinaryOp, l: f64, r: f64) -> bool {
    match op {
        BinaryOp::Eq => l == r,
        BinaryOp::Ne => l != r,
        BinaryOp::Gt => l > r,
        BinaryOp::Ge => l >= r,
        BinaryOp::Lt => l < r,
        _ => l <= r,
    }
}
