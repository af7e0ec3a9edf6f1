//! Reading what happened to alerts, the latest first, in pages.
//!
//! A page ends after as many rows as were asked for, or after `history.scan` rows were looked at, whichever comes
//! first: a filter that fits nothing reads a bounded part of the ledger at a time. Its [`HistoryCursor`] goes on behind it.

use crate::error::{Failure, LedgerError};
use crate::ledger::{Ledger, decode};
use crate::rows::{HistoryRecord, HistoryRow};
use crate::tables::HISTORY;
use bellwether_model::{TimeRange, TimestampMs, limits};

/// The last row that a page looked at. Names the same place for ever, whatever is added or pruned.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HistoryCursor {
    /// The row's time.
    pub at: TimestampMs,
    /// Its place among all rows of the ledger.
    pub sequence: u64,
}

/// Some rows, and where those behind them begin.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct HistoryPage {
    /// The latest first.
    pub rows: Vec<HistoryRow>,
    /// Asks for what is older; `None` when nothing is.
    pub next: Option<HistoryCursor>,
}

impl Ledger {
    /// At most `limit` rows within `range`, both ends included; the latest first, and of one time the one
    /// committed last first.
    pub fn history(&self, range: TimeRange, limit: usize) -> Result<Vec<HistoryRow>, LedgerError> {
        let page = self.history_page(range, None, limit, &|_| true)?;
        Ok(page.rows)
    }

    /// The rows of `range`, both ends included, that are `wanted` and lie behind the place `after`: at most `limit`.
    pub fn history_page(
        &self,
        range: TimeRange,
        after: Option<HistoryCursor>,
        limit: usize,
        wanted: &dyn Fn(&HistoryRow) -> bool,
    ) -> Result<HistoryPage, LedgerError> {
        self.read("reading the history of", |txn| {
            let newest = (range.to.0, u64::MAX);
            let end = after.map_or(newest, |after| newest.min((after.at.0, after.sequence)));
            let oldest = (range.from.0, 0);
            let mut page = HistoryPage::default();
            if oldest > end {
                return Ok(page);
            }
            let table = txn.open_table(HISTORY)?;
            let mut looked_at = 0;
            let mut last = None;
            for entry in table.range(oldest..=end)?.rev() {
                let (key, value) = entry?;
                let (at, sequence) = key.value();
                let at = TimestampMs(at);
                let place = HistoryCursor { at, sequence };
                if after == Some(place) {
                    continue;
                }
                if page.rows.len() >= limit || looked_at >= limits::HISTORY_SCAN_MAX.usize() {
                    page.next = last;
                    break;
                }
                looked_at += 1;
                last = Some(place);
                let record: HistoryRecord = decode("history", value.value())?;
                let row = record.row(at).ok_or_else(|| {
                    Failure::Damaged("table history: a row's labels are no label set".to_owned())
                })?;
                if wanted(&row) {
                    page.rows.push(row);
                }
            }
            Ok(page)
        })
    }
}
