//! Forgetting what is old: ended intents with their keys, and history.
//!
//! Open intents are never forgotten, and totals are not lowered. A key is kept as long as its row: a tick
//! is repeated within [`limits::RULES_CATCHUP_MAX`] of its time, far sooner than its keys are forgotten.

use crate::error::{Failure, LedgerError};
use crate::ledger::Ledger;
use crate::outbox::record_at;
use crate::tables::{CLOSED, HISTORY, KEYS, OUTBOX};
use bellwether_model::{TimestampMs, limits};
use redb::{ReadableTable, WriteTransaction};

/// Rows removed in one transaction: others wait for it.
const ROWS_MAX: usize = 10_000;

const _: () = assert!(limits::NOTIFY_DEAD_LETTER_KEEP.value > 2 * limits::RULES_CATCHUP_MAX.value);

/// What was forgotten.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Pruned {
    /// Ended intents.
    pub notices: usize,
    /// Rows of history.
    pub history: usize,
    /// Whether there is more: call again.
    pub more: bool,
}

impl Ledger {
    /// Forgets intents that ended more than [`limits::NOTIFY_DEAD_LETTER_KEEP`] before `now`, and history
    /// older than [`limits::HISTORY_KEEP`]; a bounded number of rows at a time.
    ///
    /// `now` must not run ahead of the data: a clock that jumped would forget too much.
    pub fn prune(&self, now: TimestampMs) -> Result<Pruned, LedgerError> {
        let closed_end = now
            .0
            .saturating_sub(limits::NOTIFY_DEAD_LETTER_KEEP.millis());
        let history_end = now.0.saturating_sub(limits::HISTORY_KEEP.millis());
        let due = self.read("pruning", |txn| {
            let closed = txn
                .open_table(CLOSED)?
                .range(..(closed_end, 0))?
                .next()
                .is_some();
            Ok(closed
                || txn
                    .open_table(HISTORY)?
                    .range(..(history_end, 0))?
                    .next()
                    .is_some())
        })?;
        if !due {
            return Ok(Pruned::default()); // No transaction, and no sync, for nothing.
        }
        self.write("pruning", |txn| {
            let notices = prune_closed(txn, closed_end)?;
            let history = prune_history(txn, history_end)?;
            Ok(Pruned {
                notices,
                history,
                more: notices == ROWS_MAX || history == ROWS_MAX,
            })
        })
    }
}

fn prune_closed(txn: &WriteTransaction, end: i64) -> Result<usize, Failure> {
    let mut closed = txn.open_table(CLOSED)?;
    let mut rows = txn.open_table(OUTBOX)?;
    let mut keys = txn.open_table(KEYS)?;
    let mut old = Vec::new();
    for entry in closed.range(..(end, 0))?.take(ROWS_MAX) {
        old.push(entry?.0.value());
    }
    for (at, sequence) in &old {
        let record = record_at(&rows, *sequence)?;
        keys.remove(record.key.as_str())?;
        rows.remove(*sequence)?;
        closed.remove((*at, *sequence))?;
    }
    Ok(old.len())
}

fn prune_history(txn: &WriteTransaction, end: i64) -> Result<usize, Failure> {
    let mut table = txn.open_table(HISTORY)?;
    let mut old = Vec::new();
    for entry in table.range(..(end, 0))?.take(ROWS_MAX) {
        old.push(entry?.0.value());
    }
    for key in &old {
        table.remove(*key)?;
    }
    Ok(old.len())
}
