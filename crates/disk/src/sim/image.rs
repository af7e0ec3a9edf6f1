//! What may be on the disk after a crash: which unsynced changes it keeps, whole or in part.
//!
//! | class | keeps |
//! | --- | --- |
//! | I0 [`Crash::Kill`] | everything: the process dies, the machine lives |
//! | I1 [`Crash::Drop`] | only what was synced |
//! | I2 [`Crash::Prefix`] | the first changes in the order issued |
//! | I3 [`Crash::Sectors`] | any subset of the written sectors |
//! | I4 [`Crash::Torn`] | changes up to a write that is cut inside a sector |
//! | I5 [`Crash::Names`] | any subset of creates, renames and removals |
//! | I6 [`Crash::Size`] | a length ahead of or behind the data |
//! | I8 [`Crash::Rot`] | what was synced, with damage |
//!
//! I7, the sync that lies, is a fault of the running disk (`fault.rs`).

use super::rng::Rng;
use super::state::{
    DirNode, Edit, FileChange, FileNode, Id, NameChange, NameEdit, Node, ROOT, State, put,
    set_entry,
};
use std::collections::BTreeMap;
use std::ffi::OsString;
use std::path::Path;
use std::sync::Arc;

/// The unit that a device writes whole or not at all.
const SECTOR_BYTES: usize = 512;

/// A class of crash. The seed chooses among what the class allows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Crash {
    /// I0. The process is killed: everything written survives.
    Kill,
    /// I1. Power is lost: everything unsynced is gone.
    Drop,
    /// I2. The first `n` unsynced changes survive, in the order issued over the whole disk.
    Prefix(usize),
    /// I3. A random subset of the unsynced 512-byte sectors survives, and of the changes of length.
    Sectors(u64),
    /// I4. The last write that survives is cut inside; its rest is old, zero or garbage.
    Torn(u64),
    /// I5. A random subset of the unsynced creates, renames and removals survives; a rename leaves
    /// the old name, the new one or both. The bytes of a file survive all or not at all.
    Names(u64),
    /// I6. A file's length runs ahead of its data (the rest zeros or garbage) or stays behind.
    Size(u64),
    /// I8. Only what was synced survives, and one file of it is damaged.
    Rot(u64),
}

impl Crash {
    /// A class, never [`Crash::Rot`], and its choices. `unsynced` bounds the prefix.
    pub fn from_seed(seed: u64, unsynced: usize) -> Crash {
        let mut rng = Rng::new(seed);
        let inner = rng.next_u64();
        match rng.below(7) {
            0 => Crash::Kill,
            1 => Crash::Drop,
            2 => Crash::Prefix(rng.index(unsynced + 1)),
            3 => Crash::Sectors(inner),
            4 => Crash::Torn(inner),
            5 => Crash::Names(inner),
            _ => Crash::Size(inner),
        }
    }
}

/// Damage to the synced bytes of one file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Damage {
    /// The lowest bit of the byte at `offset` plus `bit` mod 8 is inverted.
    FlipBit {
        /// Byte of the file.
        offset: u64,
        /// Bit of the byte, 0 the lowest.
        bit: u8,
    },
    /// The 512-byte sector that holds `offset` reads as zeros.
    ZeroSector {
        /// Byte of the file.
        offset: u64,
    },
    /// The sector that holds `from` stands where the one of `to` should: a misdirected write.
    CopySector {
        /// Byte of the file that is written astray.
        from: u64,
        /// Byte of the file that is overwritten.
        to: u64,
    },
    /// The file ends at `len`.
    Truncate {
        /// The new length, less than the old one.
        len: u64,
    },
    /// The file is gone.
    Remove,
}

/// The state of the new disk: everything on it is synced, nothing is planned to fail.
pub(super) fn build(old: &State, crash: Crash) -> State {
    match crash {
        Crash::Kill => assemble(old, |_| Kept::Whole, |file| file.cached.clone()),
        Crash::Drop => assemble(old, |_| Kept::Nothing, |file| file.durable.clone()),
        Crash::Prefix(n) => prefix(old, n),
        Crash::Sectors(seed) => sectors(old, &mut Rng::new(seed)),
        Crash::Torn(seed) => torn(old, &mut Rng::new(seed)),
        Crash::Names(seed) => names(old, &mut Rng::new(seed)),
        Crash::Size(seed) => size(old, &mut Rng::new(seed)),
        Crash::Rot(seed) => rot(old, &mut Rng::new(seed)),
    }
}

