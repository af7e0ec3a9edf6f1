//! The log and the head: samples a second through commit, with every commit synced to the real disk.

use bellwether_disk::RealDisk;
use bellwether_model::{Labels, TimestampMs};
use bellwether_store::{Appender, Config, SeriesRef, Store};
use criterion::{Criterion, Throughput, criterion_group, criterion_main};

const START: i64 = 1_793_491_200_000;

fn series(appender: &mut Appender, count: usize) -> Vec<SeriesRef> {
    let labels = (0..count)
        .map(|i| Labels::from_pairs([("__name__", "cpu"), ("host", &format!("host-{i}"))]));
    labels
        .map(|l| appender.series(&l).expect("the index has room"))
        .collect()
}

fn commit(c: &mut Criterion) {
    let mut group = c.benchmark_group("commit");
    for rows in [1_usize, 100, 1000] {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let (store, _) = Store::open(
            RealDisk::shared(),
            folder.path(),
            Config::default(),
            TimestampMs(START),
        )
        .expect("a new store opens");
        let mut appender = store.appender();
        let series = series(&mut appender, 10);
        let values = [1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0, 8.0, 9.0, 10.0];
        let mut t = START;
        group.throughput(Throughput::Elements((rows * values.len()) as u64));
        group.bench_function(format!("{rows}-rows-of-10"), |b| {
            b.iter(|| {
                for _ in 0..rows {
                    t += 1000;
                    appender.push_row(&series, TimestampMs(t), &values);
                }
                let commit = appender.commit(TimestampMs(t)).expect("the disk has room");
                assert_eq!(commit.accepted as usize, rows * values.len());
                store.maintain(TimestampMs(t)).expect("a flush succeeds");
            });
        });
    }
    group.finish();
}

criterion_group!(benches, commit);
criterion_main!(benches);
