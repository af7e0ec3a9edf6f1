//! The disk's calls: count, fail as planned, act on the state.

use super::SimDisk;
use super::fault::{Fault, OpKind};
use super::state::{DirNode, FileNode, Id, NameEdit, Node, State};
use crate::{Disk, DiskFile, Lock, OpenMode};
use rustix::io::Errno;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

impl Disk for SimDisk {
    fn open(&self, path: &Path, mode: OpenMode) -> io::Result<Arc<dyn DiskFile>> {
        let mut state = self.state();
        let (id, sync_errors) = open(&mut state, path, mode)?;
        Ok(Arc::new(SimFile {
            disk: self.clone(),
            id,
            path: path.to_owned(),
            writable: mode != OpenMode::Read,
            sync_errors_seen: AtomicU64::new(sync_errors),
        }))
    }

    fn create_dir_all(&self, path: &Path) -> io::Result<()> {
        let mut state = self.state();
        let missing: Vec<&Path> = path
            .ancestors()
            .take_while(|folder| state.find(folder).is_err())
            .collect();
        if missing.is_empty() {
            // Nothing to make, but a file in the way is an error.
            return state.find(path).and_then(|id| state.dir(id).map(|_| ()));
        }
        for folder in missing.into_iter().rev() {
            state.begin(OpKind::MakeDir, folder)?;
            let entry = state.entry(folder)?;
            let parent = entry.dir;
            state.create(entry, Node::Dir(DirNode::default()))?;
            sync_dir(&mut state, folder.parent().unwrap_or(folder), parent)?;
        }
        Ok(())
    }

    fn read_dir(&self, path: &Path) -> io::Result<Vec<PathBuf>> {
        let mut state = self.state();
        state.begin(OpKind::ReadDir, path)?;
        let dir = state.dir(state.find(path)?)?;
        Ok(dir.live.keys().map(|name| path.join(name)).collect())
    }

    fn exists(&self, path: &Path) -> io::Result<bool> {
        let mut state = self.state();
        state.begin(OpKind::Stat, path)?;
        Ok(found(state.find(path))?.is_some())
    }

    fn is_dir(&self, path: &Path) -> io::Result<bool> {
        let mut state = self.state();
        state.begin(OpKind::Stat, path)?;
        Ok(found(state.find(path))?.is_some_and(|id| state.dir(id).is_ok()))
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        let mut state = self.state();
        state.begin(OpKind::Rename, from)?;
        if to != from && to.starts_with(from) {
            return Err(Errno::INVAL.into()); // A folder cannot move into itself.
        }
        let (from, to) = (state.entry(from)?, state.entry(to)?);
        let id = state.lookup(&from).ok_or(Errno::NOENT)?;
        let replaced = state.lookup(&to);
        if replaced == Some(id) {
            return Ok(());
        }
        match (state.node(id), replaced.map(|id| state.node(id))) {
            (_, None) | (Node::File(_), Some(Node::File(_))) => {}
            (Node::File(_), Some(Node::Dir(_))) => return Err(Errno::ISDIR.into()),
            (Node::Dir(_), Some(Node::File(_))) => return Err(Errno::NOTDIR.into()),
            (Node::Dir(_), Some(Node::Dir(dir))) if dir.live.is_empty() => {}
            (Node::Dir(_), Some(Node::Dir(_))) => return Err(Errno::NOTEMPTY.into()),
        }
        state.change_name(NameEdit::Rename { from, to, id })
    }

    fn remove_file(&self, path: &Path) -> io::Result<()> {
        let mut state = self.state();
        state.begin(OpKind::Remove, path)?;
        let entry = state.entry(path)?;
        let id = state.lookup(&entry).ok_or(Errno::NOENT)?;
        state.file(id)?;
        state.change_name(NameEdit::Unlink(entry))
    }

    fn sync_dir(&self, path: &Path) -> io::Result<()> {
        let mut state = self.state();
        let id = state.find(path);
        match id {
            Ok(id) => sync_dir(&mut state, path, id),
            Err(e) => state.begin(OpKind::SyncDir, path).and(Err(e)),
        }
    }

    fn free_space(&self, path: &Path) -> io::Result<u64> {
        let mut state = self.state();
        state.begin(OpKind::FreeSpace, path)?;
        state.find(path)?;
        Ok(state.free())
    }

    fn total_space(&self, path: &Path) -> io::Result<u64> {
        let mut state = self.state();
        state.begin(OpKind::FreeSpace, path)?;
        state.find(path)?;
        Ok(state.capacity.unwrap_or(u64::MAX))
    }

    fn lock(&self, path: &Path) -> io::Result<Box<dyn Lock>> {
        let mut state = self.state();
        let (id, _) = open(&mut state, path, OpenMode::CreateOrOpen)?;
        state.begin(OpKind::Lock, path)?;
        if !state.locks.insert(id) {
            return Err(io::Error::new(
                io::ErrorKind::WouldBlock,
                "held by process 1",
            ));
        }
        // The process id, if there is room.
        if state.begin(OpKind::SetLen, path).is_ok() && state.set_len(id, 0).is_ok() {
            let _ = state
                .begin(OpKind::Write, path)
                .and_then(|_| state.write(id, 0, b"1\n"));
        }
        drop(state);
        Ok(Box::new(SimLock {
            disk: self.clone(),
            id,
        }))
    }
}

