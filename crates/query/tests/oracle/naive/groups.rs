//! Aggregations.

use std::cmp::Ordering;
use std::collections::BTreeMap;

use bellwether_lang::promql::ast::{Aggregate, AggregateOp, ExprKind, Grouping};

use super::numbers::{mean, quantile, sum, variance};
use super::{Element, Fail, NAME, Naive, Outcome, error};
use crate::data::LabelMap;

impl Naive<'_> {
    pub(crate) fn aggregate(&self, a: &Aggregate, t: i64) -> Outcome<Vec<Element>> {
        if a.op == AggregateOp::CountValues {
            return self.count_values(a, t);
        }
        let param = match &a.param {
            Some(param) => self.scalar(param, t)?,
            None => f64::NAN,
        };
        let elements = self.vector(&a.expr, t)?;
        let mut groups: BTreeMap<LabelMap, Vec<Element>> = BTreeMap::new();
        for e in elements {
            let labels = group_labels(&a.grouping, &e.labels);
            groups.entry(labels).or_default().push(e);
        }
        match a.op {
            AggregateOp::Topk | AggregateOp::Bottomk => {
                let k = count(param)?;
                let ranked = groups.into_values().map(|group| top(a.op, k, group));
                Ok(ranked.collect::<Outcome<Vec<_>>>()?.concat())
            }
            AggregateOp::Limitk => {
                let k = count(param)?;
                let is_sorted = matches!(a.expr.unparenthesized().kind, ExprKind::Selector(_));
                let limited = groups.into_values().map(|mut group| {
                    if group.len() > k && !is_sorted {
                        return Err(Fail::Open("which series limitk takes"));
                    }
                    group.truncate(k);
                    Ok(group)
                });
                Ok(limited.collect::<Outcome<Vec<_>>>()?.concat())
            }
            AggregateOp::LimitRatio => {
                if param.is_nan() {
                    return error("Ratio value is NaN");
                }
                match param.clamp(-1.0, 1.0) {
                    0.0 => Ok(Vec::new()),
                    1.0 | -1.0 => Ok(groups.into_values().flatten().collect()),
                    _ => Err(Fail::Open("which series limit_ratio takes")),
                }
            }
            op => {
                let element = |(labels, group): (LabelMap, Vec<Element>)| Element {
                    labels,
                    drop_name: group.iter().any(|e| e.drop_name),
                    value: self.of_group(op, param, group.iter().map(|e| e.value).collect()),
                };
                Ok(groups.into_iter().map(element).collect())
            }
        }
    }

    fn of_group(&self, op: AggregateOp, param: f64, values: Vec<f64>) -> f64 {
        let noise = &self.noise;
        match op {
            AggregateOp::Sum => {
                let (sum, exact) = sum(values);
                noise.unless(exact, sum)
            }
            AggregateOp::Avg => {
                let (mean, exact) = mean(&values);
                noise.unless(exact, mean)
            }
            AggregateOp::Count => values.len() as f64,
            AggregateOp::Min => values.into_iter().fold(f64::NAN, f64::min),
            AggregateOp::Max => values.into_iter().fold(f64::NAN, f64::max),
            AggregateOp::Stddev => noise.rough(variance(&values).sqrt()),
            AggregateOp::Stdvar => noise.rough(variance(&values)),
            AggregateOp::Quantile => noise.rough(quantile(param, values)),
            _ => 1.0,
        }
    }

    /// How many series of a group have each value, the value as a label.
    fn count_values(&self, a: &Aggregate, t: i64) -> Outcome<Vec<Element>> {
        let Some(ExprKind::String(name)) = a.param.as_ref().map(|p| &p.unparenthesized().kind)
        else {
            return error("count_values needs a label");
        };
        let mut grouping = a.grouping.clone();
        if let Grouping::By(labels) = &mut grouping {
            labels.push(name.clone());
        }
        let mut counts: BTreeMap<LabelMap, (f64, bool)> = BTreeMap::new();
        for mut e in self.vector(&a.expr, t)? {
            let text = match e.value {
                v if v == f64::INFINITY => "+Inf".into(),
                v if v == f64::NEG_INFINITY => "-Inf".into(),
                v => v.to_string(),
            };
            e.labels.insert(name.clone(), text);
            let group = counts.entry(group_labels(&grouping, &e.labels));
            let (count, drop_name) = group.or_default();
            *count += 1.0;
            // As in every other aggregation; upstream forgets it here.
            *drop_name |= e.drop_name;
        }
        let element = |(labels, (value, drop_name))| Element {
            labels,
            drop_name,
            value,
        };
        Ok(counts.into_iter().map(element).collect())
    }
}

fn group_labels(grouping: &Grouping, labels: &LabelMap) -> LabelMap {
    let mut group = labels.clone();
    match grouping {
        Grouping::By(names) => group.retain(|name, _| names.contains(name)),
        Grouping::Without(names) => group.retain(|name, _| name != NAME && !names.contains(name)),
    }
    group
}

/// How many a parameter asks for.
fn count(k: f64) -> Outcome<usize> {
    if k.is_nan() {
        return error("Parameter value is NaN");
    }
    if k >= i64::MAX as f64 {
        return error("Scalar value overflows int64");
    }
    if k <= i64::MIN as f64 {
        return Err(Fail::Open("fewer than none, at some steps or all"));
    }
    Ok(k.max(0.0) as usize)
}

/// The first or last `k` by value; NaN comes last either way.
fn top(op: AggregateOp, k: usize, mut group: Vec<Element>) -> Outcome<Vec<Element>> {
    let rank = |a: &f64, b: &f64| match (a.is_nan(), b.is_nan()) {
        (false, false) if op == AggregateOp::Topk => b.partial_cmp(a).expect("neither is NaN"),
        (false, false) => a.partial_cmp(b).expect("neither is NaN"),
        (a, b) => a.cmp(&b),
    };
    group.sort_by(|a, b| rank(&a.value, &b.value));
    let cut = k.min(group.len());
    let tied = |(a, b): (&Element, &Element)| rank(&a.value, &b.value) == Ordering::Equal;
    if cut > 0
        && group
            .get(cut)
            .is_some_and(|next| tied((&group[cut - 1], next)))
    {
        return Err(Fail::Open("which of two equal series topk takes"));
    }
    group.truncate(cut);
    Ok(group)
}
