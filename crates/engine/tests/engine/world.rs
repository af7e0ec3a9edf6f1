//! The world around an engine, in memory: a store, a ledger, and a program that can die at any point.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use bellwether_engine::{Approach, Engine, Event, Notice, Options, Spread, Tick, Transition};
use bellwether_lang::rules::{self, Checked, RuleSet, SourceFile};
use bellwether_model::{DurationMs, Labels, TimestampMs};
use bellwether_query::source::memory::MemorySource;
use bellwether_query::{Select, SeriesSet, Source, SourceError};

/// Where the program dies inside a tick.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Crash {
    /// Before anything was written.
    BeforeSamples,
    /// The samples are stored, the ledger's transaction is not committed.
    BeforeCommit,
    /// Everything is committed.
    AfterCommit,
}

/// An engine, its store and its ledger.
pub(crate) struct World {
    pub(crate) engine: Engine,
    rules: Arc<RuleSet>,
    pub(crate) store: MemorySource,
    /// When set, every question fails with this text.
    pub(crate) failing: Option<String>,
    /// When set, every question panics.
    pub(crate) panicking: bool,
    rows: BTreeMap<Vec<u8>, Vec<u8>>,
    pub(crate) last_tick: Option<TimestampMs>,
    pub(crate) now: TimestampMs,
    /// What was committed.
    pub(crate) transitions: Vec<Transition>,
    /// What was committed of alerts that do not fire yet.
    pub(crate) approaches: Vec<Approach>,
    pub(crate) notices: Vec<Notice>,
    /// Every sample the engine has written, by series and time, as bits.
    pub(crate) samples: BTreeMap<(Labels, TimestampMs), u64>,
    keys: BTreeSet<String>,
}

struct Failing<'a>(&'a str);

impl Source for Failing<'_> {
    fn select(&self, _: &Select<'_>) -> Result<SeriesSet<'_>, SourceError> {
        Err(SourceError::Read(self.0.to_owned()))
    }
}

struct Panicking;

impl Source for Panicking {
    fn select(&self, _: &Select<'_>) -> Result<SeriesSet<'_>, SourceError> {
        panic!("a bug")
    }
}

pub(crate) fn rules(text: &str) -> Arc<RuleSet> {
    rules_of("test.rules", text)
}

/// The rules of a file of this name.
pub(crate) fn rules_of(file: &str, text: &str) -> Arc<RuleSet> {
    let (checked, messages) = check(file, text);
    assert!(!checked.has_errors(), "{messages}");
    Arc::new(checked.rules)
}

/// What is wrong with the rules, which must have mistakes.
pub(crate) fn mistakes(text: &str) -> String {
    let (checked, messages) = check("test.rules", text);
    assert!(checked.has_errors(), "nothing is wrong with\n{text}");
    messages
}

fn check(file: &str, text: &str) -> (Checked, String) {
    let files = [SourceFile {
        path: format!("rules/{file}"),
        text: text.to_owned(),
    }];
    let checked = rules::check(&files);
    let messages = rules::render(&checked.diagnostics, &files, false);
    (checked, messages)
}

fn options() -> Options {
    Options {
        spread: Spread::None,
        ..Options::default()
    }
}

fn empty_engine() -> Engine {
    Engine::new(Arc::default(), options()).expect("no rules, no circle")
}

impl World {
    /// A program that has just been started for the first time, at time zero, without rules.
    pub(crate) fn new() -> World {
        World {
            engine: empty_engine(),
            rules: Arc::default(),
            store: MemorySource::new(),
            failing: None,
            panicking: false,
            rows: BTreeMap::new(),
            last_tick: None,
            now: TimestampMs(-1),
            transitions: Vec::new(),
            approaches: Vec::new(),
            notices: Vec::new(),
            samples: BTreeMap::new(),
            keys: BTreeSet::new(),
        }
    }

    pub(crate) fn load(&mut self, rules: Arc<RuleSet>) {
        let mut tick = Tick::default();
        self.rules = Arc::clone(&rules);
        let loaded = self.engine.load(rules, self.now, &mut tick);
        loaded.expect("no circle");
        self.commit(&tick);
    }

