//! The command line: one clap tree, from which help is printed. What the commands do stands in the
//! files named after them.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;

use bellwether_lang::rules::Level;
use bellwether_model::{DurationMs, limits};
use bellwether_server::address::{Address, AddressError};
use bellwether_server::remote::ReadAddress;
use clap::{Args, Parser, Subcommand, ValueEnum};

/// Where things are unless told otherwise.
pub(crate) const DATA_DIR: &str = "./bellwether-data";
const RULES_DIR: &str = "./rules";
const LISTEN: &str = "127.0.0.1:9090";
pub(crate) const SERVER_URL: &str = "http://127.0.0.1:9090";

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
    /// Bring rule files into their canonical form; turn them into JSON and back.
    Fmt(Fmt),
    /// Evaluate a PromQL expression, on a running server or on a data folder.
    Query(Query),
    /// Run the tests in rule files.
    Test(Test),
    /// Objectives: what was promised, what happened, what is left of the budget.
    #[command(subcommand)]
    Sla(Sla),
    /// What rules would have done over stored samples, and how two rule sets differ.
    Backtest(Backtest),
    /// When windows are open and mutes hold, next.
    Windows(Windows),
    /// What is pending or firing, and what has happened to alerts.
    Alerts(Alerts),
    /// Bring in what other systems have: samples into a data folder, rules into a rule folder.
    #[command(subcommand)]
    Import(Import),
    /// Generate a long history, and measure what it costs to store and to query.
    Bench(Bench),
    /// Check a data folder: every checksum of the samples, every row of the ledger.
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
    /// Address and port of the HTTP listener.
    #[arg(long, value_name = "ADDR", default_value = LISTEN, value_parser = listen, env = "BELLWETHER__SERVER__LISTEN")]
    pub listen: SocketAddr,
    /// Allow an address other than loopback, although nothing asks for a password yet.
    #[arg(long)]
    pub insecure_no_auth: bool,
    /// How long raw samples are kept.
    #[arg(long, value_name = "DURATION", value_parser = retention, default_value_t = RETENTION, env = "BELLWETHER__RETENTION__RAW")]
    pub retention: DurationMs,
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

/// Raw samples are kept for this long unless told otherwise.
const RETENTION: DurationMs = DurationMs(limits::RETENTION_RAW.millis());

fn retention(text: &str) -> Result<DurationMs, &'static str> {
    DurationMs::parse(text)
        .filter(|d| d.0 > 0)
        .ok_or("not a duration such as 90d")
}

/// A query may take so long unless told otherwise.
const TIMEOUT: DurationMs = DurationMs(limits::QUERY_TIMEOUT.millis());

fn positive(text: &str) -> Result<DurationMs, &'static str> {
    DurationMs::parse_or_seconds(text)
        .filter(|d| d.0 > 0)
        .ok_or("not a duration such as 1m")
}

/// Checks the address of a server, and leaves it a text without a slash at its end.
fn server_url(text: &str) -> Result<String, AddressError> {
    let checked: Address = text.parse()?;
    Ok(checked.with_secrets())
}

/// Reads `IP:PORT`; `localhost` is 127.0.0.1, so that what is listened on depends on no name service.
fn listen(text: &str) -> Result<SocketAddr, String> {
    let port = |host: &str| text.strip_prefix(host)?.strip_prefix(':')?.parse().ok();
    if let Some(port) = port("localhost") {
        return Ok(SocketAddr::from((Ipv4Addr::LOCALHOST, port)));
    }
    text.parse()
        .map_err(|_| match text.parse().ok().or_else(|| port("")) {
            Some::<u16>(port) => {
                format!("an address and a port are needed, such as 127.0.0.1:{port}")
            }
            None => format!("not an IP address and a port, such as {LISTEN}"),
        })
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
    after_help = "Examples:\n  bellwether check\n  bellwether check rules/disk.rules --format github\n  bellwether check --data http://127.0.0.1:9090\n\n\
                  Exit codes: 0 no errors (there may be warnings), 1 errors, 2 a path cannot be read."
)]
pub(crate) struct Check {
    /// Rule files, or folders of *.rules files.
    #[arg(value_name = "PATHS", default_value = RULES_DIR)]
    pub paths: Vec<PathBuf>,
    /// Hold the rules against what a data folder, or the server at an address, knows about its metrics.
    #[arg(long, value_name = "DIR|URL")]
    pub data: Option<String>,
    /// How findings are printed.
    #[arg(long, value_enum, default_value = "human")]
    pub format: CheckFormat,
}

