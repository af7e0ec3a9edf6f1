//! What is shared, that it is asked once, and that nobody sees a difference.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use bellwether_lang::promql::parse;
use bellwether_model::{Labels, TimestampMs};
use bellwether_query::source::memory::MemorySource;
use bellwether_query::{Select, SeriesSet, Source, SourceError};
use proptest::prelude::*;

use super::*;
use crate::plan::Plan;
use crate::slots::Spread;
use crate::testing::rules;
use crate::{Engine, Options, Tick};

fn slots(phase: i64, every: i64) -> Slots {
    Slots::new(DurationMs(phase), DurationMs(every))
}

/// The parts of rules that ask these things at these slots, and the rules made of them.
fn shared_at(asked: &[(&str, Slots, i64)]) -> (Vec<String>, Vec<String>) {
    let parsed: Vec<Expr> = asked
        .iter()
        .map(|(expr, ..)| parse(expr).unwrap())
        .collect();
    let whens = asked
        .iter()
        .map(|(_, slots, delay)| (*slots, DurationMs(*delay)));
    let asked: Vec<(Option<&Expr>, When)> = parsed.iter().map(Some).zip(whens).collect();
    let sharing = Sharing::of(&asked);
    let text = |expr: &Expr| {
        expr.to_string()
            .replace(PREFIX, "#")
            .replace("\\x00shared ", "#")
    };
    let rules = sharing.rules.iter().map(|rule| match rule {
        Some((expr, used)) => format!("{} {used:?}", text(expr)),
        None => String::new(),
    });
    let parts = sharing.parts.iter().map(|part| text(&part.expr));
    (parts.collect(), rules.collect())
}

fn shared(exprs: &[&str]) -> (Vec<String>, Vec<String>) {
    let asked: Vec<_> = exprs.iter().map(|e| (*e, slots(0, 1000), 0)).collect();
    shared_at(&asked)
}

#[test]
fn equal_parts_are_one_question_the_inner_ones_first() {
    let (parts, rules) = shared(&[
        "sum(rate(x[5m])) / max(sum(rate(x[5m])) + y)",
        "max(sum(rate(x[5m])) + y) > 5",
        "sum(z)",
    ]);
    // The rate is asked by the sum alone, so it is no part.
    assert_eq!(parts.len(), 2);
    assert_eq!(parts[0], "sum(rate(x[5m]))");
    assert!(parts[1].starts_with("max("), "{parts:?}");
    assert!(
        rules[0].ends_with("[0, 1]") && rules[1].ends_with("[0, 1]"),
        "{rules:?}"
    );
    assert_eq!(rules[2], "");
}

#[test]
fn what_keeps_names_asks_elsewhere_or_sees_the_tick_is_not_shared() {
    let twice = |expr: &'static str| shared(&[expr, expr]).0.len();
    for one in [
        "sum by (job) (x)",
        "rate(x[5m])",
        "a / on (job) b",
        "topk(3, x) + 1",
    ] {
        assert_eq!(twice(one), 1, "{one}");
    }
    for none in [
        "x",
        "vector(1) + 1",
        "topk(3, x)",
        "topk(3, rate(x[5m]))",
        "count({job=\"a\"})",
        "label_replace(rate(x[5m]), \"name\", \"$1\", \"__name__\", \"(.*)\")",
    ] {
        assert_eq!(twice(none), 0, "{none}");
    }
    // The function over it is a part, what is asked at its steps is none.
    assert_eq!(
        shared(&[
            "max_over_time(sum(x)[5m:])",
            "sum(x)",
            "max_over_time(sum(x)[5m:]) > 1"
        ])
        .0,
        ["max_over_time(sum(x)[5m:])"]
    );
    assert_eq!(
        shared(&["sum by (__name__) (x)", "sum by (__name__) (x)"])
            .0
            .len(),
        1
    );
}

#[test]
fn a_part_brings_what_it_needs_into_rules_that_share_less() {
    let (parts, rules) = shared(&[
        "sum(rate(x[5m]))",
        "rate(x[5m]) > 1",
        "sum(rate(x[5m])) + on (__name__) y",
    ]);
    assert_eq!(parts.len(), 2, "{parts:?}");
    assert!(rules[2].ends_with("[0, 1]"), "{rules:?}");
}

#[test]
fn rules_that_are_due_together_now_and_then_share() {
    let expr = "rate(x[5m])";
    let parts =
        |a: (Slots, i64), b: (Slots, i64)| shared_at(&[(expr, a.0, a.1), (expr, b.0, b.1)]).0.len();
    assert_eq!(parts((slots(10, 30), 0), (slots(40, 60), 0)), 1);
    assert_eq!(parts((slots(10, 30), 0), (slots(20, 60), 0)), 0);
    assert_eq!(parts((slots(10, 30), 0), (slots(10, 30), 5)), 0);
}

/// Counts what is asked of it.
struct Counting<'a>(&'a MemorySource, AtomicUsize);

impl Source for Counting<'_> {
    fn select(&self, select: &Select<'_>) -> Result<SeriesSet<'_>, SourceError> {
        self.1.fetch_add(1, Ordering::Relaxed);
        self.0.select(select)
    }
}

