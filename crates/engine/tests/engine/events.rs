//! Events, loads that fail, clocks that are set back, and what is shown.

use std::sync::Arc;

use bellwether_engine::{Engine, Event, Health, NoticeKind, Options, RuleKind, Spread, Tick};
use bellwether_lang::rules::RuleSet;
use bellwether_model::{DurationMs, Labels, TimestampMs};

use crate::world::{World, rules};

fn minutes(n: i64) -> TimestampMs {
    TimestampMs(n * 60_000)
}

fn told(world: &World) -> Vec<(NoticeKind, String, String)> {
    let notices = world.notices.iter();
    notices
        .map(|n| (n.kind, n.rule.clone(), n.channel.clone()))
        .collect()
}

fn world(text: &str) -> World {
    let mut world = World::new();
    world.load(rules(text));
    world.run_until(minutes(0));
    world
}

const CHANNELS: &str = "channel hook\n  webhook https://example.com/a\n  fallback spare\n\
    channel spare\n  webhook https://example.com/b\nroute all\n  to hook\n";

#[test]
fn a_dead_letter_is_told_through_the_fallback_until_a_notice_arrives() {
    let mut world = world(CHANNELS);
    for error in ["refused", "refused again"] {
        world.event(Event::DeadLetter {
            channel: "hook",
            error,
        });
    }
    world.event(Event::Delivered { channel: "spare" });
    let fire = (
        NoticeKind::Fire,
        "NotifyDeadLetter".to_owned(),
        "spare".to_owned(),
    );
    assert_eq!(told(&world), std::slice::from_ref(&fire));
    world.event(Event::Delivered { channel: "hook" });
    world.event(Event::Delivered { channel: "hook" });
    let end = (NoticeKind::Resolve, fire.1.clone(), fire.2.clone());
    assert_eq!(told(&world), [fire, end]);
}

#[test]
fn a_channel_is_failing_after_five_attempts() {
    let mut world = world(CHANNELS);
    for attempts in 1..=7 {
        world.event(Event::AttemptFailed {
            channel: "hook",
            attempts,
            error: "503",
        });
        assert_eq!(
            world.notices.len(),
            usize::from(attempts >= 5),
            "{attempts}"
        );
    }
    assert_eq!(
        world.notices[0].annotations[0].1,
        "channel hook does not take notices: 503"
    );
    // The channel is taken out of the rules: so is what is said about it.
    world.load(rules(""));
    assert_eq!(world.transitions[1].kind, NoticeKind::Resolve);
}

#[test]
fn rules_in_a_circle_change_nothing() {
    let options = Options {
        spread: Spread::None,
        ..Options::default()
    };
    let good = rules("record a:x\n  expr up\n");
    // The check of the language refuses circles, so this one is made behind its back.
    let mut circle = RuleSet::clone(&rules("record a:x\n  expr up\nrecord b:x\n  expr up\n"));
    for (record, expr) in circle.records.iter_mut().zip(["b:x", "a:x"]) {
        record.expr = bellwether_lang::promql::parse(expr).expect("PromQL");
    }
    let circle = Arc::new(circle);
    let mut engine = Engine::new(good, options).unwrap();
    let mut tick = Tick::default();
    let error = engine.load(circle, minutes(1), &mut tick).unwrap_err();
    assert_eq!(error.members, ["a:x", "b:x", "a:x"]);
    assert!(tick.is_empty());
    assert_eq!(engine.status(minutes(1)).groups[0].rules.len(), 1);
}

/// A server started over and over with the same broken folder says so once.
#[test]
fn older_rules_run_and_the_alert_about_the_broken_ones_goes_on() {
    let text = "alert A\n  expr vector(1)\n  every 1m\n  info > 0\n";
    let broken = Event::RulesBroken {
        errors: 2,
        first: "x.rules:1:1: unknown item",
        instead: "the last rules that loaded go on",
    };
    let mut world = world(text);
    world.event(broken);
    let told = world.transitions.len();
    let mut engine = Engine::new(rules(""), Options::default()).unwrap();
    engine.restore(world.rows().clone());
    let mut tick = Tick::default();
    engine
        .load_older(rules(text), minutes(1), &mut tick)
        .unwrap();
    engine.event(broken, minutes(1), &mut tick);
    assert_eq!(told, 2);
    assert_eq!(tick.transitions, []);
    let status = engine.status(minutes(1));
    let summaries = status
        .alerts()
        .map(|a| a.annotations.clone())
        .collect::<Vec<_>>();
    assert_eq!(summaries[0], []);
    assert_eq!(
        summaries[1][0].1,
        "2 mistakes in the rules, the last rules that loaded go on: x.rules:1:1: unknown item"
    );
    engine.load(rules(text), minutes(2), &mut tick).unwrap();
    assert_eq!(tick.transitions[0].kind, NoticeKind::Resolve);
}

