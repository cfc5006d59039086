//! Flipped bits of logs and pages: recovery corrects single ones and names larger damage.

use std::path::Path;

use crate::attempt::{CRASHED, attempt, log_of, refusal};
use crate::common::database_in;
use ese::header::DatabaseHeaders;
use ese::recovery::{Options, recover};

#[test]
fn a_flipped_bit_of_a_log_is_corrected_for_the_replay_and_reported() {
    const SEGMENT: usize = 4096;
    let fixture = testkit::find(CRASHED).unwrap();
    let expected = fixture.companion("expected.jsonl.zst").unwrap();
    let folder = fixture.unpack();
    let header = DatabaseHeaders::read(&database_in(folder.path()))
        .unwrap()
        .header;
    let (first, last) = (header.min_required.get(), header.max_required.get());
    for (generation, from) in [(first, 1), (last, 1), (last, 5)] {
        let path = log_of(folder.path(), generation);
        let sound = std::fs::read(&path).unwrap();
        // One bit of each written segment, never the same, and none of the checksum itself.
        let mut bytes = sound.clone();
        let mut flipped = Vec::new();
        for (number, segment) in bytes.chunks_mut(SEGMENT).enumerate().skip(from).step_by(7) {
            let bit = 64 + (number * 1237 + 11) % (SEGMENT * 8 - 64);
            let lgpos = segment.get(8..16).unwrap();
            let is_written = lgpos[4..8] == generation.to_le_bytes()
                && usize::from(u16::from_le_bytes([lgpos[2], lgpos[3]])) == number;
            // This bit is the flag that says whether the segment has an error-correcting code.
            if is_written && bit != 36 * 8 + 13 {
                segment[bit / 8] ^= 1 << (bit % 8);
                flipped.push((generation, number as u32, bit as u32));
            }
        }
        std::fs::write(&path, &bytes).unwrap();
        let outcome = attempt(folder.path(), |options| options).unwrap();
        assert!(outcome.dump == expected, "as from the sound log");
        let corrected = &outcome.summary.corrected_log_bits;
        let found: Vec<_> = (corrected.iter())
            .map(|bit| (bit.generation, bit.flipped.segment, bit.flipped.bit))
            .collect();
        assert_eq!(found, flipped);
        assert!(!flipped.is_empty());
        assert_eq!(
            std::fs::read(&path).unwrap(),
            bytes,
            "the log stays as it is"
        );

        // The code cannot correct two bits of one segment.
        let (_, segment, bit) = flipped[0];
        let other = (bit as usize + 4321) % (SEGMENT * 8);
        bytes[segment as usize * SEGMENT + other / 8] ^= 1 << (other % 8);
        std::fs::write(&path, &bytes).unwrap();
        let text = refusal(folder.path());
        assert!(text.contains(&format!("{generation:#x}")), "{text}");
        std::fs::write(&path, &sound).unwrap();
    }
}

/// Flips these bits of every page in `pages`, and writes the database.
fn flip(database: &Path, sound: &[u8], pages: &[u32], bits: &[usize]) {
    let size = DatabaseHeaders::parse(sound).unwrap().header.page_size();
    let mut bytes = sound.to_vec();
    for page in pages {
        let start = size.offset_of(*page) as usize;
        for bit in bits {
            bytes[start + bit / 8] ^= 1 << (bit % 8);
        }
    }
    std::fs::write(database, bytes).unwrap();
}

/// Like the engine, recovery corrects single bits by the page's error-correcting code. It names
/// larger damage of a page that it needs.
#[test]
fn a_flipped_bit_of_a_page_is_corrected_and_larger_damage_is_named() {
    for name in [CRASHED, "ese/p4096-uncommitted", "ese/p32768-uncommitted"] {
        let Some(fixture) = testkit::find(name) else {
            continue;
        };
        let folder = fixture.unpack();
        let database = database_in(folder.path());
        let sound = std::fs::read(&database).unwrap();
        let size = DatabaseHeaders::read(&database).unwrap().header.page_size();
        let written: Vec<u32> = (1..=size.pages_in(sound.len() as u64))
            .filter(|page| {
                let start = size.offset_of(*page) as usize;
                !ese::checksum::is_zero(&sound[start..start + size.bytes()])
            })
            .collect();
        let expected = attempt(folder.path(), |options| options).unwrap().dump;

        // Find the pages that recovery reads.
        flip(&database, &sound, &written, &[1234]);
        let out = tempfile::tempdir().unwrap();
        let read = recover(Options::new(folder.path()).into_folder(out.path()))
            .unwrap()
            .corrected_pages;
        println!(
            "{name}: {} of {} pages are read: {read:?}",
            read.len(),
            written.len()
        );
        assert!(!read.is_empty());
        // Every bit of the page counts, the checksum's own included.
        for bit in [3, 77, 320, 1234, 8 * size.bytes() - 1] {
            flip(&database, &sound, &read, &[bit]);
            let outcome = attempt(folder.path(), |options| options);
            match outcome {
                Ok(outcome) => assert!(outcome.dump == expected, "{name}, bit {bit}"),
                // A flipped bit of the checksum itself looks like other damage.
                Err(error) => assert!(bit < 64, "{name}, bit {bit}: {error}"),
            }
        }
        let mut refused = 0;
        for page in &read {
            flip(&database, &sound, &[*page], &[1234, 2345, 3456]);
            match attempt(folder.path(), |options| options) {
                Ok(outcome) => assert!(outcome.dump == expected, "the page is made anew"),
                Err(error) => {
                    assert!(
                        error.to_string().contains(&format!("page {page}")),
                        "{error}"
                    );
                    refused += 1;
                }
            }
        }
        // With all logs since the creation, every page is created again.
        assert!(refused > 0 || name != CRASHED);
    }
}
