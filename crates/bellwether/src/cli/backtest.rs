//! `bellwether backtest`: what rules would have done over the samples of a data folder.

use std::fmt::Write as _;
use std::io::IsTerminal;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;

use anyhow::{Result, anyhow, bail};
use bellwether_disk::RealDisk;
use bellwether_engine::replay::{Backtest, Firing, ReplayOptions};
use bellwether_lang::rules::{self, Level, RuleSet};
use bellwether_model::text::counted;
use bellwether_model::value::format_value;
use bellwether_model::{DurationMs, Labels, TimestampMs};
use bellwether_query::source::store::ViewSource;
use bellwether_query::{Control, Options};
use bellwether_server::{folder, rule_files};
use bellwether_store::{Store, StoreError};
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use super::args::{self, ListOutput};
use super::query::time;
use super::{FINDINGS, TROUBLE, data, output, print};

/// Cells of the strip chart.
const STRIP_CELLS: usize = 60;

/// Alerts, misses and differences that are printed; the JSON has all.
const LINES_SHOWN: usize = 50;

pub(crate) fn run(args: &args::Backtest) -> Result<ExitCode> {
    let Some(rules) = load(&args.paths)? else {
        return Ok(ExitCode::from(TROUBLE));
    };
    let against = match &args.against {
        None => None,
        Some(path) => match load(std::slice::from_ref(path))? {
            None => return Ok(ExitCode::from(TROUBLE)),
            rules => rules,
        },
    };
    let until = time(&args.until)?;
    let from = match DurationMs::parse(&args.since) {
        Some(back) => until.minus(back),
        None => time(&args.since)?,
    };
    if until < from {
        bail!("--until lies before --since");
    }
    let store = data::open_existing(&args.data).map_err(|error| match error {
        StoreError::Locked { .. } => anyhow!(
            "{error}; a server that runs takes a short one at /api/bw/v1/backtest, a long one needs a copy of the folder"
        ),
        other => other.into(),
    })?;
    let old = against
        .map(|rules| replay(&store, rules, from, until, "compared with"))
        .transpose()?;
    let new = replay(&store, rules, from, until, "backtest")?;
    print::out(&match args.output {
        ListOutput::Json => folder::backtest(&new, old.as_ref()) + "\n",
        ListOutput::Table => table(&new, old.as_ref()),
    })?;
    let differ = old.is_some_and(|old| !old.difference(&new).is_empty());
    Ok(if differ {
        ExitCode::from(FINDINGS)
    } else {
        ExitCode::SUCCESS
    })
}

/// The rules of the paths; `None` when they have mistakes, which are printed.
fn load(paths: &[PathBuf]) -> Result<Option<Arc<RuleSet>>> {
    let found = rule_files::read(&RealDisk, paths);
    if let Some(error) = found.unreadable.into_iter().next() {
        return Err(error.into());
    }
    if found.files.is_empty() {
        let named: Vec<String> = paths.iter().map(|p| p.display().to_string()).collect();
        bail!("no *.rules files in {}", named.join(", "));
    }
    let (files, checked) = rules::check_raw(&found.files);
    if checked.has_errors() {
        let drawn = rules::render(
            &checked.diagnostics,
            &files,
            print::color(&std::io::stderr()),
        );
        print::note(drawn.trim_end());
        return Ok(None);
    }
    Ok(Some(Arc::new(checked.rules)))
}

fn replay(
    store: &Store,
    rules: Arc<RuleSet>,
    from: TimestampMs,
    until: TimestampMs,
    what: &'static str,
) -> Result<Backtest> {
    let view = store.view();
    let options = ReplayOptions {
        from,
        until,
        query: Options::default(),
        keep_samples: false,
        control: Control::new(),
    };
    let bar = bar(until.since(from), what);
    let mut shown = from;
    let mut progress = |at: TimestampMs| {
        // A bar that is told of every tick costs more than the ticks.
        if at.since(shown) >= DurationMs::from_mins(60) {
            shown = at;
            bar.set_position(at.since(from).0.max(0) as u64 / 1000);
        }
    };
    let tested = Backtest::run(rules, &ViewSource(&view), options, &mut progress);
    bar.finish_and_clear();
    Ok(tested?)
}

fn bar(length: DurationMs, what: &'static str) -> ProgressBar {
    let target = if std::io::stderr().is_terminal() {
        ProgressDrawTarget::stderr()
    } else {
        ProgressDrawTarget::hidden()
    };
    let seconds = length.0.max(0) as u64 / 1000;
    let bar = ProgressBar::with_draw_target(Some(seconds), target);
    if let Ok(style) = ProgressStyle::with_template("{msg} {bar:40} {percent}%  {eta} left") {
        bar.set_style(style);
    }
    bar.set_message(what);
    bar
}

fn table(new: &Backtest, old: Option<&Backtest>) -> String {
    let mut text = heading(new);
    rules_table(&mut text, new);
    strips(&mut text, new);
    near_misses(&mut text, new);
    if let Some(old) = old {
        differences(&mut text, old, new);
    }
    text
}

fn heading(test: &Backtest) -> String {
    let notices: u64 = test.notices.values().sum();
    let channels: Vec<String> = test
        .notices
        .iter()
        .map(|(c, n)| format!("{c} {n}"))
        .collect();
    let by_channel = if channels.is_empty() {
        String::new()
    } else {
        format!(" ({})", channels.join(", "))
    };
    let left_out = if test.left_out > 0 {
        format!(", {} more left out", test.left_out)
    } else {
        String::new()
    };
    format!(
        "{} to {}: {}, {}{left_out}, {}{by_channel}\n",
        test.range.from,
        test.range.to,
        counted(test.ticks as usize, "tick"),
        counted(test.transitions.len(), "transition"),
        counted(notices as usize, "notice"),
    )
}

