//! What goes in comes out, ends once, is told in order, and is forgotten in time.

use super::scenario::{disk, happened, instance, notice, open, sources};
use crate::{
    Balance, Committed, HistoryRow, Ledger, LedgerError, NewNotice, OutboxRow, Outcome, Snapshot,
    Status, TickCommit,
};
use bellwether_disk::RealDisk;
use bellwether_disk::sim::OpKind;
use bellwether_model::{TimeRange, TimestampMs, limits};
use proptest::prelude::*;
use std::collections::BTreeMap;
use std::os::unix::fs::MetadataExt;

fn ledger() -> Ledger {
    open(&disk()).unwrap()
}

fn t(ms: i64) -> TimestampMs {
    TimestampMs(ms)
}

fn ever() -> TimeRange {
    TimeRange {
        from: t(i64::MIN),
        to: t(i64::MAX),
    }
}

fn with_notices(tick: i64, keys: &[&str]) -> TickCommit {
    let notices = keys.iter().map(|key| notice(key, tick)).collect();
    TickCommit {
        tick: t(tick),
        notices,
        ..TickCommit::default()
    }
}

fn keys(rows: &[OutboxRow]) -> Vec<&str> {
    rows.iter().map(|row| row.key.as_str()).collect()
}

fn delivered(at: i64) -> Outcome {
    Outcome::Delivered {
        at: t(at),
        answer: None,
    }
}

#[test]
fn a_new_ledger_is_empty() {
    let ledger = ledger();
    assert_eq!(ledger.load().unwrap(), Snapshot::default());
    assert_eq!(ledger.balance().unwrap(), Balance::default());
    assert_eq!(ledger.outbox_next_due().unwrap(), None);
    assert_eq!(ledger.outbox_get("x").unwrap(), None);
    assert!(ledger.history(ever(), 10).unwrap().is_empty());
}

#[test]
fn a_tick_comes_back_whole() {
    let disk = disk();
    let ledger = open(&disk).unwrap();
    ledger
        .commit(&TickCommit {
            tick: t(-5),
            instances: vec![
                instance("b", Some(b"2")),
                instance("a", Some(b"")),
                instance("c", Some(b"3")),
            ],
            notices: vec![notice("k", 7)],
            history: vec![happened(-5, "fire")],
            rules: None,
        })
        .unwrap();
    ledger
        .commit(&TickCommit {
            tick: t(10),
            instances: vec![
                instance("c", None),
                instance("never", None),
                instance("b", Some(b"x")),
                instance("b", Some(b"last")),
            ],
            ..TickCommit::default()
        })
        .unwrap();
    drop(ledger);
    let ledger = open(&disk).unwrap();
    let snapshot = ledger.load().unwrap();
    assert_eq!(snapshot.last_tick, Some(t(10)));
    assert_eq!(
        snapshot.instances,
        [
            (b"a".to_vec(), b"".to_vec()),
            (b"b".to_vec(), b"last".to_vec())
        ]
    );
    let row = OutboxRow {
        sequence: 0,
        key: "k".to_owned(),
        channel: "hook".to_owned(),
        payload: b"message of k".to_vec(),
        created: t(7),
        attempts: 0,
        status: Status::Open {
            next_attempt: t(7),
            error: None,
        },
    };
    assert_eq!(snapshot.outbox, [row]);
    let history = ledger.history(ever(), 10).unwrap();
    assert_eq!(
        history[0].value.to_bits(),
        0x7ff0_0000_0000_0002,
        "bit-exact"
    );
    assert_eq!(
        history[0].threshold.map(f64::to_bits),
        Some((-0.0_f64).to_bits())
    );
    let without_value = |row: &HistoryRow| HistoryRow {
        value: 0.0,
        ..row.clone()
    };
    assert_eq!(
        without_value(&history[0]),
        without_value(&happened(-5, "fire"))
    );
}