#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  bellwether fmt\n  bellwether fmt --check rules\n  bellwether fmt --json rules/disk.rules | generator | bellwether fmt --from-json -\n\n\
                  Only the look of a file changes: comments stay, and so does what it says. A file that cannot be read is left alone.\n\
                  Exit codes: 0 done, 1 --check found files to format, or a file cannot be read as rules, 2 a path cannot be read or written."
)]
pub(crate) struct Fmt {
    /// Rule files, or folders of *.rules files.
    #[arg(value_name = "PATHS", default_value = RULES_DIR)]
    pub paths: Vec<PathBuf>,
    /// Write nothing; name the files that are not in the canonical form.
    #[arg(long, conflicts_with_all = ["json", "from_json"])]
    pub check: bool,
    /// Print one file as JSON, nothing lost.
    #[arg(long, conflicts_with = "from_json")]
    pub json: bool,
    /// Print the rule file of such JSON; `-` reads standard input.
    #[arg(long, value_name = "FILE", conflicts_with = "paths")]
    pub from_json: Option<PathBuf>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum CheckFormat {
    /// Each with its line and a caret.
    Human,
    /// One JSON array of objects.
    Json,
    /// Annotations beside the lines of a pull request on GitHub.
    Github,
}

#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  bellwether query 'host_load1'\n  bellwether query 'rate(http_requests_total[5m])' --start -1h --step 1m -o csv\n  \
                        bellwether query 'host_load1' --start -6h -o plot\n  bellwether query 'count(up)' --data ./bellwether-data --explain\n  \
                        bellwether query 'rate(http_requests_total[5m])' --remote-read http://prometheus:9090\n\n\
                        Times: RFC 3339, Unix seconds, `now`, or before now as in -1h."
)]
pub(crate) struct Query {
    /// The expression, in PromQL.
    #[arg(value_name = "EXPR", allow_hyphen_values = true)]
    pub expr: String,
    /// The server to ask.
    #[arg(long, value_name = "URL", default_value = SERVER_URL, value_parser = server_url, conflicts_with = "data", env = "BELLWETHER__QUERY__URL")]
    pub url: String,
    /// Read this data folder instead; no server may have it open.
    #[arg(long, value_name = "DIR")]
    pub data: Option<PathBuf>,
    /// Evaluate here, over the samples of a Prometheus, or of any server that answers its remote read.
    #[arg(long, value_name = "URL", conflicts_with_all = ["data", "url"])]
    pub remote_read: Option<ReadAddress>,
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
    /// Time between two steps; by default the range is cut into 60 of them, for a plot into one a column.
    #[arg(long, value_name = "DURATION", requires = "start")]
    pub step: Option<String>,
    /// How old the newest sample of a series may be [default: 5m].
    #[arg(long, value_name = "DURATION", value_parser = positive)]
    pub lookback: Option<DurationMs>,
    /// The most series to print; a warning says when there are more.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    pub limit: Option<u32>,
    /// How long the query may take; a server allows 30s at most.
    #[arg(long, value_name = "DURATION", value_parser = positive, default_value_t = TIMEOUT)]
    pub timeout: DurationMs,
    /// How the answer is printed.
    #[arg(short, long, value_enum, default_value = "table")]
    pub output: Output,
    /// Print how it is evaluated and what that takes, instead of the answer.
    #[arg(long)]
    pub explain: bool,
    /// Characters a line of a plot; by default those of the terminal.
    #[arg(long, value_name = "COLUMNS", value_parser = clap::value_parser!(u16).range(40..=1000))]
    pub width: Option<u16>,
    /// Times of a plot in this machine's zone instead of UTC.
    #[arg(long)]
    pub local: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Output {
    /// Aligned columns.
    Table,
    /// Comma-separated values, one sample a line.
    Csv,
    /// The API's answer as it is.
    Json,
    /// Lines in the terminal, for a range of times.
    Plot,
}

#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  bellwether alerts\n  bellwether alerts --history --since -7d --rule DiskFilling\n  \
                        bellwether alerts --history --match '{instance=\"db3\"}' --data ./bellwether-data -o json\n\n\
                        The history ends with a line for each rule: how often it fired and ended, how long an alert took from firing to its \
                        end (median, longest), and the alerts that flap: that began to fire at least 3 times within an hour.\n\
                        Times: RFC 3339, Unix seconds, `now`, or before now as in -1h."
)]
pub(crate) struct Alerts {
    /// Show what has happened instead of what is.
    #[arg(long)]
    pub history: bool,
    /// Only alerts of this rule; may be given several times.
    #[arg(long, value_name = "NAME")]
    pub rule: Vec<String>,
    /// Only alerts with such labels, as in '{instance="db3"}'; may be given several times.
    #[arg(long = "match", value_name = "SELECTOR", requires = "history")]
    pub matching: Vec<String>,
    /// Begin of the history.
    #[arg(
        long,
        value_name = "TIME",
        default_value = "-24h",
        allow_hyphen_values = true
    )]
    pub since: String,
    /// End of the history.
    #[arg(
        long,
        value_name = "TIME",
        default_value = "now",
        allow_hyphen_values = true
    )]
    pub until: String,
    /// The most changes to show, the latest ones.
    #[arg(long, value_name = "N", default_value_t = 100)]
    pub limit: usize,
    /// The server to ask.
    #[arg(long, value_name = "URL", default_value = SERVER_URL, value_parser = server_url, conflicts_with = "data", env = "BELLWETHER__QUERY__URL")]
    pub url: String,
    /// Read this data folder instead; no server may have it open.
    #[arg(long, value_name = "DIR")]
    pub data: Option<PathBuf>,
    /// How the answer is printed.
    #[arg(short, long, value_enum, default_value = "table")]
    pub output: ListOutput,
}

