//! Which samples are taken, as a client sees it: retries, late samples, clocks that were wrong; and what that takes.

use bellwether_disk::{Disk, RealDisk};
use bellwether_model::{Labels, TimeRange, TimestampMs};
use bellwether_store::{Commit, Config, DuplicatePolicy, RejectReason, Store};
use std::path::Path;

const MINUTE: i64 = 60_000;
const HOUR: i64 = 60 * MINUTE;
const DAY: i64 = 24 * HOUR;
const NOW: i64 = 1_793_491_200_000;

fn open(folder: &Path, duplicates: DuplicatePolicy) -> Store {
    let config = Config {
        duplicates,
        wal_file_bytes: 1 << 20,
        ..Config::default()
    };
    Store::open(RealDisk::shared(), folder, config, TimestampMs(NOW))
        .expect("opens")
        .0
}

/// Commits samples of `load{host=...}` at times relative to the clock `now`.
fn append(store: &Store, now: i64, host: &str, samples: &[(i64, f64)]) -> Commit {
    let mut appender = store.appender();
    let labels = Labels::from_pairs([("__name__", "load"), ("host", host)]);
    let series = appender.series(&labels).expect("creates");
    for &(offset, value) in samples {
        appender.push(series, TimestampMs(now + offset), value);
    }
    appender.commit(TimestampMs(now)).expect("commits")
}

/// Accepted, duplicates, rejected.
fn counts(commit: &Commit) -> (u64, u64, usize) {
    (commit.accepted, commit.duplicates, commit.rejected.len())
}

/// The samples of the first series, times relative to `NOW`.
fn read(store: &Store) -> Vec<(i64, f64)> {
    let selection = store
        .view()
        .select(&[], TimeRange::ALL, 10)
        .expect("selects");
    let (mut times, mut values) = (Vec::new(), Vec::new());
    selection
        .read(0, TimeRange::ALL, &mut times, &mut values)
        .expect("reads");
    times.into_iter().map(|t| t - NOW).zip(values).collect()
}

fn a_day() -> Vec<(i64, f64)> {
    (0..8640)
        .map(|i| (i * 10_000 - DAY, (i % 100) as f64))
        .collect()
}

#[test]
fn a_day_of_samples_sent_twice_is_stored_once() {
    let folder = tempfile::tempdir().expect("makes a folder");
    let store = open(folder.path(), DuplicatePolicy::LastWins);
    let day = a_day();
    assert_eq!(counts(&append(&store, NOW, "a", &day)), (8640, 0, 0));
    let (samples, log) = (store.stats().head_samples, store.stats().wal_bytes);
    assert_eq!(counts(&append(&store, NOW, "a", &day)), (0, 8640, 0));
    assert_eq!(store.stats().head_samples, samples);
    assert_eq!(store.stats().wal_bytes, log);
    // The same after a flush, after a crash and after a restart: segments are looked into.
    store.flush(TimestampMs(NOW)).expect("flushes");
    assert_eq!(counts(&append(&store, NOW, "a", &day)), (0, 8640, 0));
    append(&store, NOW, "a", &[(1, 1.0)]);
    assert_eq!(counts(&append(&store, NOW, "a", &day)), (0, 8640, 0));
    drop(store);
    let store = open(folder.path(), DuplicatePolicy::LastWins);
    assert_eq!(counts(&append(&store, NOW, "a", &day)), (0, 8640, 0));
    store.close(TimestampMs(NOW)).expect("closes");
    let store = open(folder.path(), DuplicatePolicy::LastWins);
    assert_eq!(counts(&append(&store, NOW, "a", &day)), (0, 8640, 0));
    assert_eq!(read(&store)[..8640], day);
}

#[test]
fn a_body_that_repeats_itself_is_stored_once() {
    let folder = tempfile::tempdir().expect("makes a folder");
    let store = open(folder.path(), DuplicatePolicy::LastWins);
    let twice: Vec<_> = a_day().into_iter().chain(a_day()).collect();
    assert_eq!(counts(&append(&store, NOW, "a", &twice)), (8640, 8640, 0));
    assert_eq!(store.stats().head_samples, 8640);
}

#[test]
fn repeated_late_samples_are_stored_once() {
    let folder = tempfile::tempdir().expect("makes a folder");
    let store = open(folder.path(), DuplicatePolicy::LastWins);
    append(&store, NOW, "a", &[(0, 1.0)]);
    let late: Vec<_> = (1..100).map(|i| (-i * MINUTE, i as f64)).collect();
    assert_eq!(counts(&append(&store, NOW, "a", &late)), (99, 0, 0));
    for _ in 0..3 {
        assert_eq!(counts(&append(&store, NOW, "a", &late)), (0, 99, 0));
        store.flush(TimestampMs(NOW)).expect("flushes");
    }
    assert_eq!(store.stats().segment_samples, 100);
}

