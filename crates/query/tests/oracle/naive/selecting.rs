//! Selectors, range selectors and subqueries: which samples an expression sees at a time.

use std::collections::BTreeMap;

use bellwether_lang::promql::ast::{
    At, DurationExpr, Extended, Modifiers, Subquery, VectorSelector,
};
use bellwether_model::{MatchOp, Matcher, is_stale};

use super::{Element, Fail, Naive, Outcome, Value, Window, error, whole, windows};
use crate::data::{LabelMap, Series};

const LOOKBACK: i64 = 300_000;
const SUBQUERY_STEP: i64 = 60_000;

impl Naive<'_> {
    /// The time a selector or subquery looks at when the step is at `t`.
    fn looks_at(&self, at: &Modifiers, t: i64) -> Outcome<i64> {
        let pinned = match at.at {
            None => t,
            Some(At::Time(time)) => time.0,
            Some(At::Start) => self.times.start,
            Some(At::End) => self.times.end,
        };
        let offset = at.offset.as_ref().map_or(Ok(0), constant)?;
        Ok(pinned - offset)
    }

    fn is_after(&self, t: i64, start: i64) -> bool {
        if self.rules.left_open {
            t > start
        } else {
            t >= start
        }
    }

    /// For each matching series its newest sample, unless it is stale or too old; with its time.
    pub(super) fn newest(
        &self,
        selector: &VectorSelector,
        t: i64,
    ) -> Outcome<Vec<(&Series, i64, f64)>> {
        let now = self.looks_at(&selector.at, t)?;
        let mut out = Vec::new();
        for series in self.matching(&selector.matchers)? {
            let newest = series.points.iter().rev().find(|(at, _)| *at <= now);
            if let Some((at, v)) = newest
                && self.is_after(*at, now - LOOKBACK)
                && !is_stale(*v)
            {
                out.push((series, *at, *v));
            }
        }
        Ok(out)
    }

    pub(super) fn select(&self, selector: &VectorSelector, t: i64) -> Outcome<Vec<Element>> {
        if selector.extended == Some(Extended::Smoothed) {
            return self.smoothed(selector, t);
        }
        let found = self.newest(selector, t)?.into_iter();
        let element = |(series, _, value): (&Series, i64, f64)| Element {
            labels: series.labels.clone(),
            drop_name: false,
            value,
        };
        Ok(found.map(element).collect())
    }

    /// `x smoothed`: the value between the samples on both sides; after the last one, that one.
    fn smoothed(&self, selector: &VectorSelector, t: i64) -> Outcome<Vec<Element>> {
        let now = self.looks_at(&selector.at, t)?;
        let mut out = Vec::new();
        for series in self.matching(&selector.matchers)? {
            let near = inside(series, now - LOOKBACK, now + LOOKBACK, true);
            let before = near.iter().rev().find(|(at, _)| *at <= now);
            let after = near.iter().find(|(at, _)| *at >= now);
            let value = match (before, after) {
                (Some(a), Some(b)) if a.0 < b.0 => {
                    self.noise
                        .rough(windows::on_line(*a, *b, now, windows::Drop::Falls))
                }
                (Some(a), _) => a.1,
                (None, _) => continue,
            };
            out.push(Element {
                labels: series.labels.clone(),
                drop_name: false,
                value,
            });
        }
        Ok(out)
    }

    pub(super) fn select_range(
        &self,
        selector: &VectorSelector,
        length: i64,
        t: i64,
    ) -> Outcome<Vec<Window>> {
        let end = self.looks_at(&selector.at, t)?;
        let start = end - length;
        let (before, after) = match selector.extended {
            None => (0, 0),
            Some(Extended::Anchored) => (LOOKBACK, 0),
            Some(Extended::Smoothed) => (LOOKBACK, LOOKBACK),
        };
        let mut out = Vec::new();
        for series in self.matching(&selector.matchers)? {
            let window = Window {
                labels: series.labels.clone(),
                drop_name: false,
                points: inside(series, start, end, self.rules.left_open),
                around: inside(series, start - before, end + after, true),
                extended: selector.extended,
                start,
                end,
            };
            let is_empty = match selector.extended {
                None => window.points.is_empty(),
                Some(_) => window.around.is_empty(),
            };
            if !is_empty {
                out.push(window);
            }
        }
        Ok(out)
    }

    pub(super) fn subquery(&self, subquery: &Subquery, t: i64) -> Outcome<Vec<Window>> {
        let end = self.looks_at(&subquery.at, t)?;
        let start = end - constant(&subquery.range)?;
        let step = subquery.step.as_ref().map_or(Ok(SUBQUERY_STEP), constant)?;
        let mut at = start.div_euclid(step) * step;
        if !(self.rules.left_open && at > start || !self.rules.left_open && at >= start) {
            at += step;
        }
        let first = at;
        let mut rows: BTreeMap<(LabelMap, bool), Vec<(i64, f64)>> = BTreeMap::new();
        while at <= end {
            match self.eval(&subquery.expr, at)? {
                Value::Scalar(v) => rows.entry(Default::default()).or_default().push((at, v)),
                Value::Vector(elements) => {
                    for e in elements {
                        let row = rows.entry((e.labels, e.drop_name)).or_default();
                        row.push((at, e.value));
                    }
                }
                _ => return error("subquery is only allowed on an instant vector"),
            }
            at += step;
        }
        self.fails_between_windows(subquery, t, first - step, step)?;
        let window = |((labels, drop_name), points): (_, Vec<(i64, f64)>)| Window {
            labels,
            drop_name,
            // A staleness marker cannot come out of an expression, but a NaN with its bits is one all the same.
            points: points.into_iter().filter(|p| !is_stale(p.1)).collect(),
            around: Vec::new(),
            extended: None,
            start,
            end,
        };
        Ok(rows.into_iter().map(window).collect())
    }

    /// Upstream evaluates a subquery once, from its first window to its last: what fails between two windows fails there, too.
    /// How far windows are apart is for what is around the subquery, so that is left open. `before` is the last step in no window.
    fn fails_between_windows(
        &self,
        subquery: &Subquery,
        t: i64,
        before: i64,
        step: i64,
    ) -> Outcome<()> {
        /// No subquery around this one has longer steps.
        const LONGEST_STEP: i64 = 180_000;
        if t == self.times.start {
            return Ok(());
        }
        let last = self.looks_at(&subquery.at, t)? - self.times.step.max(LONGEST_STEP);
        let mut at = before;
        while at > last {
            if let Err(Fail::Error(_)) = self.eval(&subquery.expr, at) {
                return Err(Fail::Open("an error between the windows of a subquery"));
            }
            at -= step;
        }
        Ok(())
    }

    fn matching(&self, matchers: &[Matcher]) -> Outcome<Vec<&Series>> {
        let mut out: Vec<&Series> = self.data.series.iter().collect();
        for matcher in matchers {
            let pattern = match matcher.op() {
                MatchOp::Regex | MatchOp::NotRegex => Some(whole(matcher.value())?),
                MatchOp::Equal | MatchOp::NotEqual => None,
            };
            let wanted = matches!(matcher.op(), MatchOp::Equal | MatchOp::Regex);
            out.retain(|series| {
                let value = series.labels.get(matcher.name()).map_or("", String::as_str);
                let holds = match &pattern {
                    Some(pattern) => pattern.is_match(value),
                    None => value == matcher.value(),
                };
                holds == wanted
            });
        }
        Ok(out)
    }
}

/// The samples inside `(start, end]`, or `[start, end]`, without staleness markers.
fn inside(series: &Series, start: i64, end: i64, left_open: bool) -> Vec<(i64, f64)> {
    let is_inside = |t: i64| t <= end && (t > start || !left_open && t == start);
    let points = series.points.iter().copied();
    points
        .filter(|(t, v)| is_inside(*t) && !is_stale(*v))
        .collect()
}

pub(super) fn constant(duration: &DurationExpr) -> Outcome<i64> {
    match duration {
        DurationExpr::Const(duration) => Ok(duration.0),
        DurationExpr::Dynamic(_) => Err(Fail::Open("durations with arithmetic")),
    }
}
