//! The engine: rules, their state, and the ticks that move it.
//!
//! A caller's life with it:
//!
//! 1. [`Engine::new`] with an empty rule set, [`Engine::restore`] with the rows of the ledger,
//! 2. [`Engine::load`] with the rules; when they have mistakes, [`Engine::load_older`] with the last ones that had
//!    none, and [`Event::RulesBroken`],
//! 3. [`Engine::resume`] with the time of the last committed tick: from where to catch up,
//! 4. [`Engine::next_due`] and [`Engine::tick`], again and again; [`Engine::event`] and `load` in between.
//!
//! After each call that fills a [`Tick`], the caller stores its samples and commits the rest.
//!
//! Promises: no clock, no file, no thread; the same calls give the same effects, byte for byte. A tick that is
//! repeated from restored state, because its effects were not committed, repeats its effects.

use std::collections::BTreeMap;
use std::sync::Arc;

use bellwether_lang::rules::{RuleSet, Sla};
use bellwether_model::rows::RowError;
use bellwether_model::text::counted;
use bellwether_model::{DurationMs, Labels, STALE_NAN, TimestampMs, limits};
use bellwether_query::{Control, Options as QueryOptions, Source};

use crate::alerts::{Instances, Turn};
use crate::ask::{Ask, AskError, Found, Identify, Results, caught};
use crate::effects::{FailedEvaluation, Tick};
use crate::instance::Beat;
use crate::order::{Circle, Node};
use crate::overlay::{Overlay, Recorded};
use crate::own::{Own, OwnKind};
use crate::plan::{Plan, Step, sla_key};
use crate::replay::{Ahead, Block};
use crate::sla::live::{Live, Look, Seen};
use crate::slots::Spread;
use crate::state::{self, Evaluation, RowKey};

/// How many attempts of one notice must fail before the channel is called failing.
const FAILING_ATTEMPTS: u32 = 5;

/// Failures in a row after which `RuleFailing` fires.
const FAILURES_TOLD: u32 = 2;

/// What the engine can be told.
#[derive(Clone, Debug)]
pub struct Options {
    /// Missed ticks are caught up on for at most this long; `rules.catchup_max`.
    pub catchup_max: DurationMs,
    /// Whether slots are spread over their interval.
    pub spread: Spread,
    /// Limits of each evaluation.
    pub query: QueryOptions,
}

impl Default for Options {
    fn default() -> Options {
        Options {
            catchup_max: DurationMs(limits::RULES_CATCHUP_MAX.millis()),
            spread: Spread::default(),
            query: QueryOptions::default(),
        }
    }
}

/// What happened outside that the engine must know.
#[derive(Clone, Copy, Debug)]
pub enum Event<'a> {
    /// The rule folder has mistakes and was not loaded.
    RulesBroken {
        /// How many mistakes.
        errors: usize,
        /// The first one, with its place.
        first: &'a str,
        /// What runs instead, for people: `no rule runs`.
        instead: &'a str,
    },
    /// The state kept was damaged, and the engine starts without any.
    StateLost {
        /// What is damaged, and where it lies now.
        why: &'a str,
    },
    /// A channel took a notice.
    Delivered {
        /// The channel's name.
        channel: &'a str,
    },
    /// An attempt failed and will be repeated.
    AttemptFailed {
        /// The channel's name.
        channel: &'a str,
        /// Attempts of this notice so far, this one included.
        attempts: u32,
        /// Why, without secrets.
        error: &'a str,
    },
    /// A notice could not be delivered and will not be tried again.
    DeadLetter {
        /// The channel's name.
        channel: &'a str,
        /// Why, without secrets.
        error: &'a str,
    },
}

/// The rule whose evaluation begins.
#[derive(Clone, Copy, Debug)]
pub struct Evaluating<'a> {
    /// Tells it apart from all others.
    pub rule: &'a str,
    /// Its interval.
    pub every: DurationMs,
}

/// What came back from the rows.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Restored {
    /// Rows taken in.
    pub rows: usize,
    /// Rows that could not be read, with the reason; they are ignored.
    pub damaged: Vec<RowError>,
}

