//! The disk's state: nodes with their durable and their visible side, and the changes in between.
//!
//! A change of a file's length and the bytes written into the new room are two changes, since a crash may
//! keep either without the other. A rename is one change, since no crash may lose both names.
//!
//! Not here: the calls and their faults (`io.rs`), which changes a crash keeps (`image.rs`).

use super::fault::{Fault, OpKind, Operation, crashed};
use rustix::io::Errno;
use std::collections::{BTreeMap, BTreeSet};
use std::ffi::{OsStr, OsString};
use std::io;
use std::path::{Component, Path};
use std::sync::Arc;

/// Longest file: a mistaken offset should fail the test, not eat the machine.
const FILE_BYTES_MAX: u64 = 1 << 30;

/// Index into `State::nodes`. Never reused.
pub(super) type Id = usize;
pub(super) const ROOT: Id = 0;

pub(super) enum Node {
    File(FileNode),
    Dir(DirNode),
}

#[derive(Clone, Default)]
pub(super) struct FileNode {
    /// What survives for certain.
    pub(super) durable: Arc<Vec<u8>>,
    /// What a reader sees now.
    pub(super) cached: Arc<Vec<u8>>,
    /// In the order issued. Leads from `durable` to `cached`, unless a failed sync forgot some.
    pub(super) unsynced: Vec<FileChange>,
    /// How many syncs failed in a way that every handle hears of.
    pub(super) sync_errors: u64,
}

#[derive(Clone)]
pub(super) struct FileChange {
    /// Position in the order of all unsynced changes of the disk.
    pub(super) seq: u64,
    pub(super) what: Edit,
}

#[derive(Clone)]
pub(super) enum Edit {
    /// Set by a call, or made longer by a write: then a crash may leave any length on the way.
    Len { len: u64, by_write: bool },
    /// Never longer than the file: what lies beyond the length in force is dropped.
    Data { offset: u64, bytes: Arc<[u8]> },
}

#[derive(Default)]
pub(super) struct DirNode {
    pub(super) durable: BTreeMap<OsString, Id>,
    pub(super) live: BTreeMap<OsString, Id>,
}

/// A name in a folder.
#[derive(Clone, PartialEq, Eq)]
pub(super) struct Entry {
    pub(super) dir: Id,
    pub(super) name: OsString,
}

#[derive(Clone)]
pub(super) struct NameChange {
    pub(super) seq: u64,
    pub(super) what: NameEdit,
}

#[derive(Clone)]
pub(super) enum NameEdit {
    Link(Entry, Id),
    Unlink(Entry),
    Rename { from: Entry, to: Entry, id: Id },
}

pub(super) struct State {
    pub(super) nodes: Vec<Node>,
    /// Unsynced changes of names, in the order issued.
    pub(super) names: Vec<NameChange>,
    pub(super) locks: BTreeSet<Id>,
    seq: u64,
    pub(super) ops: u64,
    pub(super) trace: Vec<Operation>,
    pub(super) faults: BTreeMap<u64, Fault>,
    pub(super) crash_after: Option<u64>,
    pub(super) lying_sync: bool,
    /// Bytes the disk holds at most.
    pub(super) capacity: Option<u64>,
}

impl Default for State {
    fn default() -> State {
        State {
            nodes: vec![Node::Dir(DirNode::default())],
            names: Vec::new(),
            locks: BTreeSet::new(),
            seq: 0,
            ops: 0,
            trace: Vec::new(),
            faults: BTreeMap::new(),
            crash_after: None,
            lying_sync: false,
            capacity: None,
        }
    }
}

impl State {
    /// Counts a call and says what is to go wrong with it.
    pub(super) fn begin(&mut self, kind: OpKind, path: &Path) -> io::Result<Option<Fault>> {
        if self.crash_after.is_some_and(|n| self.ops >= n) {
            return Err(crashed());
        }
        let fault = self.faults.remove(&self.ops);
        self.ops += 1;
        self.trace.push(Operation {
            kind,
            path: path.to_owned(),
        });
        match fault {
            Some(Fault::Errno(errno)) => Err(io::Error::from_raw_os_error(errno)),
            Some(Fault::ShortWrite { errno, .. }) if kind != OpKind::Write => {
                Err(io::Error::from_raw_os_error(errno))
            }
            Some(Fault::SyncKeepsCache | Fault::SyncRevertsCache | Fault::SyncToldOnce)
                if kind != OpKind::Sync =>
            {
                Err(Errno::IO.into())
            }
            fault => Ok(fault),
        }
    }

    pub(super) fn node(&self, id: Id) -> &Node {
        &self.nodes[id]
    }

    pub(super) fn file(&self, id: Id) -> io::Result<&FileNode> {
        match &self.nodes[id] {
            Node::File(file) => Ok(file),
            Node::Dir(_) => Err(Errno::ISDIR.into()),
        }
    }

