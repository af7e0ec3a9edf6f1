//! From a configuration to a running server, and back to files at rest.
//!
//! The order matters at both ends. The socket is bound first, so that a second server on the same address
//! fails before it touches anything; requests are answered 503 until the log is replayed. At the end no request
//! is taken any more, then rules and delivery stop, then the store is flushed and closed: nothing writes to
//! what is being closed.

use std::future::Future;
use std::path::Path;
use std::sync::Arc;

use bellwether_disk::Disk;
use bellwether_ledger::{Ledger, LedgerError, Snapshot, set_aside};
use bellwether_model::text::counted;
use bellwether_store::{Config, RecoveryReport, Store};
use tokio::net::TcpListener;
use tokio::sync::watch;

use crate::api::{self, Api};
use crate::config::{Durability, Ready, Reload, RulesLoaded, ServeConfig};
use crate::counters::Counters;
use crate::edge::hosts::Hosts;
use crate::edge::listen::listen;
use crate::edge::route::Routes;
use crate::edge::service::Edge;
use crate::influx::{self, Influx};
use crate::live::{Live, Parts};
use crate::upkeep::Upkeep;
use crate::{ServeError, tls};

/// The ledger's file in the data folder.
pub const LEDGER_FILE: &str = "ledger.redb";

/// Runs a server until `shutdown` ends: opens the store and the ledger, loads the rules, listens.
///
/// `on_ready` is called once, when requests are answered. Returns after open requests have ended (or their
/// [grace](crate::HttpLimits::shutdown_grace) has), the store is flushed and everything acknowledged is on disk.
pub async fn serve(
    config: ServeConfig,
    on_ready: impl FnOnce(Ready) + Send,
    shutdown: impl Future<Output = ()> + Send,
) -> Result<(), ServeError> {
    config.check_listen()?;
    tls::install_provider();
    let bind = |source| ServeError::Bind {
        listen: config.listen,
        source,
    };
    let listener = TcpListener::bind(config.listen).await.map_err(bind)?;
    let mut config = config.clone();
    config.listen = listener.local_addr().map_err(bind)?;

    let counters = Arc::new(Counters::default());
    let edge = Arc::new(Edge::new(
        Hosts::new(config.listen, &config.allowed_hosts),
        config.http.clone(),
        config.clock.clone(),
        Arc::clone(&counters),
    ));
    let (stop, stopped) = watch::channel(false);
    let listening = tokio::spawn(listen(listener, Arc::clone(&edge), stopped));

    let (running, ready) = Running::start(&config, &edge, counters).await?;
    on_ready(ready);
    shutdown.await;

    // Nobody listening to this is as good as stopped.
    let _ = stop.send(true);
    if listening.await.is_err() {
        tracing::error!("accepting connections had panicked");
    }
    drop(edge);
    running.stop(&config).await
}

/// What works behind the edge.
struct Running {
    store: Store,
    live: Live,
    upkeep: Upkeep,
}

impl Running {
    async fn start(
        config: &ServeConfig,
        edge: &Edge,
        counters: Arc<Counters>,
    ) -> Result<(Running, Ready), ServeError> {
        let Opened {
            store,
            report,
            ledger: (ledger, snapshot),
            lost,
        } = open(config.clone()).await?;
        let started = config.clock.now();
        let live = Live::start(Parts {
            store: store.clone(),
            ledger: ledger.clone(),
            snapshot,
            lost,
            clock: config.clock.clone(),
            counters: Arc::clone(&counters),
            rules: config.rules.clone(),
            data: config.data.clone(),
            host_metrics: config.host_metrics,
            external_url: external_url(config),
            secrets: config.secrets.clone(),
        })?;
        let upkeep = Upkeep::start(store.clone(), ledger.clone(), config.clock.clone())?;
        let http = config.http.clone();
        let influx = Influx::new(store.clone(), counters, http.clone(), config.durability);
        let api = Api::new(
            live.own.clone(),
            live.orders.clone(),
            http,
            config.retention,
            started,
        );
        let mut routes = api::routes(&Arc::new(api));
        routes.extend(influx::routes(&Arc::new(influx)));
        edge.open(Routes::new(routes));
        let loaded = live.published.loaded();
        let ready = Ready {
            listen: config.listen,
            at: started,
            rules: RulesLoaded {
                files: loaded.files,
                alerts: loaded.rules.alerts.len(),
                records: loaded.rules.records.len(),
                diagnostics: if loaded.broken {
                    format!("{}\n{}", loaded.text.trim_end(), loaded.instead())
                } else {
                    loaded.text.clone()
                },
            },
            store: describe(&store, &report),
            reload: Reload(live.orders.clone()),
        };
        Ok((
            Running {
                store,
                live,
                upkeep,
            },
            ready,
        ))
    }

