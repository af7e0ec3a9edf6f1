//! The last rules that loaded, as text: what a start falls back on when the folder has a mistake by then.
//!
//! One row, replaced when other rules are loaded. Not here: what the text means (`lang`), when it is used (`server`).

use crate::error::Failure;
use crate::ledger::{decode, encode};
use crate::rows::{RuleSources, RulesRecord};
use crate::tables::{ONLY, RULES};
use redb::{ReadTransaction, TableError, WriteTransaction};

/// Keeps these instead of those from before, or none when they are too large.
pub(crate) fn keep(txn: &WriteTransaction, rules: &RuleSources) -> Result<(), Failure> {
    let mut table = txn.open_table(RULES)?;
    if rules.fit() {
        let value = encode("rules", &rules.record())?;
        table.insert(ONLY, value.as_slice())?;
    } else {
        table.remove(ONLY)?;
    }
    Ok(())
}

/// Those that are kept.
pub(crate) fn read(txn: &ReadTransaction) -> Result<Option<RuleSources>, Failure> {
    let table = match txn.open_table(RULES) {
        Ok(table) => table,
        Err(TableError::TableDoesNotExist(_)) => return Ok(None),
        Err(e) => return Err(e.into()),
    };
    let Some(value) = table.get(ONLY)? else {
        return Ok(None);
    };
    let record: RulesRecord = decode("rules", value.value())?;
    Ok(Some(record.sources()))
}
