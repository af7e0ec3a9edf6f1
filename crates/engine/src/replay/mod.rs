//! A folder of rules over a source on a virtual clock: what tests in files and backtests drive.
//!
//! The engine is the live one, tick by tick; only where its results come from differs: rules that depend on nothing that the
//! ticks in between do are evaluated for a block of ticks at once (`ahead`). Nothing is kept and nobody is told: what comes
//! out are the effects of each tick.
//!
//! - `lookback`: which rules those are. `ahead`: their results. `nearest`: how close they came to firing.
//! - `past`: what the rules see.
//!
//! - `backtest`: what comes of it, summed up and compared.

mod backtest;

mod ahead;
mod lookback;
mod nearest;
mod past;

use std::sync::Arc;

use bellwether_lang::rules::{Indicator, Level, Period, Record, RuleSet, Sla};
use bellwether_model::{DurationMs, TimestampMs, limits};
use bellwether_query::source::memory::MemorySource;
use bellwether_query::{Control, Options as QueryOptions, Source, Steps};

use crate::ask::Ask;
use crate::effects::{Tick, Wanted};
use crate::engine::{Engine, Options};
use crate::instance::{Instance, is_bare};
use crate::order::{Circle, Node};
use crate::overlay::{ALERT_METRICS, Written};
use crate::plan::{Plan, Step};
use crate::sla::live::SLA_METRICS;
use crate::slots::Spread;
use crate::status::Status;

use ahead::Asked;
pub(crate) use ahead::Block;
pub use backtest::{Backtest, BacktestError, Difference, Failed, Firing, strip};
use nearest::Nearest;
pub use nearest::NearestValue;
use past::Past;

/// Ticks of the fastest rule in a block, at most: a day at the default interval.
const BLOCK_TICKS: i64 = 2880;

/// How a replay runs.
#[derive(Clone, Debug)]
pub struct ReplayOptions {
    /// The first tick lies at or after this time.
    pub from: TimestampMs,
    /// The last tick lies at or before this time.
    pub until: TimestampMs,
    /// Limits of each evaluation.
    pub query: QueryOptions,
    /// Whether samples that rules wrote are kept to be asked for; otherwise those that no rule can reach are dropped.
    pub keep_samples: bool,
    /// Stops the evaluation.
    pub control: Control,
}

/// Rules made ready to be replayed, as often as needed.
#[derive(Clone, Debug)]
pub struct Ready {
    plan: Arc<Plan>,
    spread: Spread,
    /// Which rules may be evaluated ahead.
    may: Arc<[bool]>,
    /// Which objectives may judge their slices ahead.
    foresees: Arc<[bool]>,
    /// Which rules read what others record.
    reads_records: Arc<[bool]>,
    /// How far back of a tick rules read.
    reach: DurationMs,
    /// The shortest interval.
    fastest: DurationMs,
    /// Which of the engine's series some rule reads.
    read: Wanted,
}

impl Ready {
    /// Errors when rules read each other in a circle. `spread` says whether slots are spread as they are live.
    pub fn new(rules: Arc<RuleSet>, spread: Spread) -> Result<Ready, Circle> {
        let plan = Plan::new(rules, spread)?;
        // An objective's own alerts are not asked for what they show.
        let is_asked = |step: &&Step| match step.node {
            Node::Alert(alert) => !plan.alerts_of.contains_key(&alert),
            Node::Record(_) | Node::Sla(_) => true,
        };
        let are_read = |metrics: &[&str]| {
            plan.steps.iter().filter(is_asked).any(|step| {
                let reads = |metric: &&str| lookback::reads(step.node, &plan.rules, metric);
                metrics.iter().any(reads)
            })
        };
        let reads_records = |step: &Step| {
            let mut others = plan.steps.iter().map(|other| other.node);
            is_asked(&step)
                && others.any(|other| {
                    matches!(other, Node::Record(_))
                        && lookback::reads_what(step.node, other, &plan.rules)
                })
        };
        let may = lookback::may_look_ahead(&plan.rules, &plan.steps);
        Ok(Ready {
            read: Wanted {
                alerts: are_read(&ALERT_METRICS),
                objectives: are_read(&SLA_METRICS),
            },
            foresees: lookback::may_foresee(&plan.rules, &plan.steps, &may).into(),
            reads_records: plan.steps.iter().map(reads_records).collect(),
            may: may.into(),
            reach: reach(&plan),
            fastest: plan
                .steps
                .iter()
                .map(|step| step.every)
                .min()
                .unwrap_or(DurationMs(1)),
            spread,
            plan: Arc::new(plan),
        })
    }

