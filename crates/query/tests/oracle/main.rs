//! Random expressions over random data: the evaluator against a naive one written from the definitions, and against itself.
//!
//! The seed decides everything. A failure prints it, and the smallest case that still fails, as a script of promqltest.
//! `BELLWETHER_ORACLE_CASES` asks for more cases, `BELLWETHER_ORACLE_SEED` for others.
#![expect(
    clippy::expect_used,
    clippy::panic,
    reason = "a test that cannot go on fails"
)]

#[expect(dead_code, reason = "`examples/promdiff` uses the rest")]
mod compare;
mod data;
mod naive;
mod random;
mod shrink;
mod stored;
mod writing;

use std::collections::{BTreeMap, BTreeSet};

use bellwether_lang::promql::ast::{AggregateOp, ExprKind, ValueType};
use bellwether_lang::promql::{self, Expr};
use bellwether_query::source::memory::MemorySource;
use bellwether_query::source::store::ViewSource;
use bellwether_store::Store;

use compare::{Said, Verdict, When, compare, ours, parse, same};
use data::{Data, SPAN, Shape};
use naive::{Naive, Rules, Times};
use random::Random;
use writing::Scope;

/// Expressions asked of one set of data.
const CASES_PER_DATA: u64 = 25;

/// More of them rarely say more.
const FAILURES_SHOWN: usize = 12;

fn number(name: &str, default: u64) -> u64 {
    #[expect(
        clippy::disallowed_methods,
        reason = "a test run is configured from outside"
    )]
    let text = std::env::var(name);
    text.ok()
        .and_then(|text| text.parse().ok())
        .unwrap_or(default)
}

/// Calls `test` for each of `default` cases, or as many as were asked for.
fn cases(default: u64, mut test: impl FnMut(u64, &mut Random, &Data, &MemorySource)) {
    let count = number("BELLWETHER_ORACLE_CASES", 3000) * default / 3000;
    let first = number("BELLWETHER_ORACLE_SEED", 0);
    let mut held: Option<(u64, Data, MemorySource)> = None;
    for seed in first..first + count.max(1) {
        let data_seed = seed / CASES_PER_DATA;
        if held.as_ref().is_none_or(|(of, _, _)| *of != data_seed) {
            let data = Data::random(data_seed, Shape::EDGES);
            let source = data.source();
            held = Some((data_seed, data, source));
        }
        if let Some((_, data, source)) = &held {
            test(seed, &mut Random::new(seed), data, source);
        }
    }
}

/// Without what depends on the times of the whole query.
const FIXED_TIMES: Scope = Scope {
    query_times: false,
    ..Scope::ALL
};

fn any_time(rng: &mut Random) -> i64 {
    rng.below(SPAN as u64 / 5_000 + 90) as i64 * 5_000
}

fn any_range(rng: &mut Random) -> When {
    let start = any_time(rng);
    let step = rng.pick(&[5_000, 15_000, 30_000, 60_000, 65_000, 300_000]);
    When(Times {
        start,
        end: start + rng.below(12) as i64 * step + rng.below(step as u64) as i64,
        step,
    })
}

