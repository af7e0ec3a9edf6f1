//! The same samples in a real store, written as badly as writers write: in batches of any size, some samples late, some wrong at
//! first and corrected later, the head flushed to a segment at any moment.

use std::path::Path;
use std::sync::Arc;

use bellwether_disk::SimDisk;
use bellwether_model::{Labels, TimestampMs};
use bellwether_store::{Config, Durability, Store};

use crate::data::{Data, SPAN};
use crate::random::Random;

/// The clock of the writers: no sample lies after it.
const NOW: TimestampMs = TimestampMs(2 * SPAN);

/// One write.
struct Write {
    /// When it is written: its time, or later.
    when: i64,
    series: usize,
    t: i64,
    v: f64,
}

/// The data in a store on a disk in memory. The seed decides how it is written, and into how many segments.
pub(crate) fn stored(data: &Data, seed: u64) -> Store {
    let mut rng = Random::new(seed ^ 0x5709);
    let config = Config {
        open_bytes: 0, // Samples of the head are compressed as early as they can be.
        durability: Durability::Buffer { bytes: 1 << 20 }, // Nobody crashes here.
        ..Config::default()
    };
    let disk = Arc::new(SimDisk::new());
    let (store, _) = Store::open(disk, Path::new("/store"), config, NOW).expect("it opens");
    let writes = writes(data, &mut rng);
    let mut appender = store.appender();
    let (batch_max, flush_percent) = (rng.pick(&[20, 300, 3_000]), rng.pick(&[0, 3, 20]));
    let mut rest = writes.as_slice();
    while !rest.is_empty() {
        let count = rng.below(batch_max) as usize + 1;
        let (batch, after) = rest.split_at(count.min(rest.len()));
        for write in batch {
            let labels = Labels::from_pairs(data.series[write.series].labels.iter());
            let series = appender.series(&labels).expect("there is room");
            appender.push(series, TimestampMs(write.t), write.v);
        }
        let commit = appender.commit(NOW).expect("it is stored");
        assert!(commit.rejected.is_empty(), "{:?}", commit.rejected);
        if rng.chance(flush_percent) {
            store.flush(NOW).expect("it is flushed");
        }
        rest = after;
    }
    store
}

/// Every sample, in the order of writing.
fn writes(data: &Data, rng: &mut Random) -> Vec<Write> {
    let (late_percent, wrong_percent) = (rng.pick(&[0, 5, 40]), rng.pick(&[0, 10]));
    let mut writes = Vec::new();
    for (series, one) in data.series.iter().enumerate() {
        for &(t, v) in &one.points {
            let delay = if rng.chance(late_percent) {
                rng.below(SPAN as u64) as i64
            } else {
                0
            };
            if rng.chance(wrong_percent) {
                let (when, v) = (t + delay / 2, -1.0 - v);
                writes.push(Write { when, series, t, v });
            }
            let when = t + delay;
            writes.push(Write { when, series, t, v });
        }
    }
    // Stable: a sample that is corrected at once still follows what it corrects.
    writes.sort_by_key(|write| write.when);
    writes
}
