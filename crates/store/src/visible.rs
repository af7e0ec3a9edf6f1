//! What readers see: the number of the last group, the generations and segments, and who is looking.
//!
//! One small mutex guards it all. The log thread holds it while it applies a group, so no view is made
//! half-way through one; a view takes it to copy an `Arc` and to enter itself into the register of
//! living views, which tells the log thread which earlier states are still wanted.

use crate::config::DuplicatePolicy;
use crate::head::{Generation, Living};
use crate::segments::Segments;
use crate::selection::settle_captured;
use bellwether_model::{TimeRange, TimestampMs};
use parking_lot::{Mutex, MutexGuard};
use std::collections::BTreeMap;
use std::sync::Arc;

/// Everything that holds samples. Immutable; replaced as a whole.
#[derive(Clone)]
pub(crate) struct Published {
    /// Takes new samples.
    pub(crate) active: Arc<Generation>,
    /// Complete, and being turned into a segment.
    pub(crate) frozen: Option<Arc<Generation>>,
    /// On disk.
    pub(crate) segments: Arc<Segments>,
}

impl Published {
    /// The newest sample of a series, when it may be at or after `t`.
    pub(crate) fn newest(&self, id: u32, t: i64, policy: DuplicatePolicy) -> Option<(i64, u64)> {
        let (mut times, mut values) = (Vec::new(), Vec::new());
        let range = TimeRange {
            from: TimestampMs(t),
            to: TimestampMs(i64::MAX),
        };
        let mut newest = self.segments.newest(id, t);
        for generation in self.frozen.iter().chain([&self.active]) {
            // The writer asks: it knows of no group that is not visible yet.
            let Some(captured) = generation.capture(id, u64::MAX, range) else {
                continue;
            };
            // Unreadable means unknown; the sample is then judged as if there were none.
            if settle_captured(captured, policy, &mut times, &mut values).is_ok()
                && let Some((&t, value)) = times.last().zip(values.last())
                && newest.is_none_or(|(known, _)| t >= known)
            {
                newest = Some((t, value.to_bits()));
            }
        }
        newest
    }
}

/// The state behind the mutex.
pub(crate) struct State {
    /// The last group that views show.
    pub(crate) group: u64,
    pub(crate) published: Arc<Published>,
    /// How many living views show which group.
    living: BTreeMap<u64, usize>,
}

/// The point at which readers and the writer meet.
pub(crate) struct Visible {
    state: Mutex<State>,
}

impl Visible {
    pub(crate) fn new(group: u64, published: Published) -> Visible {
        let living = BTreeMap::new();
        Visible {
            state: Mutex::new(State {
                group,
                published: Arc::new(published),
                living,
            }),
        }
    }

    /// For the writer: no view is made while the guard lives.
    pub(crate) fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock()
    }

    /// What is published now.
    pub(crate) fn published(&self) -> Arc<Published> {
        Arc::clone(&self.state.lock().published)
    }

    /// Replaces part of what is published.
    pub(crate) fn publish(&self, change: impl FnOnce(&mut Published)) {
        let mut state = self.state.lock();
        let mut published = Published::clone(&state.published);
        change(&mut published);
        state.published = Arc::new(published);
    }
}

impl State {
    /// The groups that living views show; `None` when there is no view.
    pub(crate) fn living(&self) -> Option<Living> {
        let (&oldest, _) = self.living.first_key_value()?;
        let (&newest, _) = self.living.last_key_value()?;
        Some(Living { oldest, newest })
    }
}

/// One entry in the register of living views, and what it shows.
pub(crate) struct Pin {
    visible: Arc<Visible>,
    pub(crate) group: u64,
    pub(crate) published: Arc<Published>,
}

impl Pin {
    pub(crate) fn new(visible: &Arc<Visible>) -> Pin {
        let mut state = visible.state.lock();
        let group = state.group;
        *state.living.entry(group).or_default() += 1;
        Pin {
            visible: Arc::clone(visible),
            group,
            published: Arc::clone(&state.published),
        }
    }
}

impl Drop for Pin {
    fn drop(&mut self) {
        let mut state = self.visible.state.lock();
        if let Some(count) = state.living.get_mut(&self.group) {
            *count -= 1;
            if *count == 0 {
                state.living.remove(&self.group);
            }
        }
    }
}
