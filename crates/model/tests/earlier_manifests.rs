//! Manifests of earlier releases are read, with their content.
//!
//! `manifests/format-N/` holds samples of each format. Those of a database were written by release
//! 0.1.0 of real directories: one that was shut down, one in use, one with a damaged page that the
//! backup allowed. `with-directory` and `samba` have the same form with made-up names. A change of
//! the format adds a folder and leaves the samples alone.

use std::path::Path;

use contract::{FileType, Generations};
use model::Manifest;

fn samples() -> Vec<(String, Vec<u8>)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/manifests");
    let mut samples = Vec::new();
    for format in std::fs::read_dir(folder).unwrap() {
        for sample in std::fs::read_dir(format.unwrap().path()).unwrap() {
            let path = sample.unwrap().path();
            let name = path.file_stem().unwrap().to_str().unwrap().to_owned();
            samples.push((name, std::fs::read(path).unwrap()));
        }
    }
    samples
}

fn sample(name: &str) -> Manifest {
    let (_, json) = (samples().into_iter())
        .find(|(other, _)| other == name)
        .expect(name);
    Manifest::from_json(&json).expect(name)
}

#[test]
fn every_sample_is_read_and_written_back_as_it_was() {
    let samples = samples();
    assert!(samples.len() >= 5);
    for (name, json) in samples {
        let manifest = Manifest::from_json(&json).unwrap_or_else(|error| panic!("{name}: {error}"));
        let written = String::from_utf8(manifest.to_json()).unwrap();
        assert_eq!(written, String::from_utf8(json).unwrap(), "{name}");
    }
}

#[test]
fn what_they_say_is_understood() {
    let in_use = sample("in-use");
    assert_eq!(in_use.database.state, "Dirty Shutdown");
    let required = Generations::from(in_use.database.required.expect("logs are required"));
    let logs = Generations::from(in_use.logs.expect("logs"));
    assert!(logs.low <= required.low && required.high <= logs.high);
    assert_eq!(in_use.files[0].file_type(), FileType::DATABASE);

    let damaged = sample("damaged");
    assert!(damaged.damaged);
    let damage = damaged.files[0].damage.as_ref().expect("a damaged page");
    assert_eq!((damage.count, damage.first.len()), (1, 1));

    let directory = sample("with-directory").directory.expect("a directory");
    assert_eq!(directory.domain, "corp.example");
    assert_eq!(directory.highest_committed_usn, 12345);

    assert!(sample("samba").is_tree());
    assert!(!sample("shut-down").is_tree());
}