#[test]
fn a_panic_of_the_evaluator_is_a_failed_evaluation() {
    let mut world = world("alert A\n  expr x\n  every 1m\n  info > 0\n");
    let x = Labels::from_pairs([("__name__", "x")]);
    world.store.push(&x, minutes(1).0, 1.0);
    world.run_until(minutes(1));
    world.panicking = true;
    world.run_until(minutes(3));
    let told: Vec<&str> = world.transitions.iter().map(|t| t.rule.as_str()).collect();
    assert_eq!(told, ["A", "RuleFailing"]);
    let status = world.engine.status(minutes(3));
    let rule = &status.groups[0].rules[0];
    assert_eq!(
        rule.last_error.as_deref(),
        Some("the evaluator panicked, which is a bug in it: a bug")
    );
    assert_eq!(
        status.alerts().next().map(|a| a.stale_since),
        Some(Some(minutes(1)))
    );
}

/// The clock is set back, and the alert begins to fire at the very time at which it did before.
#[test]
fn a_time_that_comes_twice_makes_no_key_twice() {
    let text = "alert A\n  expr x\n  every 1m\n  info > 0\n";
    let mut world = World::new();
    let x = Labels::from_pairs([("__name__", "x")]);
    world.load(rules(text));
    world.store.push(&x, minutes(5).0, 1.0);
    world.run_until(minutes(5));
    // The rule goes and with it all that is known about the alert; the same rule comes back.
    world.load(rules(""));
    world.restart(minutes(4));
    world.load(rules(text));
    world.run_until(minutes(5));
    let fired = world
        .transitions
        .iter()
        .filter(|t| t.kind == NoticeKind::Fire);
    assert_eq!(
        fired.map(|t| t.at).collect::<Vec<_>>(),
        [minutes(5), minutes(5)]
    );
    // `World` has seen to it that no key came twice.
}

#[test]
fn an_own_alert_that_comes_back_at_once_is_told_again() {
    let mut world = world(CHANNELS);
    for _ in 0..2 {
        let error = "refused";
        world.event(Event::DeadLetter {
            channel: "hook",
            error,
        });
        world.event(Event::Delivered { channel: "hook" });
    }
    assert_eq!(world.notices.len(), 4);
}

#[test]
fn a_clock_set_back_while_down_neither_blocks_nor_fires() {
    let text = "alert A\n  expr x\n  every 1m\n  warning > 5 for 3m\n";
    let mut world = World::new();
    let x = Labels::from_pairs([("__name__", "x")]);
    for minute in 0..2000 {
        world.store.push(&x, minutes(minute).0, 9.0);
    }
    world.load(rules(text));
    world.now = minutes(1439);
    world.run_until(minutes(1441));
    assert_eq!(world.transitions, []);
    // A day back. One of the three minutes has passed, two are still to come.
    world.restart(minutes(1));
    world.run_until(minutes(2));
    assert_eq!(world.transitions, []);
    world.run_until(minutes(3));
    let fired: Vec<TimestampMs> = world.transitions.iter().map(|t| t.at).collect();
    assert_eq!(fired, [minutes(3)]);
}

