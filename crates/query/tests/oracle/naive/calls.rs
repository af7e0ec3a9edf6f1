//! Functions of vectors and scalars, and the way into those over windows.

use std::cmp::Ordering;

use bellwether_lang::promql::Expr;
use bellwether_lang::promql::ast::{Call, ExprKind, ValueType};
use bellwether_model::{MatchOp, Matcher};

use super::{Element, Fail, NAME, Naive, Outcome, Value, buckets, dates, error, label, map, whole};
use crate::data::LabelMap;

impl Naive<'_> {
    pub(crate) fn call(&self, call: &Call, t: i64) -> Outcome<Value> {
        let name = call.function.name;
        let args = &call.args;
        if args.iter().any(|a| a.value_type() == ValueType::Matrix) {
            return Ok(Value::Vector(self.window_call(name, args, t)?));
        }
        let scalar = |index: usize| self.scalar(&args[index], t);
        let elements = match name {
            "time" => return Ok(Value::Scalar(t as f64 / 1000.0)),
            "pi" => return Ok(Value::Scalar(std::f64::consts::PI)),
            "scalar" => {
                let elements = self.vector(&args[0], t)?;
                let only = (elements.len() == 1).then(|| elements[0].value);
                return Ok(Value::Scalar(only.unwrap_or(f64::NAN)));
            }
            "max_of" => return Ok(Value::Scalar(larger(scalar(0)?, scalar(1)?))),
            "min_of" => return Ok(Value::Scalar(smaller(scalar(0)?, scalar(1)?))),
            "vector" => vec![Element {
                labels: LabelMap::new(),
                drop_name: false,
                value: scalar(0)?,
            }],
            "absent" if self.vector(&args[0], t)?.is_empty() => vec![absent(&args[0])],
            "absent" => Vec::new(),
            "timestamp" => self.timestamp(&args[0], t)?,
            "clamp" | "clamp_min" | "clamp_max" => self.clamp(name, args, t)?,
            "round" => {
                let nearest = args.get(1).map_or(Ok(1.0), |a| self.scalar(a, t))?;
                // The inverse, because 0.1 has no exact float and 10 has.
                let inverse = 1.0 / nearest;
                let elements = self.vector(&args[0], t)?;
                map(elements, |v| (v * inverse + 0.5).floor() / inverse)
            }
            "label_replace" => self.label_replace(args, t)?,
            "label_join" => self.label_join(args, t)?,
            "sort" | "sort_desc" | "sort_by_label" | "sort_by_label_desc" => {
                self.sort(name, args, t)?
            }
            "histogram_quantile" => {
                let q = scalar(0)?;
                self.histogram(&args[1], t, |b| buckets::quantile(q, b))?
            }
            "histogram_fraction" => {
                let (lower, upper) = (scalar(0)?, scalar(1)?);
                self.histogram(&args[2], t, |b| buckets::fraction(lower, upper, b))?
            }
            "histogram_quantiles" => self.histogram_quantiles(args, t)?,
            "histogram_avg" | "histogram_count" | "histogram_sum" | "histogram_stddev"
            | "histogram_stdvar" => {
                self.vector(&args[0], t)?;
                Vec::new()
            }
            "info" => return Err(Fail::Open("info")),
            "year" | "month" | "day_of_month" | "day_of_week" | "day_of_year" | "days_in_month"
            | "hour" | "minute" => self.date(name, args, t)?,
            _ => {
                let Some(f) = function(name) else {
                    return error(format!("no definition of {name}"));
                };
                let exact = matches!(name, "abs" | "ceil" | "floor" | "sgn");
                let elements = self.vector(&args[0], t)?;
                map(elements, |v| self.noise.unless(exact, f(v)))
            }
        };
        Ok(Value::Vector(elements))
    }

    fn window_call(&self, name: &str, args: &[Expr], t: i64) -> Outcome<Vec<Element>> {
        let mut params = Vec::new();
        let mut windows = Vec::new();
        let mut absent_labels = absent_of(None);
        for arg in args {
            match self.eval(arg, t)? {
                Value::Scalar(v) => params.push(v),
                Value::Matrix(found) => {
                    windows = found;
                    absent_labels = absent(arg);
                }
                _ => return error("expected scalars and a range vector"),
            }
        }
        let extended = windows.iter().find_map(|w| w.extended);
        if extended.is_some()
            && !matches!(name, "rate" | "increase" | "delta" | "changes" | "resets")
        {
            return Err(Fail::Open("extended windows of this function"));
        }
        let mut out = Vec::new();
        for w in windows {
            let Some(value) = self.over_window(name, &w, &params, t)? else {
                continue;
            };
            out.push(Element {
                labels: w.labels,
                drop_name: w.drop_name || !matches!(name, "last_over_time" | "first_over_time"),
                value,
            });
        }
        if name == "absent_over_time" {
            return Ok(if out.is_empty() {
                vec![absent_labels]
            } else {
                Vec::new()
            });
        }
        Ok(out)
    }

    /// The times of samples, when the argument selects samples; else the time of the evaluation.
    fn timestamp(&self, arg: &Expr, t: i64) -> Outcome<Vec<Element>> {
        if let ExprKind::Selector(selector) = &arg.unparenthesized().kind
            && selector.extended.is_none()
        {
            let found = self.newest(selector, t)?.into_iter();
            let element = |(series, at, _): (&crate::data::Series, i64, f64)| Element {
                labels: series.labels.clone(),
                drop_name: true,
                value: at as f64 / 1000.0,
            };
            return Ok(found.map(element).collect());
        }
        Ok(map(self.vector(arg, t)?, |_| t as f64 / 1000.0))
    }

    fn clamp(&self, name: &str, args: &[Expr], t: i64) -> Outcome<Vec<Element>> {
        let param = self.scalar(&args[1], t)?;
        let (low, high) = match name {
            "clamp_min" => (param, f64::INFINITY),
            "clamp_max" => (f64::NEG_INFINITY, param),
            _ => (param, self.scalar(&args[2], t)?),
        };
        let elements = self.vector(&args[0], t)?;
        if high < low {
            return Ok(Vec::new());
        }
        Ok(map(elements, |v| larger(low, smaller(high, v))))
    }

    fn date(&self, name: &str, args: &[Expr], t: i64) -> Outcome<Vec<Element>> {
        let Some(arg) = args.first() else {
            return Ok(vec![Element {
                labels: LabelMap::new(),
                drop_name: false,
                value: dates::part(name, (t / 1000) as f64)?,
            }]);
        };
        let mut elements = self.vector(arg, t)?;
        for e in &mut elements {
            e.value = dates::part(name, e.value)?;
            e.drop_name = true;
        }
        Ok(elements)
    }

    fn label_replace(&self, args: &[Expr], t: i64) -> Outcome<Vec<Element>> {
        let [target, replacement, source, pattern] = [1, 2, 3, 4].map(|i| text(&args[i]));
        let pattern = whole(pattern)?;
        let mut elements = self.vector(&args[0], t)?;
        for e in &mut elements {
            let value = label(&e.labels, source).to_string();
            let Some(captures) = pattern.captures(&value) else {
                continue;
            };
            let mut to = String::new();
            captures.expand(replacement, &mut to);
            set_label(e, target, to);
        }
        no_duplicates(elements)
    }

    fn label_join(&self, args: &[Expr], t: i64) -> Outcome<Vec<Element>> {
        let (target, separator) = (text(&args[1]), text(&args[2]));
        let mut elements = self.vector(&args[0], t)?;
        for e in &mut elements {
            let values: Vec<&str> = args[3..]
                .iter()
                .map(|a| label(&e.labels, text(a)))
                .collect();
            let joined = values.join(separator);
            set_label(e, target, joined);
        }
        no_duplicates(elements)
    }

    fn sort(&self, name: &str, args: &[Expr], t: i64) -> Outcome<Vec<Element>> {
        let mut elements = self.vector(&args[0], t)?;
        let by: Vec<&str> = args[1..].iter().map(text).collect();
        let descends = name.ends_with("_desc");
        elements.sort_by(|a, b| {
            if name.starts_with("sort_by_label") {
                let order = by_labels(&a.labels, &b.labels, &by);
                return if descends { order.reverse() } else { order };
            }
            match (a.value.is_nan(), b.value.is_nan()) {
                (false, false) => {
                    let order = a.value.partial_cmp(&b.value).expect("neither is NaN");
                    if descends { order.reverse() } else { order }
                }
                (a, b) => a.cmp(&b),
            }
        });
        Ok(elements)
    }

    fn histogram(
        &self,
        arg: &Expr,
        t: i64,
        f: impl Fn(&[(f64, f64)]) -> Outcome<f64>,
    ) -> Outcome<Vec<Element>> {
        let elements = self.vector(arg, t)?;
        let mut out = Vec::new();
        for (labels, buckets) in buckets::histograms(&elements) {
            out.push(Element {
                labels,
                drop_name: true,
                value: self.noise.rough(f(&buckets)?),
            });
        }
        Ok(out)
    }

    fn histogram_quantiles(&self, args: &[Expr], t: i64) -> Outcome<Vec<Element>> {
        let mut out = Vec::new();
        for arg in &args[2..] {
            let q = self.scalar(arg, t)?;
            if q != 0.0 && q.is_finite() && !(1e-4..1e6).contains(&q.abs()) {
                return Err(Fail::Open("how a quantile with an exponent is written"));
            }
            for mut e in self.histogram(&args[0], t, |b| buckets::quantile(q, b))? {
                let name = if q == f64::INFINITY {
                    "+Inf".into()
                } else if q == f64::NEG_INFINITY {
                    "-Inf".into()
                } else if q == q.trunc() && q.is_finite() {
                    // Zero has no sign.
                    format!("{:.1}", q + 0.0)
                } else {
                    q.to_string()
                };
                e.labels.insert(text(&args[1]).to_string(), name);
                out.push(e);
            }
        }
        Ok(out)
    }
}

