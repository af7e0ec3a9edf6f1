//! The store against a `BTreeMap`: any sequence of operations, every answer compared.
//!
//! The model knows the rules of acceptance and nothing of logs, heads or segments.

use bellwether_disk::SimDisk;
use bellwether_model::{DurationMs, Labels, MatchOp, Matcher, STALE_NAN, TimeRange, TimestampMs};
use bellwether_store::{Commit, Config, DuplicatePolicy, RejectReason, Rejected, Store, View};
use proptest::prelude::*;
use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

const START: i64 = 1_793_491_200_000;
const WINDOW: i64 = 60_000;
const RETENTION: i64 = 3_600_000;
const FUTURE: i64 = 10_000;

/// One sample to be pushed: series, milliseconds after the present, value.
#[derive(Clone, Debug)]
struct Push {
    series: u8,
    offset: i64,
    value: f64,
}

#[derive(Clone, Debug)]
enum Op {
    Commit(Vec<Push>),
    /// All series at one time.
    Row(i64, Vec<f64>),
    Flush,
    Maintain,
    Reopen,
    CloseAndOpen,
    /// The clock goes on by so many milliseconds, or is set back.
    Pass(i64),
    /// Keeps a view, to be compared at the end.
    Hold,
    Query {
        from: i64,
        to: i64,
    },
}

fn value() -> impl Strategy<Value = f64> {
    prop_oneof![
        4 => (-5..5_i32).prop_map(f64::from),
        2 => (0..1000_u32).prop_map(|v| f64::from(v) / 100.0),
        1 => any::<u64>().prop_map(f64::from_bits),
        1 => prop::sample::select(vec![STALE_NAN, f64::NAN, f64::INFINITY, f64::NEG_INFINITY, -0.0, 0.0, f64::MIN_POSITIVE / 2.0]),
    ]
}

fn offset() -> impl Strategy<Value = i64> {
    prop_oneof![
        6 => -20..20_i64,
        2 => -2 * WINDOW..FUTURE + 2,
        1 => -RETENTION - 1000..0_i64,
    ]
}

fn op() -> impl Strategy<Value = Op> {
    let push = (0..6_u8, offset(), value()).prop_map(|(series, offset, value)| Push {
        series,
        offset,
        value,
    });
    prop_oneof![
        8 => prop::collection::vec(push, 1..12).prop_map(Op::Commit),
        4 => (offset(), prop::collection::vec(value(), 6)).prop_map(|(t, v)| Op::Row(t, v)),
        2 => Just(Op::Flush),
        1 => Just(Op::Maintain),
        1 => Just(Op::Reopen),
        1 => Just(Op::CloseAndOpen),
        4 => (0..200_i64).prop_map(Op::Pass),
        1 => (0..RETENTION / 2).prop_map(Op::Pass),
        1 => (-RETENTION / 2..0).prop_map(Op::Pass),
        2 => Just(Op::Hold),
        2 => (offset(), offset()).prop_map(|(a, b)| Op::Query { from: a.min(b), to: a.max(b) }),
    ]
}

type Samples = BTreeMap<(Labels, i64), u64>;

fn labels(series: u8) -> Labels {
    Labels::from_pairs([
        ("__name__", "m"),
        ("n", &series.to_string()),
        ("odd", ["no", "yes"][series as usize % 2]),
    ])
}

struct Model {
    samples: Samples,
    /// By series: the newest time ever accepted.
    newest: BTreeMap<Labels, i64>,
    policy: DuplicatePolicy,
}

impl Model {
    fn commit(&mut self, now: i64, pushes: &[Push]) -> Commit {
        let mut commit = Commit::default();
        for (index, push) in pushes.iter().enumerate() {
            let (t, bits, series) = (now + push.offset, push.value.to_bits(), labels(push.series));
            match self.judge(now, &series, t, bits) {
                Ok(true) => {
                    commit.accepted += 1;
                    self.take(series, t, bits);
                }
                Ok(false) => commit.duplicates += 1,
                Err(reason) => commit.rejected.push(Rejected { index, reason }),
            }
        }
        // Times are judged before anything else.
        commit.rejected.sort_by_key(|r| r.index);
        commit
    }

