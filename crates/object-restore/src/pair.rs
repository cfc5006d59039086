//! The backup and the running directory, side by side.

use std::cell::RefCell;
use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use comparison::{Change, Options, Seen, compare};
use ids::Guid;
use live::Live;
use objects::schema::{AttributeSchema, Syntax};
use objects::{Entry, ObjectId, Reference, Source, State, Value, Wanted};

use crate::attributes::{Fate, Writer, fate, is_one_state, is_single_for_accounts};
use crate::error::Result;
use crate::local::Local;
use crate::plan::{Action, Left, LinkChange, ObjectPlan, Planned, ValuesChange};
use crate::request::{Newer, Request};

/// What an earlier run of the same restore did.
#[derive(Debug, Clone, Default)]
pub struct History {
    /// Objects that it brought back, by the GUIDs of the backup.
    pub came_back: HashSet<Guid>,
    /// Their GUIDs now, where those are others.
    pub now: HashMap<Guid, Guid>,
    /// Names of objects that it may have made before it ended.
    pub perhaps_made: HashMap<Guid, String>,
}

/// Both directories.
pub struct Pair<'p> {
    /// The backup.
    pub source: &'p dyn Source,
    /// The running server.
    pub live: &'p Live,
    /// What is asked for.
    pub request: &'p Request,
    /// What was done already.
    pub history: RefCell<History>,
    local: Option<&'p dyn Local>,
    options: Vec<Options>,
    /// The objects that are to be there afterwards.
    planned: RefCell<HashSet<Guid>>,
    others: RefCell<HashMap<Guid, Option<Arc<str>>>>,
    above: RefCell<HashMap<ObjectId, Option<Guid>>>,
}

/// What an object lacks.
#[derive(Debug, Default)]
pub struct Difference {
    /// Written first.
    pub values: Vec<ValuesChange>,
    /// The number of the primary group.
    pub primary_group: Option<ValuesChange>,
    /// Written when all else is complete.
    pub last: Vec<ValuesChange>,
    /// Links in both directions.
    pub links: Vec<LinkChange>,
    /// Links that are newer than the backup, came back with their object, and stay.
    pub kept: Vec<LinkChange>,
    /// What cannot be written.
    pub left: Vec<Left>,
}

impl<'p> Pair<'p> {
    /// Of a backup and a server.
    pub fn new(
        source: &'p dyn Source,
        live: &'p Live,
        request: &'p Request,
        history: History,
    ) -> Self {
        let mut options = vec![Options {
            attributes: request.attributes.iter().cloned().collect(),
            inheritance_marks: true,
            ..Options::default()
        }];
        if request.attributes.is_empty() {
            let attributes = source.schema().attributes().iter();
            let back = attributes.filter(|attribute| attribute.is_back_link());
            options.push(Options {
                attributes: back.map(|back| back.name.to_ascii_lowercase()).collect(),
                ..Options::default()
            });
        }
        Self {
            source,
            live,
            request,
            history: RefCell::new(history),
            local: None,
            options,
            planned: RefCell::default(),
            others: RefCell::default(),
            above: RefCell::default(),
        }
    }

    /// With programs on the server's own computer, for what its socket does not do.
    #[must_use]
    pub fn beside(mut self, local: &'p dyn Local) -> Self {
        self.local = Some(local);
        self
    }