fn prefix(old: &State, n: usize) -> State {
    // Sequence numbers start at 1.
    let last = n.checked_sub(1).map_or(0, |i| {
        old.unsynced_order().get(i).copied().unwrap_or(u64::MAX)
    });
    up_to(old, last)
}

/// Keeps the changes with a sequence number up to `last`.
fn up_to(old: &State, last: u64) -> State {
    assemble(
        old,
        |change| {
            if change.seq <= last {
                Kept::Whole
            } else {
                Kept::Nothing
            }
        },
        |file| {
            edited(file, |content, change| {
                if change.seq <= last {
                    change.what.apply(content);
                }
            })
        },
    )
}

fn sectors(old: &State, rng: &mut Rng) -> State {
    // Names go through the file system's journal, which keeps their order.
    let journalled = rng.index(old.names.len() + 1);
    let last = journalled.checked_sub(1).map_or(0, |i| old.names[i].seq);
    let kept_in_8 = 1 + rng.below(7);
    assemble(
        old,
        |change| {
            if change.seq <= last {
                Kept::Whole
            } else {
                Kept::Nothing
            }
        },
        |file| {
            edited(file, |content, change| match &change.what {
                Edit::Len { .. } if rng.chance(3, 4) => change.what.apply(content),
                Edit::Len { .. } => {}
                Edit::Data { offset, bytes } => {
                    for (at, sector) in split_sectors(*offset, bytes) {
                        if rng.chance(kept_in_8, 8) {
                            put(content, at, sector);
                        }
                    }
                }
            })
        },
    )
}

fn torn(old: &State, rng: &mut Rng) -> State {
    let mut writes: Vec<u64> = Vec::new();
    for node in &old.nodes {
        if let Node::File(file) = node {
            let data = file
                .unsynced
                .iter()
                .filter(|change| matches!(change.what, Edit::Data { .. }));
            writes.extend(data.map(|change| change.seq));
        }
    }
    writes.sort_unstable();
    let last = if rng.chance(1, 2) {
        writes.len().saturating_sub(1)
    } else {
        rng.index(writes.len())
    };
    let Some(&last) = writes.get(last) else {
        return up_to(old, u64::MAX);
    };
    assemble(
        old,
        |change| {
            if change.seq <= last {
                Kept::Whole
            } else {
                Kept::Nothing
            }
        },
        |file| {
            edited(file, |content, change| match &change.what {
                Edit::Data { offset, bytes } if change.seq == last => {
                    let torn = tear(bytes, *offset, content, rng);
                    put(content, *offset, &torn);
                }
                what if change.seq <= last => what.apply(content),
                _ => {}
            })
        },
    )
}

/// The written bytes with their end replaced: by what was there before, by zeros, or by garbage.
fn tear(bytes: &[u8], offset: u64, before: &[u8], rng: &mut Rng) -> Vec<u8> {
    let cut = rng.index(bytes.len());
    let mut torn = bytes.to_vec();
    match rng.below(3) {
        0 => {
            let start = (offset as usize + cut).min(before.len());
            let end = (start + bytes.len() - cut).min(before.len());
            torn[cut..cut + end - start].copy_from_slice(&before[start..end]);
        }
        1 => torn[cut..].fill(0),
        _ => rng.fill(&mut torn[cut..]),
    }
    torn
}

fn names(old: &State, rng: &mut Rng) -> State {
    // One generator for each side: the closures are called in turns.
    let mut content_rng = Rng::new(rng.next_u64());
    assemble(
        old,
        |_| match rng.below(4) {
            0 => Kept::Nothing,
            1 => Kept::Both,
            _ => Kept::Whole,
        },
        |file| {
            if content_rng.chance(1, 2) {
                file.cached.clone()
            } else {
                file.durable.clone()
            }
        },
    )
}

