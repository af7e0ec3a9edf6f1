//! Runs the scripts of `tests/scripts`: rules, samples, and what must follow, without Rust.
//!
//! A command starts a line, its block is indented. Times are durations since zero; slots are not spread.
//!
//! ```text
//! rules [PATH]          load these rules (again: reload) from a file of this name; what that tells stands in the next `until`
//! refused TEXT          these rules have a mistake, whose message holds the text
//! openings WINDOW TIME  the block holds the next two times, from TIME on, in which the window is open
//! load STEP             series in the notation of PromQL's tests, from time zero on
//! until T               evaluate up to T; the block holds all that was told: TIME KIND LEVEL ALERT{labels} = VALUE -> channels
//! approached            the block holds what came since the last `approached`: TIME pending|lapse LEVEL ALERT{labels} = VALUE over THRESHOLD
//! at                    the block holds all that is pending or firing now
//! eval EXPR             the block holds the result now: {labels} VALUE
//! skip T                nothing is evaluated up to T, though the program runs
//! restart T             the program dies now and is started at T; the block as with `until`
//! failing TEXT          from now on every question fails; `working` ends it
//! broken TEXT           the rule folder has a mistake; the block as with `until`
//! ```
//!
//! An empty block says that there is nothing.
//!
//! The edge cases of the design (alerting.md 3) and the scripts that hold them; what a script cannot say stands behind it.
//!
//! ```text
//!  1 the query fails             edge_01_failed_query
//!  2 the cap is exceeded         edge_02_max
//!  3 restart in mid-firing       edge_03_restart, sla_burn (words); every point of a crash: crash.rs
//!  4 a series vanishes           edge_04_vanished_series (lookback is the same for all series: ARCHITECTURE.md, departures)
//!  5 `for` at its edges          edge_05_for_at_its_edges; a label that vanishes: edge_07_identity
//!  6 reload                      edge_06_reload
//!  7 identity                    edge_07_identity; a value in a label: crates/lang/tests/rules
//!  8 NaN and empty ratios        edge_08_nan, sla_counted
//!  9 the birth of a counter      edge_09_birth_of_a_counter, sla_counted
//! 10 holes in evaluation         edge_10_holes_in_evaluation, edge_10_clock_set
//! 11 late data                   edge_11_late_data (no warning of sources that are late: ARCHITECTURE.md, departures)
//! 12 mute against resolve        edge_12_resolution_of_what_was_told; mutes by time: src/trial/tests.rs
//! 13 cause after symptom         edge_13_cause_and_symptom; decisions: src/route/mod.rs
//! 14 the grouping clock          edge_14_repeats_and_receivers; groups are not in the way of delivery yet
//! 15 calendars                   edge_15_calendars; src/calendar/tests.rs; upstream's: crates/import
//! 16 objectives that cannot be   edge_16_objectives_that_cannot_be
//! 17 absence at the start        edge_17_absence_at_the_start
//! ```

use bellwether_engine::{AlertStatus, Approach, Event, Transition, calendar};
use bellwether_lang::promql::{parse, parse_series_line};
use bellwether_lang::rules::Window;
use bellwether_model::value::format_value;
use bellwether_model::{DurationMs, Labels, TimestampMs};
use bellwether_query::{Control, Value};

use crate::world::{World, mistakes, rules_of};

macro_rules! scripts {
    ($($name:ident)*) => {$(
        #[test]
        fn $name() {
            run(
                concat!("tests/scripts/", stringify!($name), ".test"),
                include_str!(concat!("../scripts/", stringify!($name), ".test")),
            );
        }
    )*};
}

scripts! {
    edge_01_failed_query
    edge_02_max
    edge_03_restart
    edge_04_vanished_series
    edge_05_for_at_its_edges
    edge_06_reload
    edge_07_identity
    edge_08_nan
    edge_09_birth_of_a_counter
    edge_10_holes_in_evaluation
    edge_10_clock_set
    edge_11_late_data
    edge_12_resolution_of_what_was_told
    edge_13_cause_and_symptom
    edge_14_repeats_and_receivers
    edge_15_calendars
    edge_16_objectives_that_cannot_be
    edge_17_absence_at_the_start
    falls
    levels
    overrides
    own_alerts
    pending
    recording
    routes
    series
    sla_breach
    sla_burn
    sla_calendar
    sla_classic
    sla_counted
    sla_edges
    sla_exclude
    sla_min
    sla_read
    sla_slices
}

struct Command<'a> {
    line: usize,
    words: &'a str,
    block: Vec<&'a str>,
}

fn commands(text: &str) -> Vec<Command<'_>> {
    let mut commands: Vec<Command<'_>> = Vec::new();
    for (i, line) in text.lines().enumerate() {
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        match (line.strip_prefix("  "), commands.last_mut()) {
            (Some(inner), Some(command)) => command.block.push(inner),
            (Some(_), None) => panic!("line {}: a block without a command", i + 1),
            (None, _) => commands.push(Command {
                line: i + 1,
                words: line,
                block: Vec::new(),
            }),
        }
    }
    commands
}

fn time(text: &str) -> TimestampMs {
    let duration = DurationMs::parse(text).unwrap_or_else(|| panic!("not a duration: {text}"));
    TimestampMs(duration.0)
}