    /// The programs on the server's own computer.
    pub fn local(&self) -> Option<&'p dyn Local> {
        self.local
    }

    /// Who writes.
    pub fn writer(&self) -> Writer {
        Writer {
            is_privileged: self.request.privileged,
            is_samba: self.live.is_samba(),
        }
    }

    /// Notes objects that will be there.
    pub fn expect(&self, objects: impl IntoIterator<Item = Guid>) {
        self.planned.borrow_mut().extend(objects);
    }

    /// The GUID of an object of the backup now.
    pub fn now(&self, guid: Guid) -> Guid {
        self.history
            .borrow()
            .now
            .get(&guid)
            .copied()
            .unwrap_or(guid)
    }

    /// An object as the server has it, deleted or not.
    pub fn present(&self, guid: Guid) -> Result<Option<Entry>> {
        Ok(self.live.by_guid(self.now(guid), &Wanted::everything())?)
    }

    /// Objects as the server has them, deleted or not, by the GUIDs of the backup.
    pub fn present_of(&self, guids: &[Guid]) -> Result<HashMap<Guid, Entry>> {
        let of_now: HashMap<Guid, Guid> =
            guids.iter().map(|guid| (self.now(*guid), *guid)).collect();
        let now: Vec<Guid> = of_now.keys().copied().collect();
        let found = self.live.by_guids(&now, &Wanted::everything())?;
        let found = found.into_iter().filter_map(|entry| {
            let guid = of_now.get(&entry.guid?)?;
            Some((*guid, entry))
        });
        Ok(found.collect())
    }

    /// The name of an object that lives on the server.
    pub fn living(&self, guid: Guid) -> Result<Option<Arc<str>>> {
        let guid = self.now(guid);
        if let Some(known) = self.others.borrow().get(&guid) {
            return Ok(known.clone());
        }
        let found = self.live.by_guid(guid, &Wanted::names())?;
        let living = found.filter(|entry| !entry.state.is_deleted());
        let name = living.map(|entry| entry.dn);
        self.others.borrow_mut().insert(guid, name.clone());
        Ok(name)
    }

    /// The GUID of the object above one of the backup.
    pub fn above(&self, entry: &Entry) -> Result<Option<Guid>> {
        let Some(id) = entry.parent else {
            return Ok(None);
        };
        if let Some(known) = self.above.borrow().get(&id) {
            return Ok(*known);
        }
        let parent = self.source.entry(id, &Wanted::names())?;
        let guid = parent.and_then(|parent| parent.guid);
        self.above.borrow_mut().insert(id, guid);
        Ok(guid)
    }

    /// What the present object lacks of the wanted one. `comes_back`: nothing of it is newer than
    /// the backup.
    pub fn difference(
        &self,
        wanted: &Entry,
        present: &Entry,
        comes_back: bool,
    ) -> Result<Difference> {
        let wanted = self.with_guids_of_now(wanted);
        let mut present = present.clone();
        present.state = State::Live;
        let mut difference = Difference::default();
        for options in &self.options {
            let seen = |entry, schema| Seen {
                entry,
                parent: None,
                schema,
            };
            let before = seen(&present, self.live.schema());
            let after = seen(&wanted, self.source.schema());
            let Some(found) = compare(Some(before), Some(after), options) else {
                continue;
            };
            for found in found.attributes {
                match found.change {
                    Change::Withheld => {}
                    Change::Descriptor(_) => {
                        let values = |entry: &Entry| entry.values(&found.attribute.name).to_vec();
                        let change = ValuesChange {
                            removed: values(&present),
                            added: values(&wanted),
                            attribute: found.attribute,
                        };
                        self.sort(change, &wanted, comes_back, &mut difference)?;
                    }
                    Change::Values { removed, added } => {
                        let values = |list: Vec<comparison::ValueChange>| {
                            list.into_iter().map(|change| change.value).collect()
                        };
                        let change = ValuesChange {
                            removed: values(removed),
                            added: values(added),
                            attribute: found.attribute,
                        };
                        self.sort(change, &wanted, comes_back, &mut difference)?;
                    }
                }
            }
        }
        Ok(difference)
    }

    /// What the present object lacks of what is planned.
    pub fn lacks(&self, planned: &Planned, present: &Entry) -> Result<Difference> {
        let plan = &planned.plan;
        let mut found = self.difference(&planned.wanted, present, plan.comes_back)?;
        if self.comes_with_links(plan) {
            (found.links, found.kept) = found.links.into_iter().partition(|link| link.comes);
        }
        if let Some(only) = &plan.only {
            found = Difference {
                values: found.values,
                ..Difference::default()
            };
            (found.values).retain(|change| change.attribute.name.eq_ignore_ascii_case(only));
        }
        Ok(found)
    }

    /// Puts a change where it belongs.
    fn sort(
        &self,
        mut change: ValuesChange,
        object: &Entry,
        comes_back: bool,
        difference: &mut Difference,
    ) -> Result<()> {
        let name = change.attribute.name.to_ascii_lowercase();
        let Some(attribute) = self.live.schema().attribute(&name) else {
            difference.left.push(Left {
                what: change.attribute.name.to_string(),
                reason: "the server's schema has no such attribute".into(),
            });
            return Ok(());
        };
        if attribute.is_secret || attribute.is_constructed() {
            return Ok(());
        }
        if self.request.newer == Newer::Merge && !comes_back && !is_one_state(&name) {
            let has_one_value =
                attribute.is_single_valued || is_single_for_accounts(&name) && object.sid.is_some();
            if change.added.is_empty() || !has_one_value {
                change.removed.clear();
            }
            if change.added.is_empty() {
                return Ok(());
            }
        }
        if attribute.link_id.is_some() {
            return match self.request.links {
                true => self.sort_links(change, object, difference),
                false => Ok(()),
            };
        }
        match fate(&name, self.writer(), comes_back) {
            Fate::First => difference.values.push(change),
            Fate::Last => difference.last.push(change),
            Fate::PrimaryGroup => difference.primary_group = Some(change),
            Fate::WithPassword | Fate::OfServer => {}
            Fate::Never(reason) => difference.left.push(Left {
                what: change.attribute.name.to_string(),
                reason: reason.into(),
            }),
        }
        Ok(())
    }

    fn sort_links(
        &self,
        change: ValuesChange,
        object: &Entry,
        difference: &mut Difference,
    ) -> Result<()> {
        let both = [(change.removed, false), (change.added, true)];
        for (value, comes) in both
            .into_iter()
            .flat_map(|(values, comes)| values.into_iter().map(move |value| (value, comes)))
        {
            let Some(link) = self.link(&change.attribute, object, value, comes) else {
                continue;
            };
            // Of objects of other domains this server tells nothing; it asks for them itself.
            let end = link
                .value
                .reference()
                .filter(|end| self.live.holds(&end.dn));
            let ends = [Some(link.holder), end.and_then(|end| end.guid)];
            let mut missing = None;
            for end in ends.into_iter().flatten() {
                let is_expected = self.planned.borrow().contains(&end) || object.guid == Some(end);
                if !is_expected && self.living(end)?.is_none() {
                    missing = Some(end);
                }
            }
            match missing {
                None => difference.links.push(link),
                Some(_) if !comes => {}
                Some(missing) => {
                    let end = match missing == link.holder {
                        true => link.holder_dn.to_string(),
                        false => link
                            .value
                            .reference()
                            .map_or(String::new(), |end| end.dn.to_string()),
                    };
                    difference.left.push(Left {
                        what: change.attribute.name.to_string(),
                        reason: format!("{end} does not live any more"),
                    });
                }
            }
        }
        Ok(())
    }

    /// Whether an object comes, or came in an earlier run, out of the Recycle Bin of Windows, which keeps
    /// links, and shows them no sooner than with the object: the plan, which people agreed to, could not
    /// tell of them.
    fn comes_with_links(&self, plan: &ObjectPlan) -> bool {
        match plan.action {
            Action::Reanimate { is_whole, .. } => is_whole,
            Action::Stay => {
                plan.comes_back && !self.live.is_samba() && self.live.facts().recycle_bin_enabled
            }
            _ => false,
        }
    }

    /// A value of a linked attribute of an object as a link; `None` where the other end is not
    /// known, or the value has data that is only there.
    fn link(
        &self,
        attribute: &Arc<AttributeSchema>,
        object: &Entry,
        value: Value,
        comes: bool,
    ) -> Option<LinkChange> {
        let own = object.guid?;
        if attribute.is_forward_link() {
            value.reference()?.guid?;
            return Some(LinkChange {
                holder: own,
                holder_dn: object.dn.clone(),
                attribute: attribute.clone(),
                value,
                comes,
            });
        }
        let forward = attribute.link_id?.checked_sub(1)?;
        let forward = self.live.schema().attribute_of_link(forward)?;
        if forward.syntax != Syntax::Dn {
            return None;
        }
        let holder = value.reference()?;
        Some(LinkChange {
            holder: holder.guid?,
            holder_dn: holder.dn.clone(),
            attribute: forward.clone(),
            value: Value::Name(Reference {
                dn: object.dn.clone(),
                guid: Some(own),
                sid: object.sid.clone(),
                is_phantom: false,
            }),
            comes,
        })
    }

    /// An entry of the backup with the GUIDs that objects have now.
    fn with_guids_of_now(&self, entry: &Entry) -> Entry {
        let mut entry = entry.clone();
        let history = self.history.borrow();
        if history.now.is_empty() {
            return entry;
        }
        let now = |guid: &mut Option<Guid>| {
            if let Some(other) = guid.and_then(|guid| history.now.get(&guid)) {
                *guid = Some(*other);
            }
        };
        now(&mut entry.guid);
        for attribute in &mut entry.attributes {
            for value in &mut attribute.values {
                match value {
                    Value::Name(end) | Value::BytesAndName(_, end) | Value::TextAndName(_, end) => {
                        now(&mut end.guid)
                    }
                    _ => {}
                }
            }
        }
        entry
    }
}
