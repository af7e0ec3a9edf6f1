//! Which series a line's fields belong to, by the bytes the line begins with.
//!
//! The key is the line's measurement and tags as they stand there, escapes and all, with the request's
//! mapping; the entry lists the fields seen so far. A hit costs a hash and a comparison, whatever the
//! number of tags, and builds no label.
//!
//! Reading a line changes nothing: what is new about it is learned in a second step, once all of the line is
//! known to be acceptable. A refused line makes no series.
//!
//! The cache is split into parts, each behind its own lock, held for one line. It holds at most
//! `series.max_active` lines' keys: a part that is full starts over.

use std::hash::BuildHasher;
use std::sync::Arc;

use bellwether_model::{Labels, limits};
use bellwether_store::{AppendError, Appender, RejectReason, SeriesRef};
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
    /// Its time alone speaks against so many samples.
    Time(RejectReason, u64),
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
    /// Samples whose series is not known yet: [`SeriesCache::learn`] moves them to the others.
    unknown: Vec<Unknown>,
    /// The line's key is not known yet.
    unseen: bool,
}

/// A sample of a field that was not seen before.
struct Unknown {
    /// The field's key as it stands in the line.
    key: Box<[u8]>,
    labels: Labels,
    value: f64,
}

impl Row {
    /// Number of samples.
    pub(super) fn len(&self) -> usize {
        self.series.len() + self.unknown.len()
    }

    /// True when there is something to be learned.
    pub(super) fn has_news(&self) -> bool {
        self.unseen || !self.unknown.is_empty()
    }
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
        row: &mut Row,
    ) -> Result<u64, Refused> {
        row.series.clear();
        row.values.clear();
        row.unknown.clear();
        let key = cursor.series_key();
        let (part, hash) = self.part(mapping, key);
        let part = part.lock();
        let entry = part.find(hash, |e| e.is(mapping, key));
        row.unseen = entry.is_none();
        let known = entry.map_or(&[][..], |entry| &entry.fields);
        let texts = fields(cursor, known, &mapping.mapping, row)?;
        if row.unseen && row.unknown.is_empty() {
            Head::parse(key)?; // Nothing but texts: no labels were built, so nobody has looked at the tags.
        }
        Ok(texts)
    }

    /// Makes the series that are new in `row`, which was just read from a line that begins with `key`.
    pub(super) fn learn(
        &self,
        key: &[u8],
        mapping: &KnownMapping,
        appender: &mut Appender,
        row: &mut Row,
    ) -> Result<(), Refused> {
        let mut learned = Vec::with_capacity(row.unknown.len());
        for unknown in row.unknown.drain(..) {
            let series = appender.series(&unknown.labels).map_err(Refused::Series)?;
            row.series.push(series);
            row.values.push(unknown.value);
            learned.push((unknown.key, series));
        }
        let (part, hash) = self.part(mapping, key);
        let mut part = part.lock();
        if let Some(entry) = part.find_mut(hash, |e| e.is(mapping, key)) {
            // Another body may have been quicker.
            learned.retain(|(key, _)| entry.fields.iter().all(|(known, _)| known != key));
            entry.fields.append(&mut learned);
            return Ok(());
        }
        if part.len() >= self.entries_max {
            part.clear();
        }
        let entry = Entry {
            key: key.into(),
            mapping: mapping.number,
            fields: learned,
        };
        part.insert_unique(hash, entry, |e| self.hash(e.mapping, &e.key).1);
        Ok(())
    }

    /// The part that a key belongs to, and its hash in there.
    fn part(&self, mapping: &KnownMapping, key: &[u8]) -> (&Mutex<HashTable<Entry>>, u64) {
        let (part, hash) = self.hash(mapping.number, key);
        (&self.parts[part], hash)
    }

    fn hash(&self, mapping: u32, key: &[u8]) -> (usize, u64) {
        let hash = self.hasher.hash_one((mapping, key));
        // The low bits chose the part; the table must not see them again as its own.
        (
            hash as usize % PARTS,
            hash.rotate_right(PARTS.trailing_zeros()),
        )
    }
}

impl Entry {
    fn is(&self, mapping: &KnownMapping, key: &[u8]) -> bool {
        self.mapping == mapping.number && *self.key == *key
    }
}

/// Reads all fields of a line of which `known` are known.
fn fields(
    cursor: &mut Cursor<'_>,
    known: &[(Box<[u8]>, SeriesRef)],
    mapping: &Mapping,
    row: &mut Row,
) -> Result<u64, Refused> {
    let key = cursor.series_key();
    let mut texts = 0;
    let mut next = 0;
    loop {
        // Lines of one kind list their fields in one order: the next known one is the likely one.
        let guess: &[u8] = known.get(next).map_or(b"", |(key, _)| key);
        let Some(field) = cursor.field(guess)? else {
            return Ok(texts);
        };
        let Some(value) = field.value.sample() else {
            texts += 1;
            continue;
        };
        let same = |(key, _): &(Box<[u8]>, SeriesRef)| **key == *field.key;
        let at = match known.get(next) {
            Some(likely) if same(likely) => Some(next),
            _ => known.iter().position(same),
        };
        if let Some(at) = at {
            next = at + 1;
            row.series.push(known[at].1);
            row.values.push(value);
        } else {
            let head = Head::parse(key)?;
            let mut shared = mapping.shared_labels(&head)?;
            row.unknown.push(Unknown {
                labels: mapping.series(&mut shared, &head, field.key)?,
                key: field.key.into(),
                value,
            });
        }
    }
}
