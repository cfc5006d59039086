//! Files may have the names of any product or copy; only their content counts.

use std::path::Path;

use crate::common::{self, contents, dump};
use ese::log_set::LogName;
use ese::recovery::{Error, Options, recover};
use tempfile::TempDir;

/// Sets with both lengths of generation numbers: five digits (domain controllers) and eight.
const SETS: [&str; 3] = [
    "sample-forest/dirty",
    "ese/ad2016-ntds",
    "ese/p16384-uncommitted",
];

fn renamed(from: &Path, name: impl Fn(&str) -> String) -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    for path in contents(from).into_keys() {
        let old = path.file_name().unwrap().to_str().unwrap();
        std::fs::copy(&path, folder.path().join(name(old))).unwrap();
    }
    folder
}

/// The log's or checkpoint's name with another base name, number of digits and extensions.
fn styled(name: &str, base: &str, digits: usize, log: &str, checkpoint: &str) -> String {
    if name == "edb.chk" {
        return format!("{base}.{checkpoint}");
    }
    match LogName::parse(name, "edb") {
        Some(LogName::Numbered { generation, .. }) => {
            LogName::Numbered { generation, digits }.file_name(base, log)
        }
        Some(LogName::Reserved { .. }) | None => name.into(),
        Some(other) => other.file_name(base, log),
    }
}

fn recovered(folder: &Path, change: impl Fn(Options) -> Options) -> Result<Vec<u8>, Error> {
    let out = tempfile::tempdir().unwrap();
    let summary = recover(change(Options::new(folder).into_folder(out.path())))?;
    Ok(dump(&summary.database))
}

#[test]
fn names_do_not_matter() {
    for name in SETS {
        let Some(fixture) = testkit::find(name) else {
            continue;
        };
        let folder = fixture.unpack();
        let expected = recovered(folder.path(), |options| options).unwrap();
        for digits in [5, 8] {
            for (log, checkpoint) in [("log", "chk"), ("jtx", "jcp")] {
                let style = |name: &str| styled(name, "edb", digits, log, checkpoint);
                let other = renamed(folder.path(), style);
                assert!(recovered(other.path(), |options| options).unwrap() == expected);
                // In place, all of them are archived.
                let options = Options::new(other.path()).archive_logs(true);
                assert!(recover(options).unwrap().logs_archived.is_some());
                let left = contents(other.path()).into_keys().filter(|path| {
                    let kind = path.extension().unwrap();
                    kind == log || kind == checkpoint
                });
                assert_eq!(left.count(), 0, "{name}, {digits} digits, .{log}");
            }
        }
        let upper = renamed(folder.path(), str::to_uppercase);
        assert!(recovered(upper.path(), |options| options).unwrap() == expected);
        let base = renamed(folder.path(), |name| styled(name, "V01", 8, "log", "chk"));
        let found = recovered(base.path(), |options| options.log_base_name("V01"));
        assert!(found.unwrap() == expected);
        // Without a known extension, the database is found by its header.
        let unusual = renamed(folder.path(), |name| match name.rsplit_once('.') {
            Some((stem, "edb" | "dit")) => format!("{stem}.dat"),
            _ => name.into(),
        });
        assert!(recovered(unusual.path(), |options| options).unwrap() == expected);
    }
}

#[test]
fn logs_of_another_base_name_are_named_with_it() {
    for name in [
        "sample-forest/dirty",
        "sample-forest/clean",
        "ese/ad2016-ntds",
    ] {
        let fixture = testkit::find(name).unwrap();
        let folder = fixture.unpack();
        for (base, asked) in [
            ("V01", "edb"),
            ("E00", "edb"),
            ("edb", "res"),
            ("edb", "ed"),
        ] {
            for digits in [5, 8] {
                let logs = renamed(folder.path(), |name| {
                    styled(name, base, digits, "log", "chk")
                });
                let before = contents(logs.path());
                for loss in [false, true] {
                    let options = Options::new(logs.path()).log_base_name(asked);
                    let error = recover(options.allow_loss(loss)).unwrap_err();
                    let text = error.to_string();
                    assert!(text.contains(&format!("have {base}. Name")), "{text}");
                    assert!(text.contains(&format!("base name {asked},")), "{text}");
                    let Error::OtherBaseName { found, .. } = error else {
                        panic!("{text}")
                    };
                    assert_eq!(found, [base], "{name}, {digits} digits");
                }
                assert_eq!(contents(logs.path()), before);
                recovered(logs.path(), |options| options.log_base_name(base)).unwrap();
            }
        }
    }
}

#[test]
fn logs_of_another_base_name_and_another_sequence_are_no_hint() {
    let folder = testkit::find("sample-forest/dirty").unwrap().unpack();
    let stranger = testkit::find("ese/ad2016-ntds").unwrap().unpack();
    for path in contents(folder.path()).into_keys() {
        if path.extension().is_some_and(|kind| kind == "log") {
            std::fs::remove_file(path).unwrap();
        }
    }
    std::fs::copy(
        stranger.path().join("edb.log"),
        folder.path().join("res.log"),
    )
    .unwrap();
    let error = recovered(folder.path(), |options| options).unwrap_err();
    assert!(
        matches!(error, Error::MissingRequiredLogs { .. }),
        "{error}"
    );
}

#[test]
fn what_else_lies_in_the_folder_does_not_matter() {
    let fixture = testkit::find("sample-forest/dirty").unwrap();
    let folder = fixture.unpack();
    let expected = recovered(folder.path(), |options| options).unwrap();

    // The logs of an earlier installation, with their own names.
    let stranger = testkit::find("ese/ad2016-ntds").unwrap().unpack();
    for path in contents(stranger.path()).into_keys() {
        let name = path.file_name().unwrap().to_str().unwrap();
        if let Some(LogName::Numbered { generation, .. }) = LogName::parse(name, "edb") {
            let name = LogName::Numbered {
                generation,
                digits: 8,
            }
            .file_name("edb", "log");
            std::fs::copy(&path, folder.path().join(name)).unwrap();
        }
    }
    assert!(recovered(folder.path(), |options| options).unwrap() == expected);

    // Another, independent database.
    let other = folder.path().join("other.edb");
    std::fs::copy(common::database_in(stranger.path()), &other).unwrap();
    let error = recovered(folder.path(), |options| options).unwrap_err();
    assert!(matches!(error, Error::SeveralDatabases { .. }), "{error}");
    let chosen = recovered(folder.path(), |options| options.database("ntds.dit"));
    assert!(chosen.unwrap() == expected);

    // The engine's temporary database.
    std::fs::rename(&other, folder.path().join("temp.edb")).unwrap();
    assert!(recovered(folder.path(), |options| options).unwrap() == expected);
    std::fs::rename(folder.path().join("temp.edb"), &other).unwrap();

    // Folders with the names of files, empty files, and files that are not databases.
    std::fs::create_dir(folder.path().join("edb0002A.log")).unwrap();
    std::fs::create_dir(folder.path().join("backup.dit")).unwrap();
    std::fs::write(folder.path().join("notes.txt"), "").unwrap();
    let chosen = recovered(folder.path(), |options| options.database("ntds.dit"));
    assert!(chosen.unwrap() == expected);
}
