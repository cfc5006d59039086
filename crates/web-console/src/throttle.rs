//! Slows down whoever guesses passwords.
//!
//! After a few failures, of one user or from one address, each further one doubles the wait before
//! the next attempt is looked at.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// The failures that cost nothing.
const FREE: u32 = 4;

/// The longest wait.
const LONGEST: Duration = Duration::from_secs(300);

/// The failures of so many users and addresses are known at most.
const KNOWN: usize = 10_000;

/// Failed logins.
#[derive(Default)]
pub struct Throttle {
    failures: Mutex<HashMap<String, Failures>>,
}

#[derive(Clone, Copy)]
struct Failures {
    count: u32,
    last: Instant,
}

impl Failures {
    fn wait(self, now: Instant) -> Option<Duration> {
        let power = self.count.checked_sub(FREE)?;
        let wait = Duration::from_secs(1 << power.min(16)).min(LONGEST);
        wait.checked_sub(now.duration_since(self.last))
            .filter(|rest| !rest.is_zero())
    }
}

impl Throttle {
    /// The rest of the wait of any of these.
    pub fn wait(&self, whose: &[String], now: Instant) -> Option<Duration> {
        let failures = self.lock();
        let waits = whose.iter().filter_map(|key| failures.get(key)?.wait(now));
        waits.max()
    }

    /// Notes a failure of all of these.
    pub fn failed(&self, whose: &[String], now: Instant) {
        let mut failures = self.lock();
        if failures.len() + whose.len() > KNOWN {
            failures.retain(|_, failures| now.duration_since(failures.last) < LONGEST);
        }
        for key in whose {
            // Whoever floods the list with names is still known by the address.
            if failures.len() >= KNOWN && !failures.contains_key(key) {
                continue;
            }
            let entry = failures.entry(key.clone()).or_insert(Failures {
                count: 0,
                last: now,
            });
            // Long ago is forgotten.
            if now.duration_since(entry.last) >= 2 * LONGEST {
                entry.count = 0;
            }
            entry.count = entry.count.saturating_add(1);
            entry.last = now;
        }
    }

    /// Forgets the failures of these.
    pub fn succeeded(&self, whose: &[String]) {
        let mut failures = self.lock();
        for key in whose {
            failures.remove(key);
        }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, HashMap<String, Failures>> {
        self.failures.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_failure_after_the_first_few_doubles_the_wait() {
        let throttle = Throttle::default();
        let anna = ["user anna".to_owned()];
        let now = Instant::now();
        for _ in 0..FREE - 1 {
            throttle.failed(&anna, now);
        }
        assert_eq!(throttle.wait(&anna, now), None);
        for seconds in [1, 2, 4, 8] {
            throttle.failed(&anna, now);
            let wait = Duration::from_secs(seconds);
            assert_eq!(throttle.wait(&anna, now), Some(wait));
            assert_eq!(throttle.wait(&anna, now + wait), None);
        }
        for _ in 0..100 {
            throttle.failed(&anna, now);
        }
        assert_eq!(throttle.wait(&anna, now), Some(LONGEST));
        assert_eq!(throttle.wait(&["user otto".to_owned()], now), None);
        throttle.succeeded(&anna);
        assert_eq!(throttle.wait(&anna, now), None);
    }

    #[test]
    fn many_names_take_bounded_memory() {
        let throttle = Throttle::default();
        let now = Instant::now();
        let address = "address 192.0.2.1".to_owned();
        for number in 0..3 * KNOWN {
            throttle.failed(&[format!("user {number}"), address.clone()], now);
        }
        assert!(throttle.lock().len() <= KNOWN + 2);
        assert_eq!(throttle.wait(&[address], now), Some(LONGEST));
    }
}