fn text(arg: &Expr) -> &str {
    match &arg.unparenthesized().kind {
        ExprKind::String(text) => text,
        _ => "",
    }
}

/// An empty value takes the label away; a new name is not dropped.
fn set_label(e: &mut Element, name: &str, value: String) {
    if value.is_empty() {
        e.labels.remove(name);
    } else {
        e.labels.insert(name.to_string(), value);
    }
    if name == NAME {
        e.drop_name = false;
    }
}

fn no_duplicates(elements: Vec<Element>) -> Outcome<Vec<Element>> {
    let mut seen = std::collections::BTreeSet::new();
    if elements.iter().all(|e| seen.insert(&e.labels)) {
        drop(seen);
        return Ok(elements);
    }
    error("vector cannot contain metrics with the same labelset")
}

/// 1, with the labels that the selector pins to one value.
fn absent(arg: &Expr) -> Element {
    match &arg.unparenthesized().kind {
        ExprKind::Selector(selector) => absent_of(Some(&selector.matchers)),
        ExprKind::Range(range) => absent_of(Some(&range.selector.matchers)),
        _ => absent_of(None),
    }
}

fn absent_of(matchers: Option<&[Matcher]>) -> Element {
    let mut labels = LabelMap::new();
    let mut seen: Vec<&str> = Vec::new();
    for m in matchers
        .unwrap_or_default()
        .iter()
        .filter(|m| m.name() != NAME)
    {
        let is_first = !seen.contains(&m.name());
        if m.op() == MatchOp::Equal && is_first {
            seen.push(m.name());
            if !m.value().is_empty() {
                labels.insert(m.name().into(), m.value().into());
            }
        } else {
            labels.remove(m.name());
        }
    }
    Element {
        labels,
        drop_name: false,
        value: 1.0,
    }
}

