//! The ledger's tables in redb.
//!
//! | table | key -> value | holds |
//! | --- | --- | --- |
//! | `format` | `""` -> version | [`FORMAT`] |
//! | `meta` | `""` -> record | last tick, totals, next sequence number |
//! | `instances` | opaque bytes -> record | the engine's state |
//! | `outbox` | sequence -> record | every intent, open or ended |
//! | `outbox_keys` | key -> sequence | which keys were ever enqueued |
//! | `outbox_due` | (next attempt, sequence) -> () | the open ones |
//! | `outbox_closed` | (end, sequence) -> () | the ended ones |
//! | `history` | (time, sequence) -> record | what happened |
//! | `rules` | `""` -> record | the last rules that loaded; absent in ledgers made before it was known |
//!
//! Times are milliseconds since the epoch. A record is a value of `codec.rs`. Keyed by sequence, new rows come
//! in order and fill pages; keys in hash order stand in one small table only.

use redb::TableDefinition;

/// The version of the tables together. A ledger of another version is refused.
pub(crate) const FORMAT: u32 = 1;

pub(crate) const FORMAT_TABLE: TableDefinition<&str, u32> = TableDefinition::new("format");
pub(crate) const META: TableDefinition<&str, &[u8]> = TableDefinition::new("meta");
pub(crate) const INSTANCES: TableDefinition<&[u8], &[u8]> = TableDefinition::new("instances");
pub(crate) const OUTBOX: TableDefinition<u64, &[u8]> = TableDefinition::new("outbox");
pub(crate) const KEYS: TableDefinition<&str, u64> = TableDefinition::new("outbox_keys");
pub(crate) const DUE: TableDefinition<(i64, u64), ()> = TableDefinition::new("outbox_due");
pub(crate) const CLOSED: TableDefinition<(i64, u64), ()> = TableDefinition::new("outbox_closed");
pub(crate) const HISTORY: TableDefinition<(i64, u64), &[u8]> = TableDefinition::new("history");
pub(crate) const RULES: TableDefinition<&str, &[u8]> = TableDefinition::new("rules");

/// The one key of the tables that hold one row.
pub(crate) const ONLY: &str = "";
