//! A slot for things of which there is one at a time: a backup, a registered restore.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// The slot.
#[derive(Debug, Default)]
pub struct Slot(Arc<AtomicBool>);

/// Occupies the slot until dropped.
#[derive(Debug)]
pub struct Taken(Arc<AtomicBool>);

impl Slot {
    /// Occupies the slot, if it is free.
    pub fn take(&self) -> Option<Taken> {
        let was_taken = self.0.swap(true, Ordering::AcqRel);
        (!was_taken).then(|| Taken(self.0.clone()))
    }
}

impl Drop for Taken {
    fn drop(&mut self) {
        self.0.store(false, Ordering::Release);
    }
}