    pub(super) fn file_mut(&mut self, id: Id) -> io::Result<&mut FileNode> {
        match &mut self.nodes[id] {
            Node::File(file) => Ok(file),
            Node::Dir(_) => Err(Errno::ISDIR.into()),
        }
    }

    pub(super) fn dir(&self, id: Id) -> io::Result<&DirNode> {
        match &self.nodes[id] {
            Node::Dir(dir) => Ok(dir),
            Node::File(_) => Err(Errno::NOTDIR.into()),
        }
    }

    fn dir_mut(&mut self, id: Id) -> io::Result<&mut DirNode> {
        match &mut self.nodes[id] {
            Node::Dir(dir) => Ok(dir),
            Node::File(_) => Err(Errno::NOTDIR.into()),
        }
    }

    /// The node a reader finds at `path` now.
    pub(super) fn find(&self, path: &Path) -> io::Result<Id> {
        let mut id = ROOT;
        for name in names_of(path)? {
            id = *self.dir(id)?.live.get(name).ok_or(Errno::NOENT)?;
        }
        Ok(id)
    }

    /// The node that `path` names after a crash that loses everything unsynced.
    pub(super) fn find_durable(&self, path: &Path) -> Option<Id> {
        let mut id = ROOT;
        for name in names_of(path).ok()? {
            id = *self.dir(id).ok()?.durable.get(name)?;
        }
        Some(id)
    }

    /// The folder that `path` stands in, which must exist, and the name in it, which need not.
    pub(super) fn entry(&self, path: &Path) -> io::Result<Entry> {
        let mut names = names_of(path)?;
        let name = names.pop().ok_or(Errno::EXIST)?.to_owned();
        let mut dir = ROOT;
        for name in names {
            dir = *self.dir(dir)?.live.get(name).ok_or(Errno::NOENT)?;
        }
        self.dir(dir)?;
        Ok(Entry { dir, name })
    }

    pub(super) fn lookup(&self, entry: &Entry) -> Option<Id> {
        self.dir(entry.dir).ok()?.live.get(&entry.name).copied()
    }

    /// Whether any name on the way to `path` has an unsynced change.
    pub(super) fn has_unsynced_name(&self, path: &Path) -> bool {
        path.ancestors()
            .filter_map(|path| self.entry(path).ok())
            .any(|entry| {
                self.names.iter().any(|change| match &change.what {
                    NameEdit::Link(at, _) | NameEdit::Unlink(at) => *at == entry,
                    NameEdit::Rename { from, to, .. } => *from == entry || *to == entry,
                })
            })
    }

    /// Puts a new node at `entry`.
    pub(super) fn create(&mut self, entry: Entry, node: Node) -> io::Result<Id> {
        let id = self.nodes.len();
        self.nodes.push(node);
        self.change_name(NameEdit::Link(entry, id))?;
        Ok(id)
    }

    /// Makes the change visible, and remembers it as unsynced.
    pub(super) fn change_name(&mut self, what: NameEdit) -> io::Result<()> {
        for (entry, id) in what.effects() {
            set_entry(&mut self.dir_mut(entry.dir)?.live, &entry.name, id);
        }
        let seq = self.next_seq();
        self.names.push(NameChange { seq, what });
        Ok(())
    }

    /// Makes the names in the folder `dir` durable.
    ///
    /// A rename out of the folder becomes durable whole, since no crash loses both names; one into it leaves
    /// the old name's removal to the other folder's sync.
    pub(super) fn sync_dir(&mut self, dir: Id) -> io::Result<()> {
        self.dir(dir)?;
        let mut rest = Vec::new();
        for change in std::mem::take(&mut self.names) {
            let (now, later) = change.what.split_at_sync_of(dir);
            for (entry, id) in now.iter().flat_map(NameEdit::effects) {
                set_entry(&mut self.dir_mut(entry.dir)?.durable, &entry.name, id);
            }
            rest.extend(later.map(|what| NameChange {
                seq: change.seq,
                what,
            }));
        }
        self.names = rest;
        Ok(())
    }

    /// Makes `bytes` at `offset` visible, as far as there is room. The error says what did not fit.
    pub(super) fn write(&mut self, id: Id, offset: u64, bytes: &[u8]) -> io::Result<()> {
        let len = self.file(id)?.cached.len() as u64;
        let end = offset
            .checked_add(bytes.len() as u64)
            .filter(|end| *end <= FILE_BYTES_MAX);
        let end = end.ok_or(Errno::FBIG)?;
        let room_end = len.saturating_add(self.free());
        let fits = bytes.len().min(room_end.saturating_sub(offset) as usize);
        if fits > 0 {
            if offset + fits as u64 > len {
                let grown = Edit::Len {
                    len: offset + fits as u64,
                    by_write: true,
                };
                self.edit(id, grown)?;
            }
            self.edit(
                id,
                Edit::Data {
                    offset,
                    bytes: bytes[..fits].into(),
                },
            )?;
        }
        if end > room_end {
            Err(Errno::NOSPC.into())
        } else {
            Ok(())
        }
    }

