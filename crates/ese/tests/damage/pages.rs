//! Damage of a single page: its links, its header, its tags.

use ese::page::{NodeFlags, PageKind, Tag};
use ese::structure::Severity;

use crate::patient::Patient;
use crate::trial::{branch, each_is_found, each_is_found_as, kind, leaf};

#[test]
fn broken_links() {
    let linked =
        |patient: &Patient, page| leaf(patient, page) && patient.view(page).header().next != 0;
    each_is_found("link to the next page", linked, |patient, page| {
        patient.edit(page, |bytes| bytes[20] ^= 1);
        true
    });
    each_is_found("no link to the next page", linked, |patient, page| {
        patient.edit(page, |bytes| bytes[20..24].fill(0));
        true
    });
    let back =
        |patient: &Patient, page| leaf(patient, page) && patient.view(page).header().previous != 0;
    each_is_found("link to the previous page", back, |patient, page| {
        patient.edit(page, |bytes| bytes[16] ^= 3);
        true
    });
    each_is_found("siblings swapped", linked, |patient, page| {
        let next = patient.view(page).header().next;
        patient.swap(page, next);
        true
    });
    each_is_found("a loop of leaves", linked, |patient, page| {
        patient.edit(page, |bytes| {
            bytes[20..24].copy_from_slice(&page.to_le_bytes())
        });
        true
    });
}

#[test]
fn wrong_page_headers() {
    each_is_found("object of the page", leaf, |patient, page| {
        patient.edit(page, |bytes| bytes[24] ^= 0x40);
        true
    });
    each_is_found("DBTIME of the future", leaf, |patient, page| {
        patient.edit(page, |bytes| bytes[14] = 1);
        true
    });
    each_is_found("page flag leaf", leaf, |patient, page| {
        patient.edit(page, |bytes| bytes[36] ^= 0x2);
        true
    });
    for (what, flag) in [
        ("root", 0x1u8),
        ("space tree", 0x20),
        ("index", 0x40),
        ("long value", 0x80),
    ] {
        let has = |patient: &Patient, page| {
            leaf(patient, page) && patient.view(page).flags().0 as u8 & flag != 0
        };
        each_is_found(&format!("no page flag {what}"), has, |patient, page| {
            patient.edit(page, |bytes| bytes[36] &= !flag);
            true
        });
    }
    // The engine's check ignores flags beyond those that the page must have.
    for (what, flag) in [
        ("root", 0x1u8),
        ("empty", 0x8),
        ("space tree", 0x20),
        ("index", 0x40),
        ("long value", 0x80),
    ] {
        let lacks = |patient: &Patient, page| {
            leaf(patient, page) && patient.view(page).flags().0 as u8 & flag == 0
        };
        let what = format!("another page flag: {what}");
        each_is_found_as(&what, Severity::Note, lacks, |patient, page| {
            patient.edit(page, |bytes| bytes[36] |= flag);
            true
        });
    }
    each_is_found_as(
        "page flag of repeating keys",
        Severity::Note,
        |patient, page| leaf(patient, page) && !patient.view(page).flags().is_space_tree(),
        |patient, page| {
            patient.edit(page, |bytes| bytes[37] ^= 0x04);
            true
        },
    );
    each_is_found("page flag parent of leaves", branch, |patient, page| {
        patient.edit(page, |bytes| bytes[36] ^= 0x4);
        true
    });
    each_is_found("a page of zeros", leaf, |patient, page| {
        patient.raw(page).fill(0);
        true
    });
    each_is_found("another page in its place", leaf, |patient, page| {
        let Some(other) = patient
            .pages()
            .find(|other| *other > page && leaf(patient, *other))
        else {
            return false;
        };
        let copy = patient.raw(other).to_vec();
        patient.edit(page, |bytes| bytes.copy_from_slice(&copy));
        true
    });
}

#[test]
fn broken_tag_arrays() {
    each_is_found("number of free bytes", leaf, |patient, page| {
        patient.edit(page, |bytes| bytes[28] ^= 1);
        true
    });
    each_is_found("end of the data", leaf, |patient, page| {
        patient.edit(page, |bytes| bytes[32..34].fill(0));
        true
    });
    each_is_found("number of tags", leaf, |patient, page| {
        patient.edit(page, |bytes| bytes[34] = bytes[34].wrapping_add(1));
        true
    });
    each_is_found("hundreds of tags", leaf, |patient, page| {
        patient.edit(page, |bytes| bytes[35] |= 0x0f);
        true
    });
    each_is_found("length of a line", leaf, |patient, page| {
        patient.edit_tag(page, 1, |tag| Tag {
            len: tag.len + 1,
            ..tag
        })
    });
    each_is_found("line outside the page", leaf, |patient, page| {
        patient.edit_tag(page, 1, |tag| Tag {
            offset: 0x1ff0,
            ..tag
        })
    });
    each_is_found("line of no bytes", leaf, |patient, page| {
        patient.edit_tag(page, 1, |tag| Tag { len: 0, ..tag })
    });
    each_is_found(
        "two lines in one place",
        |patient, page| leaf(patient, page) && patient.view(page).node_count() > 1,
        |patient, page| {
            let other = patient.tag(page, 2);
            patient.edit_tag(page, 1, |tag| Tag {
                offset: other.offset,
                ..tag
            })
        },
    );
    each_is_found("length of a key", leaf, |patient, page| {
        let compressed = patient
            .view(page)
            .node(0)
            .expect("a node")
            .flags
            .is_compressed();
        patient.edit_line(page, 1, |line| {
            let at = if compressed { 2 } else { 0 };
            line[at] = 0xff;
            line[at + 1] |= 0x1f;
        });
        true
    });
    each_is_found(
        "keys out of order",
        |patient, page| leaf(patient, page) && patient.view(page).node_count() > 1,
        |patient, page| {
            let (first, second) = (patient.tag(page, 1), patient.tag(page, 2));
            patient.edit_tag(page, 1, |_| second) && patient.edit_tag(page, 2, |_| first)
        },
    );
}

#[test]
fn what_only_the_engines_check_forbids() {
    each_is_found("a link of a branch page", branch, |patient, page| {
        patient.edit(page, |bytes| bytes[20] = 9);
        true
    });
    each_is_found("a branch node with versions", branch, |patient, page| {
        patient.edit_node_flags(page, 0, |flags| flags | NodeFlags::VERSIONED)
    });
    let extents = |patient: &Patient, page| kind(patient, page, PageKind::Space);
    each_is_found(
        "an extent with versions",
        extents,
        |patient, page| match patient.first_visible(page) {
            Some(index) => {
                patient.edit_node_flags(page, index, |flags| flags | NodeFlags::VERSIONED)
            }
            None => false,
        },
    );
}
