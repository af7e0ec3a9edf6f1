//! The ledger's handle: opening, transactions, and what the engine needs at its start.
//!
//! Every transaction is synced before it returns (`Durability::Immediate`), and leaves the file so that
//! opening it after a crash need not read it all for repair (quick repair).
//!
//! A full disk makes redb refuse further work on an open file. The file is closed then, and opened again by
//! the next call: what was committed is there, and work goes on once there is room. After a failed *sync* it
//! stays refused: what the kernel kept in memory may not be what is on the disk.

use crate::codec::{self, Row};
use crate::error::{Failure, LedgerError};
use crate::rows::{InstanceRecord, MetaRecord, OutboxRow, RuleSources};
use crate::tables::{
    CLOSED, DUE, FORMAT, FORMAT_TABLE, HISTORY, INSTANCES, KEYS, META, ONLY, OUTBOX,
};
use bellwether_disk::{Disk, open_database};
use bellwether_model::TimestampMs;
use parking_lot::{RwLock, RwLockReadGuard};
use redb::{
    Builder, Database, Durability, ReadTransaction, ReadableDatabase, ReadableTable, TableError,
    WriteTransaction,
};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// The ledger is small and mostly written; what it reads often are a few tables' roots.
const CACHE_BYTES: usize = 4 << 20;

/// Durable engine state, outbox and history. Clones share the open file.
#[derive(Clone, Debug)]
pub struct Ledger {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    disk: Arc<dyn Disk>,
    path: PathBuf,
    /// `None` after the disk ran full, until the next call opens the file again.
    database: RwLock<Option<Database>>,
}

/// What the engine starts from.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Snapshot {
    /// The last committed tick; `None` before the first one.
    pub last_tick: Option<TimestampMs>,
    /// The engine's rows: key and state, sorted by key.
    pub instances: Vec<(Vec<u8>, Vec<u8>)>,
    /// The intents that are open, in the order in which they were made.
    pub outbox: Vec<OutboxRow>,
    /// The last rules that loaded; `None` before the first ones, and when they were too large to be kept.
    pub rules: Option<RuleSources>,
}

impl Ledger {
    /// Opens the ledger `path`, or makes it when nothing is there. The caller holds the folder's lock.
    ///
    /// Reads the whole file once to check it. A damaged one is [`LedgerError::Damaged`], one of another
    /// version [`LedgerError::Version`]; neither is changed.
    pub fn open(disk: Arc<dyn Disk>, path: &Path) -> Result<Ledger, LedgerError> {
        let database = open(&*disk, path).map_err(|e| e.into_error("opening", path))?;
        let database = RwLock::new(Some(database));
        Ok(Ledger {
            inner: Arc::new(Inner {
                disk,
                path: path.to_owned(),
                database,
            }),
        })
    }

    /// Everything the engine and the senders need to go on where they were.
    pub fn load(&self) -> Result<Snapshot, LedgerError> {
        self.read("loading", |txn| {
            let mut instances = Vec::new();
            for row in txn.open_table(INSTANCES)?.iter()? {
                let (key, value) = row?;
                let record: InstanceRecord = decode("instances", value.value())?;
                instances.push((key.value().to_vec(), record.state));
            }
            let meta: MetaRecord = read_meta(&txn.open_table(META)?)?;
            let outbox = crate::outbox::open_rows(txn, None)?;
            Ok(Snapshot {
                last_tick: meta.last_tick.map(TimestampMs),
                instances,
                outbox,
                rules: crate::sources::read(txn)?,
            })
        })
    }

    /// Runs `run` over one consistent state.
    pub(crate) fn read<T>(
        &self,
        action: &'static str,
        run: impl FnOnce(&ReadTransaction) -> Result<T, Failure>,
    ) -> Result<T, LedgerError> {
        let result = self.database().and_then(|database| {
            let database = database
                .as_ref()
                .ok_or(Failure::Redb(Box::new(redb::Error::DatabaseClosed)))?;
            run(&database.begin_read()?)
        });
        result.map_err(|e| e.into_error(action, &self.inner.path))
    }

