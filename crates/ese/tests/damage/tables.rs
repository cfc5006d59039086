//! Damage of tables: the catalog, records, indices, long values.

use ese::page::{NodeFlags, PageKind};
use ese::structure::Severity;

use crate::patient::Patient;
use crate::trial::{each_is_found, each_is_found_as, kind, leaf, patients, verify};

#[test]
fn broken_catalog() {
    // No other structure depends on the rows of the catalog's copy.
    let shadow = |patient: &Patient, page| {
        leaf(patient, page) && patient.objid(page) == 3 && kind(patient, page, PageKind::Primary)
    };
    each_is_found("the catalog's copy differs", shadow, |patient, page| {
        patient.edit_data(page, 0, |data| data[14] ^= 1)
    });
    each_is_found(
        "the catalog's copy lacks a record",
        shadow,
        |patient, page| patient.edit_node_flags(page, 0, |flags| flags | NodeFlags::DELETED),
    );
    let catalog = |patient: &Patient, page| {
        leaf(patient, page) && patient.objid(page) == 2 && kind(patient, page, PageKind::Primary)
    };
    // The engine sets some fields in each of the two separately: here the number of initial pages
    // of a tree, or the locale of a column.
    let first = |patient: &Patient, page| {
        let is_there = || {
            !patient
                .view(page)
                .node(0)
                .expect("a node")
                .flags
                .is_deleted()
        };
        shadow(patient, page) && is_there()
    };
    for patient in patients() {
        let Some(page) = patient.pages().find(|page| first(&patient, *page)) else {
            continue;
        };
        let mut changed = patient.clone();
        assert!(changed.edit_data(page, 0, |data| data[18] ^= 1));
        let (findings, summary) = verify(&changed);
        assert!(
            summary.is_sound() && summary.notes == 1,
            "{}: {findings:?}",
            patient.name
        );
    }
    each_is_found("the catalog lacks a record", catalog, |patient, page| {
        patient.edit_node_flags(page, 0, |flags| flags | NodeFlags::DELETED)
    });
    each_is_found(
        "the catalog tells another root page or type",
        catalog,
        |patient, page| patient.edit_data(page, 0, |data| data[14] ^= 1),
    );
}

#[test]
fn broken_records() {
    let rows = |patient: &Patient, page| {
        kind(patient, page, PageKind::Primary) && patient.first_visible(page).is_some()
    };
    each_is_found("end of the fixed data", rows, |patient, page| {
        let index = patient.first_visible(page).expect("a row");
        patient.edit_data(page, index, |data| data[3] |= 0x70)
    });
    each_is_found("number of fixed columns", rows, |patient, page| {
        let index = patient.first_visible(page).expect("a row");
        patient.edit_data(page, index, |data| data[0] = 0x7f)
    });
    each_is_found("number of variable columns", rows, |patient, page| {
        let index = patient.first_visible(page).expect("a row");
        patient.edit_data(page, index, |data| data[1] = 3)
    });
    each_is_found(
        "a deleted row with entries in an index or the catalog's copy",
        // The engine's check skips the indices of a table without rows.
        |patient, page| {
            let nodes = patient.view(page).nodes();
            let visible =
                nodes.filter(|node| node.as_ref().is_ok_and(|node| !node.flags.is_deleted()));
            rows(patient, page) && visible.count() > 1 && patient.has_secondary_index(page)
        },
        |patient, page| {
            let index = patient.first_visible(page).expect("a row");
            patient.edit_node_flags(page, index, |flags| flags | NodeFlags::DELETED);
            true
        },
    );
}

#[test]
fn broken_indices() {
    let entries = |patient: &Patient, page| {
        kind(patient, page, PageKind::Index) && patient.has_exact_index(page)
    };
    each_is_found("an entry that leads to no row", entries, |patient, page| {
        let last = patient.view(page).node_count() - 1;
        patient.edit_data(page, last, |data| {
            let end = data.len() - 1;
            data[end] ^= 0x5a;
        })
    });
    let computed = |patient: &Patient, page| {
        leaf(patient, page)
            && kind(patient, page, PageKind::Index)
            && patient.has_computed_keys(page)
    };
    each_is_found("an entry with another key", computed, Patient::nudge_key);
    each_is_found(
        "an entry lost among computed ones",
        computed,
        |patient, page| match patient.first_visible(page) {
            Some(index) => patient.edit_node_flags(page, index, |flags| flags | NodeFlags::DELETED),
            None => false,
        },
    );
    let rows = |patient: &Patient, page| {
        leaf(patient, page)
            && kind(patient, page, PageKind::Primary)
            && patient.has_computed_keys(page)
    };
    each_is_found("a row with another key", rows, Patient::nudge_key);
    each_is_found("an entry lost", entries, |patient, page| {
        patient.edit_node_flags(page, 0, |flags| flags | NodeFlags::DELETED)
    });
}

#[test]
fn broken_long_values() {
    let roots = |patient: &Patient, page| {
        kind(patient, page, PageKind::LongValue) && patient.long_value_root(page).is_some()
    };
    each_is_found("length of a long value", roots, |patient, page| {
        let index = patient.long_value_root(page).expect("a root");
        patient.edit_data(page, index, |data| data[6] ^= 1)
    });
    each_is_found("references too few", roots, |patient, page| {
        let index = patient.long_value_root(page).expect("a root");
        patient.edit_data(page, index, |data| data[..4].fill(0))
    });
    each_is_found_as(
        "references too many",
        Severity::Leak,
        roots,
        |patient, page| {
            let index = patient.long_value_root(page).expect("a root");
            patient.edit_data(page, index, |data| data[0] += 1)
        },
    );
    each_is_found("a long value without its root", roots, |patient, page| {
        let index = patient.long_value_root(page).expect("a root");
        patient.edit_node_flags(page, index, |flags| flags | NodeFlags::DELETED)
    });
    let chunks = |patient: &Patient, page| {
        kind(patient, page, PageKind::LongValue) && patient.chunk(page).is_some()
    };
    each_is_found("a chunk lost", chunks, |patient, page| {
        let index = patient.chunk(page).expect("a chunk");
        patient.edit_node_flags(page, index, |flags| flags | NodeFlags::DELETED)
    });
    each_is_found("a chunk at another offset", chunks, |patient, page| {
        let index = patient.chunk(page).expect("a chunk");
        patient.edit_key(page, index, |key| {
            if let Some(last) = key.last_mut() {
                *last ^= 1;
            }
        })
    });
}
