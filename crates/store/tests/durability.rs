//! What each durability mode promises, held against what a disk may hold after a crash.
//!
//! In every mode, whole commits come back, and those that come back are the first ones.

use bellwether_disk::SimDisk;
use bellwether_disk::sim::Crash;
use bellwether_model::{Labels, TimeRange, TimestampMs};
use bellwether_store::{Config, Durability, Store};
use std::path::Path;
use std::sync::Arc;

const NOW: i64 = 1_793_491_200_000;
/// Samples of one commit.
const WIDTH: usize = 7;
const MODES: [Durability; 4] = [
    Durability::Sync,
    Durability::Write,
    Durability::Buffer { bytes: 1 << 20 },
    Durability::Buffer { bytes: 700 },
];

fn open(disk: &SimDisk, durability: Durability) -> Store {
    let config = Config {
        durability,
        wal_file_bytes: 4 << 10,
        wal_frame_bytes: 200,
        disk_free_min: 0,
        disk_hysteresis: 0,
        ..Config::default()
    };
    let opened = Store::open(
        Arc::new(disk.clone()),
        Path::new("data"),
        config,
        TimestampMs(NOW),
    );
    let (store, report) = opened.expect("opens");
    assert!(!report.has_damage(), "{report:?}");
    store
}

/// Commit number `n`: a row of series at a time of its own.
fn commit(store: &Store, n: usize) {
    let mut appender = store.appender();
    for series in 0..WIDTH {
        let labels = Labels::from_pairs([("n", series.to_string())]);
        let series = appender.series(&labels).expect("below the limit");
        appender.push(series, TimestampMs(NOW + n as i64), n as f64 / 3.0);
    }
    let commit = appender.commit(TimestampMs(NOW)).expect("commits");
    assert_eq!(commit.accepted, WIDTH as u64);
}

/// How many commits a crash leaves. Panics unless they are the first ones, and whole.
fn survivors(image: &SimDisk) -> usize {
    let store = open(image, Durability::Sync);
    let selection = store
        .view()
        .select(&[], TimeRange::ALL, 100)
        .expect("selects");
    let (mut times, mut values) = (Vec::new(), Vec::new());
    let mut counts = Vec::new();
    for index in 0..selection.len() {
        selection
            .read(index, TimeRange::ALL, &mut times, &mut values)
            .expect("reads");
        let first: Vec<i64> = (0..times.len() as i64).map(|n| NOW + n).collect();
        assert_eq!(times, first, "a hole");
        counts.push(times.len());
    }
    assert!(
        counts.iter().all(|count| *count == counts[0]),
        "part of a commit: {counts:?}"
    );
    assert!(counts.is_empty() || counts.len() == WIDTH);
    counts.first().copied().unwrap_or(0)
}

/// Runs `commits`, maintaining after every `every`th; calls `check` after each step with the disk, how many
/// commits there were, and how many of them at the last maintenance.
fn run(durability: Durability, every: usize, mut check: impl FnMut(&SimDisk, usize, usize)) {
    let disk = SimDisk::new();
    let store = open(&disk, durability);
    let mut maintained = 0;
    for n in 0..60 {
        commit(&store, n);
        if n % every == every - 1 {
            store.maintain(TimestampMs(NOW)).expect("maintains");
            maintained = n + 1;
        }
        check(&disk, n + 1, maintained);
    }
}

#[test]
fn a_synced_commit_survives_every_crash() {
    run(Durability::Sync, 1000, |disk, done, _| {
        for seed in 0..12 {
            assert_eq!(survivors(&disk.any_crash_image(seed)), done, "seed {seed}");
        }
    });
}

#[test]
fn a_written_commit_survives_the_death_of_the_process() {
    run(Durability::Write, 1000, |disk, done, _| {
        assert_eq!(survivors(&disk.crash_image(Crash::Kill)), done);
    });
}

#[test]
fn in_every_mode_what_was_maintained_survives_every_crash_and_the_rest_is_no_hole() {
    for mode in MODES {
        let mut lost = 0;
        run(mode, 9, |disk, done, maintained| {
            for seed in 0..12 {
                let survived = survivors(&disk.any_crash_image(seed));
                assert!(
                    (maintained..=done).contains(&survived),
                    "{mode:?}: {survived} of {done}"
                );
                lost += done - survived;
            }
        });
        // Else the modes would not be worth having, and this test would test nothing.
        assert_eq!(lost > 0, mode != Durability::Sync, "{mode:?} lost {lost}");
    }
}

#[test]
fn a_buffer_is_written_when_it_is_full() {
    let mut written = 0;
    run(Durability::Buffer { bytes: 700 }, 1000, |disk, done, _| {
        let survived = survivors(&disk.crash_image(Crash::Kill));
        assert!(
            survived >= written && done - survived < 20,
            "{survived} of {done}"
        );
        written = survived;
    });
    assert!(written > 0);
    // A large one is not, until someone asks or a log file ends.
    run(
        Durability::Buffer { bytes: 1 << 20 },
        20,
        |disk, done, maintained| {
            let survived = survivors(&disk.crash_image(Crash::Kill));
            assert!(survived == maintained || done > 30, "{survived} of {done}");
        },
    );
}

#[test]
fn a_store_that_is_let_go_of_writes_what_it_buffered() {
    for mode in MODES {
        let disk = SimDisk::new();
        let store = open(&disk, mode);
        (0..10).for_each(|n| commit(&store, n));
        drop(store);
        assert_eq!(survivors(&disk.crash_image(Crash::Drop)), 10, "{mode:?}");
    }
}
