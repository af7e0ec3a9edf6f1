//! `bellwether windows`: when windows are open and mutes hold, next.

use std::fmt::Write as _;
use std::process::ExitCode;

use anyhow::{Result, bail};
use bellwether_engine::calendar::{self, ClockChange, Opening, Zone};
use bellwether_lang::rules::{Mute, RuleSet, Window};
use bellwether_model::{DurationMs, TimestampMs};
use serde_json::{Value, json};

use super::args::{self, ListOutput};
use super::loaded::load;
use super::query::time;
use super::{TROUBLE, output, print};

pub(crate) fn run(args: &args::Windows) -> Result<ExitCode> {
    // Nobody opens a window by the millisecond.
    let at = TimestampMs(time(&args.at)?.0.div_euclid(1000) * 1000);
    let Some(loaded) = load(&args.paths)? else {
        return Ok(ExitCode::from(TROUBLE));
    };
    let mut courses = courses(&loaded.rules, at, usize::from(args.count));
    if let Some(unknown) = args
        .name
        .iter()
        .find(|name| !courses.iter().any(|c| c.name == **name))
    {
        let names: Vec<&str> = courses.iter().map(|course| course.name).collect();
        let there_are = match names.join(", ") {
            none if none.is_empty() => "there are none".to_owned(),
            names => format!("there are: {names}"),
        };
        bail!("no window and no mute by time is named {unknown}; {there_are}");
    }
    courses.retain(|course| args.name.is_empty() || args.name.iter().any(|n| n == course.name));
    print::out(&match args.output {
        ListOutput::Json => json(&courses, at) + "\n",
        ListOutput::Table => text(&courses, at),
    })?;
    Ok(ExitCode::SUCCESS)
}

/// What a window or a mute does in time.
struct Course<'r> {
    kind: &'static str,
    name: &'r str,
    /// What a mute is about.
    about: Option<String>,
    /// Those of the windows, each once.
    zones: Vec<Zone>,
    openings: Vec<Timed>,
    /// Days of which the clocks skip all.
    skipped: Vec<String>,
}

/// An opening, and how the clocks are changed in it or at its ends.
struct Timed {
    opening: Opening,
    changes: Vec<ClockChange>,
}

impl Course<'_> {
    /// The zone in which times are shown.
    fn zone(&self) -> Zone {
        match self.zones.as_slice() {
            [one] => *one,
            _ => Zone::UTC,
        }
    }
}

/// The windows and the mutes that have to do with time, each kind by name.
fn courses(rules: &RuleSet, at: TimestampMs, count: usize) -> Vec<Course<'_>> {
    let windows = rules.windows.iter().map(|window| Course {
        kind: "window",
        name: &window.name,
        about: None,
        ..course(&[window], calendar::openings(window, at, count), at)
    });
    let by_time =
        |mute: &&Mute| !(mute.during.is_empty() && mute.outside.is_empty() && mute.until.is_none());
    let mutes = rules.mutes.iter().filter(by_time).map(|mute| {
        let names = |window: &&Window| {
            mute.during.contains(&window.name) || mute.outside.contains(&window.name)
        };
        let windows: Vec<&Window> = rules.windows.iter().filter(names).collect();
        let openings = calendar::mute_openings(&rules.windows, mute, at, count);
        Course {
            kind: "mute",
            name: &mute.name,
            about: Some(about(mute)),
            ..course(&windows, openings, at)
        }
    });
    let mut courses: Vec<Course<'_>> = windows.chain(mutes).collect();
    courses.sort_by_key(|course| (course.kind != "window", course.name));
    courses
}

fn course<'r>(windows: &[&Window], openings: Vec<Opening>, at: TimestampMs) -> Course<'r> {
    let mut zones: Vec<Zone> = windows.iter().flat_map(|w| calendar::zones(w)).collect();
    zones.sort_unstable_by_key(|zone| zone.name());
    zones.dedup();
    let shown_to = openings
        .last()
        .map_or(at, |last| last.to.unwrap_or(last.from));
    let skipped = windows
        .iter()
        .flat_map(|w| calendar::skipped_days(w, at, shown_to));
    let skipped = skipped.map(|day| day.to_string()).collect();
    let timed = |opening: Opening| {
        let changes = |window: &&Window| match opening.to {
            Some(to) => calendar::clock_changes(window, opening.from, to),
            None => Vec::new(), // It is about all of time.
        };
        let mut changes: Vec<ClockChange> = windows.iter().flat_map(changes).collect();
        changes.sort_unstable();
        changes.dedup();
        Timed { opening, changes }
    };
    Course {
        kind: "",
        name: "",
        about: None,
        zones,
        openings: openings.into_iter().map(timed).collect(),
        skipped,
    }
}