/// All effects of half an hour, and how many selections it took.
fn run(text: &str, store: &MemorySource, sharing: bool) -> (Tick, usize) {
    let mut plan = Plan::new(Arc::new(rules(text)), Spread::None).unwrap();
    if !sharing {
        plan.sharing = Sharing::default();
    }
    let mut engine = Engine::of_plan(Arc::new(plan), Options::default());
    let source = Counting(store, AtomicUsize::new(0));
    let (mut now, mut out) = (TimestampMs(0), Tick::default());
    while let Some(due) = engine.next_due(now).filter(|due| due.0 <= 1_800_000) {
        engine.tick(due, &source, &mut out);
        now = due;
    }
    (out, source.1.into_inner())
}

/// Equal effects; a marker of staleness is no number, and so not equal to itself.
fn same(a: &Tick, b: &Tick) -> bool {
    let samples = |tick: &Tick| -> Vec<(Labels, TimestampMs, u64)> {
        let samples = tick.samples.iter();
        samples
            .map(|(l, t, v)| (l.clone(), *t, v.to_bits()))
            .collect()
    };
    samples(a) == samples(b)
        && a.transitions == b.transitions
        && a.approaches == b.approaches
        && a.notices == b.notices
        && a.instances == b.instances
}

fn store(values: &[(u8, u8, f64)]) -> MemorySource {
    let mut store = MemorySource::new();
    for (minute, (job, code, step)) in (0..30).flat_map(|m| values.iter().map(move |v| (m, v))) {
        for metric in ["x", "y"] {
            let labels = Labels::from_pairs([
                ("__name__", metric.to_owned()),
                ("job", job.to_string()),
                ("code", code.to_string()),
            ]);
            store.push(&labels, minute * 60_000, step * minute as f64);
        }
    }
    store
}

#[test]
fn what_three_rules_ask_is_asked_once_a_tick() {
    let text = "record job:x:rate5m\n  expr sum by (job) (rate(x[5m]))\n  every 1m\n\
        alert High\n  expr sum by (job) (rate(x[5m])) / sum by (job) (rate(y[5m]))\n  every 1m\n  warning > 0.9 for 2m\n\
        alert Higher\n  expr sum by (job) (rate(x[5m])) / sum by (job) (rate(y[5m])) > 0.5\n  every 2m\n  warning\n";
    let store = store(&[(1, 1, 60.0), (2, 1, 30.0)]);
    let (alone, asked_alone) = run(text, &store, false);
    let (shared, asked) = run(text, &store, true);
    assert!(same(&alone, &shared));
    assert!(!shared.transitions.is_empty() && !shared.samples.is_empty());
    // Each minute x once and y once; without sharing thrice, and five times each second minute.
    assert_eq!((asked, asked_alone), (2 * 30, 3 * 15 + 5 * 15));
}

/// Rules of a few parts that are often equal, in shapes that use them differently.
fn rule_sets() -> impl Strategy<Value = String> {
    let part = prop_oneof![
        Just("rate(x[5m])"),
        Just("x / on (job, code) y"),
        Just("sum by (job) (rate(x[5m]))"),
        Just("max_over_time(x[10m])"),
        Just("last_over_time(y[3m])"),
        Just("x > 100"),
        Just("avg without (code) (y)"),
        Just("sum by (__name__, job) (x)"),
        Just("rate({__name__=~\"x|y\"}[5m])"),
        Just("job:r"),
    ];
    let whole = (part.clone(), part, 0..8_u8).prop_map(|(a, b, shape)| match shape {
        0 => a.to_owned(),
        1 => format!("({a}) + on (job) group_left () sum by (job) ({b})"),
        2 => format!("sum by (job) ({a}) / sum by (job) ({b})"),
        3 => format!("({a}) and on (job) ({b})"),
        4 => format!("topk(1, {a})"),
        5 => format!("absent({a}) or count({b})"),
        6 => format!("label_replace({a}, \"name\", \"$1\", \"__name__\", \"(.*)\")"),
        _ => format!("max_over_time(({a})[5m:1m])"),
    });
    prop::collection::vec((whole, 1..3_u8, any::<bool>()), 2..7).prop_map(|list| {
        let record = "record job:r\n  expr sum by (job) (rate(x[5m]))\n  every 1m\n".to_owned();
        let alerts = list.into_iter().enumerate().map(|(i, (expr, every, late))| {
            let delay = if late { "1m" } else { "0s" };
            format!("alert A{i}\n  expr {expr}\n  every {every}m\n  delay {delay}\n  warning > 1 for 2m\n")
        });
        [record].into_iter().chain(alerts).collect::<String>()
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn nobody_sees_that_parts_are_shared(
        text in rule_sets(),
        values in prop::collection::vec((0..3_u8, 0..3_u8, (0..9_u8).prop_map(|v| f64::from(v) * 7.3)), 1..6),
    ) {
        let store = store(&values);
        let (alone, _) = run(&text, &store, false);
        let (shared, _) = run(&text, &store, true);
        prop_assert!(same(&alone, &shared), "{text}\n{:?}\n{:?}", alone.transitions, shared.transitions);
    }
}
