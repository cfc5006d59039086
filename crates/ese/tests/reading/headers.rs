//! The headers of every fixture, compared with the engine's own dumps.

use ese::header::{
    Checkpoint, DatabaseHeader, DatabaseHeaders, Field, FileKind, HeaderCopies, LogHeader,
    PatchHeader,
};
use std::fs;
use std::path::{Path, PathBuf};
use testkit::Fixture;

fn files(folder: &Path) -> Vec<PathBuf> {
    let mut files: Vec<PathBuf> = fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .collect();
    files.sort();
    files
}

fn extension(path: &Path) -> &str {
    path.extension()
        .and_then(|extension| extension.to_str())
        .unwrap_or_default()
}

fn database(folder: &Path) -> Option<PathBuf> {
    files(folder)
        .into_iter()
        .find(|path| matches!(extension(path), "edb" | "dit"))
}

/// The lines `name: value` of a dump, with the headings that end in a colon as sections.
fn dumped(text: &str) -> Vec<(String, String, String)> {
    let text = text.replace("  Log Committed:", "\nLog Committed:");
    let mut section = String::new();
    let mut lines = Vec::new();
    for line in text.lines() {
        if line.trim().is_empty() {
            section.clear();
        } else if let Some(heading) = line.strip_suffix(':').filter(|line| !line.starts_with(' ')) {
            section = heading.to_string();
        } else if let Some((name, value)) = line.split_once(':') {
            let part = |text: &str| text.trim().to_string();
            lines.push((section.clone(), part(name), part(value)));
        }
    }
    lines
}

fn listed(fields: Vec<Field>) -> Vec<(String, String, String)> {
    fields
        .into_iter()
        .map(|field| {
            (
                field.section.into(),
                field.name.into(),
                field.value.trim().into(),
            )
        })
        .collect()
}

fn header_text(fixture: &Fixture) -> Option<String> {
    let text = fixture.companion("header-before.txt")?;
    Some(String::from_utf8(text).unwrap())
}

#[test]
fn every_field_of_every_database_header_is_as_the_engine_dumps_it() {
    let mut compared = 0;
    for fixture in testkit::every() {
        let Some(text) = header_text(&fixture) else {
            continue;
        };
        let folder = fixture.unpack();
        let path = database(folder.path()).unwrap();
        let headers = DatabaseHeaders::read(&path).unwrap();
        let header = &headers.header;
        let content = fs::read(&path).unwrap();
        let patch = header.awaits_patch().then(|| {
            let patch =
                PatchHeader::parse(&content[content.len() - header.page_size().bytes()..]).unwrap();
            patch.check_belongs_to(header).unwrap();
            patch
        });
        // The dump of this set was made before the recovery that was killed; the header was written
        // again since.
        let not_comparable: &[&str] = match fixture.name.as_str() {
            "ese/p8192-killed-in-recovery" => &[
                "Checksum",
                "Database Header Flush Signature",
                "Flush Map Header Flush Signature",
                "Extend Count",
                "Extend Date",
            ],
            // The engine's dump reads the patch page into the header's buffer and then prints the
            // header.
            _ if patch.is_some() => &[
                "Database Header Flush Signature",
                "Flush Map Header Flush Signature",
                "RBS Header Flush Signature",
            ],
            _ => &[],
        };
        let comparable = |lines: Vec<(String, String, String)>| -> Vec<_> {
            lines
                .into_iter()
                .map(|(section, name, value)| match section.as_str() {
                    "Fields" | "DATABASE HEADER" => (String::new(), name, value),
                    _ => (section, name, value),
                })
                // Lines about the engine that made the dump, not about the file.
                .filter(|(section, name, _)| {
                    section != "Checksum Information"
                        && !name.starts_with("Engine ul")
                        && name != "WARNING"
                        && !not_comparable.contains(&name.as_str())
                })
                .collect()
        };
        let (listed, dumped) = (
            comparable(listed(header.listing(patch.as_ref()))),
            comparable(dumped(&text)),
        );
        for (ours, engine) in listed.iter().zip(&dumped) {
            assert_eq!(ours, engine, "{}", fixture.name);
        }
        assert_eq!(listed.len(), dumped.len(), "{}", fixture.name);
        // For the same reason, it compares the shadow with the patch page, if there is one.
        let differ = text.contains("primary header and shadow header are not identical");
        if patch.is_none() {
            let identical = headers.copies == HeaderCopies::Identical;
            assert_ne!(identical, differ, "{}", fixture.name);
        }
        assert_eq!(
            header.to_page(),
            content[..header.page_size().bytes()],
            "{}",
            fixture.name
        );
        compared += 1;
    }
    assert!(compared >= 2, "compared {compared}");
}

