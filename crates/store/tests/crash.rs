//! Crashes at every kind of moment, on a disk that forgets, tears and reorders what was not synced.
//!
//! A seeded workload runs until the disk stops answering; every image of what the disk may hold then is
//! recovered, and checked: what was acknowledged is there, whole batches only, in order, nothing that was
//! never sent; recovering twice changes nothing; the store goes on taking samples.

use bellwether_disk::SimDisk;
use bellwether_model::{Labels, TimeRange, TimestampMs};
use bellwether_store::{Config, Store, StoreError};
use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

const START: i64 = 1_793_491_200_000;
const SERIES: u64 = 12;

/// By series and time: the bits of the value.
type Samples = BTreeMap<(String, i64), u64>;

/// SplitMix64: every run of a seed is the same.
struct Rng(u64);

impl Rng {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    fn below(&mut self, end: u64) -> u64 {
        self.next() % end
    }
}

fn config() -> Config {
    Config {
        wal_file_bytes: 8 << 10,
        wal_frame_bytes: 600,
        flush_wal_bytes: 24 << 10,
        disk_free_min: 0,
        disk_hysteresis: 0,
        ..Config::default()
    }
}

fn open(disk: &SimDisk) -> Result<Store, StoreError> {
    let disk = Arc::new(disk.clone());
    Store::open(disk, Path::new("data"), config(), TimestampMs(START)).map(|(store, _)| store)
}

fn labels(series: u64) -> Labels {
    Labels::from_pairs([("__name__", "m"), ("n", &series.to_string())])
}

/// What a workload was told.
#[derive(Default)]
struct Told {
    /// After each acknowledged batch: everything acknowledged so far.
    acknowledged: Samples,
    /// Everything, had the batch under way been taken as well.
    with_pending: Option<Samples>,
}

/// Batches, flushes, maintenance, closes and reopenings, until `steps` are done or the disk is gone.
fn run(disk: &SimDisk, seed: u64, steps: usize) -> Told {
    let mut rng = Rng(seed);
    let mut told = Told::default();
    let Ok(mut store) = open(disk) else {
        return told;
    };
    let mut time = START;
    for _ in 0..steps {
        let now = TimestampMs(time);
        let went_on = match rng.below(24) {
            0 | 1 => store.flush(now).is_ok(),
            2 => store.maintain(now).is_ok(),
            3 => {
                drop(store);
                match open(disk) {
                    Ok(opened) => store = opened,
                    Err(_) => return told,
                }
                true
            }
            4 => {
                if store.close(now).is_err() {
                    return told;
                }
                match open(disk) {
                    Ok(opened) => store = opened,
                    Err(_) => return told,
                }
                true
            }
            _ => {
                time += 1000;
                commit(&store, &mut rng, time, &mut told)
            }
        };
        if !went_on {
            return told;
        }
    }
    told
}

fn commit(store: &Store, rng: &mut Rng, time: i64, told: &mut Told) -> bool {
    let mut appender = store.appender();
    let mut after = told.acknowledged.clone();
    // Some batches are large enough to span sectors and files.
    let rows = if rng.below(10) == 0 {
        150
    } else {
        1 + rng.below(5)
    };
    for row in 0..rows {
        let late = if rng.below(5) == 0 {
            rng.below(4000) as i64
        } else {
            0
        };
        let t = time + row as i64 - late;
        for series in (0..SERIES).filter(|_| rng.below(3) > 0).collect::<Vec<_>>() {
            let value = if rng.below(2) == 0 {
                rng.below(1000) as f64
            } else {
                f64::from_bits(rng.next())
            };
            let labels = labels(series);
            let series = appender.series(&labels).expect("below the limit");
            appender.push(series, TimestampMs(t), value);
            after.insert((labels.to_string(), t), value.to_bits());
        }
    }
    let Ok(commit) = appender.commit(TimestampMs(time)) else {
        told.with_pending = Some(after);
        return false;
    };
    assert!(commit.rejected.is_empty());
    told.acknowledged = after;
    told.with_pending = None;
    true
}

fn dump(store: &Store) -> Samples {
    let selection = store
        .view()
        .select(&[], TimeRange::ALL, 1000)
        .expect("selects");
    assert!(selection.warnings.is_empty(), "{:?}", selection.warnings);
    let (mut times, mut values) = (Vec::new(), Vec::new());
    let mut all = Samples::new();
    for (index, labels) in selection.labels.iter().enumerate() {
        selection
            .read(index, TimeRange::ALL, &mut times, &mut values)
            .expect("reads");
        assert!(times.windows(2).all(|pair| pair[0] < pair[1]));
        let name = labels.to_string();
        all.extend(
            times
                .iter()
                .zip(&values)
                .map(|(&t, v)| ((name.clone(), t), v.to_bits())),
        );
    }
    all
}

