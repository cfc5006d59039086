//! The basket: what a login has chosen to bring back, and how.

use objects::Guid;

/// The objects that a basket holds at most.
pub const MOST: usize = 500;

/// What was chosen. All of it comes from one snapshot.
#[derive(Debug, Clone, Default)]
pub struct Basket {
    /// The snapshot; `None` while nothing is in the basket.
    pub source: Option<Origin>,
    /// The objects, in the order in which they were chosen.
    pub objects: Vec<Item>,
    /// How they are brought back.
    pub options: Choices,
}

/// A snapshot.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Origin {
    /// The name of the repository.
    pub repository: String,
    /// The whole id of the snapshot.
    pub id: String,
    /// The server.
    pub server: String,
    /// The time of the snapshot, RFC 3339, UTC.
    pub time: String,
}

/// An object.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Item {
    /// Its objectGUID.
    pub guid: Guid,
    /// Its name in the snapshot.
    pub dn: String,
    /// Its class.
    pub class: String,
}

/// How objects are brought back.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Choices {
    /// The running server, by its name in the configuration.
    pub server: String,
    /// Also all objects beneath them.
    pub subtree: bool,
    /// Only these attributes, as they were typed.
    pub attributes: String,
    /// Remove values that living objects got since.
    pub replace: bool,
    /// Leave links as they are.
    pub without_links: bool,
    /// What becomes of passwords.
    pub passwords: Passwords,
    /// Bring an object whose name is taken under another one.
    pub rename: bool,
    /// Bring all beneath this one instead.
    pub into: String,
    /// Also what yields to force.
    pub force: bool,
}

/// What becomes of passwords.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Passwords {
    /// Those of deleted accounts come back where the server is on this computer; otherwise they
    /// stay disabled.
    #[default]
    Usual,
    /// Those of living accounts, too.
    Keep,
    /// A new one for accounts that were deleted.
    Set,
    /// None: accounts that were deleted stay disabled.
    None,
}

impl Basket {
    /// Adds objects; those that are there already stay once. Returns how many came.
    ///
    /// # Errors
    /// If there are objects of another snapshot, or the basket is full.
    pub fn add(&mut self, source: &Origin, items: Vec<Item>) -> Result<usize, String> {
        if let Some(other) = self.source.as_ref().filter(|other| *other != source)
            && !self.objects.is_empty()
        {
            return Err(format!(
                "the basket holds objects of the snapshot of {}, {}: bring them back first, or \
                 empty it",
                other.server, other.time
            ));
        }
        let before = self.objects.len();
        let mut objects = self.objects.clone();
        for item in items {
            if !objects.iter().any(|known| known.guid == item.guid) {
                objects.push(item);
            }
        }
        if objects.len() > MOST {
            return Err(format!(
                "a basket holds at most {MOST} objects: choose what is above them, with all \
                 objects beneath"
            ));
        }
        self.objects = objects;
        self.source = Some(source.clone());
        Ok(self.objects.len() - before)
    }

    /// Removes an object.
    pub fn remove(&mut self, guid: Guid) {
        self.objects.retain(|item| item.guid != guid);
        if self.objects.is_empty() {
            self.source = None;
        }
    }

    /// Removes all. The choices stay.
    pub fn empty(&mut self) {
        self.objects.clear();
        self.source = None;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn origin(id: &str) -> Origin {
        Origin {
            repository: "local".into(),
            id: id.into(),
            server: "DC1".into(),
            time: "2026-11-20T08:00:00Z".into(),
        }
    }

    fn item(number: usize) -> Item {
        let mut guid = [0; 16];
        guid[..8].copy_from_slice(&number.to_le_bytes());
        Item {
            guid: Guid(guid),
            dn: format!("CN={number}"),
            class: "user".into(),
        }
    }

    #[test]
    fn a_basket_holds_objects_of_one_snapshot_each_once() {
        let mut basket = Basket::default();
        assert_eq!(basket.add(&origin("a"), vec![item(1), item(2)]), Ok(2));
        assert_eq!(basket.add(&origin("a"), vec![item(2), item(3)]), Ok(1));
        assert!(basket.add(&origin("b"), vec![item(4)]).is_err());
        basket.remove(item(1).guid);
        basket.remove(item(2).guid);
        assert!(basket.source.is_some());
        basket.remove(item(3).guid);
        assert_eq!(basket.source, None);
        assert_eq!(basket.add(&origin("b"), vec![item(4)]), Ok(1));
    }

    #[test]
    fn a_basket_is_bounded() {
        let mut basket = Basket::default();
        let all = (0..=MOST).map(item).collect();
        assert!(basket.add(&origin("a"), all).is_err());
        assert!(basket.objects.is_empty());
        assert_eq!(
            basket.add(&origin("a"), (0..MOST).map(item).collect()),
            Ok(MOST)
        );
        assert!(basket.add(&origin("a"), vec![item(MOST)]).is_err());
        basket.empty();
        assert_eq!(basket.add(&origin("b"), vec![item(1)]), Ok(1));
    }
}
