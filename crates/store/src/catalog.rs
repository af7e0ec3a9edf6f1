//! The catalogue: which segments there are, where the log begins, and what every series is called.
//!
//! One redb database, `catalog.redb`, written once per flush or retention pass, in one transaction: a crash
//! leaves the state before or after it. Never written per batch. All of it can be rebuilt from segments
//! and log; see `recovery`.
//!
//! redb refuses all further work on a file of which one call failed. After a failed *write* the file is closed, and
//! opened again by the next commit: that is how work goes on when a full disk has room again. After a failed
//! *sync* nothing is known about the file any more; it is not touched again, and [`Catalog::replace`] writes
//! another one from what is in memory.
//!
//! ```text
//! table   | key                          | value
//! meta    | "store", "progress"          | StoreRow, ProgressRow
//! segments| id: u64                      | SegmentRow
//! series  | id of the first: u32         | SeriesRow: some hundred definitions, ids ascending
//! ```

use crate::error::StoreError;
use crate::meta_codec::{self, DecodeError, ProgressRow, SegmentRow, SeriesRow, StoreRow, Value};
use crate::wal::record::{self, DefinitionWriter};
use bellwether_disk::{Disk, open_database, write_database};
use bellwether_model::Labels;
use redb::{
    Builder, Database, DatabaseError, Durability, ReadableDatabase, ReadableTable, TableDefinition,
    WriteTransaction,
};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

const META: TableDefinition<'_, &str, &[u8]> = TableDefinition::new("meta");
const SEGMENTS: TableDefinition<'_, u64, &[u8]> = TableDefinition::new("segments");
const SERIES: TableDefinition<'_, u32, &[u8]> = TableDefinition::new("series");

/// The version of the store's folder as a whole.
pub(crate) const FORMAT: u32 = 1;
/// Memory for the database's pages. It is small, and read once.
const CACHE_BYTES: usize = 1 << 20;
/// Definitions in one row of the series table, and their bytes.
const SERIES_PER_ROW: usize = 512;
const SERIES_ROW_BYTES: usize = 256 << 10;

pub(crate) struct Catalog {
    disk: Arc<dyn Disk>,
    path: PathBuf,
    handle: Handle,
}

enum Handle {
    Open(Database),
    /// After a failed write, until the next commit.
    Closed,
    /// After a failed sync, until it is replaced.
    Lost,
}

/// Everything the catalogue says.
pub(crate) struct Loaded {
    pub(crate) store: StoreRow,
    pub(crate) progress: ProgressRow,
    pub(crate) segments: BTreeMap<u64, SegmentRow>,
    pub(crate) series: Vec<(u32, Labels)>,
}

/// One step of the store's history, made durable as a whole.
#[derive(Default)]
pub(crate) struct Change {
    pub(crate) store: Option<StoreRow>,
    pub(crate) progress: Option<ProgressRow>,
    /// Rows to write, and ids whose rows go.
    pub(crate) segments: Vec<(u64, SegmentRow)>,
    pub(crate) segments_gone: Vec<u64>,
    /// Rows of the series table, from [`SeriesRows`].
    pub(crate) series: Vec<(u32, SeriesRow)>,
    /// `series` replaces the table instead of adding to it.
    pub(crate) series_replaced: bool,
}

/// Why a catalogue could not be used.
pub(crate) enum OpenError {
    /// Damaged, or not a catalogue: it can be rebuilt.
    Unreadable(String),
    /// To be told, and not to be mended.
    Fatal(StoreError),
}

impl Catalog {
    /// Opens the database, creating it when there is none. A new one is empty: [`Catalog::load`] gives `None`.
    pub(crate) fn open(disk: &Arc<dyn Disk>, path: &Path) -> Result<Catalog, OpenError> {
        Ok(Catalog {
            handle: Handle::Open(open_file(&**disk, path)?),
            disk: Arc::clone(disk),
            path: path.to_owned(),
        })
    }

    /// Reads all of it; `None` when nothing was ever written.
    pub(crate) fn load(&self) -> Result<Option<Loaded>, OpenError> {
        let unreadable = |e: redb::Error| OpenError::Unreadable(e.to_string());
        let Handle::Open(database) = &self.handle else {
            return Err(unreadable(redb::Error::DatabaseClosed));
        };
        let read = database.begin_read().map_err(|e| unreadable(e.into()))?;
        let meta = match read.open_table(META) {
            Ok(meta) => meta,
            Err(redb::TableError::TableDoesNotExist(_)) => return Ok(None),
            Err(e) => return Err(unreadable(e.into())),
        };
        let get = |key: &str| meta.get(key).map_err(|e| unreadable(e.into()));
        let missing = |what: &str| OpenError::Unreadable(format!("the row {what:?} is missing"));
        let store = get("store")?.ok_or_else(|| missing("store"))?;
        let store: StoreRow = self.decoded(store.value())?;
        if store.format != FORMAT {
            let (path, found) = (self.path.clone(), store.format);
            return Err(OpenError::Fatal(StoreError::Version {
                path,
                found,
                known: FORMAT,
            }));
        }
        let progress = get("progress")?.ok_or_else(|| missing("progress"))?;
        let progress = self.decoded(progress.value())?;
        let mut segments = BTreeMap::new();
        let table = read
            .open_table(SEGMENTS)
            .map_err(|e| unreadable(e.into()))?;
        for row in table.iter().map_err(|e| unreadable(e.into()))? {
            let (id, row) = row.map_err(|e| unreadable(e.into()))?;
            segments.insert(id.value(), self.decoded(row.value())?);
        }
        let mut series = Vec::new();
        let table = read.open_table(SERIES).map_err(|e| unreadable(e.into()))?;
        for row in table.iter().map_err(|e| unreadable(e.into()))? {
            let (_, row) = row.map_err(|e| unreadable(e.into()))?;
            let row: SeriesRow = self.decoded(row.value())?;
            record::read_definitions(&row.definitions, |id, labels| series.push((id, labels)))
                .map_err(|e| OpenError::Unreadable(format!("a row of series: {e}")))?;
        }
        Ok(Some(Loaded {
            store,
            progress,
            segments,
            series,
        }))
    }

