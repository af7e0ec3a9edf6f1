//! The rules' thread: loads the folder, evaluates what is due, and commits what came of it.
//!
//! One thread owns the [`Engine`]; everybody else sends it [`Order`]s and reads what it publishes. A tick is
//! carried out in this order, so that a crash anywhere in it repeats it with the same outcome:
//!
//! 1. evaluate over one view of the store,
//! 2. recorded samples to the store, synced,
//! 3. state, outbox and history to the ledger, in one transaction,
//! 4. wake the senders.
//!
//! Slots lie on the wall clock. After a start, a pause of the machine or a step of its clock, missed slots are
//! caught up on (`rules.catchup_max`); slots missed because a tick took too long are skipped and counted.
//!
//! Not here: sending (`senders.rs`), what a rule means (`engine`).

use std::io;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use bellwether_engine::{Engine, Event, Options, Tick};
use bellwether_lang::rules::{Diagnostic, RuleSet, Severity, SourceFile};
use bellwether_ledger::Ledger;
use bellwether_model::notice::Notice;
use bellwether_model::text::counted;
use bellwether_model::{DurationMs, TimestampMs, limits};
use bellwether_query::Control;
use bellwether_query::source::store::ViewSource;
use bellwether_store::{Appender, Store, StoreError};
use crossbeam::channel::{Receiver, RecvTimeoutError, Sender};
use tokio::sync::oneshot;
use tracing::{error, info, warn};

use super::deadline::Deadlines;
use super::folder::{Look, RuleFolder};
use super::outbox;
use super::publish::{Loaded, Published};
use crate::ServeError;
use crate::clock::{Clock, Stopwatch};

/// A clock that is this much behind the last tick was set back; less is a slot evaluated early by rounding.
const SET_BACK: DurationMs = DurationMs(1000);

/// The engine has a slot of its own every `rules.every`: nothing evaluated for this long means that nobody was awake.
const AWAY: DurationMs = DurationMs(4 * limits::RULES_EVERY.millis());

/// A tick that made its successors this late was an overrun: what it missed is skipped.
const OVERRUN: Duration = Duration::from_secs(1);

/// What the rules' thread can be asked.
pub(crate) enum Order {
    /// Look at the folder now, and load it even if it looks the same. Answered with what came of it.
    Reload { done: oneshot::Sender<Arc<Loaded>> },
    /// A channel took a notice.
    Delivered { channel: String },
    /// An attempt failed and will be repeated.
    AttemptFailed {
        channel: String,
        attempts: u32,
        error: String,
    },
    /// A notice is given up; `instead` is told where its channel has a stand-in. Answered once that is durable.
    GaveUp {
        channel: String,
        error: String,
        instead: Option<Box<Notice>>,
        committed: oneshot::Sender<()>,
    },
    /// End after the tick at hand.
    Stop,
}

/// What the thread works with.
pub(crate) struct RulesThread {
    pub(crate) store: Store,
    pub(crate) ledger: Ledger,
    pub(crate) clock: Clock,
    pub(crate) folder: RuleFolder,
    pub(crate) published: Arc<Published>,
    pub(crate) deadlines: Deadlines,
    /// Called after a commit that may have put something into the outbox.
    pub(crate) wake_senders: Box<dyn Fn() + Send>,
}

/// The thread's own state.
struct Running {
    parts: RulesThread,
    engine: Engine,
    appender: Appender,
    /// Effects not yet in the ledger. Kept when a commit fails, and tried again.
    pending: Tick,
    /// The last slot evaluated; the next one lies after it.
    last: TimestampMs,
    /// The last tick that the ledger has.
    committed: Option<TimestampMs>,
    /// Slots before this time are caught up on, however late.
    catch_up_until: TimestampMs,
}

impl RulesThread {
    /// Restores the engine from the ledger and loads the folder: everything up to the first tick.
    /// What is returned runs the thread.
    pub(crate) fn start(
        self,
        ledger_path: &Path,
    ) -> Result<impl FnOnce(Receiver<Order>) + Send + use<>, ServeError> {
        let snapshot = self.ledger.load().map_err(|e| ServeError::Ledger {
            path: ledger_path.to_owned(),
            source: Box::new(e),
        })?;
        let engine = Engine::new(Arc::new(RuleSet::default()), Options::default());
        let mut engine = engine.map_err(|circle| ServeError::Start {
            what: "the rule engine",
            source: io::Error::other(circle),
        })?;
        let restored = engine.restore(snapshot.instances);
        for damage in &restored.damaged {
            error!("a row of alert state could not be read and is left out: {damage}");
        }
        if restored.rows > 0 {
            info!("{} rows of alert state are back", restored.rows);
        }
        let appender = self.store.appender();
        let now = self.clock.now();
        let mut running = Running {
            parts: self,
            engine,
            appender,
            pending: Tick::default(),
            last: now,
            committed: snapshot.last_tick,
            catch_up_until: now,
        };
        running.look(true);
        running.last = running
            .engine
            .resume(snapshot.last_tick, now, &mut running.pending);
        running.publish();
        Ok(move |orders: Receiver<Order>| running.run(&orders))
    }
}

