//! What is kept between evaluations never shows: whoever has followed for days says the same as one who has just begun.

use bellwether_query::source::memory::MemorySource;
use proptest::prelude::*;

use super::*;
use crate::sla::{When, report};
use crate::testing::rules;

const MINUTE: i64 = 60_000;

/// An objective that reaches back for days, with windows that begin inside hours.
fn text(by: bool, sliced: bool, missing: &str) -> String {
    let by = if by { "  by (i)\n" } else { "" };
    let indicator = if sliced {
        format!("  ok min by (i) (x) > 3\n  slice 10m\n  missing {missing}\n")
    } else {
        "  bad e\n  total x\n".to_owned()
    };
    format!(
        "window pause\n  every day 03:10-05:40\n\
         sla s\n  objective 70% over 1d7h20m\n  objective 60% over week in \"Asia/Kolkata\"\n{indicator}{by}  \
         burn 20% in 6h40m critical\n  burn 30% in 13h warning\n  exclude pause\n  every 20m\n"
    )
}

/// Two counters with resets and holes every ten minutes for two days, and one that is born on the way.
fn store(values: &[(u8, u8)], born: usize) -> MemorySource {
    let mut store = MemorySource::new();
    let mut push = |metric: &str, i: &str, at: usize, value: f64| {
        let labels = Labels::from_pairs([("__name__", metric), ("i", i)]);
        store.push(&labels, at as i64 * 10 * MINUTE, value);
    };
    let (mut total, mut errors) = (0.0, 0.0);
    for at in 0..288 {
        let (all, bad) = values[at % values.len()];
        if all == 0 {
            continue; // A hole.
        }
        if all == 1 {
            (total, errors) = (0.0, 0.0); // A restart.
        }
        total += f64::from(all) + 0.1;
        errors += f64::from(bad.min(all)) * 0.7;
        push("x", "a", at, total);
        push("x", "b", at, total * 2.0);
        push("e", "a", at, errors);
        if at >= born {
            push("e", "b", at, errors);
        }
    }
    store
}

/// The series at a time.
fn look(live: &mut Live, rules: &RuleSet, store: &MemorySource, at: i64, settled: i64) -> Seen {
    let look = Look {
        rules,
        sla: &rules.slas[0],
        source: store,
        options: &Options::default(),
        control: &Control::new(),
        to: TimestampMs(at),
        settled_after: DurationMs(settled),
    };
    live.look(&look).unwrap()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn what_is_kept_never_shows(
        values in prop::collection::vec((0..9_u8, 0..9_u8), 7..40),
        born in 0..288_usize,
        by in any::<bool>(),
        sliced in any::<bool>(),
        jumps in prop::collection::vec(1..9_i64, 20),
    ) {
        let rules = rules(&text(by, sliced, "bad"));
        let store = store(&values, born);
        let (mut live, mut replayed) = (Live::default(), Live::default());
        let mut at = 3 * MINUTE;
        for jump in jumps {
            at += jump * 20 * MINUTE;
            let sla = &rules.slas[0];
            let fresh = look(&mut Live::default(), &rules, &store, at, 120 * MINUTE).series(sla);
            prop_assert_eq!(&look(&mut live, &rules, &store, at, 120 * MINUTE).series(sla), &fresh);
            prop_assert_eq!(&look(&mut replayed, &rules, &store, at, 0).series(sla), &fresh);
        }
        // A clock that is set back.
        at -= 7 * 60 * MINUTE;
        let sla = &rules.slas[0];
        let fresh = look(&mut Live::default(), &rules, &store, at, 0).series(sla);
        prop_assert_eq!(&look(&mut live, &rules, &store, at, 120 * MINUTE).series(sla), &fresh);
        prop_assert_eq!(&look(&mut replayed, &rules, &store, at, 0).series(sla), &fresh);
    }

    /// The report of the same moment says the same. (Missing slices that count are another matter: a report knows the groups of its
    /// period, and this one those of the longest.)
    #[test]
    fn the_series_say_what_the_report_says(
        values in prop::collection::vec((0..9_u8, 0..9_u8), 7..40),
        born in 0..288_usize,
        by in any::<bool>(),
        sliced in any::<bool>(),
        at in 1..140_i64,
    ) {
        let rules = rules(&text(by, sliced, "skip"));
        let store = store(&values, born);
        let at = at * 20 * MINUTE + 1234;
        let seen = look(&mut Live::default(), &rules, &store, at, 120 * MINUTE);
        let (options, control) = (Options::default(), Control::new());
        let reports = report(&rules, &store, When::At(TimestampMs(at)), &options, &control);
        for report in reports.unwrap() {
            let live = seen.groups.get(&report.group);
            let period = live.and_then(|group| {
                let of = |p: &&PeriodSeen| p.of.period.to_string() == report.period;
                group.periods.iter().find(of)
            });
            let tally = period.map(|period| period.tally).unwrap_or_default();
            prop_assert!((tally.bad - report.tally.bad).abs() < 1e-6, "{tally:?} {report:?}");
            prop_assert!((tally.total - report.tally.total).abs() < 1e-6, "{tally:?} {report:?}");
        }
    }
}