/// The state of one rule.
#[derive(Debug, Default)]
pub(crate) struct RuleState {
    pub(crate) evaluation: Evaluation,
    /// Of an alert.
    pub(crate) instances: Instances,
    /// The series of the last evaluation of a recording rule or an objective, ascending.
    pub(crate) recorded: Vec<Labels>,
    /// Of an objective: what it keeps between evaluations.
    live: Live,
    /// Of an objective: what the evaluation of this tick has seen.
    seen: Option<(TimestampMs, Seen)>,
}

/// Rules, their state, and the ticks that move it.
#[derive(Debug)]
pub struct Engine {
    pub(crate) options: Options,
    pub(crate) plan: Arc<Plan>,
    /// By the rule's key. May hold rules that the plan does not know, until the next load.
    pub(crate) states: BTreeMap<String, RuleState>,
    pub(crate) own: Own,
    /// How often the clock was found set back: tells episodes apart that began at the same time of different
    /// rounds of the clock.
    era: u64,
    /// The last start: rules that are loaded later may still concern it.
    started: Option<Start>,
}

/// A start of the program.
#[derive(Clone, Copy, Debug)]
struct Start {
    at: TimestampMs,
    /// Time since the last committed tick; `None` when there is none.
    hole: Option<DurationMs>,
}

impl Engine {
    /// An engine without any state. Errors when rules read each other in a circle.
    pub fn new(rules: Arc<RuleSet>, options: Options) -> Result<Engine, Circle> {
        let plan = Arc::new(Plan::new(rules, options.spread)?);
        Ok(Engine::of_plan(plan, options))
    }

    /// An engine without any state, its rules made ready before.
    pub(crate) fn of_plan(plan: Arc<Plan>, options: Options) -> Engine {
        Engine {
            options,
            plan,
            states: BTreeMap::new(),
            own: Own::default(),
            era: 0,
            started: None,
        }
    }

    /// Puts back the rows that earlier [`Tick::instances`] asked to keep: levels, when they began,
    /// what was told to whom, the clocks of `for`, `clear`, `keep` and `missing`. Call it before the first load.
    pub fn restore(&mut self, rows: impl IntoIterator<Item = (Vec<u8>, Vec<u8>)>) -> Restored {
        let mut restored = Restored::default();
        for (key, value) in rows {
            match self.restore_row(&key, &value) {
                Ok(()) => restored.rows += 1,
                Err(error) => restored.damaged.push(error),
            }
        }
        restored
    }

    fn restore_row(&mut self, key: &[u8], value: &[u8]) -> Result<(), RowError> {
        match RowKey::decode(key)? {
            RowKey::Instance { rule, result } => {
                let instance = state::decode_instance(value)?;
                let rule = self.states.entry(rule).or_default();
                rule.instances.insert(result, instance);
            }
            RowKey::Evaluation { rule } => {
                let evaluation = Evaluation::decode(value)?;
                self.states.entry(rule).or_default().evaluation = evaluation;
            }
            RowKey::Recorded { rule } => {
                let recorded = state::decode_recorded(value)?;
                self.states.entry(rule).or_default().recorded = recorded;
            }
            RowKey::Own { identity } => {
                let alert = state::decode_own(value)?;
                self.own.alerts.insert(identity, alert);
            }
            RowKey::Era => self.era = state::decode_counter(value)?,
            RowKey::OwnBegun => self.own.begun = state::decode_counter(value)?,
        }
        Ok(())
    }

    /// Runs these rules from now on. State is kept by the rule's name, whatever else about it changed;
    /// alerts of rules that are gone resolve with the reason "rule removed", their series end.
    ///
    /// Errors when rules read each other in a circle: then nothing changes.
    pub fn load(
        &mut self,
        rules: Arc<RuleSet>,
        now: TimestampMs,
        out: &mut Tick,
    ) -> Result<(), Circle> {
        self.load_older(rules, now, out)?;
        let rules = &self.plan.rules;
        self.own
            .settle(OwnKind::RulesNotLoaded, "", None, now, rules, out);
        Ok(())
    }

