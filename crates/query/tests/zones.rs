//! What a segment knows of its chunks may stand for their samples, and never changes a bit of an answer.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

use std::path::Path;
use std::sync::Arc;

use bellwether_disk::SimDisk;
use bellwether_lang::promql::parse;
use bellwether_model::{Labels, STALE_NAN, TimestampMs};
use bellwether_query::source::store::ViewSource;
use bellwether_query::{Control, Options, Value, When, evaluate, explain};
use bellwether_store::{Config, Durability, Store};
use proptest::prelude::*;

const SAMPLES: i64 = 4000;
const STEP: i64 = 1000;
const END: i64 = SAMPLES * STEP;

const KINDS: usize = 14;

/// Values of one kind, the `i`th of a series.
fn value(kind: usize, i: i64) -> f64 {
    let whole = (i * 7919 % 1009 - 300) as f64;
    match kind {
        0 => whole,
        1 => whole / 4.0,
        // Sums that are too large to be exact, in one half.
        2 if i > SAMPLES / 2 => whole * 1e13,
        3 if i % 977 == 5 => f64::NAN,
        4 if i % 1500 == 7 => STALE_NAN,
        5 if i % 1300 == 9 => -0.0,
        6 if i % 700 == 3 => f64::INFINITY,
        7 => 42.0,
        8 => whole.max(0.0),
        // Counters: whole or not, that begin anew or do not; from zero, or not.
        9 => (i * 3) as f64,
        10 => (i % 1700 * 3) as f64,
        11 => i as f64 * 0.3 + 1e6,
        12 => (i % 1700) as f64 * 0.3,
        _ => (i % 3 + i / 2) as f64 * 1e13,
    }
}

/// Every kind as a series, flushed at `cuts`; the `late`th samples are written at the very end.
fn store(cuts: &[i64], late: &[i64]) -> Store {
    let config = Config {
        durability: Durability::Buffer { bytes: 1 << 20 }, // Nobody crashes here.
        ..Config::default()
    };
    let now = TimestampMs(2 * END);
    let (store, _) =
        Store::open(Arc::new(SimDisk::new()), Path::new("/store"), config, now).unwrap();
    let mut appender = store.appender();
    let mut write = |samples: &mut dyn Iterator<Item = i64>| {
        for i in samples {
            for kind in 0..KINDS {
                let labels = Labels::from_pairs([("__name__", "x"), ("kind", &kind.to_string())]);
                let series = appender.series(&labels).unwrap();
                appender.push(series, TimestampMs(i * STEP), value(kind, i));
            }
        }
        assert!(appender.commit(now).unwrap().rejected.is_empty());
    };
    let mut from = 0;
    for &cut in cuts.iter().chain([&SAMPLES]) {
        write(&mut (from..cut).filter(|i| !late.contains(i)));
        if cut < SAMPLES {
            store.flush(now).unwrap();
        }
        from = cut;
    }
    write(&mut late.iter().copied());
    store
}

/// Values to the bit, and what is said about them.
fn ask(store: &Store, query: &str, at: i64, zones: bool) -> (Vec<(Labels, u64)>, Vec<String>) {
    let options = Options {
        zones,
        ..Options::default()
    };
    let (view, when) = (store.view(), When::At(TimestampMs(at)));
    let expr = parse(query).unwrap();
    let answer = evaluate(&expr, &ViewSource(&view), when, &options, &Control::new()).unwrap();
    let Value::Vector(rows) = answer.value else {
        panic!("an instant vector");
    };
    let rows = rows.into_iter();
    let rows = rows.map(|(labels, sample)| (labels, sample.v.to_bits()));
    (rows.collect(), answer.infos)
}

fn samples_from_zones(store: &Store, query: &str, at: i64) -> u64 {
    let (view, when) = (store.view(), When::At(TimestampMs(at)));
    let expr = parse(query).unwrap();
    let (options, control) = (Options::default(), Control::new());
    let clock = || std::time::Duration::ZERO;
    let explained = explain(&expr, &ViewSource(&view), when, &options, &control, &clock).unwrap();
    explained
        .reads
        .iter()
        .map(|read| read.samples_from_zones)
        .sum()
}

const FUNCTIONS: [&str; 16] = [
    "sum_over_time",
    "avg_over_time",
    "count_over_time",
    "present_over_time",
    "min_over_time",
    "max_over_time",
    "first_over_time",
    "last_over_time",
    "ts_of_first_over_time",
    "ts_of_last_over_time",
    "rate",
    "increase",
    "delta",
    "resets",
    "changes",
    "stddev_over_time",
];

proptest! {
    #![proptest_config(ProptestConfig::with_cases(12))]
    #[test]
    fn zones_change_nothing(
        mut cuts in prop::collection::vec(1..SAMPLES, 0..4),
        late in prop::collection::btree_set(0..SAMPLES, 0..2),
        windows in prop::collection::vec((1..END, 1..END), 6),
    ) {
        cuts.sort_unstable();
        cuts.dedup();
        let store = store(&cuts, &late.into_iter().collect::<Vec<_>>());
        for (at, window) in windows {
            for function in FUNCTIONS {
                let query = format!("{function}(x[{window}ms])");
                let (with, without) = (ask(&store, &query, at, true), ask(&store, &query, at, false));
                prop_assert_eq!(with, without, "{} at {}", query, at);
            }
        }
    }
}

#[test]
fn a_window_over_closed_chunks_reads_little() {
    let store = store(&[3000, 3900], &[]);
    // Kinds 0, 3 and above have whole numbers in all chunks or in some.
    let query = "sum_over_time(x{kind=\"0\"}[2h])";
    assert_eq!(samples_from_zones(&store, query, END), 3900);
    let query = "sum_over_time(x{kind=\"1\"}[2h])";
    assert_eq!(samples_from_zones(&store, query, END), 0);
    // Of a counter it matters whether it fell, and if it did, whether it has whole numbers.
    for (kind, falls, zones) in [(9, 0, 3900), (10, 2, 3900), (11, 0, 3900), (12, 2, 0)] {
        let window = format!("(x{{kind=\"{kind}\"}}[2h])");
        let of = |function: &str| samples_from_zones(&store, &format!("{function}{window}"), END);
        assert_eq!((of("increase"), of("rate")), (zones, zones), "{kind}");
        assert_eq!((of("delta"), of("resets")), (3900, 3900), "{kind}");
        let (rows, _) = ask(&store, &format!("resets{window}"), END, true);
        assert_eq!(rows[0].1, f64::from(falls).to_bits(), "{kind}");
    }
    // The first chunk begins before the window.
    let query = "sum_over_time(x{kind=\"0\"}[2000s])";
    assert_eq!(samples_from_zones(&store, query, END), 900);
}

#[test]
fn overlapping_parts_are_read() {
    let late = store(&[3000, 3900], &[100]);
    let query = "sum_over_time(x{kind=\"0\"}[2h])";
    assert_eq!(samples_from_zones(&late, query, END), 0);
}
