//! A change in words, for text and pages alike.

use std::cell::RefCell;
use std::collections::HashMap;

use comparison::{
    AttributeChange, Change, DescriptorChange, Kind, ListChange, ObjectChange, Stamp, ValueChange,
};
use objects::descriptor::{Ace, Domains};
use objects::{Guid, Lookup, Result, Sid, Source, Wanted, dn, words};

use crate::servers::Servers;

/// An object's differences in words.
pub struct Shown {
    /// Such as `moved and changed`.
    pub what: String,
    /// The name of the object.
    pub dn: String,
    /// Its class, or what it is.
    pub class: String,
    /// Its former name, where that is another.
    pub former: Option<String>,
    /// When and where it got its name, place or state.
    pub when: Option<String>,
    /// The values that went and came.
    pub lines: Vec<Line>,
}

/// A value that went or came.
pub struct Line {
    /// Whether it went or came.
    pub sign: Sign,
    /// The attribute, or a part of it.
    pub attribute: String,
    /// The value.
    pub value: String,
    /// When it went or came, and where.
    pub when: Option<String>,
}

/// What happened to the value of a line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sign {
    /// It went.
    Removed,
    /// It came.
    Added,
    /// Neither: something about it changed.
    Other,
}

/// Finds the words.
pub struct Describe<'s> {
    sources: [&'s dyn Source; 2],
    servers: &'s Servers,
    /// Whether the attributes of added and deleted objects are shown.
    is_whole: bool,
    /// Attributes and classes by schemaIDGUID.
    schema: HashMap<Guid, String>,
    accounts: RefCell<HashMap<Sid, Option<String>>>,
}

/// Names of accounts that are kept; there are never so many in descriptors.
const MOST_ACCOUNTS: usize = 100_000;

