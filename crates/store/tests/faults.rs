//! Every call to the disk fails once, in every way: while the store takes samples, flushes, drops what expired,
//! recycles its log, closes and is opened.
//!
//! The oracle, for each call and fault: what was acknowledged is there, with and without a crash afterwards; nothing is
//! there that was not sent; the error says what could not be done; and the store works again, by itself or, when the
//! log failed, after it is opened anew.

use bellwether_disk::SimDisk;
use bellwether_disk::sim::{Fault, OpKind};
use bellwether_model::{DurationMs, Labels, TimeRange, TimestampMs};
use bellwether_store::{Config, Health, ReadOnly, Store, StoreError};
use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

const START: i64 = 1_793_491_200_000;
const MINUTE: i64 = 60_000;
const RETENTION: i64 = 20 * MINUTE;
const SERIES: u64 = 5;

const EIO: i32 = 5;
const EMFILE: i32 = 24;
const ENOSPC: i32 = 28;

/// By series and time: the bits of the value.
type Samples = BTreeMap<(String, i64), u64>;

fn config() -> Config {
    Config {
        retention: DurationMs(RETENTION),
        ooo_window: DurationMs(RETENTION),
        wal_file_bytes: 4 << 10,
        wal_frame_bytes: 300,
        flush_wal_bytes: 6 << 10,
        disk_free_min: 0,
        disk_hysteresis: 0,
        ..Config::default()
    }
}

/// A store under a disk that fails once, and what is known about its samples.
struct Run {
    disk: SimDisk,
    store: Option<Store>,
    now: i64,
    acknowledged: Samples,
    /// Also what was refused: it may be found after a restart.
    sent: Samples,
}

impl Run {
    /// - `fault`: the number of the call that fails, and how.
    fn new(fault: Option<(u64, Fault)>) -> Run {
        let disk = SimDisk::new();
        if let Some((n, fault)) = fault {
            disk.fail_at(n, fault);
        }
        Run {
            disk,
            store: None,
            now: START,
            acknowledged: Samples::new(),
            sent: Samples::new(),
        }
    }

    /// The open store. A failed opening is tried once more: the fault is over.
    fn store(&mut self) -> &Store {
        if self.store.is_none() {
            let open = || {
                let disk = Arc::new(self.disk.clone());
                Store::open(disk, Path::new("data"), config(), TimestampMs(self.now))
            };
            let opened = open().or_else(|error| {
                check_error(&error);
                open()
            });
            let (store, report) = opened.unwrap_or_else(|error| panic!("does not open: {error}"));
            assert!(!report.has_damage(), "{report:?}");
            self.store = Some(store);
        }
        self.store.as_ref().expect("was just opened")
    }

    fn note(&mut self, result: Result<(), StoreError>) {
        if let Err(error) = result {
            check_error(&error);
        }
        let health = self.store.as_ref().map(Store::health);
        let reason = ReadOnly::LogFailed;
        if health == Some(Health::ReadOnly { reason }) {
            self.store = None; // As its message says.
        }
    }

    fn commit(&mut self, rows: i64) {
        let now = self.now;
        let mut appender = self.store().appender();
        let mut batch = Samples::new();
        for row in 0..rows {
            for n in 0..SERIES {
                let labels = Labels::from_pairs([("__name__", "m"), ("n", &n.to_string())]);
                let series = appender.series(&labels).expect("below the limit");
                let t = now + row - rows;
                // By the time alone, so that it does not matter which of two commits came through.
                let value = (t % 1000 + n as i64) as f64 / 3.0;
                appender.push(series, TimestampMs(t), value);
                batch.insert((labels.to_string(), t), value.to_bits());
            }
        }
        self.sent.extend(batch.clone());
        let result = appender.commit(TimestampMs(now));
        drop(appender);
        if let Ok(commit) = &result {
            assert_eq!(commit.rejected, []);
            self.acknowledged.extend(batch);
        }
        self.note(result.map(drop));
    }

    fn flush(&mut self) {
        let now = TimestampMs(self.now);
        let result = self.store().flush(now).map(drop);
        self.note(result);
    }

    fn maintain(&mut self) {
        let now = TimestampMs(self.now);
        let result = self.store().maintain(now).map(drop);
        self.note(result);
    }

    fn close(&mut self) {
        self.store();
        let closed = self
            .store
            .take()
            .map(|store| store.close(TimestampMs(self.now)));
        if let Some(Err(error)) = closed {
            check_error(&error);
        }
    }

    /// Everything a store does, some of it twice.
    fn work(&mut self) {
        for round in 0..3 {
            for step in 0..4 {
                self.now += 3 * MINUTE;
                self.commit(1 + step * 20);
                self.maintain();
            }
            self.flush();
            self.commit(2);
            match round {
                0 => self.store = None,
                1 => self.close(),
                _ => {}
            }
        }
        self.commit(3);
    }

