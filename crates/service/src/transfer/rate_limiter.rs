//! A cap on the bytes that pass over the network in a second.

use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// Counts bytes of all connections together.
pub(crate) struct RateLimiter {
    bytes_per_second: u64,
    /// The time at which the bytes so far are within the cap.
    paid: Mutex<Instant>,
}

impl RateLimiter {
    pub(crate) fn new(bytes_per_second: u64) -> Self {
        Self {
            bytes_per_second: bytes_per_second.max(1),
            paid: Mutex::new(Instant::now()),
        }
    }

    /// The wait after sending or receiving these bytes.
    pub(crate) fn delay_after(&self, bytes: usize) -> Duration {
        let cost = Duration::from_secs_f64(bytes as f64 / self.bytes_per_second as f64);
        let mut paid = self.paid.lock().unwrap_or_else(PoisonError::into_inner);
        let now = Instant::now();
        *paid = (*paid).max(now) + cost;
        paid.saturating_duration_since(now)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_of_all_connections_wait_for_each_other() {
        let begin = Instant::now();
        let rate_limiter = RateLimiter::new(1000);
        assert!(rate_limiter.delay_after(500) <= Duration::from_millis(500));
        let second = rate_limiter.delay_after(500);
        assert!(begin.elapsed() + second >= Duration::from_secs(1));
        assert!(second <= Duration::from_secs(1));
    }
}