/// Late samples are counted: those within the out-of-order window at once, later ones when their hour has its turn.
#[test]
fn late_samples_are_found() {
    let rules =
        rules("sla s\n  objective 90% over 1d\n  bad e\n  total x\n  every 20m\n  burn none\n");
    let mut store = MemorySource::new();
    let series = |name: &str| Labels::from_pairs([("__name__", name)]);
    for at in 0..51_i64 {
        store.push(&series("x"), at * 10 * MINUTE, at as f64);
        store.push(
            &series("e"),
            at * 10 * MINUTE,
            if at < 20 { 0.0 } else { 8.0 },
        );
    }
    let mut live = Live::default();
    let mut tally = |store: &MemorySource, minute: i64| {
        let seen = look(&mut live, &rules, store, minute * MINUTE, 120 * MINUTE);
        let tally = seen.groups[&Labels::empty()].periods[0].tally;
        (tally.bad, tally.total)
    };
    assert_eq!(tally(&store, 500), (8.0, 50.0));
    // Another host: an hour late at first, then five hours, with a restart between the two.
    let late = Labels::from_pairs([("__name__", "x"), ("i", "late")]);
    store.push(&late, 450 * MINUTE, 4.0);
    assert_eq!(tally(&store, 500), (8.0, 54.0));
    store.push(&late, 190 * MINUTE, 10.0);
    let totals: Vec<f64> = (1..30).map(|i| tally(&store, 500 + 20 * i).1).collect();
    assert_eq!((totals[0], totals[28]), (54.0, 64.0), "{totals:?}");
}

/// A slice is judged again for as long as samples may come for it.
#[test]
fn late_samples_change_slices() {
    let rules = rules(
        "sla s\n  objective 90% over 1d\n  ok x < 3\n  slice 10m\n  every 20m\n  burn none\n  breach info\n",
    );
    let series = |i: &str| Labels::from_pairs([("__name__", "x"), ("i", i)]);
    let mut store = MemorySource::new();
    for at in 1..=60_i64 {
        store.push(&series("a"), at * 10 * MINUTE, 1.0);
    }
    let mut live = Live::default();
    let mut said = |store: &MemorySource, minute: i64| {
        let mut seen = look(&mut live, &rules, store, minute * MINUTE, 120 * MINUTE);
        let group = seen.groups.remove(&Labels::empty()).unwrap();
        let current = group.newest.and_then(|slice| slice.current?.value);
        let tally = group.periods[0].tally;
        (tally.bad, tally.total, current.unwrap())
    };
    assert_eq!(said(&store, 500), (0.0, 50.0, 1.0));
    store.push(&series("late"), 410 * MINUTE, 9.0);
    assert_eq!(said(&store, 520), (1.0, 52.0, 1.0));
    store.push(&series("late"), 520 * MINUTE, 2.0);
    assert_eq!(said(&store, 525), (1.0, 52.0, 2.0));
    // Long after that nothing is expected any more.
    store.push(&series("late"), 100 * MINUTE, 9.0);
    assert_eq!(said(&store, 540), (1.0, 54.0, 1.0));
}