    /// Whatever failed, two passes of maintenance later the store takes samples, and flushes them.
    fn works_again(&mut self) {
        self.maintain();
        self.maintain();
        self.now += MINUTE;
        let before = self.acknowledged.len();
        self.commit(1);
        assert_eq!(
            self.acknowledged.len(),
            before + SERIES as usize,
            "takes no samples"
        );
        let now = TimestampMs(self.now);
        let store = self.store();
        // One that failed before has its own generation.
        store.flush(now).expect("flushes what waits");
        store.flush(now).expect("flushes the rest");
        assert_eq!(store.stats().head_samples, 0);
        store.maintain(now).expect("maintains");
        assert_eq!(store.health(), Health::Ok);
    }

    fn check(&self, store: &Store) {
        let found = dump(store);
        let kept = |t: i64| t >= self.now - RETENTION;
        for (key, value) in self.acknowledged.iter().filter(|(key, _)| kept(key.1)) {
            assert_eq!(found.get(key), Some(value), "{key:?} was acknowledged");
        }
        for (key, value) in &found {
            assert_eq!(self.sent.get(key), Some(value), "{key:?} was never sent");
        }
    }
}

fn dump(store: &Store) -> Samples {
    let selection = store
        .view()
        .select(&[], TimeRange::ALL, 1000)
        .expect("selects");
    assert_eq!(selection.warnings, [""; 0]);
    let (mut times, mut values) = (Vec::new(), Vec::new());
    let mut all = Samples::new();
    for (index, labels) in selection.labels.iter().enumerate() {
        selection
            .read(index, TimeRange::ALL, &mut times, &mut values)
            .expect("reads");
        let name = labels.to_string();
        let samples = times.iter().zip(&values);
        all.extend(samples.map(|(&t, v)| ((name.clone(), t), v.to_bits())));
    }
    all
}

/// Says where, or which state of the store it is about.
fn check_error(error: &StoreError) {
    let text = error.to_string();
    let clear = ["data", "read-only", "busy", "catalogue"];
    assert!(clear.iter().any(|word| text.contains(word)), "{text}");
}

fn run_with(n: u64, fault: Fault) {
    let mut run = Run::new(Some((n, fault)));
    run.work();
    run.works_again();
    let store = run.store.take().expect("is open");
    run.check(&store);
    assert_eq!(store.verify().problems, [""; 0]);
    // And after a crash now.
    let image = run.disk.any_crash_image(n);
    let (crashed, report) = Store::open(
        Arc::new(image),
        Path::new("data"),
        config(),
        TimestampMs(run.now),
    )
    .expect("opens");
    assert!(
        !report.has_damage() && report.catalog_rebuilt.is_none(),
        "{report:?}"
    );
    run.check(&crashed);
}

/// The ways in which a call of that kind can fail.
fn faults(kind: OpKind) -> &'static [Fault] {
    match kind {
        OpKind::Write => &[
            Fault::Errno(ENOSPC),
            Fault::Errno(EIO),
            Fault::ShortWrite {
                bytes: 40,
                errno: ENOSPC,
            },
        ],
        OpKind::Sync => &[
            Fault::SyncKeepsCache,
            Fault::SyncRevertsCache,
            Fault::SyncToldOnce,
        ],
        OpKind::Read => &[Fault::ShortRead { bytes: 1 }, Fault::Errno(EIO)],
        OpKind::Open => &[Fault::Errno(EMFILE), Fault::Errno(EIO)],
        OpKind::Create | OpKind::Rename | OpKind::SetLen | OpKind::Allocate | OpKind::MakeDir => {
            &[Fault::Errno(ENOSPC), Fault::Errno(EIO)]
        }
        _ => &[Fault::Errno(EIO)],
    }
}

#[test]
fn the_workload_does_everything() {
    let mut run = Run::new(None);
    run.work();
    let trace = run.disk.trace();
    let count = |kind, place: &str| {
        trace
            .iter()
            .filter(|op| op.kind == kind && op.path.starts_with(place))
            .count()
    };
    assert!(count(OpKind::Rename, "data/tmp") >= 3, "segments");
    assert!(count(OpKind::Remove, "data/seg") > 0, "retention");
    let recycled = |op: &&bellwether_disk::sim::Operation| {
        op.kind == OpKind::Rename && op.path.extension().is_some_and(|e| e == "log")
    };
    assert!(trace.iter().filter(recycled).count() > 0, "recycling");
    let store = run.store.take().expect("is open");
    run.check(&store);
}

#[test]
fn any_call_may_fail_once() {
    let mut whole = Run::new(None);
    whole.work();
    let mut failed = Vec::new();
    for (n, op) in (0..).zip(whole.disk.trace()) {
        for &fault in faults(op.kind) {
            if std::panic::catch_unwind(|| run_with(n, fault)).is_err() {
                failed.push(format!("call {n}, {op:?}, {fault:?}"));
            }
        }
    }
    assert!(failed.is_empty(), "{}", failed.join("\n"));
}
