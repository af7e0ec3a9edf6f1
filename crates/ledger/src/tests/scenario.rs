//! A small life of a ledger, step by step, and a model that says what it must hold after each.

use crate::{
    Balance, HistoryRow, InstanceRow, Ledger, LedgerError, NewNotice, Outcome, RuleSources,
    Snapshot, TickCommit,
};
use bellwether_disk::{Disk, SimDisk};
use bellwether_model::{Labels, TimeRange, TimestampMs};
use std::path::Path;
use std::sync::Arc;

pub(super) const PATH: &str = "/d/ledger.redb";

pub(super) fn open(disk: &SimDisk) -> Result<Ledger, LedgerError> {
    Ledger::open(Arc::new(disk.clone()), Path::new(PATH))
}

/// A disk with the folder, synced.
pub(super) fn disk() -> SimDisk {
    let disk = SimDisk::new();
    disk.create_dir_all(Path::new("/d")).unwrap();
    disk
}

pub(super) fn notice(key: &str, created: i64) -> NewNotice {
    NewNotice {
        key: key.to_owned(),
        channel: "hook".to_owned(),
        payload: format!("message of {key}").into_bytes(),
        created: TimestampMs(created),
        send_at: TimestampMs(created),
        silenced: None,
    }
}

pub(super) fn instance(key: &str, state: Option<&[u8]>) -> InstanceRow {
    InstanceRow {
        key: key.as_bytes().to_vec(),
        state: state.map(<[u8]>::to_vec),
    }
}

pub(super) fn happened(at: i64, kind: &str) -> HistoryRow {
    HistoryRow {
        at: TimestampMs(at),
        rule: "DiskFull".to_owned(),
        labels: Labels::from_pairs([("alertname", "DiskFull"), ("host", "a")]),
        kind: kind.to_owned(),
        from: Some(2),
        to: None,
        value: f64::from_bits(0x7ff0_0000_0000_0002),
        threshold: Some(-0.0),
        reason: None,
    }
}

/// Rules whose text has this many bytes.
pub(super) fn sources(loaded: i64, bytes: usize) -> RuleSources {
    RuleSources {
        loaded: TimestampMs(loaded),
        files: vec![("rules/a.rules".to_owned(), "#".repeat(bytes))],
    }
}

/// One call that changes the ledger.
pub(super) enum Step {
    Commit(TickCommit),
    Outcomes(Vec<(String, Outcome)>),
}

impl Step {
    pub(super) fn run(&self, ledger: &Ledger) -> Result<(), LedgerError> {
        match self {
            Step::Commit(tick) => ledger.commit(tick).map(|_| ()),
            Step::Outcomes(outcomes) => {
                let outcomes: Vec<_> = outcomes
                    .iter()
                    .map(|(key, outcome)| (key.as_str(), outcome.clone()))
                    .collect();
                ledger.record_outcomes(&outcomes)
            }
        }
    }
}

/// Ticks that put and delete rows and repeat keys, and every kind of outcome in between.
pub(super) fn steps() -> Vec<Step> {
    let tick = |n: i64| {
        let mut notices: Vec<_> = (0..n % 3)
            .map(|i| notice(&format!("{n}-{i}"), n * 1000))
            .collect();
        notices.push(notice(&format!("{}-0", n - 1), n * 1000)); // Known after odd ticks.
        notices.push(NewNotice {
            silenced: Some("muted".to_owned()),
            ..notice(&format!("{n}-s"), n)
        });
        Step::Commit(TickCommit {
            tick: TimestampMs(n * 1000),
            instances: vec![
                instance(
                    &format!("rule {}", n % 4),
                    Some(&vec![n as u8; 300 * n as usize]),
                ),
                instance(&format!("rule {}", (n + 2) % 4), None),
            ],
            notices,
            history: (0..n).map(|_| happened(n * 1000, "fire")).collect(),
            rules: (n % 2 == 0).then(|| sources(n, 100 * n as usize)),
        })
    };
    let at = TimestampMs(9000);
    let outcome = |key: &str, outcome: Outcome| (key.to_owned(), outcome);
    vec![
        tick(1),
        Step::Outcomes(vec![outcome(
            "1-0",
            Outcome::Delivered {
                at,
                answer: Some("200".to_owned()),
            },
        )]),
        tick(2),
        Step::Outcomes(vec![outcome(
            "2-0",
            Outcome::Retry {
                next_attempt: TimestampMs(4000),
                error: "503".to_owned(),
            },
        )]),
        Step::Outcomes(vec![
            outcome(
                "2-0",
                Outcome::DeadLetter {
                    at,
                    error: "410".to_owned(),
                },
            ),
            outcome(
                "2-1",
                Outcome::Superseded {
                    at,
                    by: "3-0".to_owned(),
                },
            ),
        ]),
        tick(3),
        tick(4),
        Step::Outcomes(vec![outcome(
            "4-0",
            Outcome::Silenced {
                at,
                reason: "acknowledged".to_owned(),
            },
        )]),
        tick(5),
    ]
}

/// Everything that can be read out of a ledger.
#[derive(Debug, PartialEq)]
pub(super) struct Contents {
    snapshot: Snapshot,
    closed: Vec<crate::OutboxRow>,
    history: String,
    pub(super) balance: Balance,
}

pub(super) fn contents(ledger: &Ledger) -> Result<Contents, LedgerError> {
    let ever = TimeRange {
        from: TimestampMs(i64::MIN),
        to: TimestampMs(i64::MAX),
    };
    Ok(Contents {
        snapshot: ledger.load()?,
        closed: ledger.outbox_closed(ever, usize::MAX)?,
        history: format!("{:?}", ledger.history(ever, usize::MAX)?), // As text: NaN is not equal to NaN.
        balance: ledger.balance()?,
    })
}

/// What a ledger must hold after each number of steps: the first entry is the empty one's.
pub(super) fn expected(steps: &[Step]) -> Vec<Contents> {
    let ledger = open(&disk()).unwrap();
    let mut all = vec![contents(&ledger).unwrap()];
    for step in steps {
        step.run(&ledger).unwrap();
        all.push(contents(&ledger).unwrap());
    }
    all
}