    /// Runs `run` and makes what it changed durable, or nothing of it.
    pub(crate) fn write<T>(
        &self,
        action: &'static str,
        run: impl FnOnce(&WriteTransaction) -> Result<T, Failure>,
    ) -> Result<T, LedgerError> {
        let result = self.database().and_then(|database| {
            let database = database
                .as_ref()
                .ok_or(Failure::Redb(Box::new(redb::Error::DatabaseClosed)))?;
            transact(database, run)
        });
        if result.as_ref().is_err_and(Failure::is_disk_full) {
            *self.inner.database.write() = None;
        }
        result.map_err(|e| e.into_error(action, &self.inner.path))
    }

    /// The open file, opened again if the disk was full before.
    fn database(&self) -> Result<RwLockReadGuard<'_, Option<Database>>, Failure> {
        {
            let database = self.inner.database.read();
            if database.is_some() {
                return Ok(database);
            }
        }
        let mut database = self.inner.database.write();
        if database.is_none() {
            *database = Some(open(&*self.inner.disk, &self.inner.path)?);
        }
        drop(database);
        // Should it be closed again in between, the caller sees an error and may try again.
        Ok(self.inner.database.read())
    }
}

/// Opens the file, makes the tables if there are none, and checks the version.
fn open(disk: &dyn Disk, path: &Path) -> Result<Database, Failure> {
    let mut builder = Builder::new();
    builder
        .set_cache_size(CACHE_BYTES)
        .set_check_integrity_on_open(true);
    let database = open_database(disk, path, &builder)?;
    match format_of(&database)? {
        Some(FORMAT) => Ok(database),
        Some(other) => Err(Failure::Version(other)),
        None => {
            transact(&database, make_tables)?;
            Ok(database)
        }
    }
}

/// The version in the file; `None` when it was made but nothing was written yet.
fn format_of(database: &Database) -> Result<Option<u32>, Failure> {
    let txn = database.begin_read()?;
    let table = match txn.open_table(FORMAT_TABLE) {
        Ok(table) => table,
        Err(TableError::TableDoesNotExist(_)) if txn.list_tables()?.next().is_none() => {
            return Ok(None);
        }
        Err(e) => return Err(e.into()),
    };
    let version = table.get(ONLY)?.map(|version| version.value());
    version
        .map(Some)
        .ok_or_else(|| Failure::Damaged("the format is missing".to_owned()))
}

fn make_tables(txn: &WriteTransaction) -> Result<(), Failure> {
    txn.open_table(FORMAT_TABLE)?.insert(ONLY, FORMAT)?;
    write_meta(txn, &MetaRecord::default())?;
    txn.open_table(INSTANCES)?;
    txn.open_table(OUTBOX)?;
    txn.open_table(KEYS)?;
    txn.open_table(DUE)?;
    txn.open_table(CLOSED)?;
    txn.open_table(HISTORY)?;
    Ok(())
}

fn transact<T>(
    database: &Database,
    run: impl FnOnce(&WriteTransaction) -> Result<T, Failure>,
) -> Result<T, Failure> {
    let mut txn = database.begin_write()?;
    txn.set_durability(Durability::Immediate)?;
    txn.set_quick_repair(true);
    let result = run(&txn)?; // On an error the transaction is dropped, and with it what it changed.
    txn.commit()?;
    Ok(result)
}

pub(crate) fn read_meta(
    table: &impl ReadableTable<&'static str, &'static [u8]>,
) -> Result<MetaRecord, Failure> {
    match table.get(ONLY)? {
        Some(value) => decode("meta", value.value()),
        None => Err(Failure::Damaged("the totals are missing".to_owned())),
    }
}

pub(crate) fn write_meta(txn: &WriteTransaction, meta: &MetaRecord) -> Result<(), Failure> {
    let value = encode("meta", meta)?;
    txn.open_table(META)?.insert(ONLY, value.as_slice())?;
    Ok(())
}

pub(crate) fn encode<R: Row>(table: &'static str, row: &R) -> Result<Vec<u8>, Failure> {
    codec::encode(row).map_err(|e| Failure::Refused(table, e))
}

pub(crate) fn decode<R: Row>(table: &'static str, value: &[u8]) -> Result<R, Failure> {
    codec::decode(value).map_err(|e| Failure::unreadable(table, e))
}