#[test]
fn a_key_is_enqueued_once_for_ever() {
    let ledger = ledger();
    let first = ledger.commit(&with_notices(1, &["a", "b", "a"])).unwrap();
    assert_eq!(
        first,
        Committed {
            enqueued: 2,
            repeated: 1
        }
    );
    ledger.record_outcome("a", &delivered(2)).unwrap();
    let again = ledger.commit(&with_notices(3, &["a", "b", "c"])).unwrap();
    assert_eq!(
        again,
        Committed {
            enqueued: 1,
            repeated: 2
        }
    );
    let open = ledger.outbox_open().unwrap();
    assert_eq!(keys(&open), ["b", "c"]);
    let behind = |row: &OutboxRow| ledger.outbox_open_after(Some(row.sequence)).unwrap();
    assert_eq!(keys(&behind(&open[0])), ["c"]);
    assert!(behind(&open[1]).is_empty());
    let balance = ledger.balance().unwrap();
    assert_eq!(
        (
            balance.intents,
            balance.delivered,
            balance.open,
            balance.repeated
        ),
        (3, 1, 2, 3)
    );
    assert!(balance.holds());
}

#[test]
fn each_outcome_ends_an_intent_once() {
    let ledger = ledger();
    ledger
        .commit(&with_notices(1, &["a", "b", "c", "d", "e"]))
        .unwrap();
    let retry = Outcome::Retry {
        next_attempt: t(50),
        error: "503".to_owned(),
    };
    ledger.record_outcome("e", &retry).unwrap();
    let outcomes = [
        (
            "a",
            Outcome::Delivered {
                at: t(10),
                answer: Some("ok".to_owned()),
            },
        ),
        (
            "b",
            Outcome::Superseded {
                at: t(11),
                by: "a".to_owned(),
            },
        ),
        (
            "c",
            Outcome::Silenced {
                at: t(12),
                reason: "muted".to_owned(),
            },
        ),
        (
            "d",
            Outcome::DeadLetter {
                at: t(13),
                error: "gone".to_owned(),
            },
        ),
    ];
    for (key, outcome) in &outcomes {
        ledger.record_outcome(key, outcome).unwrap();
        for (_, second) in &outcomes {
            let refused = ledger.record_outcome(key, second).unwrap_err();
            assert!(
                matches!(refused, LedgerError::NotOpen { .. }),
                "{refused:?}"
            );
        }
        assert!(ledger.balance().unwrap().holds());
    }
    let closed = ledger.outbox_closed(ever(), 10).unwrap();
    assert_eq!(keys(&closed), ["d", "c", "b", "a"], "the latest first");
    assert_eq!(
        closed.iter().map(|row| row.attempts).collect::<Vec<_>>(),
        [1, 0, 0, 1]
    );
    assert_eq!(
        closed[3].status,
        Status::Delivered {
            at: t(10),
            answer: Some("ok".to_owned())
        }
    );
    assert_eq!(closed[0].status.closed_at(), Some(t(13)));
    let some = ledger
        .outbox_closed(
            TimeRange {
                from: t(11),
                to: t(12),
            },
            10,
        )
        .unwrap();
    assert_eq!(keys(&some), ["c", "b"], "both ends included");
    let open = ledger.outbox_get("e").unwrap().unwrap();
    let status = Status::Open {
        next_attempt: t(50),
        error: Some("503".to_owned()),
    };
    assert_eq!((open.attempts, open.status), (1, status));
    let expected = Balance {
        intents: 5,
        delivered: 1,
        superseded: 1,
        silenced: 1,
        dead_letter: 1,
        open: 1,
        repeated: 0,
    };
    assert_eq!(ledger.balance().unwrap(), expected);
}

#[test]
fn outcomes_are_recorded_all_or_none() {
    let ledger = ledger();
    ledger.commit(&with_notices(1, &["a", "b"])).unwrap();
    let before = ledger.load().unwrap();
    let refused = ledger
        .record_outcomes(&[("a", delivered(2)), ("unknown", delivered(2))])
        .unwrap_err();
    assert_eq!(
        refused.to_string(),
        "no notice with the key \"unknown\" waits for an outcome"
    );
    assert_eq!(ledger.load().unwrap(), before);
    ledger
        .record_outcomes(&[("a", delivered(2)), ("b", delivered(2))])
        .unwrap();
    assert!(ledger.outbox_open().unwrap().is_empty());
}

