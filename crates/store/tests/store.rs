//! The store through its public face, on the real disk.

use bellwether_disk::{Disk, RealDisk, write_file_atomically};
use bellwether_model::{Labels, MatchOp, Matcher, STALE_NAN, SampleValue, TimeRange, TimestampMs};
use bellwether_store::{Commit, Config, ReadOnly, RejectReason, Rejected, Store, StoreError};
use std::path::Path;

const HOUR: i64 = 3_600_000;
const DAY: i64 = 24 * HOUR;
const NOW: TimestampMs = TimestampMs(1_793_491_200_000);

fn config() -> Config {
    Config {
        wal_file_bytes: 1 << 20,
        // The disk is a real one, and how full it is says nothing about the store.
        disk_free_min: 0,
        disk_free_min_percent: 0,
        disk_hysteresis: 0,
        ..Config::default()
    }
}

fn open(folder: &Path) -> Store {
    Store::open(RealDisk::shared(), folder, config(), NOW)
        .expect("opens")
        .0
}

fn cpu(host: &str) -> Labels {
    Labels::from_pairs([("__name__", "cpu"), ("host", host)])
}

/// All samples of all series that match, as text, one line each.
fn dump(store: &Store, matchers: &[Matcher]) -> Vec<String> {
    let selection = store
        .view()
        .select(matchers, TimeRange::ALL, 1000)
        .expect("selects");
    let (mut times, mut values) = (Vec::new(), Vec::new());
    let mut lines = Vec::new();
    for (i, labels) in selection.labels.iter().enumerate() {
        selection
            .read(i, TimeRange::ALL, &mut times, &mut values)
            .expect("reads");
        for (t, v) in times.iter().zip(&values) {
            lines.push(format!("{labels} {:+} {v}", t - NOW.0));
        }
    }
    lines
}

/// Commits one sample of `cpu{host="a"}` per pair of offset from now and value.
fn append(store: &Store, samples: &[(i64, f64)]) -> Commit {
    let mut appender = store.appender();
    let series = appender.series(&cpu("a")).expect("creates");
    for &(offset, value) in samples {
        appender.push(series, TimestampMs(NOW.0 + offset), value);
    }
    appender.commit(NOW).expect("commits")
}

/// Commits one sample of `cpu{host="a"}` at a time that is the present, too.
fn append_at(store: &Store, now: i64, value: f64) {
    let mut appender = store.appender();
    let series = appender.series(&cpu("a")).expect("creates");
    appender.push(series, TimestampMs(now), value);
    appender.commit(TimestampMs(now)).expect("commits");
}

#[test]
fn committed_samples_are_visible_and_survive_without_a_close() {
    let folder = tempfile::tempdir().expect("makes a folder");
    let store = open(folder.path());
    let mut appender = store.appender();
    let (a, b) = (
        appender.series(&cpu("a")).unwrap(),
        appender.series(&cpu("b")).unwrap(),
    );
    appender.push_row(&[a, b], NOW, &[1.5, -0.0]);
    appender.push(a, TimestampMs(NOW.0 + 1), STALE_NAN);
    assert!(dump(&store, &[]).is_empty());
    assert_eq!(appender.commit(NOW).unwrap().accepted, 3);
    let expected = [
        r#"cpu{host="a"} +0 1.5"#,
        r#"cpu{host="a"} +1 NaN"#,
        r#"cpu{host="b"} +0 -0"#,
    ];
    assert_eq!(dump(&store, &[]), expected);
    drop((store, appender));
    let store = open(folder.path());
    assert_eq!(dump(&store, &[]), expected);
    let only_b = Matcher::new(MatchOp::Equal, "host", "b").unwrap();
    assert_eq!(dump(&store, &[only_b]), expected[2..]);
}