fn check(image: &SimDisk, told: &Told, what: &str) {
    let (store, report) = Store::open(
        Arc::new(image.clone()),
        Path::new("data"),
        config(),
        TimestampMs(START),
    )
    .unwrap_or_else(|error| panic!("{what}: does not open: {error}"));
    assert!(!report.has_damage(), "{what}: {report:?}");
    assert_eq!(report.catalog_rebuilt, None, "{what}");
    let found = dump(&store);
    let as_told = found == told.acknowledged || told.with_pending.as_ref() == Some(&found);
    if !as_told {
        let missing = told
            .acknowledged
            .iter()
            .filter(|(k, v)| found.get(k) != Some(v))
            .count();
        let strange = found
            .iter()
            .filter(|(k, v)| told.acknowledged.get(k) != Some(v))
            .count();
        panic!("{what}: {missing} samples are missing, {strange} unaccounted for; {report:?}");
    }
    drop(store);
    // Once more: recovery has nothing left to do, and the store works.
    let store = open(image).unwrap_or_else(|error| panic!("{what}: does not open again: {error}"));
    assert_eq!(dump(&store), found, "{what}: recovering twice differs");
    let mut told = Told {
        acknowledged: found,
        with_pending: None,
    };
    let mut rng = Rng(1);
    for step in 0..3 {
        assert!(
            commit(&store, &mut rng, START + 100_000_000 + step, &mut told),
            "{what}: refuses samples"
        );
    }
    drop(store);
    let store =
        open(image).unwrap_or_else(|error| panic!("{what}: does not open a third time: {error}"));
    assert_eq!(
        dump(&store),
        told.acknowledged,
        "{what}: later samples are lost"
    );
    let problems = store.verify().problems;
    assert!(problems.is_empty(), "{what}: {problems:?}");
}

/// How many workloads, crashes in each, and images of each crash. More when `BELLWETHER_CRASH_IMAGES` says so.
#[expect(
    clippy::disallowed_methods,
    reason = "a longer run is asked for from outside, without building anew"
)]
fn sizes() -> (u64, u64, u64) {
    let images = std::env::var("BELLWETHER_CRASH_IMAGES")
        .ok()
        .and_then(|n| n.parse::<u64>().ok())
        .unwrap_or(3000);
    (images.div_ceil(60), 12, 5)
}

#[test]
fn nothing_acknowledged_is_lost_at_any_crash() {
    let (workloads, crashes, images) = sizes();
    for seed in 0..workloads {
        let whole = SimDisk::new();
        run(&whole, seed, 40);
        let points = whole.changing_ops();
        let mut rng = Rng(seed ^ 0xdead);
        for _ in 0..crashes {
            let disk = SimDisk::new();
            let at = points[rng.below(points.len() as u64) as usize];
            disk.crash_after(at);
            let told = run(&disk, seed, 40);
            for image in 0..images {
                let what = format!("seed {seed}, crash before call {at}, image {image}");
                check(&disk.any_crash_image(rng.next()), &told, &what);
            }
        }
    }
}

#[test]
fn nothing_is_lost_when_recovery_crashes_too() {
    for seed in 0..sizes().0 {
        let whole = SimDisk::new();
        run(&whole, seed, 30);
        let mut rng = Rng(seed ^ 0xbeef);
        let points = whole.changing_ops();
        let disk = SimDisk::new();
        disk.crash_after(points[rng.below(points.len() as u64) as usize]);
        let told = run(&disk, seed, 30);
        let mut image = disk.any_crash_image(rng.next());
        for again in 0..3 {
            // How many calls this recovery makes; then a crash before one of them.
            let probe = image.any_crash_image(0);
            let before = probe.ops();
            drop(open(&probe));
            let crash = before + rng.below(probe.ops() - before + 1);
            image.crash_after(image.ops() + crash - before);
            drop(open(&image));
            image = image.any_crash_image(rng.next());
            check(
                &image.any_crash_image(1),
                &told,
                &format!("seed {seed}, crash {again} of recovery at {crash}"),
            );
        }
    }
}
