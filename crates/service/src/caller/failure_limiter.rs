//! Blocks peers for a while after too many failed authentications.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use super::address::peer;

/// How long a failure counts.
const WINDOW: Duration = Duration::from_secs(60);

/// Peers that are remembered at most: this bounds the memory in an attack from many addresses.
const MOST: usize = 4096;

/// The failures of the last minute.
pub(crate) struct FailureLimiter {
    limit: u32,
    peers: Mutex<HashMap<IpAddr, (Instant, u32)>>,
}

impl FailureLimiter {
    pub(crate) fn new(limit: u32) -> Self {
        Self {
            limit,
            peers: Mutex::default(),
        }
    }

    /// Whether a peer is blocked.
    pub(crate) fn blocks(&self, address: IpAddr) -> bool {
        let peers = self.peers.lock().unwrap_or_else(PoisonError::into_inner);
        peers
            .get(&peer(address))
            .is_some_and(|(since, count)| *count >= self.limit && since.elapsed() < WINDOW)
    }

    /// Counts a failure. Returns whether it is the first one over the limit.
    pub(crate) fn count_failure(&self, address: IpAddr) -> bool {
        let mut peers = self.peers.lock().unwrap_or_else(PoisonError::into_inner);
        if peers.len() >= MOST {
            peers.retain(|_, (since, _)| since.elapsed() < WINDOW);
        }
        if peers.len() >= MOST
            && let Some(oldest) = peers.iter().min_by_key(|(_, (since, _))| *since)
        {
            let oldest = *oldest.0;
            peers.remove(&oldest);
        }
        let (since, count) = peers.entry(peer(address)).or_insert((Instant::now(), 0));
        if since.elapsed() >= WINDOW {
            (*since, *count) = (Instant::now(), 0);
        }
        *count = count.saturating_add(1);
        *count == self.limit
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_who_fails_waits_and_memory_is_bounded() {
        let limiter = FailureLimiter::new(2);
        let attacker = "10.0.0.1".parse().unwrap();
        assert!(!limiter.count_failure(attacker));
        assert!(!limiter.blocks(attacker));
        assert!(limiter.count_failure(attacker));
        assert!(limiter.blocks(attacker));
        assert!(!limiter.blocks("10.0.0.2".parse().unwrap()));
        for number in 0..3 * MOST as u32 {
            limiter.count_failure(std::net::Ipv4Addr::from_bits(number).into());
        }
        assert!(limiter.peers.lock().unwrap().len() <= MOST);
    }
}
