//! Values that take long to make: the most recent of them are kept.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

/// A value, or the place of one that is being made. Others who want it wait.
type Place<V> = Arc<Mutex<Option<Arc<V>>>>;

/// The values that were used last, by their keys.
pub struct Recent<V> {
    /// How many are kept; the one used longest ago goes first.
    most: usize,
    /// How long one is kept after its last use.
    age: Duration,
    /// How much they weigh together at most; a heavier one is kept alone.
    heaviest: u64,
    kept: Mutex<Vec<Slot<V>>>,
}

struct Slot<V> {
    key: String,
    used: Instant,
    weight: u64,
    place: Place<V>,
}

impl<V> Recent<V> {
    /// None yet; at most `most`, and none longer than `age` after its last use.
    pub fn new(most: usize, age: Duration) -> Self {
        Self::weighing(most, age, 0)
    }

    /// The same; together they weigh at most `heaviest`.
    pub fn weighing(most: usize, age: Duration, heaviest: u64) -> Self {
        Self {
            most,
            age,
            heaviest,
            kept: Mutex::default(),
        }
    }

    /// The value of this key, made if it is not there.
    ///
    /// # Errors
    /// Those of `make`; the next one tries again.
    pub fn get<E>(&self, key: &str, make: impl FnOnce() -> Result<V, E>) -> Result<Arc<V>, E> {
        self.get_heavy(key, 0, make)
    }

    /// The same of a value of this weight. Others make room before it is made.
    ///
    /// # Errors
    /// As [`Self::get`].
    pub fn get_heavy<E>(
        &self,
        key: &str,
        weight: u64,
        make: impl FnOnce() -> Result<V, E>,
    ) -> Result<Arc<V>, E> {
        let place = self.place(key, weight);
        let mut place = place.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(value) = &*place {
            return Ok(Arc::clone(value));
        }
        let value = Arc::new(make()?);
        *place = Some(Arc::clone(&value));
        Ok(value)
    }

    /// Forgets the value of this key: the next one who wants it makes it anew.
    pub fn forget(&self, key: &str) {
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        kept.retain(|slot| slot.key != key);
    }

    fn place(&self, key: &str, weight: u64) -> Place<V> {
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        let now = Instant::now();
        kept.retain(|slot| now.duration_since(slot.used) < self.age);
        if let Some(at) = kept.iter().position(|slot| slot.key == key) {
            let mut slot = kept.remove(at);
            slot.used = now;
            let place = Arc::clone(&slot.place);
            kept.push(slot);
            return place;
        }
        let all = |kept: &[Slot<V>]| kept.iter().map(|slot| slot.weight).sum::<u64>();
        while kept.len() >= self.most
            || !kept.is_empty() && all(&kept).saturating_add(weight) > self.heaviest
        {
            kept.remove(0);
        }
        let place = Place::default();
        kept.push(Slot {
            key: key.to_owned(),
            used: now,
            weight,
            place: Arc::clone(&place),
        });
        place
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_value_used_longest_ago_goes_first() {
        let recent = Recent::new(2, Duration::from_secs(60));
        let made = |key: &str| {
            let mut was_made = false;
            let value = recent.get(key, || {
                was_made = true;
                Ok::<_, ()>(key.to_owned())
            });
            assert_eq!(*value.unwrap(), key);
            was_made
        };
        assert!(made("a") && made("b"));
        assert!(!made("a"), "it is kept");
        assert!(made("c"));
        assert!(!made("a"), "b was used longer ago");
        assert!(made("b"));
        assert!(recent.get("d", || Err(7)).is_err());
        assert!(made("d"), "a failure is not kept");
    }

    #[test]
    fn what_is_heavy_makes_room_for_itself() {
        let recent = Recent::weighing(4, Duration::from_secs(60), 10);
        let made = |key: &str, weight| {
            let mut was_made = false;
            let value = recent.get_heavy(key, weight, || {
                was_made = true;
                Ok::<_, ()>(())
            });
            value.unwrap();
            was_made
        };
        assert!(made("a", 4) && made("b", 4) && made("c", 2));
        assert!(!made("a", 4), "all three weigh as much as may be");
        assert!(made("d", 5));
        assert!(!made("a", 4), "b and c were used longer ago, and made room");
        assert!(made("b", 4));
        assert!(made("e", 100), "it is kept alone");
        assert!(!made("e", 100));
        assert!(made("a", 4));
        assert!(made("e", 100));
    }
}
