//! `bellwether serve`: everything in one process, until Ctrl-C or SIGTERM. SIGHUP has the rules read again.

use std::io::IsTerminal;
use std::process::ExitCode;

use anyhow::{Context, Result};
use bellwether_model::text::counted;
use bellwether_model::{DurationMs, limits};
use bellwether_server::{Durability, Ready, Reload, ServeConfig, serve};
use tokio::signal::unix::{Signal, SignalKind, signal};
use tracing_subscriber::EnvFilter;

use super::args::{self, DurabilityArg};
use super::secrets;

/// What is logged unless `RUST_LOG` says otherwise.
const LOG_DEFAULT: &str = "info";

pub(crate) fn run(args: &args::Serve) -> Result<ExitCode> {
    start_log();
    let config = config(args)?;
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .context("starting the runtime")?;
    let announce = config.clone();
    runtime.block_on(async {
        // Before anything takes time: unhandled, the signal ends the process.
        let hangups = signal(SignalKind::hangup()).context("handling SIGHUP")?;
        let on_ready = move |ready: Ready| {
            print_start(&announce, &ready);
            tokio::spawn(reload_on(hangups, ready.reload));
        };
        serve(config, on_ready, shutdown())
            .await
            .map_err(anyhow::Error::from)
    })?;
    println!("stopped; everything acknowledged is on disk");
    Ok(ExitCode::SUCCESS)
}

fn config(args: &args::Serve) -> Result<ServeConfig> {
    let retention = match &args.retention {
        Some(text) => DurationMs::parse(text)
            .filter(|d| d.0 > 0)
            .with_context(|| format!("--retention {text}: not a duration such as 90d"))?,
        None => DurationMs(limits::RETENTION_RAW.millis()),
    };
    Ok(ServeConfig {
        data: args.data.clone(),
        rules: args.rules.clone(),
        listen: args.listen,
        insecure_no_auth: args.insecure_no_auth,
        durability: match args.durability {
            DurabilityArg::Sync => Durability::Sync,
            DurabilityArg::Write => Durability::Write,
        },
        retention,
        host_metrics: !args.no_host_metrics,
        secrets: secrets::from_environment()?,
        ..ServeConfig::default()
    })
}

/// The log goes to stderr: stdout says in a few lines what runs.
fn start_log() {
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new(LOG_DEFAULT));
    let builder = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr);
    builder
        .with_target(false)
        .with_ansi(std::io::stderr().is_terminal())
        .init();
}

fn print_start(config: &ServeConfig, ready: &Ready) {
    let url = format!("http://{}", ready.listen);
    println!("bellwether {} at {url}", env!("CARGO_PKG_VERSION"));
    println!("  samples  {} ({})", config.data.display(), ready.store);
    let rules = &ready.rules;
    println!(
        "  rules    {} ({}: {}, {})",
        config.rules.display(),
        counted(rules.files, "file"),
        counted(rules.alerts, "alert"),
        counted(rules.records, "recording rule")
    );
    if config.host_metrics {
        println!(
            "  watches  this machine, as host_* every {}",
            DurationMs(limits::HOST_METRICS_EVERY.millis())
        );
    }
    if !rules.diagnostics.is_empty() {
        println!("\n{}", rules.diagnostics.trim_end());
    }
    println!("\nTry next:");
    println!("  bellwether query 'host_load1' --url {url}");
    println!("  curl -d 'job,name=etl duration=12.5' {url}/write");
    println!("  bellwether check {}", config.rules.display());
    println!("\nCtrl-C stops it.");
}

/// Has the rules read again at each signal.
async fn reload_on(mut hangups: Signal, rules: Reload) {
    while hangups.recv().await.is_some() && rules.reload().await {}
}

/// Ends with the first Ctrl-C or SIGTERM.
async fn shutdown() {
    let terminate = async {
        match signal(SignalKind::terminate()) {
            Ok(mut signal) => signal.recv().await,
            Err(_) => std::future::pending().await,
        }
    };
    tokio::select! {
        _ = tokio::signal::ctrl_c() => {}
        _ = terminate => {}
    }
}