#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  bellwether test\n  bellwether test rules --junit results.xml\n  bellwether test rules/disk.rules --filter hysteresis -v\n\n\
                        The samples of a test go through the rules of all the files named, on a virtual clock. `at` names every alert that is pending or \
                        firing: one that is not named fails the test. A failure shows how the alerts came to be where they are, and the values \
                        around that time. Mutes, grouping, escalation and acknowledgement are not run yet: steps that depend on them are \
                        listed as not run.\n\
                        Exit codes: 0 all passed, 1 some failed, 2 mistakes in the rules, or a path cannot be read."
)]
pub(crate) struct Test {
    /// Rule files, or folders of *.rules files: together one folder of rules.
    #[arg(value_name = "PATHS", default_value = RULES_DIR)]
    pub paths: Vec<PathBuf>,
    /// Only tests with this in their name.
    #[arg(long, value_name = "TEXT")]
    pub filter: Option<String>,
    /// Also list the tests that passed, and what no test covers.
    #[arg(short, long)]
    pub verbose: bool,
    /// Also write the results to this file, as JUnit's XML.
    #[arg(long, value_name = "FILE")]
    pub junit: Option<PathBuf>,
    /// How the results are printed.
    #[arg(short, long, value_enum, default_value = "table")]
    pub output: ListOutput,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Sla {
    /// Every objective over a period: compliance, budget, breaches, evidence.
    Report(SlaReport),
}

#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  bellwether sla report\n  bellwether sla report --period 2026-10 -o html > october.html\n  \
                        bellwether sla report --data ./bellwether-data --rules ./rules -o csv\n\n\
                        Without --period each objective is reported over its own: a rolling one up to --time, one of the calendar from its begin. \
                        Everything is computed from stored samples.\n\
                        Times: RFC 3339, Unix seconds, `now`, or before now as in -1h.\n\
                        Exit codes: 0 all met, 1 some not met, 2 no server, or the folder or the rules cannot be read."
)]
pub(crate) struct SlaReport {
    /// A period of the calendar: 2026-10, 2026-Q4, 2026-W43 or 2026.
    #[arg(long, value_name = "PERIOD")]
    pub period: Option<String>,
    /// The moment of the report; nothing later counts.
    #[arg(
        long,
        value_name = "TIME",
        default_value = "now",
        allow_hyphen_values = true
    )]
    pub time: String,
    /// The server to ask.
    #[arg(long, value_name = "URL", default_value = SERVER_URL, value_parser = server_url, conflicts_with = "data", env = "BELLWETHER__QUERY__URL")]
    pub url: String,
    /// Read this data folder instead; no server may have it open.
    #[arg(long, value_name = "DIR")]
    pub data: Option<PathBuf>,
    /// With --data: the rule file or folder with the objectives.
    #[arg(long, value_name = "PATH", default_value = RULES_DIR, requires = "data")]
    pub rules: PathBuf,
    /// How the report is printed.
    #[arg(short, long, value_enum, default_value = "table")]
    pub output: SlaOutput,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum SlaOutput {
    /// Aligned columns.
    Table,
    /// The API's answer as it is, with every bad slice.
    Json,
    /// Comma-separated values, one objective a line.
    Csv,
    /// A page to print or to mail, with every bad slice.
    Html,
}