    fn decoded<V: Value>(&self, bytes: &[u8]) -> Result<V, OpenError> {
        meta_codec::decode(bytes).map_err(|error| match error {
            DecodeError::Version { found, known } => OpenError::Fatal(StoreError::Version {
                path: self.path.clone(),
                found: u32::from(found),
                known: u32::from(known),
            }),
            other => OpenError::Unreadable(other.to_string()),
        })
    }

    /// Makes `change` durable, whole or not at all. An error may mean "whole", too: a change that is made
    /// again does no harm.
    pub(crate) fn commit(&mut self, change: &Change) -> Result<(), StoreError> {
        self.reopen()?;
        let Handle::Open(database) = &self.handle else {
            return Err(self.is_lost_error());
        };
        let committed = transact(database, change).map_err(|error| self.error("writing", error));
        committed.inspect_err(|error| {
            // Of a full disk nothing but a write was told: `RedbFile` tells a failed sync apart.
            self.handle = if error.is_disk_full() {
                Handle::Closed
            } else {
                Handle::Lost
            };
        })
    }

    /// True when nothing can be committed before [`Catalog::replace`].
    pub(crate) fn is_lost(&self) -> bool {
        matches!(self.handle, Handle::Lost)
    }

    /// Writes a new file that holds `all`, in place of the one that cannot be used any more.
    pub(crate) fn replace(&mut self, all: &Change) -> Result<(), StoreError> {
        self.handle = Handle::Lost; // Closes it.
        write_database(&*self.disk, &self.path, &builder(), |database| {
            transact(database, all)
        })
        .map_err(|error| self.error("replacing", error))?;
        self.handle = Handle::Closed;
        self.reopen()
    }

    fn reopen(&mut self) -> Result<(), StoreError> {
        if let Handle::Closed = self.handle {
            let database = open_file(&*self.disk, &self.path).map_err(|error| match error {
                OpenError::Fatal(error) => error,
                OpenError::Unreadable(message) => StoreError::Catalog {
                    action: "opening",
                    message,
                },
            })?;
            self.handle = Handle::Open(database);
        }
        Ok(())
    }

    fn error(&self, action: &'static str, error: redb::Error) -> StoreError {
        match error {
            redb::Error::Io(source) => StoreError::io("write", &self.path)(source),
            other => StoreError::Catalog {
                action,
                message: other.to_string(),
            },
        }
    }

    fn is_lost_error(&self) -> StoreError {
        self.error("writing", redb::Error::PreviousIo)
    }

    /// Makes the file as small as it can be. It holds the same if that fails, but may have to be replaced.
    pub(crate) fn compact(&mut self) -> Result<(), StoreError> {
        self.reopen()?;
        let Handle::Open(database) = &mut self.handle else {
            return Err(self.is_lost_error());
        };
        if let Err(error) = database.compact() {
            self.handle = Handle::Lost;
            return Err(StoreError::Catalog {
                action: "compacting",
                message: error.to_string(),
            });
        }
        Ok(())
    }

    /// Checks every page's checksum; what is wrong, if anything is.
    pub(crate) fn verify(&mut self) -> Option<String> {
        if let Err(error) = self.reopen() {
            return Some(error.to_string());
        }
        let Handle::Open(database) = &mut self.handle else {
            return Some("a sync failed; the next flush writes it anew".to_owned());
        };
        match database.check_integrity() {
            Ok(true) => None,
            Ok(false) => Some("the database had to be repaired".to_owned()),
            Err(error) => Some(error.to_string()),
        }
    }
}

fn builder() -> Builder {
    let mut builder = Builder::new();
    builder.set_cache_size(CACHE_BYTES);
    builder
}

fn open_file(disk: &dyn Disk, path: &Path) -> Result<Database, OpenError> {
    match open_database(disk, path, &builder()) {
        Ok(database) => Ok(database),
        Err(DatabaseError::Storage(redb::StorageError::Io(source)))
            if source.kind() != std::io::ErrorKind::InvalidData
                && source.kind() != std::io::ErrorKind::UnexpectedEof =>
        {
            Err(OpenError::Fatal(StoreError::io("open", path)(source)))
        }
        Err(error) => Err(OpenError::Unreadable(error.to_string())),
    }
}

