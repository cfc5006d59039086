//! Damage that only the structure shows: each page is changed and its checksum made right again.
//!
//! The verification must find every change, at the page or in the object where it was made, and
//! must reach its end.

mod pages;
mod patient;
mod tables;
mod trees;
mod trial;

use ese::Database;
use ese::page::Pgno;
use trial::{patients, verify};

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
    // A fixed sequence, so that a failure can be repeated.
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
                // Half of them in the header or the tags.
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
            // Readers end too, with a dump or an error.
            let database = Database::over(changed.bytes, "patient").expect("the header is sound");
            let _ = ese::dump::Dump::new()
                .with_indexes(true)
                .write(&database, &mut std::io::sink());
        }
    }
}