    fn judge(&self, now: i64, series: &Labels, t: i64, bits: u64) -> Result<bool, RejectReason> {
        if t > now + FUTURE {
            return Err(RejectReason::FutureTimestamp);
        }
        if t < now - RETENTION {
            return Err(RejectReason::BeyondRetention);
        }
        let Some(&newest) = self.newest.get(series) else {
            return Ok(true);
        };
        if t > newest {
            return Ok(true);
        }
        match (self.samples.get(&(series.clone(), t)), self.policy) {
            (Some(stored), _) if *stored == bits => return Ok(false),
            (Some(_), DuplicatePolicy::FirstWins) => return Ok(false),
            (Some(_), DuplicatePolicy::Reject) => return Err(RejectReason::Duplicate),
            _ => {}
        }
        // A sample ahead of what the clock allows now says nothing about the window.
        if t < newest.min(now + FUTURE) - WINDOW {
            Err(RejectReason::TooOld)
        } else {
            Ok(true)
        }
    }

    fn take(&mut self, series: Labels, t: i64, bits: u64) {
        let newest = self.newest.entry(series.clone()).or_insert(t);
        *newest = t.max(*newest);
        if self.policy == DuplicatePolicy::LastWins {
            self.samples.insert((series, t), bits);
        } else {
            self.samples.entry((series, t)).or_insert(bits);
        }
    }

    fn between(&self, from: i64, to: i64, matches: impl Fn(&Labels) -> bool) -> Samples {
        let inside = self
            .samples
            .iter()
            .filter(|((l, t), _)| from <= *t && *t <= to && matches(l));
        inside.map(|(k, v)| (k.clone(), *v)).collect()
    }
}

fn read(view: &View, matchers: &[Matcher], range: TimeRange) -> Samples {
    let selection = view.select(matchers, range, 100).expect("selects");
    assert!(selection.warnings.is_empty());
    assert!(selection.labels.windows(2).all(|pair| pair[0] < pair[1]));
    let (mut times, mut values, mut all) = (Vec::new(), Vec::new(), Samples::new());
    for (index, labels) in selection.labels.iter().enumerate() {
        selection
            .read(index, range, &mut times, &mut values)
            .expect("reads");
        assert!(times.windows(2).all(|pair| pair[0] < pair[1]));
        assert_eq!(times.len(), values.len());
        all.extend(
            times
                .iter()
                .zip(&values)
                .map(|(&t, v)| ((labels.clone(), t), v.to_bits())),
        );
    }
    all
}

fn open(disk: &SimDisk, policy: DuplicatePolicy, now: i64) -> Store {
    let config = Config {
        retention: DurationMs(RETENTION),
        ooo_window: DurationMs(WINDOW),
        future_max: DurationMs(FUTURE),
        duplicates: policy,
        wal_file_bytes: 4 << 10,
        wal_frame_bytes: 300,
        flush_wal_bytes: 6 << 10,
        disk_free_min: 0,
        disk_hysteresis: 0,
        open_bytes: 0, // Compressed as early as can be.
        ..Config::default()
    };
    let disk = Arc::new(disk.clone());
    let (store, report) =
        Store::open(disk, Path::new("data"), config, TimestampMs(now)).expect("opens");
    assert!(!report.has_damage(), "{report:?}");
    store
}

/// Retention may have dropped what is too old, and nothing else.
fn forget_expired(model: &mut Model, store: &Store, now: i64) {
    let held = read(&store.view(), &[], TimeRange::ALL);
    let newest = model.newest.values().max().copied().unwrap_or(i64::MIN);
    let cutoff = now.min(newest.saturating_add(3_600_000)) - RETENTION;
    model
        .samples
        .retain(|key, _| held.contains_key(key) || key.1 >= cutoff);
}

