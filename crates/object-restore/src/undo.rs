//! A restore, taken back.

use std::collections::HashSet;

use ids::Guid;
use live::{Control, How, Live, Modification, Operation};
use objects::descriptor::{Ace, Descriptor};
use objects::{Entry, Source, Wanted, dn};

use crate::attempt::refusal;
use crate::attributes::DESCRIPTOR;
use crate::error::Result;
use crate::journal::{Change, Effect, End, Octets, Records};
use crate::local::Local;
use crate::plan::Left;
use crate::watch::{Unwatched, Watch};
use crate::wire;
use crate::writes::{by_guid, kept};

/// What was taken back.
#[derive(Debug, Clone, Default)]
pub struct Undone {
    /// Objects that are deleted again.
    pub deleted: usize,
    /// Objects that are at their former places again.
    pub moved: usize,
    /// Attributes with their former values.
    pub attributes: usize,
    /// Group policies whose files are those of before.
    pub files: usize,
    /// What stays as it is: the object, and why.
    pub left: Vec<Left>,
}

/// Takes back what a journal says, the last write first. What somebody changed since stays. May be
/// repeated.
///
/// # Errors
/// Where the connection fails.
pub fn undo(live: &Live, records: &Records) -> Result<Undone> {
    undo_beside(live, records, None, &Unwatched)
}

/// The same, with programs on the server's own computer, which take files back.
///
/// # Errors
/// As [`undo`].
pub fn undo_beside(
    live: &Live,
    records: &Records,
    local: Option<&dyn Local>,
    watch: &dyn Watch,
) -> Result<Undone> {
    watch.begin("steps are taken back", records.steps.len());
    let mut undone = Undone::default();
    let history = records.history();
    let now = |guid: Guid| history.now.get(&guid).copied().unwrap_or(guid);
    let came_back: HashSet<Guid> = history.came_back.iter().map(|guid| now(*guid)).collect();
    for (step, end) in records.steps.iter().rev() {
        watch.done(1);
        let guid = now(step.object);
        let is_new = matches!(step.write, Effect::Reanimate { .. } | Effect::Create);
        let is_file = matches!(step.write, Effect::Files { .. });
        if is_new && *end == End::Refused || !is_new && !is_file && came_back.contains(&guid) {
            continue;
        }
        let mut left = |reason: String| {
            undone.left.push(Left {
                what: step.dn.clone(),
                reason,
            });
        };
        if let Effect::Files { folder, aside } = &step.write {
            match local.map(|local| local.take_files_back(folder, aside)) {
                Some(Ok(())) => undone.files += 1,
                Some(Err(reason)) => left(format!("its files stay: {reason}")),
                None => left("its files in SYSVOL stay: take it back with --in-place".into()),
            }
            continue;
        }
        let present = live.by_guid(guid, &Wanted::everything())?;
        let Some(present) = present.filter(|present| !present.state.is_deleted()) else {
            if !is_new {
                left("it does not live any more".into());
            }
            continue;
        };
        match &step.write {
            Effect::Reanimate { .. } | Effect::Create => {
                let object = by_guid(guid);
                let delete = || Operation::Delete {
                    object: object.clone(),
                };
                let mut refused = refusal(live.write(delete(), &[]))?;
                if refused.is_some() && unprotect(live, guid, &present)? {
                    refused = refusal(live.write(delete(), &[]))?;
                    if refused.is_some() {
                        protect(live, guid, &present)?;
                    }
                }
                match refused {
                    None => undone.deleted += 1,
                    Some(reason) => left(format!("it is not deleted again: {reason}")),
                }
            }
            Effect::Move { from } if dn::fold(&present.dn) == dn::fold(from) => {}
            Effect::Move { .. } if dn::fold(&present.dn) != dn::fold(&step.dn) => {
                left(format!("it was moved since, to {}", present.dn));
            }
            Effect::Move { from } => {
                let rename = Operation::Rename {
                    object: by_guid(guid),
                    rdn: dn::rdn(from).to_owned(),
                    parent: dn::parent(from).unwrap_or_default().to_owned(),
                };
                match refusal(live.write(rename, &[]))? {
                    None => undone.moved += 1,
                    Some(reason) => left(format!("it is not moved back: {reason}")),
                }
            }
            Effect::Files { .. } => {}
            Effect::Modify { changes } => {
                for change in changes.iter().rev() {
                    match back(live, guid, &present, change)? {
                        Back::Written => undone.attributes += 1,
                        Back::Same => {}
                        Back::Left(reason) => left(format!("{}: {reason}", change.attribute)),
                    }
                }
            }
        }
    }
    Ok(undone)
}

/// Lets an object that came back be deleted again, although it came back with its protection from that.
/// Returns whether it had any.
fn unprotect(live: &Live, guid: Guid, present: &Entry) -> Result<bool> {
    let descriptor = present.value(DESCRIPTOR).and_then(wire::value);
    match descriptor.and_then(|bytes| Descriptor::without(&bytes, protects)) {
        Some(lifted) => access_list(live, guid, lifted),
        None => Ok(false),
    }
}