#[test]
fn what_is_due_comes_in_the_order_it_was_made() {
    let ledger = ledger();
    let late = NewNotice {
        send_at: t(500),
        ..notice("late", 1)
    };
    let tick = with_notices(100, &["zz", "yy", "xx"]);
    ledger
        .commit(&TickCommit {
            notices: [vec![late], tick.notices].concat(),
            ..tick
        })
        .unwrap();
    ledger
        .record_outcome(
            "zz",
            &Outcome::Retry {
                next_attempt: t(300),
                error: "e".to_owned(),
            },
        )
        .unwrap();
    let due = |now, limit| -> Vec<String> {
        ledger
            .outbox_due(t(now), limit)
            .unwrap()
            .into_iter()
            .map(|row| row.key)
            .collect()
    };
    assert_eq!(ledger.outbox_next_due().unwrap(), Some(t(100)));
    assert_eq!(due(99, 10), [""; 0]);
    assert_eq!(due(100, 10), ["yy", "xx"]);
    assert_eq!(due(300, 10), ["zz", "yy", "xx"]);
    assert_eq!(due(300, 2), ["yy", "xx"], "those due longest");
    assert_eq!(due(i64::MAX, 10), ["late", "zz", "yy", "xx"]);
}

#[test]
fn a_silenced_intent_is_kept_and_not_sent() {
    let ledger = ledger();
    let silenced = NewNotice {
        silenced: Some("muted by x".to_owned()),
        ..notice("a", 5)
    };
    ledger
        .commit(&TickCommit {
            notices: vec![silenced],
            ..TickCommit::default()
        })
        .unwrap();
    assert!(ledger.outbox_due(t(i64::MAX), 10).unwrap().is_empty());
    let row = ledger.outbox_get("a").unwrap().unwrap();
    assert_eq!(
        row.status,
        Status::Silenced {
            at: t(5),
            reason: "muted by x".to_owned()
        }
    );
    let balance = ledger.balance().unwrap();
    assert!(balance.holds() && balance.silenced == 1);
}

#[test]
fn texts_from_outside_are_cut_between_characters() {
    let ledger = ledger();
    ledger.commit(&with_notices(1, &["a"])).unwrap();
    let error = "é".repeat(100_000);
    ledger
        .record_outcome("a", &Outcome::DeadLetter { at: t(2), error })
        .unwrap();
    let Status::DeadLetter { error, .. } = ledger.outbox_get("a").unwrap().unwrap().status else {
        panic!("a dead letter");
    };
    assert_eq!(error, "é".repeat(512));
}

#[test]
fn history_is_read_backwards_within_closed_ends() {
    let ledger = ledger();
    let history = vec![
        happened(1, "a"),
        happened(2, "b"),
        happened(2, "c"),
        happened(3, "d"),
    ];
    ledger
        .commit(&TickCommit {
            history,
            ..TickCommit::default()
        })
        .unwrap();
    let read = |from, to, limit| -> Vec<String> {
        let rows = ledger
            .history(
                TimeRange {
                    from: t(from),
                    to: t(to),
                },
                limit,
            )
            .unwrap();
        rows.into_iter().map(|row| row.kind).collect()
    };
    assert_eq!(read(1, 3, 10), ["d", "c", "b", "a"]);
    assert_eq!(read(2, 2, 10), ["c", "b"]);
    assert_eq!(read(1, 3, 2), ["d", "c"]);
    assert_eq!(read(3, 1, 10), [""; 0], "an empty range");
}