    /// As [`Engine::load`], when these rules are older than those in the folder, which have mistakes: the alert
    /// about that goes on.
    pub fn load_older(
        &mut self,
        rules: Arc<RuleSet>,
        now: TimestampMs,
        out: &mut Tick,
    ) -> Result<(), Circle> {
        let plan = Arc::new(Plan::new(rules, self.options.spread)?);
        let old = std::mem::replace(&mut self.plan, plan);
        let plan = Arc::clone(&self.plan);
        let kept: Vec<&str> = plan.steps.iter().map(|step| step.key.as_str()).collect();
        let removed: Vec<String> = {
            let kept = std::collections::BTreeSet::from_iter(kept);
            let keys = self.states.keys();
            keys.filter(|key| !kept.contains(key.as_str()))
                .cloned()
                .collect()
        };
        for key in removed {
            if let Some(state) = self.states.remove(&key) {
                crate::removal::remove(&old, &plan.rules, &key, state, now, out);
            }
        }
        self.forget_changed(&old.rules, &plan.rules);
        self.own.forget_absent(now, &plan.rules, out);
        if let Some(start) = self.started {
            self.deafen(start, now, out);
        }
        Ok(())
    }

    /// What objectives keep between evaluations goes when they count otherwise than before.
    fn forget_changed(&mut self, old: &RuleSet, new: &RuleSet) {
        for sla in &new.slas {
            let counts_alike = |before: &Sla| {
                (&before.name, &before.indicator, &before.by, &before.exclude)
                    == (&sla.name, &sla.indicator, &sla.by, &sla.exclude)
            };
            let is_same = old.windows == new.windows && old.slas.iter().any(counts_alike);
            if let Some(state) = self
                .states
                .get_mut(&sla_key(&sla.name))
                .filter(|_| !is_same)
            {
                state.live = Live::default();
            }
        }
    }

    /// Joins the past to the present, after a start at `now`: `last_tick` is the time of the last tick whose
    /// effects were committed. Returns the time after which slots are to be evaluated.
    ///
    /// - Slots missed are caught up on, up to `rules.catchup_max`; a longer hole raises `EvaluationGap`.
    /// - While the program was down it could not have received samples: up to two intervals after a hole of more
    ///   than two intervals, the absence of a series is evidence of nothing.
    /// - A clock that was set back while the program was down shifts the running clocks with it.
    pub fn resume(
        &mut self,
        last_tick: Option<TimestampMs>,
        now: TimestampMs,
        out: &mut Tick,
    ) -> TimestampMs {
        let plan = Arc::clone(&self.plan);
        let just_before = now.minus(DurationMs(1));
        let start = Start {
            at: now,
            hole: last_tick.map(|last| now.since(last)),
        };
        self.started = Some(start);
        self.deafen(start, now, out);
        if last_tick.is_some_and(|last| last > now) {
            self.set_clock_back(now, out);
        }
        let Some(last) = last_tick.filter(|last| *last <= now) else {
            return just_before;
        };
        let oldest = now.minus(self.options.catchup_max);
        if last >= oldest {
            return last;
        }
        let summary = format!("no rule was evaluated from {last} to {oldest}");
        let (kind, rules) = (OwnKind::EvaluationGap, &plan.rules);
        self.own.raise(kind, "", summary, now, rules, out);
        oldest
    }

    /// Ticks up to now lie in the future.
    fn set_clock_back(&mut self, now: TimestampMs, out: &mut Tick) {
        self.era += 1;
        let era = state::encode_counter(self.era);
        out.instances.push(RowKey::Era.change(Some(era)));
        for (key, rule) in &mut self.states {
            rule.set_clock_back(key, now, out);
        }
        self.own.set_clock_back(now, out);
    }

