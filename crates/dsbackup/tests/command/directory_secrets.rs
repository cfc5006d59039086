//! Passwords and keys of a directory: encrypted or not, no listing of its logs shows a part of one.

use std::collections::HashSet;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::lab::Run;
use ese::Database;
use ntds::secrets::SecretColumns;

/// Bytes of a secret that must not be seen together.
const PART: usize = 8;

fn dsbackup(arguments: &[&str]) -> String {
    let run = Run::of(Command::new(env!("CARGO_BIN_EXE_dsbackup")).args(arguments));
    assert_eq!(run.code, Some(0), "{arguments:?}: {}", run.stderr);
    run.stdout
}

/// All parts of all values of the secret columns. Parts of few different bytes stand elsewhere by
/// chance.
fn secret_parts(database: &Path) -> HashSet<[u8; PART]> {
    let database = Database::open(database).unwrap();
    let secrets = SecretColumns::of(&database).unwrap();
    let table = database.table("datatable").unwrap().unwrap();
    let columns: Vec<_> = (table.columns().iter())
        .filter(|column| secrets.protection("datatable", &column.name).is_some())
        .collect();
    assert!(columns.len() >= 4);
    let mut parts = HashSet::new();
    let mut rows = database.rows(&table);
    while let Some(row) = rows.next().unwrap() {
        for column in &columns {
            for value in row.values(column).unwrap() {
                parts.extend(parts_of(&value).filter(is_telling));
            }
        }
    }
    parts
}

fn parts_of(bytes: &[u8]) -> impl Iterator<Item = [u8; PART]> {
    bytes.windows(PART).map(|part| part.try_into().unwrap())
}

fn is_telling(part: &[u8; PART]) -> bool {
    part.iter().collect::<HashSet<_>>().len() > PART / 2
}

/// What a reader may take out of `text`: its bytes as they are, and whatever it has in hexadecimal:
/// in one piece, or parted by blanks, commas, colons or the marks of an escaped byte.
fn readings(text: &str) -> impl Iterator<Item = [u8; PART]> {
    let as_written = parts_of(text.as_bytes());
    let marks: [&[&str]; 4] = [&[], &[" ", ",", ":", "-", "0x"], &["\\x", "%"], &["\\u00"]];
    let plain: Vec<String> = (marks.iter())
        .map(|marks| {
            marks
                .iter()
                .fold(text.to_owned(), |text, mark| text.replace(mark, ""))
        })
        .collect();
    let in_hex = plain.into_iter().flat_map(|plain| {
        let runs = plain.split(|character: char| !character.is_ascii_hexdigit());
        let mut bytes = Vec::new();
        for digits in runs.map(str::as_bytes).filter(|run| run.len() >= 2 * PART) {
            bytes.extend(digits.windows(2 * PART).map(|digits| {
                let digit = |digit: u8| (digit as char).to_digit(16).unwrap() as u8;
                std::array::from_fn(|at| digit(digits[2 * at]) << 4 | digit(digits[2 * at + 1]))
            }));
        }
        bytes
    });
    as_written.chain(in_hex)
}

fn logs(folder: &Path) -> Vec<PathBuf> {
    let mut logs: Vec<PathBuf> = (std::fs::read_dir(folder).unwrap())
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|kind| kind == "log"))
        .filter(|path| !path.ends_with("edbtmp.log"))
        .collect();
    logs.sort();
    logs
}

#[test]
fn the_records_of_a_directorys_logs_are_listed_without_its_secrets() {
    for name in [
        "sample-forest/clean",
        "sample-forest/dirty",
        "ntds/contoso-small",
    ] {
        let Some(fixture) = testkit::find(name) else {
            continue;
        };
        let folder = fixture.unpack();
        let recovered = tempfile::tempdir().unwrap();
        let text = |path: &Path| path.to_str().unwrap().to_owned();
        dsbackup(&[
            "recover",
            &text(folder.path()),
            "--to",
            &text(recovered.path()),
        ]);
        let parts = secret_parts(&recovered.path().join("ntds.dit"));
        let mut written = HashSet::new();
        for log in logs(folder.path()) {
            let bytes = std::fs::read(&log).unwrap();
            written.extend(parts_of(&bytes).filter(|part| parts.contains(part)));
            for options in [
                &["inspect", "--records"][..],
                &["inspect", "--records", "--json"],
            ] {
                let listing = dsbackup(&[options, &[&text(&log)]].concat());
                assert!(
                    listing.contains("Insert") || listing.contains("Term"),
                    "{listing}"
                );
                let shown = readings(&listing).find(|part| parts.contains(part));
                assert_eq!(shown, None, "{name}: {options:?} of {}", log.display());
            }
        }
        println!(
            "{name}: of {} parts of secrets the logs hold {}",
            parts.len(),
            written.len()
        );
        assert!(written.len() > 1000, "{name}: secrets are in the logs");
    }
}

#[test]
fn secrets_are_recognised_in_every_form() {
    let part = *b"\x01\xABcdef\x10\xFF";
    for text in [
        "...01AB6364656610FF...",
        "(12)01 ab 63 64 65 66 10 ff )",
        "[0x01,0xAB,0x63,0x64,0x65,0x66,0x10,0xff]",
        "\\x01\\xab\\x63\\x64\\x65\\x66\\x10\\xff",
        "\"\\u0001\\u00ab\\u0063\\u0064\\u0065\\u0066\\u0010\\u00ff\"",
    ] {
        assert!(readings(text).any(|reading| reading == part), "{text}");
    }
    assert!(readings("a clear password").any(|reading| reading == *b"password"));
}