    /// The rules.
    pub fn rules(&self) -> &Arc<RuleSet> {
        &self.plan.rules
    }
}

/// Results evaluated ahead, by the place of the rule in the plan.
pub(crate) struct Ahead {
    blocks: Vec<Option<Block>>,
    /// Set when some rule is asked tick by tick although others were not: it has to see what they record.
    pub(crate) exposed: bool,
}

impl Ahead {
    pub(crate) fn block(&self, step: usize) -> Option<&Block> {
        self.blocks.get(step)?.as_ref()
    }
}

/// Whether an expression had a value so far, as far as that says something.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Valued {
    /// It was not evaluated.
    Unasked,
    /// It was evaluated, and had none.
    Never,
    /// It had one, or was evaluated where nobody watched, or having none is how it says that all is well.
    Unknown,
}

impl Valued {
    /// Before the first evaluation.
    fn before(step: &Step, rules: &RuleSet) -> Valued {
        match step.node {
            Node::Alert(alert) if is_bare(&rules.alerts[alert]) => Valued::Unknown,
            Node::Alert(_) | Node::Record(_) | Node::Sla(_) => Valued::Unasked,
        }
    }

    fn after(self, asked: &Asked) -> Valued {
        match (self, asked) {
            (Valued::Unasked | Valued::Never, Asked::Block(block)) if block.len() == 0 => {
                Valued::Never
            }
            // A block that was too large is asked for again.
            (before, Asked::TooLarge) => before,
            (_, Asked::Block(_) | Asked::TickByTick) => Valued::Unknown,
        }
    }
}

/// Rules on their way through the past.
pub struct Replay<'a> {
    engine: Engine,
    ready: Ready,
    past: Past<'a>,
    options: ReplayOptions,
    ahead: Ahead,
    /// Blocks reach up to here.
    ahead_until: TimestampMs,
    block_ticks: i64,
    nearest: Nearest,
    /// Of each rule, by its place in the plan, whether its expression had a value.
    valued: Vec<Valued>,
    /// The last tick, or just before the first.
    now: TimestampMs,
    tick: Tick,
}

