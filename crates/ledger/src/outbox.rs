//! Ticks and outcomes: the two things that change the ledger, and the intents to notify between them.
//!
//! An intent's row stands in `outbox` for as long as it is kept; its sequence number stands in `outbox_due`
//! while it is open and in `outbox_closed` afterwards. The totals in `meta` change in the same transaction.

use crate::error::{Failure, LedgerError};
use crate::ledger::{Ledger, decode, encode, read_meta, write_meta};
use crate::rows::{
    HistoryRow, InstanceRecord, InstanceRow, MetaRecord, NewNotice, OutboxRecord, OutboxRow,
    Outcome, StatusRecord, TickCommit,
};
use crate::tables::{CLOSED, DUE, HISTORY, INSTANCES, KEYS, META, OUTBOX};
use bellwether_model::{TimeRange, TimestampMs};
use redb::{ReadTransaction, ReadableTable, ReadableTableMetadata, WriteTransaction};

/// What a commit found.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Committed {
    /// Intents that are new.
    pub enqueued: usize,
    /// Intents whose key was there already; they are ignored.
    pub repeated: usize,
}

/// All intents that there ever were, by what became of them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Balance {
    /// All of them.
    pub intents: u64,
    /// Accepted by their receivers.
    pub delivered: u64,
    /// Told by another intent.
    pub superseded: u64,
    /// Not told on purpose.
    pub silenced: u64,
    /// Given up.
    pub dead_letter: u64,
    /// Waiting for an attempt.
    pub open: u64,
    /// Intents that were ignored because their key was there already; not in `intents`.
    pub repeated: u64,
}

impl Balance {
    /// Whether every intent is accounted for. Holds at every moment.
    pub fn holds(&self) -> bool {
        let ended = self.delivered + self.superseded + self.silenced + self.dead_letter;
        self.intents == ended + self.open
    }
}

impl Ledger {
    /// Makes a tick's changes durable, all of them or none. On success they survive any crash.
    ///
    /// A known key is not enqueued again, but rows of history are added each time: after a restart go on behind
    /// [`crate::Snapshot::last_tick`].
    pub fn commit(&self, tick: &TickCommit) -> Result<Committed, LedgerError> {
        self.write("committing a tick to", |txn| {
            let mut meta = read_meta(&txn.open_table(META)?)?;
            meta.last_tick = Some(tick.tick.0);
            put_instances(txn, &tick.instances)?;
            let committed = enqueue(txn, &tick.notices, &mut meta)?;
            put_history(txn, &tick.history, &mut meta)?;
            if let Some(rules) = &tick.rules {
                crate::sources::keep(txn, rules)?;
            }
            write_meta(txn, &meta)?;
            Ok(committed)
        })
    }

    /// Makes what came of one open intent durable.
    ///
    /// [`LedgerError::NotOpen`] when there is no such intent, or it has ended.
    pub fn record_outcome(&self, key: &str, outcome: &Outcome) -> Result<(), LedgerError> {
        self.record_outcomes(&[(key, outcome.clone())])
    }

    /// Makes several outcomes durable at the price of one sync: all of them, or none.
    pub fn record_outcomes(&self, outcomes: &[(&str, Outcome)]) -> Result<(), LedgerError> {
        self.write("recording an outcome in", |txn| {
            let mut meta = read_meta(&txn.open_table(META)?)?;
            for (key, outcome) in outcomes {
                record(txn, key, outcome, &mut meta)?;
            }
            write_meta(txn, &meta)
        })
    }

    /// At most `limit` open intents that are due at `now` or before, in the order in which they were made, of
    /// those that have been due longest.
    pub fn outbox_due(
        &self,
        now: TimestampMs,
        limit: usize,
    ) -> Result<Vec<OutboxRow>, LedgerError> {
        self.read("reading the outbox of", |txn| {
            let due = txn.open_table(DUE)?;
            let rows = txn.open_table(OUTBOX)?;
            let mut found = Vec::new();
            for entry in due.range(..=(now.0, u64::MAX))?.take(limit) {
                found.push(row_at(&rows, entry?.0.value().1)?);
            }
            found.sort_unstable_by_key(|row: &OutboxRow| row.sequence);
            Ok(found)
        })
    }