    /// For rules not evaluated since the start: up to two intervals after it, when it ended a hole of more than
    /// two intervals, absence is evidence of nothing.
    fn deafen(&mut self, start: Start, now: TimestampMs, out: &mut Tick) {
        let plan = Arc::clone(&self.plan);
        for step in &plan.steps {
            let rule = self.states.entry(step.key.clone()).or_default();
            let is_older = rule.evaluation.attempted.is_none_or(|t| t <= start.at);
            let grace = double(step.every);
            let until = start.at.plus(grace);
            if is_older
                && start.hole.is_none_or(|hole| hole > grace)
                && until > now
                && rule.evaluation.deaf_until < Some(until)
            {
                rule.evaluation.deaf_until = Some(until);
                save_evaluation(&step.key, &rule.evaluation, out);
            }
        }
    }

    /// The first slot later than `after` at which something is due. Slots exist without rules, too: the
    /// engine writes the series of its own alerts.
    pub fn next_due(&self, after: TimestampMs) -> Option<TimestampMs> {
        self.plan.schedule.after(after)
    }

    /// Evaluates what is due at exactly `now`, a slot of [`Engine::next_due`]. A rule that has been evaluated at
    /// `now` or later is left alone.
    pub fn tick(&mut self, now: TimestampMs, source: &dyn Source, out: &mut Tick) {
        self.tick_with(now, source, &|_| Control::new(), out);
    }