/// By the labels named, numbers inside them as numbers; then by all labels.
fn by_labels(a: &LabelMap, b: &LabelMap, by: &[&str]) -> Ordering {
    for name in by {
        let (x, y) = (label(a, name), label(b, name));
        let order = match (x.parse::<u64>(), y.parse::<u64>()) {
            (Ok(x), Ok(y)) => x.cmp(&y),
            _ => x.cmp(y),
        };
        if order.is_ne() {
            return order;
        }
    }
    a.iter().cmp(b.iter())
}

/// As Go's `math.Max`: an infinity decides before NaN does.
fn larger(a: f64, b: f64) -> f64 {
    if a == f64::INFINITY || b == f64::INFINITY {
        return f64::INFINITY;
    }
    if a.is_nan() || b.is_nan() {
        f64::NAN
    } else {
        a.max(b)
    }
}

/// As Go's `math.Min`.
fn smaller(a: f64, b: f64) -> f64 {
    -larger(-a, -b)
}

fn function(name: &str) -> Option<fn(f64) -> f64> {
    Some(match name {
        "abs" => f64::abs,
        "acos" => f64::acos,
        "acosh" => f64::acosh,
        "asin" => f64::asin,
        "asinh" => f64::asinh,
        "atan" => f64::atan,
        "atanh" => f64::atanh,
        "ceil" => f64::ceil,
        "cos" => f64::cos,
        "cosh" => f64::cosh,
        "deg" => f64::to_degrees,
        "exp" => f64::exp,
        "floor" => f64::floor,
        "ln" => f64::ln,
        "log10" => f64::log10,
        "log2" => f64::log2,
        "rad" => f64::to_radians,
        "sgn" => |v| {
            if v == 0.0 || v.is_nan() {
                v
            } else {
                v.signum()
            }
        },
        "sin" => f64::sin,
        "sinh" => f64::sinh,
        "sqrt" => f64::sqrt,
        "tan" => f64::tan,
        "tanh" => f64::tanh,
        _ => return None,
    })
}
