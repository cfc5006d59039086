//! A value that is kept for a while.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

/// A value that takes a while to determine, and when it was.
pub struct Kept<T>(Mutex<Option<(Instant, Arc<T>)>>);

impl<T> Default for Kept<T> {
    fn default() -> Self {
        Self(Mutex::new(None))
    }
}

impl<T> Kept<T> {
    /// The value, if it is not older than `age`; otherwise a new one. While one is determined,
    /// others wait for it.
    ///
    /// # Errors
    /// Those of `determine`; nothing is kept then.
    pub fn get<E>(
        &self,
        age: Duration,
        determine: impl FnOnce() -> Result<T, E>,
    ) -> Result<Arc<T>, E> {
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((time, value)) = &*kept
            && time.elapsed() <= age
        {
            return Ok(Arc::clone(value));
        }
        let value = Arc::new(determine()?);
        *kept = Some((Instant::now(), Arc::clone(&value)));
        Ok(value)
    }

    /// Forgets the value: something changed it.
    pub fn forget(&self) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }
}
