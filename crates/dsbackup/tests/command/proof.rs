//! No log is deleted that the repository does not have: it is read back first.

use std::io::Read;
use std::path::Path;

use crate::lab::{self, Content, Lab, PASSWORD};
use repository::{Location, Password, Repository};

/// The logs that can be read from the latest snapshot.
fn logs_in_the_repository(lab: &Lab) -> Content {
    let location = Location::parse(lab.repository().to_str().unwrap()).unwrap();
    let password = Password::new(PASSWORD);
    let repository = Repository::open(&location, &password, &Default::default()).unwrap();
    let latest = repository.snapshot("latest").unwrap();
    let Ok(snapshot) = repository.open_snapshot(&latest) else {
        return Content::new();
    };
    let logs = snapshot
        .files()
        .filter(|file| file.path.starts_with("logs/"));
    logs.filter_map(|file| {
        let mut content = Vec::new();
        snapshot
            .open(&file.path)
            .ok()?
            .read_to_end(&mut content)
            .ok()?;
        let name = file.path.strip_prefix("logs/")?;
        Some((name.to_owned(), content))
    })
    .collect()
}

fn packs(folder: &Path) -> Vec<std::path::PathBuf> {
    let entries = std::fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path());
    let (folders, mut files): (Vec<_>, Vec<_>) = entries.partition(|path| path.is_dir());
    files.extend(folders.iter().flat_map(|folder| packs(folder)));
    files
}

/// The repository knows the logs from before, but what it has of them is damaged.
#[test]
fn a_log_whose_stored_copy_is_damaged_is_not_lost() {
    let lab = Lab::with_repository("sample-forest/dirty");
    let service = lab.serve(&[]);
    let original = lab.content();
    lab.succeed(&["backup", "--keep-logs"]);
    for pack in packs(&lab.repository().join("data")) {
        let mut content = std::fs::read(&pack).unwrap();
        content
            .iter_mut()
            .step_by(500)
            .for_each(|byte| *byte ^= 0x10);
        std::fs::write(&pack, content).unwrap();
    }
    let run = lab.succeed(&["backup"]);
    let (on_the_server, stored) = (lab.content(), logs_in_the_repository(&lab));
    for (name, content) in original.iter().filter(|(name, _)| name.ends_with(".log")) {
        let kept = on_the_server.get(name) == Some(content);
        assert!(
            kept || stored.get(name) == Some(content),
            "{name} is lost: {run}"
        );
    }
    assert!(!on_the_server.contains_key("edb00001.log"), "{run}");
    service.stop();
}

#[test]
fn logs_are_not_truncated_on_the_word_of_a_store_that_promises_nothing() {
    const SERVER: &str = "/usr/lib/openssh/sftp-server";
    if !Path::new(SERVER).exists() {
        eprintln!("note: {SERVER} is not installed; stores that promise nothing are not tested");
        return;
    }
    let lab = Lab::with(&testkit::find("sample-forest/dirty").expect("shipped"));
    let place = format!("sftp:here:{}", lab.repository().display());
    let command = format!("command={SERVER} -P fsync");
    let store = ["--repository", &place, "--store-option", &command];
    let with = |arguments: &[&'static str]| [arguments, &store[..]].concat();
    lab.succeed(&with(&["init"]));
    let service = lab.serve(&[]);
    let original = lab.content();
    let kept = lab.json(&with(&["backup"]));
    assert_eq!(kept["durable"], false, "{kept}");
    assert!(
        kept["kept_because"]
            .as_str()
            .unwrap()
            .contains("--trust-store"),
        "{kept}"
    );
    lab::assert_same(&lab.content(), &original, "nothing may be deleted");
    let run = lab.succeed(&with(&["backup"]));
    assert!(run.stdout.contains("not known to be durable"), "{run}");
    let truncated = lab.json(&with(&["backup", "--trust-store"]));
    assert_eq!(
        truncated["truncated"].as_array().unwrap().len(),
        5,
        "{truncated}"
    );
    service.stop();
}
