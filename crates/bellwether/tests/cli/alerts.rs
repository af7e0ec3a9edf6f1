//! `bellwether alerts` over a data folder.

use std::path::Path;

use bellwether::disk::RealDisk;
use bellwether::ledger::{HistoryRow, Ledger, TickCommit};
use bellwether::{Config, Labels, Store, TimestampMs};
use expect_test::{Expect, expect};

use crate::run::World;

fn row(seconds: i64, kind: &str, from: Option<u8>, to: Option<u8>) -> HistoryRow {
    HistoryRow {
        at: TimestampMs(seconds * 1000),
        rule: "Disk".into(),
        labels: Labels::from_pairs([("alertname", "Disk"), ("i", "a")]),
        kind: kind.into(),
        from,
        to,
        value: 0.03,
        threshold: Some(0.05),
        reason: None,
    }
}

/// A folder as a server leaves it.
fn folder(history: Vec<HistoryRow>) -> World {
    let world = World::new();
    let data = world.path().join("data");
    let disk = RealDisk::shared();
    let (store, _) = Store::open(disk, &data, Config::default(), TimestampMs(0)).unwrap();
    drop(store);
    let ledger = data.join(bellwether::server::LEDGER_FILE);
    commit(&ledger, history);
    world
}

fn commit(path: &Path, history: Vec<HistoryRow>) {
    let ledger = Ledger::open(RealDisk::shared(), path).unwrap();
    let commit = TickCommit {
        history,
        ..TickCommit::default()
    };
    ledger.commit(&commit).unwrap();
}

fn check(world: &World, args: &[&str], want: Expect) {
    let ran = world.run(&[&["alerts", "--data", "data"], args].concat());
    want.assert_eq(&ran.to_string());
}

#[test]
fn history_is_a_log_and_sums_by_rule() {
    let world = folder(vec![
        row(10, "fire", None, Some(2)),
        row(70, "rise", Some(2), Some(4)),
        row(130, "resolve", Some(4), None),
    ]);
    let whole = ["--history", "--since", "0", "--until", "200"];
    check(
        &world,
        &whole,
        expect![[r#"
            exit 0
            time                      change   level                alert        value  threshold  reason
            1970-01-01T00:00:10.000Z  fire     warning              Disk{i="a"}  0.03   0.05
            1970-01-01T00:01:10.000Z  rise     warning -> critical  Disk{i="a"}  0.03   0.05
            1970-01-01T00:02:10.000Z  resolve  critical             Disk{i="a"}  0.03   0.05

            rule  lapsed  fired  resolved  gone  firing  time firing  median  longest  flapping
            Disk  0       1      1         0     0       2m           2m      2m
        "#]],
    );
    check(
        &world,
        &[
            &whole[..],
            &["--limit", "1", "--rule", "Disk", "-o", "json"],
        ]
        .concat(),
        expect![[r#"
            exit 0
            {"history":[{"at":"1970-01-01T00:02:10.000Z","from":"critical","kind":"resolve","labels":{"alertname":"Disk","i":"a"},"rule":"Disk","threshold":"0.05","value":"0.03"}],"rules":[{"fell":0,"fired":1,"firing":0,"firingSeconds":120,"flapping":[],"gone":0,"lapsed":0,"levelSeconds":{"critical":60,"warning":60},"longestSeconds":120,"medianSeconds":120,"resolved":1,"rose":1,"rule":"Disk"}]}
            ! older changes are left out; --limit shows more
        "#]],
    );
    check(
        &world,
        &[&whole[..], &["--rule", "Other"]].concat(),
        expect![[r"
            exit 0
            no changes
        "]],
    );
    check(
        &world,
        &[],
        expect![[r"
        exit 0
        no alerts
    "]],
    );
}

#[test]
fn a_folder_without_rules_says_so() {
    let world = World::new();
    let data = world.path().join("data");
    let opened = Store::open(RealDisk::shared(), &data, Config::default(), TimestampMs(0));
    drop(opened.unwrap());
    check(
        &world,
        &[],
        expect![[r"
        exit 2
        ! bellwether: data: no server has evaluated rules here
    "]],
    );
}
