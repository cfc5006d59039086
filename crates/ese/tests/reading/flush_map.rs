//! The flush maps of every fixture, and lost writes.

use ese::checksum::seal_page;
use ese::flush_map::{FlushMap, FlushType};
use ese::header::DatabaseHeaders;
use ese::verify::{Damage, FlushMapUse, PageVerifier, Place, verify_database};
use std::fs;

#[test]
fn every_map_is_sound_and_valid_for_its_clean_database() {
    let mut valid = 0;
    for fixture in testkit::every() {
        let folder = fixture.unpack();
        let path = folder.path().join("test.jfm");
        if !path.exists() {
            continue;
        }
        let map = FlushMap::read(&path).unwrap();
        assert_eq!(map.findings(), [], "{}", fixture.name);
        assert!(!map.header().listing().is_empty());
        let database = folder.path().join("test.edb");
        let header = DatabaseHeaders::read(&database).unwrap().header;
        let is_valid = map.is_valid_for(&header);
        // The timer sets were shut down before the timer fired.
        let was_shut_down = fixture.name.contains("clean") || fixture.name.contains("timer");
        assert_eq!(
            is_valid,
            was_shut_down && map.header().is_clean(),
            "{}",
            fixture.name
        );
        let summary =
            verify_database(&database, |finding| panic!("{}: {finding}", fixture.name)).unwrap();
        let expected = match is_valid {
            true => FlushMapUse::Checked {
                damaged_map_pages: 0,
            },
            false => FlushMapUse::NotValid,
        };
        assert_eq!(summary.flush_map, expected, "{}", fixture.name);
        if is_valid {
            valid += 1;
            let known = (1..summary.pages as u32)
                .filter(|number| map.flush_type(*number) != FlushType::Unknown);
            assert!(known.count() > 10, "{}", fixture.name);
        }
        assert_eq!(map.flush_type(u32::MAX), FlushType::Unknown);
    }
    if testkit::full_set().is_some() {
        assert!(valid >= 5, "{valid} valid maps");
    }
}

#[test]
fn a_lost_write_is_found_though_the_page_is_sound() {
    let Some(fixture) = testkit::find("ese/p8192-clean") else {
        return;
    };
    let folder = fixture.unpack();
    let map = FlushMap::read(&folder.path().join("test.jfm")).unwrap();
    let content = fs::read(folder.path().join("test.edb")).unwrap();
    let number = (1..400)
        .find(|number| map.flush_type(*number) == FlushType::Paper)
        .unwrap();
    let at = (number as usize + 1) * 8192;
    let verify = |content: &[u8]| {
        let mut verifier = PageVerifier::new().with_flush_map(map.clone());
        let mut findings = verifier.feed(content);
        findings.extend(verifier.finish().0);
        findings
    };
    assert_eq!(verify(&content), []);

    // The write before the last one, which the map has as "paper", was "rock".
    let mut older = content.clone();
    older[at + 37] = older[at + 37] & 0x7f | 0x80;
    older[at + 38] &= 0xfe;
    seal_page(&mut older[at..at + 8192], number);
    let findings = verify(&older);
    assert_eq!(findings.len(), 1, "{findings:?}");
    assert_eq!(findings[0].place, Place::Page(number));
    let Damage::LostFlush(lost) = &findings[0].damage else {
        panic!("{findings:?}");
    };
    assert_eq!(
        (lost.expected, lost.found),
        (FlushType::Paper, FlushType::Rock)
    );

    // A page that was never written, although the map has a write of it.
    let mut blank = content;
    blank[at..at + 8192].fill(0);
    let findings = verify(&blank);
    assert!(
        matches!(findings[..], [ref finding] if matches!(finding.damage, Damage::LostFlush(_))),
        "{findings:?}"
    );
}

#[test]
fn damage_of_the_map_itself_is_named() {
    let Some(fixture) = testkit::find("ese/p8192-clean") else {
        return;
    };
    let folder = fixture.unpack();
    let content = fs::read(folder.path().join("test.jfm")).unwrap();
    for offset in (8192..content.len()).step_by(97) {
        let mut damaged = content.clone();
        damaged[offset] ^= 0x20;
        let map = FlushMap::parse(&damaged).unwrap();
        assert_eq!(map.findings().len(), 1);
        assert_eq!(map.flush_type(5), FlushType::Unknown);
    }
    let mut damaged = content.clone();
    damaged[300] ^= 1;
    assert!(FlushMap::parse(&damaged).is_err());
    assert_eq!(
        FlushMap::parse(&content[..12_000]).unwrap().findings()[0].place,
        Place::End
    );
}