impl Running {
    fn run(mut self, orders: &Receiver<Order>) {
        let poll = Duration::from_millis(limits::RULES_RELOAD_POLL.value);
        let mut looked = Stopwatch::start();
        loop {
            let wait = self.until_due().min(poll.saturating_sub(looked.elapsed()));
            match orders.recv_timeout(wait) {
                Ok(Order::Stop) | Err(RecvTimeoutError::Disconnected) => return,
                Ok(order) => self.obey(order),
                Err(RecvTimeoutError::Timeout) => {}
            }
            if looked.elapsed() >= poll {
                self.look(false);
                looked = Stopwatch::start();
            }
            self.follow_clock();
            self.evaluate_due();
            self.commit();
        }
    }

    fn obey(&mut self, order: Order) {
        let now = self.parts.clock.now();
        let (engine, out) = (&mut self.engine, &mut self.pending);
        match order {
            Order::Reload { done } => {
                self.look(true);
                let _ = done.send(self.parts.published.loaded()); // Whoever asked may have gone.
            }
            Order::Delivered { channel } => {
                engine.event(Event::Delivered { channel: &channel }, now, out);
            }
            Order::AttemptFailed {
                channel,
                attempts,
                error,
            } => {
                engine.event(
                    Event::AttemptFailed {
                        channel: &channel,
                        attempts,
                        error: &error,
                    },
                    now,
                    out,
                );
            }
            Order::GaveUp {
                channel,
                error,
                instead,
                committed,
            } => {
                engine.event(
                    Event::DeadLetter {
                        channel: &channel,
                        error: &error,
                    },
                    now,
                    out,
                );
                out.notices.extend(instead.map(|notice| *notice));
                if self.commit() {
                    let _ = committed.send(()); // A sender that has ended needs no answer.
                }
            }
            Order::Stop => {}
        }
    }

    /// How long nothing is due.
    fn until_due(&self) -> Duration {
        let Some(due) = self.engine.next_due(self.last) else {
            return Duration::MAX;
        };
        let wait = due.since(self.parts.clock.now()).0.max(0);
        Duration::from_millis(wait as u64)
    }

    /// After a step of the clock, or a sleep of the machine, the engine is told that it was away: it says from
    /// where to catch up, and takes no series' absence in that time for evidence.
    fn follow_clock(&mut self) {
        let now = self.parts.clock.now();
        let behind = self.last.since(now) > SET_BACK;
        let away = now.since(self.last) > AWAY && self.catch_up_until < self.last;
        if behind || away {
            warn!(
                "no rule was evaluated between {} and {now}; going on from there",
                self.last
            );
            self.last = self.engine.resume(Some(self.last), now, &mut self.pending);
            self.catch_up_until = now;
        }
    }

    /// Evaluates every slot up to now, each followed by its commit.
    fn evaluate_due(&mut self) {
        let begun = Stopwatch::start();
        while let Some(slot) = self.engine.next_due(self.last) {
            let now = self.parts.clock.now();
            if slot > now {
                return;
            }
            // Late because of the slots before it, not because the machine slept: what was missed is gone.
            if slot > self.catch_up_until && begun.elapsed() > OVERRUN && now.since(slot).0 > 1000 {
                self.last = now.minus(DurationMs(1));
                warn!("evaluation takes longer than its interval; slots up to {now} are skipped");
                continue;
            }
            self.tick(slot);
            if !self.commit() {
                return; // The same slot's effects are committed before another is evaluated.
            }
        }
    }

    fn tick(&mut self, slot: TimestampMs) {
        let begun = Stopwatch::start();
        let view = self.parts.store.view();
        let deadlines = &self.parts.deadlines;
        let control = |every: DurationMs| {
            let limit =
                Duration::from_millis(every.0.clamp(1, limits::RULES_EVAL_TIMEOUT.millis()) as u64);
            let control = Control::new();
            deadlines.set(&control, limit);
            control
        };
        self.engine
            .tick_with(slot, &ViewSource(&view), &control, &mut self.pending);
        self.parts.deadlines.clear();
        self.last = slot;
        self.parts.published.ticked(slot, begun.elapsed());
    }