fn run(path: &str, text: &str) {
    let mut world = World::new();
    let mut told = 0;
    let mut windows = Vec::new();
    for command in commands(text) {
        let (word, rest) = command.words.split_once(' ').unwrap_or((command.words, ""));
        let tells = matches!(word, "until" | "restart" | "broken");
        let got: Option<Vec<String>> = match word {
            "rules" => {
                let file = if rest.is_empty() { "test.rules" } else { rest };
                let rules = rules_of(file, &(command.block.join("\n") + "\n"));
                windows.clone_from(&rules.windows);
                world.load(rules);
                None
            }
            "refused" => {
                let messages = mistakes(&(command.block.join("\n") + "\n"));
                assert!(
                    messages.contains(rest),
                    "{path}:{}: {messages}",
                    command.line
                );
                None
            }
            "openings" => Some(next_openings(&windows, rest)),
            "load" => {
                load(&mut world, rest, &command.block);
                None
            }
            "until" => {
                world.run_until(time(rest));
                None
            }
            "skip" => {
                world.now = time(rest);
                None
            }
            "restart" => {
                world.restart(time(rest));
                world.run_until(time(rest));
                None
            }
            "failing" => {
                world.failing = Some(rest.to_owned());
                None
            }
            "working" => {
                world.failing = None;
                None
            }
            "broken" => {
                world.event(Event::RulesBroken {
                    errors: 1,
                    first: rest,
                    instead: "no rule runs",
                });
                None
            }
            "at" => {
                let status = world.engine.status(world.now);
                let mut alerts: Vec<String> = status.alerts().map(alert_text).collect();
                alerts.sort();
                Some(alerts)
            }
            "approached" => {
                let new = world.approaches.drain(..);
                Some(new.map(|approach| approach_text(&approach)).collect())
            }
            "eval" => Some(eval(&world, rest)),
            other => panic!("{path}:{}: unknown command {other}", command.line),
        };
        let got: Vec<String> = match got {
            Some(got) => got,
            None if tells => {
                let new = &world.transitions[told..];
                told = world.transitions.len();
                new.iter().map(transition_text).collect()
            }
            None => continue,
        };
        let want = command.block;
        assert!(
            got == want,
            "{path}:{}: {}\nwant:\n  {}\ngot:\n  {}\n",
            command.line,
            command.words,
            want.join("\n  "),
            got.join("\n  ")
        );
    }
    assert_eq!(
        told,
        world.transitions.len(),
        "{path}: told behind the last `until`"
    );
}

fn next_openings(windows: &[Window], words: &str) -> Vec<String> {
    let (name, time) = words.split_once(' ').expect("a window and a time");
    let window = windows.iter().find(|window| window.name == name);
    let from = TimestampMs::parse(time).expect("a time");
    let openings = calendar::openings(window.expect("a window"), from, 2);
    let end =
        |to: Option<TimestampMs>| to.map_or_else(|| "ever".to_owned(), TimestampMs::to_rfc3339);
    let text = |o: &calendar::Opening| format!("{} to {}", o.from.to_rfc3339(), end(o.to));
    openings.iter().map(text).collect()
}

fn load(world: &mut World, step: &str, block: &[&str]) {
    let step = time(step).0;
    for line in block {
        let series = parse_series_line(line).unwrap_or_else(|e| panic!("{line}: {e:?}"));
        for (i, value) in series.values.iter().enumerate() {
            if let Some(value) = value {
                world.store.push(&series.labels, i as i64 * step, *value);
            }
        }
    }
}

fn eval(world: &World, expr: &str) -> Vec<String> {
    let expr = parse(expr).unwrap_or_else(|e| panic!("{expr}: {e:?}"));
    let options = bellwether_query::Options::default();
    let answer =
        bellwether_query::instant(&expr, &world.store, world.now, &options, &Control::new());
    let Value::Vector(mut vector) = answer.expect("an answer").value else {
        panic!("not a vector");
    };
    vector.sort_by(|a, b| a.0.cmp(&b.0));
    vector
        .iter()
        .map(|(labels, sample)| format!("{labels} {}", format_value(sample.v)))
        .collect()
}

fn since_zero(t: TimestampMs) -> String {
    DurationMs(t.0).to_string()
}

fn name(identity: &Labels) -> String {
    let alert = identity.get("alertname").unwrap_or("");
    format!("{alert}{}", identity.without(&["alertname"]))
}

fn transition_text(t: &Transition) -> String {
    let level = t.to.or(t.from).map_or("", |level| level.word());
    let reason = match &t.reason {
        Some(reason) => format!(" because {reason}"),
        None => String::new(),
    };
    format!(
        "{} {} {level} {} = {} -> {}{reason}",
        since_zero(t.at),
        t.kind,
        name(&t.identity),
        format_value(t.value),
        t.channels.join(", "),
    )
}

fn approach_text(a: &Approach) -> String {
    let level = match (a.from, a.to) {
        (Some(from), Some(to)) => format!("{from} -> {to}"),
        (from, to) => to.or(from).map_or("", |level| level.word()).to_owned(),
    };
    let threshold = a.threshold.map(|t| format!(" over {}", format_value(t)));
    let reason = a.reason.as_ref().map(|r| format!(" because {r}"));
    format!(
        "{} {} {level} {} = {}{}{}",
        since_zero(a.at),
        a.kind().text(),
        name(&a.identity),
        format_value(a.value),
        threshold.unwrap_or_default(),
        reason.unwrap_or_default(),
    )
}

fn alert_text(alert: &AlertStatus) -> String {
    let labels = alert.labels.without(&["severity"]);
    let mut parts = vec![format!(
        "{} {} {} since {}",
        alert.state.text(),
        alert.level,
        name(&labels),
        since_zero(alert.active_at)
    )];
    for (word, since) in [
        ("clearing", alert.clearing_since),
        ("missing", alert.missing_since),
        ("stale", alert.stale_since),
    ] {
        parts.extend(since.map(|since| format!("{word} since {}", since_zero(since))));
    }
    let text = parts.join(", ");
    match alert.annotations.iter().find(|(n, _)| n == "summary") {
        Some((_, summary)) => format!("{text}: {summary}"),
        None => text,
    }
}
