//! The ledger: what the rule engine must not forget, in one redb file.
//!
//! It keeps the engine's state, the intents to notify with what became of them, the history of alerts, and the last
//! rules that loaded.
//! A tick's changes become durable in one transaction: after any crash the ledger is as after the last
//! committed tick and the last recorded outcome.
//!
//! Invariants:
//! - An intent never vanishes: it is open, or it ended as delivered, superseded, silenced or dead letter, and
//!   [`Balance`] says so at every moment.
//! - A key is enqueued once. A tick that is repeated after a crash enqueues nothing twice.
//! - What is read back is what was written, or the ledger refuses: checksums over every row, and over the whole
//!   file when it is opened.
//!
//! Not here: what the state means (`engine`), sending (`server`, `notify`), samples (`store`).

#![forbid(unsafe_code)]

mod error;
mod ledger;
mod outbox;

mod history;
mod prune;
mod quarantine;
mod sources;
mod verify;

mod codec;
mod rows;
mod tables;

#[cfg(test)]
mod tests;

pub use codec::CodecError;
pub use error::LedgerError;
pub use history::{HistoryCursor, HistoryPage};
pub use ledger::{Ledger, Snapshot};
pub use outbox::{Balance, Committed};
pub use prune::Pruned;
pub use quarantine::set_aside;
pub use rows::{
    HistoryRow, InstanceRow, NewNotice, OutboxRow, Outcome, RuleSources, Status, TickCommit,
};
pub use verify::Verified;

/// Fuzz targets: plain functions over bytes, each with an oracle.
#[doc(hidden)]
pub mod fuzzing {
    use crate::codec::{self, Row};
    use crate::rows::{HistoryRecord, InstanceRecord, MetaRecord, OutboxRecord, RulesRecord};

    /// Whatever decodes, with a checksum or given one, encodes to bytes that decode to the same.
    pub fn ledger_rows(data: &[u8]) {
        round_trip::<InstanceRecord>(data);
        round_trip::<OutboxRecord>(data);
        round_trip::<HistoryRecord>(data);
        round_trip::<MetaRecord>(data);
        round_trip::<RulesRecord>(data);
    }

    fn round_trip<R: Row>(data: &[u8]) {
        assert!(data.len() < 4 || codec::decode::<R>(&data[..3]).is_err());
        let mut sealed = vec![1, R::SCHEMA];
        sealed.extend_from_slice(data);
        sealed.extend_from_slice(&crc32c::crc32c(&sealed).to_le_bytes());
        for value in [data, &sealed] {
            if let Ok(row) = codec::decode::<R>(value) {
                // A number may have been written longer than need be, so the second round is what must agree.
                let encoded = codec::encode(&row).expect("it came out of a value within the limit");
                let again = codec::decode::<R>(&encoded).expect("what was just encoded");
                assert_eq!(codec::encode(&again), Ok(encoded));
            }
        }
    }
}