/// Whether an entry is "Protect object from accidental deletion", as Windows' own tools do it: everybody is
/// denied to delete the object, and no more.
fn protects(entry: &Ace) -> bool {
    /// ACCESS_DENIED_ACE_TYPE, INHERITED_ACE. Source: \[MS-DTYP\] 2.4.4.1.
    const DENIED: u8 = 1;
    const INHERITED: u8 = 0x10;
    /// DELETE and, of a directory, DELETE_TREE.
    const DELETES: u32 = 0x1_0000 | 0x40;
    let is_for_everyone = (entry.sid.as_ref()).is_some_and(|sid| sid.to_string() == "S-1-1-0");
    entry.kind == DENIED
        && entry.flags & INHERITED == 0
        && entry.mask & DELETES != 0
        && entry.mask & !DELETES == 0
        && is_for_everyone
}

/// Gives an object that stays after all its protection back.
fn protect(live: &Live, guid: Guid, present: &Entry) -> Result<()> {
    let descriptor = present.value(DESCRIPTOR).and_then(wire::value);
    descriptor.map_or(Ok(()), |former| access_list(live, guid, former).map(drop))
}

/// Writes the access list of a descriptor. Returns whether the server took it.
fn access_list(live: &Live, guid: Guid, descriptor: Vec<u8>) -> Result<bool> {
    let modify = Operation::Modify {
        object: by_guid(guid),
        changes: vec![Modification {
            how: How::Replace,
            attribute: DESCRIPTOR.into(),
            values: vec![kept(descriptor)],
        }],
    };
    Ok(refusal(live.write(modify, &[Control::AccessList]))?.is_none())
}

enum Back {
    Written,
    Same,
    Left(String),
}

/// Gives an attribute its former values.
fn back(live: &Live, guid: Guid, present: &Entry, change: &Change) -> Result<Back> {
    if let Some(bytes) = change.withheld {
        return Ok(Back::Left(format!(
            "withheld, {bytes} bytes: the value before is known to nobody"
        )));
    }
    let values = present.values(&change.attribute);
    let values: Vec<Octets> = values.iter().filter_map(wire::value).map(Octets).collect();
    let is_descriptor = change.attribute.eq_ignore_ascii_case(DESCRIPTOR);
    let is_single = live
        .schema()
        .attribute(&change.attribute)
        .is_some_and(|attribute| attribute.is_single_valued);
    let (how, with) = if is_single || is_descriptor {
        if values == change.removed {
            return Ok(Back::Same);
        }
        // A server puts a descriptor into another form.
        if values != change.added && !is_descriptor {
            return Ok(Back::Left("it was changed since".into()));
        }
        let with = match is_descriptor {
            true => vec![Control::WholeDescriptor],
            false => Vec::new(),
        };
        (vec![(How::Replace, change.removed.clone())], with)
    } else {
        let goes = |value: &&Octets| values.contains(value);
        let gone: Vec<Octets> = change.added.iter().filter(goes).cloned().collect();
        let comes = |value: &&Octets| !values.contains(value);
        let back: Vec<Octets> = change.removed.iter().filter(comes).cloned().collect();
        let both = [(How::Delete, gone), (How::Add, back)];
        let both = both.into_iter().filter(|(_, values)| !values.is_empty());
        (both.collect(), Vec::new())
    };
    if how.is_empty() {
        return Ok(Back::Same);
    }
    let changes = how.into_iter().map(|(how, values)| Modification {
        how,
        attribute: change.attribute.clone(),
        values: values.into_iter().map(|value| kept(value.0)).collect(),
    });
    let modify = Operation::Modify {
        object: by_guid(guid),
        changes: changes.collect(),
    };
    let refused = match refusal(live.write(modify, &with))? {
        // The restore may have written no more than that either.
        Some(reason) if is_descriptor => {
            let former = change.removed.first().map(|value| value.0.clone());
            let written = former.map_or(Ok(false), |former| access_list(live, guid, former))?;
            (!written).then_some(reason)
        }
        refused => refused,
    };
    Ok(refused.map_or(Back::Written, Back::Left))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_denial_to_delete_is_a_protection() {
        let entry = |kind, flags, mask, sid: &str| Ace {
            kind,
            flags,
            mask,
            object: None,
            inherited_object: None,
            sid: sid.parse().ok(),
            data: Vec::new(),
        };
        assert!(protects(&entry(1, 0, 0x1_0040, "S-1-1-0")));
        assert!(protects(&entry(1, 0, 0x1_0000, "S-1-1-0")));
        assert!(!protects(&entry(1, 0x10, 0x1_0040, "S-1-1-0")), "inherited");
        assert!(!protects(&entry(1, 0, 0x20, "S-1-1-0")), "another right");
        assert!(!protects(&entry(1, 0, 0x1_0060, "S-1-1-0")), "more");
        assert!(!protects(&entry(0, 0, 0xf_01ff, "S-1-5-18")), "allowed");
        assert!(!protects(&entry(1, 0, 0x1_0040, "S-1-5-18")), "one account");
    }
}