    /// When the next open intent is due, past or future; `None` when there is none.
    pub fn outbox_next_due(&self) -> Result<Option<TimestampMs>, LedgerError> {
        self.read("reading the outbox of", |txn| {
            let due = txn.open_table(DUE)?;
            let first = due.first()?;
            Ok(first.map(|(entry, _)| TimestampMs(entry.value().0)))
        })
    }

    /// All open intents, in the order in which they were made.
    pub fn outbox_open(&self) -> Result<Vec<OutboxRow>, LedgerError> {
        self.outbox_open_after(None)
    }

    /// The intents that wait and were made behind the one of this sequence, in the order in which they were made. Only
    /// these are read, so that whoever keeps up pays for what is new.
    pub fn outbox_open_after(&self, known: Option<u64>) -> Result<Vec<OutboxRow>, LedgerError> {
        self.read("reading the outbox of", |txn| open_rows(txn, known))
    }

    /// At most `limit` intents that ended within `range`, the latest first.
    pub fn outbox_closed(
        &self,
        range: TimeRange,
        limit: usize,
    ) -> Result<Vec<OutboxRow>, LedgerError> {
        self.read("reading the outbox of", |txn| {
            let rows = txn.open_table(OUTBOX)?;
            let bounds = (range.from.0, 0)..=(range.to.0, u64::MAX);
            if bounds.is_empty() {
                return Ok(Vec::new());
            }
            let closed = txn.open_table(CLOSED)?;
            let latest = closed.range(bounds)?.rev().take(limit);
            latest
                .map(|entry| row_at(&rows, entry?.0.value().1))
                .collect()
        })
    }

    /// The intent with this key, open or ended; `None` when it was never made or is forgotten.
    pub fn outbox_get(&self, key: &str) -> Result<Option<OutboxRow>, LedgerError> {
        self.read("reading the outbox of", |txn| {
            let sequence = txn
                .open_table(KEYS)?
                .get(key)?
                .map(|sequence| sequence.value());
            let rows = txn.open_table(OUTBOX)?;
            sequence.map(|sequence| row_at(&rows, sequence)).transpose()
        })
    }

    /// What became of all intents.
    pub fn balance(&self) -> Result<Balance, LedgerError> {
        self.read("reading the totals of", |txn| {
            let meta = read_meta(&txn.open_table(META)?)?;
            Ok(Balance {
                intents: meta.intents,
                delivered: meta.delivered,
                superseded: meta.superseded,
                silenced: meta.silenced,
                dead_letter: meta.dead_letter,
                open: txn.open_table(DUE)?.len()?,
                repeated: meta.repeated,
            })
        })
    }
}

fn put_instances(txn: &WriteTransaction, changes: &[InstanceRow]) -> Result<(), Failure> {
    let mut table = txn.open_table(INSTANCES)?;
    for change in changes {
        match &change.state {
            Some(state) => {
                let value = encode(
                    "instances",
                    &InstanceRecord {
                        state: state.clone(),
                    },
                )?;
                table.insert(change.key.as_slice(), value.as_slice())?;
            }
            None => {
                table.remove(change.key.as_slice())?;
            }
        }
    }
    Ok(())
}

fn enqueue(
    txn: &WriteTransaction,
    notices: &[NewNotice],
    meta: &mut MetaRecord,
) -> Result<Committed, Failure> {
    let mut committed = Committed::default();
    let mut keys = txn.open_table(KEYS)?;
    let mut rows = txn.open_table(OUTBOX)?;
    for notice in notices {
        if keys.get(notice.key.as_str())?.is_some() {
            committed.repeated += 1;
            meta.repeated += 1;
            continue;
        }
        let sequence = next_sequence(meta)?;
        let record = notice.record();
        keys.insert(notice.key.as_str(), sequence)?;
        rows.insert(sequence, encode("outbox", &record)?.as_slice())?;
        meta.intents += 1;
        file_under(txn, sequence, &record.status, meta)?;
        committed.enqueued += 1;
    }
    Ok(committed)
}

