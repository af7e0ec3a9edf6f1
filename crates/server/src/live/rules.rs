//! The rules' thread: loads the folder, evaluates what is due, and commits what came of it.
//!
//! One thread owns the [`Engine`]; everybody else sends it [`Order`]s and reads what it publishes. A tick is
//! carried out in this order, so that a crash anywhere in it repeats it with the same outcome:
//!
//! 1. evaluate over one view of the store,
//! 2. recorded samples to the store, synced; what it is too busy to take waits (`samples.rs`),
//! 3. state, outbox and history to the ledger, in one transaction,
//! 4. wake the senders.
//!
//! Nothing is evaluated while the effects of what was evaluated before are not in the ledger.
//!
//! Slots lie on the wall clock. After a start, a pause of the machine or a step of its clock, missed slots are
//! caught up on (`rules.catchup_max`); slots missed because a tick took too long are skipped and counted.
//!
//! Not here: the folder (`loading.rs`), sending (`senders.rs`), what a rule means (`engine`).

use std::cell::RefCell;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use bellwether_engine::{Engine, Evaluating, Event, Options, Tick};
use bellwether_lang::rules::RuleSet;
use bellwether_ledger::{Ledger, RuleSources, Snapshot};
use bellwether_model::notice::Notice;
use bellwether_model::{DurationMs, TimestampMs, limits};
use bellwether_query::Control;
use bellwether_query::source::store::ViewSource;
use bellwether_store::Store;
use crossbeam::channel::{Receiver, RecvTimeoutError, Sender};
use tokio::sync::oneshot;
use tracing::{error, info, warn};

use super::deadline::Deadlines;
use super::folder::RuleFolder;
use super::outbox;
use super::publish::{Loaded, Published};
use super::samples::Recorder;
use crate::ServeError;
use crate::clock::{Clock, Stopwatch};

/// A clock that is this much behind the last tick was set back; less is a slot evaluated early by rounding.
const SET_BACK: DurationMs = DurationMs(1000);

/// The engine has a slot of its own every `rules.every`: nothing evaluated for this long means that nobody was awake.
const AWAY: DurationMs = DurationMs(4 * limits::RULES_EVERY.millis());

/// A tick that made its successors this late was an overrun: what it missed is skipped.
const OVERRUN: Duration = Duration::from_secs(1);

/// How long a ledger that failed is left alone.
const COMMIT_RETRY: Duration = Duration::from_secs(1);

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
pub(super) struct Running {
    pub(super) parts: RulesThread,
    pub(super) engine: Engine,
    recorder: Recorder,
    /// Effects not yet in the ledger. Kept when a commit fails, and tried again.
    pub(super) pending: Tick,
    /// The rules that loaded last, now or before the start.
    pub(super) sources: Option<RuleSources>,
    /// Whether the ledger does not have them yet.
    pub(super) sources_changed: bool,
    /// The last slot evaluated; the next one lies after it.
    last: TimestampMs,
    /// The last tick that the ledger has.
    committed: Option<TimestampMs>,
    /// Slots before this time are caught up on, however late.
    catch_up_until: TimestampMs,
}

impl RulesThread {
    /// Everything up to the first tick: see [`Running::start`]. What is returned runs the thread.
    pub(crate) fn start(
        self,
        snapshot: Snapshot,
        lost: Option<&str>,
    ) -> Result<impl FnOnce(Receiver<Order>) + Send + use<>, ServeError> {
        let running = Running::start(self, snapshot, lost)?;
        Ok(move |orders: Receiver<Order>| {
            let _end = End(Arc::clone(&running.parts.published));
            running.run(&orders);
        })
    }
}

/// Says, when it is dropped, that nothing is evaluated any more.
struct End(Arc<Published>);

impl Drop for End {
    fn drop(&mut self) {
        self.0.set_ended();
        if std::thread::panicking() {
            error!("the rules' thread has panicked: no rule is evaluated until a restart");
        }
    }
}

impl Running {
    /// Restores the engine from the ledger's `snapshot` and loads the folder. `lost` says why the ledger was set
    /// aside, if it was.
    fn start(
        parts: RulesThread,
        snapshot: Snapshot,
        lost: Option<&str>,
    ) -> Result<Running, ServeError> {
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
        let now = parts.clock.now();
        let mut running = Running {
            recorder: Recorder::new(&parts.store),
            parts,
            engine,
            pending: Tick::default(),
            sources: snapshot.rules,
            sources_changed: false,
            last: now,
            committed: snapshot.last_tick,
            catch_up_until: now,
        };
        let kept = running.sources.as_ref();
        if kept.is_some_and(|sources| !sources.files.is_empty()) {
            running.parts.folder.expect_files();
        }
        running.look(true);
        if let Some(why) = lost {
            let event = Event::StateLost { why };
            running.engine.event(event, now, &mut running.pending);
        }
        running.last = running
            .engine
            .resume(snapshot.last_tick, now, &mut running.pending);
        running.publish();
        Ok(running)
    }