    /// As [`Engine::tick`]; `control` is called when the evaluation of a rule begins, and makes its stop flag.
    pub fn tick_with(
        &mut self,
        now: TimestampMs,
        source: &dyn Source,
        control: &dyn Fn(Evaluating<'_>) -> Control,
        out: &mut Tick,
    ) {
        let plan = Arc::clone(&self.plan);
        let mut overlay = Overlay::new(source, now, &plan.written);
        for step in plan.steps.iter().filter(|step| step.slots.contains(now)) {
            let control = control(Evaluating {
                rule: &step.key,
                every: step.every,
            });
            self.evaluate(&plan, step, now, &mut overlay, &control, None, out);
        }
        if plan.own_slots.contains(now) {
            self.own.tick(now, &plan.rules, out);
        }
    }

    /// As [`Engine::tick`], with results from `ahead` where it has them.
    pub(crate) fn tick_replayed(
        &mut self,
        now: TimestampMs,
        source: &dyn Source,
        ahead: &Ahead,
        control: &Control,
        out: &mut Tick,
    ) {
        let plan = Arc::clone(&self.plan);
        let mut overlay = Overlay::new(source, now, &plan.written);
        let steps = plan.steps.iter().enumerate();
        for (i, step) in steps.filter(|(_, step)| step.slots.contains(now)) {
            let known = ahead.block(i).map(|block| (block, ahead.exposed));
            self.evaluate(&plan, step, now, &mut overlay, control, known, out);
        }
        if plan.own_slots.contains(now) {
            self.own.tick(now, &plan.rules, out);
        }
    }

    /// Lets an objective judge its slices up to `until`, whose samples are all there already. What cannot be judged now is left
    /// to its ticks, which tell why.
    pub(crate) fn foresee(&mut self, plan: &Plan, step: &Step, ask: &Ask<'_>, until: TimestampMs) {
        let Node::Sla(i) = step.node else {
            return; // Others have blocks.
        };
        let look = Look {
            rules: &plan.rules,
            sla: &plan.rules.slas[i],
            source: ask.source,
            options: ask.options,
            control: ask.control,
            to: ask.at,
            settled_after: DurationMs::ZERO,
        };
        let state = self.states.entry(step.key.clone()).or_default();
        state.live.foresee(&look, until).ok();
    }

    /// The series of a recording rule's last evaluation.
    pub(crate) fn recorded(&self, key: &str) -> &[Labels] {
        self.states
            .get(key)
            .map_or(&[], |state| state.recorded.as_slice())
    }

    /// Says what a recording rule's last evaluation has yielded, when that was not done here.
    pub(crate) fn set_recorded(&mut self, key: &str, series: Vec<Labels>) {
        if let Some(state) = self.states.get_mut(key) {
            state.recorded = series;
        }
    }

    /// Takes in what happened outside.
    pub fn event(&mut self, event: Event<'_>, now: TimestampMs, out: &mut Tick) {
        use OwnKind::{NotificationFailing, NotifyDeadLetter, RulesNotLoaded, StateLost};
        let (own, rules) = (&mut self.own, &self.plan.rules);
        match event {
            Event::RulesBroken {
                errors,
                first,
                instead,
            } => {
                let mistakes = counted(errors, "mistake");
                let summary = format!("{mistakes} in the rules, {instead}: {first}");
                own.raise(RulesNotLoaded, "", summary, now, rules, out);
            }
            Event::StateLost { why } => {
                let summary =
                    format!("alerts begin anew, and what waited to be sent is lost: {why}");
                own.raise(StateLost, "", summary, now, rules, out);
            }
            Event::Delivered { channel } => {
                own.settle(NotifyDeadLetter, channel, None, now, rules, out);
                own.settle(NotificationFailing, channel, None, now, rules, out);
            }
            Event::AttemptFailed {
                channel,
                attempts,
                error,
            } => {
                if attempts >= FAILING_ATTEMPTS {
                    let summary = format!("channel {channel} does not take notices: {error}");
                    own.raise(NotificationFailing, channel, summary, now, rules, out);
                }
            }
            Event::DeadLetter { channel, error } => {
                let summary = format!("a notice for channel {channel} was given up: {error}");
                own.raise(NotifyDeadLetter, channel, summary, now, rules, out);
            }
        }
    }

    /// One rule's turn. `known` are results evaluated ahead, and whether others have to see in this tick what the rule
    /// records.
    #[expect(
        clippy::too_many_arguments,
        reason = "a tick's parts; they meet here only"
    )]
    fn evaluate(
        &mut self,
        plan: &Plan,
        step: &Step,
        now: TimestampMs,
        overlay: &mut Overlay<'_>,
        control: &Control,
        known: Option<(&Block, bool)>,
        out: &mut Tick,
    ) {
        if !self.states.contains_key(&step.key) {
            self.states.insert(step.key.clone(), RuleState::default());
        }
        let evidence = self.evidence(plan, step, now);
        let Some(state) = self.states.get_mut(&step.key) else {
            return; // It was put there just now.
        };
        if state.evaluation.attempted.is_some_and(|t| t >= now) {
            return;
        }
        state.evaluation.count_skipped(step.every, now);
        // Slots that are being caught up on lie before the start.
        let present = self.started.map_or(now, |start| start.at.max(now));
        let deaf = state.evaluation.is_deaf(step.every, now, present);
        let beat = state.evaluation.beat(step.every, now, self.era);
        state.evaluation.attempted = Some(now);
        let parts = plan.shared(step).filter(|_| known.is_none());
        let shared = parts.filter(|(_, parts)| {
            let at = step.data_time(now);
            answer_parts(plan, parts, at, &self.options.query, control, overlay)
        });
        let shared = shared.map(|(expr, _)| expr);
        let ask = Ask {
            source: overlay,
            at: step.data_time(now),
            options: &self.options.query,
            control,
        };
        let outcome = match step.node {
            Node::Alert(i) => {
                let alert = &plan.rules.alerts[i];
                let turn = Turn {
                    rules: &plan.rules,
                    step,
                    alert,
                    now,
                    data_time: step.data_time(now),
                };
                if deaf && step.about_absence {
                    // Its answer would be about the program, not about what it watches.
                    turn.freeze(&state.instances, out);
                    save_evaluation(&step.key, &state.evaluation, out);
                    return;
                }
                let known = known.and_then(|(block, _)| block.results(ask.at, &state.instances));
                let results = evidence
                    .or(known.map(Ok))
                    .unwrap_or_else(|| ask.alert(alert, shared.unwrap_or(&alert.expr)));
                match results {
                    Ok(results) => {
                        let instances = &mut state.instances;
                        Ok(turn.evaluate(results, beat, !deaf, instances, out))
                    }
                    Err(error) => {
                        turn.freeze(&state.instances, out);
                        Err(error)
                    }
                }
            }
            // What it records is there already, and nobody has to see it in this tick.
            Node::Record(_) if known.is_some_and(|(_, exposed)| !exposed) => Ok(0),
            Node::Record(i) => {
                let rule = &plan.rules.records[i];
                let known = known.and_then(|(block, _)| block.series(ask.at));
                let asked = || ask.record(rule, shared.unwrap_or(&rule.expr));
                known.map_or_else(asked, Ok).map(|series| {
                    let samples = record(step, series, now, &mut state.recorded, out);
                    overlay.add(&samples);
                    out.samples.extend(samples);
                    0
                })
            }
            Node::Sla(i) => {
                let look = Look {
                    rules: &plan.rules,
                    sla: &plan.rules.slas[i],
                    source: overlay,
                    options: &self.options.query,
                    control,
                    to: step.data_time(now),
                    settled_after: out.settled_after(),
                };
                // What a panic has left of what is kept is thrown away.
                let mut live = std::mem::take(&mut state.live);
                let seen = caught(|| (live.look(&look), live));
                seen.and_then(|(seen, live)| {
                    state.live = live;
                    let seen = seen?;
                    if out.has_sla_series() {
                        let series = seen.series(&plan.rules.slas[i]);
                        let samples = record(step, series, now, &mut state.recorded, out);
                        overlay.add(&samples);
                        out.samples.extend(samples);
                    }
                    state.seen = Some((now, seen));
                    Ok(0)
                })
            }
        };
        self.conclude(plan, step, now, outcome, out);
    }

    /// Of an objective's alert: what the objective, which has had its turn in this tick, says of each instance.
    fn evidence(
        &self,
        plan: &Plan,
        step: &Step,
        now: TimestampMs,
    ) -> Option<Result<Results, AskError>> {
        let Node::Alert(i) = step.node else {
            return None;
        };
        let of = *plan.alerts_of.get(&i)?;
        let (sla, alert) = (&plan.rules.slas[of.sla()], &plan.rules.alerts[i]);
        let state = self.states.get(&sla_key(&sla.name));
        let seen = state.and_then(|state| state.seen.as_ref());
        let Some((_, seen)) = seen.filter(|(at, _)| *at == now) else {
            return Some(Err(AskError::OfSla));
        };
        let found = seen.evidence(sla, of).into_iter().map(|(labels, said)| {
            let (result, identity) = alert.identify(&labels);
            let found = Found {
                identity,
                value: said.value,
                said: Some(said),
            };
            (result, found)
        });
        Some(Ok(found.collect()))
    }

    /// Writes down how the evaluation went, and raises or ends what the engine says about the rule.
    fn conclude(
        &mut self,
        plan: &Plan,
        step: &Step,
        now: TimestampMs,
        outcome: Result<u64, AskError>,
        out: &mut Tick,
    ) {
        use OwnKind::{AlertsWithheld, RuleFailing};
        let Some(state) = self.states.get_mut(&step.key) else {
            return; // Its turn has put it there.
        };
        let evaluation = &mut state.evaluation;
        let (own, rules) = (&mut self.own, &plan.rules);
        let name = step.node.name(rules);
        match outcome {
            Ok(withheld) => {
                evaluation.succeeded = Some(now);
                evaluation.failures = 0;
                evaluation.error = None;
                evaluation.withheld = withheld;
                own.settle(RuleFailing, name, None, now, rules, out);
                if withheld > 0 {
                    let summary =
                        format!("{name} has more alerts than its max, left out: {withheld}");
                    own.raise(AlertsWithheld, name, summary, now, rules, out);
                } else {
                    own.settle(AlertsWithheld, name, None, now, rules, out);
                }
            }
            Err(error) => {
                let text = error.text();
                evaluation.failures = evaluation.failures.saturating_add(1);
                let is_told = !matches!(error, AskError::OfSla);
                if is_told {
                    out.failures.push(FailedEvaluation {
                        rule: name.to_owned(),
                        error: text.clone(),
                    });
                }
                if is_told && evaluation.failures >= FAILURES_TOLD {
                    let summary = format!("{name} cannot be evaluated: {text}");
                    own.raise(RuleFailing, name, summary, now, rules, out);
                }
                evaluation.error = Some(text);
            }
        }
        save_evaluation(&step.key, evaluation, out);
    }
}

