//! Full disks: what is refused, that nothing acknowledged is lost, and that the store goes on by itself.

use bellwether_disk::sim::{Fault, OpKind};
use bellwether_disk::{SimDisk, write_file_atomically};
use bellwether_model::{Labels, TimeRange, TimestampMs};
use bellwether_store::{Config, Health, ReadOnly, RecoveryReport, Store, StoreError};
use std::path::Path;
use std::sync::Arc;

const NOW: TimestampMs = TimestampMs(1_793_491_200_000);
const ENOSPC: i32 = 28;
const FULL: Health = Health::ReadOnly {
    reason: ReadOnly::DiskFull,
};

fn config() -> Config {
    Config {
        wal_file_bytes: 64 << 10,
        disk_free_min: 100_000,
        disk_hysteresis: 50_000,
        ..Config::default()
    }
}

fn open_with(disk: &SimDisk, config: Config) -> (Store, RecoveryReport) {
    Store::open(Arc::new(disk.clone()), Path::new("data"), config, NOW).expect("opens")
}

fn open(disk: &SimDisk) -> Store {
    open_with(disk, config()).0
}

/// Commits `count` samples of one series, a second apart from `from` seconds after now on.
fn append(store: &Store, name: &str, from: i64, count: i64) -> Result<u64, StoreError> {
    let mut appender = store.appender();
    let series = appender
        .series(&Labels::from_pairs([("n", name)]))
        .expect("below the limit");
    for i in from..from + count {
        appender.push(series, TimestampMs(NOW.0 + i * 1000), i as f64);
    }
    appender.commit(NOW).map(|commit| commit.accepted)
}

/// Seconds after now of all samples, by the order of series.
fn times(store: &Store) -> Vec<i64> {
    let selection = store
        .view()
        .select(&[], TimeRange::ALL, 10_000)
        .expect("selects");
    let (mut times, mut values, mut all) = (Vec::new(), Vec::new(), Vec::new());
    for index in 0..selection.len() {
        selection
            .read(index, TimeRange::ALL, &mut times, &mut values)
            .expect("reads");
        all.extend(times.iter().map(|t| (t - NOW.0) / 1000));
    }
    all
}

fn is_full(result: &Result<u64, StoreError>) -> bool {
    matches!(
        result,
        Err(StoreError::ReadOnly {
            reason: ReadOnly::DiskFull
        })
    )
}

#[test]
fn a_full_disk_stops_writing_and_is_left_again_by_itself() {
    let disk = SimDisk::new();
    let store = open(&disk);
    append(&store, "a", -100, 10).expect("commits");
    disk.set_free_space(Some(99_000));
    store.maintain(NOW).expect("maintains");
    assert!(is_full(&append(&store, "a", -50, 10)));
    assert_eq!(times(&store).len(), 10);
    disk.set_free_space(Some(149_000));
    store.maintain(NOW).expect("maintains");
    assert_eq!(store.health(), FULL, "not far enough above");
    disk.set_free_space(Some(500_000));
    store.maintain(NOW).expect("maintains");
    append(&store, "a", -50, 10).expect("commits");
    assert_eq!(times(&store).len(), 20);
}

#[test]
fn of_a_large_disk_a_part_stays_free() {
    let disk = SimDisk::new();
    let half = Config {
        disk_free_min_percent: 50,
        ..config()
    };
    let (store, _) = open_with(&disk, half);
    append(&store, "a", -100, 10).expect("commits");
    write_file_atomically(&disk, Path::new("other"), &vec![0; 1 << 20]).expect("writes");
    disk.set_free_space(Some(1 << 20));
    store.maintain(NOW).expect("maintains");
    assert_eq!(store.health(), FULL);
    disk.set_free_space(Some(4 << 20));
    store.maintain(NOW).expect("maintains");
    assert_eq!(store.health(), Health::Ok);
}