#[test]
fn status_shows_groups_rules_and_their_health() {
    let text = "record z:x\n  expr x\n  every 1m\n  label site = \"s\"\n\
        alert A\n  expr x\n  every 2m\n  warning > 5 for 5m\n  critical > 8 for 1m keep 3m\n  summary \"x is\\n\\\"{value}\\\"\"\n";
    let mut world = world(text);
    let x = Labels::from_pairs([("__name__", "x"), ("i", "1")]);
    world.store.push(&x, 0, 9.0);
    let before = Engine::new(rules(text), Options::default()).unwrap();
    assert_eq!(
        before.status(minutes(0)).groups[0].rules[0].health,
        Health::Unknown
    );
    world.run_until(minutes(2));
    world.failing = Some("no".to_owned());
    world.run_until(minutes(3));
    let status = world.engine.status(minutes(3));
    let group = &status.groups[0];
    assert_eq!(
        (group.name.as_str(), group.file.as_str()),
        ("test", "rules/test.rules")
    );
    assert_eq!(group.interval, DurationMs::from_mins(1));
    assert_eq!(group.last_evaluation, Some(minutes(3)));
    let [record, alert] = &group.rules[..] else {
        panic!("two rules");
    };
    assert_eq!((record.name.as_str(), record.health), ("z:x", Health::Err));
    assert_eq!(record.last_error.as_deref(), Some("no"));
    assert_eq!(record.labels, [("site".to_owned(), "s".to_owned())]);
    assert_eq!(
        (record.last_evaluation, record.last_success),
        (Some(minutes(3)), Some(minutes(2)))
    );
    assert_eq!((alert.query.as_str(), alert.health), ("x", Health::Ok));
    let RuleKind::Alerting {
        hold_for,
        keep,
        annotations,
        alerts,
        ..
    } = &alert.kind
    else {
        panic!("an alert");
    };
    assert_eq!((hold_for.0, keep.0), (60_000, 180_000));
    assert_eq!(
        annotations,
        &[("summary".to_owned(), "x is\n\"{value}\"".to_owned())]
    );
    assert_eq!(alerts[0].annotations[0].1, "x is\n\"9\"");
    assert_eq!(status.groups[1].name, bellwether_engine::OWN_GROUP);
}

#[test]
fn slots_that_passed_are_counted() {
    let mut world = world("record z:x\n  expr x\n  every 1m\n");
    world.now = TimestampMs(minutes(5).0 - 1);
    world.run_until(minutes(5));
    let status = world.engine.status(minutes(5));
    assert_eq!(status.groups[0].rules[0].skipped, 4);
}

#[test]
fn damaged_rows_are_reported_and_the_rest_is_taken() {
    let mut engine = Engine::new(rules(""), Options::default()).unwrap();
    let rows = [(vec![9], vec![1]), (Vec::new(), Vec::new())];
    let restored = engine.restore(rows);
    assert_eq!((restored.rows, restored.damaged.len()), (0, 2));
}

/// Counts the selectors that rules ask for.
struct Counting<'a>(
    &'a bellwether_query::source::memory::MemorySource,
    std::sync::atomic::AtomicUsize,
);

impl bellwether_query::Source for Counting<'_> {
    fn select(
        &self,
        select: &bellwether_query::Select<'_>,
    ) -> Result<bellwether_query::SeriesSet<'_>, bellwether_query::SourceError> {
        self.1.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        self.0.select(select)
    }
}

/// What several rules of a tick have in common is asked of the store once, and each rule's answer is what it is alone.
#[test]
fn equal_parts_of_a_tick_are_evaluated_once() {
    let part = "sum by (i) (rate(x[2m]))";
    let rule = |name: &str, expr: String| {
        format!("alert {name}\n  expr {expr}\n  every 1m\n  warning > 0.05\n  critical > 0.5\n")
    };
    let all = [
        rule("Plain", part.to_owned()),
        rule("Part", format!("{part} / on () group_left () sum({part})")),
        rule("Twice", format!("max by (i) ({part} + 0) * {part}")),
        rule("Wrong", format!("{part} + on () {part}")),
    ];
    let run = |text: &str| {
        let mut world = World::new();
        for (i, step) in [("a", 1.0), ("b", 60.0)] {
            let labels = Labels::from_pairs([("__name__", "x"), ("i", i)]);
            for minute in 0..6 {
                world
                    .store
                    .push(&labels, minute * 60_000, minute as f64 * step);
            }
        }
        world.load(rules(text));
        world.run_until(minutes(5));
        world
    };
    let together = run(&all.concat());
    for (text, name) in all.iter().zip(["Plain", "Part", "Twice", "Wrong"]) {
        let of_rule = |world: &World| -> Vec<_> {
            let of = |t: &&bellwether_engine::Transition| {
                t.rule == name || t.identity.get("rule") == Some(name)
            };
            world.transitions.iter().filter(of).cloned().collect()
        };
        assert_eq!(of_rule(&together), of_rule(&run(text)), "{name}");
    }
    assert!(
        together.transitions.len() >= 5,
        "{:?}",
        together.transitions
    );
    let options = Options {
        spread: Spread::None,
        ..Options::default()
    };
    let mut engine = Engine::new(rules(&all[..3].concat()), options).expect("no circle");
    let counting = Counting(&together.store, std::sync::atomic::AtomicUsize::new(0));
    engine.tick(minutes(5), &counting, &mut Tick::default());
    assert_eq!(counting.1.into_inner(), 1, "one selector for three rules");
}