impl Evaluation {
    /// How an evaluation at `now` joins the last one that succeeded.
    fn beat(&self, every: DurationMs, now: TimestampMs, era: u64) -> Beat {
        let elapsed = self
            .succeeded
            .map_or(DurationMs::ZERO, |last| now.since(last));
        Beat {
            now,
            elapsed,
            counts: self.failures == 0 && elapsed <= double(every),
            era,
        }
    }

    /// Whether absence is evidence of nothing. Never for longer than two intervals from the present, whatever a clock
    /// that was ahead for a while has left behind.
    fn is_deaf(&mut self, every: DurationMs, now: TimestampMs, present: TimestampMs) -> bool {
        let latest = present.plus(double(every));
        self.deaf_until = self.deaf_until.map(|until| until.min(latest));
        self.deaf_until.is_some_and(|until| now <= until)
    }

    fn count_skipped(&mut self, every: DurationMs, now: TimestampMs) {
        if let Some(last) = self.attempted {
            let slots = now.since(last).0 / every.0.max(1);
            self.skipped += slots.saturating_sub(1).max(0) as u64;
        }
    }
}

impl RuleState {
    /// When the rule's last evaluation lies after `now`, its clocks go on from `now`.
    fn set_clock_back(&mut self, key: &str, now: TimestampMs, out: &mut Tick) {
        let Some(last) = self.evaluation.attempted.filter(|last| *last > now) else {
            return;
        };
        self.evaluation.attempted = None;
        self.evaluation.succeeded = None;
        save_evaluation(key, &self.evaluation, out);
        for (result, instance) in &mut self.instances {
            instance.shift(now, now.since(last));
            let row = RowKey::Instance {
                rule: key.to_owned(),
                result: result.clone(),
            };
            let state = state::encode_instance(instance);
            out.instances.push(row.change(Some(state)));
        }
    }
}

