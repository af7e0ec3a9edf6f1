//! A replay over what was stored is what happened live: the same transitions and notices.

use std::sync::Arc;

use bellwether_engine::replay::{Ready, Replay, ReplayOptions};
use bellwether_engine::{Notice, Spread, Transition};
use bellwether_lang::rules::RuleSet;
use bellwether_model::{DurationMs, Labels, TimestampMs};
use bellwether_query::source::memory::MemorySource;
use bellwether_query::{Control, Options as QueryOptions};
use proptest::prelude::*;

use crate::crash::{crashes, end, fill, objectives, rule_sets, series};
use crate::world::{Crash, World, rules};

fn options() -> ReplayOptions {
    ReplayOptions {
        from: TimestampMs(0),
        until: end(),
        query: QueryOptions::default(),
        keep_samples: false,
        control: Control::new(),
    }
}

/// Replays all that the options give.
fn replay(
    rules: &Arc<RuleSet>,
    store: &MemorySource,
    options: ReplayOptions,
) -> (Vec<Transition>, Vec<Notice>) {
    let until = options.until;
    let ready = Ready::new(Arc::clone(rules), Spread::None).expect("no circle");
    let mut replay = Replay::new(&ready, store, options);
    let (mut transitions, mut notices) = (Vec::new(), Vec::new());
    while let Some((_, tick)) = replay.next(until) {
        transitions.extend(tick.transitions.iter().cloned());
        notices.extend(tick.notices.iter().cloned());
    }
    (transitions, notices)
}

/// Without the last rule, which reads all series.
fn without_last(text: &str) -> String {
    text.split("alert All")
        .next()
        .unwrap_or_default()
        .to_owned()
}

fn live(text: &str, series: &[crate::crash::Series]) -> World {
    let mut world = World::new();
    fill(&mut world, series);
    world.load(rules(text));
    world.run_until(end());
    world
}

/// The same rules, each looking at the samples of two minutes ago.
fn patient(text: &str) -> String {
    let text = text.replace("  delay 1m\n", "");
    text.replace("  every 1m\n", "  every 1m\n  delay 2m\n")
}

/// The samples of each series come as many minutes late as `late` says.
fn live_with_late_samples(
    text: &str,
    series: &[crate::crash::Series],
    late: &[i64],
    crashes: &[Option<(Crash, i64)>],
) -> World {
    const MINUTE: i64 = 60_000;
    let mut world = World::new();
    world.load(rules(text));
    let mut crashes = crashes.iter().copied();
    for now in 0..=end().0 / MINUTE {
        for (i, values) in series {
            let minute = now - late[usize::from(*i)];
            let value = usize::try_from(minute).ok().and_then(|at| *values.get(at)?);
            let labels = Labels::from_pairs([("__name__", "x".to_owned()), ("i", i.to_string())]);
            if let Some(value) = value {
                world.store.push(&labels, minute * MINUTE, value);
            }
        }
        world.run_with_crashes(TimestampMs(now * MINUTE), |_| crashes.next().flatten());
    }
    world
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 150, failure_persistence: None, ..ProptestConfig::default() })]

    /// Whatever the rules read: plain series, what is recorded, series of alerts, or all there is.
    #[test]
    fn a_replay_is_what_happened_live(text in rule_sets(), series in series(), reads_all in any::<bool>()) {
        // A rule that reads whatever there is makes all records go tick by tick.
        let text = if reads_all { text } else { without_last(&text) };
        let world = live(&text, &series);
        let mut before = World::new();
        fill(&mut before, &series);
        let rules = rules(&text);
        // Over the samples alone, and over what the live run has left, its own series among them.
        for store in [&before.store, &world.store] {
            let (transitions, notices) = replay(&rules, store, options());
            prop_assert_eq!(&transitions, &world.transitions);
            prop_assert_eq!(&notices, &world.notices);
        }
    }

    /// Objectives, too: over the samples alone, and over what the live run has left.
    #[test]
    fn objectives_are_told_the_same_in_a_replay(text in objectives(), series in series()) {
        let world = live(&text, &series);
        let mut before = World::new();
        fill(&mut before, &series);
        for store in [&before.store, &world.store] {
            let (transitions, notices) = replay(&rules(&text), store, options());
            prop_assert_eq!(&transitions, &world.transitions);
            prop_assert_eq!(&notices, &world.notices);
        }
    }

    /// Samples that come late, but no later than the rules wait for them, and a program that dies on the way and is back
    /// before two intervals are over: neither shows.
    #[test]
    fn late_samples_and_crashes_do_not_show_in_a_replay(
        rules_alone in rule_sets(),
        objectives in objectives(),
        series in series(),
        late in prop::collection::vec(0..=2_i64, 4),
        crashes in crashes(),
    ) {
        for text in [without_last(&rules_alone), objectives] {
            let text = patient(&text);
            let world = live_with_late_samples(&text, &series, &late, &crashes);
            let mut before = World::new();
            fill(&mut before, &series);
            for store in [&before.store, &world.store] {
                let (transitions, notices) = replay(&rules(&text), store, options());
                prop_assert_eq!(&transitions, &world.transitions);
                prop_assert_eq!(&notices, &world.notices);
            }
        }
    }

    /// However few results may be held at a time.
    #[test]
    fn a_replay_in_small_blocks_is_the_same(
        text in rule_sets(),
        objectives in objectives(),
        series in series(),
    ) {
        // The slices of an objective's period are asked for at once.
        for (text, points_max) in [(without_last(&text), 3), (objectives, 50)] {
            let world = live(&text, &series);
            let mut small = options();
            small.query.points_max = points_max;
            let (transitions, _) = replay(&rules(&text), &world.store, small);
            prop_assert_eq!(&transitions, &world.transitions);
        }
    }
}

