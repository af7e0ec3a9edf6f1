//! Reading what happened to alerts.

use crate::error::{Failure, LedgerError};
use crate::ledger::{Ledger, decode};
use crate::rows::{HistoryRecord, HistoryRow};
use crate::tables::HISTORY;
use bellwether_model::{TimeRange, TimestampMs};

impl Ledger {
    /// At most `limit` rows within `range`, both ends included; the latest first, and of one time the one
    /// committed last first.
    pub fn history(&self, range: TimeRange, limit: usize) -> Result<Vec<HistoryRow>, LedgerError> {
        self.read("reading the history of", |txn| {
            let bounds = (range.from.0, 0)..=(range.to.0, u64::MAX);
            if bounds.is_empty() {
                return Ok(Vec::new());
            }
            let table = txn.open_table(HISTORY)?;
            let mut rows = Vec::new();
            for entry in table.range(bounds)?.rev().take(limit) {
                let (key, value) = entry?;
                let record: HistoryRecord = decode("history", value.value())?;
                let row = record.row(TimestampMs(key.value().0));
                rows.push(row.ok_or_else(|| {
                    Failure::Damaged("table history: a row's labels are no label set".to_owned())
                })?);
            }
            Ok(rows)
        })
    }
}
