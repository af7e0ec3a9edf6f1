//! `bellwether verify`.

use bellwether::disk::RealDisk;
use bellwether::ledger::{HistoryRow, Ledger, TickCommit};
use bellwether::{Labels, TimestampMs};
use expect_test::{Expect, expect};

use crate::run::World;

/// A data folder as a server leaves it: a segment, and a ledger with a row.
fn folder() -> World {
    let world = World::new();
    let lines: Vec<String> = (0..100)
        .map(|i| format!("m f={i} {}\n", 1_700_000_000 + i))
        .collect();
    world.write("m.lp", lines.concat());
    let args = [
        "import",
        "lp",
        "m.lp",
        "--precision",
        "s",
        "--data",
        "data",
        "--retention",
        "100y",
    ];
    assert_eq!(world.run(&args).code, Some(0));
    let path = world.path().join("data/ledger.redb");
    let ledger = Ledger::open(RealDisk::shared(), &path).unwrap();
    let happened = HistoryRow {
        at: TimestampMs(1_700_000_000_000),
        rule: "Down".into(),
        labels: Labels::from_pairs([("alertname", "Down")]),
        kind: "fire".into(),
        from: None,
        to: Some(3),
        value: 1.0,
        threshold: None,
        reason: None,
    };
    let tick = TickCommit {
        tick: TimestampMs(1_700_000_000_000),
        history: vec![happened],
        ..TickCommit::default()
    };
    ledger.commit(&tick).unwrap();
    world
}

fn check(world: &World, expect: Expect) {
    let ran = world.run(&["verify", "--data", "data"]);
    expect.assert_eq(&ran.to_string());
}

/// The only file of a folder.
fn only(world: &World, folder: &str) -> std::path::PathBuf {
    let mut files = std::fs::read_dir(world.path().join(folder)).unwrap();
    files.next().unwrap().unwrap().path()
}

/// Changes one byte in the middle of a file.
fn damage(path: &std::path::Path) {
    let mut bytes = std::fs::read(path).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 0x10;
    std::fs::write(path, bytes).unwrap();
}

#[test]
fn a_sound_folder() {
    check(
        &folder(),
        expect![[r"
        exit 0
        1 segment, 1 chunk, 0 log files and 1 row of the ledger read: 0 problems
    "]],
    );
}

#[test]
fn a_changed_byte_of_a_segment_is_found() {
    let world = folder();
    damage(&only(&world, "data/seg"));
    let ran = world.run(&["verify", "--data", "data"]);
    assert_eq!(ran.code, Some(1), "{ran}");
    assert!(ran.out.contains("data/seg/"), "{ran}");
}

#[test]
fn a_changed_byte_of_the_ledger_is_found() {
    let world = folder();
    // Inside the row: that is what all checksums are about.
    let path = world.path().join("data/ledger.redb");
    let mut bytes = std::fs::read(&path).unwrap();
    let places: Vec<usize> = bytes
        .windows(4)
        .enumerate()
        .filter(|(_, w)| w == b"fire")
        .map(|(at, _)| at)
        .collect();
    assert!(!places.is_empty());
    for at in places {
        bytes[at] ^= 0x10;
    }
    std::fs::write(&path, bytes).unwrap();
    let ran = world.run(&["verify", "--data", "data"]);
    assert_eq!(ran.code, Some(1), "{ran}");
    assert!(
        ran.out.contains("data/ledger.redb: the ledger is damaged"),
        "{ran}"
    );
}