/// The shipped rules over the samples of their own tests: recorded rules, objectives and absences among them.
#[test]
fn packs_do_the_same_live_and_in_a_replay() {
    const LONGEST: DurationMs = DurationMs::from_mins(6 * 60);
    let packs = [
        include_str!("../../../../rules/airflow.rules"),
        include_str!("../../../../rules/batch-jobs.rules"),
        include_str!("../../../../rules/bellwether.rules"),
        include_str!("../../../../rules/host.rules"),
        include_str!("../../../../rules/http-service.rules"),
    ];
    let (mut compared, mut changes) = (0, 0);
    for text in packs {
        let rules = rules(text);
        for test in &rules.tests {
            let last = test.steps.iter().map(|step| step.at).max();
            let last = last.unwrap_or_default();
            if test.start.is_some() || last > LONGEST {
                continue; // Days, tick by tick, take too long.
            }
            let mut world = World::new();
            for load in &test.loads {
                for series in &load.series {
                    let values = (0_i64..).zip(series.values.iter());
                    for (i, value) in values.filter_map(|(i, value)| Some((i, value?))) {
                        world.store.push(&series.labels, i * load.step.0, value);
                    }
                }
            }
            let before = world.store.clone();
            world.load(Arc::clone(&rules));
            let until = TimestampMs(last.0);
            world.run_until(until);
            let options = ReplayOptions { until, ..options() };
            let (transitions, notices) = replay(&rules, &before, options);
            assert_eq!(transitions, world.transitions, "{}", test.name);
            assert_eq!(notices, world.notices, "{}", test.name);
            compared += 1;
            changes += transitions.len();
        }
    }
    assert!(compared >= 20 && changes >= 100, "{compared} {changes}");
}

#[test]
fn a_month_of_quiet_is_evaluated_in_blocks() {
    let mut store = MemorySource::new();
    let labels = Labels::from_pairs([("__name__", "x")]);
    store.push(&labels, 0, 3.0);
    store.push(&labels, 60_000, 7.0);
    let rules = rules("alert High\n  expr x\n  every 1m\n  warning > 4 for 2m\n  critical > 9\n");
    let ready = Ready::new(rules, Spread::None).expect("no circle");
    let mut replay = Replay::new(&ready, &store, options());
    while replay.next(end()).is_some() {}
    let nearest: Vec<_> = replay.nearest().collect();
    let seen: Vec<String> = nearest
        .iter()
        .map(|(alert, level, n)| {
            format!(
                "{alert} {level} {} of {} at {}",
                n.value, n.threshold, n.at.0
            )
        })
        .collect();
    assert_eq!(
        seen,
        [
            "High warning 7 of 4 at 60000",
            "High critical 7 of 9 at 60000"
        ]
    );
    assert!(nearest[0].2.held && !nearest[1].2.held);
}