    async fn stop(self, config: &ServeConfig) -> Result<(), ServeError> {
        let (path, clock) = (config.data.clone(), config.clock.clone());
        let closed = tokio::task::spawn_blocking(move || {
            self.live.stop();
            self.upkeep.stop();
            self.store.close(clock.now())
        });
        match closed.await {
            Ok(Ok(())) => Ok(()),
            Ok(Err(error)) => Err(ServeError::Close {
                path,
                source: error.into(),
            }),
            Err(panic) => Err(ServeError::Close {
                path,
                source: panic.into(),
            }),
        }
    }
}

/// The data folder, open.
struct Opened {
    store: Store,
    report: RecoveryReport,
    ledger: (Ledger, Snapshot),
    /// Why the ledger is a new one, when the old one was damaged.
    lost: Option<String>,
}

/// Opens store and ledger, replaying the log; off the runtime's threads, because it may take seconds.
async fn open(config: ServeConfig) -> Result<Opened, ServeError> {
    let path = config.data.clone();
    let opened = tokio::task::spawn_blocking(move || {
        let (store, report) = Store::open(
            Arc::clone(&config.disk),
            &config.data,
            store_config(&config),
            config.clock.now(),
        )
        .map_err(|error| ServeError::Store {
            path: config.data.clone(),
            source: error.into(),
        })?;
        let path = config.data.join(LEDGER_FILE);
        let (ledger, lost) = open_ledger(&config.disk, &path)?;
        Ok(Opened {
            store,
            report,
            ledger,
            lost,
        })
    });
    opened.await.unwrap_or_else(|panic| {
        Err(ServeError::Store {
            path,
            source: panic.into(),
        })
    })
}

/// Opens the ledger and reads it. A damaged one is set aside, and a new one begun: samples and rules are worth more
/// than the state of alerts, which the rules find again. Any other error is for the user to mend.
fn open_ledger(
    disk: &Arc<dyn Disk>,
    path: &Path,
) -> Result<((Ledger, Snapshot), Option<String>), ServeError> {
    let open = || {
        let ledger = Ledger::open(Arc::clone(disk), path)?;
        let snapshot = ledger.load()?;
        Ok((ledger, snapshot))
    };
    let refused = |source: Box<dyn std::error::Error + Send + Sync>| ServeError::Ledger {
        path: path.to_owned(),
        source,
    };
    let damage = match open() {
        Ok(opened) => return Ok((opened, None)),
        Err(error @ LedgerError::Damaged { .. }) => error.to_string(),
        Err(error) => return Err(refused(error.into())),
    };
    let aside = set_aside(&**disk, path, &damage).map_err(|e| refused(e.into()))?;
    let lost = format!("{damage}; it was moved to {}", aside.display());
    tracing::error!("alerts begin anew, and what waited to be sent is lost: {lost}");
    let opened = open().map_err(|e: LedgerError| refused(e.into()))?;
    Ok((opened, Some(lost)))
}

fn store_config(config: &ServeConfig) -> Config {
    Config {
        retention: config.retention,
        series_max: config.series_max,
        durability: match config.durability {
            Durability::Sync => bellwether_store::Durability::Sync,
            Durability::Write => bellwether_store::Durability::Write,
        },
        ..Config::default()
    }
}

fn external_url(config: &ServeConfig) -> String {
    match &config.external_url {
        Some(url) => url.trim_end_matches('/').to_owned(),
        None => format!("http://{}", config.listen),
    }
}

/// What was found, in a line for a person; damage goes to the log, each piece of it.
fn describe(store: &Store, report: &RecoveryReport) -> String {
    for damaged in &report.damaged_logs {
        tracing::error!(
            file = %damaged.path.display(),
            frames = damaged.frames_lost,
            "a log file is damaged; what is readable of it was taken back"
        );
    }
    for segment in &report.quarantined_segments {
        tracing::error!(segment = ?segment, "a segment cannot be read and was set aside");
    }
    if let Some(why) = &report.catalog_rebuilt {
        tracing::warn!(%why, "the catalogue was rebuilt from segments and log");
    }
    if report.unnamed_series > 0 || report.undefined_samples > 0 {
        tracing::error!(
            series = report.unnamed_series,
            samples = report.undefined_samples,
            "the labels of some series are lost: their samples cannot be selected"
        );
    }
    for task in &report.put_off {
        tracing::warn!("put off until the next flush or start: {task}");
    }
    let stats = store.stats();
    let found = format!(
        "{} series, {}",
        stats.series,
        counted(stats.segments as usize, "segment")
    );
    if report.clean {
        return found;
    }
    format!(
        "{found}; {} taken back from the log",
        counted(report.samples as usize, "sample")
    )
}
