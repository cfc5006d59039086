//! Where objects are while one tree becomes another, object by object.
//!
//! Names change with each step: an object beneath a container that moved has another name than
//! before. Each step names objects as they are called at that moment.

use std::collections::{HashMap, HashSet};

use objects::{Guid, dn};

/// A step of an object.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Step {
    /// It comes, under this name.
    Comes(String),
    /// It has another name.
    Moves {
        /// Before.
        from: String,
        /// After.
        to: String,
    },
    /// It goes.
    Goes(String),
}

/// An object that has another name for a step.
#[derive(Debug, PartialEq, Eq)]
pub struct Renamed {
    /// Its name so far.
    pub from: String,
    /// Its name from now on.
    pub to: String,
}

/// The steps between two trees, and how far they are.
#[derive(Default)]
pub struct Places {
    /// Objects that still have the names of the first tree and will leave them, by these.
    leaving: HashMap<String, (Guid, String)>,
    /// The names in the first tree of objects that come or move, by those in the second one; `None`
    /// where they come.
    former: HashMap<String, Option<String>>,
    /// Names of the second tree that nobody has yet.
    coming: HashSet<String>,
    /// What objects that have left their names are called now, by their names in the first tree.
    now: HashMap<String, String>,
    /// Objects that go, and from where.
    going: Vec<String>,
}

impl Places {
    /// Notes a step, before the first one is made.
    pub fn note(&mut self, guid: Guid, step: Step) {
        match step {
            Step::Comes(to) => {
                self.coming.insert(folded(&to));
                self.former.insert(folded(&to), None);
            }
            Step::Moves { from, to } => {
                self.coming.insert(folded(&to));
                self.former.insert(folded(&to), Some(from.clone()));
                self.leaving.insert(folded(&from), (guid, from));
            }
            Step::Goes(from) => {
                self.leaving.insert(folded(&from), (guid, from.clone()));
                self.going.push(from);
            }
        }
    }

    /// Objects that can go at once, children before their parents: nothing beneath them stays.
    pub fn first_to_go(&mut self) -> Vec<String> {
        let mut kept = HashSet::new();
        for from in self.former.values().flatten() {
            let above = std::iter::successors(dn::parent(from), |name| dn::parent(name));
            kept.extend(above.map(folded));
        }
        let (late, early): (Vec<String>, Vec<String>) = std::mem::take(&mut self.going)
            .into_iter()
            .partition(|name| kept.contains(&folded(name)));
        self.going = late;
        for name in &early {
            self.leaving.remove(&folded(name));
        }
        children_first(early)
    }

    /// The object that has to give up the name before another one can take it, with a name that
    /// nobody else has.
    pub fn make_room(&mut self, own: Guid, to: &str) -> Option<Renamed> {
        let slot = folded(&self.in_first(to)?);
        let (guid, former) = self.leaving.get(&slot).filter(|(guid, _)| *guid != own)?;
        let from = self.current(former);
        let parts = dn::parse(dn::rdn(&from)).unwrap_or_default();
        let kind = parts.first().map_or("CN", |part| part.kind.as_str());
        let aside = format!("{kind}={guid}");
        let aside = match dn::parent(&from) {
            Some(parent) => format!("{aside},{parent}"),
            None => aside,
        };
        self.now.insert(slot.clone(), aside.clone());
        self.leaving.remove(&slot);
        Some(Renamed { from, to: aside })
    }

    /// An object moves to its name in the second tree.
    pub fn moved(&mut self, from: &str, to: &str) -> Renamed {
        let renamed = Renamed {
            from: self.current(from),
            to: to.to_owned(),
        };
        self.leaving.remove(&folded(from));
        self.now.insert(folded(from), to.to_owned());
        self.came(to);
        renamed
    }

    /// An object has come to its name in the second tree.
    pub fn came(&mut self, to: &str) {
        self.coming.remove(&folded(to));
    }

