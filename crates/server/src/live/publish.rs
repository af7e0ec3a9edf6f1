//! What the rules' thread shows to everybody else: the rules that run, the state of their alerts, and what is wrong
//! with the folder. Readers take a copy of a pointer; nobody waits for an evaluation.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU64, Ordering};
use std::time::Duration;

use bellwether_engine::Status;
use bellwether_lang::rules::{Diagnostic, RuleSet};
use bellwether_model::TimestampMs;
use parking_lot::RwLock;

/// The rules that run, and what is wrong with the folder now.
#[derive(Clone, Default)]
pub(crate) struct Loaded {
    /// The number of files they come from.
    pub(crate) files: usize,
    /// The rules that run.
    pub(crate) rules: Arc<RuleSet>,
    /// When they were loaded, from the folder as it was then; `None` before any were.
    pub(crate) since: Option<TimestampMs>,
    /// The findings, drawn with carets.
    pub(crate) text: String,
    /// The findings.
    pub(crate) diagnostics: Vec<Diagnostic>,
    /// The folder has mistakes: what runs is older than what it holds, or there is nothing that runs.
    pub(crate) broken: bool,
}

impl Loaded {
    /// What runs while the folder has mistakes, for people.
    pub(crate) fn instead(&self) -> String {
        match self.since {
            Some(since) => format!("the last rules that loaded, of {since}, go on"),
            None => "no rule runs".to_owned(),
        }
    }
}

/// The last that was published of each thing.
#[derive(Default)]
pub(crate) struct Published {
    status: RwLock<Arc<Status>>,
    loaded: RwLock<Arc<Loaded>>,
    /// How long the last evaluation of each rule took, by the rule's key.
    evaluation_times: RwLock<BTreeMap<String, Duration>>,
    ended: AtomicBool,
    last_tick_ms: AtomicI64,
    ticks: AtomicU64,
    tick_nanos: AtomicU64,
    commits_failed: AtomicU64,
}

/// Totals of the rules' thread since the start.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Totals {
    pub(crate) ticks: u64,
    pub(crate) tick_seconds: f64,
    pub(crate) last_tick_ms: i64,
    pub(crate) commits_failed: u64,
}

impl Published {
    /// The rules and their alerts.
    pub(crate) fn status(&self) -> Arc<Status> {
        Arc::clone(&self.status.read())
    }

    /// The folder.
    pub(crate) fn loaded(&self) -> Arc<Loaded> {
        Arc::clone(&self.loaded.read())
    }

    /// How long the last evaluation of each rule took, by [`bellwether_engine::RuleStatus::key`].
    pub(crate) fn evaluation_times(&self) -> BTreeMap<String, Duration> {
        self.evaluation_times.read().clone()
    }

    /// Whether the rules' thread has ended: no rule is evaluated any more, nobody is told anything.
    pub(crate) fn has_ended(&self) -> bool {
        self.ended.load(Ordering::Relaxed)
    }

    /// The rules that run: their channels are where notices go.
    pub(crate) fn rules(&self) -> Arc<RuleSet> {
        Arc::clone(&self.loaded.read().rules)
    }

    /// How the ticks went.
    pub(crate) fn totals(&self) -> Totals {
        Totals {
            ticks: self.ticks.load(Ordering::Relaxed),
            tick_seconds: self.tick_nanos.load(Ordering::Relaxed) as f64 / 1e9,
            last_tick_ms: self.last_tick_ms.load(Ordering::Relaxed),
            commits_failed: self.commits_failed.load(Ordering::Relaxed),
        }
    }

    pub(super) fn set_status(&self, status: Status) {
        let rules = status.groups.iter().flat_map(|group| &group.rules);
        let there: BTreeSet<&str> = rules.map(|rule| rule.key.as_str()).collect();
        let mut times = self.evaluation_times.write();
        times.retain(|rule, _| there.contains(rule.as_str()));
        drop(times);
        *self.status.write() = Arc::new(status);
    }

    pub(super) fn set_loaded(&self, loaded: Loaded) {
        *self.loaded.write() = Arc::new(loaded);
    }

    /// Keeps the rules that run and says what is wrong with those that were to replace them.
    pub(super) fn set_broken(&self, text: String, diagnostics: Vec<Diagnostic>) {
        let mut loaded = self.loaded.write();
        *loaded = Arc::new(Loaded {
            text,
            diagnostics,
            broken: true,
            ..Loaded::clone(&loaded)
        });
    }

    pub(crate) fn set_ended(&self) {
        self.ended.store(true, Ordering::Relaxed);
    }

    /// Takes over how long evaluations took.
    pub(super) fn evaluated(&self, took: impl IntoIterator<Item = (String, Duration)>) {
        self.evaluation_times.write().extend(took);
    }

    pub(super) fn ticked(&self, slot: TimestampMs, took: Duration) {
        self.ticks.fetch_add(1, Ordering::Relaxed);
        self.tick_nanos
            .fetch_add(took.as_nanos() as u64, Ordering::Relaxed);
        self.last_tick_ms.store(slot.0, Ordering::Relaxed);
    }

    pub(super) fn commit_failed(&self) {
        self.commits_failed.fetch_add(1, Ordering::Relaxed);
    }
}
