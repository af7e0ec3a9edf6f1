//! Reading everything the ledger keeps, to find what does not fit before it is needed.
//!
//! Opening a ledger has compared the checksums of the whole file. What can still be wrong is what the rows say: each
//! has to decode, and the tables that find rows have to agree with the rows they find.
//!
//! Not here: repair. A ledger that is wrong is restored, or moved away.

use crate::codec::{self, CodecError, Row};
use crate::error::{Failure, LedgerError};
use crate::ledger::{Ledger, read_meta};
use crate::rows::{HistoryRecord, InstanceRecord, MetaRecord, OutboxRecord, StatusRecord};
use crate::sources;
use crate::tables::{CLOSED, DUE, HISTORY, INSTANCES, KEYS, META, OUTBOX};
use bellwether_model::TimestampMs;
use redb::{ReadTransaction, ReadableTable, ReadableTableMetadata};

/// What [`Ledger::verify`] found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Verified {
    /// Rows read: state, intents to notify, history, rules.
    pub rows: u64,
    /// What is wrong, worded with table and row. Empty for a sound ledger.
    pub problems: Vec<String>,
}

impl Ledger {
    /// Reads every row of one consistent state. An error is one of the file; what is wrong in rows is in the answer.
    pub fn verify(&self) -> Result<Verified, LedgerError> {
        self.read("verifying", |txn| {
            let mut found = Verified::default();
            found.instances(txn)?;
            found.outbox(txn)?;
            found.history(txn)?;
            found.rules(txn)?;
            found.totals(txn, &read_meta(&txn.open_table(META)?)?)?;
            Ok(found)
        })
    }
}

impl Verified {
    fn problem(&mut self, table: &str, row: &str, what: impl std::fmt::Display) {
        self.problems
            .push(format!("ledger: table {table}: row {row}: {what}"));
    }

    fn row<R: Row>(&mut self, table: &str, row: &str, value: &[u8]) -> Option<R> {
        self.rows += 1;
        let decoded: Result<R, CodecError> = codec::decode(value);
        decoded
            .map_err(|error| self.problem(table, row, error))
            .ok()
    }

    fn instances(&mut self, txn: &ReadTransaction) -> Result<(), Failure> {
        for entry in txn.open_table(INSTANCES)?.iter()? {
            let (key, value) = entry?;
            let name = String::from_utf8_lossy(key.value()).into_owned();
            self.row::<InstanceRecord>("instances", &name, value.value());
        }
        Ok(())
    }

    /// Every intent is found by its key, and stands where open or ended ones are looked for.
    fn outbox(&mut self, txn: &ReadTransaction) -> Result<(), Failure> {
        let (keys, due, closed) = (
            txn.open_table(KEYS)?,
            txn.open_table(DUE)?,
            txn.open_table(CLOSED)?,
        );
        let rows = txn.open_table(OUTBOX)?;
        for entry in rows.iter()? {
            let (sequence, value) = entry?;
            let sequence = sequence.value();
            let name = sequence.to_string();
            let Some(record) = self.row::<OutboxRecord>("outbox", &name, value.value()) else {
                continue;
            };
            let named = keys.get(record.key.as_str())?.map(|s| s.value());
            if named != Some(sequence) {
                self.problem("outbox", &name, "its key leads elsewhere");
            }
            let filed = match record.status {
                StatusRecord::Open { next_attempt, .. } => due.get((next_attempt, sequence))?,
                ended => match ended.closed_at() {
                    Some(at) => closed.get((at, sequence))?,
                    None => None,
                },
            };
            if filed.is_none() {
                self.problem("outbox", &name, "it is not where its status belongs");
            }
        }
        // Each row has its entries; as many entries as rows are then no more than those.
        let (intents, named, filed) = (rows.len()?, keys.len()?, due.len()? + closed.len()?);
        if named != intents || filed != intents {
            self.problems.push(format!(
                "ledger: {intents} intents, but {named} keys and {filed} entries by time"
            ));
        }
        Ok(())
    }

    fn history(&mut self, txn: &ReadTransaction) -> Result<(), Failure> {
        for entry in txn.open_table(HISTORY)?.iter()? {
            let (key, value) = entry?;
            let (at, sequence) = key.value();
            let name = sequence.to_string();
            let record = self.row::<HistoryRecord>("history", &name, value.value());
            if record.is_some_and(|record| record.row(TimestampMs(at)).is_none()) {
                self.problem("history", &name, "its labels are no label set");
            }
        }
        Ok(())
    }

    /// The kept rules, if there are any.
    fn rules(&mut self, txn: &ReadTransaction) -> Result<(), Failure> {
        match sources::read(txn) {
            Ok(rules) => self.rows += u64::from(rules.is_some()),
            Err(Failure::Damaged(what)) => self.problems.push(format!("ledger: {what}")),
            Err(other) => return Err(other),
        }
        Ok(())
    }

    /// Every intent there ever was has ended or is open.
    fn totals(&mut self, txn: &ReadTransaction, meta: &MetaRecord) -> Result<(), Failure> {
        let ended = [
            meta.delivered,
            meta.superseded,
            meta.silenced,
            meta.dead_letter,
        ];
        let accounted = ended
            .iter()
            .fold(txn.open_table(DUE)?.len()?, |sum, n| sum.saturating_add(*n));
        if accounted != meta.intents {
            self.problems.push(format!(
                "ledger: {} intents were made, {accounted} are accounted for",
                meta.intents
            ));
        }
        Ok(())
    }
}
