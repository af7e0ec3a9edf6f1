use bellwether_lang::promql::parse_series_line;
use bellwether_model::value::format_value;
use bellwether_model::{DurationMs, TimestampMs};
use bellwether_query::source::memory::MemorySource;
use bellwether_query::{Control, Options};
use chrono_tz::Tz;
use expect_test::{Expect, expect};

use super::*;
use crate::testing::rules;

const MINUTE: i64 = 60_000;

/// Series in the notation of PromQL's tests, one value a minute from a time on.
fn store(from: TimestampMs, lines: &str) -> MemorySource {
    let mut store = MemorySource::new();
    for line in lines.lines() {
        let series = parse_series_line(line).unwrap();
        for (i, value) in series.values.iter().enumerate() {
            if let Some(value) = value {
                store.push(&series.labels, from.0 + i as i64 * MINUTE, *value);
            }
        }
    }
    store
}

fn reports(text: &str, store: &MemorySource, when: When) -> Vec<SlaReport> {
    let (options, control) = (Options::default(), Control::new());
    super::report(&rules(text), store, when, &options, &control).unwrap()
}

fn check(text: &str, lines: &str, minutes: i64, want: Expect) {
    let store = store(TimestampMs(0), lines);
    let when = When::At(TimestampMs(minutes * MINUTE));
    let since = |t: TimestampMs| DurationMs(t.0).to_string();
    let mut said = Vec::new();
    for report in reports(text, &store, when) {
        said.push(format!(
            "{} {} {}: {} of {} bad, {}, budget left {:.4}, {} breaches",
            report.sla,
            report.period,
            report.group,
            format_value(report.tally.bad),
            format_value(report.tally.total),
            report.verdict.word(),
            report.remaining(),
            report.breaches,
        ));
        for bad in &report.bad {
            let Bad { from, to, tally } = bad;
            said.push(format!(
                "  {} - {}: {} of {}",
                since(*from),
                since(*to),
                tally.bad,
                tally.total
            ));
        }
        said.extend(
            report
                .current
                .map(|c| format!("  now {:?} {} {}", c.value, c.op, c.threshold)),
        );
    }
    want.assert_eq(&(said.join("\n") + "\n"));
}