/// Notes a status that an intent has just got where such intents are looked for, and in the totals.
fn file_under(
    txn: &WriteTransaction,
    sequence: u64,
    status: &StatusRecord,
    meta: &mut MetaRecord,
) -> Result<(), Failure> {
    match status {
        StatusRecord::Open { next_attempt, .. } => {
            txn.open_table(DUE)?.insert((*next_attempt, sequence), ())?;
            return Ok(());
        }
        StatusRecord::Delivered { .. } => meta.delivered += 1,
        StatusRecord::Superseded { .. } => meta.superseded += 1,
        StatusRecord::Silenced { .. } => meta.silenced += 1,
        StatusRecord::DeadLetter { .. } => meta.dead_letter += 1,
    }
    if let Some(at) = status.closed_at() {
        txn.open_table(CLOSED)?.insert((at, sequence), ())?;
    }
    Ok(())
}

fn record(
    txn: &WriteTransaction,
    key: &str,
    outcome: &Outcome,
    meta: &mut MetaRecord,
) -> Result<(), Failure> {
    let not_open = || Failure::NotOpen(key.to_owned());
    let sequence = txn
        .open_table(KEYS)?
        .get(key)?
        .ok_or_else(not_open)?
        .value();
    let mut rows = txn.open_table(OUTBOX)?;
    let mut record = record_at(&rows, sequence)?;
    let StatusRecord::Open { next_attempt, .. } = record.status else {
        return Err(not_open());
    };
    let (status, attempted) = StatusRecord::after(outcome);
    txn.open_table(DUE)?.remove((next_attempt, sequence))?;
    record.status = status;
    record.attempts = record.attempts.saturating_add(u32::from(attempted));
    rows.insert(sequence, encode("outbox", &record)?.as_slice())?;
    file_under(txn, sequence, &record.status, meta)
}

fn put_history(
    txn: &WriteTransaction,
    history: &[HistoryRow],
    meta: &mut MetaRecord,
) -> Result<(), Failure> {
    let mut table = txn.open_table(HISTORY)?;
    for row in history {
        let key = (row.at.0, next_sequence(meta)?);
        table.insert(key, encode("history", &row.record())?.as_slice())?;
    }
    Ok(())
}

fn next_sequence(meta: &mut MetaRecord) -> Result<u64, Failure> {
    let sequence = meta.next_sequence;
    meta.next_sequence = sequence
        .checked_add(1)
        .ok_or_else(|| Failure::Damaged("the sequence numbers have run out".to_owned()))?;
    Ok(sequence)
}

/// The open intents, in the order in which they were made.
pub(crate) fn open_rows(
    txn: &ReadTransaction,
    after: Option<u64>,
) -> Result<Vec<OutboxRow>, Failure> {
    let rows = txn.open_table(OUTBOX)?;
    let mut found = Vec::new();
    for entry in txn.open_table(DUE)?.iter()? {
        let sequence = entry?.0.value().1;
        if after.is_none_or(|after| after < sequence) {
            found.push(row_at(&rows, sequence)?);
        }
    }
    found.sort_unstable_by_key(|row| row.sequence);
    Ok(found)
}

fn row_at(
    rows: &impl ReadableTable<u64, &'static [u8]>,
    sequence: u64,
) -> Result<OutboxRow, Failure> {
    Ok(record_at(rows, sequence)?.row(sequence))
}

pub(crate) fn record_at(
    rows: &impl ReadableTable<u64, &'static [u8]>,
    sequence: u64,
) -> Result<OutboxRecord, Failure> {
    match rows.get(sequence)? {
        Some(value) => decode("outbox", value.value()),
        None => Err(Failure::Damaged(format!(
            "table outbox: row {sequence} is missing"
        ))),
    }
}
