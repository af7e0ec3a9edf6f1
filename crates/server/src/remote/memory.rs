//! What the answers of one source may take.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use super::RemoteError;

/// The account of one source.
#[derive(Debug)]
pub(super) struct Memory {
    held: AtomicUsize,
    max: usize,
}

impl Memory {
    pub(super) fn new(max: usize) -> Arc<Memory> {
        let held = AtomicUsize::new(0);
        Arc::new(Memory { held, max })
    }
}

/// Memory that is taken for as long as this lives.
#[derive(Debug)]
pub(super) struct Charge {
    memory: Arc<Memory>,
    bytes: usize,
}

impl Charge {
    pub(super) fn new(memory: &Arc<Memory>) -> Charge {
        let memory = Arc::clone(memory);
        Charge { memory, bytes: 0 }
    }

    pub(super) fn grow(&mut self, bytes: usize) -> Result<(), RemoteError> {
        let Memory { held, max } = &*self.memory;
        let before = held.fetch_add(bytes, Ordering::Relaxed);
        if before.saturating_add(bytes) > *max {
            held.fetch_sub(bytes, Ordering::Relaxed);
            return Err(RemoteError::TooLarge { max: *max });
        }
        self.bytes += bytes;
        Ok(())
    }

    pub(super) fn shrink(&mut self, bytes: usize) {
        let bytes = bytes.min(self.bytes);
        self.memory.held.fetch_sub(bytes, Ordering::Relaxed);
        self.bytes -= bytes;
    }
}

impl Drop for Charge {
    fn drop(&mut self) {
        self.shrink(self.bytes);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_held_is_counted_and_given_back() {
        let memory = Memory::new(100);
        let mut charge = Charge::new(&memory);
        charge.grow(60).unwrap();
        assert!(Charge::new(&memory).grow(41).is_err());
        charge.shrink(20);
        Charge::new(&memory).grow(60).unwrap();
        drop(charge);
        assert_eq!(memory.held.load(Ordering::Relaxed), 0);
    }
}
