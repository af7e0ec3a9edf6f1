//! The command line: one clap tree, from which help is printed. What the commands do stands in the
//! files named after them.

use std::net::SocketAddr;
use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};

/// Where things are unless told otherwise.
pub(crate) const DATA_DIR: &str = "./bellwether-data";
const RULES_DIR: &str = "./rules";
const LISTEN: &str = "127.0.0.1:9090";
const SERVER_URL: &str = "http://127.0.0.1:9090";

/// Keeps a team's metrics, judges them by rules in text files, and tells people.
#[derive(Debug, Parser)]
#[command(
    name = "bellwether",
    version,
    propagate_version = true,
    disable_help_subcommand = true,
    after_help = "Exit codes: 0 fine, 1 findings (mistakes in rules, a damaged store), 2 usage or environment.\n\
                  Start with `bellwether serve`."
)]
pub(crate) struct Cli {
    #[command(subcommand)]
    pub command: Command,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Store, query, evaluate rules and notify, all in one process.
    Serve(Serve),
    /// Check rule files: every mistake at once, each at its place.
    Check(Check),
    /// Ask a running server, or a data folder, a PromQL expression.
    Query(Query),
    /// Load a file of samples straight into a data folder.
    #[command(subcommand)]
    Import(Import),
    /// Generate a long history, then measure ingest, bytes per sample and queries.
    Bench(Bench),
    /// Check every checksum of a data folder.
    Verify(Verify),
}

#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  bellwether serve\n  bellwether serve --data /var/lib/bellwether --rules /etc/bellwether/rules\n  \
                        curl -d 'job,name=etl duration=12.5' http://127.0.0.1:9090/write"
)]
pub(crate) struct Serve {
    /// Folder for samples and engine state; made if it is missing.
    #[arg(long, value_name = "DIR", default_value = DATA_DIR, env = "BELLWETHER__SERVER__DATA")]
    pub data: PathBuf,
    /// Folder with *.rules files; may be missing.
    #[arg(long, value_name = "DIR", default_value = RULES_DIR, env = "BELLWETHER__SERVER__RULES")]
    pub rules: PathBuf,
    /// Address of the HTTP listener.
    #[arg(long, value_name = "ADDR", default_value = LISTEN, env = "BELLWETHER__SERVER__LISTEN")]
    pub listen: SocketAddr,
    /// Allow an address other than loopback, although nothing asks for a password yet.
    #[arg(long)]
    pub insecure_no_auth: bool,
    /// How long raw samples are kept, such as 90d.
    #[arg(long, value_name = "DURATION", env = "BELLWETHER__RETENTION__RAW")]
    pub retention: Option<String>,
    /// What a 2xx promises: `sync` survives power loss, `write` survives the end of the process.
    #[arg(
        long,
        value_enum,
        default_value = "sync",
        env = "BELLWETHER__STORE__DURABILITY"
    )]
    pub durability: DurabilityArg,
    /// Do not watch this machine's cpu, memory, disks and network.
    #[arg(long)]
    pub no_host_metrics: bool,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
pub(crate) enum DurabilityArg {
    /// Answered after the log is synced.
    Sync,
    /// Answered after the log is written; synced once a second.
    Write,
}