    /// The rest of the objects that go, children before their parents, by their names now.
    pub fn last_to_go(&mut self) -> Vec<String> {
        let going = children_first(std::mem::take(&mut self.going));
        going.iter().map(|name| self.current(name)).collect()
    }

    /// Whether an object is already where the second tree has it, by its name there.
    pub fn is_settled(&self, name: &str) -> bool {
        self.coming.is_empty()
            || !std::iter::successors(Some(name), |name| dn::parent(name))
                .any(|name| self.coming.contains(&folded(name)))
    }

    /// What an object of the first tree is called now.
    fn current(&self, name: &str) -> String {
        let mut names = std::iter::successors(Some(name), |name| dn::parent(name));
        let found = names.find_map(|above| Some((above, self.now.get(&folded(above))?)));
        match found {
            Some((above, now)) => format!("{}{now}", &name[..name.len() - above.len()]),
            None => name.to_owned(),
        }
    }

    /// What a name of the second tree was called in the first one; `None` beneath an object that
    /// comes.
    fn in_first(&self, name: &str) -> Option<String> {
        let above = std::iter::successors(dn::parent(name), |name| dn::parent(name));
        for above in above {
            match self.former.get(&folded(above)) {
                Some(former) => {
                    let former = former.as_ref()?;
                    return Some(format!("{}{former}", &name[..name.len() - above.len()]));
                }
                None => continue,
            }
        }
        Some(name.to_owned())
    }
}

/// A name in a form that is equal for all ways to write it.
fn folded(name: &str) -> String {
    dn::fold(name).unwrap_or_else(|| name.to_lowercase())
}

fn children_first(mut names: Vec<String>) -> Vec<String> {
    let depth = |name: &str| std::iter::successors(Some(name), |name| dn::parent(name)).count();
    names.sort_by_cached_key(|name| std::cmp::Reverse(depth(name)));
    names
}

#[cfg(test)]
mod tests {
    use super::*;

    fn guid(number: u8) -> Guid {
        Guid([number; 16])
    }

    fn moves(from: &str, to: &str) -> Step {
        Step::Moves {
            from: from.into(),
            to: to.into(),
        }
    }

    #[test]
    fn two_objects_exchange_their_names() {
        let mut places = Places::default();
        places.note(guid(1), moves("CN=a,DC=x", "CN=b,DC=x"));
        places.note(guid(2), moves("CN=b,DC=x", "CN=a,DC=x"));
        let aside = places.make_room(guid(2), "CN=a,DC=x").unwrap();
        assert_eq!(aside.from, "CN=a,DC=x");
        places.moved("CN=b,DC=x", "CN=a,DC=x");
        assert_eq!(places.make_room(guid(1), "CN=b,DC=x"), None);
        assert_eq!(places.moved("CN=a,DC=x", "CN=b,DC=x").from, aside.to);
        assert!(places.is_settled("CN=c,CN=b,DC=x"));
    }

    #[test]
    fn what_is_beneath_a_container_has_its_new_name() {
        let mut places = Places::default();
        places.note(guid(1), moves("OU=a,DC=x", "OU=b,DC=x"));
        places.note(guid(2), moves("CN=u,OU=a,DC=x", "CN=v,OU=b,DC=x"));
        assert!(!places.is_settled("CN=w,OU=b,DC=x"));
        places.moved("OU=a,DC=x", "OU=b,DC=x");
        let renamed = places.moved("CN=u,OU=a,DC=x", "CN=v,OU=b,DC=x");
        assert_eq!(renamed.from, "CN=u,OU=b,DC=x");
    }

    #[test]
    fn a_container_goes_after_what_leaves_it() {
        let mut places = Places::default();
        places.note(guid(1), Step::Goes("OU=a,DC=x".into()));
        places.note(guid(2), Step::Goes("CN=u,OU=a,DC=x".into()));
        places.note(guid(3), moves("CN=v,OU=a,DC=x", "CN=v,DC=x"));
        assert_eq!(places.first_to_go(), ["CN=u,OU=a,DC=x"]);
        assert_eq!(places.last_to_go(), ["OU=a,DC=x"]);
    }
}
