//! What a refused line, or a refused body, leaves behind: nothing.

use super::*;
use bellwether_disk::SimDisk;
use bellwether_store::Config;
use std::fmt::Write as _;
use std::path::Path;
use std::sync::Arc;

const NOW: TimestampMs = TimestampMs(1_767_323_045_000);
const DAY: i64 = 86_400_000;

struct World {
    store: Store,
    ingest: LineIngest,
}

impl World {
    fn new() -> World {
        let disk = Arc::new(SimDisk::new());
        let (store, _) = Store::open(disk, Path::new("/store"), Config::default(), NOW).unwrap();
        World {
            ingest: LineIngest::new(store.clone()),
            store,
        }
    }

    fn write(&self, body: &str, all_or_nothing: bool) -> Result<Written, IngestError> {
        let options = LineOptions {
            precision: Precision::parse("ms").unwrap(),
            all_or_nothing,
            ..LineOptions::default()
        };
        self.ingest.write(body.as_bytes(), &options, NOW)
    }

    /// Writes `body` and shows what was refused, and how many series there are then.
    fn check(&self, body: &str, all_or_nothing: bool, refused: &[(usize, &str)], series: u64) {
        let written = self.write(body, all_or_nothing).unwrap();
        let told: Vec<_> = written.faults.iter().map(|f| (f.line, f.code)).collect();
        assert_eq!(told, refused);
        assert_eq!(written.lines_refused, refused.len() as u64);
        assert_eq!(self.store.stats().series, series);
    }
}

#[test]
fn lines_from_a_clock_a_day_ahead_make_no_series() {
    let world = World::new();
    let ahead = NOW.0 + DAY;
    let mut body = String::new();
    for i in 0..100 {
        writeln!(body, "cpu,pod=p{i} user=1,system=2 {ahead}").unwrap();
    }
    let written = world.write(&body, false).unwrap();
    assert_eq!((written.lines_refused, written.samples), (100, 0));
    assert_eq!(written.refused_by_reason, [("future_timestamp", 200)]);
    assert_eq!(world.store.stats().series, 0);
    // Nor do samples older than any that are kept.
    let old = NOW.0 - 100 * DAY;
    world.check(
        &format!("cpu,pod=a user=1 {old}\ncpu,pod=b user=1 {}", NOW.0),
        false,
        &[(1, "beyond_retention")],
        1,
    );
    // A known series is told the same, by the store.
    world.check(
        &format!("cpu,pod=b user=1 {old}"),
        false,
        &[(1, "beyond_retention")],
        1,
    );
}

#[test]
fn a_line_with_a_mistake_behind_its_first_field_makes_no_series() {
    let world = World::new();
    world.check("cpu,pod=a user=1,system=x", false, &[(1, "parse")], 0);
    world.check("cpu,pod=a user=1 soon", false, &[(1, "parse")], 0);
    world.check("cpu,pod=a user=1", false, &[], 1);
    world.check("cpu,pod=a user=1,idle=2 soon", false, &[(1, "parse")], 1);
    // Known and new fields in one line, in any order.
    world.check("cpu,pod=a idle=2,user=1,nice=3", false, &[], 3);
    world.check("cpu,pod=a nice=3,idle=2,user=1", false, &[], 3);
}

#[test]
fn all_or_nothing_makes_no_series_for_good_lines_beside_a_bad_one() {
    let world = World::new();
    let bad = [(2, "parse")];
    world.check("cpu,pod=a user=1\ncpu,pod=b user=1 soon", true, &bad, 0);
    let late = format!("cpu,pod=a user=1\ncpu,pod=b user=1 {}", NOW.0 + DAY);
    world.check(&late, true, &[(2, "future_timestamp")], 0);
    assert_eq!(world.store.stats().accepted, 0);
    world.check("cpu,pod=a user=1\ncpu,pod=b user=1", true, &[], 2);
}

#[test]
fn a_body_with_too_many_samples_makes_no_series() {
    let world = World::new();
    let max = limits::INGEST_SAMPLES_MAX.usize();
    let mut body = String::from("cpu,pod=a user=1\ncpu,pod=b user=1\n");
    for _ in 0..max / 10_000 {
        body.push_str("m v=1");
        body.push_str(&",v=1".repeat(10_000 - 1));
        body.push('\n');
    }
    body.push_str("cpu,pod=c user=1\n");
    let refused = world.write(&body, false);
    assert!(matches!(refused, Err(IngestError::TooManySamples { .. })));
    assert_eq!(world.store.stats().series, 0);
}

#[test]
fn a_store_that_takes_nothing_makes_no_series() {
    let world = World::new();
    world.store.clone().close(NOW).unwrap();
    let refused = world.write("cpu,pod=a user=1", false);
    assert!(matches!(refused, Err(IngestError::Store(_))));
    assert_eq!(world.store.stats().series, 0);
}