#[test]
fn samples_are_judged_one_by_one() {
    let folder = tempfile::tempdir().expect("makes a folder");
    let store = open(folder.path());
    assert_eq!(
        append(
            &store,
            &[(-100 * 24 * HOUR, 1.0), (11 * 60_000, 2.0), (0, 3.0)]
        )
        .rejected,
        [
            Rejected {
                index: 0,
                reason: RejectReason::BeyondRetention
            },
            Rejected {
                index: 1,
                reason: RejectReason::FutureTimestamp
            },
        ]
    );
    let commit = append(
        &store,
        &[(0, 3.0), (-HOUR, 4.0), (-3 * HOUR, 5.0), (0, 6.0)],
    );
    assert_eq!((commit.accepted, commit.duplicates), (2, 1));
    assert_eq!(
        commit.rejected,
        [Rejected {
            index: 2,
            reason: RejectReason::TooOld
        }]
    );
    assert_eq!(
        dump(&store, &[]),
        [r#"cpu{host="a"} -3600000 4"#, r#"cpu{host="a"} +0 6"#]
    );
}

#[test]
fn history_is_taken_by_a_series_that_has_nothing_newer() {
    let folder = tempfile::tempdir().expect("makes a folder");
    let store = open(folder.path());
    let old: Vec<(i64, f64)> = (0..2000)
        .map(|i| (-80 * 24 * HOUR + i * HOUR / 2, i as f64))
        .collect();
    assert_eq!(append(&store, &old).accepted, 2000);
    assert_eq!(dump(&store, &[]).len(), 2000);
}

#[test]
fn a_view_does_not_change() {
    let folder = tempfile::tempdir().expect("makes a folder");
    let store = open(folder.path());
    append(&store, &[(0, 1.0)]);
    let view = store.view();
    append(&store, &[(0, 2.0), (1, 3.0), (-1, 0.0)]);
    let selection = view.select(&[], TimeRange::ALL, 10).unwrap();
    let (mut times, mut values) = (Vec::new(), Vec::new());
    selection
        .read(0, TimeRange::ALL, &mut times, &mut values)
        .unwrap();
    assert_eq!((times, values), (vec![NOW.0], vec![1.0]));
    assert_eq!(dump(&store, &[]).len(), 3);
}

#[test]
fn labels_are_listed_for_series_with_samples_in_the_range() {
    let folder = tempfile::tempdir().expect("makes a folder");
    let store = open(folder.path());
    append(&store, &[(0, 1.0)]);
    store.appender().series(&cpu("nothing committed")).unwrap();
    let view = store.view();
    assert_eq!(
        view.label_names(&[], TimeRange::ALL).unwrap(),
        ["__name__", "host"]
    );
    assert_eq!(
        view.label_values("host", &[], TimeRange::ALL).unwrap(),
        ["a"]
    );
    assert_eq!(view.series(&[], TimeRange::ALL).unwrap(), [cpu("a")]);
    assert!(view.series(&[], TimeRange::new(0, 1)).unwrap().is_empty());
    assert_eq!(view.time_bounds(), Some(TimeRange::new(NOW.0, NOW.0)));
    assert!(matches!(
        view.select(&[], TimeRange::ALL, 0),
        Err(StoreError::TooManySeries { max: 0 })
    ));
}

#[test]
fn a_native_histogram_is_refused_by_name_and_nothing_else_is() {
    let folder = tempfile::tempdir().expect("makes a folder");
    let store = open(folder.path());
    let mut appender = store.appender();
    let series = appender.series(&cpu("a")).expect("creates");
    let histogram = SampleValue::Histogram(Box::default());
    let refused = appender.push_sample(series, NOW, &histogram);
    assert_eq!(refused, Err(RejectReason::NativeHistogram));
    let taken = appender.push_sample(series, NOW, &SampleValue::Float(1.5));
    assert_eq!((taken, appender.pending()), (Ok(()), 1));
    assert_eq!(appender.commit(NOW).expect("commits").accepted, 1);
    assert_eq!(dump(&store, &[]), [r#"cpu{host="a"} +0 1.5"#]);
}

#[test]
fn a_second_store_in_the_same_folder_is_refused() {
    let folder = tempfile::tempdir().expect("makes a folder");
    let store = open(folder.path());
    let second = Store::open(RealDisk::shared(), folder.path(), config(), NOW);
    assert!(matches!(second, Err(StoreError::Locked { .. })));
    drop(store);
    open(folder.path());
}

#[test]
fn a_series_is_read_within_the_room_there_is_or_not_at_all() {
    let folder = tempfile::tempdir().expect("makes a folder");
    let store = open(folder.path());
    let samples = |from: i64| -> Vec<(i64, f64)> {
        (0..1000)
            .map(|i| (from + i * 100, (i % 7) as f64))
            .collect()
    };
    append(&store, &samples(-HOUR));
    store.flush(NOW).expect("flushes");
    append(&store, &samples(-HOUR / 2));
    // In two segments, the second overlapping the first, and the head.
    append(&store, &[(-HOUR + 50, 1.0)]);
    store.flush(NOW).expect("flushes");
    append(&store, &samples(-HOUR / 4));
    let view = store.view();
    let selection = view.select(&[], TimeRange::ALL, 10).expect("selects");
    let (mut room, mut tries) = (10, 0);
    loop {
        let (mut times, mut values) = (Vec::new(), Vec::new());
        let read = selection.read_within(0, TimeRange::ALL, room, &mut times, &mut values);
        assert!(times.len() <= room && values.len() <= room);
        match read {
            Ok(()) => {
                assert_eq!((times.len(), values.len()), (3001, 3001));
                break;
            }
            Err(StoreError::NoRoom { needed }) => {
                assert!(times.capacity() <= 2 * room.max(64), "{}", times.capacity());
                assert!(needed > room, "{needed} of {room}");
                room = needed;
            }
            Err(other) => panic!("{other}"),
        }
        tries += 1;
        assert!(tries <= 3, "one more for each place that has samples");
    }
    assert!(room < 2 * 3001, "{room}");
}

#[test]
fn flushing_changes_nothing_that_is_read() {
    let folder = tempfile::tempdir().expect("makes a folder");
    let store = open(folder.path());
    let samples: Vec<(i64, f64)> = (0..1000)
        .map(|i| (i * 100 - HOUR, (i % 7) as f64))
        .collect();
    append(&store, &samples);
    append(&store, &[(-HOUR + 50, 1e300), (-HOUR, 8.0)]);
    let before = dump(&store, &[]);
    assert_eq!(before.len(), 1001);
    let view = store.view();
    assert_eq!(store.flush(NOW).expect("flushes").samples, 1001);
    assert_eq!(dump(&store, &[]), before);
    let selection = view.select(&[], TimeRange::ALL, 10).expect("selects");
    let (mut times, mut values) = (Vec::new(), Vec::new());
    selection
        .read(0, TimeRange::ALL, &mut times, &mut values)
        .expect("reads");
    assert_eq!(times.len(), 1001);
    // What comes after the flush is merged with what went before it.
    append(&store, &[(-HOUR, 9.0), (40_000, 10.0)]);
    let after = dump(&store, &[]);
    assert_eq!(
        (after.len(), after[0].as_str()),
        (1002, r#"cpu{host="a"} -3600000 9"#)
    );
    store.flush(NOW).expect("flushes again");
    assert_eq!(dump(&store, &[]), after);
    assert_eq!(store.stats().segments, 2);
    drop(store);
    let store = open(folder.path());
    assert_eq!(dump(&store, &[]), after);
    assert!(store.verify().problems.is_empty());
}

#[test]
fn a_closed_store_opens_clean_and_is_small() {
    let folder = tempfile::tempdir().expect("makes a folder");
    let store = open(folder.path());
    append(&store, &[(0, 1.0)]);
    let mut late = store.appender();
    store.close(NOW).expect("closes");
    let series = late.series(&cpu("a")).expect("known");
    late.push(series, NOW, 2.0);
    assert!(matches!(
        late.commit(NOW),
        Err(StoreError::ReadOnly {
            reason: ReadOnly::Closed
        })
    ));
    drop(late);
    let logs = RealDisk.read_dir(&folder.path().join("wal"));
    assert_eq!(logs.expect("is there").len(), 0);
    let (store, report) =
        Store::open(RealDisk::shared(), folder.path(), config(), NOW).expect("opens");
    assert!(report.clean);
    assert_eq!(dump(&store, &[]).len(), 1);
    // The newest sample is known from the segment: judged and settled as before.
    let commit = append(&store, &[(0, 1.0), (-3 * HOUR, 0.0), (0, 5.0)]);
    assert_eq!(
        (commit.accepted, commit.duplicates, commit.rejected.len()),
        (1, 1, 1)
    );
    assert_eq!(dump(&store, &[]), [r#"cpu{host="a"} +0 5"#]);
}

/// Calls for maintenance once an hour, from an hour after `from` on, up to `to`; returns how many segments went.
fn maintain_hourly(store: &Store, from: i64, to: i64) -> u64 {
    let hours = (1..).map(|hour| from + hour * HOUR);
    hours
        .take_while(|now| *now <= to)
        .map(|now| {
            store
                .maintain(TimestampMs(now))
                .expect("maintains")
                .segments_dropped
        })
        .sum()
}

#[test]
fn retention_drops_whole_segments_as_time_passes() {
    let folder = tempfile::tempdir().expect("makes a folder");
    let store = open(folder.path());
    append(&store, &[(-80 * DAY, 1.0)]);
    store.flush(NOW).expect("flushes");
    append(&store, &[(0, 2.0)]);
    store.flush(NOW).expect("flushes");
    // Without newer samples the clock is not believed.
    assert_eq!(maintain_hourly(&store, NOW.0, NOW.0 + 11 * DAY), 0);
    let later = NOW.0 + 11 * DAY;
    append_at(&store, later, 3.0);
    assert_eq!(maintain_hourly(&store, later, later + HOUR), 1);
    assert_eq!(dump(&store, &[]).len(), 2);
    assert_eq!(store.stats().segments, 1);
    drop(store);
    assert_eq!(dump(&open(folder.path()), &[]).len(), 2);
}

#[test]
fn a_clock_that_steps_deletes_nothing_even_if_samples_bear_it_out() {
    let folder = tempfile::tempdir().expect("makes a folder");
    let store = open(folder.path());
    append(&store, &[(-80 * DAY, 1.0), (0, 2.0)]);
    store.flush(NOW).expect("flushes");
    // A year ahead; what measures the host has the same clock.
    let wrong = NOW.0 + 365 * DAY;
    let mut dropped = 0;
    for minute in 0..300 {
        let now = wrong + minute * 60_000;
        append_at(&store, now, minute as f64);
        dropped += store
            .maintain(TimestampMs(now))
            .expect("maintains")
            .segments_dropped;
    }
    assert_eq!(dropped, 0, "within five hours");
    // Nor when the process starts anew on the wrong clock.
    drop(store);
    let now = TimestampMs(wrong + 6 * HOUR);
    let opened = Store::open(RealDisk::shared(), folder.path(), config(), now);
    let store = opened.expect("opens").0;
    append_at(&store, now.0, 0.0);
    store.flush(now).expect("flushes");
    assert_eq!(maintain_hourly(&store, now.0, now.0 + 10 * HOUR), 0);
    // The clock is put right.
    assert_eq!(maintain_hourly(&store, NOW.0, NOW.0 + 5 * DAY), 0);
    let expected = [r#"cpu{host="a"} -6912000000 1"#, r#"cpu{host="a"} +0 2"#];
    assert_eq!(dump(&store, &[])[..2], expected);
}

#[test]
fn a_folder_without_a_store_is_refused_and_left_alone_where_none_shall_begin() {
    let folder = tempfile::tempdir().expect("makes a folder");
    let existing = Config {
        create: false,
        ..config()
    };
    let open_existing = |path: &Path| Store::open(RealDisk::shared(), path, existing.clone(), NOW);
    let rules = folder.path().join("cpu.rules");
    write_file_atomically(&RealDisk, &rules, b"alert a when b").expect("writes");
    for path in [folder.path().to_owned(), folder.path().join("missing")] {
        let error = open_existing(&path).err().expect("is refused");
        assert!(matches!(error, StoreError::NotAStore { .. }), "{error}");
        let text = format!("{} is not a bellwether data folder", path.display());
        assert_eq!(error.to_string(), text);
    }
    assert_eq!(RealDisk.read_dir(folder.path()).expect("is there").len(), 1);
    let data = folder.path().join("data");
    let store = open(&data);
    append(&store, &[(0, 1.0)]);
    store.close(NOW).expect("closes");
    let (store, _) = open_existing(&data).expect("is a store");
    assert_eq!(dump(&store, &[]).len(), 1);
    // Without the catalogue, segments make a store.
    drop(store);
    let catalog = data.join("catalog.redb");
    RealDisk.remove_file(&catalog).expect("is there");
    let (store, _) = open_existing(&data).expect("is a store");
    assert_eq!(dump(&store, &[]).len(), 1);
}