/// The opened file, and how many failed syncs of it lie before this handle's time.
fn open(state: &mut State, path: &Path, mode: OpenMode) -> io::Result<(Id, u64)> {
    let there = found(state.find(path));
    let creates = matches!(mode, OpenMode::CreateNew | OpenMode::CreateOrOpen);
    let kind = if creates && matches!(there, Ok(None)) {
        OpKind::Create
    } else {
        OpKind::Open
    };
    state.begin(kind, path)?;
    let id = match there? {
        Some(_) if mode == OpenMode::CreateNew => return Err(Errno::EXIST.into()),
        Some(id) => id,
        None if creates => {
            let entry = state.entry(path)?;
            state.create(entry, Node::File(FileNode::default()))?
        }
        None => return Err(Errno::NOENT.into()),
    };
    match state.file(id) {
        Ok(file) => Ok((id, file.sync_errors)),
        Err(_) if mode == OpenMode::Read => Ok((id, 0)), // As on Unix: reading it is what fails.
        Err(e) => Err(e),
    }
}

/// Turns "nothing there" from an error into an answer.
fn found(id: io::Result<Id>) -> io::Result<Option<Id>> {
    match id {
        Ok(id) => Ok(Some(id)),
        Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(e) => Err(e),
    }
}

fn sync_dir(state: &mut State, path: &Path, dir: Id) -> io::Result<()> {
    let fault = state.begin(OpKind::SyncDir, path)?;
    state.dir(dir)?;
    if fault == Some(Fault::LyingSync) || state.lying_sync {
        return Ok(());
    }
    state.sync_dir(dir)
}

#[derive(Debug)]
struct SimFile {
    disk: SimDisk,
    id: Id,
    path: PathBuf,
    writable: bool,
    /// Of the file's failed syncs, how many this handle has told its holder about.
    sync_errors_seen: AtomicU64,
}

impl SimFile {
    fn refuse_unless_writable(&self) -> io::Result<()> {
        if self.writable {
            Ok(())
        } else {
            Err(Errno::BADF.into())
        }
    }

    fn sync(&self) -> io::Result<()> {
        let mut state = self.disk.state();
        let fault = state.begin(OpKind::Sync, &self.path)?;
        if fault == Some(Fault::LyingSync) || state.lying_sync {
            return Ok(());
        }
        let file = state.file_mut(self.id)?;
        match fault {
            None | Some(Fault::ShortRead { .. }) => {
                file.sync();
                // A failure that another handle's sync ran into is told here too, once.
                let told = self
                    .sync_errors_seen
                    .swap(file.sync_errors, Ordering::Relaxed);
                return if told < file.sync_errors {
                    Err(Errno::IO.into())
                } else {
                    Ok(())
                };
            }
            Some(Fault::SyncToldOnce) => {}
            Some(fault) => {
                file.sync_errors += 1;
                self.sync_errors_seen
                    .store(file.sync_errors, Ordering::Relaxed);
                if fault == Fault::SyncRevertsCache {
                    file.cached = file.durable.clone();
                }
            }
        }
        // The pages count as clean from here on: nobody will write them any more.
        file.unsynced.clear();
        Err(Errno::IO.into())
    }
}

impl DiskFile for SimFile {
    fn read_at(&self, buf: &mut [u8], offset: u64) -> io::Result<usize> {
        let mut state = self.disk.state();
        let fault = state.begin(OpKind::Read, &self.path)?;
        let content = &state.file(self.id)?.cached;
        let start = usize::try_from(offset)
            .unwrap_or(usize::MAX)
            .min(content.len());
        let mut n = buf.len().min(content.len() - start);
        if let Some(Fault::ShortRead { bytes }) = fault {
            n = n.min(bytes);
        }
        buf[..n].copy_from_slice(&content[start..start + n]);
        Ok(n)
    }

    fn write_all_at(&self, buf: &[u8], offset: u64) -> io::Result<()> {
        let mut state = self.disk.state();
        let fault = state.begin(OpKind::Write, &self.path)?;
        self.refuse_unless_writable()?;
        match fault {
            Some(Fault::ShortWrite { bytes, errno }) => {
                state.write(self.id, offset, &buf[..bytes.min(buf.len())])?;
                Err(io::Error::from_raw_os_error(errno))
            }
            _ => state.write(self.id, offset, buf),
        }
    }

    fn len(&self) -> io::Result<u64> {
        let mut state = self.disk.state();
        state.begin(OpKind::Len, &self.path)?;
        Ok(state
            .file(self.id)
            .map_or(0, |file| file.cached.len() as u64))
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        let mut state = self.disk.state();
        state.begin(OpKind::SetLen, &self.path)?;
        self.refuse_unless_writable()?;
        state.set_len(self.id, len)
    }

    fn allocate(&self, len: u64) -> io::Result<()> {
        let mut state = self.disk.state();
        state.begin(OpKind::Allocate, &self.path)?;
        self.refuse_unless_writable()?;
        let len = len.max(state.file(self.id)?.cached.len() as u64);
        state.set_len(self.id, len)
    }

    fn sync_data(&self) -> io::Result<()> {
        self.sync()
    }

    fn sync_all(&self) -> io::Result<()> {
        self.sync()
    }
}

#[derive(Debug)]
struct SimLock {
    disk: SimDisk,
    id: Id,
}

impl Lock for SimLock {}

impl Drop for SimLock {
    fn drop(&mut self) {
        self.disk.state().locks.remove(&self.id);
    }
}
