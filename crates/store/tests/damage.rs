//! Disks that fail and rot: what is refused, what is lost, and what is said about it.

use bellwether_disk::sim::{Damage, Fault, OpKind};
use bellwether_disk::{Disk, SimDisk, read_file};
use bellwether_model::{DurationMs, Labels, TimeRange, TimestampMs};
use bellwether_store::{Config, Health, ReadOnly, RecoveryReport, Store, StoreError};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

const NOW: TimestampMs = TimestampMs(1_793_491_200_000);

fn config() -> Config {
    Config {
        wal_file_bytes: 64 << 10,
        disk_free_min: 0,
        disk_hysteresis: 0,
        ..Config::default()
    }
}

fn open(disk: &SimDisk) -> (Store, RecoveryReport) {
    Store::open(Arc::new(disk.clone()), Path::new("data"), config(), NOW).expect("opens")
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

/// Seconds after now of all samples, and the warnings.
fn read(store: &Store, range: TimeRange) -> Result<(Vec<i64>, Vec<String>), StoreError> {
    let selection = store.view().select(&[], range, 100)?;
    let (mut times, mut values, mut all) = (Vec::new(), Vec::new(), Vec::new());
    for index in 0..selection.len() {
        selection.read(index, range, &mut times, &mut values)?;
        all.extend(times.iter().map(|t| (t - NOW.0) / 1000));
    }
    Ok((all, selection.warnings))
}

fn times(store: &Store) -> Vec<i64> {
    read(store, TimeRange::ALL).expect("reads").0
}

fn only_file(disk: &SimDisk, folder: &str, holding: impl Fn(&[u8]) -> bool) -> (PathBuf, Vec<u8>) {
    let paths = disk
        .read_dir(&Path::new("data").join(folder))
        .expect("is there");
    let files = paths.into_iter().map(|path| {
        let bytes = read_file(disk, &path, 1 << 30).expect("reads");
        (path, bytes)
    });
    files
        .into_iter()
        .find(|(_, bytes)| holding(bytes))
        .expect("there is one")
}

#[test]
fn after_a_failed_sync_nothing_is_acknowledged_and_reading_goes_on() {
    for fault in [
        Fault::SyncKeepsCache,
        Fault::SyncRevertsCache,
        Fault::Errno(5),
    ] {
        let disk = SimDisk::new();
        let (store, _) = open(&disk);
        append(&store, "a", -100, 10).expect("commits");
        // The next commit is one write and one sync.
        disk.fail_at(disk.ops() + 1, fault);
        let failed = append(&store, "a", -50, 10);
        assert!(
            matches!(
                failed,
                Err(StoreError::ReadOnly {
                    reason: ReadOnly::LogFailed
                })
            ),
            "{fault:?}"
        );
        let again = append(&store, "a", -20, 10);
        assert!(matches!(
            again,
            Err(StoreError::ReadOnly {
                reason: ReadOnly::LogFailed
            })
        ));
        assert_eq!(
            store.health(),
            Health::ReadOnly {
                reason: ReadOnly::LogFailed
            }
        );
        assert!(store.log_failure().is_some());
        assert_eq!(times(&store), (-100..-90).collect::<Vec<_>>());
        let log_syncs = || {
            let trace = disk.trace();
            trace
                .iter()
                .filter(|op| op.kind == OpKind::Sync && op.path.starts_with("data/wal"))
                .count()
        };
        let syncs = log_syncs();
        drop(store);
        assert_eq!(log_syncs(), syncs, "synced again");
        let (store, _) = open(&disk.any_crash_image(1));
        assert_eq!(times(&store)[..10], (-100..-90).collect::<Vec<_>>());
        append(&store, "a", -10, 1).expect("takes samples again");
    }
}

#[test]
fn a_flipped_bit_in_the_log_costs_one_frame_and_is_reported() {
    let disk = SimDisk::new();
    let (store, _) = open(&disk);
    for i in 0..10 {
        append(&store, "a", i * 10 - 1000, 10).expect("commits");
    }
    let (log, _) = only_file(&disk, "wal", |_| true);
    drop(store);
    // Behind the header and the first batch, whose frames hold the definition.
    let frame = 64 + 3 * 100;
    assert!(disk.damage(
        &log,
        Damage::FlipBit {
            offset: frame,
            bit: 3
        }
    ));
    let (store, report) = open(&disk);
    assert_eq!(times(&store).len(), 90);
    assert_eq!(report.damaged_logs.len(), 1, "{report:?}");
    let damaged = &report.damaged_logs[0];
    assert_eq!((damaged.frames_lost, damaged.lost.len()), (1, 1));
    let copy = damaged.copy.clone().expect("was copied");
    assert!(disk.exists(&copy).expect("looks"));
    let json = read_file(&disk, &copy.with_extension("log.json"), 10_000).expect("is there");
    let json = String::from_utf8(json).expect("is text");
    assert!(
        json.contains("0000000001.log") && json.contains("damaged log frames"),
        "{json}"
    );
    // Reported once; a flush leaves nothing to report.
    store.close(NOW).expect("closes");
    let (store, report) = open(&disk);
    assert!(report.clean && !report.has_damage());
    assert_eq!(times(&store).len(), 90);
}

#[test]
fn any_flipped_bit_in_the_log_loses_at_most_its_batch() {
    let disk = SimDisk::new();
    let (store, _) = open(&disk);
    for i in 0..12 {
        append(&store, ["a", "b"][i as usize % 2], i * 10 - 1000, 10).expect("commits");
    }
    // The distance to the copies of the definitions is bridged by a large batch.
    append(&store, "c", -8000, 6000).expect("commits");
    append(&store, "c", -2000, 1000).expect("commits");
    drop(store);
    let (log, bytes) = only_file(&disk, "wal", |bytes| bytes[100] != 0);
    let used = bytes.iter().rposition(|&b| b != 0).expect("holds frames") as u64;
    let mut offset = 0;
    while offset < used.min(1500) {
        let image = disk.any_crash_image(0);
        image.damage(
            &log,
            Damage::FlipBit {
                offset,
                bit: (offset % 8) as u8,
            },
        );
        let (store, report) = open(&image);
        let lost = 7120 - times(&store).len();
        assert!(
            lost <= 10,
            "offset {offset}: {lost} samples lost, {report:?}"
        );
        assert_eq!(report.undefined_samples, 0, "offset {offset}");
        offset += 13;
    }
}

#[test]
fn a_segment_with_a_damaged_directory_goes_to_quarantine_and_queries_say_so() {
    let disk = SimDisk::new();
    let (store, _) = open(&disk);
    append(&store, "a", -3000, 10).expect("commits");
    store.flush(NOW).expect("flushes");
    append(&store, "a", -1000, 10).expect("commits");
    store.close(NOW).expect("closes");
    let (segment, bytes) = only_file(&disk, "seg", |_| true);
    assert!(disk.damage(
        &segment,
        Damage::FlipBit {
            offset: bytes.len() as u64 - 30,
            bit: 0
        }
    ));
    for _ in 0..2 {
        let (store, _) = open(&disk);
        let (found, warnings) = read(&store, TimeRange::ALL).expect("reads");
        assert_eq!(found, (-1000..-990).collect::<Vec<_>>());
        assert_eq!(warnings.len(), 1);
        assert!(
            warnings[0].contains("00-0000000001.seg is in quarantine"),
            "{warnings:?}"
        );
        let recent = TimeRange::new(NOW.0 - 1_500_000, NOW.0);
        assert!(read(&store, recent).expect("reads").1.is_empty());
        assert_eq!(store.verify().problems.len(), 1);
        assert_eq!(store.stats().quarantined, 1);
    }
    let kept = disk
        .read_dir(Path::new("data/quarantine"))
        .expect("is there");
    assert_eq!(kept.len(), 2, "the segment and its report: {kept:?}");
}

#[test]
fn a_damaged_chunk_fails_one_read_and_is_a_warning_from_then_on() {
    let disk = SimDisk::new();
    let (store, _) = open(&disk);
    append(&store, "a", -3000, 100).expect("commits");
    append(&store, "b", -3000, 100).expect("commits");
    store.flush(NOW).expect("flushes");
    let (segment, _) = only_file(&disk, "seg", |_| true);
    assert!(disk.damage(&segment, Damage::FlipBit { offset: 66, bit: 0 }));
    let first = read(&store, TimeRange::ALL);
    assert!(
        matches!(first, Err(StoreError::Corrupt { .. })),
        "{first:?}"
    );
    let (found, warnings) = read(&store, TimeRange::ALL).expect("reads what is left");
    assert_eq!(found.len(), 100);
    assert_eq!(warnings.len(), 1);
    assert!(warnings[0].contains("corrupt"), "{warnings:?}");
    for _ in 0..2 {
        store.maintain(NOW).expect("maintains");
        let reports = disk
            .read_dir(Path::new("data/quarantine"))
            .expect("is there");
        assert_eq!(reports.len(), 1, "one report, written once: {reports:?}");
    }
    assert!(!store.verify().problems.is_empty());
}

#[test]
fn a_missing_segment_is_reported_and_the_rest_is_served() {
    let disk = SimDisk::new();
    let (store, _) = open(&disk);
    append(&store, "a", -3000, 10).expect("commits");
    store.flush(NOW).expect("flushes");
    append(&store, "a", -1000, 10).expect("commits");
    drop(store);
    let (segment, _) = only_file(&disk, "seg", |_| true);
    disk.remove_file(&segment).expect("removes");
    let (store, report) = open(&disk);
    assert_eq!(report.quarantined_segments.len(), 1);
    assert_eq!(report.quarantined_segments[0].moved, None);
    assert_eq!(times(&store).len(), 10);
}

#[test]
fn an_unreadable_catalogue_is_rebuilt_from_segments_and_log() {
    for damage in [
        Damage::Truncate { len: 100 },
        Damage::Truncate { len: 0 },
        Damage::Remove,
    ] {
        let disk = SimDisk::new();
        let (store, _) = open(&disk);
        append(&store, "a", -3000, 10).expect("commits");
        append(&store, "b", -3000, 10).expect("commits");
        store.flush(NOW).expect("flushes");
        append(&store, "b", -1000, 10).expect("commits");
        append(&store, "c", -1000, 10).expect("commits");
        let before = times(&store);
        drop(store);
        assert!(disk.damage(Path::new("data/catalog.redb"), damage));
        let (store, report) = open(&disk);
        assert!(report.catalog_rebuilt.is_some(), "{damage:?}");
        assert_eq!(times(&store), before, "{damage:?}");
        append(&store, "c", -500, 10).expect("commits");
        store.close(NOW).expect("closes");
        let (store, report) = open(&disk);
        assert!(report.clean && report.catalog_rebuilt.is_none());
        assert_eq!(times(&store).len(), before.len() + 10);
    }
}

#[test]
fn files_that_nobody_names_are_removed() {
    let disk = SimDisk::new();
    let (store, _) = open(&disk);
    append(&store, "a", -3000, 10).expect("commits");
    store.close(NOW).expect("closes");
    for path in [
        "data/seg/00-0000000099.seg",
        "data/tmp/00-0000000002.seg",
        "data/wal/0000000077.log.new",
    ] {
        bellwether_disk::write_file_atomically(&disk, Path::new(path), b"leftover")
            .expect("writes");
    }
    let (store, report) = open(&disk);
    assert_eq!(report.removed.len(), 3);
    assert_eq!(times(&store).len(), 10);
}

#[test]
fn a_view_is_the_same_while_others_write() {
    let disk = SimDisk::new();
    let config = Config {
        flush_wal_bytes: 10_000,
        retention: DurationMs(1 << 50),
        ..config()
    };
    let (store, _) = Store::open(Arc::new(disk), Path::new("data"), config, NOW).expect("opens");
    let done = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let writers = [0, 1].map(|writer| {
            let store = store.clone();
            scope.spawn(move || {
                let mut appender = store.appender();
                let series: Vec<_> = (0..20)
                    .map(|n| {
                        appender.series(&Labels::from_pairs([
                            ("w", writer.to_string()),
                            ("n", n.to_string()),
                        ]))
                    })
                    .map(|series| series.expect("below the limit"))
                    .collect();
                for round in 0..400 {
                    // All values of a batch are equal: a part of one would show.
                    for step in 0..3 {
                        let t = TimestampMs(NOW.0 - 1_000_000 + round * 3 + step);
                        appender.push_row(&series, t, &[round as f64; 20]);
                    }
                    appender.commit(NOW).expect("commits");
                }
            })
        });
        let reader = scope.spawn(|| {
            let mut views = 0;
            while !done.load(Ordering::Relaxed) {
                let view = store.view();
                let first = whole_batches(&view);
                assert_eq!(whole_batches(&view), first, "a view changed");
                views += 1;
            }
            views
        });
        for writer in writers {
            while !writer.is_finished() {
                store.maintain(NOW).expect("maintains");
            }
            writer.join().expect("wrote");
        }
        done.store(true, Ordering::Relaxed);
        assert!(reader.join().expect("read") > 0);
    });
    assert_eq!(whole_batches(&store.view()), [1200; 40]);
    assert!(store.stats().segments > 0, "flushes were part of it");
}

/// Samples of every series; panics unless each writer's series are alike.
fn whole_batches(view: &bellwether_store::View) -> Vec<usize> {
    let selection = view.select(&[], TimeRange::ALL, 100).expect("selects");
    let (mut times, mut values) = (Vec::new(), Vec::new());
    let mut counts = Vec::new();
    for index in 0..selection.len() {
        selection
            .read(index, TimeRange::ALL, &mut times, &mut values)
            .expect("reads");
        assert_eq!(times.len() % 3, 0, "part of a batch");
        assert!(values.iter().enumerate().all(|(i, v)| *v == (i / 3) as f64));
        counts.push(times.len());
    }
    for writer in ["0", "1"] {
        let mut of_writer = selection
            .labels
            .iter()
            .zip(&counts)
            .filter(|(l, _)| l.get("w") == Some(writer));
        let first = of_writer.next().map(|(_, count)| *count);
        assert!(
            of_writer.all(|(_, count)| Some(*count) == first),
            "part of a batch"
        );
    }
    counts
}