#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  bellwether backtest --since 30d\n  bellwether backtest rules/disk.rules --data ./copy --since 2026-10-01T00:00:00Z\n  \
                        bellwether backtest new-rules --against rules -o json\n  bellwether backtest --remote-read http://prometheus:9090 --since 7d\n\n\
                        The rules go through the live engine, tick by tick, from a state in which nothing fires. What rules recorded in that time is \
                        computed anew. Near misses are levels that were never reached, with the value that came nearest, and conditions that \
                        ended before their `for`.\n\
                        Times: RFC 3339, Unix seconds, `now`, or a duration before --until as in 30d.\n\
                        Exit codes: 0 done, 1 with --against: some alert differs, 2 mistakes in the rules, or the folder cannot be opened."
)]
pub(crate) struct Backtest {
    /// Rule files, or folders of *.rules files.
    #[arg(value_name = "PATHS", default_value = RULES_DIR)]
    pub paths: Vec<PathBuf>,
    /// The data folder; a server that has it open is asked with --url.
    #[arg(long, value_name = "DIR", default_value = DATA_DIR)]
    pub data: PathBuf,
    /// The server to ask, instead of a folder; it takes as long as a query may (30s).
    #[arg(long, value_name = "URL", value_parser = server_url, conflicts_with = "data")]
    pub url: Option<String>,
    /// Replay here, over the samples of a Prometheus, or of any server that answers its remote read.
    #[arg(long, value_name = "URL", conflicts_with_all = ["data", "url"])]
    pub remote_read: Option<ReadAddress>,
    /// Where to begin.
    #[arg(
        long,
        value_name = "TIME",
        default_value = "1d",
        allow_hyphen_values = true
    )]
    pub since: String,
    /// Where to end.
    #[arg(
        long,
        value_name = "TIME",
        default_value = "now",
        allow_hyphen_values = true
    )]
    pub until: String,
    /// Rules to compare with: a file or a folder.
    #[arg(long, value_name = "PATH")]
    pub against: Option<PathBuf>,
    /// How the report is printed.
    #[arg(short, long, value_enum, default_value = "table")]
    pub output: ListOutput,
}