    fn run(mut self, orders: &Receiver<Order>) {
        let poll = Duration::from_millis(limits::RULES_RELOAD_POLL.value);
        let mut looked = Stopwatch::start();
        let mut committed = true;
        loop {
            let due = if committed {
                self.until_due()
            } else {
                COMMIT_RETRY
            };
            let wait = due.min(poll.saturating_sub(looked.elapsed()));
            match orders.recv_timeout(wait) {
                Ok(Order::Stop) | Err(RecvTimeoutError::Disconnected) => return,
                Ok(order) => self.obey(order),
                Err(RecvTimeoutError::Timeout) => {}
            }
            if looked.elapsed() >= poll {
                self.look(false);
                looked = Stopwatch::start();
            }
            committed = self.commit();
            if committed {
                self.follow_clock();
                committed = self.evaluate_due();
            }
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

    /// Evaluates every slot up to now, each followed by its commit. False when a commit failed.
    fn evaluate_due(&mut self) -> bool {
        let begun = Stopwatch::start();
        while self.commit() {
            let now = self.parts.clock.now();
            let due = self.engine.next_due(self.last);
            let Some(slot) = due.filter(|slot| *slot <= now) else {
                return true;
            };
            // Late because of the slots before it, not because the machine slept: what was missed is gone.
            if slot > self.catch_up_until && begun.elapsed() > OVERRUN && now.since(slot).0 > 1000 {
                self.last = now.minus(DurationMs(1));
                warn!("evaluation takes longer than its interval; slots up to {now} are skipped");
                continue;
            }
            self.tick(slot);
        }
        false
    }

    fn tick(&mut self, slot: TimestampMs) {
        let begun = Stopwatch::start();
        let view = self.parts.store.view();
        let deadlines = &self.parts.deadlines;
        let laps = RefCell::new(Laps::default());
        let control = |Evaluating { rule, every }: Evaluating<'_>| {
            let limit =
                Duration::from_millis(every.0.clamp(1, limits::RULES_EVAL_TIMEOUT.millis()) as u64);
            let control = Control::new();
            laps.borrow_mut().begin(rule);
            deadlines.set(&control, limit);
            control
        };
        self.engine
            .tick_with(slot, &ViewSource(&view), &control, &mut self.pending);
        self.parts.deadlines.clear();
        self.last = slot;
        self.parts.published.evaluated(laps.into_inner().finish());
        self.parts.published.ticked(slot, begun.elapsed());
    }

    /// Makes the pending effects durable: samples first, then the ledger. False when the ledger did not take them;
    /// they stay pending and the next call tries again.
    fn commit(&mut self) -> bool {
        let ticked = self.committed != Some(self.last) && self.last <= self.parts.clock.now();
        let now = self.parts.clock.now();
        if !self.pending.samples.is_empty() || !self.recorder.is_idle() {
            // Alert state goes on without its series: neither a busy store nor a full disk may silence alerts.
            self.recorder.record(&mut self.pending.samples, now);
        }
        if self.pending.is_empty() && !ticked && !self.sources_changed {
            return true;
        }
        let sources = self.sources.as_ref().filter(|_| self.sources_changed);
        let commit = outbox::tick_commit(&self.pending, self.last, now, sources.cloned());
        if let Err(e) = self.parts.ledger.commit(&commit) {
            error!("alert state could not be committed, trying again: {e}");
            self.parts.published.commit_failed();
            return false;
        }
        self.committed = Some(self.last);
        self.sources_changed = false;
        let notices = !self.pending.notices.is_empty();
        self.pending.clear();
        self.publish();
        if notices {
            (self.parts.wake_senders)();
        }
        true
    }

    fn publish(&mut self) {
        let status = self.engine.status(self.parts.clock.now());
        self.parts.published.set_status(status);
    }
}

/// How long the evaluations of one tick take, each from its beginning to that of the next.
#[derive(Default)]
struct Laps {
    done: Vec<(String, Duration)>,
    running: Option<(String, Stopwatch)>,
}

impl Laps {
    fn begin(&mut self, rule: &str) {
        self.end();
        self.running = Some((rule.to_owned(), Stopwatch::start()));
    }

    fn end(&mut self) {
        let ended = self.running.take();
        self.done
            .extend(ended.map(|(rule, watch)| (rule, watch.elapsed())));
    }

    fn finish(mut self) -> Vec<(String, Duration)> {
        self.end();
        self.done
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

#[cfg(test)]
mod tests;
