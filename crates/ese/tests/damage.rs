//! Damage that only the structure shows: each page is changed and then given a right checksum.
//!
//! Every change must be found, at the page or in the object where it was made, and none may stop the verification.

mod patient;

use std::time::{Duration, Instant};

use ese::Database;
use ese::page::{NodeFlags, PageKind, Pgno, Tag};
use ese::structure::{Finding, Severity, verify_structure};
use patient::Patient;

/// How many places of a database each change is tried at.
const PLACES: usize = 6;

fn verify(patient: &Patient) -> (Vec<Finding>, ese::structure::Summary) {
    let start = Instant::now();
    let database = Database::over(patient.bytes.clone(), "patient").expect("the header is sound");
    let mut findings = Vec::new();
    let summary =
        verify_structure(&database, &mut |finding| findings.push(finding)).expect("readable");
    assert!(
        start.elapsed() < Duration::from_secs(20),
        "the verification ends"
    );
    assert!(
        findings.len() < 100_000,
        "a small damage has few consequences"
    );
    for finding in &findings {
        let text = format!("{} {}", finding.fault.expected(), finding.fault.found());
        assert!(!shows_bytes(&text), "keys and values are not shown: {text}");
    }
    (findings, summary)
}

/// Whether a text holds bytes in hexadecimal. Checksums, flags and maps have 0x or 0b before them, other numbers are decimal.
fn shows_bytes(text: &str) -> bool {
    text.split(|character: char| !character.is_ascii_alphanumeric() && character != '_')
        .filter(|word| word.len() >= 8 && word.bytes().all(|byte| byte.is_ascii_hexdigit()))
        .filter(|word| !word.starts_with("0b"))
        .any(|word| word.bytes().any(|byte| byte.is_ascii_alphabetic()))
}

/// Databases of small and large pages.
fn patients() -> Vec<Patient> {
    [
        "sample-forest/clean",
        "ese/p4096-clean",
        "ese/p16384-timer",
        "ese/efv8920-clean",
    ]
    .iter()
    .filter_map(|name| Patient::of(name))
    .collect()
}

/// Makes the change at several pages that `fits` chooses, each time in a whole database, and checks that the damage is
/// found. `change` returns whether it could be made.
fn each_is_found(
    what: &str,
    fits: impl Fn(&Patient, Pgno) -> bool,
    change: impl Fn(&mut Patient, Pgno) -> bool,
) -> usize {
    each_is_found_as(what, Severity::Damage, fits, change)
}

fn each_is_found_as(
    what: &str,
    severity: Severity,
    fits: impl Fn(&Patient, Pgno) -> bool,
    change: impl Fn(&mut Patient, Pgno) -> bool,
) -> usize {
    let mut tried = 0;
    for patient in patients() {
        let pages: Vec<Pgno> = patient
            .pages()
            .filter(|page| fits(&patient, *page))
            .collect();
        // From all over the file.
        let step = pages.len().div_ceil(PLACES).max(1);
        for page in pages.iter().step_by(step) {
            let mut changed = patient.clone();
            if !change(&mut changed, *page) {
                continue;
            }
            tried += 1;
            let (findings, _) = verify(&changed);
            let object = patient.object(*page);
            let place = format!("page {page}");
            let named = findings.iter().any(|finding| {
                let text = finding.to_string();
                finding.severity >= severity && (text.contains(object) || text.contains(&place))
            });
            assert!(
                named,
                "{what}: {} page {page} (object {object}) is not among {:?}",
                patient.name,
                findings.iter().map(ToString::to_string).collect::<Vec<_>>()
            );
        }
    }
    println!("{what}: {tried} found");
    assert!(tried > 0, "{what}: no place to try it at");
    tried
}

fn leaf(patient: &Patient, page: Pgno) -> bool {
    let view = patient.view(page);
    view.flags().is_leaf()
        && view.node_count() > 0
        && !view.flags().is_empty()
        && patient.is_used(page)
}

fn branch(patient: &Patient, page: Pgno) -> bool {
    let view = patient.view(page);
    !view.flags().is_leaf() && view.node_count() > 1 && patient.is_used(page)
}