#[test]
fn answers_are_what_the_definitions_say() {
    let mut counts: BTreeMap<String, u64> = BTreeMap::new();
    let mut failures = Vec::new();
    cases(3000, |seed, rng, data, source| {
        let expr = if rng.chance(4) {
            parse(&writing::window(rng, Scope::ALL))
        } else {
            parse(&writing::expression(rng, Scope::ALL))
        };
        let mut whens = vec![When::instant(any_time(rng))];
        if expr.value_type() != ValueType::Matrix {
            whens.push(any_range(rng));
        }
        for when in whens {
            let name = match compare(&expr, data, source, when) {
                Verdict::Same => "same".into(),
                Verdict::SameError => "same error".into(),
                Verdict::Unstable => "unstable".into(),
                Verdict::Open(why) => format!("open: {why}"),
                Verdict::Different(_) => {
                    if failures.len() < FAILURES_SHOWN {
                        let check = |expr: &Expr, data: &Data| match compare(
                            expr,
                            data,
                            &data.source(),
                            when,
                        ) {
                            Verdict::Different(difference) => Err(difference),
                            _ => Ok(()),
                        };
                        failures.push(smallest(seed, &expr, data, when, check));
                    }
                    "different".into()
                }
            };
            *counts.entry(name).or_default() += 1;
        }
    });
    assert!(failures.is_empty(), "{counts:#?}\n{}", failures.join("\n"));
    let all: u64 = counts.values().sum();
    println!("{all} answers: {counts:#?}");
    let of = |prefix: &str| -> u64 {
        counts
            .iter()
            .filter(|(name, _)| name.starts_with(prefix))
            .map(|(_, n)| n)
            .sum()
    };
    // A generator that writes only what cannot be compared would pass everything.
    assert!(of("unstable") * 50 <= all + 50, "too many unstable answers");
    assert!(of("open") * 8 <= all + 50, "too many open answers");
}

#[test]
fn a_range_is_its_instants_and_can_be_split() {
    cases(500, |seed, rng, data, _| {
        let expr = parse(&writing::expression(rng, FIXED_TIMES));
        let when = any_range(rng);
        let count = (when.0.end - when.0.start) / when.0.step + 1;
        let cut = rng.below(count as u64) as i64;
        let check = |expr: &Expr, data: &Data| whole_is_its_parts(expr, data, when, cut);
        must_hold(seed, &expr, data, when, check);
    });
}

/// A range in two parts, and each of its steps by itself.
fn whole_is_its_parts(expr: &Expr, data: &Data, when: When, cut: i64) -> Result<(), String> {
    let Times { start, end, step } = when.0;
    let source = data.source();
    let ask = |when| ours(expr, &source, when, 1);
    let whole = ask(when);
    let cut = start + cut * step;
    let mut halves = vec![ask(When(Times { end: cut, ..when.0 }))];
    if cut + step <= end {
        let start = cut + step;
        halves.push(ask(When(Times { start, ..when.0 })));
    }
    let instants = (0..=(end - start) / step).map(|i| ask(When::instant(start + i * step)));
    // An instant answer comes in an order if one is asked for, and sums depend on the order of their terms.
    let text = expr.to_string();
    let is_ordered = ["sort", "topk", "bottomk"].iter().any(|f| text.contains(f));
    let rounding = if is_ordered { 1e-12 } else { 0.0 };
    let checked = same(&whole, &joined(halves), 0.0)
        .and_then(|()| same(&whole, &joined(instants.collect()), rounding));
    // Where the definitions let the kind of query decide, so may we.
    let naive = Naive::new(data, when.0, Rules::PROMETHEUS_3);
    if checked.is_err() && compare::by_definition(&naive, expr, when).is_err() {
        return Ok(());
    }
    checked
}

/// The answers to consecutive parts of a range as one; an error in one is an error.
fn joined(parts: Vec<Said>) -> Said {
    let mut rows = compare::Rows::new();
    for part in parts {
        match part {
            Said::Rows(part) => {
                for (labels, points) in part {
                    rows.entry(labels).or_default().extend(points);
                }
            }
            other => return other,
        }
    }
    Said::Rows(rows)
}

#[test]
fn threads_do_not_change_a_bit() {
    cases(500, |seed, rng, data, _| {
        let expr = parse(&writing::expression(rng, Scope::ALL));
        let when = any_range(rng);
        must_hold(seed, &expr, data, when, |expr, data| {
            let source = data.source();
            let one = ours(expr, &source, when, 1);
            [2, 5]
                .iter()
                .try_for_each(|threads| same(&one, &ours(expr, &source, when, *threads), 0.0))
        });
    });
}

