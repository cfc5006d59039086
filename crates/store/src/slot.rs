//! Something of which there is only one at a time: a backup, a registered restore.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// The place for one.
#[derive(Debug, Default)]
pub struct Slot(Arc<AtomicBool>);

/// The place is taken until this is dropped.
#[derive(Debug)]
pub struct Taken(Arc<AtomicBool>);

impl Slot {
    /// Takes the place, if it is free.
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
