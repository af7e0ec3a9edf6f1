//! Results of rules for a block of ticks, evaluated at once: what makes a replay of a month a matter of seconds.
//!
//! One range query takes the place of thousands of instant ones, with the same result at each tick (`lookback.rs` says for
//! which rules). What only single ticks can tell, such as two results that become one at some of them, is left to the ticks:
//! then there is no block, and the rule is asked tick by tick.

use std::collections::{BTreeMap, BTreeSet};

use bellwether_lang::rules::{Alert, LevelRule};
use bellwether_model::{DurationMs, HashSet, Labels, STALE_NAN, TimestampMs, is_stale};
use bellwether_query::{Answer, Matrix, Steps, Value, range};

use super::nearest::{Nearest, best};
use crate::alerts::Instances;
use crate::ask::{Ask, Found, Identify, Results};
use crate::instance::Policy;

/// What a rule has yielded, tick by tick. An absent value is a staleness marker: no expression yields one.
pub(crate) struct Block {
    /// The time of the data of the first tick.
    start: TimestampMs,
    every: DurationMs,
    columns: Vec<Column>,
    /// Of each tick, whether some value means anything to an alert that has no instance.
    busy: Vec<bool>,
}

struct Column {
    /// Of an alert the labels of the result without the metric's name; of a record the series.
    labels: Labels,
    /// Of an alert.
    identity: Labels,
    values: Vec<f64>,
}

/// What came of asking for a block.
pub(crate) enum Asked {
    /// Its results.
    Block(Block),
    /// The ticks have to be asked one by one.
    TickByTick,
    /// A limit was hit: fewer ticks may fit.
    TooLarge,
}

impl Block {
    /// Asks for all of `steps`.
    pub(crate) fn ask<R: Identify>(ask: &Ask<'_>, rule: &R, steps: Steps) -> Asked {
        match range(rule.expr(), ask.source, steps, ask.options, ask.control) {
            Ok(Answer {
                value: Value::Matrix(matrix),
                ..
            }) => Block::new(&matrix, rule, steps).map_or(Asked::TickByTick, Asked::Block),
            Err(error) if error.limit().is_some() => Asked::TooLarge,
            Ok(_) | Err(_) => Asked::TickByTick,
        }
    }

    fn new<R: Identify>(matrix: &Matrix, rule: &R, steps: Steps) -> Option<Block> {
        let count = usize::try_from(steps.end.since(steps.start).0 / steps.step.0).ok()? + 1;
        let mut identities = HashSet::default();
        let mut columns = Vec::with_capacity(matrix.len());
        for i in 0..matrix.len() {
            let (labels, identity) = rule.identify(matrix.labels(i));
            if !identities.insert(identity.clone()) {
                return None; // At some tick the two may meet.
            }
            let values = dense(matrix, i, steps, count);
            columns.push(Column {
                labels,
                identity,
                values,
            });
        }
        if rule.results_max().is_some_and(|max| columns.len() > max) {
            return None; // At some tick there may be too many.
        }
        Some(Block {
            start: steps.start,
            every: steps.step,
            columns,
            busy: vec![false; count],
        })
    }

    /// Number of values held.
    pub(crate) fn len(&self) -> usize {
        self.columns.len() * self.busy.len()
    }

    fn index(&self, data_time: TimestampMs) -> Option<usize> {
        let steps = data_time.since(self.start).0;
        let index = usize::try_from(steps / self.every.0).ok()?;
        (steps >= 0 && steps % self.every.0 == 0 && index < self.busy.len()).then_some(index)
    }

