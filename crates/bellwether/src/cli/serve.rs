//! `bellwether serve`: everything in one process, until Ctrl-C or SIGTERM. SIGHUP has the rules read again.

use std::process::ExitCode;

use anyhow::{Context, Result};
use bellwether_model::text::counted;
use bellwether_model::{DurationMs, limits};
use bellwether_server::{Durability, Ready, Reload, ServeConfig, serve};
use tokio::signal::unix::{Signal, SignalKind, signal};
use tracing_subscriber::EnvFilter;

use super::args::{self, DurabilityArg};
use super::{print, secrets};

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
            // A server whose output nobody takes goes on.
            let _ = print::out(&start_text(&announce, &ready));
            tokio::spawn(reload_on(hangups, ready.reload));
        };
        serve(config, on_ready, shutdown())
            .await
            .map_err(anyhow::Error::from)
    })?;
    print::out("stopped; everything acknowledged is on disk\n")?;
    Ok(ExitCode::SUCCESS)
}

fn config(args: &args::Serve) -> Result<ServeConfig> {
    Ok(ServeConfig {
        data: args.data.clone(),
        rules: args.rules.clone(),
        listen: args.listen,
        insecure_no_auth: args.insecure_no_auth,
        durability: match args.durability {
            DurabilityArg::Sync => Durability::Sync,
            DurabilityArg::Write => Durability::Write,
        },
        retention: args.retention,
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
        .log_internal_errors(false) // It would panic when nobody reads standard error any more.
        .with_ansi(print::color(&std::io::stderr()))
        .init();
}

/// What runs, where, and what to try.
fn start_text(config: &ServeConfig, ready: &Ready) -> String {
    let url = format!("http://{}", ready.listen);
    let rules = &ready.rules;
    let mut lines = vec![
        format!("bellwether {} at {url}", env!("CARGO_PKG_VERSION")),
        format!("  samples  {} ({})", config.data.display(), ready.store),
        format!(
            "  rules    {} ({}: {}, {})",
            config.rules.display(),
            counted(rules.files, "file"),
            counted(rules.alerts, "alert"),
            counted(rules.records, "recording rule")
        ),
    ];
    if config.host_metrics {
        let every = DurationMs(limits::HOST_METRICS_EVERY.millis());
        lines.push(format!("  watches  this machine, as host_* every {every}"));
    }
    if !rules.diagnostics.is_empty() {
        lines.push(format!("\n{}", rules.diagnostics.trim_end()));
    }
    lines.extend([
        "\nTry next:".to_owned(),
        format!("  bellwether query 'host_load1' --url {url}"),
        format!("  curl -d 'job,name=etl duration=12.5' {url}/write"),
        format!("  bellwether check {}", config.rules.display()),
        "\nCtrl-C stops it.\n".to_owned(),
    ]);
    lines.join("\n")
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