#[test]
fn every_log_header_is_as_the_engine_dumps_it() {
    for fixture in testkit::every() {
        let folder = fixture.unpack();
        let dump = fixture
            .companion("log-records.txt.zst")
            .map(|text| String::from_utf8_lossy(&text).into_owned());
        for path in files(folder.path()) {
            if extension(&path) != "log" || path.ends_with("edbtmp.log") {
                continue;
            }
            let header =
                LogHeader::read(&path).unwrap_or_else(|error| panic!("{}: {error}", fixture.name));
            assert_eq!(
                header.file_size(),
                fs::metadata(&path).unwrap().len(),
                "{}",
                path.display()
            );
            let attached = header.attachments();
            assert!(
                attached
                    .iter()
                    .all(|database| database.path.get(1..3) == Some(":\\")),
                "{attached:?}"
            );
            let Some(dump) = &dump else { continue };
            let name = format!("== {}\n", path.file_name().unwrap().to_str().unwrap());
            let Some((_, part)) = dump.split_once(&name) else {
                continue;
            };
            let part = part.split("\n== ").next().unwrap();
            let part: String = part
                .lines()
                .take_while(|line| !line.starts_with("Segment"))
                .collect::<Vec<_>>()
                .join("\n");
            let part = part.replace("Buffers)\n", "Buffers):");
            let dumped: Vec<_> = dumped(&part)
                .into_iter()
                .map(|(_, name, value)| (name, value))
                .collect();
            for (_, name, value) in listed(header.listing()) {
                assert!(
                    dumped.contains(&(name.clone(), value.clone())),
                    "{}: {name}: {value}\n{part}",
                    path.display()
                );
            }
        }
    }
}

#[test]
fn checkpoints_agree_with_their_databases() {
    for fixture in testkit::every() {
        let folder = fixture.unpack();
        let path = folder.path().join("edb.chk");
        if !path.exists() {
            continue;
        }
        let checkpoint = Checkpoint::read(&path).unwrap();
        let databases = files(folder.path()).into_iter();
        let headers: Vec<_> = (databases.filter(|path| matches!(extension(path), "edb" | "dit")))
            .map(|path| DatabaseHeaders::read(&path).unwrap().header)
            .collect();
        let name = &fixture.name;
        let is_ours = |header: &DatabaseHeader| header.log_signature == checkpoint.log_signature;
        assert!(headers.iter().any(is_ours), "{name}");
        assert!(checkpoint.checkpoint.is_set());
        for attachment in checkpoint.attachments() {
            let signature = attachment.database_signature;
            let is_attached = |header: &DatabaseHeader| header.database_signature == signature;
            assert!(headers.iter().any(is_attached), "{name}");
            assert!(attachment.path.ends_with(".edb") || attachment.path.ends_with(".dit"));
        }
        let content = fs::read(&path).unwrap();
        let mut first_torn = content.clone();
        first_torn[100] ^= 1;
        assert!(Checkpoint::parse(&first_torn).is_ok());
        first_torn[4096 + 100] ^= 1;
        assert!(Checkpoint::parse(&first_torn).is_err());
    }
}