#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  bellwether windows\n  bellwether windows rules --name office-hours --at 2027-03-25T00:00:00Z -n 5\n\n\
                        Times are those of the clocks in the window's zone, with their offset; of a window with lines in several zones, UTC. An opening \
                        that a change of the clocks makes longer or shorter says so, and days of which the clocks skip all are listed. Mutes are shown as far as the \
                        clock decides (`during`, `outside`, `until`).\n\
                        Times: RFC 3339, Unix seconds, `now`, or before now as in -1h.\n\
                        Exit codes: 0 shown, 2 mistakes in the rules, or a path cannot be read."
)]
pub(crate) struct Windows {
    /// Rule files, or folders of *.rules files.
    #[arg(value_name = "PATHS", default_value = RULES_DIR)]
    pub paths: Vec<PathBuf>,
    /// Only the window or mute of this name; may be given several times.
    #[arg(long, value_name = "NAME")]
    pub name: Vec<String>,
    /// The moment to begin with.
    #[arg(
        long,
        value_name = "TIME",
        default_value = "now",
        allow_hyphen_values = true
    )]
    pub at: String,
    /// How many openings of each.
    #[arg(short = 'n', long = "count", value_name = "N", default_value_t = 10, value_parser = clap::value_parser!(u16).range(1..=1000))]
    pub count: u16,
    /// How they are printed.
    #[arg(short, long, value_enum, default_value = "table")]
    pub output: ListOutput,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum ListOutput {
    /// Aligned columns.
    Table,
    /// One JSON object.
    Json,
}

#[derive(Debug, Subcommand)]
#[command(
    after_help = "Samples: `lp` loads a file straight into a data folder, without a server.\n\
                  Rules: the others make *.rules files of another system's, and report what could not be carried over."
)]
pub(crate) enum Import {
    /// Samples: InfluxDB line protocol, plain or gzip.
    Lp(ImportLp),
    /// Rules: rule files of Prometheus, its operator, Thanos and vmalert, unit tests of promtool.
    Prometheus(ImportRules),
    /// Rules: routes, receivers, inhibitions and time intervals of Alertmanager.
    Alertmanager(ImportFiles),
    /// Rules: objectives of Sloth, and its alert windows.
    Sloth(ImportFiles),
    /// Rules: objectives of Pyrra.
    Pyrra(ImportFiles),
    /// Rules: objectives in OpenSLO, and those of slo-generator.
    Openslo(ImportFiles),
}

#[derive(Debug, Args)]
#[command(
    after_help = "Without --out only the report is printed. Each finding has its place: `refused` (not what its own system would take:\n\
                  nothing is written), `lost` (left out), `changed` (there in another form).\n\
                  Exit codes: 0 imported, 1 refused, 2 a file cannot be read or written."
)]
pub(crate) struct ImportFiles {
    /// The files to import; those that belong together at once.
    #[arg(value_name = "FILES", required = true)]
    pub files: Vec<PathBuf>,
    /// The rule folder to write to; made if it is missing.
    #[arg(long, value_name = "DIR")]
    pub out: Option<PathBuf>,
    /// Replace files of the folder that have the same names.
    #[arg(long, requires = "out")]
    pub force: bool,
}

#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  bellwether import prometheus alerts.yml recording.yml --out rules\n  \
                        bellwether import prometheus *.yml                 # only the report, nothing is written\n\n\
                  Files that belong together are imported together: names are unique in a rule folder.\n\
                  Each finding has its place: `refused` (not what its own system would take: nothing is written), `lost` (left out),\n\
                  `changed` (there in another form). Exit codes: 0 imported, 1 refused, 2 a file cannot be read or written."
)]
pub(crate) struct ImportRules {
    #[command(flatten)]
    pub files: ImportFiles,
    /// The level that a word of the label `severity` becomes, such as sev2=error; may be given several times.
    #[arg(long = "level", value_name = "WORD=LEVEL", value_parser = level)]
    pub levels: Vec<(String, Level)>,
    /// How often rules are evaluated whose group does not say so: Prometheus' global.evaluation_interval.
    #[arg(long, value_name = "DURATION", value_parser = every, default_value = "1m")]
    pub every: DurationMs,
}

