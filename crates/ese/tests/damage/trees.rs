//! Damage of trees: their branches and their space.

use ese::page::{Extents, NodeFlags, PageKind, Pgno};
use ese::structure::Severity;

use crate::patient::Patient;
use crate::trial::{branch, each_is_found, each_is_found_as, kind, leaf};

#[test]
fn broken_branches() {
    each_is_found("two children that are one page", branch, |patient, page| {
        let child = patient.view(page).child(0).expect("a child");
        patient.edit_child(page, 1, child)
    });
    each_is_found(
        "a child that is the page itself",
        branch,
        |patient, page| patient.edit_child(page, 0, page),
    );
    each_is_found(
        "a child that is the page of another tree",
        branch,
        |patient, page| patient.edit_child(page, 1, 4),
    );
    each_is_found("no child", branch, |patient, page| {
        patient.edit_child(page, 1, 0)
    });
    each_is_found("a child beyond the file", branch, |patient, page| {
        patient.edit_child(page, 1, 0x00ff_ffff)
    });
    each_is_found("a child that is available", branch, |patient, page| {
        let Some(free) = patient.available() else {
            return false;
        };
        patient.edit_child(page, 1, free)
    });
    each_is_found("children swapped", branch, |patient, page| {
        let (first, second) = (
            patient.view(page).child(0).expect("a child"),
            patient.view(page).child(1).expect("a child"),
        );
        patient.edit_child(page, 0, second) && patient.edit_child(page, 1, first)
    });
    each_is_found("separator too small", branch, |patient, page| {
        patient.edit_key(page, 0, |key| key.fill(0))
    });
    each_is_found("separator too great", branch, |patient, page| {
        patient.edit_key(page, 0, |key| key.fill(0xff))
    });
    each_is_found(
        "a leaf's key outside its bounds",
        |patient, page| {
            leaf(patient, page)
                && patient.view(page).header().previous != 0
                && patient.view(page).node_count() > 1
        },
        |patient, page| patient.edit_key(page, 0, |key| key.fill(0)),
    );
}

#[test]
fn broken_space() {
    let with_space = |patient: &Patient, page: Pgno| {
        let view = patient.view(page);
        view.flags().is_root() && !view.flags().is_space_tree() && patient.is_used(page)
    };
    let of_a_table = |patient: &Patient, page: Pgno| page != 1 && with_space(patient, page);
    each_is_found("wrong parent", of_a_table, |patient, page| {
        patient.edit_external_header(page, |header| header[4] ^= 2)
    });
    each_is_found("wrong uniqueness", of_a_table, |patient, page| {
        patient.edit_external_header(page, |header| header[8] ^= 2)
    });
    each_is_found("another form of space", with_space, |patient, page| {
        patient.edit_external_header(page, |header| header[8] ^= 1)
    });
    each_is_found(
        "another number of pages",
        |patient, page| {
            with_space(patient, page)
                && patient
                    .view(page)
                    .root_header()
                    .is_ok_and(|root| matches!(root.space.extents, Extents::Single(_)))
        },
        |patient, page| patient.edit_external_header(page, |header| header[1] = 0x7f),
    );
    // The engine's check ignores the bits of a single extent.
    each_is_found_as(
        "a used page made available",
        Severity::Note,
        |patient, page| {
            with_space(patient, page)
                && patient
                    .view(page)
                    .root_header()
                    .is_ok_and(|root| match root.space.extents {
                        Extents::Single(available) => {
                            root.space.primary_pages > 1 && available & 1 == 0
                        }
                        Extents::Trees(_) => false,
                    })
        },
        |patient, page| patient.edit_external_header(page, |header| header[12] |= 1),
    );
    let extents = |patient: &Patient, page| {
        kind(patient, page, PageKind::Space) && patient.first_visible(page).is_some()
    };
    each_is_found("length of an extent", extents, |patient, page| {
        let index = patient.first_visible(page).expect("an extent");
        // One page more than the file has up to the extent's end.
        let last = patient.extent_end(page, index);
        patient.edit_data(page, index, |data| {
            data.copy_from_slice(&(last + 1).to_le_bytes())
        })
    });
    each_is_found(
        "an extent deleted",
        |patient, page| extents(patient, page) && patient.owns_extents(page),
        |patient, page| {
            let index = patient.first_visible(page).expect("an extent");
            patient.edit_node_flags(page, index, |flags| flags | NodeFlags::DELETED)
        },
    );
}
