//! A disk in memory that behaves like a disk on the worst day: it forgets what was not synced.
//!
//! For each file it keeps the durable bytes, the bytes a reader sees now, and the unsynced changes between the
//! two in order, length and data apart. For each folder it keeps the durable names, the names seen now, and
//! the unsynced creates, renames and removals. From these [`SimDisk::crash_image`] builds what a disk may hold
//! after a crash at this moment.
//!
//! Every call is counted. A run is repeated with [`SimDisk::crash_after`] to die at each of its calls, or with
//! [`SimDisk::fail_at`] to see one call fail. All choices come from seeds: the same calls and the same
//! seeds give the same bytes.
//!
//! What is modelled strictly: a file's sync does not make its name durable, a folder's sync does not make the
//! folder's own name durable, and unsynced changes of different files and folders survive independently.
//!
//! Not here: permissions, links, time stamps, sparse accounting (space used is the sum of lengths).

mod fault;
mod image;
mod io;
mod rng;
mod state;

pub use fault::{Fault, OpKind, Operation, is_crash};
pub use image::{Crash, Damage};
pub use rng::Rng;

use parking_lot::{Mutex, MutexGuard};
use state::{Node, State};
use std::fmt;
use std::path::Path;
use std::sync::Arc;

/// A handle to a simulated disk. Clones share the disk; [`SimDisk::crash_image`] makes a new one.
#[derive(Clone, Default)]
pub struct SimDisk {
    state: Arc<Mutex<State>>,
}

impl SimDisk {
    /// An empty disk with endless space and no faults.
    pub fn new() -> SimDisk {
        SimDisk::default()
    }

    /// How many calls the disk has seen. The next one has this number.
    pub fn ops(&self) -> u64 {
        self.state().ops
    }

    /// Every call so far: the one numbered `n` is at index `n`.
    pub fn trace(&self) -> Vec<Operation> {
        self.state().trace.clone()
    }

    /// The numbers of the calls that can change what survives a crash. Crashing just before each of these
    /// visits every state the disk was in.
    pub fn changing_ops(&self) -> Vec<u64> {
        let state = self.state();
        (0..)
            .zip(&state.trace)
            .filter(|(_, op)| op.kind.changes_disk())
            .map(|(n, _)| n)
            .collect()
    }

    /// Makes the call numbered `op` suffer `fault`, once.
    pub fn fail_at(&self, op: u64, fault: Fault) {
        self.state().faults.insert(op, fault);
    }

    /// Lets the first `op` calls through; from then on every call fails with an error that
    /// [`is_crash`] knows, and nothing changes any more.
    pub fn crash_after(&self, op: u64) {
        self.state().crash_after = Some(op);
    }

    /// While set, syncs of files and folders return `Ok` and make nothing durable.
    pub fn set_lying_sync(&self, lying: bool) {
        self.state().lying_sync = lying;
    }

    /// Leaves room for `bytes` more; `None` for endless space. What does not fit fails with `ENOSPC`
    /// after the part that does.
    pub fn set_free_space(&self, bytes: Option<u64>) {
        let mut state = self.state();
        state.capacity = bytes.map(|bytes| state.used().saturating_add(bytes));
    }

    /// The number of changes that a crash now could lose. [`Crash::Prefix`] counts in these.
    pub fn unsynced_changes(&self) -> usize {
        self.state().unsynced_order().len()
    }

    /// A disk that holds what this one may hold after a crash now. This one is left as it is.
    pub fn crash_image(&self, crash: Crash) -> SimDisk {
        image::build(&self.state(), crash).into()
    }

    /// [`SimDisk::crash_image`] of a class that the seed chooses, never [`Crash::Rot`].
    pub fn any_crash_image(&self, seed: u64) -> SimDisk {
        let crash = Crash::from_seed(seed, self.unsynced_changes());
        self.crash_image(crash)
    }

    /// Damages the file `path` where it is synced, as a failing device does. `false` when there is no such
    /// file or the damage lies outside of it.
    pub fn damage(&self, path: &Path, damage: Damage) -> bool {
        image::damage(&mut self.state(), path, damage)
    }

    /// Whether the name, every folder above it and all bytes of `path` would survive any crash now.
    pub fn is_synced(&self, path: &Path) -> bool {
        let state = self.state();
        let (Ok(live), Some(durable)) = (state.find(path), state.find_durable(path)) else {
            return false;
        };
        let unchanged = match state.node(live) {
            Node::File(file) => file.unsynced.is_empty() && file.cached == file.durable,
            Node::Dir(dir) => dir.live == dir.durable,
        };
        live == durable && unchanged && !state.has_unsynced_name(path)
    }

    /// The length that `path` would have after a crash that loses everything unsynced; `None` when there would
    /// be no such file.
    pub fn synced_len(&self, path: &Path) -> Option<u64> {
        self.synced_bytes(path).map(|bytes| bytes.len() as u64)
    }

    /// The bytes that `path` would hold after a crash that loses everything unsynced.
    pub fn synced_bytes(&self, path: &Path) -> Option<Vec<u8>> {
        let state = self.state();
        match state.node(state.find_durable(path)?) {
            Node::File(file) => Some(file.durable.to_vec()),
            Node::Dir(_) => None,
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock()
    }
}

impl From<State> for SimDisk {
    fn from(state: State) -> SimDisk {
        SimDisk {
            state: Arc::new(Mutex::new(state)),
        }
    }
}

impl fmt::Debug for SimDisk {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SimDisk")
            .field("ops", &self.ops())
            .finish_non_exhaustive()
    }
}
