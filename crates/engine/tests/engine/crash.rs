//! A run with crashes at arbitrary points is a run without: the same transitions, notices, samples and
//! rows, byte for byte.

use bellwether_model::{DurationMs, Labels, STALE_NAN, TimestampMs};
use proptest::prelude::*;

use crate::world::{Crash, World, rules};

const MINUTE: i64 = 60_000;
const MINUTES: i64 = 40;

/// One series: its label, and its value each minute.
pub(crate) type Series = (u8, Vec<Option<f64>>);

fn values() -> impl Strategy<Value = Vec<Option<f64>>> {
    let value = prop_oneof![
        4 => (0..12_i32).prop_map(|v| Some(f64::from(v))),
        1 => Just(None),
        1 => Just(Some(STALE_NAN)),
        1 => Just(Some(f64::NAN)),
    ];
    // Runs of equal values: or no `for` would ever be reached.
    let run = (value, 1..5_usize).prop_map(|(value, times)| vec![value; times]);
    prop::collection::vec(run, 10).prop_map(|runs| runs.concat())
}

pub(crate) fn series() -> impl Strategy<Value = Vec<Series>> {
    prop::collection::vec((0..4_u8, values()), 1..4)
}

fn alert(name: &'static str, expr: &'static str) -> impl Strategy<Value = String> {
    let duration = || prop_oneof![Just("0s"), Just("1m"), Just("90s"), Just("3m")];
    let missing = prop_oneof![
        Just("missing clear"),
        Just("missing keep 2m"),
        Just("missing keep 10m"),
        Just("missing error after 2m"),
        Just("max 2"),
        Just("delay 1m"),
    ];
    let line = (duration(), duration(), any::<bool>());
    (line.clone(), line, missing, any::<bool>()).prop_map(move |(low, high, missing, bare)| {
        let clear = |yes, text: &str| if yes { text.to_owned() } else { String::new() };
        let (low_clear, high_clear) = (clear(low.2, "clear < 2"), clear(high.2, "clear < 6"));
        let levels = if bare {
            format!("  warning for {} keep {}\n", low.0, low.1)
        } else {
            format!(
                "  warning > 4 for {} {low_clear} keep {}\n  critical > 8 for {} {high_clear} keep {}\n",
                low.0, low.1, high.0, high.1
            )
        };
        let expr = if bare {
            format!("{expr} > 4")
        } else {
            expr.to_owned()
        };
        format!(
            "alert {name}\n  expr {expr}\n  every 1m\n{levels}  {missing}\n  summary \"{{value}} {{since}}\"\n"
        )
    })
}

/// Alerts on series, on what is recorded, on other alerts, and on whatever there is.
pub(crate) fn rule_sets() -> impl Strategy<Value = String> {
    let alerts = (
        alert("Plain", "x"),
        alert("Recorded", "r:double / 2"),
        alert("Alerts", "max(alert:level{alertname=\"Plain\"}) * 2"),
        alert("All", "count({i=~\".+\"}) - 2"),
    );
    alerts.prop_map(|(a, b, c, d)| {
        format!(
            "record r:double\n  expr x * 2\n  every 1m\nrecord r:sum\n  expr sum(r:double)\n  every 1m\n{a}{b}{c}{d}"
        )
    })
}

/// Objectives over the same series, counted and in slices, and an alert on what they record.
pub(crate) fn objectives() -> impl Strategy<Value = String> {
    let by = prop_oneof![Just(""), Just("  by (i)\n")];
    let missing = prop_oneof![Just("ok"), Just("bad"), Just("skip")];
    let exclude = prop_oneof![Just(""), Just("  exclude pause\n")];
    let delay = prop_oneof![Just(""), Just("  delay 1m\n")];
    (by, missing, exclude, delay).prop_map(|(by, missing, exclude, delay)| {
        format!(
            "window pause\n  on 1970-01-01 00:11 to 1970-01-01 00:14\n\
             record r:double\n  expr x * 2\n  every 1m\n\
             sla counted\n  objective 60% over 20m\n  objective 80% over week\n  bad x{{i=~\"0|1\"}}\n  total x\n  \
             burn 50% in 6m critical\n  burn 40% in 12m warning\n  min 5 events\n  breach error for 1m\n  every 1m\n{by}{exclude}{delay}\
             sla sliced\n  objective 70% over 10m\n  ok r:double < 12\n  slice 1m\n  missing {missing}\n  \
             burn 30% in 5m error\n  breach warning\n  every 1m\n{by}{exclude}\
             alert Budget\n  expr sla:budget_remaining:ratio\n  every 1m\n  warning < 50%\n"
        )
    })
}