fn check(ops: &[Op], policy: DuplicatePolicy) {
    let disk = SimDisk::new();
    let mut now = START;
    let mut store = open(&disk, policy, now);
    let mut model = Model {
        samples: Samples::new(),
        newest: BTreeMap::new(),
        policy,
    };
    let mut held: Vec<(View, Samples)> = Vec::new();
    for op in ops {
        match op {
            Op::Commit(pushes) => {
                let mut appender = store.appender();
                for push in pushes {
                    let series = appender
                        .series(&labels(push.series))
                        .expect("below the limit");
                    appender.push(series, TimestampMs(now + push.offset), push.value);
                }
                let commit = appender.commit(TimestampMs(now)).expect("commits");
                assert_eq!(commit, model.commit(now, pushes));
            }
            Op::Row(offset, values) => {
                let mut appender = store.appender();
                let series: Vec<_> = (0..6)
                    .map(|s| appender.series(&labels(s)).expect("fits"))
                    .collect();
                appender.push_row(&series, TimestampMs(now + offset), values);
                let commit = appender.commit(TimestampMs(now)).expect("commits");
                let pushes: Vec<Push> = (0..6_u8)
                    .map(|series| Push {
                        series,
                        offset: *offset,
                        value: values[series as usize],
                    })
                    .collect();
                assert_eq!(commit, model.commit(now, &pushes));
            }
            Op::Flush => drop(store.flush(TimestampMs(now)).expect("flushes")),
            Op::Maintain => {
                store.maintain(TimestampMs(now)).expect("maintains");
                forget_expired(&mut model, &store, now);
            }
            Op::Reopen | Op::CloseAndOpen => {
                if matches!(op, Op::CloseAndOpen) {
                    store.close(TimestampMs(now)).expect("closes");
                } else {
                    drop(store);
                }
                // A view reads on, also when its store is gone.
                store = open(&disk, policy, now);
                // What retention dropped is not remembered.
                model.newest.clear();
                for (series, t) in model.samples.keys() {
                    model.newest.insert(series.clone(), *t);
                }
            }
            Op::Pass(ms) => now += ms,
            Op::Hold => held.push((store.view(), model.samples.clone())),
            Op::Query { from, to } => {
                let range = TimeRange::new(now + from, now + to);
                let odd = Matcher::new(MatchOp::Equal, "odd", "yes").expect("is one");
                let expected = model.between(now + from, now + to, |l| l.get("odd") == Some("yes"));
                assert_eq!(read(&store.view(), &[odd], range), expected);
            }
        }
        assert_eq!(read(&store.view(), &[], TimeRange::ALL), model.samples);
    }
    for (view, samples) in held {
        assert_eq!(
            read(&view, &[], TimeRange::ALL),
            samples,
            "a held view changed"
        );
    }
    assert!(store.verify().problems.is_empty());
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, ..ProptestConfig::default() })]

    #[test]
    fn the_store_agrees_with_a_map(ops in prop::collection::vec(op(), 1..60)) {
        check(&ops, DuplicatePolicy::LastWins);
    }

    #[test]
    fn so_it_does_when_the_first_value_wins(ops in prop::collection::vec(op(), 1..40)) {
        check(&ops, DuplicatePolicy::FirstWins);
    }

    #[test]
    fn so_it_does_when_duplicates_are_rejected(ops in prop::collection::vec(op(), 1..40)) {
        check(&ops, DuplicatePolicy::Reject);
    }
}

#[test]
fn a_long_series_passes_through_blocks_chunks_and_restarts() {
    let mut ops = Vec::new();
    for round in 0..30 {
        let row: Vec<f64> = (0..6).map(|s| f64::from(round * s) / 7.0).collect();
        for step in 0..40 {
            ops.push(Op::Row(
                step % 3 - 1,
                row.iter().map(|v| v + step as f64).collect(),
            ));
            ops.push(Op::Pass(1 + step % 2));
        }
        ops.push([Op::Hold, Op::Flush, Op::Reopen][round as usize % 3].clone());
    }
    check(&ops, DuplicatePolicy::LastWins);
}