#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  bellwether check\n  bellwether check rules/disk.rules --format github"
)]
pub(crate) struct Check {
    /// Rule files, or folders of *.rules files.
    #[arg(value_name = "PATHS", default_value = RULES_DIR)]
    pub paths: Vec<PathBuf>,
    /// How findings are printed.
    #[arg(long, value_enum, default_value = "human")]
    pub format: CheckFormat,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum CheckFormat {
    /// With the line and a caret.
    Human,
    /// One JSON array.
    Json,
    /// Annotations for GitHub's checks.
    Github,
}

#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  bellwether query 'host_load1'\n  bellwether query 'rate(http_requests_total[5m])' --start -1h --step 1m -o csv\n  \
                        bellwether query 'count(up)' --data ./bellwether-data\n\n\
                        Times: RFC 3339, Unix seconds, `now`, or before now as in -1h."
)]
pub(crate) struct Query {
    /// The expression.
    #[arg(value_name = "EXPR", allow_hyphen_values = true)]
    pub expr: String,
    /// The server to ask.
    #[arg(long, value_name = "URL", default_value = SERVER_URL, conflicts_with = "data", env = "BELLWETHER__QUERY__URL")]
    pub url: String,
    /// Read this data folder instead; no server may have it open.
    #[arg(long, value_name = "DIR")]
    pub data: Option<PathBuf>,
    /// The moment to evaluate at.
    #[arg(long, value_name = "TIME", default_value = "now", allow_hyphen_values = true, conflicts_with_all = ["start", "end", "step"])]
    pub time: String,
    /// First step of a range query.
    #[arg(long, value_name = "TIME", allow_hyphen_values = true)]
    pub start: Option<String>,
    /// Last step of a range query.
    #[arg(
        long,
        value_name = "TIME",
        allow_hyphen_values = true,
        requires = "start"
    )]
    pub end: Option<String>,
    /// Distance of two steps; by default a range is cut into 60.
    #[arg(long, value_name = "DURATION", requires = "start")]
    pub step: Option<String>,
    /// How the answer is printed.
    #[arg(short, long, value_enum, default_value = "table")]
    pub output: Output,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Output {
    /// Aligned columns.
    Table,
    /// Comma-separated values, one sample a line.
    Csv,
    /// As the API answers.
    Json,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Import {
    /// InfluxDB line protocol, plain or gzip.
    Lp(ImportLp),
}

#[derive(Debug, Args)]
#[command(
    after_help = "Example:\n  bellwether import lp history.lp.gz --precision s --data ./bellwether-data\n\n\
                        The server must not be running on the folder. Bad lines are listed and skipped."
)]
pub(crate) struct ImportLp {
    /// The file; `-` reads standard input.
    #[arg(value_name = "FILE")]
    pub file: PathBuf,
    /// The data folder; made if it is missing.
    #[arg(long, value_name = "DIR", default_value = DATA_DIR)]
    pub data: PathBuf,
    /// Unit of the timestamps: ns, us, ms, s, m or h.
    #[arg(long, value_name = "UNIT", default_value = "ns")]
    pub precision: String,
    /// Becomes the label `db` of every series.
    #[arg(long, value_name = "NAME")]
    pub db: Option<String>,
    /// How long raw samples are kept; samples older than that are refused.
    #[arg(long, value_name = "DURATION")]
    pub retention: Option<String>,
}

#[derive(Debug, Args)]
pub(crate) struct Bench {
    /// Hosts to pretend; each has 10 gauges every 10 s.
    #[arg(long, default_value_t = 1000, value_parser = clap::value_parser!(u32).range(1..))]
    pub hosts: u32,
    /// Length of the history.
    #[arg(long, default_value_t = 24, value_parser = clap::value_parser!(u32).range(1..))]
    pub hours: u32,
    /// Where to build the store; a folder under the system's temporary one unless named, removed afterwards.
    #[arg(long, value_name = "DIR")]
    pub data: Option<PathBuf>,
    /// Keep the store afterwards.
    #[arg(long)]
    pub keep: bool,
    /// Runs of each query class.
    #[arg(long, default_value_t = 30, value_parser = clap::value_parser!(u32).range(1..))]
    pub runs: u32,
    /// How the figures are printed.
    #[arg(short, long, value_enum, default_value = "table")]
    pub output: BenchOutput,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum BenchOutput {
    /// Aligned columns.
    Table,
    /// One JSON object.
    Json,
}

#[derive(Debug, Args)]
pub(crate) struct Verify {
    /// The data folder; no server may have it open.
    #[arg(long, value_name = "DIR", default_value = DATA_DIR)]
    pub data: PathBuf,
}
