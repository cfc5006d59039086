//! Files that are deleted at their source after a backup are read back from the repository first.

use std::path::Path;

use crate::common::*;
use repository::*;

fn back_up(path: &Path, prove: bool) -> (Repository, Lock, Backup) {
    let repository = open(path);
    let lock = shared(&repository);
    let mut log = noise("logs/log", 2, 3 << 20);
    log.prove = prove;
    let mut source = ListSource::new(vec![noise("database", 1, 3 << 20), log]);
    let backup = repository
        .backup(&lock, &request(), &mut source, &mut |_| {})
        .unwrap();
    (repository, lock, backup)
}

#[test]
fn what_was_stored_is_proven_by_reading_it_back() {
    let place = tempfile::tempdir().unwrap();
    let path = place.path().join("repo");
    init(&path);
    let (repository, lock, backup) = back_up(&path, true);
    repository.prove(&lock, &backup, ["logs/log"]).unwrap();

    // A flipped bit in a file to be deleted, a flipped bit in a listing, and a missing pack.
    let kept: Vec<_> = packs(&path)
        .into_iter()
        .map(|pack| (pack.clone(), std::fs::read(pack).unwrap()))
        .collect();
    for (pack, content) in &kept {
        for at in [content.len() / 100, content.len() * 9 / 10] {
            let mut flipped = content.clone();
            flipped[at] ^= 1;
            std::fs::write(pack, flipped).unwrap();
            let one = repository.prove(&lock, &backup, ["logs/log", "database"]);
            let error = one.unwrap_err();
            assert!(matches!(error, Error::Unproven { .. }), "{error}");
        }
        std::fs::remove_file(pack).unwrap();
        let error = repository.prove(&lock, &backup, ["logs/log", "database"]);
        assert!(matches!(error, Err(Error::Unproven { .. })));
        std::fs::write(pack, content).unwrap();
    }
    repository
        .prove(&lock, &backup, ["logs/log", "database"])
        .unwrap();

    // A missing repository is not damaged.
    let away = place.path().join("away");
    std::fs::rename(&path, &away).unwrap();
    let error = repository.prove(&lock, &backup, ["logs/log"]).unwrap_err();
    assert!(matches!(error, Error::Storage { .. }), "{error}");
    assert!(error.to_string().contains("gone"), "{error}");
    let backups = repository.backup(&lock, &request(), &mut ListSource::new(vec![]), &mut |_| {});
    assert!(matches!(backups, Err(Error::Storage { .. })));
    std::fs::rename(&away, &path).unwrap();

    repository.unlock(true).unwrap();
    let error = repository.prove(&lock, &backup, ["logs/log"]).unwrap_err();
    assert!(error.to_string().contains("lock"), "{error}");
}

#[test]
fn a_known_chunk_that_does_not_open_is_stored_anew() {
    let place = tempfile::tempdir().unwrap();
    let path = place.path().join("repo");
    init(&path);
    drop(back_up(&path, false));
    let (_, _, again) = back_up(&path, true);
    assert_eq!(again.new_bytes, 0, "all is known and opens");
    let damaged = packs(&path);
    for pack in &damaged {
        let mut content = std::fs::read(pack).unwrap();
        content
            .iter_mut()
            .step_by(50_000)
            .for_each(|byte| *byte ^= 1);
        std::fs::write(pack, content).unwrap();
    }
    let (_, _, trusting) = back_up(&path, false);
    assert_eq!(trusting.new_bytes, 0, "nobody looked");
    let (_, _, proving) = back_up(&path, true);
    assert_eq!(
        proving.new_bytes,
        3 << 20,
        "the log's chunks, and no others"
    );
}

/// A program that ignores locks removes a pack at the last moment.
#[test]
fn packs_are_listed_again_when_the_snapshot_is_written() {
    let place = tempfile::tempdir().unwrap();
    let path = place.path().join("repo");
    init(&path);
    drop(back_up(&path, false));
    let victim = packs(&path)
        .into_iter()
        .max_by_key(|pack| pack.metadata().unwrap().len())
        .unwrap();
    let snapshots = path.join("snapshots");
    let count = || std::fs::read_dir(&snapshots).unwrap().count();
    let before = count();
    let delayed = std::thread::scope(|scope| {
        let delayed = scope.spawn(|| {
            let repository = open(&path);
            let lock = shared(&repository);
            let mut source = ListSource::new(vec![noise("database", 1, 3 << 20)]);
            repository.backup(&lock, &request(), &mut source, &mut |_| {})
        });
        // As soon as the snapshot's file exists, under its temporary or its final name.
        while count() == before && !delayed.is_finished() {
            std::hint::spin_loop();
        }
        let _ = std::fs::remove_file(&victim);
        delayed.join().unwrap()
    });
    // The removal may have come too late for the backup; a proof detects it at any time.
    match delayed {
        Err(error) => assert!(matches!(error, Error::Unproven { .. }), "{error}"),
        Ok(backup) => {
            let repository = open(&path);
            let lock = shared(&repository);
            let proven = repository.prove(&lock, &backup, ["database"]);
            assert!(matches!(proven, Err(Error::Unproven { .. })));
        }
    }
}