#[test]
fn kinds_of_files_are_told_by_their_content() {
    for fixture in testkit::every() {
        let folder = fixture.unpack();
        for path in files(folder.path()) {
            let expected = match extension(&path) {
                "edb" | "dit" => FileKind::Database,
                "chk" => FileKind::Checkpoint,
                "jfm" => FileKind::FlushMap,
                "jrs" => FileKind::ReservedLog,
                // The text file of an incremental reseed.
                "RAW" => FileKind::Unknown,
                "log" if path.ends_with("edbtmp.log") => FileKind::TemporaryLog,
                _ => FileKind::Log,
            };
            let found = FileKind::of_file(&path).unwrap();
            assert_eq!(found, expected, "{}: {}", fixture.name, path.display());
        }
    }
    let folder = tempfile::tempdir().unwrap();
    for (name, expected) in [
        ("edbres00001.jrs", FileKind::ReservedLog),
        ("res2.log", FileKind::ReservedLog),
        ("ntds.pat", FileKind::PatchFile),
        ("ntds.dit", FileKind::Unknown),
    ] {
        let path = folder.path().join(name);
        fs::write(&path, [0; 5000]).unwrap();
        assert_eq!(FileKind::of_file(&path).unwrap(), expected, "{name}");
    }
}

#[test]
fn a_torn_primary_header_is_replaced_by_the_shadow() {
    for fixture in testkit::every() {
        let folder = fixture.unpack();
        let Some(path) = database(folder.path()) else {
            continue;
        };
        let mut content = fs::read(path).unwrap();
        content.truncate(DatabaseHeaders::START);
        let sound = DatabaseHeaders::parse(&content).unwrap();
        let page_size = sound.header.page_size().bytes();

        let mut torn = content.clone();
        torn[512..page_size].fill(0xee);
        let shadow = DatabaseHeaders::parse(&torn).unwrap();
        assert_eq!(shadow.copies, HeaderCopies::PrimaryBad, "{}", fixture.name);
        assert!(shadow.fault.is_some());
        assert_eq!(
            shadow.header.database_signature,
            sound.header.database_signature
        );

        torn[page_size..2 * page_size].fill(0xee);
        assert!(DatabaseHeaders::parse(&torn).is_err());

        let mut torn = content;
        torn[page_size + 700] ^= 0x10;
        let primary = DatabaseHeaders::parse(&torn).unwrap();
        assert_eq!(primary.copies, HeaderCopies::ShadowBad);
        assert_eq!(primary.header, sound.header);
    }
}

proptest::proptest! {
    #[test]
    fn any_bytes_are_parsed_or_refused(
        mut bytes in proptest::collection::vec(proptest::num::u8::ANY, 0..70_000)
    ) {
        let parse = |bytes: &[u8]| {
            let _ = DatabaseHeaders::parse(bytes).map(|headers| headers.header.listing(None));
            let _ = LogHeader::parse(bytes).map(|header| (header.attachments(), header.listing()));
            let _ = Checkpoint::parse(bytes).map(|header| (header.attachments(), header.listing()));
            let _ = PatchHeader::parse(bytes);
            FileKind::of(bytes);
        };
        parse(&bytes);
        // Also with a right checksum and the right marks.
        if bytes.len() >= 8192 {
            for (file_type, size) in [(1u32, 8192), (3, 4096), (4, 4096)] {
                bytes[667..671].copy_from_slice(&file_type.to_le_bytes());
                if file_type == 1 {
                    bytes[4..16]
                        .copy_from_slice(&[0xef, 0xcd, 0xab, 0x89, 0x20, 6, 0, 0, 0, 0, 0, 0]);
                    bytes[236..240].copy_from_slice(&8192u32.to_le_bytes());
                } else if file_type == 3 {
                    bytes[8..14].copy_from_slice(&[0, 16, 1, 0, 0, 1]);
                    bytes[32..36].copy_from_slice(&8u32.to_le_bytes());
                }
                let checksum = ese::checksum::header_checksum(&bytes[..size]);
                bytes[..4].copy_from_slice(&checksum.to_le_bytes());
                parse(&bytes);
            }
        }
    }
}
