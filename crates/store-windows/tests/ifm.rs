//! A copy of a domain controller in an "Install From Media" folder: what a whole one holds becomes
//! the files of a backup, and half of one is refused.

use std::collections::BTreeMap;
use std::path::Path;

use contract::{FileType, ResultCode};
use store::{BackupOptions, BackupSet};
use store_ese::DirectoryConfiguration;
use store_windows::copied_set::{Copied, CopiedSet};
use store_windows::ifm_folder::{IfmFolder, Originals};
use tempfile::TempDir;

const DATABASE: &str = r"D:\NTDS\ntds.dit";

/// A hive with a header that tells its length, and nothing in it.
fn hive() -> Vec<u8> {
    let mut hive = vec![0; 8192];
    hive[..4].copy_from_slice(b"regf");
    hive[40..44].copy_from_slice(&4096_u32.to_le_bytes());
    hive
}

fn write(path: &Path, content: &[u8]) {
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    std::fs::write(path, content).unwrap();
}

/// A whole folder, with the database of the sample forest.
fn folder(database: &str) -> Option<TempDir> {
    let fixture = testkit::find(database)?.unpack();
    let folder = tempfile::tempdir().unwrap();
    let database = std::fs::read(fixture.path().join("ntds.dit")).unwrap();
    write(&folder.path().join("Active Directory/ntds.dit"), &database);
    write(&folder.path().join("registry/SYSTEM"), &hive());
    write(&folder.path().join("registry/SECURITY"), &hive());
    for policy in ["A", "B"] {
        let path = format!("SYSVOL/corp.example/Policies/{{{policy}}}/GPT.INI");
        write(&folder.path().join(path), policy.as_bytes());
    }
    Some(folder)
}

fn open(folder: &Path) -> contract::Result<IfmFolder> {
    let originals = Originals {
        hives: r"C:\Windows\System32\config".into(),
        sysvol: r"C:\Windows\SYSVOL\sysvol".into(),
    };
    IfmFolder::open(folder, &originals)
}

fn set(ifm: IfmFolder) -> contract::Result<CopiedSet> {
    let copied = Copied {
        database: DirectoryConfiguration {
            recover: false,
            ..DirectoryConfiguration::for_folder(&ifm.database_folder)
        },
        state: ifm.state,
        warnings: ifm.warnings,
        original: Box::new(|_| DATABASE.to_owned()),
        remove: Box::new(()),
    };
    CopiedSet::open(copied, BackupOptions::default())
}

fn content(set: &CopiedSet, name: &str) -> Vec<u8> {
    let mut reader = set.open(name).unwrap();
    let mut content = Vec::new();
    while let Some(piece) = reader.next_piece().unwrap() {
        content.extend(piece);
    }
    assert_eq!(content.len() as u64, reader.size());
    assert_eq!(reader.finish().unwrap().count, 0);
    content
}

#[test]
fn a_whole_folder_becomes_the_files_of_a_backup() {
    let Some(folder) = folder("sample-forest/clean") else {
        return;
    };
    let mut set = set(open(folder.path()).unwrap()).unwrap();
    let facts = set.facts();
    assert_eq!(facts.store_kind, "ntds");
    assert_eq!(facts.state, "Clean Shutdown");
    assert!(!facts.directory.unwrap().domain.is_empty());
    let files = set.database_files().unwrap();
    let listed: BTreeMap<&str, (FileType, Option<&str>)> = (files.iter())
        .map(|file| (file.name.as_str(), (file.file_type, file.place.as_deref())))
        .collect();
    let policies = r"C:\Windows\SYSVOL\sysvol\corp.example\Policies";
    let gpt = |policy| format!(r"{policies}\{{{policy}}}\GPT.INI");
    let (a, b) = (gpt("A"), gpt("B"));
    let shared = FileType::SHARED;
    assert_eq!(
        listed,
        BTreeMap::from([
            (DATABASE, (FileType::DATABASE, None)),
            (
                r"C:\Windows\System32\config\SYSTEM",
                (FileType::STATE, Some("registry/SYSTEM"))
            ),
            (
                r"C:\Windows\System32\config\SECURITY",
                (FileType::STATE, Some("registry/SECURITY"))
            ),
            (
                &a,
                (shared, Some("SYSVOL/corp.example/Policies/{A}/GPT.INI"))
            ),
            (
                &b,
                (shared, Some("SYSVOL/corp.example/Policies/{B}/GPT.INI"))
            ),
        ])
    );
    let database = folder.path().join("Active Directory/ntds.dit");
    assert!(content(&set, DATABASE) == std::fs::read(database).unwrap());
    assert_eq!(content(&set, r"C:\Windows\System32\config\SYSTEM"), hive());
    assert_eq!(content(&set, &b), b"B");
    assert!(set.open("C:\\Windows\\win.ini").is_err());
    assert!(set.log_files().unwrap().is_empty());
    assert!(set.truncate_logs().unwrap().deleted.is_empty());
}

#[test]
fn half_a_folder_is_refused_and_what_is_missing_is_told() {
    type Halve = fn(&Path);
    let halves: [(Halve, ResultCode, &str); 6] = [
        (
            |folder| std::fs::remove_dir_all(folder.join("Active Directory")).unwrap(),
            ResultCode::DATABASE_NOT_FOUND,
            "ntds.dit",
        ),
        (
            |folder| write(&folder.join("Active Directory/ntds.dit"), &[0; 32768]),
            ResultCode::DATABASE_CORRUPTED,
            "ntds.dit",
        ),
        (
            |folder| std::fs::remove_file(folder.join("registry/SECURITY")).unwrap(),
            ResultCode::FILE_NOT_FOUND,
            "SECURITY",
        ),
        (
            |folder| write(&folder.join("registry/SYSTEM"), &hive()[..5000]),
            ResultCode::DATABASE_CORRUPTED,
            "expected 8192",
        ),
        (
            |folder| std::fs::remove_dir_all(folder.join("SYSVOL")).unwrap(),
            ResultCode::FILE_NOT_FOUND,
            "SYSVOL",
        ),
        (
            |folder| std::fs::remove_dir_all(folder.join("SYSVOL/corp.example")).unwrap(),
            ResultCode::FILE_NOT_FOUND,
            "no file of SYSVOL",
        ),
    ];
    for (halve, code, part) in halves {
        let Some(folder) = folder("sample-forest/clean") else {
            return;
        };
        halve(folder.path());
        let error = open(folder.path()).unwrap_err();
        assert_eq!(error.code, code, "{error}");
        assert!(error.reason.contains(part), "{error}");
    }
}

#[test]
fn a_database_that_was_not_finished_is_refused() {
    let Some(folder) = folder("sample-forest/dirty") else {
        return;
    };
    let error = open(folder.path()).unwrap_err();
    assert_eq!(error.code, ResultCode::DATABASE_INCONSISTENT);
    assert!(error.reason.contains("not finished"), "{error}");
}

#[test]
fn a_database_that_was_cut_off_is_refused() {
    let Some(folder) = folder("sample-forest/clean") else {
        return;
    };
    let path = folder.path().join("Active Directory/ntds.dit");
    let database = std::fs::read(&path).unwrap();
    write(&path, &database[..database.len() / 4 / 8192 * 8192]);
    let error = set(open(folder.path()).unwrap()).map(drop).unwrap_err();
    assert_eq!(error.code, ResultCode::DATABASE_CORRUPTED, "{error}");
}