fn size(old: &State, rng: &mut Rng) -> State {
    assemble(
        old,
        |_| Kept::Whole,
        |file| {
            if rng.chance(1, 2) {
                size_ahead(file, rng)
            } else {
                size_behind(file, rng)
            }
        },
    )
}

/// The file has its new data, but a length from the way there.
fn size_behind(file: &FileNode, rng: &mut Rng) -> Arc<Vec<u8>> {
    let mut lens = vec![file.durable.len()];
    for change in &file.unsynced {
        if let Edit::Len { len, by_write } = change.what {
            let (before, after) = (lens[lens.len() - 1], len as usize);
            if by_write && before < after {
                lens.push(before + rng.index(after - before));
            }
            lens.push(after);
        }
    }
    let len = lens[rng.index(lens.len())];
    let mut content = file.cached.to_vec();
    if len > content.len() && file.durable.len() > content.len() {
        content.extend_from_slice(&file.durable[content.len()..]); // A cut that was lost.
    }
    content.resize(len, 0);
    Arc::new(content)
}

/// The file has its new length, but only some of the data that was to fill it.
fn size_ahead(file: &FileNode, rng: &mut Rng) -> Arc<Vec<u8>> {
    let mut content = file.durable.to_vec();
    let old_len = content.len();
    content.resize(file.cached.len(), 0);
    if content.len() > old_len && rng.chance(1, 2) {
        rng.fill(&mut content[old_len..]);
    }
    for change in &file.unsynced {
        if let Edit::Data { offset, bytes } = &change.what
            && rng.chance(1, 2)
        {
            put(&mut content, *offset, bytes);
        }
    }
    Arc::new(content)
}

fn rot(old: &State, rng: &mut Rng) -> State {
    let mut state = build(old, Crash::Drop);
    let mut files: Vec<(Id, u64)> = Vec::new();
    for (id, node) in state.nodes.iter().enumerate() {
        if let Node::File(file) = node
            && !file.durable.is_empty()
        {
            files.push((id, file.durable.len() as u64));
        }
    }
    if files.is_empty() {
        return state;
    }
    let (id, len) = files[rng.index(files.len())];
    let damage = match rng.below(8) {
        0..=2 => Damage::FlipBit {
            offset: rng.below(len),
            bit: rng.below(8) as u8,
        },
        3 | 4 => Damage::ZeroSector {
            offset: rng.below(len),
        },
        5 => Damage::CopySector {
            from: rng.below(len),
            to: rng.below(len),
        },
        6 => Damage::Truncate {
            len: rng.below(len),
        },
        _ => Damage::Remove,
    };
    damage_node(&mut state, id, damage);
    state
}

pub(super) fn damage(state: &mut State, path: &Path, damage: Damage) -> bool {
    state
        .find(path)
        .is_ok_and(|id| damage_node(state, id, damage))
}

fn damage_node(state: &mut State, id: Id, damage: Damage) -> bool {
    if damage == Damage::Remove {
        return remove_everywhere(state, id);
    }
    let Ok(file) = state.file_mut(id) else {
        return false;
    };
    // Both sides: the page cache of a damaged sector is of no help after a restart.
    let durable = spoil(Arc::make_mut(&mut file.durable), damage);
    let cached = spoil(Arc::make_mut(&mut file.cached), damage);
    durable && cached
}

fn remove_everywhere(state: &mut State, id: Id) -> bool {
    if state.file(id).is_err() {
        return false;
    }
    for node in &mut state.nodes {
        if let Node::Dir(dir) = node {
            dir.live.retain(|_, there| *there != id);
            dir.durable.retain(|_, there| *there != id);
        }
    }
    true
}

