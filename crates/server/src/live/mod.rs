//! What runs by itself: rules are evaluated, notices delivered, the machine watched.
//!
//! - [`rules`]: the thread that owns the engine. [`folder`] reads its rules, [`loading`] loads them, [`deadline`]
//!   stops an evaluation that takes too long, [`samples`] stores what it recorded, [`publish`] shows what it knows to
//!   everybody else.
//! - [`senders`]: delivery, from the outbox in the ledger. [`queue`] says what may be sent now.
//! - [`watch`]: the thread that writes [`host`]'s and [`own`]'s figures into the store.

pub(crate) mod host;
pub(crate) mod own;
pub(crate) mod publish;
pub(crate) mod rules;

mod deadline;
mod folder;
mod loading;
mod outbox;
mod queue;
mod samples;
mod senders;
mod watch;

use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::thread::JoinHandle;

use bellwether_ledger::{Ledger, Snapshot};
use bellwether_store::Store;
use crossbeam::channel::{Sender, unbounded};
use tokio::sync::Notify;
use tokio::task::JoinHandle as Task;

use crate::ServeError;
use crate::clock::Clock;
use crate::counters::Counters;
use deadline::Deadlines;
use folder::RuleFolder;
use own::OwnFigures;
use publish::Published;
use rules::{Order, Orders, RulesThread};
use senders::Senders;
use watch::WatchThread;

/// What [`Live::start`] needs.
pub(crate) struct Parts {
    pub(crate) store: Store,
    pub(crate) ledger: Ledger,
    /// What the ledger holds.
    pub(crate) snapshot: Snapshot,
    /// Why the ledger is a new one, when the old one was damaged.
    pub(crate) lost: Option<String>,
    pub(crate) clock: Clock,
    pub(crate) counters: Arc<Counters>,
    pub(crate) rules: PathBuf,
    pub(crate) data: PathBuf,
    pub(crate) host_metrics: bool,
    /// Scheme and host of links in notices, without a slash at the end.
    pub(crate) external_url: String,
    pub(crate) secrets: Vec<(String, String)>,
}

/// The running threads and tasks.
pub(crate) struct Live {
    /// What the rules' thread shows.
    pub(crate) published: Arc<Published>,
    /// What it can be asked.
    pub(crate) orders: Orders,
    /// The server's figures about itself.
    pub(crate) own: OwnFigures,
    rules: JoinHandle<()>,
    watch: JoinHandle<()>,
    stop_watch: Sender<()>,
    senders: Task<()>,
}

impl Live {
    /// Loads the rules, restores their alerts and starts everything. Called within the runtime.
    pub(crate) fn start(parts: Parts) -> Result<Live, ServeError> {
        let published = Arc::new(Published::default());
        let wake = Arc::new(Notify::new());
        let (orders, for_rules) = unbounded();
        let orders = Orders(orders);
        let own = OwnFigures {
            store: parts.store.clone(),
            ledger: parts.ledger.clone(),
            published: Arc::clone(&published),
            counters: parts.counters,
            data: parts.data,
        };
        let senders = Senders {
            ledger: parts.ledger.clone(),
            clock: parts.clock.clone(),
            published: Arc::clone(&published),
            orders: orders.clone(),
            client: senders::client()
                .map_err(|e| start_error("the client for webhooks", io::Error::other(e)))?,
            wake: Arc::clone(&wake),
            external_url: parts.external_url.into(),
            secrets: Arc::new(parts.secrets),
        };
        let run_rules = RulesThread {
            store: parts.store.clone(),
            ledger: parts.ledger,
            clock: parts.clock.clone(),
            folder: RuleFolder::new(&parts.rules),
            published: Arc::clone(&published),
            deadlines: Deadlines::start().map_err(|e| start_error("the rules' deadline", e))?,
            wake_senders: Box::new(move || wake.notify_one()),
        }
        .start(parts.snapshot, parts.lost.as_deref())?;
        let rules = spawn("rules", move || run_rules(for_rules))?;
        let watch = WatchThread {
            store: parts.store,
            clock: parts.clock,
            own: own.clone(),
            host: parts.host_metrics,
        };
        let (stop_watch, stopped) = unbounded();
        let watch = spawn("watch", move || watch.run(&stopped))?;
        let senders = tokio::spawn(senders.run());
        Ok(Live {
            published,
            orders,
            own,
            rules,
            watch,
            stop_watch,
            senders,
        })
    }

    /// Ends everything and waits for it: afterwards nothing uses the store or the ledger. Blocks.
    pub(crate) fn stop(self) {
        self.senders.abort();
        drop(self.stop_watch);
        self.orders.send(Order::Stop);
        for thread in [self.rules, self.watch] {
            if thread.join().is_err() {
                tracing::error!("a thread had panicked");
            }
        }
    }
}

fn start_error(what: &'static str, source: io::Error) -> ServeError {
    ServeError::Start { what, source }
}

fn spawn(
    name: &'static str,
    run: impl FnOnce() + Send + 'static,
) -> Result<JoinHandle<()>, ServeError> {
    std::thread::Builder::new()
        .name(name.into())
        .spawn(run)
        .map_err(|e| start_error(name, e))
}