impl<'s> Describe<'s> {
    /// For differences between these directories.
    pub fn new(sources: [&'s dyn Source; 2], servers: &'s Servers, is_whole: bool) -> Self {
        let mut schema = HashMap::new();
        for source in sources {
            for attribute in source.schema().attributes() {
                schema.extend(
                    attribute
                        .guid
                        .map(|guid| (guid, attribute.name.to_string())),
                );
            }
            for class in source.schema().classes() {
                schema.extend(class.guid.map(|guid| (guid, class.name.to_string())));
            }
        }
        Self {
            sources,
            servers,
            is_whole,
            schema,
            accounts: RefCell::default(),
        }
    }

    /// A change in words.
    ///
    /// # Errors
    /// Where a directory is damaged.
    pub fn shown(&self, change: &ObjectChange) -> Result<Shown> {
        let mut lines = Vec::new();
        if change.kind == Kind::Changed || self.is_whole {
            for attribute in &change.attributes {
                self.attribute(attribute, &mut lines)?;
            }
        }
        let former = (change.before.as_ref().zip(change.after.as_ref()))
            .filter(|_| change.is_moved || change.is_renamed)
            .map(|(before, _)| words::printable(&before.dn));
        let identity = change.identity();
        let class = identity.and_then(|identity| identity.class.as_deref());
        Ok(Shown {
            what: what(change),
            dn: words::printable(change.dn()),
            class: match self.display_name(change)? {
                Some(name) => format!("group policy {:?}", words::printable(&name)),
                None => words::printable(class.unwrap_or("-")),
            },
            former,
            when: self.when(change.stamp()),
            lines,
        })
    }

    /// The name of a group policy for people, in the second directory if it lives there.
    ///
    /// # Errors
    /// Where a directory is damaged.
    pub fn display_name(&self, change: &ObjectChange) -> Result<Option<String>> {
        let identity = change.identity();
        let class = identity.and_then(|identity| identity.class.as_deref());
        if class != Some("groupPolicyContainer") {
            return Ok(None);
        }
        let wanted = Wanted::only(["displayName"]);
        for source in self.sources.into_iter().rev() {
            for id in source.find(&Lookup::Guid(change.guid))? {
                let entry = source.entry(id, &wanted)?;
                let name = entry.and_then(|entry| entry.text("displayName").map(str::to_owned));
                if name.is_some() {
                    return Ok(name);
                }
            }
        }
        Ok(None)
    }

    fn when(&self, stamp: Option<&Stamp>) -> Option<String> {
        stamp.map(|stamp| words::printable(&self.servers.in_words(stamp)))
    }

    fn attribute(&self, change: &AttributeChange, lines: &mut Vec<Line>) -> Result<()> {
        let name = words::printable(&change.attribute.name);
        let mut add = |sign, part: &str, value: String, when: Option<String>| {
            lines.push(Line {
                sign,
                attribute: match part {
                    "" => name.clone(),
                    part => format!("{name} {part}"),
                },
                value,
                when,
            });
        };
        let whole = self.when(change.stamp());
        match &change.change {
            Change::Withheld => add(Sign::Other, "", "set (withheld)".into(), whole),
            Change::Values { removed, added } => {
                for (sign, list) in [(Sign::Removed, removed), (Sign::Added, added)] {
                    for value in list {
                        let text = words::value(&value.value, &change.attribute);
                        // Of a value that was replaced, the new one tells when.
                        let is_last = sign == Sign::Added || added.is_empty();
                        let of_whole = whole.clone().filter(|_| is_last);
                        add(sign, "", text, self.of_value(value).or(of_whole));
                    }
                }
            }
            Change::Descriptor(descriptor) => self.descriptor(descriptor, &whole, &mut add)?,
        }
        Ok(())
    }

    fn of_value(&self, value: &ValueChange) -> Option<String> {
        self.when(value.after.as_ref())
    }

    fn descriptor(
        &self,
        change: &DescriptorChange,
        when: &Option<String>,
        add: &mut impl FnMut(Sign, &str, String, Option<String>),
    ) -> Result<()> {
        for (part, sids) in [("owner", &change.owner), ("group", &change.group)] {
            let Some([before, after]) = sids else {
                continue;
            };
            for (sign, sid) in [(Sign::Removed, before), (Sign::Added, after)] {
                if let Some(sid) = sid {
                    add(sign, part, self.sid(sid)?, when.clone());
                }
            }
        }
        for (part, list) in [("DACL", &change.dacl), ("SACL", &change.sacl)] {
            self.list(part, list, when, add)?;
        }
        if change.is_flagged_otherwise {
            add(
                Sign::Other,
                "flags",
                "other control flags".into(),
                when.clone(),
            );
        }
        Ok(())
    }

    fn list(
        &self,
        part: &str,
        change: &ListChange,
        when: &Option<String>,
        add: &mut impl FnMut(Sign, &str, String, Option<String>),
    ) -> Result<()> {
        for (sign, list) in [
            (Sign::Removed, &change.removed),
            (Sign::Added, &change.added),
        ] {
            for entry in list {
                add(sign, part, self.entry(entry)?, when.clone());
            }
        }
        let mut other = |is_so: bool, text: &str| {
            if is_so {
                add(Sign::Other, part, text.into(), when.clone());
            }
        };
        other(change.is_reordered, "the same entries in another order");
        let exists = change.exists.map(|[_, after]| after);
        other(exists == Some(true), "there is one now");
        other(exists == Some(false), "there is none any more");
        let is_protected = change.is_protected.map(|[_, after]| after);
        other(is_protected == Some(true), "inherits nothing any more");
        other(is_protected == Some(false), "inherits again");
        Ok(())
    }

    /// An entry as SDDL, and what its SID and GUIDs name.
    fn entry(&self, entry: &Ace) -> Result<String> {
        let mut names = Vec::new();
        for guid in [entry.object, entry.inherited_object].into_iter().flatten() {
            names.extend(self.schema.get(&guid).cloned());
        }
        if let Some(sid) = &entry.sid {
            names.extend(self.account(sid)?);
        }
        let text = format!("({})", entry.to_sddl(Domains::default()));
        Ok(match names.is_empty() {
            true => text,
            false => format!("{text} {}", words::printable(&names.join(", "))),
        })
    }

    fn sid(&self, sid: &Sid) -> Result<String> {
        Ok(match self.account(sid)? {
            Some(name) => format!("{sid} {}", words::printable(&name)),
            None => sid.to_string(),
        })
    }

    /// The name of the account with a SID.
    fn account(&self, sid: &Sid) -> Result<Option<String>> {
        if let Some(known) = self.accounts.borrow().get(sid) {
            return Ok(known.clone());
        }
        let mut name = None;
        for source in self.sources.into_iter().rev() {
            if name.is_some() {
                break;
            }
            if let Some(id) = source.find(&Lookup::Sid(sid))?.first()
                && let Some(entry) = source.entry(*id, &Wanted::only(["sAMAccountName"]))?
            {
                let own = dn::own_value(dn::rdn(&entry.dn));
                name = entry.text("sAMAccountName").map(str::to_owned).or(own);
            }
        }
        let mut accounts = self.accounts.borrow_mut();
        if accounts.len() < MOST_ACCOUNTS {
            accounts.insert(sid.clone(), name.clone());
        }
        Ok(name)
    }
}

fn what(change: &ObjectChange) -> String {
    match change.kind {
        Kind::Added => "added".into(),
        Kind::Deleted => "deleted".into(),
        Kind::Restored => "restored".into(),
        Kind::Changed => {
            let is_placed = change.is_moved || change.is_renamed;
            let is_changed = !change.attributes.is_empty() || !is_placed;
            let all = [
                (change.is_moved, "moved"),
                (change.is_renamed, "renamed"),
                (is_changed, "changed"),
            ];
            let all: Vec<&str> = (all.iter())
                .filter(|(is_so, _)| *is_so)
                .map(|(_, word)| *word)
                .collect();
            all.join(" and ")
        }
    }
}
