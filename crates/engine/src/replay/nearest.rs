//! How close to firing: of each level of an alert, the value that came nearest to its condition.

use std::collections::BTreeMap;

use bellwether_lang::promql::ast::BinaryOp;
use bellwether_lang::rules::{Condition, Level};
use bellwether_model::{Labels, TimestampMs};

/// The nearest value of one level.
#[derive(Clone, Debug, PartialEq)]
pub struct NearestValue {
    /// The value.
    pub value: f64,
    /// What it is compared with.
    pub threshold: f64,
    /// Whether the condition was true of it.
    pub held: bool,
    /// When it was seen first.
    pub at: TimestampMs,
    /// Whose it was.
    pub identity: Labels,
}

/// The nearest values so far, by alert and level.
#[derive(Clone, Debug, Default)]
pub(crate) struct Nearest(pub(crate) BTreeMap<(String, Level), NearestValue>);

impl Nearest {
    pub(crate) fn see(
        &mut self,
        alert: &str,
        level: Level,
        condition: &Condition,
        identity: &Labels,
        at: TimestampMs,
        value: f64,
    ) {
        let seen = NearestValue {
            value,
            threshold: condition.number,
            held: condition.holds(value),
            at,
            identity: identity.clone(),
        };
        let key = (alert.to_owned(), level);
        match self.0.get_mut(&key) {
            None => {
                self.0.insert(key, seen);
            }
            // Lines for different series have thresholds of their own: what counts is the way that is left.
            Some(known) if beyond(condition.op, &seen) > beyond(condition.op, known) => {
                *known = seen;
            }
            Some(_) => {}
        }
    }
}

/// How far past its threshold a value is; negative while it is short of it.
fn beyond(op: BinaryOp, seen: &NearestValue) -> f64 {
    let past = seen.value - seen.threshold;
    match op {
        BinaryOp::Gt | BinaryOp::Ge => past,
        BinaryOp::Lt | BinaryOp::Le => -past,
        BinaryOp::Ne => past.abs(),
        _ => -past.abs(),
    }
}

/// The value of `values` that is nearest to a condition with this operator, and where it stands first. For `==` and `!=`
/// nothing is near: they hold or not.
pub(crate) fn best(op: BinaryOp, values: &[f64]) -> Option<(usize, f64)> {
    let better: fn(f64, f64) -> bool = match op {
        BinaryOp::Gt | BinaryOp::Ge => |new, old| new > old,
        BinaryOp::Lt | BinaryOp::Le => |new, old| new < old,
        _ => return None,
    };
    let mut best: Option<(usize, f64)> = None;
    for (i, &value) in values.iter().enumerate() {
        // Comparisons with NaN are false: the first number is taken by the other arm.
        match best {
            Some((_, old)) if better(value, old) => best = Some((i, value)),
            None if !value.is_nan() => best = Some((i, value)),
            _ => {}
        }
    }
    best
}