    /// Marks the ticks at which a new instance may begin, and looks for the values nearest to each level.
    pub(crate) fn judge(&mut self, alert: &Alert, nearest: &mut Nearest) {
        for column in &self.columns {
            let policy = Policy::of(alert, &column.labels);
            let watches = policy.watches();
            for line in policy.lines.into_iter().flatten() {
                let LevelRule::When { condition, .. } = &line.rule else {
                    continue;
                };
                let Some(condition) = condition else {
                    mark(&mut self.busy, &column.values, |value| !value.is_nan());
                    continue;
                };
                mark(&mut self.busy, &column.values, |value| {
                    condition.holds(value) && !value.is_nan()
                });
                if let Some((i, value)) = best(condition.op, &column.values) {
                    let at = self.start.plus(DurationMs(self.every.0 * i as i64));
                    nearest.see(
                        &alert.name,
                        line.level,
                        condition,
                        &column.identity,
                        at,
                        value,
                    );
                }
            }
            if watches {
                mark(&mut self.busy, &column.values, |value| !value.is_nan());
            }
        }
    }

    /// The results of a tick that mean anything: those with an instance, and all while one may begin. `None` outside
    /// of the block.
    pub(crate) fn results(&self, data_time: TimestampMs, instances: &Instances) -> Option<Results> {
        let i = self.index(data_time)?;
        if instances.is_empty() && !self.busy[i] {
            return Some(Results::new());
        }
        let here = self
            .columns
            .iter()
            .filter(|column| !is_stale(column.values[i]));
        let means = here.filter(|c| self.busy[i] || instances.contains_key(&c.labels));
        let result = |c: &Column| {
            let found = Found::value(c.identity.clone(), c.values[i]);
            (c.labels.clone(), found)
        };
        Some(means.map(result).collect())
    }

    /// The series of a record at a tick.
    pub(crate) fn series(&self, data_time: TimestampMs) -> Option<BTreeMap<Labels, f64>> {
        let i = self.index(data_time)?;
        let here = self
            .columns
            .iter()
            .filter(|column| !is_stale(column.values[i]));
        Some(here.map(|c| (c.labels.clone(), c.values[i])).collect())
    }

    /// The series of the last tick.
    pub(crate) fn last(&self) -> Vec<Labels> {
        let ends = |column: &&Column| column.values.last().is_some_and(|value| !is_stale(*value));
        let mut last: Vec<Labels> = self
            .columns
            .iter()
            .filter(ends)
            .map(|c| c.labels.clone())
            .collect();
        last.sort();
        last
    }

    /// Everything that a record writes in the block: times and values of each series, with markers where it ends.
    /// `before` are the series of the tick before it.
    pub(crate) fn written(&self, before: &[Labels]) -> Vec<(Labels, Vec<i64>, Vec<f64>)> {
        let before: BTreeSet<&Labels> = before.iter().collect();
        let mut written = Vec::with_capacity(self.columns.len());
        for column in &self.columns {
            let (mut times, mut values) = (Vec::new(), Vec::new());
            let mut there = before.contains(&column.labels);
            for (i, value) in column.values.iter().enumerate() {
                let is_there = !is_stale(*value);
                if is_there || there {
                    times.push(self.start.0 + self.every.0 * i as i64);
                    values.push(*value); // Absent is the marker itself.
                }
                there = is_there;
            }
            written.push((column.labels.clone(), times, values));
        }
        let known: BTreeSet<&Labels> = self.columns.iter().map(|column| &column.labels).collect();
        for ended in before.difference(&known) {
            written.push(((*ended).clone(), vec![self.start.0], vec![STALE_NAN]));
        }
        written
    }
}

fn dense(matrix: &Matrix, row: usize, steps: Steps, count: usize) -> Vec<f64> {
    let mut values = vec![STALE_NAN; count];
    matrix.for_each(row, |t, value| {
        let index = t.since(steps.start).0 / steps.step.0;
        if let Some(slot) = usize::try_from(index).ok().and_then(|i| values.get_mut(i)) {
            *slot = value;
        }
    });
    values
}

fn mark(busy: &mut [bool], values: &[f64], means: impl Fn(f64) -> bool) {
    for (busy, value) in busy.iter_mut().zip(values) {
        *busy |= means(*value);
    }
}
