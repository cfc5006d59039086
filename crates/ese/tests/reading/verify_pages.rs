//! Every page of every fixture, sound and with bits flipped.

use ese::header::DatabaseHeaders;
use ese::verify::{Damage, Finding, FlushMapUse, PageVerifier, Place, Summary, verify_database};
use proptest::prelude::*;
use std::fs;
use std::path::{Path, PathBuf};

fn databases(folder: &Path) -> Vec<PathBuf> {
    let mut found: Vec<PathBuf> = fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| {
            matches!(
                path.extension().and_then(|part| part.to_str()),
                Some("edb" | "dit")
            )
        })
        .collect();
    found.sort();
    found
}

/// Feeds the file in pieces of the given sizes, repeatedly.
fn feed(
    mut verifier: PageVerifier,
    mut content: &[u8],
    pieces: &[usize],
) -> (Vec<Finding>, Summary) {
    let mut findings = Vec::new();
    let mut sizes = pieces.iter().cycle();
    while !content.is_empty() {
        let (piece, rest) = content.split_at((*sizes.next().unwrap()).min(content.len()));
        findings.extend(verifier.feed(piece));
        content = rest;
    }
    let (last, summary) = verifier.finish();
    findings.extend(last);
    (findings, summary)
}

fn whole(content: &[u8]) -> (Vec<Finding>, Summary) {
    feed(PageVerifier::new(), content, &[content.len().max(1)])
}

#[test]
fn no_false_alarm_in_any_database() {
    let mut checked = 0;
    for fixture in testkit::every() {
        let folder = fixture.unpack();
        for path in databases(folder.path()) {
            let name = format!("{}: {}", fixture.name, path.display());
            let mut findings = Vec::new();
            let mut summary = verify_database(&path, |finding| findings.push(finding)).unwrap();
            assert_eq!(findings, [], "{name}");
            assert!(summary.is_sound() && summary.pages > 0, "{name}");
            assert!(!summary.lacks_patch(), "{name}");

            let header = &summary.headers.as_ref().unwrap().header;
            assert_eq!(summary.patch.is_some(), header.awaits_patch(), "{name}");
            let page_size = header.page_size().bytes() as u64;
            let others = 2 + u64::from(summary.patch.is_some());
            assert_eq!(
                summary.bytes,
                (summary.pages + others) * page_size,
                "{name}"
            );

            let content = fs::read(&path).unwrap();
            summary.flush_map = FlushMapUse::Absent; // the stream alone has no flush map
            for pieces in [
                &[1 << 20][..],
                &[content.len()],
                &[65_536, 1, 4095, 70_001],
                &[100_000],
            ] {
                assert_eq!(
                    feed(PageVerifier::new(), &content, pieces),
                    (vec![], summary.clone()),
                    "{name}"
                );
                assert_eq!(
                    feed(PageVerifier::parallel(), &content, pieces),
                    (vec![], summary.clone()),
                    "{name}"
                );
            }
            checked += 1;
        }
    }
    assert!(checked >= 2, "checked {checked}");
}

#[test]
fn every_flipped_bit_is_found_with_its_page() {
    for fixture in testkit::every() {
        let folder = fixture.unpack();
        for path in databases(folder.path()) {
            let mut content = fs::read(&path).unwrap();
            let headers = DatabaseHeaders::parse(&content).unwrap();
            let page_size = headers.header.page_size().bytes();
            let last_page = content.len() / page_size - 1;
            // Two hundred places, spread over the file and over the bits of a byte.
            for step in 0..200 {
                let offset = (content.len() / 200 * step + step * 37) % content.len();
                let page = offset / page_size;
                let bit = 1 << (step % 8);
                content[offset] ^= bit;
                let (findings, summary) = feed(PageVerifier::new(), &content, &[1 << 20]);
                content[offset] ^= bit;

                let name = format!("{}: bit {bit:#x} of {offset:#x}", fixture.name);
                assert!(!summary.is_sound(), "{name}");
                assert_eq!(findings.len(), 1, "{name}: {findings:?}");
                let expected = match page {
                    0 => Place::Header,
                    1 => Place::ShadowHeader,
                    page => Place::Page(page as u32 - 1),
                };
                assert_eq!(findings[0].place, expected, "{name}");
                if page > 1 {
                    assert_eq!(findings[0].offset, (page * page_size) as u64, "{name}");
                    assert_eq!(summary.bad, 1, "{name}");
                }
                if page == last_page && headers.header.awaits_patch() {
                    assert!(summary.lacks_patch(), "{name}");
                }
            }
        }
    }
}

#[test]
fn a_page_at_the_wrong_place_is_named() {
    for fixture in testkit::every() {
        let folder = fixture.unpack();
        for path in databases(folder.path()) {
            let mut content = fs::read(&path).unwrap();
            let size = DatabaseHeaders::parse(&content).unwrap().header.page_size();
            let at = |number: u32| size.offset_of(number) as usize;
            content.copy_within(at(4)..at(5), at(9));
            let (findings, _) = whole(&content);
            let [
                Finding {
                    place,
                    damage: Damage::Checksum(bad),
                    ..
                },
            ] = &findings[..]
            else {
                panic!("{}: {findings:?}", fixture.name);
            };
            assert_eq!(
                (*place, bad.belongs_to),
                (Place::Page(9), Some(4)),
                "{}",
                fixture.name
            );
        }
    }
}

#[test]
fn a_patch_page_counts_only_at_the_end_and_for_its_own_backup() {
    let Some(fixture) = testkit::find("ese/stream-p8192") else {
        return;
    };
    let folder = fixture.unpack();
    let content = fs::read(folder.path().join("test.edb")).unwrap();
    let last = content.len() - 8192;

    let mut in_the_middle = content.clone();
    in_the_middle.copy_within(last.., 50 * 8192);
    let (findings, summary) = whole(&in_the_middle);
    assert_eq!(findings.len(), 1);
    assert_eq!(findings[0].place, Place::Page(49));
    assert!(summary.patch.is_some());

    let (_, summary) = whole(&content[..last]);
    assert!(summary.is_sound() && summary.lacks_patch());

    let mut foreign = content;
    foreign[last + 64] ^= 1; // the database signature
    let checksum = ese::checksum::header_checksum(&foreign[last..]);
    foreign[last..last + 4].copy_from_slice(&checksum.to_le_bytes());
    let (findings, summary) = whole(&foreign);
    assert_eq!(findings.len(), 1);
    assert!(summary.patch.is_none());
}

#[test]
fn files_cut_short_are_found() {
    let fixture = &testkit::shipped()[0];
    let folder = fixture.unpack();
    let content = fs::read(&databases(folder.path())[0]).unwrap();
    let (findings, _) = whole(&content[..content.len() - 100]);
    assert_eq!(findings.len(), 1);
    assert_eq!(findings[0].place, Place::End);

    let (findings, summary) = whole(&[]);
    assert_eq!(findings.len(), 1);
    assert_eq!((findings[0].place, summary.headers), (Place::Header, None));
}

proptest! {
    #[test]
    fn any_bytes_are_judged_alike_in_any_pieces(
        bytes in prop::collection::vec(any::<u8>(), 0..200_000),
        sizes in prop::collection::vec(1usize..100_000, 1..5),
    ) {
        let expected = whole(&bytes);
        prop_assert_eq!(feed(PageVerifier::new(), &bytes, &sizes), expected);
    }
}