fn kind(patient: &Patient, page: Pgno, kind: PageKind) -> bool {
    leaf(patient, page) && patient.view(page).flags().kind() == kind
}

#[test]
fn undamaged_patients_are_sound() {
    for patient in patients() {
        let (findings, summary) = verify(&patient);
        assert!(findings.is_empty(), "{}: {findings:?}", patient.name);
        assert!(
            summary.is_sound() && summary.leaked_pages == 0,
            "{}: {summary:?}",
            patient.name
        );
    }
}

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
    // What a page has beside the flags that it must have, the engine's check does not look at.
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
                    .is_ok_and(|root| matches!(root.space.extents, ese::page::Extents::Single(_)))
        },
        |patient, page| patient.edit_external_header(page, |header| header[1] = 0x7f),
    );
    // The bits of a single extent the engine's check does not look at.
    each_is_found_as(
        "a used page made available",
        Severity::Note,
        |patient, page| {
            with_space(patient, page)
                && patient
                    .view(page)
                    .root_header()
                    .is_ok_and(|root| match root.space.extents {
                        ese::page::Extents::Single(available) => {
                            root.space.primary_pages > 1 && available & 1 == 0
                        }
                        ese::page::Extents::Trees(_) => false,
                    })
        },
        |patient, page| patient.edit_external_header(page, |header| header[12] |= 1),
    );
    let extents = |patient: &Patient, page| {
        kind(patient, page, PageKind::Space) && patient.first_visible(page).is_some()
    };
    each_is_found("length of an extent", extents, |patient, page| {
        let index = patient.first_visible(page).expect("an extent");
        // One page more than there are before its end.
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

#[test]
fn broken_catalog() {
    // Rows of the catalog's copy, which no other structure depends on.
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
    // What the engine sets in each of the two by itself, as the time of the last change of a root: here the number of first
    // pages of a tree, or the locale of a column.
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
        "a row deleted that indices or the catalog's copy know",
        // The indices of a table without rows the engine's check leaves alone.
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

#[test]
fn the_header_knows_the_highest_object() {
    for patient in patients() {
        let mut changed = patient.clone();
        changed.edit_header(|header| header[212..216].copy_from_slice(&5u32.to_le_bytes()));
        let (findings, _) = verify(&changed);
        assert!(
            findings
                .iter()
                .any(|finding| finding.fault.what() == "object id"),
            "{}",
            patient.name
        );
    }
}

#[test]
fn a_file_cut_short_is_found() {
    for patient in patients() {
        let mut changed = patient.clone();
        let half = changed.bytes.len() / 2 / changed.size.bytes() * changed.size.bytes();
        changed.bytes.truncate(half);
        let (findings, summary) = verify(&changed);
        assert!(
            !findings.is_empty() && !summary.is_sound(),
            "{}",
            patient.name
        );
    }
}

#[test]
fn random_damage_never_stops_the_verification() {
    // A small generator of numbers, so that a failure can be repeated.
    let mut state = 0x1234_5678_9abc_def1u64;
    let mut random = |below: usize| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        (state % below as u64) as usize
    };
    for patient in patients() {
        let pages: Vec<Pgno> = patient
            .pages()
            .filter(|page| patient.is_used(*page))
            .collect();
        for _ in 0..60 {
            let mut changed = patient.clone();
            for _ in 0..1 + random(8) {
                let page = pages[random(pages.len())];
                // Mostly where numbers are: the header and the tags.
                let len = changed.size.bytes();
                let place = match random(4) {
                    0 => random(40),
                    1 => len - 1 - random(64),
                    _ => random(len),
                };
                let value = random(256) as u8;
                changed.edit(page, |bytes| bytes[place] = value);
            }
            verify(&changed);
            // Readers refuse what they cannot read, and end too.
            let database = Database::over(changed.bytes, "patient").expect("the header is sound");
            let _ = ese::dump::Dump::new()
                .with_indexes(true)
                .write(&database, &mut std::io::sink());
        }
    }
}
