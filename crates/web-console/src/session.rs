//! Logins: who is behind a cookie, and until when.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use sha2::{Digest, Sha256};
use tokio::sync::watch;

use crate::basket::Basket;
use crate::random;
use crate::users::Role;

/// The logins that one user may have at the same time; the one used longest ago ends first.
const OF_ONE_USER: usize = 16;

/// The logins of all users.
const OF_ALL: usize = 512;

/// A login.
#[derive(Debug)]
pub struct Session {
    /// Who logged in.
    pub user: String,
    /// What they may do.
    pub role: Role,
    /// The word that each form repeats.
    pub csrf: String,
    /// What was chosen to be brought back.
    basket: Mutex<Basket>,
    began: Instant,
    used: Mutex<Instant>,
    /// Whether it has ended.
    over: watch::Sender<bool>,
}

/// All logins.
pub struct Sessions {
    idle: Duration,
    lifetime: Duration,
    /// By the hash of the cookie: the memory of the console has no cookie to steal.
    open: Mutex<HashMap<[u8; 32], Arc<Session>>>,
}

impl Session {
    /// The basket of this login.
    pub fn basket(&self) -> MutexGuard<'_, Basket> {
        self.basket.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Returns when the login has ended.
    pub async fn over(&self) {
        // Fails only without a sender, which this value has.
        let _ = self.over.subscribe().wait_for(|is_over| *is_over).await;
    }

    fn end(&self) {
        self.over.send_replace(true);
    }

    fn used(&self) -> Instant {
        *self.used.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Sessions {
    /// No logins yet. They end after `idle` without a request, and after `lifetime`.
    pub fn new(idle: Duration, lifetime: Duration) -> Self {
        Self {
            idle,
            lifetime,
            open: Mutex::default(),
        }
    }

    /// Begins a session, and returns its cookie.
    ///
    /// # Errors
    /// If the system has no random bits.
    pub fn begin(&self, user: &str, role: Role, now: Instant) -> std::io::Result<String> {
        let cookie = random::word()?;
        let session = Session {
            user: user.to_owned(),
            role,
            csrf: random::word()?,
            basket: Mutex::default(),
            began: now,
            used: Mutex::new(now),
            over: watch::channel(false).0,
        };
        let mut open = self.lock();
        open.retain(|_, session| {
            let is_open = self.is_open(session, now);
            if !is_open {
                session.end();
            }
            is_open
        });
        let of_user = open.values().filter(|session| session.user == user).count();
        if of_user >= OF_ONE_USER {
            end_oldest(&mut open, |session| session.user == user);
        }
        if open.len() >= OF_ALL {
            end_oldest(&mut open, |_| true);
        }
        open.insert(key(&cookie), Arc::new(session));
        Ok(cookie)
    }

    /// The session of a cookie, which is used now.
    pub fn find(&self, cookie: &str, now: Instant) -> Option<Arc<Session>> {
        let mut open = self.lock();
        let key = key(cookie);
        let session = open.get(&key)?.clone();
        if !self.is_open(&session, now) {
            session.end();
            open.remove(&key);
            return None;
        }
        *session.used.lock().unwrap_or_else(PoisonError::into_inner) = now;
        Some(session)
    }

    /// Ends the session of a cookie.
    pub fn end(&self, cookie: &str) {
        if let Some(session) = self.lock().remove(&key(cookie)) {
            session.end();
        }
    }

    /// Whether a login has not ended yet. This is no use of it.
    pub fn is_open(&self, session: &Session, now: Instant) -> bool {
        now.saturating_duration_since(session.used()) < self.idle
            && now.saturating_duration_since(session.began) < self.lifetime
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, HashMap<[u8; 32], Arc<Session>>> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn key(cookie: &str) -> [u8; 32] {
    Sha256::digest(cookie).into()
}

fn end_oldest(
    open: &mut HashMap<[u8; 32], Arc<Session>>,
    mut is_one: impl FnMut(&Session) -> bool,
) {
    let candidates = open.iter().filter(|(_, session)| is_one(session));
    let oldest = candidates.min_by_key(|(_, session)| session.used());
    if let Some(session) = oldest
        .map(|(key, _)| *key)
        .and_then(|key| open.remove(&key))
    {
        session.end();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const IDLE: Duration = Duration::from_secs(60);
    const LIFETIME: Duration = Duration::from_secs(600);

    #[test]
    fn a_session_ends_when_it_is_not_used_and_in_any_case() {
        let sessions = Sessions::new(IDLE, LIFETIME);
        let start = Instant::now();
        let cookie = sessions.begin("anna", Role::View, start).unwrap();
        assert!(sessions.find("", start).is_none());
        assert!(sessions.find(&cookie[1..], start).is_none());
        let mut now = start;
        while now < start + LIFETIME {
            assert!(sessions.find(&cookie, now).is_some());
            now += IDLE - Duration::from_secs(1);
        }
        assert!(sessions.find(&cookie, start + LIFETIME).is_none());
        let other = sessions.begin("anna", Role::View, start).unwrap();
        assert!(sessions.find(&other, start + IDLE).is_none());
        let last = sessions.begin("anna", Role::View, start).unwrap();
        sessions.end(&last);
        assert!(sessions.find(&last, start).is_none());
    }

    #[test]
    fn a_thousand_logins_take_bounded_memory_and_push_out_nobody_else() {
        let sessions = Sessions::new(IDLE, LIFETIME);
        let now = Instant::now();
        let otto = sessions.begin("otto", Role::View, now).unwrap();
        let mut last = String::new();
        for number in 0..1000 {
            let now = now + Duration::from_millis(number);
            last = sessions.begin("anna", Role::View, now).unwrap();
        }
        assert_eq!(sessions.lock().len(), OF_ONE_USER + 1);
        let now = now + Duration::from_secs(1);
        assert!(sessions.find(&last, now).is_some());
        assert!(sessions.find(&otto, now).is_some());
    }
}