fn rules_table(text: &mut String, test: &Backtest) {
    if test.rules.is_empty() {
        return;
    }
    let whole = |time: DurationMs| DurationMs::from_secs(time.0 / 1000).to_string();
    let rows = test.rules.iter().map(|rule| {
        let at_level = |level: Level| {
            let time = rule.at_level[level as usize - 1]; // Levels count from one.
            if time == DurationMs::ZERO {
                String::new()
            } else {
                whole(time)
            }
        };
        let [info, warning, error, critical, emergency] = Level::ALL.map(at_level);
        [
            rule.rule.clone(),
            rule.fired.to_string(),
            rule.median_duration().map(whole).unwrap_or_default(),
            rule.longest_duration().map(whole).unwrap_or_default(),
            info,
            warning,
            error,
            critical,
            emergency,
            rule.flapping.len().to_string(),
        ]
    });
    let titles = [
        "rule",
        "fired",
        "median",
        "longest",
        "info",
        "warning",
        "error",
        "critical",
        "emergency",
        "flapping",
    ];
    let _ = write!(text, "\n{}", output::aligned(&titles, rows));
}

/// One line for each alert: a cell is the worst level in its part of the time, by the level's first letter.
fn strips(text: &mut String, test: &Backtest) {
    if test.courses.is_empty() {
        return;
    }
    let names: Vec<String> = test
        .courses
        .keys()
        .map(|(rule, id)| name(rule, id))
        .collect();
    let width = names
        .iter()
        .take(LINES_SHOWN)
        .map(|n| n.chars().count())
        .max()
        .unwrap_or(0);
    text.push('\n');
    for (name, course) in names.iter().zip(test.courses.values()).take(LINES_SHOWN) {
        let strip: String = test
            .strip(course, STRIP_CELLS)
            .into_iter()
            .map(letter)
            .collect();
        let _ = writeln!(text, "{name:width$} |{strip}|"); // A String takes all of it.
    }
    more(text, names.len());
    let cell =
        DurationMs(test.range.to.since(test.range.from).0 / STRIP_CELLS as i64 / 1000 * 1000);
    let _ = writeln!(
        text,
        "a cell is {cell}: i info, w warning, e error, c critical, E emergency"
    );
}

fn letter(level: Option<Level>) -> char {
    match level {
        None => '.',
        Some(Level::Info) => 'i',
        Some(Level::Warning) => 'w',
        Some(Level::Error) => 'e',
        Some(Level::Critical) => 'c',
        Some(Level::Emergency) => 'E',
    }
}

fn near_misses(text: &mut String, test: &Backtest) {
    let missed: Vec<_> = test.nearest.iter().filter(|(_, n)| !n.held).collect();
    if !missed.is_empty() {
        let rows = missed
            .iter()
            .take(LINES_SHOWN)
            .map(|((rule, level), nearest)| {
                [
                    name(rule, &nearest.identity),
                    level.to_string(),
                    format_value(nearest.value),
                    format_value(nearest.threshold),
                    nearest.at.to_rfc3339(),
                ]
            });
        let titles = ["never reached", "level", "nearest value", "threshold", "at"];
        let _ = write!(text, "\n{}", output::aligned(&titles, rows));
        more(text, missed.len());
    }
    if !test.lapses.is_empty() {
        let rows = test
            .lapses
            .iter()
            .take(LINES_SHOWN)
            .map(|((rule, level), lapse)| {
                [
                    name(rule, &lapse.identity),
                    level.to_string(),
                    lapse.until.since(lapse.since).to_string(),
                    lapse.hold_for.to_string(),
                    lapse.since.to_rfc3339(),
                    test.lapsed
                        .get(rule)
                        .copied()
                        .unwrap_or_default()
                        .to_string(),
                ]
            });
        let titles = [
            "ended before it fired",
            "level",
            "longest",
            "needed",
            "at",
            "times (rule)",
        ];
        let _ = write!(text, "\n{}", output::aligned(&titles, rows));
        more(text, test.lapses.len());
    }
}

fn differences(text: &mut String, old: &Backtest, new: &Backtest) {
    let differences = old.difference(new);
    if differences.is_empty() {
        text.push_str("\nno alert differs\n");
        return;
    }
    let _ = writeln!(
        text,
        "\n{} (- compared with, + these rules)",
        counted(differences.len(), "alert differs")
    );
    for difference in differences.iter().take(LINES_SHOWN) {
        let _ = writeln!(text, "{}", name(&difference.rule, &difference.identity));
        for (sign, course) in [('-', &difference.before), ('+', &difference.after)] {
            let strip: String = new
                .strip(course, STRIP_CELLS)
                .into_iter()
                .map(letter)
                .collect();
            let _ = writeln!(text, "  {sign} |{strip}| {}", spent(course, new));
        }
    }
    more(text, differences.len());
}

/// How long it fires, and how often it changes.
fn spent(course: &[Firing], test: &Backtest) -> String {
    let time = |firing: &Firing| firing.to.unwrap_or(test.range.to).since(firing.from).0;
    let total = DurationMs(course.iter().map(time).sum());
    format!("{total} in {}", counted(course.len(), "interval"))
}

fn name(rule: &str, identity: &Labels) -> String {
    let labels = identity.without(&["alertname"]);
    if labels.is_empty() {
        rule.to_owned()
    } else {
        format!("{rule}{labels}")
    }
}

fn more(text: &mut String, all: usize) {
    if all > LINES_SHOWN {
        let _ = writeln!(text, "({} more; -o json has all)", all - LINES_SHOWN);
    }
}
