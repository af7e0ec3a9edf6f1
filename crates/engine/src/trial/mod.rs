//! Tests in rule files: their samples go through the folder's rules on a virtual clock, and what comes out is compared.
//!
//! Each test has a store and an engine of its own, which is the live one ([`replay`](crate::replay)). Slots are multiples of
//! `every`, so that `at 10m` sees the evaluation of that moment.
//!
//! - `expect`: what is asked at a time, against what is there.
//! - `deliveries`: what reached which channel; says which parts of delivery are not run. `muting`: what mutes hold back.
//! - `explain`: the course of the alerts that a failure is about, and the values around it.
//! - `coverage`: which rules, levels and `missing` policies were in use.
//!
//! Not here: reading files, printing (`bellwether`).

mod coverage;
mod deliveries;
mod expect;
mod explain;
mod muting;

use std::collections::BTreeSet;
use std::sync::Arc;

use bellwether_lang::rules::{Place, RuleSet, StepKind, Test};
use bellwether_model::TimestampMs;
use bellwether_query::source::memory::MemorySource;
use bellwether_query::{Control, Options as QueryOptions};

use crate::order::Circle;
use crate::replay::{Ready, Replay, ReplayOptions};
use crate::slots::Spread;

pub use coverage::{Coverage, Share};
use deliveries::Deliveries;

/// The rules of a folder, ready for its tests.
#[derive(Clone, Debug)]
pub struct Trials {
    ready: Ready,
}

/// What came of a test.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Outcome {
    /// What was not as expected, in the order of the steps; empty when the test passed.
    pub failures: Vec<Failure>,
    /// Steps that say something about parts of delivery that are not run yet.
    pub not_run: Vec<NotRun>,
    /// How many ticks there were.
    pub ticks: u64,
}

/// A step that failed.
#[derive(Clone, Debug, PartialEq)]
pub struct Failure {
    /// Where the step stands.
    pub place: Place,
    /// What is wrong, one line each.
    pub lines: Vec<String>,
    /// How the alerts came to be where they are, and the values around the step: lines for people.
    pub background: Vec<String>,
}

/// A step that was not checked.
#[derive(Clone, Debug, PartialEq)]
pub struct NotRun {
    /// Where it stands.
    pub place: Place,
    /// Which part is missing.
    pub why: &'static str,
}

impl Trials {
    /// Errors when rules read each other in a circle.
    pub fn new(rules: Arc<RuleSet>) -> Result<Trials, Circle> {
        let ready = Ready::new(rules, Spread::None)?;
        Ok(Trials { ready })
    }

    /// The rules, their tests among them.
    pub fn rules(&self) -> &RuleSet {
        self.ready.rules()
    }

    /// Runs one test of the folder; what it made use of is added to `coverage`.
    pub fn run(&self, test: &Test, coverage: &mut Coverage) -> Outcome {
        let world = World::of(test);
        let mut replay = world.replay(&self.ready);
        let mut deliveries = Deliveries::new(self.rules(), world.start);
        let mut outcome = Outcome::default();
        for step in &test.steps {
            let at = world.start.plus(step.at);
            while let Some((now, tick)) = replay.next(at) {
                outcome.ticks += 1;
                deliveries.take(now, &tick.notices);
                coverage.take(tick);
                coverage.look_at(&replay);
            }
            replay.rest_at(at);
            let mut about = BTreeSet::new();
            let lines = match &step.kind {
                StepKind::Eval { expr, expected } => {
                    expect::samples(expr, expected, replay.source(), at)
                }
                StepKind::At { expected } => {
                    expect::instances(expected, &replay.status(), &mut about)
                }
                _ => match deliveries.check(at, &step.kind) {
                    Ok(lines) => lines,
                    Err(why) => {
                        let place = step.place.clone();
                        outcome.not_run.push(NotRun { place, why });
                        continue;
                    }
                },
            };
            if !lines.is_empty() {
                if let StepKind::Notify { instance, .. } | StepKind::Ack { instance } = &step.kind {
                    about.insert(instance.alert.clone());
                }
                outcome.failures.push(Failure {
                    place: step.place.clone(),
                    lines,
                    background: explain::background(self, &world, at, &about),
                });
            }
        }
        outcome
    }
}

/// What a test begins with.
pub(crate) struct World {
    start: TimestampMs,
    end: TimestampMs,
    store: MemorySource,
}

impl World {
    fn of(test: &Test) -> World {
        let start = test.start.unwrap_or(TimestampMs(0));
        let last = test.steps.iter().map(|step| step.at).max();
        let mut store = MemorySource::new();
        for load in &test.loads {
            for series in &load.series {
                let (mut times, mut values) = (Vec::new(), Vec::new());
                let mut t = start.0;
                for value in series.values.iter() {
                    if let Some(value) = value {
                        times.push(t);
                        values.push(value);
                    }
                    t = t.saturating_add(load.step.0);
                }
                store.extend(&series.labels, &times, &values);
            }
        }
        World {
            start,
            end: start.plus(last.unwrap_or_default()),
            store,
        }
    }

    fn replay(&self, ready: &Ready) -> Replay<'_> {
        let options = ReplayOptions {
            from: self.start,
            until: self.end,
            query: QueryOptions {
                threads: 1, // Tests are many and small: they run beside each other.
                ..QueryOptions::default()
            },
            keep_samples: true,
            control: Control::new(),
        };
        Replay::new(ready, &self.store, options)
    }
}

#[cfg(test)]
mod tests;