/// The worked example of the design: "mean task duration over the last hour must be at most 300 s; look every 5 minutes; no data
/// counts as fine".
#[test]
fn the_classic_definition() {
    check(
        "sla avg-task-duration\n  objective 99% over 7d\n  ok avg_over_time(task_duration_seconds[1h]) <= 300\n  \
         slice 5m\n  missing ok\n  breach warning\n",
        // Too slow from the 10th to the 19th minute, silent from the 40th on until the window is empty.
        "task_duration_seconds 100x9 900x9 100x19",
        150,
        expect![[r"
            avg-task-duration 1w {}: 8 of 31 bad, not_met, budget left -24.8065, 2 breaches
              10m - 15m: 1 of 1
              15m - 20m: 1 of 1
              20m - 25m: 1 of 1
              25m - 30m: 1 of 1
              30m - 35m: 1 of 1
              55m - 1h: 1 of 1
              1h - 1h5m: 1 of 1
              1h5m - 1h10m: 1 of 1
              now None <= 300
        "]],
    );
}

#[test]
fn counted_events_are_exact_over_resets_and_births() {
    check(
        "sla checkout\n  objective 90% over 1h\n  bad errors_total\n  total requests_total\n  burn none\n",
        // 32 requests, with a restart that counts from zero in between; an error counter that is born with its first two errors.
        "requests_total 100+2x10 3+1x9\nerrors_total _ _ _ _ _ _ _ 2 2 2 3",
        30,
        expect![[r"
            checkout 1h {}: 3 of 32 bad, met, budget left 0.0625, 2 breaches
              6m - 7m: 2 of 2
              9m - 10m: 1 of 2
        "]],
    );
}

#[test]
fn groups_good_ones_and_what_was_taken_away() {
    check(
        "sla latency\n  objective 95% over 1h\n  good d_bucket{le=\"0.3\"}\n  total d_count - skipped_total\n  by (route)\n  burn none\n",
        "d_bucket{le=\"0.3\",route=\"a\"} 0+9x10\nd_count{route=\"a\"} 0+10x10\nskipped_total{route=\"a\"} 0+1x10\n\
         d_bucket{le=\"0.3\",route=\"b\"} 0+5x10\nd_count{route=\"b\"} 0+10x10\nskipped_total{route=\"b\"} 0x10",
        30,
        expect![[r#"
            latency 1h {route="a"}: 0 of 90 bad, met, budget left 1.0000, 0 breaches
            latency 1h {route="b"}: 50 of 100 bad, not_met, budget left -9.0000, 1 breaches
              0s - 1m: 5 of 10
              1m - 2m: 5 of 10
              2m - 3m: 5 of 10
              3m - 4m: 5 of 10
              4m - 5m: 5 of 10
              5m - 6m: 5 of 10
              6m - 7m: 5 of 10
              7m - 8m: 5 of 10
              8m - 9m: 5 of 10
              9m - 10m: 5 of 10
        "#]],
    );
}

#[test]
fn no_events_leave_the_budget_untouched() {
    check(
        "sla idle\n  objective 99% over 1h\n  bad errors_total\n  total requests_total\n  burn none\n",
        "requests_total 5x20\nerrors_total 1x20",
        30,
        expect![[r"
            idle 1h {}: 0 of 0 bad, no_data, budget left 1.0000, 0 breaches
        "]],
    );
}

#[test]
fn excluded_windows_count_for_nothing() {
    check(
        "window patching\n  on 1970-01-01 00:10 to 1970-01-01 00:20\n\
         sla up\n  objective 90% over 1h\n  ok min by (site) (probe) == 1\n  slice 1m\n  by (site)\n  missing bad\n  burn none\n  exclude patching\n",
        // Down while patching, and for two minutes at the end, the last of them without any word.
        "probe{site=\"x\"} 1x9 0x9 1x4 0 stale",
        26,
        expect![[r#"
            up 1h {site="x"}: 3 of 17 bad, not_met, budget left -0.7647, 2 breaches
              9m - 10m: 1 of 1
              24m - 25m: 1 of 1
              25m - 26m: 1 of 1
              now None == 1
        "#]],
    );
}

#[test]
fn slices_without_data_are_skipped_and_lines_have_periods_of_their_own() {
    check(
        "sla up\n  objective 90% over 10m\n  objective 50% over month\n  ok up\n  slice 1m\n",
        "up 1 1 1 0 0 _ _ _ _ _ 1 1 1 1 1 1 1 1 1 1",
        19,
        expect![[r"
            up 10m {}: 0 of 10 bad, met, budget left 1.0000, 0 breaches
            up month {}: 6 of 18 bad, met, budget left 0.3333, 1 breaches
              2m - 3m: 1 of 1
              3m - 4m: 1 of 1
              4m - 5m: 1 of 1
              5m - 6m: 1 of 1
              6m - 7m: 1 of 1
              7m - 8m: 1 of 1
        "]],
    );
}

/// Neither kept nor broken: a period that lies in the future, one in which nothing happened, one that was excluded; and the
/// running one is not over.
#[test]
fn what_can_be_said_of_a_period() {
    let october = TimestampMs::parse("2026-10-02T00:00:00Z").unwrap();
    let store = store(october, "up{site=\"x\"} 1x100");
    let sla = |clauses: &str| {
        format!(
            "window august\n  on 2026-08-01 00:00 to 2026-09-01 00:00\nsla up\n  objective 50% over month\n  ok up\n  slice 1m\n  burn none\n{clauses}"
        )
    };
    let said = |name: &str, clauses: &str, now: &str| {
        let period = NamedPeriod::parse(name).unwrap();
        let when = When::Named(period, TimestampMs::parse(now).unwrap());
        let reports = reports(&sla(clauses), &store, when);
        let one = |report: &SlaReport| {
            let over = if report.is_over { "over" } else { "goes on" };
            let met = report.verdict.is_met();
            format!("{}{} {met:?} {over}", report.verdict.word(), report.group)
        };
        reports.iter().map(one).collect::<Vec<_>>().join(", ")
    };
    for (period, clauses, now, want) in [
        (
            "2026-10",
            "",
            "2026-12-01T00:00:00Z",
            "met{} Some(true) over",
        ),
        (
            "2026-10",
            "",
            "2026-10-20T00:00:00Z",
            "met{} Some(true) goes on",
        ),
        (
            "2026-11",
            "",
            "2026-10-20T00:00:00Z",
            "not_begun{} None goes on",
        ),
        (
            "2026-11",
            "  missing bad\n",
            "2026-10-20T00:00:00Z",
            "not_begun{} None goes on",
        ),
        (
            "2026-10",
            "",
            "2026-10-01T00:00:00Z",
            "no_data{} None goes on",
        ),
        ("2026-09", "", "2026-10-20T00:00:00Z", "no_data{} None over"),
        (
            "2026-08",
            "  exclude august\n",
            "2026-10-20T00:00:00Z",
            "excluded{} None over",
        ),
        (
            "2026-Q3",
            "  exclude august\n",
            "2026-10-20T00:00:00Z",
            "no_data{} None over",
        ),
        // Groups are known by their events: without any there is one report, of none of them.
        (
            "2026-10",
            "  by (site)\n",
            "2026-12-01T00:00:00Z",
            "met{site=\"x\"} Some(true) over",
        ),
        (
            "2026-09",
            "  by (site)\n",
            "2026-10-20T00:00:00Z",
            "no_data{} None over",
        ),
        (
            "2026-11",
            "  by (site)\n",
            "2026-10-20T00:00:00Z",
            "not_begun{} None goes on",
        ),
    ] {
        assert_eq!(
            said(period, clauses, now),
            want,
            "{period} at {now}{clauses}"
        );
    }
}

#[test]
fn periods_have_names_and_zones() {
    let range = |name: &str, zone: Tz| {
        let (from, to) = NamedPeriod::parse(name).unwrap().range(zone).unwrap();
        format!("{} {}", from.to_rfc3339(), to.to_rfc3339())
    };
    let berlin: Tz = "Europe/Berlin".parse().unwrap();
    for (name, zone, want) in [
        (
            "2026-10",
            berlin,
            "2026-09-30T22:00:00.000Z 2026-10-31T23:00:00.000Z",
        ),
        (
            "2026-Q4",
            Tz::UTC,
            "2026-10-01T00:00:00.000Z 2027-01-01T00:00:00.000Z",
        ),
        (
            "2026-W01",
            Tz::UTC,
            "2025-12-29T00:00:00.000Z 2026-01-05T00:00:00.000Z",
        ),
        (
            "2026",
            berlin,
            "2025-12-31T23:00:00.000Z 2026-12-31T23:00:00.000Z",
        ),
    ] {
        assert_eq!(range(name, zone), want, "{name}");
        assert_eq!(NamedPeriod::parse(name).unwrap().to_string(), name);
    }
    for wrong in [
        "26",
        "2026-13",
        "2026-1",
        "2026-Q5",
        "2026-Q0",
        "2026-W54",
        "2026-10-01",
        "",
        "+202",
    ] {
        assert_eq!(NamedPeriod::parse(wrong), None, "{wrong}");
    }
}

#[test]
fn a_past_month_is_reported_for_every_objective() {
    let october = TimestampMs::parse("2026-10-01T00:00:00Z").unwrap();
    let store = store(october.minus(DurationMs(2 * MINUTE)), "up 0 0 0 1 1 0");
    let text = "sla up\n  objective 50% over 7d\n  ok up\n  slice 1m\n  burn none\n";
    let month = NamedPeriod::parse("2026-10").unwrap();
    let now = TimestampMs::parse("2026-12-01T00:00:00Z").unwrap();
    let reports = reports(text, &store, When::Named(month, now));
    // What ended with the first moment of October belongs to September; the last value is believed for five minutes.
    let got: Vec<_> = reports
        .iter()
        .map(|r| (r.tally.bad, r.tally.total, r.breaches))
        .collect();
    assert_eq!(got, [(5.0, 7.0, 1)]);
    assert_eq!(reports[0].length(), DurationMs(31 * 24 * 60 * MINUTE));
    assert_eq!(reports[0].period, "2026-10");
}