/// What happens at each tick: the point of the crash, and how long the program is down when all was committed.
pub(crate) fn crashes() -> impl Strategy<Value = Vec<Option<(Crash, i64)>>> {
    let crash = prop_oneof![
        Just(Crash::BeforeSamples),
        Just(Crash::BeforeCommit),
        Just(Crash::AfterCommit),
    ];
    let down = prop_oneof![Just(0), 1..=2 * MINUTE];
    prop::collection::vec(prop::option::weighted(0.4, (crash, down)), 120)
}

fn world(text: &str, series: &[Series]) -> World {
    let mut world = World::new();
    world.restart(TimestampMs(0));
    world.load(rules(text));
    world.restart(TimestampMs(0));
    fill(&mut world, series);
    world
}

/// Stores the series.
pub(crate) fn fill(world: &mut World, series: &[Series]) {
    for (i, values) in series {
        let labels = Labels::from_pairs([("__name__", "x".to_owned()), ("i", i.to_string())]);
        for (minute, value) in values.iter().enumerate() {
            if let Some(value) = value {
                world.store.push(&labels, minute as i64 * MINUTE, *value);
            }
        }
    }
}

pub(crate) fn end() -> TimestampMs {
    TimestampMs(0).plus(DurationMs(MINUTES * MINUTE))
}

/// The same time lived through with crashes and without.
fn with_and_without(
    text: &str,
    series: &[Series],
    crashes: Vec<Option<(Crash, i64)>>,
) -> (World, World) {
    let mut without = world(text, series);
    without.run_until(end());
    let mut with = world(text, series);
    let mut crashes = crashes.into_iter();
    with.run_with_crashes(end(), |_| crashes.next().flatten());
    (with, without)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 150, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_run_with_crashes_is_a_run_without(
        text in rule_sets(),
        series in series(),
        crashes in crashes(),
    ) {
        let (with, without) = with_and_without(&text, &series, crashes);
        prop_assert_eq!(&with.transitions, &without.transitions);
        prop_assert_eq!(&with.approaches, &without.approaches);
        prop_assert_eq!(&with.notices, &without.notices);
        prop_assert_eq!(&with.samples, &without.samples);
        prop_assert_eq!(with.rows(), without.rows());
    }

    #[test]
    fn objectives_are_told_the_same_with_crashes(
        text in objectives(),
        series in series(),
        crashes in crashes(),
    ) {
        let (with, without) = with_and_without(&text, &series, crashes);
        prop_assert_eq!(&with.transitions, &without.transitions);
        prop_assert_eq!(&with.notices, &without.notices);
        prop_assert_eq!(&with.samples, &without.samples);
        prop_assert_eq!(with.rows(), without.rows());
    }

    /// What people are told makes sense: each episode begins with a fire, ends at most once, and its end is the last.
    #[test]
    fn every_episode_is_told_in_order(text in rule_sets(), series in series()) {
        let mut world = world(&text, &series);
        world.run_until(end());
        let mut episodes = std::collections::BTreeMap::new();
        for t in &world.transitions {
            let name = (t.rule.clone(), t.identity.clone(), t.episode);
            episodes.entry(name).or_insert_with(Vec::new).push(t);
        }
        for told in episodes.values() {
            for (i, t) in told.iter().enumerate() {
                prop_assert_eq!(t.sequence as usize, i);
                prop_assert_eq!(t.from.is_none(), i == 0);
                prop_assert!(!t.kind.ends() || i + 1 == told.len());
                prop_assert_eq!(t.to.is_none(), t.kind.ends());
                if i > 0 {
                    prop_assert_eq!(t.from, told[i - 1].to);
                }
            }
        }
    }
}