fn transact(database: &Database, change: &Change) -> Result<(), redb::Error> {
    let mut write = database.begin_write()?;
    write.set_durability(Durability::Immediate)?;
    // Commits are rare, and opening after a crash must not scan the file.
    write.set_quick_repair(true);
    write_tables(&write, change)?;
    write.commit()?;
    Ok(())
}

fn write_tables(write: &WriteTransaction, change: &Change) -> Result<(), redb::Error> {
    let mut meta = write.open_table(META)?;
    if let Some(store) = &change.store {
        meta.insert("store", meta_codec::encode(store).as_slice())?;
    }
    if let Some(progress) = &change.progress {
        meta.insert("progress", meta_codec::encode(progress).as_slice())?;
    }
    let mut segments = write.open_table(SEGMENTS)?;
    for (id, row) in &change.segments {
        segments.insert(id, meta_codec::encode(row).as_slice())?;
    }
    for id in &change.segments_gone {
        segments.remove(id)?;
    }
    if change.series_replaced {
        write.delete_table(SERIES)?;
    }
    let mut series = write.open_table(SERIES)?;
    for (id, row) in &change.series {
        series.insert(id, meta_codec::encode(row).as_slice())?;
    }
    Ok(())
}

/// The definitions of series, ids ascending, packed into rows.
#[derive(Default)]
pub(crate) struct SeriesRows {
    rows: Vec<(u32, SeriesRow)>,
    writer: DefinitionWriter,
    in_row: usize,
}

impl SeriesRows {
    pub(crate) fn add(&mut self, id: u32, labels: &Labels) {
        let full = self.in_row >= SERIES_PER_ROW
            || self
                .rows
                .last()
                .is_some_and(|(_, row)| row.definitions.len() >= SERIES_ROW_BYTES);
        if full || self.rows.is_empty() {
            self.rows.push((
                id,
                SeriesRow {
                    definitions: Vec::new(),
                },
            ));
            self.writer = DefinitionWriter::default();
            self.in_row = 0;
        }
        if let Some((_, row)) = self.rows.last_mut() {
            self.writer.write(id, labels, &mut row.definitions);
            self.in_row += 1;
        }
    }

    pub(crate) fn into_rows(self) -> Vec<(u32, SeriesRow)> {
        self.rows
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use bellwether_disk::SimDisk;

    #[test]
    fn what_is_committed_is_loaded() {
        let disk: Arc<dyn Disk> = Arc::new(SimDisk::new());
        let path = Path::new("catalog.redb");
        let open = || Catalog::open(&disk, path).ok().expect("opens");
        assert!(open().load().ok().expect("loads").is_none());
        let mut rows = SeriesRows::default();
        for id in 0..2000 {
            rows.add(id, &Labels::from_pairs([("host", format!("h{id}"))]));
        }
        let row = SegmentRow {
            first: 1,
            last: 2,
            samples: 3,
            series: 4,
            bytes: 5,
            quarantined: None,
        };
        let progress = ProgressRow {
            wal_first: 9,
            ..ProgressRow::default()
        };
        let change = Change {
            store: Some(StoreRow {
                format: FORMAT,
                id: 77,
            }),
            progress: Some(progress.clone()),
            segments: vec![(1, row.clone()), (2, row.clone())],
            series: rows.into_rows(),
            ..Change::default()
        };
        open().commit(&change).unwrap();
        open()
            .commit(&Change {
                segments_gone: vec![1],
                ..Change::default()
            })
            .unwrap();
        let loaded = open().load().ok().flatten().expect("was written");
        assert_eq!((loaded.store.id, loaded.progress), (77, progress));
        assert_eq!(loaded.segments.into_iter().collect::<Vec<_>>(), [(2, row)]);
        assert_eq!(loaded.series.len(), 2000);
        assert_eq!(loaded.series[1999].1.get("host"), Some("h1999"));
    }

    #[test]
    fn a_folder_of_a_later_format_is_refused() {
        let disk: Arc<dyn Disk> = Arc::new(SimDisk::new());
        let path = Path::new("catalog.redb");
        let mut catalog = Catalog::open(&disk, path).ok().expect("opens");
        let store = Some(StoreRow {
            format: FORMAT + 1,
            id: 1,
        });
        catalog
            .commit(&Change {
                store,
                ..Change::default()
            })
            .unwrap();
        assert!(matches!(
            catalog.load(),
            Err(OpenError::Fatal(StoreError::Version { found: 2, .. }))
        ));
    }

    #[test]
    fn damage_is_unreadable_and_not_fatal() {
        let disk: Arc<dyn Disk> = Arc::new(SimDisk::new());
        let path = Path::new("catalog.redb");
        bellwether_disk::write_file_atomically(&*disk, path, &[7; 8192]).unwrap();
        assert!(matches!(
            Catalog::open(&disk, path),
            Err(OpenError::Unreadable(_))
        ));
    }
}