#[test]
fn of_two_values_at_one_time_the_policy_chooses_wherever_the_first_is() {
    use DuplicatePolicy::{FirstWins, LastWins, Reject};
    for (policy, expected, other, value) in [
        (LastWins, (1, 0, 0), (1, 0, 0), 3.0),
        (FirstWins, (0, 1, 0), (0, 1, 0), 1.0),
        (Reject, (0, 0, 1), (0, 0, 1), 1.0),
    ] {
        let folder = tempfile::tempdir().expect("makes a folder");
        let store = open(folder.path(), policy);
        append(&store, NOW, "a", &[(-HOUR, 1.0), (0, 0.0)]);
        assert_eq!(counts(&append(&store, NOW, "a", &[(-HOUR, 2.0)])), expected);
        store.flush(TimestampMs(NOW)).expect("flushes");
        assert_eq!(counts(&append(&store, NOW, "a", &[(-HOUR, 3.0)])), other);
        assert_eq!(read(&store), [(-HOUR, value), (0, 0.0)], "{policy:?}");
    }
}

#[test]
fn another_value_before_the_window_is_too_old() {
    let folder = tempfile::tempdir().expect("makes a folder");
    let store = open(folder.path(), DuplicatePolicy::LastWins);
    append(&store, NOW, "a", &[(-3 * HOUR, 1.0), (0, 0.0)]);
    let commit = append(&store, NOW, "a", &[(-3 * HOUR, 2.0), (-3 * HOUR, 1.0)]);
    assert_eq!(counts(&commit), (0, 1, 1));
    assert_eq!(
        (commit.rejected[0].index, commit.rejected[0].reason),
        (0, RejectReason::TooOld)
    );
    assert_eq!(read(&store), [(-3 * HOUR, 1.0), (0, 0.0)]);
}

#[test]
fn a_clock_that_ran_ahead_and_was_set_back_does_not_freeze_its_series() {
    let folder = tempfile::tempdir().expect("makes a folder");
    let store = open(folder.path(), DuplicatePolicy::LastWins);
    append(&store, NOW, "a", &[(0, 1.0)]);
    // For an hour the clock is a week ahead; then somebody sets it right.
    let ahead = NOW + 7 * DAY;
    append(&store, ahead, "a", &[(0, 2.0), (HOUR, 3.0)]);
    append(&store, ahead + HOUR, "a", &[(0, 3.0)]);
    let later = NOW + 2 * HOUR;
    assert_eq!(
        counts(&append(&store, later, "a", &[(0, 4.0), (10_000, 5.0)])),
        (2, 0, 0)
    );
    // From the right time the window is what it always was.
    let commit = append(&store, later, "a", &[(-HOUR, 0.5), (-3 * HOUR, 9.0)]);
    assert_eq!(counts(&commit), (1, 0, 1));
    // Nor does a restart change that.
    store.close(TimestampMs(later)).expect("closes");
    let store = open(folder.path(), DuplicatePolicy::LastWins);
    assert_eq!(
        counts(&append(&store, later, "a", &[(20_000, 6.0)])),
        (1, 0, 0)
    );
    let offsets: Vec<i64> = read(&store).into_iter().map(|(t, _)| t).collect();
    let expected = [
        0,
        HOUR,
        2 * HOUR,
        2 * HOUR + 10_000,
        2 * HOUR + 20_000,
        7 * DAY,
        7 * DAY + HOUR,
    ];
    assert_eq!(offsets, expected);
}

#[test]
fn log_files_do_not_grow_from_flush_to_flush() {
    let folder = tempfile::tempdir().expect("makes a folder");
    let store = open(folder.path(), DuplicatePolicy::LastWins);
    let mut appender = store.appender();
    let long = "x".repeat(200);
    let series: Vec<_> = (0..1000)
        .map(|i| {
            Labels::from_pairs([
                ("__name__", format!("m{i}")),
                ("long", format!("{i}{long}")),
            ])
        })
        .map(|labels| appender.series(&labels).expect("creates"))
        .collect();
    for round in 0..12 {
        // Each file defines the series anew.
        let t = TimestampMs(NOW + round);
        appender.push_row(&series, t, &[1.0; 1000]);
        appender.commit(t).expect("commits");
        let files = RealDisk.read_dir(&folder.path().join("wal"));
        for file in files.expect("is there") {
            let bytes = file.metadata().expect("is there").len();
            assert!(
                bytes <= 1 << 20,
                "round {round}: a log file of {bytes} bytes"
            );
        }
        store.flush(t).expect("flushes");
    }
}