impl<'a> Replay<'a> {
    /// The rules over `source`, in a state in which nothing fires.
    pub fn new(ready: &Ready, source: &'a dyn Source, options: ReplayOptions) -> Replay<'a> {
        let live = Options {
            spread: ready.spread,
            query: options.query.clone(),
            ..Options::default()
        };
        let before = options.from.minus(DurationMs(1));
        Replay {
            engine: Engine::of_plan(Arc::clone(&ready.plan), live),
            past: Past {
                below: source,
                above: MemorySource::new(),
                written: Written::by(&ready.plan.rules),
                from: options.from,
            },
            valued: {
                let steps = ready.plan.steps.iter();
                let before = |step| Valued::before(step, &ready.plan.rules);
                steps.map(before).collect()
            },
            ready: ready.clone(),
            tick: Tick::replayed(Wanted {
                alerts: ready.read.alerts || options.keep_samples,
                objectives: ready.read.objectives || options.keep_samples,
            }),
            ahead: Ahead {
                blocks: Vec::new(),
                exposed: false,
            },
            ahead_until: before,
            block_ticks: BLOCK_TICKS,
            nearest: Nearest::default(),
            now: before,
            options,
        }
    }

    /// Takes the next tick, if it is due at `until` or before: its time and its effects.
    pub fn next(&mut self, until: TimestampMs) -> Option<(TimestampMs, &Tick)> {
        let until = until.min(self.options.until);
        let at = self.engine.next_due(self.now).filter(|at| *at <= until)?;
        if at > self.ahead_until {
            self.look_ahead(at);
        }
        self.tick.clear();
        let control = &self.options.control;
        self.engine
            .tick_replayed(at, &self.past, &self.ahead, control, &mut self.tick);
        for (labels, t, value) in &self.tick.samples {
            self.past.above.push(labels, t.0, *value);
        }
        self.now = at;
        Some((at, &self.tick))
    }

    /// Evaluates the block of ticks that begins at `at`.
    fn look_ahead(&mut self, at: TimestampMs) {
        self.close_blocks();
        if !self.options.keep_samples {
            self.past.above.forget_before(at.minus(self.ready.reach));
        }
        loop {
            let length = DurationMs(self.ready.fastest.0.saturating_mul(self.block_ticks));
            let end = at.plus(length).min(self.options.until);
            let held = self.fill(at, end);
            let room = limits::BACKTEST_VALUES_MAX.usize();
            if held.is_some_and(|held| held < room / 4) {
                self.block_ticks = (self.block_ticks * 2).min(BLOCK_TICKS);
            } else if held.is_none_or(|held| held > room) {
                self.block_ticks = (self.block_ticks / 2).max(1);
            }
            if held.is_some() {
                self.ahead_until = end;
                return;
            }
        }
    }

    /// Tells the engine what the records of the last block ended with.
    fn close_blocks(&mut self) {
        for (step, block) in self.ready.plan.steps.iter().zip(&self.ahead.blocks) {
            if let (Node::Record(_), Some(block)) = (step.node, block) {
                self.engine.set_recorded(&step.key, block.last());
            }
        }
    }

    /// Fills the blocks from `at` to `end`: how many values they hold, or `None` when they are too large to be made.
    fn fill(&mut self, at: TimestampMs, end: TimestampMs) -> Option<usize> {
        let plan = Arc::clone(&self.ready.plan);
        let is_single = end.since(at) <= self.ready.fastest;
        self.ahead = Ahead {
            blocks: Vec::new(),
            exposed: false,
        };
        let mut held = 0;
        let mut blocked: Vec<&str> = Vec::new();
        for (i, step) in plan.steps.iter().enumerate() {
            let is_blocked = |metric: &&str| lookback::reads(step.node, &plan.rules, metric);
            let is_open = !blocked.iter().any(is_blocked);
            let may = self.ready.may[i] && is_open;
            if self.ready.foresees[i] && is_open {
                self.foresee(&plan, i, at, end);
            }
            if !may {
                self.valued[i] = Valued::Unknown;
            }
            let block = match may.then(|| self.block(&plan, i, at, end)) {
                Some(Asked::Block(block)) => Some(block),
                Some(Asked::TooLarge) if !is_single => return None,
                Some(Asked::TooLarge) => {
                    self.valued[i] = Valued::Unknown;
                    None
                }
                Some(Asked::TickByTick) | None => None,
            };
            match (&block, step.node) {
                (Some(block), _) => held += block.len(),
                (None, Node::Record(i)) => blocked.push(&plan.rules.records[i].metric),
                (None, Node::Sla(_) | Node::Alert(_)) => {}
            }
            self.ahead.exposed |= block.is_none() && self.ready.reads_records[i];
            self.ahead.blocks.push(block);
        }
        Some(held)
    }

    /// Lets an objective judge its slices from `at` to `end`.
    fn foresee(&mut self, plan: &Plan, i: usize, at: TimestampMs, end: TimestampMs) {
        let step = &plan.steps[i];
        let ask = Ask {
            source: &self.past,
            at: step.data_time(at),
            options: &self.options.query,
            control: &self.options.control,
        };
        self.engine.foresee(plan, step, &ask, step.data_time(end));
    }

    /// The results of one rule for its slots from `at` to `end`; what a record writes is shown to those behind it.
    fn block(&mut self, plan: &Plan, i: usize, at: TimestampMs, end: TimestampMs) -> Asked {
        let step = &plan.steps[i];
        let first = step.slots.after(at.minus(DurationMs(1)));
        let Some(first) = first.filter(|first| *first <= end) else {
            return Asked::TickByTick; // It has no tick here.
        };
        let ticks = end.since(first).0 / step.every.0;
        let steps = Steps {
            start: step.data_time(first),
            end: step.data_time(first.plus(DurationMs(step.every.0 * ticks))),
            step: step.every,
        };
        let ask = Ask {
            source: &self.past,
            at: steps.start,
            options: &self.options.query,
            control: &self.options.control,
        };
        let asked = match step.node {
            Node::Alert(alert) => {
                let alert = &plan.rules.alerts[alert];
                let mut asked = Block::ask(&ask, alert, steps);
                if let Asked::Block(block) = &mut asked {
                    block.judge(alert, &mut self.nearest);
                }
                asked
            }
            Node::Record(record) => {
                let asked = Block::ask(&ask, &plan.rules.records[record], steps);
                if let Asked::Block(block) = &asked {
                    for (labels, times, values) in block.written(self.engine.recorded(&step.key)) {
                        self.past.above.extend(&labels, &times, &values);
                    }
                }
                asked
            }
            Node::Sla(_) => Asked::TickByTick,
        };
        self.valued[i] = self.valued[i].after(&asked);
        asked
    }

    /// What the engine knows now.
    pub fn status(&self) -> Status {
        self.engine.status(self.now)
    }

    /// Moves the clock without a tick: [`Replay::status`] speaks of this time.
    pub fn rest_at(&mut self, now: TimestampMs) {
        self.now = self.now.max(now);
    }

    /// The samples, those that rules wrote among them.
    pub fn source(&self) -> &dyn Source {
        &self.past
    }

    /// Of each level that has a condition, the value nearest to it so far, by alert and level. Rules that are asked tick by
    /// tick, because they read series of alerts or look forward, are not among them.
    pub fn nearest(&self) -> impl Iterator<Item = (&str, Level, &NearestValue)> {
        let nearest = self.nearest.0.iter();
        nearest.map(|((alert, level), value)| (alert.as_str(), *level, value))
    }

    /// Rules whose expression was evaluated and never had a value, in the order of evaluation. Not among them are rules that
    /// are asked tick by tick, and alerts without a number to compare with, which have a value only while something is wrong.
    pub fn without_value(&self) -> impl Iterator<Item = &str> {
        let plan = &self.ready.plan;
        let steps = plan.steps.iter().zip(&self.valued);
        let without = steps.filter(|(_, valued)| **valued == Valued::Never);
        without.map(|(step, _)| step.node.name(&plan.rules))
    }

    /// Rules that have something to say: alerts with an instance that is pending or firing, and whether the series of one is
    /// missing; records that recorded.
    pub(crate) fn in_use(&self) -> impl Iterator<Item = (&str, bool)> {
        let plan = &self.ready.plan;
        plan.steps.iter().enumerate().filter_map(|(i, step)| {
            let name = step.node.name(&plan.rules);
            let state = self.engine.states.get(&step.key)?;
            let records = !state.recorded.is_empty()
                || matches!(step.node, Node::Record(_))
                    && self
                        .ahead
                        .block(i)
                        .is_some_and(|block| !block.last().is_empty());
            let is_missing = state
                .instances
                .values()
                .any(|i| i.missing_since().is_some());
            let is_active = state.instances.values().any(Instance::is_active);
            (records || is_active || is_missing).then_some((name, is_missing))
        })
    }

    /// The rules.
    pub fn rules(&self) -> &RuleSet {
        &self.ready.plan.rules
    }
}

/// How far back of a tick some rule reads.
fn reach(plan: &Plan) -> DurationMs {
    let reaches = plan.steps.iter().map(|step| {
        let reach = match step.node {
            Node::Sla(i) => {
                let mut records = plan.rules.records.iter();
                // What no rule wrote lies in the store.
                let reads =
                    |record: &Record| lookback::reads(step.node, &plan.rules, &record.metric);
                let sla = records.any(reads).then(|| &plan.rules.slas[i]);
                sla.map(sla_reach).unwrap_or_default()
            }
            node => node
                .expr(&plan.rules)
                .map(lookback::reach)
                .unwrap_or_default(),
        };
        DurationMs(reach.0.saturating_add(step.delay.0).saturating_add(1))
    });
    reaches.max().unwrap_or_default()
}

/// How far back of a tick an objective reads: to the begin of its longest period, and a little.
fn sla_reach(sla: &Sla) -> DurationMs {
    const LITTLE: DurationMs = DurationMs::from_mins(120);
    const DAY: i64 = 86_400_000; // Months and quarters are up to two days longer than the nominal ones.
    let lengths = sla.objectives.iter().map(|of| match of.period {
        Period::Rolling(length) => length.0,
        Period::Calendar { .. } => of.period.nominal().0.saturating_add(2 * DAY),
    });
    let ok = match &sla.indicator {
        Indicator::Sliced { ok, .. } => lookback::reach(ok).0,
        Indicator::Counted { .. } => 0,
    };
    let longest = lengths.max().unwrap_or_default();
    DurationMs(longest.saturating_add(ok).saturating_add(LITTLE.0))
}