#[test]
fn pages_of_history_go_on_behind_what_was_looked_at() {
    let ledger = ledger();
    let history = (0..7)
        .map(|n| happened(n / 3, if n % 2 == 0 { "even" } else { "odd" }))
        .collect();
    ledger
        .commit(&TickCommit {
            history,
            ..TickCommit::default()
        })
        .unwrap();
    let (mut after, mut pages) = (None, Vec::new());
    loop {
        let page = ledger.history_page(ever(), after, 2, &|row| row.kind == "even");
        let page = page.unwrap();
        pages.push(page.rows.iter().map(|row| row.at.0).collect::<Vec<_>>());
        after = page.next;
        if after.is_none() {
            break;
        }
        // What is added later stands before the page, not in it.
        let tick = TickCommit {
            history: vec![happened(9, "even")],
            ..TickCommit::default()
        };
        ledger.commit(&tick).unwrap();
    }
    assert_eq!(pages, [vec![2, 1], vec![0, 0]]);
}

#[test]
fn old_things_are_forgotten_and_open_ones_never() {
    let ledger = ledger();
    let keep = limits::NOTIFY_DEAD_LETTER_KEEP.millis();
    let mut tick = with_notices(0, &["old", "edge", "open"]);
    tick.history = vec![happened(0, "old"), happened(1, "young")];
    ledger.commit(&tick).unwrap();
    ledger.record_outcome("old", &delivered(9)).unwrap();
    ledger
        .record_outcome(
            "edge",
            &Outcome::DeadLetter {
                at: t(10),
                error: String::new(),
            },
        )
        .unwrap();
    let before = ledger.balance().unwrap();

    let pruned = ledger.prune(t(10 + keep)).unwrap();
    assert_eq!((pruned.notices, pruned.history, pruned.more), (1, 0, false));
    assert_eq!(ledger.prune(t(10 + keep)).unwrap().notices, 0);
    assert_eq!(ledger.outbox_get("old").unwrap(), None);
    assert!(ledger.outbox_get("edge").unwrap().is_some());
    assert_eq!(
        ledger
            .prune(t(1 + limits::HISTORY_KEEP.millis()))
            .unwrap()
            .history,
        1
    );
    assert_eq!(ledger.history(ever(), 10).unwrap().len(), 1);
    assert_eq!(ledger.prune(t(i64::MAX)).unwrap().history, 1);
    assert_eq!(ledger.prune(t(i64::MIN)).unwrap(), crate::Pruned::default());
    assert_eq!(keys(&ledger.outbox_open().unwrap()), ["open"]);
    assert_eq!(ledger.balance().unwrap(), before, "totals stay");
    assert!(before.holds());
}

#[test]
fn much_is_forgotten_in_several_bites() {
    let ledger = ledger();
    let history = (0..10_001).map(|n| happened(n, "x")).collect();
    ledger
        .commit(&TickCommit {
            history,
            ..TickCommit::default()
        })
        .unwrap();
    let first = ledger.prune(t(i64::MAX)).unwrap();
    assert_eq!((first.history, first.more), (10_000, true));
    let second = ledger.prune(t(i64::MAX)).unwrap();
    assert_eq!((second.history, second.more), (1, false));
}

/// Each sync is a wait for the disk; nothing but the commit itself may cost one.
#[test]
fn a_commit_costs_two_syncs_and_reading_none() {
    let disk = disk();
    let ledger = open(&disk).unwrap();
    let syncs = || {
        disk.trace()
            .iter()
            .filter(|op| op.kind == OpKind::Sync)
            .count()
    };
    let cost = |call: &dyn Fn()| {
        let before = syncs();
        call();
        syncs() - before
    };
    // The data, then the header that counts; one more when the file has to grow, which doubles it.
    let costs: Vec<usize> = (0..20)
        .map(|n| cost(&|| assert!(ledger.commit(&with_notices(n, &[&n.to_string()])).is_ok())))
        .collect();
    assert!(costs.iter().all(|cost| [2, 3].contains(cost)), "{costs:?}");
    assert!(
        costs.iter().filter(|cost| **cost == 3).count() <= 2,
        "{costs:?}"
    );
    let reading = cost(&|| {
        ledger.load().unwrap();
        ledger.outbox_due(t(5), 10).unwrap();
        ledger.prune(t(5)).unwrap();
    });
    assert_eq!(reading, 0);
}