    pub(crate) fn event(&mut self, event: Event<'_>) {
        let mut tick = Tick::default();
        self.engine.event(event, self.now, &mut tick);
        self.commit(&tick);
    }

    /// Evaluates every slot up to `to`.
    pub(crate) fn run_until(&mut self, to: TimestampMs) {
        while let Some(t) = self.engine.next_due(self.now).filter(|t| *t <= to) {
            let tick = self.tick(t);
            self.commit(&tick);
            self.last_tick = Some(t);
            self.now = t;
        }
        self.now = to;
    }

    /// Runs up to `to`, dying in each tick as `crash_at` says, and being down as many milliseconds
    /// as it says when the tick had been committed.
    pub(crate) fn run_with_crashes(
        &mut self,
        to: TimestampMs,
        mut crash_at: impl FnMut(TimestampMs) -> Option<(Crash, i64)>,
    ) {
        while let Some(t) = self.engine.next_due(self.now).filter(|t| *t <= to) {
            let tick = self.tick(t);
            let crash = crash_at(t);
            match crash {
                Some((Crash::BeforeSamples, _)) => {}
                Some((Crash::BeforeCommit, _)) => self.store_samples(&tick),
                None | Some((Crash::AfterCommit, _)) => {
                    self.commit(&tick);
                    self.last_tick = Some(t);
                    self.now = t;
                }
            }
            match crash {
                Some((Crash::AfterCommit, down)) => self.restart(t.plus(DurationMs(down))),
                Some(_) => self.restart(t),
                None => {}
            }
        }
        self.now = to;
    }

    /// The program dies, and is started at `at`. Slots missed are not yet evaluated.
    pub(crate) fn restart(&mut self, at: TimestampMs) {
        self.engine = empty_engine();
        let restored = self.engine.restore(self.rows.clone());
        assert_eq!(
            (restored.rows, restored.damaged),
            (self.rows.len(), Vec::new())
        );
        self.now = at;
        self.load(Arc::clone(&self.rules));
        let mut tick = Tick::default();
        self.now = self.engine.resume(self.last_tick, at, &mut tick);
        self.commit(&tick);
    }

    fn tick(&mut self, t: TimestampMs) -> Tick {
        let mut tick = Tick::default();
        match &self.failing {
            _ if self.panicking => self.engine.tick(t, &Panicking, &mut tick),
            Some(text) => self.engine.tick(t, &Failing(text), &mut tick),
            None => self.engine.tick(t, &self.store, &mut tick),
        }
        tick
    }

    fn store_samples(&mut self, tick: &Tick) {
        for (labels, t, v) in &tick.samples {
            self.store.push(labels, t.0, *v);
            self.samples.insert((labels.clone(), *t), v.to_bits());
        }
    }

    /// Stores samples and state, and checks what holds for every tick.
    fn commit(&mut self, tick: &Tick) {
        let series: BTreeSet<(&Labels, TimestampMs)> =
            tick.samples.iter().map(|(l, t, _)| (l, *t)).collect();
        assert_eq!(
            series.len(),
            tick.samples.len(),
            "a series twice: {:?}",
            tick.samples
        );
        self.store_samples(tick);
        for change in &tick.instances {
            match &change.state {
                Some(state) => self.rows.insert(change.key.clone(), state.clone()),
                None => self.rows.remove(&change.key),
            };
        }
        for notice in &tick.notices {
            assert!(
                self.keys.insert(notice.key.clone()),
                "told twice: {notice:?}"
            );
            assert_eq!(Notice::decode(&notice.encode()).as_ref(), Ok(notice));
        }
        self.transitions.extend(tick.transitions.iter().cloned());
        self.approaches.extend(tick.approaches.iter().cloned());
        self.notices.extend(tick.notices.iter().cloned());
    }

    /// The ledger's rows.
    pub(crate) fn rows(&self) -> &BTreeMap<Vec<u8>, Vec<u8>> {
        &self.rows
    }
}