#[test]
fn a_disk_that_fills_between_two_looks_loses_nothing_acknowledged() {
    // With one series, and with long names that the log must hold twice.
    for new_series in [false, true] {
        let disk = SimDisk::new();
        let store = open(&disk);
        let mut taken = append(&store, "first", -30_000, 1).expect("commits");
        disk.set_free_space(Some(20_000));
        // More than the log file holds: the next one does not fit.
        for round in 0..200 {
            let name = format!("{:0300}", if new_series { round } else { 0 });
            let result = append(&store, &name, -20_000 + round * 100, 100);
            match result {
                Ok(count) => taken += count,
                refused => {
                    assert!(is_full(&refused), "{refused:?}");
                    break;
                }
            }
        }
        assert!((2..20_000).contains(&taken));
        assert_eq!(times(&store).len() as u64, taken);
        assert_eq!(store.health(), FULL);
        drop(store);
        // It also opens on the full disk, and goes on once there is room.
        let store = open(&disk);
        assert_eq!(times(&store).len() as u64, taken);
        assert!(is_full(&append(&store, "b", 0, 1)));
        disk.set_free_space(None);
        store.maintain(NOW).expect("maintains");
        append(&store, "b", 0, 1).expect("commits");
        store.close(NOW).expect("closes");
    }
}

#[test]
fn a_write_that_meets_a_full_disk_is_taken_back_and_can_be_sent_again() {
    for fault in [
        Fault::Errno(ENOSPC),
        Fault::ShortWrite {
            bytes: 100,
            errno: ENOSPC,
        },
    ] {
        let disk = SimDisk::new();
        let store = open(&disk);
        append(&store, "a", -100, 10).expect("commits");
        // A commit of known series is one write and one sync.
        disk.fail_at(disk.ops(), fault);
        assert!(is_full(&append(&store, "a", -50, 20)), "{fault:?}");
        assert_eq!((store.health(), times(&store).len()), (FULL, 10));
        store.maintain(NOW).expect("maintains");
        // Shorter than what was refused: remains of that stand behind it.
        assert_eq!(append(&store, "a", -50, 5).expect("commits"), 5);
        // All of it counts as new, the newest sample is still known, and so are earlier ones.
        assert_eq!(append(&store, "a", -50, 20).expect("commits"), 15);
        assert_eq!(append(&store, "a", -100, 10).expect("commits"), 0);
        let expected: Vec<i64> = (-100..-90).chain(-50..-30).collect();
        assert_eq!(times(&store), expected);
        for seed in 0..20 {
            let (store, report) = open_with(&disk.any_crash_image(seed), config());
            assert!(!report.has_damage(), "{report:?}");
            assert_eq!(times(&store), expected, "seed {seed}");
        }
    }
}

#[test]
fn a_new_series_whose_definition_did_not_fit_is_defined_by_the_next_batch() {
    let disk = SimDisk::new();
    let store = open(&disk);
    append(&store, "a", -100, 10).expect("commits");
    disk.fail_at(disk.ops(), Fault::Errno(ENOSPC));
    assert!(is_full(&append(&store, "b", -50, 10)));
    store.maintain(NOW).expect("maintains");
    append(&store, "b", -50, 10).expect("commits");
    let (store, report) = open_with(&disk.any_crash_image(0), config());
    assert_eq!((report.undefined_samples, times(&store).len()), (0, 20));
}

/// The calls that a flush makes to the catalogue's file, as they are numbered after two commits.
fn catalog_calls(kinds: &[OpKind]) -> Vec<u64> {
    let disk = SimDisk::new();
    let store = open(&disk);
    append(&store, "a", -100, 10).expect("commits");
    let before = disk.ops();
    store.flush(NOW).expect("flushes");
    let trace = disk.trace();
    (before..disk.ops())
        .filter(|&n| {
            let op = &trace[n as usize];
            kinds.contains(&op.kind) && op.path.ends_with("catalog.redb")
        })
        .collect()
}