#[test]
fn threads_share_a_ledger() {
    let ledger = ledger();
    std::thread::scope(|scope| {
        for thread in 0..4 {
            let ledger = ledger.clone();
            scope.spawn(move || {
                for n in 0..10 {
                    let key = format!("{thread}-{n}");
                    ledger.commit(&with_notices(n, &[&key])).unwrap();
                    assert!(ledger.balance().unwrap().holds());
                    ledger.record_outcome(&key, &delivered(n)).unwrap();
                }
            });
        }
    });
    let balance = ledger.balance().unwrap();
    assert_eq!((balance.intents, balance.delivered), (40, 40));
}

#[test]
fn a_ledger_on_the_real_disk_is_small() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("ledger.redb");
    let ledger = Ledger::open(RealDisk::shared(), &path).unwrap();
    for n in 0..100_i64 {
        let mut tick = with_notices(n, &[&format!("key {n}")]);
        tick.instances = vec![instance(&format!("rule {}", n % 10), Some(&[7; 200]))];
        tick.history = vec![happened(n, "fire")];
        ledger.commit(&tick).unwrap();
        ledger
            .record_outcome(&format!("key {n}"), &delivered(n))
            .unwrap();
    }
    let end = ledger.load().unwrap();
    drop(ledger);
    let blocks = path.metadata().unwrap().blocks() * 512;
    println!(
        "after 100 ticks: {} bytes, {blocks} allocated",
        path.metadata().unwrap().len()
    );
    assert!(blocks < 1 << 20);
    assert_eq!(
        Ledger::open(RealDisk::shared(), &path)
            .unwrap()
            .load()
            .unwrap(),
        end
    );
}

#[derive(Clone, Debug)]
enum Call {
    Enqueue(Vec<u8>),
    Deliver(u8),
    Retry(u8, i64),
    Supersede(u8),
    GiveUp(u8),
    Prune(i64),
}

