use bellwether_lang::rules::{SourceFile, check};

use super::*;

fn window(clauses: &str) -> Window {
    let text = format!("window w\n{clauses}\n");
    let file = SourceFile {
        path: "w.rules".into(),
        text,
    };
    let checked = check(&[file]);
    assert!(!checked.has_errors(), "{:?}", checked.diagnostics);
    checked.rules.windows.into_iter().next().unwrap()
}

fn at(text: &str) -> TimestampMs {
    TimestampMs::parse(text).unwrap()
}

/// The next openings from a moment on, as minutes of UTC.
fn check_openings(clauses: &str, from: &str, want: &[&str]) {
    let window = window(clauses);
    let short = |time: TimestampMs| time.to_rfc3339()[..16].replace('T', " ");
    let found: Vec<String> = openings(&window, at(from), want.len())
        .into_iter()
        .map(|o| format!("{} to {}", short(o.from), o.to.map_or("ever".into(), short)))
        .collect();
    assert_eq!(found, want, "{clauses}");
}

#[test]
fn office_hours_follow_the_zone() {
    check_openings(
        "  every mon-fri 09:00-17:30 in \"Europe/Berlin\"\n  except 2026-12-24 to 2026-12-25",
        "2026-12-23T12:00:00Z",
        &[
            "2026-12-23 12:00 to 2026-12-23 16:30",
            "2026-12-28 08:00 to 2026-12-28 16:30",
        ],
    );
}

#[test]
fn a_night_belongs_to_the_day_it_starts_on() {
    let window = window("  every fri 22:00-06:00");
    for (moment, open) in [
        ("2026-11-27T21:59:59Z", false),
        ("2026-11-27T22:00:00Z", true),
        ("2026-11-28T05:59:59Z", true),
        ("2026-11-28T06:00:00Z", false),
        ("2026-11-28T22:30:00Z", false),
    ] {
        assert_eq!(is_open(&window, at(moment)), open, "{moment}");
    }
}

#[test]
fn the_night_the_clocks_go_back_lasts_three_hours() {
    check_openings(
        "  every sun 02:00-04:00 in \"Europe/Berlin\"",
        "2026-10-24T12:00:00Z",
        &[
            "2026-10-25 00:00 to 2026-10-25 03:00",
            "2026-11-01 01:00 to 2026-11-01 03:00",
        ],
    );
    // Only the half hour that comes twice.
    check_openings(
        "  every sun 02:00-02:30 in \"Europe/Berlin\"",
        "2026-10-24T12:00:00Z",
        &[
            "2026-10-25 00:00 to 2026-10-25 00:30",
            "2026-10-25 01:00 to 2026-10-25 01:30",
        ],
    );
}

#[test]
fn the_night_the_clocks_go_forward_has_no_half_past_two() {
    check_openings(
        "  every sun 02:00-03:00 in \"Europe/Berlin\"",
        "2026-03-28T12:00:00Z",
        &["2026-04-05 00:00 to 2026-04-05 01:00"],
    );
    check_openings(
        "  every sun 01:30-03:30 in \"Europe/Berlin\"",
        "2026-03-28T12:00:00Z",
        &["2026-03-29 00:30 to 2026-03-29 01:30"],
    );
}

#[test]
fn days_of_the_month_are_cut_at_its_end() {
    check_openings(
        "  every month 29-31 00:00-01:00",
        "2027-02-01T00:00:00Z",
        &["2027-03-29 00:00 to 2027-03-29 01:00"],
    );
    check_openings(
        "  every month -1 12:00-13:00",
        "2028-02-01T00:00:00Z",
        &[
            "2028-02-29 12:00 to 2028-02-29 13:00",
            "2028-03-31 12:00 to 2028-03-31 13:00",
        ],
    );
}

#[test]
fn days_months_and_years_together() {
    check_openings(
        "  every mon of month 1-7 of jan-mar of 2027 09:00-10:00",
        "2026-12-01T00:00:00Z",
        &[
            "2027-01-04 09:00 to 2027-01-04 10:00",
            "2027-02-01 09:00 to 2027-02-01 10:00",
            "2027-03-01 09:00 to 2027-03-01 10:00",
        ],
    );
    assert_eq!(
        openings(
            &window("  every day of 2020"),
            at("2026-01-01T00:00:00Z"),
            3
        ),
        []
    );
}

#[test]
fn neighbours_are_one_opening() {
    check_openings(
        "  every sat, sun\n  every mon 00:00-06:00",
        "2026-11-26T00:00:00Z",
        &["2026-11-28 00:00 to 2026-11-30 06:00"],
    );
    check_openings(
        "  every day",
        "2026-11-26T00:00:00Z",
        &["2026-11-26 00:00 to ever"],
    );
}

#[test]
fn what_comes_once_has_a_start_and_an_end() {
    check_openings(
        "  on 2026-12-28 22:00 to 2026-12-29 03:00 in \"Asia/Tokyo\"",
        "2026-11-26T00:00:00Z",
        &["2026-12-28 13:00 to 2026-12-28 18:00"],
    );
}

