//! Limits the connections, in all and for each address, so that no single peer takes every slot.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::caller::address::peer;

/// Counts open connections.
pub(crate) struct ConnectionLimiter {
    most: usize,
    most_of_one: usize,
    inside: Mutex<HashMap<IpAddr, usize>>,
}

/// A slot for one connection. Dropping it frees the slot.
pub(crate) struct Admission {
    limiter: Arc<ConnectionLimiter>,
    peer: IpAddr,
}

impl ConnectionLimiter {
    pub(crate) fn new(most: usize, most_of_one: usize) -> Arc<Self> {
        Arc::new(Self {
            most,
            most_of_one,
            inside: Mutex::default(),
        })
    }

    /// Takes a slot for a connection from this address, if one is free.
    pub(crate) fn admit(limiter: &Arc<Self>, address: IpAddr) -> Option<Admission> {
        let peer = peer(address);
        let mut inside = limiter.inside();
        if inside.values().sum::<usize>() >= limiter.most {
            return None;
        }
        let of_peer = inside.entry(peer).or_default();
        if *of_peer >= limiter.most_of_one {
            return None;
        }
        *of_peer += 1;
        drop(inside);
        Some(Admission {
            limiter: limiter.clone(),
            peer,
        })
    }

    fn inside(&self) -> MutexGuard<'_, HashMap<IpAddr, usize>> {
        self.inside.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Admission {
    fn drop(&mut self) {
        let mut inside = self.limiter.inside();
        if let Some(of_peer) = inside.get_mut(&self.peer) {
            *of_peer -= 1;
            if *of_peer == 0 {
                inside.remove(&self.peer);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_peer_takes_every_place() {
        let limiter = ConnectionLimiter::new(3, 2);
        let admit = |address: &str| ConnectionLimiter::admit(&limiter, address.parse().unwrap());
        let first = admit("10.0.0.1").unwrap();
        let _second = admit("::ffff:10.0.0.1").unwrap();
        assert!(admit("10.0.0.1").is_none());
        let _other = admit("2001:db8::1").unwrap();
        assert!(admit("2001:db8:0:1::1").is_none(), "three are inside");
        drop(first);
        let _another = admit("2001:db8::ffff:2").unwrap();
        assert!(
            admit("2001:db8::3").is_none(),
            "two of this network are inside"
        );
    }
}