fn spoil(content: &mut Vec<u8>, damage: Damage) -> bool {
    let sector = |offset: u64| {
        let offset = usize::try_from(offset)
            .ok()
            .filter(|offset| *offset < content.len())?;
        let start = offset - offset % SECTOR_BYTES;
        Some(start..content.len().min(start + SECTOR_BYTES))
    };
    match damage {
        Damage::FlipBit { offset, bit } => match content.get_mut(offset as usize) {
            Some(byte) => *byte ^= 1 << (bit % 8),
            None => return false,
        },
        Damage::ZeroSector { offset } => match sector(offset) {
            Some(range) => content[range].fill(0),
            None => return false,
        },
        Damage::CopySector { from, to } => match (sector(from), sector(to)) {
            (Some(from), Some(to)) => {
                let astray = content[from].to_vec();
                put(content, to.start as u64, &astray);
            }
            _ => return false,
        },
        Damage::Truncate { len } if len < content.len() as u64 => content.truncate(len as usize),
        Damage::Truncate { .. } | Damage::Remove => return false,
    }
    true
}

/// What a crash leaves of one change of names.
enum Kept {
    Nothing,
    Whole,
    /// A rename's new name without the loss of the old one; other changes whole.
    Both,
}

/// Builds the new disk out of the durable names and what is kept of the changes.
fn assemble(
    old: &State,
    mut keep: impl FnMut(&NameChange) -> Kept,
    mut content: impl FnMut(&FileNode) -> Arc<Vec<u8>>,
) -> State {
    let mut folders: BTreeMap<Id, BTreeMap<OsString, Id>> = BTreeMap::new();
    for (id, node) in old.nodes.iter().enumerate() {
        if let Node::Dir(dir) = node {
            folders.insert(id, dir.durable.clone());
        }
    }
    for change in &old.names {
        let both = match keep(change) {
            Kept::Nothing => continue,
            Kept::Whole => false,
            Kept::Both => matches!(change.what, NameEdit::Rename { .. }),
        };
        for (entry, id) in change.what.effects() {
            if !(both && id.is_none()) {
                set_entry(folders.entry(entry.dir).or_default(), &entry.name, id);
            }
        }
    }
    let mut state = State::default();
    state.capacity = old.capacity;
    let mut moved = BTreeMap::from([(ROOT, ROOT)]);
    copy_folder(old, &folders, ROOT, &mut state, &mut moved, &mut content);
    state
}

/// Copies what is reachable from the folder `id`. A node with two names is copied once.
fn copy_folder(
    old: &State,
    folders: &BTreeMap<Id, BTreeMap<OsString, Id>>,
    id: Id,
    state: &mut State,
    moved: &mut BTreeMap<Id, Id>,
    content: &mut impl FnMut(&FileNode) -> Arc<Vec<u8>>,
) {
    let mut names = BTreeMap::new();
    for (name, there) in folders.get(&id).into_iter().flatten() {
        if !moved.contains_key(there) {
            moved.insert(*there, state.nodes.len());
            match old.node(*there) {
                Node::File(file) => state
                    .nodes
                    .push(Node::File(FileNode::synced(content(file)))),
                Node::Dir(_) => {
                    state.nodes.push(Node::Dir(DirNode::default()));
                    copy_folder(old, folders, *there, state, moved, content);
                }
            }
        }
        names.insert(name.clone(), moved[there]);
    }
    state.nodes[moved[&id]] = Node::Dir(DirNode {
        durable: names.clone(),
        live: names,
    });
}

/// The durable bytes with the unsynced changes put on them by `apply`.
fn edited(file: &FileNode, mut apply: impl FnMut(&mut Vec<u8>, &FileChange)) -> Arc<Vec<u8>> {
    if file.unsynced.is_empty() {
        return file.durable.clone();
    }
    let mut content = file.durable.to_vec();
    for change in &file.unsynced {
        apply(&mut content, change);
    }
    Arc::new(content)
}

/// The parts of a write, cut where sectors of the file begin.
fn split_sectors(offset: u64, bytes: &[u8]) -> Vec<(u64, &[u8])> {
    let mut parts = Vec::new();
    let (mut at, mut rest) = (offset, bytes);
    while !rest.is_empty() {
        let room = SECTOR_BYTES - (at as usize % SECTOR_BYTES);
        let (part, next) = rest.split_at(room.min(rest.len()));
        parts.push((at, part));
        at += part.len() as u64;
        rest = next;
    }
    parts
}