/// A flush whose call `n` fails, and what comes after it.
fn flush_through(n: u64, fault: Fault) {
    let disk = SimDisk::new();
    let store = open(&disk);
    append(&store, "a", -100, 10).expect("commits");
    disk.fail_at(n, fault);
    if store.flush(NOW).is_ok() {
        return; // redb had no need of that call.
    }
    // Taken or not: the flush may have found the disk full.
    let _ = append(&store, "b", -50, 10);
    store.maintain(NOW).expect("maintains");
    assert_eq!(store.health(), Health::Ok, "call {n}");
    append(&store, "b", -50, 10).expect("commits");
    store.flush(NOW).expect("flushes again");
    store.flush(NOW).expect("flushes what came since");
    assert_eq!(store.stats().head_samples, 0);
    let expected: Vec<i64> = (-100..-90).chain(-50..-40).collect();
    assert_eq!(times(&store), expected);
    assert!(store.verify().problems.is_empty());
    for seed in 0..10 {
        let (store, report) = open_with(&disk.any_crash_image(seed), config());
        assert!(
            !report.has_damage() && report.catalog_rebuilt.is_none(),
            "{report:?}"
        );
        assert_eq!(times(&store), expected, "call {n}, seed {seed}");
    }
}

#[test]
fn flushing_goes_on_after_the_catalogue_met_a_full_disk() {
    let calls = catalog_calls(&[OpKind::Write, OpKind::SetLen]);
    assert!(calls.len() > 3);
    for n in calls {
        flush_through(n, Fault::Errno(ENOSPC));
    }
}

#[test]
fn flushing_goes_on_after_a_failed_sync_of_the_catalogue_in_another_file() {
    let calls = catalog_calls(&[OpKind::Sync]);
    assert!(!calls.is_empty());
    for n in calls {
        for fault in [
            Fault::SyncKeepsCache,
            Fault::SyncRevertsCache,
            Fault::Errno(5),
        ] {
            flush_through(n, fault);
        }
    }
}

#[test]
fn a_log_that_fills_the_head_is_read_on_a_full_disk_too() {
    let disk = SimDisk::new();
    let small_files = Config {
        wal_file_bytes: 4 << 10,
        ..config()
    };
    let (store, _) = open_with(&disk, small_files.clone());
    for round in 0..50 {
        append(&store, "a", -20_000 + round * 100, 100).expect("commits");
    }
    let before = times(&store);
    drop(store);
    disk.set_free_space(Some(0));
    let flushing = Config {
        flush_bytes: 1,
        ..small_files
    };
    let (store, report) = open_with(&disk, flushing.clone());
    assert!(!report.put_off.is_empty() && report.disk_full, "{report:?}");
    assert_eq!((store.health(), times(&store)), (FULL, before.clone()));
    drop(store);
    disk.set_free_space(None);
    let (store, report) = open_with(&disk, flushing);
    assert_eq!(report.put_off, [""; 0]);
    assert!(store.stats().segments > 1, "flushed while reading");
    assert_eq!(times(&store), before);
    store.flush(NOW).expect("flushes");
    append(&store, "a", 0, 1).expect("commits");
}

#[test]
fn a_report_that_cannot_be_written_does_not_keep_the_head_from_being_flushed() {
    let disk = SimDisk::new();
    let flushing = Config {
        flush_wal_bytes: 1,
        ..config()
    };
    let (store, _) = open_with(&disk, flushing);
    append(&store, "a", -3000, 100).expect("commits");
    store.flush(NOW).expect("flushes");
    let segment = Path::new("data/seg/00-0000000001.seg");
    let flip = bellwether_disk::sim::Damage::FlipBit { offset: 66, bit: 0 };
    assert!(disk.damage(segment, flip));
    let selection = store
        .view()
        .select(&[], TimeRange::ALL, 10)
        .expect("selects");
    selection
        .read(0, TimeRange::ALL, &mut Vec::new(), &mut Vec::new())
        .expect_err("is damaged");
    // A file stands where the folder should be.
    write_file_atomically(&disk, Path::new("data/quarantine"), b"").expect("writes");
    for round in 1..4 {
        append(&store, "a", -3000 + round * 100, 100).expect("commits");
        let error = store.maintain(NOW).expect_err("cannot report");
        assert!(error.to_string().contains("quarantine"), "{error}");
        assert_eq!(store.stats().head_samples, 0, "round {round}");
    }
}