/// `{env="staging"} outside office-hours`
fn about(mute: &Mute) -> String {
    let matchers: Vec<String> = mute.matchers.iter().map(ToString::to_string).collect();
    let mut about = format!("{{{}}}", matchers.join(", "));
    for (word, names) in [("during", &mute.during), ("outside", &mute.outside)] {
        if !names.is_empty() {
            let _ = write!(about, " {word} {}", names.join(", "));
        }
    }
    if let Some(until) = mute.until {
        let _ = write!(about, " until {until}");
    }
    if mute.cause.is_some() {
        about.push_str(", while its cause fires");
    }
    about
}

fn text(courses: &[Course<'_>], at: TimestampMs) -> String {
    if courses.is_empty() {
        return "no windows, and no mutes by time\n".to_owned();
    }
    let blocks: Vec<String> = courses.iter().map(|course| block(course, at)).collect();
    blocks.join("\n")
}

fn block(course: &Course<'_>, at: TimestampMs) -> String {
    let zone = course.zone();
    let names: Vec<&str> = course.zones.iter().map(|zone| zone.name()).collect();
    let zones = match names.as_slice() {
        [] | ["UTC"] => "UTC".to_owned(),
        [one] => (*one).to_owned(),
        more => format!("in UTC; its lines are in {}", more.join(", ")),
    };
    let mut block = format!("{} {} ({zones})", course.kind, course.name);
    if let Some(about) = &course.about {
        let _ = write!(block, ": {about}");
    }
    block.push('\n');
    if course.openings.is_empty() {
        block.push_str("  never again\n");
    }
    let rows = course.openings.iter().map(|timed| row(timed, zone, at));
    let table = output::aligned(&["from", "to", "length", ""], rows);
    let lines = table.lines().filter(|_| !course.openings.is_empty());
    for line in lines {
        let _ = writeln!(block, "  {line}");
    }
    for day in &course.skipped {
        let _ = writeln!(block, "  not on {day}: the clocks skip that time");
    }
    block
}

fn row(timed: &Timed, zone: Zone, at: TimestampMs) -> [String; 4] {
    let Opening { from, to } = timed.opening;
    let begun = if from == at { "open, " } else { "" };
    let notes: Vec<String> = timed.changes.iter().map(note).collect();
    [
        format!("{begun}{}", calendar::shown(zone, from)),
        to.map_or_else(
            || "no end in sight".to_owned(),
            |to| calendar::shown(zone, to),
        ),
        to.map(|to| to.since(from).to_string()).unwrap_or_default(),
        notes.join("; "),
    ]
}

fn note(change: &ClockChange) -> String {
    let by = DurationMs(change.by.0.abs());
    let way = if change.by.0 > 0 { "forward" } else { "back" };
    format!("the clocks go {way} {by}")
}

fn json(courses: &[Course<'_>], at: TimestampMs) -> String {
    let of = |kind: &str| -> Vec<Value> {
        let some = courses.iter().filter(|course| course.kind == kind);
        some.map(|course| object(course, at)).collect()
    };
    json!({ "at": at.to_rfc3339(), "windows": of("window"), "mutes": of("mute") }).to_string()
}

fn object(course: &Course<'_>, at: TimestampMs) -> Value {
    let zone = course.zone();
    let openings = course.openings.iter().map(|Timed { opening, changes }| {
        let changes = changes.iter().map(
            |change| json!({ "at": change.at.to_rfc3339(), "forwardSeconds": change.by.0 / 1000 }),
        );
        json!({
            "from": opening.from.to_rfc3339(),
            "to": opening.to.map(TimestampMs::to_rfc3339),
            "seconds": opening.to.map(|to| to.since(opening.from).0 / 1000),
            "shownFrom": calendar::shown(zone, opening.from),
            "shownTo": opening.to.map(|to| calendar::shown(zone, to)),
            "clockChanges": changes.collect::<Vec<_>>(),
        })
    });
    let openings: Vec<Value> = openings.collect();
    let is_open = course
        .openings
        .first()
        .is_some_and(|first| first.opening.from == at);
    let zones: Vec<&str> = course.zones.iter().map(|zone| zone.name()).collect();
    let mut object = json!({
        "name": course.name,
        "zones": zones,
        "open": is_open,
        "openings": openings,
        "skippedDays": course.skipped,
    });
    if let Some(about) = &course.about {
        object["about"] = about.as_str().into();
    }
    object
}
