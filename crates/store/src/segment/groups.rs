//! A section as rows in groups, so that one row can be read without reading them all.
//!
//! ```text
//! section = rows: u32 | end of each group's body, from the start of bodies: u32 each | bodies
//! ```
//!
//! All groups hold the same number of rows (a constant of the section's kind), the last one the rest.
//! What a body means is the section's business; most are columns as the codec packs integers
//! ([`put_column`]).

use super::SegmentError;
use crate::codec::Corrupt;
use crate::codec::ints::{self, OrderHint};
use crate::codec::varint::Input;
use parking_lot::Mutex;
use std::sync::Arc;

/// Rows in a group of a directory.
pub(super) const GROUP_ROWS: usize = 128;

/// Collects bodies.
#[derive(Debug, Default)]
pub(super) struct GroupsWriter {
    rows: usize,
    ends: Vec<usize>,
    bodies: Vec<u8>,
}

impl GroupsWriter {
    /// The body of the next group, to be appended by `write`.
    pub(super) fn push(&mut self, rows: usize, write: impl FnOnce(&mut Vec<u8>)) {
        write(&mut self.bodies);
        self.rows += rows;
        self.ends.push(self.bodies.len());
    }

    pub(super) fn rows(&self) -> usize {
        self.rows
    }

    pub(super) fn finish(self, what: &'static str) -> Result<Vec<u8>, SegmentError> {
        let number = |n: usize| u32::try_from(n).map_err(|_| SegmentError::TooLarge { what });
        let mut out = Vec::with_capacity(4 + 4 * self.ends.len() + self.bodies.len());
        out.extend_from_slice(&number(self.rows)?.to_le_bytes());
        for &end in &self.ends {
            out.extend_from_slice(&number(end)?.to_le_bytes());
        }
        out.extend_from_slice(&self.bodies);
        Ok(out)
    }
}

/// A section in memory, still packed.
#[derive(Debug)]
pub(super) struct Groups {
    bytes: Vec<u8>,
    per_group: usize,
    rows: usize,
    bodies: usize,
}

impl Groups {
    /// Checks that the ends ascend and stay within `bytes`.
    pub(super) fn open(bytes: Vec<u8>, per_group: usize) -> Result<Groups, Corrupt> {
        let corrupt = Corrupt { offset: 0 };
        let rows = *bytes.first_chunk::<4>().ok_or(corrupt)?;
        let rows = u32::from_le_bytes(rows) as usize;
        let bodies = 4 + 4 * rows.div_ceil(per_group);
        if bodies > bytes.len() {
            return Err(corrupt);
        }
        let groups = Groups {
            bytes,
            per_group,
            rows,
            bodies,
        };
        let mut last = 0;
        for group in 0..groups.len() {
            let end = groups.end(group);
            if end < last {
                return Err(corrupt);
            }
            last = end;
        }
        if groups.bodies + last == groups.bytes.len() {
            Ok(groups)
        } else {
            Err(corrupt)
        }
    }

    pub(super) fn rows(&self) -> usize {
        self.rows
    }

    /// Number of groups.
    pub(super) fn len(&self) -> usize {
        self.rows.div_ceil(self.per_group)
    }

    pub(super) fn memory(&self) -> usize {
        self.bytes.capacity()
    }

    fn end(&self, group: usize) -> usize {
        let at = 4 + 4 * group;
        let word = self
            .bytes
            .get(at..at + 4)
            .and_then(|bytes| bytes.first_chunk::<4>());
        word.map_or(0, |bytes| u32::from_le_bytes(*bytes) as usize)
    }

    /// The body and number of rows of a group; empty beyond the last.
    pub(super) fn group(&self, group: usize) -> (Input<'_>, usize) {
        let start = if group == 0 { 0 } else { self.end(group - 1) };
        let body = self
            .bytes
            .get(self.bodies + start..self.bodies + self.end(group));
        let rows = self
            .rows
            .saturating_sub(group * self.per_group)
            .min(self.per_group);
        (Input::new(body.unwrap_or_default()), rows)
    }
}

/// Appends one column of a group.
pub(super) fn put_column(out: &mut Vec<u8>, column: impl IntoIterator<Item = i64>) {
    let column: Vec<i64> = column.into_iter().collect();
    ints::encode(&column, &mut OrderHint::default(), out);
}

/// Reads one column of `rows` integers.
pub(super) fn column(input: &mut Input<'_>, rows: usize) -> Result<Vec<i64>, Corrupt> {
    let mut out = Vec::with_capacity(rows);
    ints::decode(input, rows, |_, block, len| {
        out.extend_from_slice(&block[..len]);
        true
    })?;
    Ok(out)
}

/// Reads one column and converts each integer; one that does not fit is corrupt.
pub(super) fn column_of<T: TryFrom<i64>>(
    input: &mut Input<'_>,
    rows: usize,
) -> Result<Vec<T>, Corrupt> {
    let corrupt = input.corrupt();
    column(input, rows)?
        .into_iter()
        .map(|x| T::try_from(x).map_err(|_| corrupt))
        .collect()
}

/// The last few unpacked groups (or columns) of a section, shared between threads.
///
/// Slots are by number, so that readers of neighbouring groups do not evict each other.
#[derive(Debug)]
pub(super) struct Recent<T, const SLOTS: usize>([Mutex<Slot<T>>; SLOTS]);

/// What a slot holds, and its number.
type Slot<T> = Option<(usize, Arc<T>)>;

impl<T, const SLOTS: usize> Default for Recent<T, SLOTS> {
    fn default() -> Self {
        Recent(std::array::from_fn(|_| Mutex::new(None)))
    }
}

impl<T, const SLOTS: usize> Recent<T, SLOTS> {
    /// Number `at`, unpacked by `unpack` unless it is still here. No lock is held while unpacking.
    pub(super) fn get<E>(
        &self,
        at: usize,
        unpack: impl FnOnce() -> Result<T, E>,
    ) -> Result<Arc<T>, E> {
        let slot = &self.0[at % SLOTS];
        if let Some((number, kept)) = &*slot.lock()
            && *number == at
        {
            return Ok(Arc::clone(kept));
        }
        let unpacked = Arc::new(unpack()?);
        *slot.lock() = Some((at, Arc::clone(&unpacked)));
        Ok(unpacked)
    }
}