    pub(super) fn set_len(&mut self, id: Id, len: u64) -> io::Result<()> {
        let old = self.file(id)?.cached.len() as u64;
        if len > FILE_BYTES_MAX {
            return Err(Errno::FBIG.into());
        }
        if len.saturating_sub(old) > self.free() {
            return Err(Errno::NOSPC.into());
        }
        if len != old {
            self.edit(
                id,
                Edit::Len {
                    len,
                    by_write: false,
                },
            )?;
        }
        Ok(())
    }

    fn edit(&mut self, id: Id, what: Edit) -> io::Result<()> {
        let seq = self.next_seq();
        let file = self.file_mut(id)?;
        what.apply(Arc::make_mut(&mut file.cached));
        file.unsynced.push(FileChange { seq, what });
        Ok(())
    }

    fn next_seq(&mut self) -> u64 {
        self.seq += 1;
        self.seq
    }

    /// Bytes in the files that have a name now.
    pub(super) fn used(&self) -> u64 {
        let mut named = BTreeSet::new();
        for node in &self.nodes {
            if let Node::Dir(dir) = node {
                named.extend(dir.live.values());
            }
        }
        let files = named.into_iter().filter_map(|id: &Id| self.file(*id).ok());
        files.map(|file| file.cached.len() as u64).sum()
    }

    pub(super) fn free(&self) -> u64 {
        self.capacity
            .map_or(u64::MAX, |capacity| capacity.saturating_sub(self.used()))
    }

    /// The sequence numbers of all unsynced changes, sorted.
    pub(super) fn unsynced_order(&self) -> Vec<u64> {
        let mut order: Vec<u64> = self.names.iter().map(|change| change.seq).collect();
        for node in &self.nodes {
            if let Node::File(file) = node {
                order.extend(file.unsynced.iter().map(|change| change.seq));
            }
        }
        order.sort_unstable();
        order
    }
}

impl FileNode {
    /// A file that holds `bytes`, all synced.
    pub(super) fn synced(bytes: Arc<Vec<u8>>) -> FileNode {
        FileNode {
            durable: bytes.clone(),
            cached: bytes,
            ..FileNode::default()
        }
    }

    pub(super) fn sync(&mut self) {
        let durable = Arc::make_mut(&mut self.durable);
        for change in self.unsynced.drain(..) {
            change.what.apply(durable);
        }
    }
}

impl Edit {
    pub(super) fn apply(&self, content: &mut Vec<u8>) {
        match self {
            Edit::Len { len, .. } => content.resize(*len as usize, 0),
            Edit::Data { offset, bytes } => put(content, *offset, bytes),
        }
    }
}

/// Writes `bytes` at `offset` as far as `content` is long.
pub(super) fn put(content: &mut [u8], offset: u64, bytes: &[u8]) {
    let start = (offset as usize).min(content.len());
    let end = (start + bytes.len()).min(content.len());
    content[start..end].copy_from_slice(&bytes[..end - start]);
}

impl NameEdit {
    /// What the change does to entries: the node that the name stands for afterwards.
    pub(super) fn effects(&self) -> Vec<(&Entry, Option<Id>)> {
        match self {
            NameEdit::Link(entry, id) => vec![(entry, Some(*id))],
            NameEdit::Unlink(entry) => vec![(entry, None)],
            NameEdit::Rename { from, to, id } => vec![(from, None), (to, Some(*id))],
        }
    }

    /// What a sync of `dir` makes durable of this change, and what it leaves.
    fn split_at_sync_of(self, dir: Id) -> (Option<NameEdit>, Option<NameEdit>) {
        match self {
            NameEdit::Link(ref at, _) | NameEdit::Unlink(ref at) if at.dir == dir => {
                (Some(self), None)
            }
            NameEdit::Rename { ref from, .. } if from.dir == dir => (Some(self), None),
            NameEdit::Rename { from, to, id } if to.dir == dir => {
                (Some(NameEdit::Link(to, id)), Some(NameEdit::Unlink(from)))
            }
            other => (None, Some(other)),
        }
    }
}

pub(super) fn set_entry(names: &mut BTreeMap<OsString, Id>, name: &OsStr, id: Option<Id>) {
    match id {
        Some(id) => names.insert(name.to_owned(), id),
        None => names.remove(name),
    };
}

/// The names on the way to `path`, from the root. Relative paths start at the root too.
fn names_of(path: &Path) -> io::Result<Vec<&OsStr>> {
    let mut names = Vec::new();
    for component in path.components() {
        match component {
            Component::Normal(name) => names.push(name),
            Component::RootDir | Component::CurDir => {}
            Component::ParentDir | Component::Prefix(_) => return Err(Errno::INVAL.into()),
        }
    }
    Ok(names)
}
