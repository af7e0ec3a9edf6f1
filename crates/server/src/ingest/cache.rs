//! Which series a line's fields belong to, by the bytes the line begins with.
//!
//! The key is the line's measurement and tags as they stand there, escapes and all, with the request's
//! mapping; the entry lists the fields seen so far. A hit costs a hash and a comparison, whatever the
//! number of tags, and builds no label.
//!
//! The cache is split into parts, each behind its own lock, held for one line. It holds at most
//! `series.max_active` lines' keys: a part that is full starts over.

use std::hash::BuildHasher;
use std::sync::Arc;

use bellwether_model::limits;
use bellwether_store::{AppendError, Appender, SeriesRef};
use bellwether_wire::line_protocol::{Cursor, Fault, Head, Mapping};
use hashbrown::HashTable;
use parking_lot::Mutex;

/// Locks that lines are spread over.
const PARTS: usize = 64;

/// Mappings kept apart; a server that sees more of them forgets the oldest ones' entries.
const MAPPINGS_MAX: usize = 256;

/// Why a line was refused.
#[derive(Debug)]
pub(super) enum Refused {
    /// It is not line protocol, or its names are not acceptable.
    Syntax(Fault),
    /// Its series is new and cannot be created.
    Series(AppendError),
}

impl From<Fault> for Refused {
    fn from(fault: Fault) -> Refused {
        Refused::Syntax(fault)
    }
}

/// The samples of one line: series and values, of equal length.
#[derive(Default)]
pub(super) struct Row {
    pub(super) series: Vec<SeriesRef>,
    pub(super) values: Vec<f64>,
}

/// A mapping and its number: entries of different mappings are different.
pub(super) struct KnownMapping {
    number: u32,
    mapping: Arc<Mapping>,
}

/// What is known of the lines that begin with `key`.
struct Entry {
    key: Box<[u8]>,
    mapping: u32,
    /// The fields in the order first seen: keys as they stand in lines, and their series.
    fields: Vec<(Box<[u8]>, SeriesRef)>,
}

/// The number of the next new mapping, and those that are known with their numbers.
type Mappings = (u32, Vec<(u32, Arc<Mapping>)>);

pub(super) struct SeriesCache {
    hasher: foldhash::fast::RandomState,
    parts: Box<[Mutex<HashTable<Entry>>]>,
    entries_max: usize,
    mappings: Mutex<Mappings>,
}

impl SeriesCache {
    pub(super) fn new() -> SeriesCache {
        SeriesCache {
            hasher: foldhash::fast::RandomState::default(),
            parts: (0..PARTS).map(|_| Mutex::default()).collect(),
            entries_max: limits::SERIES_ACTIVE_MAX.usize() / PARTS,
            mappings: Mutex::default(),
        }
    }

    /// The number of a mapping, the same for equal ones.
    pub(super) fn mapping(&self, mapping: &Mapping) -> KnownMapping {
        let mut mappings = self.mappings.lock();
        let (next, known) = &mut *mappings;
        if let Some((number, mapping)) = known.iter().find(|(_, m)| **m == *mapping) {
            return KnownMapping {
                number: *number,
                mapping: Arc::clone(mapping),
            };
        }
        if known.len() == MAPPINGS_MAX {
            known.remove(0); // Its number is never given again, so its entries are dead, not wrong.
        }
        let (number, mapping) = (*next, Arc::new(mapping.clone()));
        *next = next.wrapping_add(1);
        known.push((number, Arc::clone(&mapping)));
        KnownMapping { number, mapping }
    }

    /// Reads the fields of a line into `row`; returns how many of them hold text and are left out.
    pub(super) fn read(
        &self,
        cursor: &mut Cursor<'_>,
        mapping: &KnownMapping,
        appender: &mut Appender,
        row: &mut Row,
    ) -> Result<u64, Refused> {
        row.series.clear();
        row.values.clear();
        let key = cursor.series_key();
        let hash = self.hasher.hash_one((mapping.number, key));
        let mut part = self.parts[hash as usize % PARTS].lock();
        // The low bits chose the part; the table must not see them again as its own.
        let hash = hash.rotate_right(PARTS.trailing_zeros());
        let same = |e: &Entry| e.mapping == mapping.number && *e.key == *key;
        if let Some(entry) = part.find_mut(hash, same) {
            return fields(cursor, entry, &mapping.mapping, appender, row);
        }
        let mut entry = Entry {
            key: key.into(),
            mapping: mapping.number,
            fields: Vec::new(),
        };
        let texts = fields(cursor, &mut entry, &mapping.mapping, appender, row)?;
        if entry.fields.is_empty() {
            Head::parse(key)?; // Nothing but texts: no series was made, so nobody has looked at the tags.
        }
        if part.len() >= self.entries_max {
            part.clear();
        }
        let rehash = |e: &Entry| {
            self.hasher
                .hash_one((e.mapping, &*e.key))
                .rotate_right(PARTS.trailing_zeros())
        };
        part.insert_unique(hash, entry, rehash);
        Ok(texts)
    }
}

fn fields(
    cursor: &mut Cursor<'_>,
    entry: &mut Entry,
    mapping: &Mapping,
    appender: &mut Appender,
    row: &mut Row,
) -> Result<u64, Refused> {
    let mut texts = 0;
    let mut next = 0;
    loop {
        // Lines of one kind list their fields in one order: the next known one is the likely one.
        let guess: &[u8] = entry.fields.get(next).map_or(b"", |(key, _)| key);
        let Some(field) = cursor.field(guess)? else {
            return Ok(texts);
        };
        let Some(value) = field.value.sample() else {
            texts += 1;
            continue;
        };
        let known = match entry.fields.get(next) {
            Some((key, series)) if **key == *field.key => Some((next, *series)),
            _ => entry
                .fields
                .iter()
                .position(|(key, _)| **key == *field.key)
                .map(|i| (i, entry.fields[i].1)),
        };
        let (at, series) = if let Some(found) = known {
            found
        } else {
            let head = Head::parse(&entry.key)?;
            let mut shared = mapping.shared_labels(&head)?;
            let labels = mapping.series(&mut shared, &head, field.key)?;
            let series = appender.series(&labels).map_err(Refused::Series)?;
            entry.fields.push((field.key.into(), series));
            (entry.fields.len() - 1, series)
        };
        next = at + 1;
        row.series.push(series);
        row.values.push(value);
    }
}
