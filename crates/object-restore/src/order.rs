//! In which order objects come back, so that partners of a Samba server take them.
//!
//! Samba sends partners objects in the order of their last changes. A partner that gets an object of
//! a unit which it still has as deleted moves that object to LostAndFound, for good. Partners may ask
//! at any moment. So at every moment the last change of a unit that comes back must be older than
//! those of what is in it: units are completed, parents first, before anything in them comes.
//!
//! One thing must come later: links of a unit to objects in it (managedBy). They come directly before
//! the last changes of those objects, see [`Order::follows`].

use std::collections::{BTreeMap, HashSet};

use ids::Guid;
use objects::dn;

use crate::plan::{Action, LinkChange, Planned};

/// The objects of a plan, in order.
pub struct Order<'p> {
    /// Objects with others in them, by depth.
    pub levels: Vec<Vec<&'p Planned>>,
    /// Those of them that are completed before others come.
    units: HashSet<Guid>,
    /// Links of units to what comes after them.
    late: Vec<LinkChange>,
    /// The folded names of the units with such links.
    late_names: Vec<String>,
    all: &'p [Planned],
}

impl<'p> Order<'p> {
    /// Of a plan whose objects are in the order of their depth.
    pub fn of(planned: &'p [Planned]) -> Self {
        let above = planned.iter().filter_map(|one| dn::parent(&one.plan.dn));
        let above: HashSet<String> = above.filter_map(dn::fold).collect();
        let mut levels: BTreeMap<usize, Vec<&Planned>> = BTreeMap::new();
        let mut units = HashSet::new();
        for one in planned {
            let name = dn::fold(&one.plan.dn).unwrap_or_default();
            // What lives at its place is known to partners.
            let comes = one.plan.comes_back || one.plan.action != Action::Stay;
            if comes && above.contains(&name) {
                let depth = dn::parse(&name).map_or(0, |parts| parts.len());
                levels.entry(depth).or_default().push(one);
                // An account is complete only with its groups and its password.
                if !one.plan.is_account {
                    units.insert(one.plan.guid);
                }
            }
        }
        Self {
            levels: levels.into_values().collect(),
            units,
            late: Vec::new(),
            late_names: Vec::new(),
            all: planned,
        }
    }

    /// Whether an object is completed before others come.
    pub fn is_unit(&self, object: &Planned) -> bool {
        self.units.contains(&object.plan.guid)
    }

    /// All others, in order.
    pub fn rest(&self) -> Vec<&'p Planned> {
        let all = self.all.iter();
        all.filter(|one| !self.is_unit(one)).collect()
    }

    /// Takes out the links of units that come back, and keeps them for later.
    pub fn without_late(
        &mut self,
        links: Vec<LinkChange>,
        now: impl Fn(Guid) -> Guid,
    ) -> Vec<LinkChange> {
        let all = self.all.iter();
        let units = all.filter(|one| one.plan.comes_back && self.is_unit(one));
        let mut holders: BTreeMap<[u8; 16], &str> = BTreeMap::new();
        for unit in units {
            let name = unit.plan.dn.as_str();
            holders.insert(unit.plan.guid.0, name);
            holders.insert(now(unit.plan.guid).0, name);
        }
        let mut others = Vec::new();
        for link in links {
            match holders.get(&link.holder.0) {
                Some(name) => {
                    self.late_names.extend(dn::fold(name));
                    self.late.push(link);
                }
                None => others.push(link),
            }
        }
        others
    }

    /// The late links of a unit.
    pub fn late_links(&self, unit: &Planned, now: Guid) -> Vec<LinkChange> {
        let late = self.late.iter();
        let own = late.filter(|link| [unit.plan.guid, now].contains(&link.holder));
        own.cloned().collect()
    }

    /// Whether an object must change once more, after a late link of a unit that it is in.
    pub fn follows(&self, object: &Planned) -> bool {
        let name = dn::fold(&object.plan.dn).unwrap_or_default();
        let is_beneath = |unit: &String| {
            let rest = name.strip_suffix(unit.as_str());
            rest.is_some_and(|rest| rest.ends_with(','))
        };
        object.plan.comes_back && self.late_names.iter().any(is_beneath)
    }
}

#[cfg(test)]
mod tests {
    use objects::ldap::unknown;
    use objects::{Entry, ObjectId, Reference, State, Value};

    use super::*;
    use crate::plan::{ObjectPlan, PasswordPlan};

    fn planned(number: u8, dn: &str, is_account: bool) -> Planned {
        let guid = Guid([number; 16]);
        Planned {
            wanted: Entry {
                id: ObjectId(number.into()),
                dn: dn.into(),
                guid: Some(guid),
                sid: None,
                parent: None,
                naming_context: None,
                state: State::Live,
                is_hidden: false,
                attributes: Vec::new(),
                links: Vec::new(),
                metadata: Vec::new(),
            },
            plan: ObjectPlan {
                guid,
                dn: dn.into(),
                class: "top".into(),
                action: Action::Stay,
                comes_back: true,
                is_account,
                password: PasswordPlan::Untouched,
                values: Vec::new(),
                left: Vec::new(),
                files: None,
                only: None,
            },
        }
    }

    fn link(holder: u8, end: u8) -> LinkChange {
        LinkChange {
            holder: Guid([holder; 16]),
            holder_dn: "".into(),
            attribute: unknown("managedBy"),
            value: Value::Name(Reference {
                dn: "".into(),
                guid: Some(Guid([end; 16])),
                sid: None,
                is_phantom: false,
            }),
            comes: true,
        }
    }

    #[test]
    fn units_come_first_and_what_is_in_them_changes_after_them() {
        let all = [
            planned(1, "OU=a,DC=x", false),
            planned(2, "CN=host,DC=x", true),
            planned(3, "ou=B,ou=A,dc=x", false),
            planned(4, "CN=u,OU=b,OU=a,DC=x", true),
            planned(5, "CN=part,CN=host,DC=x", false),
        ];
        let mut order = Order::of(&all);
        let numbers =
            |list: &[&Planned]| -> Vec<u8> { list.iter().map(|one| one.plan.guid.0[0]).collect() };
        let levels: Vec<Vec<u8>> = order.levels.iter().map(|one| numbers(one)).collect();
        // An account with others in it comes to its place early, and is completed late.
        assert_eq!(levels, [vec![1, 2], vec![3]]);
        assert_eq!(numbers(&order.rest()), [2, 4, 5]);

        assert!(!order.follows(&all[3]));
        let others = order.without_late(vec![link(3, 4), link(4, 3)], |guid| guid);
        assert_eq!(others.len(), 1);
        assert_eq!(order.late_links(&all[2], all[2].plan.guid).len(), 1);
        assert!(order.late_links(&all[0], all[0].plan.guid).is_empty());
        let follow: Vec<u8> = (all.iter().filter(|one| order.follows(one)))
            .map(|one| one.plan.guid.0[0])
            .collect();
        assert_eq!(follow, [4]);
    }
}
