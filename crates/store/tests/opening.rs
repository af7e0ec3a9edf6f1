//! What opening leaves behind, and what it makes of what it finds.

use bellwether_disk::sim::Crash;
use bellwether_disk::{Disk, DiskFile, OpenMode, SimDisk};
use bellwether_model::{DurationMs, Labels, MatchOp, Matcher, TimeRange, TimestampMs};
use bellwether_store::{Config, RecoveryReport, Store};
use std::path::Path;
use std::sync::Arc;

const NOW: i64 = 1_793_491_200_000;
const FILE_BYTES: u64 = 64 << 10;

fn config() -> Config {
    Config {
        wal_file_bytes: FILE_BYTES,
        disk_free_min: 0,
        disk_hysteresis: 0,
        ..Config::default()
    }
}

fn open_with(disk: &SimDisk, config: Config, now: i64) -> (Store, RecoveryReport) {
    let disk = Arc::new(disk.clone());
    Store::open(disk, Path::new("data"), config, TimestampMs(now)).expect("opens")
}

fn open(disk: &SimDisk) -> (Store, RecoveryReport) {
    open_with(disk, config(), NOW)
}

fn labels(n: u32) -> Labels {
    Labels::from_pairs([("__name__", "m".to_owned()), ("n", n.to_string())])
}

/// Commits one sample of each of these series.
fn append(store: &Store, series: std::ops::Range<u32>, t: i64) {
    let mut appender = store.appender();
    for n in series {
        let series = appender.series(&labels(n)).expect("below the limit");
        appender.push(series, TimestampMs(t), f64::from(n));
    }
    let commit = appender.commit(TimestampMs(t)).expect("commits");
    assert_eq!(commit.rejected, []);
}

/// Times of the samples of series `n`.
fn times(store: &Store, n: u32) -> Vec<i64> {
    let matcher = Matcher::new(MatchOp::Equal, "n", &n.to_string()).expect("is one");
    let selection = store
        .view()
        .select(&[matcher], TimeRange::ALL, 10)
        .expect("selects");
    let (mut times, mut values) = (Vec::new(), Vec::new());
    if !selection.is_empty() {
        selection
            .read(0, TimeRange::ALL, &mut times, &mut values)
            .expect("reads");
    }
    times
}

/// Number and bytes of all log files.
fn log_files(disk: &SimDisk) -> (usize, u64) {
    let paths = disk.read_dir(Path::new("data/wal")).expect("is there");
    let len = |path| {
        let file: Arc<dyn DiskFile> = disk.open(path, OpenMode::Read).expect("opens");
        file.len().expect("has one")
    };
    (paths.len(), paths.iter().map(|path| len(path)).sum())
}

#[test]
fn opening_again_and_again_does_not_pile_up_log_files() {
    let disk = SimDisk::new();
    let (store, _) = open(&disk);
    append(&store, 0..5, NOW);
    drop(store);
    for _ in 0..20 {
        let (store, report) = open(&disk);
        assert_eq!((report.samples, times(&store, 3)), (5, vec![NOW]));
    }
    let (files, bytes) = log_files(&disk);
    assert!(
        files <= 2 && bytes < FILE_BYTES,
        "{files} files of {bytes} bytes"
    );
}

#[test]
fn a_process_that_is_killed_again_and_again_keeps_only_the_log_that_it_wrote() {
    let mut disk = SimDisk::new();
    for life in 0..20 {
        let (store, report) = open(&disk);
        assert_eq!(report.samples, life);
        append(&store, 0..1, NOW + life as i64);
        disk = disk.crash_image(Crash::Kill);
    }
    let (_, bytes) = log_files(&disk);
    assert!(bytes < 2 * FILE_BYTES, "{bytes} bytes for 20 samples");
    // Of files that were made ready and never written to, nothing stays.
    let mut disk = SimDisk::new();
    for _ in 0..20 {
        let (store, _) = open(&disk);
        append(&store, 0..1, NOW);
        store.flush(TimestampMs(NOW)).expect("flushes");
        disk = disk.crash_image(Crash::Kill);
    }
    let (files, _) = log_files(&disk);
    assert!(files <= 2, "{files} files");
}

#[test]
fn what_a_killed_process_had_not_synced_is_whole_before_the_log_goes_on() {
    let disk = SimDisk::new();
    let (store, _) = open(&disk);
    append(&store, 0..5, NOW);
    // The write comes through, the sync does not.
    disk.crash_after(disk.ops() + 1);
    let mut appender = store.appender();
    let series = appender.series(&labels(7)).expect("below the limit");
    appender.push(series, TimestampMs(NOW), 7.0);
    appender
        .commit(TimestampMs(NOW))
        .expect_err("the process is dead");
    drop((store, appender));
    // The machine lives.
    disk.crash_after(u64::MAX);
    let (store, _) = open(&disk);
    assert_eq!(times(&store, 7), [NOW]);
    append(&store, 8..9, NOW);
    let (store, report) = open(&disk.crash_image(Crash::Drop));
    assert!(!report.has_damage(), "{report:?}");
    assert_eq!((times(&store, 7), times(&store, 8)), (vec![NOW], vec![NOW]));
}

#[test]
fn opening_and_closing_a_closed_store_writes_what_the_database_writes() {
    let disk = SimDisk::new();
    let (store, _) = open(&disk);
    append(&store, 0..5, NOW);
    store.close(TimestampMs(NOW)).expect("closes");
    let before = disk.ops();
    let (store, report) = open(&disk);
    assert!(report.clean);
    store.close(TimestampMs(NOW)).expect("closes");
    let trace = disk.trace();
    let changed = trace[before as usize..]
        .iter()
        .filter(|op| op.kind.changes_disk());
    for op in changed {
        let name = op.path.file_name().and_then(|name| name.to_str());
        // The lock is the process id.
        assert!(matches!(name, Some("catalog.redb" | "lock")), "{op:?}");
    }
}

#[test]
fn a_series_that_was_forgotten_and_comes_back_is_found_after_a_flush_and_a_restart() {
    let disk = SimDisk::new();
    let (store, _) = open(&disk);
    append(&store, 0..12_000, NOW - 3_600_000);
    store.flush(TimestampMs(NOW)).expect("flushes");
    append(&store, 20_000..20_001, NOW);
    store.flush(TimestampMs(NOW)).expect("flushes");
    drop(store);
    // A shorter retention lets the first segment go; the next open forgets its series.
    let short = Config {
        retention: DurationMs(60_000),
        ..config()
    };
    let (store, _) = open_with(&disk, short, NOW);
    let dropped = store
        .maintain(TimestampMs(NOW))
        .expect("maintains")
        .segments_dropped;
    assert_eq!(dropped, 1);
    drop(store);
    let (store, _) = open(&disk);
    assert_eq!(store.stats().series, 1, "the others are forgotten");
    append(&store, 5..6, NOW);
    store.flush(TimestampMs(NOW)).expect("flushes");
    assert_eq!(times(&store, 5), [NOW]);
    drop(store);
    let (store, report) = open(&disk);
    assert!(!report.has_damage(), "{report:?}");
    assert_eq!(
        (times(&store, 5), times(&store, 20_000)),
        (vec![NOW], vec![NOW])
    );
    assert_eq!(store.stats().series, 2);
}
