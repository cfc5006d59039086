//! Security descriptors, entry by entry.

use std::collections::HashMap;

use objects::descriptor::{Ace, Acl, Descriptor};

use crate::change::{DescriptorChange, ListChange};
use crate::options::Options;

/// Flag of an entry: it came from the object above.
const INHERITED: u8 = 0x10;
const DACL_AUTO_INHERITED: u16 = 0x0400;
const SACL_AUTO_INHERITED: u16 = 0x0800;
const DACL_PROTECTED: u16 = 0x1000;
const SACL_PROTECTED: u16 = 0x2000;
/// Control flags that tell where the descriptor's parts come from or how they are stored, or that
/// are compared with their list: owner, group, DACL and SACL defaulted, present, to be inherited,
/// inherited, protected; self-relative.
const APART: u16 = 0xff3f;

/// What differs; `None` where nothing does.
pub fn compare(
    before: &Descriptor,
    after: &Descriptor,
    options: &Options,
) -> Option<Box<DescriptorChange>> {
    let inherited = options.all;
    let list = |one: &Option<Acl>, other: &Option<Acl>, protected: u16| {
        let differing = |pair: [bool; 2]| (pair[0] != pair[1]).then_some(pair);
        ListChange {
            exists: differing([one.is_some(), other.is_some()]),
            is_protected: differing(
                [before.control, after.control].map(|control| control & protected != 0),
            ),
            ..lists(one.as_ref(), other.as_ref(), inherited)
        }
    };
    let mut sacl = list(&before.sacl, &after.sacl, SACL_PROTECTED);
    if !inherited {
        // A SACL of inherited entries comes and goes with theirs. Without a DACL everything is
        // allowed.
        sacl.exists = None;
    }
    let change = DescriptorChange {
        owner: (before.owner != after.owner).then(|| [before.owner.clone(), after.owner.clone()]),
        group: (before.group != after.group).then(|| [before.group.clone(), after.group.clone()]),
        dacl: list(&before.dacl, &after.dacl, DACL_PROTECTED),
        sacl,
        is_flagged_otherwise: (before.control ^ after.control) & !APART != 0
            || options.inheritance_marks && are_marked_otherwise(before, after),
    };
    (change != DescriptorChange::default()).then(|| Box::new(change))
}

/// Whether a list is marked as one that takes entries from above in one descriptor only, and has no
/// such entry in either. Where a list has some, the server sets the mark.
fn are_marked_otherwise(before: &Descriptor, after: &Descriptor) -> bool {
    let has_inherited = |acl: &Option<Acl>| {
        let mut entries = acl.iter().flat_map(|acl| &acl.entries);
        entries.any(|entry| entry.flags & INHERITED != 0)
    };
    let lists = [
        ([&before.dacl, &after.dacl], DACL_AUTO_INHERITED),
        ([&before.sacl, &after.sacl], SACL_AUTO_INHERITED),
    ];
    lists.into_iter().any(|(both, mark)| {
        (before.control ^ after.control) & mark != 0 && !both.into_iter().any(has_inherited)
    })
}

fn lists(before: Option<&Acl>, after: Option<&Acl>, inherited: bool) -> ListChange {
    let counting = |acl: Option<&'_ Acl>| -> Vec<Ace> {
        let entries = acl.map(|acl| acl.entries.as_slice()).unwrap_or_default();
        let counts = |entry: &&Ace| inherited || entry.flags & INHERITED == 0;
        entries.iter().filter(counts).cloned().collect()
    };
    let (before, after) = (counting(before), counting(after));
    let removed = without(&before, &after);
    let added = without(&after, &before);
    ListChange {
        is_reordered: removed.is_empty() && added.is_empty() && before != after,
        removed,
        added,
        ..ListChange::default()
    }
}

/// The entries of the one list that the other lacks, each as often as it lacks them.
fn without(these: &[Ace], others: &[Ace]) -> Vec<Ace> {
    let mut left: HashMap<&Ace, usize> = HashMap::new();
    for entry in others {
        *left.entry(entry).or_default() += 1;
    }
    let lacks = |entry: &&Ace| match left.get_mut(*entry) {
        Some(count) if *count > 0 => {
            *count -= 1;
            false
        }
        _ => true,
    };
    these.iter().filter(lacks).cloned().collect()
}

/// The entries of a descriptor that count.
pub fn counting(descriptor: &Descriptor, inherited: bool) -> impl Iterator<Item = &Ace> {
    let lists = [&descriptor.dacl, &descriptor.sacl];
    let entries = lists.into_iter().flatten().flat_map(|acl| &acl.entries);
    entries.filter(move |entry| inherited || entry.flags & INHERITED == 0)
}

/// The control flags that can count.
pub fn flags(descriptor: &Descriptor, options: &Options) -> u16 {
    let marks = match options.inheritance_marks {
        true => DACL_AUTO_INHERITED | SACL_AUTO_INHERITED,
        false => 0,
    };
    descriptor.control & (!APART | DACL_PROTECTED | SACL_PROTECTED | marks)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn descriptor(control: u16, entry_flags: u8) -> Descriptor {
        Descriptor {
            control,
            owner: None,
            group: None,
            sacl: None,
            dacl: Some(Acl {
                revision: 2,
                entries: vec![Ace {
                    kind: 0,
                    flags: entry_flags,
                    mask: 0x10,
                    object: None,
                    inherited_object: None,
                    sid: None,
                    data: Vec::new(),
                }],
            }),
        }
    }

    /// An object that was moved away and back is marked as one with inherited rights, and a restore
    /// takes the mark away. With inherited entries the server would set it again.
    #[test]
    fn marks_of_inheritance_count_without_inherited_entries_for_a_restore() {
        let marks = Options {
            inheritance_marks: true,
            ..Options::default()
        };
        let (own, marked) = (descriptor(0, 0), descriptor(DACL_AUTO_INHERITED, 0));
        assert!(compare(&own, &marked, &marks).is_some());
        assert_ne!(flags(&own, &marks), flags(&marked, &marks));
        let people = Options::default();
        assert_eq!(compare(&own, &marked, &people), None);
        assert_eq!(flags(&own, &people), flags(&marked, &people));

        let inherits = descriptor(DACL_AUTO_INHERITED, INHERITED);
        assert_eq!(compare(&descriptor(0, INHERITED), &inherits, &marks), None);
    }
}
