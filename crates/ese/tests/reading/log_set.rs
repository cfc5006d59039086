//! The logs that a database needs, and those in its folder.

use ese::header::{Checkpoint, DatabaseHeaders};
use ese::log_set::{LogSet, RequiredLogs};
use ese::verify::verify_database;
use std::fs;
use std::path::Path;

struct Needs {
    logs: LogSet,
    required: Option<RequiredLogs>,
}

fn needs(folder: &Path, database: &str) -> Needs {
    let path = folder.join(database);
    let summary = verify_database(&path, |finding| panic!("{finding}")).unwrap();
    let header = DatabaseHeaders::read(&path).unwrap().header;
    let checkpoint = Checkpoint::read(&folder.join("edb.chk")).ok();
    Needs {
        logs: LogSet::in_folder(folder, "edb").unwrap(),
        required: RequiredLogs::of(&header, summary.patch.as_ref(), checkpoint.as_ref()).unwrap(),
    }
}

#[test]
fn every_database_has_the_logs_that_it_needs() {
    for fixture in testkit::every() {
        let folder = fixture.unpack();
        let Some(database) = ["test.edb", "ntds.dit"]
            .into_iter()
            .find(|name| folder.path().join(name).exists())
        else {
            continue;
        };
        let Needs { logs, required } = needs(folder.path(), database);
        assert!(
            logs.unusable.is_empty(),
            "{}: {:?}",
            fixture.name,
            logs.unusable
        );
        let is_clean = fixture.name.contains("clean")
            || fixture.name.contains("timer")
            || fixture.name.ends_with("small");
        assert_eq!(required.is_none(), is_clean, "{}", fixture.name);
        let Some(required) = required else { continue };
        let missing = logs.missing(required.complete(), &required.sequence);
        assert!(missing.is_empty(), "{}: {missing:?}", fixture.name);
        assert!(
            logs.missing(required.first_kept()..=required.lowest, &required.sequence)
                .is_empty()
        );

        // Remove the last one, then the first.
        let last = logs.get(required.committed, &required.sequence).unwrap();
        fs::remove_file(&last.path).unwrap();
        let logs = LogSet::in_folder(folder.path(), "edb").unwrap();
        let missing = logs.missing(required.complete(), &required.sequence);
        assert_eq!(
            missing,
            [required.committed..=required.committed],
            "{}",
            fixture.name
        );
    }
}

#[test]
fn the_patch_page_of_a_streaming_backup_widens_what_is_needed() {
    let Some(fixture) = testkit::find("ese/stream-p8192") else {
        return;
    };
    let folder = fixture.unpack();
    // The engine's dump of this set: required 1 to 5 by the header, 1 to 7 by the patch page.
    let required = needs(folder.path(), "test.edb").required.unwrap();
    assert_eq!(
        (required.lowest, required.highest, required.committed),
        (1, 7, 7)
    );
}

#[test]
fn gaps_and_damage_are_named() {
    let Some(fixture) = testkit::find("ese/p8192-manygen") else {
        return;
    };
    let folder = fixture.unpack();
    let Needs { logs, required } = needs(folder.path(), "test.edb");
    let required = required.unwrap();
    assert_eq!(
        (required.lowest, required.highest, required.committed),
        (16, 24, 24)
    );
    assert_eq!(logs.logs.len(), 24);

    fs::remove_file(folder.path().join("edb00000012.log")).unwrap();
    let damaged = folder.path().join("edb00000015.log");
    let mut content = fs::read(&damaged).unwrap();
    content[100] ^= 4;
    fs::write(&damaged, content).unwrap();
    fs::rename(
        folder.path().join("edb00000016.log"),
        folder.path().join("edb00000026.log"),
    )
    .unwrap();
    let logs = LogSet::in_folder(folder.path(), "edb").unwrap();
    assert_eq!(
        logs.missing(required.complete(), &required.sequence),
        [18..=18, 21..=22]
    );
    assert_eq!(logs.unusable.len(), 2, "{:?}", logs.unusable);

    // Logs of another sequence do not count.
    let foreign = ese::header::Signature::default();
    assert_eq!(logs.missing(required.complete(), &foreign), [16..=24]);
}
