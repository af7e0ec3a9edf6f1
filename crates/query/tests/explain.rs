//! Plans as text: `explain/*.txt` hold expressions, and the plan each of them has over the samples at their top.
//!
//! A file is blocks with an empty line between them. `load` is that of Prometheus' test language. `explain instant at 5m EXPR` and
//! `explain range 0 10m 1m EXPR` are followed by the plan; run with `UPDATE_EXPECT=1` to write what it is now.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]
#![expect(clippy::disallowed_methods, reason = "tests read their own files")]

use std::cell::Cell;
use std::fmt::Write as _;
use std::path::Path;
use std::time::Duration;

use bellwether_lang::promql;
use bellwether_model::{DurationMs, TimestampMs};
use bellwether_query::source::memory::MemorySource;
use bellwether_query::{
    Control, Explanation, Fate, Options, PlanNode, QueryError, Steps, When, explain, instant,
};

#[test]
fn plans() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/explain");
    let mut files = 0;
    for entry in std::fs::read_dir(&folder).unwrap() {
        let path = entry.unwrap().path();
        let text = std::fs::read_to_string(&path).unwrap();
        let got = rewritten(&text);
        if std::env::var("UPDATE_EXPECT").is_ok() {
            std::fs::write(&path, &got).unwrap();
        } else {
            assert_eq!(got, text, "{}", path.display());
        }
        files += 1;
    }
    assert!(files > 0);
}

/// The file with the plans that its queries have now.
fn rewritten(text: &str) -> String {
    let mut source = MemorySource::new();
    let blocks: Vec<String> = text
        .trim_end()
        .split("\n\n")
        .map(|block| {
            let (comments, rest): (Vec<&str>, Vec<&str>) =
                block.lines().partition(|line| line.starts_with('#'));
            match rest.first() {
                None => block.to_owned(),
                Some(line) if line.starts_with("load ") => {
                    load(&mut source, &rest);
                    block.to_owned()
                }
                Some(line) => {
                    let mut out = comments.join("\n");
                    out.push_str(if comments.is_empty() { "" } else { "\n" });
                    let (when, expr, max) = asked(line);
                    out.push_str(line);
                    out.push('\n');
                    out.push_str(&drawn(&ask(&source, when, expr, max).unwrap()));
                    out.trim_end().to_owned()
                }
            }
        })
        .collect();
    blocks.join("\n\n") + "\n"
}

fn load(source: &mut MemorySource, lines: &[&str]) {
    let step = DurationMs::parse(lines[0].trim_start_matches("load ")).unwrap();
    for line in &lines[1..] {
        let series = promql::parse_series_line(line.trim()).unwrap();
        for (i, value) in series.values.iter().enumerate() {
            if let Some(value) = value {
                source.push(&series.labels, step.0 * i as i64, *value);
            }
        }
    }
}

/// The query of an `explain` line; `max_samples N` after `explain` sets that limit.
fn asked(line: &str) -> (When, &str, u64) {
    let mut rest = line.strip_prefix("explain ").unwrap();
    let mut word = || {
        let (word, after) = rest.split_once(' ').unwrap();
        rest = after;
        word
    };
    let mut max = u64::MAX;
    let mut kind = word();
    if kind == "max_samples" {
        max = word().parse().unwrap();
        kind = word();
    }
    let ms = |text: &str| DurationMs::parse(text).unwrap().0;
    let when = match kind {
        "instant" => {
            assert_eq!(word(), "at");
            When::At(TimestampMs(ms(word())))
        }
        "range" => When::Over(Steps {
            start: TimestampMs(ms(word())),
            end: TimestampMs(ms(word())),
            step: DurationMs(ms(word())),
        }),
        other => panic!("{other}?"),
    };
    (when, rest, max)
}

fn ask(
    source: &MemorySource,
    when: When,
    text: &str,
    samples_max: u64,
) -> Result<Explanation, QueryError> {
    let options = Options {
        samples_max,
        text: Some(text.into()),
        ..Options::default()
    };
    let expr = promql::parse(text).unwrap();
    let still = || Duration::ZERO;
    explain(&expr, source, when, &options, &Control::new(), &still)
}

fn drawn(explanation: &Explanation) -> String {
    let mut out = String::new();
    draw(&mut out, &explanation.plan, 1);
    for (i, read) in explanation.reads.iter().enumerate() {
        writeln!(
            out,
            "  #{i} {} {}..{} selectors={} estimated={} series={} samples={} zones={}",
            read.selector,
            read.range.from.0,
            read.range.to.0,
            read.selectors,
            read.estimated.map_or("?".into(), |n| n.to_string()),
            read.series,
            read.samples,
            read.samples_from_zones,
        )
        .unwrap();
    }
    if let Some(error) = &explanation.error {
        writeln!(out, "  error: {error}").unwrap();
    }
    for note in explanation.warnings.iter().chain(&explanation.infos) {
        writeln!(out, "  note: {note}").unwrap();
    }
    out
}

fn draw(out: &mut String, node: &PlanNode, depth: usize) {
    let fate = match node.fate {
        Fate::Done { series, .. } => format!("series={series}"),
        Fate::Streamed => "streamed".to_owned(),
        Fate::NotRun => "not run".to_owned(),
    };
    let read = node
        .read
        .map_or(String::new(), |read| format!(" <- #{read}"));
    let indent = "  ".repeat(depth);
    writeln!(
        out,
        "{indent}{} | steps={} {fate}{read}",
        node.label, node.steps
    )
    .unwrap();
    for input in &node.inputs {
        draw(out, input, depth + 1);
    }
}

/// Each look at the clock is a second later than the one before.
#[test]
fn times_are_those_of_the_clock_that_was_brought() {
    let expr = promql::parse("sum(vector(1)) + 1").unwrap();
    let looks = Cell::new(0);
    let clock = || {
        looks.set(looks.get() + 1);
        Duration::from_secs(looks.get())
    };
    let (source, when) = (MemorySource::new(), When::At(TimestampMs(0)));
    let (options, control) = (Options::default(), Control::new());
    let explained = explain(&expr, &source, when, &options, &control, &clock).unwrap();
    let mut times = Vec::new();
    let mut node = Some(&explained.plan);
    while let Some(at) = node {
        if let Fate::Done { time, .. } = at.fate {
            times.push((at.label.as_str(), time.as_secs()));
        }
        node = at.inputs.first();
    }
    // Each node is looked at before and after what is inside it, among that the two constants.
    assert_eq!(times, [("+ 1", 9), ("sum", 5), ("vector(1)", 3)]);
    assert_eq!(explained.time, Duration::from_secs(11));
}

#[test]
fn being_watched_changes_no_answer_and_a_stop_is_an_error() {
    let mut source = MemorySource::new();
    load(
        &mut source,
        &["load 1m", "x{a=\"1\"} 0+1x10", "x{a=\"2\"} 0+2x10"],
    );
    let text = "sum by (a) (rate(x[5m])) / on (a) x + max_over_time((x - 1)[5m:1m])";
    let expr = promql::parse(text).unwrap();
    let at = TimestampMs(600_000);
    let answer = instant(&expr, &source, at, &Options::default(), &Control::new()).unwrap();
    let explained = ask(&source, When::At(at), text, u64::MAX).unwrap();
    assert_eq!(explained.stats, answer.stats);

    let control = Control::new();
    control.cancel(bellwether_query::Stop::Timeout);
    let stopped = explain(
        &expr,
        &source,
        When::At(at),
        &Options::default(),
        &control,
        &|| Duration::ZERO,
    );
    assert!(matches!(stopped, Err(QueryError::Timeout)));
}