/// Reads `WORD=LEVEL`.
fn level(text: &str) -> Result<(String, Level), &'static str> {
    let parts = text.rsplit_once('=');
    parts
        .and_then(|(word, level)| Some((word.to_owned(), Level::from_word(level)?)))
        .ok_or("not WORD=LEVEL with one of info, warning, error, critical, emergency")
}

fn every(text: &str) -> Result<DurationMs, &'static str> {
    DurationMs::parse(text)
        .filter(|d| d.0 >= 1000)
        .ok_or("not a duration of a second or more, such as 30s")
}

#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  bellwether import lp history.lp.gz --precision s\n  \
                  influx_inspect export ... | bellwether import lp - --data ./bellwether-data\n\n\
                  No server may have the folder open; to one that runs, send the file with curl (POST /write).\n\
                  Bad lines are listed and skipped. Exit codes: 0 all lines stored, 1 some refused, or the file is damaged, 2 the folder or the disk failed."
)]
pub(crate) struct ImportLp {
    /// The file; `-` reads standard input.
    #[arg(value_name = "FILE")]
    pub file: PathBuf,
    /// The data folder; made if it is missing.
    #[arg(long, value_name = "DIR", default_value = DATA_DIR)]
    pub data: PathBuf,
    /// Unit of the timestamps in the file: ns, us, ms, s, m or h.
    #[arg(long, value_name = "UNIT", default_value = "ns")]
    pub precision: String,
    /// Becomes the label `db` of every series.
    #[arg(long, value_name = "NAME")]
    pub db: Option<String>,
    /// How long the server keeps raw samples; what is older than that is refused.
    #[arg(long, value_name = "DURATION", value_parser = retention, default_value_t = RETENTION, env = "BELLWETHER__RETENTION__RAW")]
    pub retention: DurationMs,
}

#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  bellwether bench --hosts 100 --hours 2\n  bellwether bench -o json > today.json\n\n\
                  The default history has 86 million samples. Use a release build, and a machine with nothing else to do."
)]
pub(crate) struct Bench {
    /// Hosts in the history; each has 10 gauges, with a sample every 10 s.
    #[arg(long, default_value_t = 1000, value_parser = clap::value_parser!(u32).range(1..))]
    pub hosts: u32,
    /// Length of the history, in hours.
    #[arg(long, default_value_t = 24, value_parser = clap::value_parser!(u32).range(1..))]
    pub hours: u32,
    /// Where to build the store: a folder that does not exist yet, by default one for temporary files. Removed afterwards.
    #[arg(long, value_name = "DIR")]
    pub data: Option<PathBuf>,
    /// Keep the store afterwards.
    #[arg(long)]
    pub keep: bool,
    /// Runs of each class of queries.
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
#[command(
    after_help = "Exit codes: 0 sound, 1 damage was found (each with its file), 2 the folder cannot be opened."
)]
pub(crate) struct Verify {
    /// The data folder; no server may have it open.
    #[arg(long, value_name = "DIR", default_value = DATA_DIR)]
    pub data: PathBuf,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_read_or_proposed() {
        let read = |text| listen(text).map(|address| address.to_string());
        for text in ["127.0.0.1:9090", "localhost:9090"] {
            assert_eq!(read(text).as_deref(), Ok("127.0.0.1:9090"));
        }
        assert_eq!(read("[::1]:80").as_deref(), Ok("[::1]:80"));
        let propose = "an address and a port are needed, such as 127.0.0.1:9091";
        for text in ["9091", ":9091"] {
            assert_eq!(read(text).unwrap_err(), propose);
        }
        for text in ["", "localhost", "example.com:80", "localhost:66000"] {
            let said = read(text).unwrap_err();
            assert_eq!(said, "not an IP address and a port, such as 127.0.0.1:9090");
        }
    }

    #[test]
    fn the_tree_of_arguments_is_sound() {
        use clap::CommandFactory as _;
        Cli::command().debug_assert();
    }
}