    /// Makes the pending effects durable: samples first, then the ledger. False when that failed; they stay
    /// pending and the next call tries again.
    fn commit(&mut self) -> bool {
        let ticked = self.committed != Some(self.last) && self.last <= self.parts.clock.now();
        if self.pending.is_empty() && !ticked {
            return true;
        }
        if let Err(e) = self.store_samples() {
            // Alert state goes on without its series: a full disk must not silence alerts.
            warn!(
                "{} samples of rules were not stored: {e}",
                self.pending.samples.len()
            );
        }
        self.pending.samples.clear();
        let commit = outbox::tick_commit(&self.pending, self.last, self.parts.clock.now());
        if let Err(e) = self.parts.ledger.commit(&commit) {
            error!("alert state could not be committed, trying again: {e}");
            self.parts.published.commit_failed();
            return false;
        }
        self.committed = Some(self.last);
        let notices = !self.pending.notices.is_empty();
        self.pending.clear();
        self.publish();
        if notices {
            (self.parts.wake_senders)();
        }
        true
    }

    fn store_samples(&mut self) -> Result<(), StoreError> {
        for (labels, t, value) in &self.pending.samples {
            match self.appender.series(labels) {
                Ok(series) => self.appender.push(series, *t, *value),
                Err(e) => warn!("{labels} is not recorded: {e}"),
            }
        }
        let commit = self.appender.commit(self.parts.clock.now())?;
        if let Some(first) = commit.rejected.first() {
            warn!(
                "{} recorded samples were refused, the first as {}",
                commit.rejected.len(),
                first.reason
            );
        }
        Ok(())
    }

    fn publish(&mut self) {
        let status = self.engine.status(self.parts.clock.now());
        self.parts.published.set_status(status);
    }

    /// Looks at the folder and loads what is new. A folder with a mistake keeps what runs.
    fn look(&mut self, again: bool) {
        match self.parts.folder.look(again) {
            Look::Same => {}
            Look::Unreadable(why) => self.broken(1, &why, why.clone(), Vec::new()),
            Look::Changed { files, checked } => {
                let errors: Vec<&Diagnostic> = checked
                    .diagnostics
                    .iter()
                    .filter(|d| d.severity == Severity::Error)
                    .collect();
                let text = bellwether_lang::rules::render(&checked.diagnostics, &files, false);
                if let Some(first) = errors.first() {
                    let first = format!(
                        "{}:{}:{}: {}",
                        first.file, first.line, first.column, first.message
                    );
                    self.broken(errors.len(), &first, text, checked.diagnostics.clone());
                } else {
                    self.load(&files, checked.rules, text, checked.diagnostics);
                }
            }
        }
    }

    fn load(
        &mut self,
        files: &[SourceFile],
        rules: RuleSet,
        text: String,
        diagnostics: Vec<Diagnostic>,
    ) {
        let now = self.parts.clock.now();
        let rules = Arc::new(rules);
        if let Err(circle) = self.engine.load(Arc::clone(&rules), now, &mut self.pending) {
            let why = circle.to_string();
            self.broken(1, &why, why.clone(), Vec::new());
            return;
        }
        info!(
            "rules: {}, {}, {}",
            counted(files.len(), "file"),
            counted(rules.alerts.len(), "alert"),
            counted(rules.records.len(), "recording rule")
        );
        if !text.is_empty() {
            warn!("rules have warnings:\n{}", text.trim_end());
        }
        self.parts.published.set_loaded(Loaded {
            files: files.len(),
            rules,
            text,
            diagnostics,
            broken: false,
        });
        (self.parts.wake_senders)(); // Channels may have changed under what waits in the outbox.
    }

    fn broken(&mut self, errors: usize, first: &str, text: String, diagnostics: Vec<Diagnostic>) {
        error!(
            "the rules are not loaded, those from before go on:\n{}",
            text.trim_end()
        );
        let now = self.parts.clock.now();
        self.engine
            .event(Event::RulesBroken { errors, first }, now, &mut self.pending);
        self.parts.published.set_broken(text, diagnostics);
    }
}

/// Hands orders to the rules' thread.
#[derive(Clone, Debug)]
pub(crate) struct Orders(pub(crate) Sender<Order>);

impl Orders {
    /// Sends an order; after the end of the thread nobody is there to obey, and nothing happens.
    pub(crate) fn send(&self, order: Order) {
        let _ = self.0.send(order);
    }
    /// Has the folder read now, even if it looks the same. `None` when the thread has ended.
    pub(crate) async fn reload(&self) -> Option<Arc<Loaded>> {
        let (done, outcome) = oneshot::channel();
        self.send(Order::Reload { done });
        outcome.await.ok()
    }
}