/// Evaluates the shared parts that no rule of the tick has needed before. False when one of them fails: then the rule is asked
/// as it is written, and what is wrong is said in its own words.
fn answer_parts(
    plan: &Plan,
    parts: &[usize],
    at: TimestampMs,
    options: &QueryOptions,
    control: &Control,
    overlay: &mut Overlay<'_>,
) -> bool {
    for &part in parts {
        if overlay.has_part(part) {
            continue;
        }
        let ask = Ask {
            source: overlay,
            at,
            options,
            control,
        };
        match ask.ask(&plan.sharing.parts[part].expr) {
            Ok(answer) => overlay.add_part(part, at, answer.into_iter().collect()),
            Err(_) => return false,
        }
    }
    true
}

fn double(every: DurationMs) -> DurationMs {
    DurationMs(every.0.saturating_mul(2))
}

fn save_evaluation(key: &str, evaluation: &Evaluation, out: &mut Tick) {
    if !out.keeps_state() {
        return;
    }
    let row = RowKey::Evaluation {
        rule: key.to_owned(),
    };
    out.instances.push(row.change(Some(evaluation.encode())));
}

/// The samples of a recording rule's evaluation: its results, and markers for series that it no longer has.
fn record(
    step: &Step,
    series: BTreeMap<Labels, f64>,
    now: TimestampMs,
    recorded: &mut Vec<Labels>,
    out: &mut Tick,
) -> Vec<Recorded> {
    let t = step.data_time(now);
    let ended = recorded.iter().filter(|l| !series.contains_key(*l));
    let mut samples: Vec<Recorded> = ended.map(|l| (l.clone(), t, STALE_NAN)).collect();
    samples.extend(series.iter().map(|(l, v)| (l.clone(), t, *v)));
    if !series.keys().eq(recorded.iter()) {
        *recorded = series.into_keys().collect();
        let row = RowKey::Recorded {
            rule: step.key.clone(),
        };
        let state = state::encode_recorded(recorded);
        out.instances.push(row.change(Some(state)));
    }
    samples
}