fn call() -> impl Strategy<Value = Call> {
    let key = 0..12_u8;
    prop_oneof![
        3 => prop::collection::vec(key.clone(), 0..4).prop_map(Call::Enqueue),
        2 => key.clone().prop_map(Call::Deliver),
        2 => (key.clone(), 0..100_i64).prop_map(|(key, at)| Call::Retry(key, at)),
        1 => key.clone().prop_map(Call::Supersede),
        1 => key.prop_map(Call::GiveUp),
        1 => (0..100_i64).prop_map(Call::Prune),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    /// Against a plain map: key to (is open, when due or ended).
    #[test]
    fn the_outbox_is_a_map_that_balances(calls in prop::collection::vec(call(), 1..40)) {
        let ledger = ledger();
        let keep = limits::NOTIFY_DEAD_LETTER_KEEP.millis();
        let mut model: BTreeMap<String, (bool, i64)> = BTreeMap::new();
        let mut intents = 0;
        for (now, call) in (0..).zip(calls) {
            let (key, outcome) = match call {
                Call::Enqueue(keys) => {
                    let names: Vec<String> = keys.iter().map(u8::to_string).collect();
                    let names: Vec<&str> = names.iter().map(String::as_str).collect();
                    let committed = ledger.commit(&with_notices(now, &names)).unwrap();
                    let before = model.len();
                    for name in &names {
                        model.entry((*name).to_owned()).or_insert((true, now));
                    }
                    prop_assert_eq!(committed.enqueued, model.len() - before);
                    intents += committed.enqueued as u64;
                    continue;
                }
                Call::Prune(at) => {
                    ledger.prune(t(at + keep)).unwrap();
                    model.retain(|_, (open, ended)| *open || *ended >= at);
                    continue;
                }
                Call::Deliver(key) => (key.to_string(), delivered(now)),
                Call::Retry(key, at) => {
                    (key.to_string(), Outcome::Retry { next_attempt: t(at), error: "e".to_owned() })
                }
                Call::Supersede(key) => {
                    (key.to_string(), Outcome::Superseded { at: t(now), by: "b".to_owned() })
                }
                Call::GiveUp(key) => {
                    (key.to_string(), Outcome::DeadLetter { at: t(now), error: "e".to_owned() })
                }
            };
            let recorded = ledger.record_outcome(&key, &outcome);
            let entry = model.get_mut(&key).filter(|(open, _)| *open);
            prop_assert_eq!(recorded.is_ok(), entry.is_some());
            if let Some(entry) = entry {
                *entry = match outcome {
                    Outcome::Retry { next_attempt, .. } => (true, next_attempt.0),
                    _ => (false, now),
                };
            }
        }
        let mut due: Vec<(i64, String)> = Vec::new();
        for row in ledger.outbox_open().unwrap() {
            let Status::Open { next_attempt, .. } = row.status else { panic!("not open") };
            due.push((next_attempt.0, row.key));
        }
        due.sort();
        let mut expected: Vec<(i64, String)> = Vec::new();
        for (key, (open, at)) in &model {
            if *open {
                expected.push((*at, key.clone()));
            }
        }
        expected.sort();
        prop_assert_eq!(due, expected);
        let balance = ledger.balance().unwrap();
        prop_assert!(balance.holds());
        prop_assert_eq!(balance.intents, intents);
        let closed = ledger.outbox_closed(ever(), usize::MAX).unwrap().len();
        prop_assert_eq!(closed, model.values().filter(|(open, _)| !open).count());
    }
}

#[test]
fn the_last_rules_are_kept_unless_they_are_too_large() {
    let ledger = ledger();
    let commit = |rules| {
        let tick = TickCommit {
            rules,
            ..TickCommit::default()
        };
        ledger.commit(&tick).unwrap();
        ledger.load().unwrap().rules
    };
    assert_eq!(commit(None), None);
    let small = sources(1, 10);
    assert_eq!(commit(Some(small.clone())), Some(small.clone()));
    assert_eq!(commit(None), Some(small), "nothing new was loaded");
    // Those from before are no longer the last.
    let large = sources(2, limits::RULES_KEPT_MAX.usize());
    assert!(!large.fit());
    assert_eq!(commit(Some(large)), None);
}

#[test]
fn verifying_reads_every_row_and_names_the_wrong_ones() {
    use crate::tables::{CLOSED, HISTORY, INSTANCES, ONLY, OUTBOX, RULES};
    let ledger = ledger();
    let mut tick = with_notices(5, &["a", "b"]);
    tick.instances = vec![instance("one", Some(b"1"))];
    tick.history = vec![happened(5, "fire")];
    tick.rules = Some(sources(1, 10));
    ledger.commit(&tick).unwrap();
    ledger.record_outcome("a", &delivered(6)).unwrap();
    let sound = ledger.verify().unwrap();
    assert_eq!((sound.rows, sound.problems), (5, vec![]));
    let spoil = |txn: &redb::WriteTransaction| {
        txn.open_table(INSTANCES)?
            .insert(b"one".as_slice(), b"?".as_slice())?;
        txn.open_table(OUTBOX)?
            .insert(1, b"nothing of the kind".as_slice())?;
        txn.open_table(HISTORY)?.insert((5, 2), b"".as_slice())?;
        txn.open_table(CLOSED)?.remove((6, 0))?;
        txn.open_table(RULES)?.insert(ONLY, b"rules".as_slice())?;
        Ok(())
    };
    ledger.write("spoiling", spoil).unwrap();
    let found = ledger.verify().unwrap();
    assert_eq!(found.rows, 4);
    assert_eq!(
        found.problems,
        [
            "ledger: table instances: row one: 1 bytes are too few for a value",
            "ledger: table outbox: row 0: it is not where its status belongs",
            "ledger: table outbox: row 1: the checksum of a value does not match",
            "ledger: 2 intents, but 2 keys and 1 entries by time",
            "ledger: table history: row 2: 0 bytes are too few for a value",
            "ledger: table rules: 5 bytes are too few for a value",
        ]
    );
}