/// Head and segments, cut anywhere, with late samples and corrected ones: the same bits as from samples in memory.
#[test]
fn where_samples_are_stored_does_not_change_a_bit() {
    let mut segments = BTreeSet::new();
    let mut held: Option<(u64, Store)> = None;
    cases(250, |seed, rng, data, source| {
        let expr = parse(&writing::expression(rng, Scope::ALL));
        let store_seed = seed / CASES_PER_DATA;
        if held.as_ref().is_none_or(|(of, _)| *of != store_seed) {
            held = Some((store_seed, stored::stored(data, store_seed)));
        }
        let Some((_, store)) = &held else { return };
        segments.insert(store.stats().segments);
        for when in [When::instant(any_time(rng)), any_range(rng)] {
            if same_bits(&expr, source, store, when).is_err() {
                let check = |expr: &Expr, data: &Data| {
                    same_bits(
                        expr,
                        &data.source(),
                        &stored::stored(data, store_seed),
                        when,
                    )
                };
                must_hold(seed, &expr, data, when, check);
            }
        }
    });
    // Stores that are all head, or all one segment, would say little.
    assert!(segments.len() > 3, "{segments:?}");
}

fn same_bits(expr: &Expr, memory: &MemorySource, store: &Store, when: When) -> Result<(), String> {
    let view = store.view();
    let want = ours(expr, memory, when, 1);
    let got = ours(expr, &ViewSource(&view), when, 2);
    same(&want, &got, 0.0)?;
    if compare::bits(&want) == compare::bits(&got) {
        return Ok(());
    }
    Err(format!("equal but for bits: want {want:?}\n got {got:?}"))
}

#[test]
fn what_is_printed_reads_as_the_same_expression() {
    cases(3000, |seed, rng, _, _| {
        let text = writing::expression(rng, Scope::ALL);
        let expr = parse(&text);
        let printed = expr.to_string();
        assert_eq!(
            parse(&printed),
            expr,
            "seed {seed}: {text}\nprinted: {printed}"
        );
        assert_eq!(parse(&printed).to_string(), printed, "seed {seed}: {text}");
    });
}

#[test]
fn every_function_and_aggregation_is_written() {
    let mut written: BTreeSet<String> = BTreeSet::new();
    for seed in 0..4000 {
        note_names(
            &parse(&writing::expression(&mut Random::new(seed), Scope::ALL)),
            &mut written,
        );
    }
    let functions = promql::FUNCTIONS.iter().map(|f| f.name);
    let all = functions.chain(AggregateOp::ALL.iter().map(|op| op.text()));
    let missing: Vec<&str> = all.filter(|name| !written.contains(*name)).collect();
    // What `info` joins is in upstream's scripts; samples have no start timestamps.
    assert_eq!(missing, ["info", "start_timestamp"]);
}

fn note_names(expr: &Expr, names: &mut BTreeSet<String>) {
    match &expr.kind {
        ExprKind::Call(call) => names.insert(call.function.name.into()),
        ExprKind::Aggregate(a) => names.insert(a.op.text().into()),
        _ => false,
    };
    for child in expr.children() {
        note_names(child, names);
    }
}

/// Panics with the smallest case for which `check` fails, if it fails for this one.
fn must_hold(
    seed: u64,
    expr: &Expr,
    data: &Data,
    when: When,
    check: impl Fn(&Expr, &Data) -> Result<(), String>,
) {
    assert!(
        check(expr, data).is_ok(),
        "{}",
        smallest(seed, expr, data, when, check)
    );
}

/// The smallest case for which `check` still fails, as a script.
fn smallest(
    seed: u64,
    expr: &Expr,
    data: &Data,
    when: When,
    check: impl Fn(&Expr, &Data) -> Result<(), String>,
) -> String {
    let (small, less) = shrink::shrink(expr.clone(), data.clone(), |expr, data| {
        check(expr, data).is_err()
    });
    let difference = check(&small, &less).err().unwrap_or_default();
    format!(
        "seed {seed}: {expr}\nthe smallest case:\n\n{}\neval {when} {small}\n\n{difference}\n",
        less.script()
    )
}