/// The changes that are found are those that a look at every quarter of an hour finds, also where zones differ.
#[test]
fn openings_are_those_of_every_moment() {
    let window = window(
        "  every mon-fri 09:00-17:00 in \"Pacific/Kiritimati\"\n  every sat 22:00-03:30 in \"America/New_York\"\n  every month 15-16 in \"Europe/Berlin\"\n  on 2026-10-31 20:00 to 2026-11-01 01:30 in \"America/New_York\"",
    );
    let quarter = 900_000;
    let start = at("2026-10-10T00:00:00Z").0;
    let mut want = Vec::new();
    for i in 1..96 * 40 {
        let (before, now) = (start + (i - 1) * quarter, start + i * quarter);
        if is_open(&window, TimestampMs(before)) != is_open(&window, TimestampMs(now)) {
            want.push(TimestampMs(now));
        }
    }
    let mut found = Vec::new();
    let mut moment = TimestampMs(start);
    while found.len() < want.len() {
        moment = next_change(&window, moment).unwrap();
        found.push(moment);
    }
    assert_eq!(found, want);
}

fn rules(text: &str) -> bellwether_lang::rules::RuleSet {
    crate::testing::rules(text)
}

#[test]
fn clock_changes_are_told_with_the_openings_they_touch() {
    let changes = |clauses: &str, from: &str, to: &str| {
        let told = clock_changes(&window(clauses), at(from), at(to));
        let told = told.iter().map(|c| format!("{} {}", c.at, c.by.0 / 60_000));
        told.collect::<Vec<_>>()
    };
    let berlin = "  every day 02:00-04:00 in \"Europe/Berlin\"";
    assert_eq!(
        changes(berlin, "2026-01-01T00:00:00Z", "2026-12-31T00:00:00Z"),
        [
            "2026-03-29T01:00:00.000Z 60",
            "2026-10-25T01:00:00.000Z -60"
        ]
    );
    // Both ends belong to it.
    let at_the_change = "2026-03-29T01:00:00Z";
    assert_eq!(changes(berlin, at_the_change, at_the_change).len(), 1);
    let before = "2026-03-29T00:59:59Z";
    assert_eq!(changes(berlin, before, before), [""; 0]);
    let two =
        "  every day 02:00-04:00 in \"Europe/Berlin\"\n  every day 02:00-04:00 in \"Europe/Paris\"";
    assert_eq!(
        changes(two, "2026-03-01T00:00:00Z", "2026-04-01T00:00:00Z").len(),
        1
    );
    assert_eq!(
        shown("Europe/Berlin".parse().unwrap(), at("2026-10-25T01:00:00Z")),
        "Sun 2026-10-25 02:00 +01:00"
    );
}

#[test]
fn days_of_which_the_clocks_skip_all_are_named() {
    let skipped = |clauses: &str| {
        let (from, to) = (at("2026-01-01T00:00:00Z"), at("2026-12-31T00:00:00Z"));
        let days = skipped_days(&window(clauses), from, to);
        days.iter().map(ToString::to_string).collect::<Vec<_>>()
    };
    for (clauses, want) in [
        (
            "  every sun 02:00-03:00 in \"Europe/Berlin\"",
            &["2026-03-29"][..],
        ),
        (
            "  every sun 02:15-02:45 in \"Europe/Berlin\"",
            &["2026-03-29"],
        ),
        ("  every sun 02:30-03:30 in \"Europe/Berlin\"", &[]),
        ("  every sun 01:30-02:30 in \"Europe/Berlin\"", &[]),
        ("  every mon 02:00-03:00 in \"Europe/Berlin\"", &[]),
        ("  every sun 02:00-03:00", &[]),
        (
            "  every sun 02:00-03:00 in \"Europe/Berlin\"\n  except 2026-03-29",
            &[],
        ),
    ] {
        assert_eq!(skipped(clauses), want, "{clauses}");
    }
}

#[test]
fn a_mute_holds_between_the_changes_of_its_windows() {
    let mutes = |clauses: &str, from: &str| {
        let rules = rules(&format!(
            "window day\n  every mon-fri 09:00-17:00\nwindow noon\n  every day 12:00-13:00\nwindow whole\n  every day\nmute m\n  match {{a=\"b\"}}\n{clauses}  reason \"x\"\n"
        ));
        let found = mute_openings(&rules.windows, &rules.mutes[0], at(from), 2);
        let short = |time: TimestampMs| time.to_rfc3339()[5..16].replace('T', " ");
        let text =
            |o: &Opening| format!("{} to {}", short(o.from), o.to.map_or("ever".into(), short));
        found.iter().map(text).collect::<Vec<_>>()
    };
    let monday = "2026-11-23T10:00:00Z";
    for (clauses, want) in [
        (
            "  during day\n",
            &["11-23 10:00 to 11-23 17:00", "11-24 09:00 to 11-24 17:00"][..],
        ),
        (
            "  outside day\n",
            &["11-23 17:00 to 11-24 09:00", "11-24 17:00 to 11-25 09:00"],
        ),
        (
            "  during day\n  outside noon\n",
            &["11-23 10:00 to 11-23 12:00", "11-23 13:00 to 11-23 17:00"],
        ),
        (
            "  during noon\n  outside day\n",
            &["11-28 12:00 to 11-28 13:00", "11-29 12:00 to 11-29 13:00"],
        ),
        (
            "  during day\n  until 2026-11-23T12:00:00Z\n",
            &["11-23 10:00 to 11-23 12:00"],
        ),
        (
            "  until 2026-11-24T00:00:00Z\n",
            &["11-23 10:00 to 11-24 00:00"],
        ),
        ("  until 2026-11-23T10:00:00Z\n", &[]),
        ("  during day\n  outside whole\n", &[]),
    ] {
        assert_eq!(mutes(clauses, monday), want, "{clauses}");
    }
}
