//! One bad file of a repository does not hide the good ones.

use std::path::{Path, PathBuf};

use crate::common::*;
use repository::*;

fn backup(repository: &Repository, seed: u64) -> SnapshotInfo {
    let files = vec![noise("own", seed, 300_000), noise("shared", 1, 500_000)];
    store(repository, ListSource::new(files))
}

fn store(repository: &Repository, mut source: ListSource) -> SnapshotInfo {
    let lock = repository
        .lock(LockKind::Shared, Default::default())
        .unwrap();
    let backup = repository.backup(&lock, &request(), &mut source, &mut |_| {});
    backup.unwrap().snapshot
}

#[track_caller]
fn restores(repository: &Repository, snapshot: &SnapshotInfo, seed: u64) {
    let opened = repository.open_snapshot(snapshot).unwrap();
    assert!(opened.read("own", 300_000).unwrap() == content(seed, 300_000));
    assert!(opened.read("shared", 500_000).unwrap() == content(1, 500_000));
}

fn content(seed: u64, size: u64) -> Vec<u8> {
    let mut content = Vec::new();
    std::io::Read::read_to_end(&mut Noise::new(seed, size), &mut content).unwrap();
    content
}

fn files(folder: &Path) -> Vec<PathBuf> {
    let mut files: Vec<PathBuf> = (std::fs::read_dir(folder).unwrap())
        .map(|entry| entry.unwrap().path())
        .collect();
    files.sort_by_key(|path| path.metadata().unwrap().modified().unwrap());
    files
}

fn truncate(path: &Path, size: u64) {
    let file = std::fs::File::options().write(true).open(path).unwrap();
    file.set_len(size).unwrap();
}

#[test]
fn a_bad_snapshot_file_is_named_and_the_others_are_listed_and_restored() {
    for size in [0, 20] {
        let place = tempfile::tempdir().unwrap();
        let path = place.path().join("repo");
        let repository = init(&path);
        let snapshots = [5, 6, 7].map(|seed| backup(&repository, seed));
        let bad = path.join("snapshots").join(&snapshots[1].id);
        truncate(&bad, size);

        let repository = open(&path);
        let listed: Vec<String> = (repository.snapshots().unwrap().into_iter())
            .map(|info| info.id)
            .collect();
        assert_eq!(listed, [snapshots[0].id.clone(), snapshots[2].id.clone()]);
        let unreadable = repository.unreadable();
        assert_eq!(unreadable.len(), 1, "{unreadable:?}");
        assert_eq!(unreadable[0].file, format!("snapshots/{}", snapshots[1].id));
        restores(&repository, &snapshots[2], 7);
        assert!(repository.snapshot("latest").is_ok());
        assert!(matches!(
            repository.snapshot(&snapshots[1].id),
            Err(Error::Damaged { .. })
        ));
        let report = repository.check(true, &mut |_, _, _| ()).unwrap();
        assert!(report.problems[0].contains(&snapshots[1].id), "{report:?}");
        assert_eq!(report.problems.len(), 1, "{report:?}");

        // The content that this snapshot needs is unknown, so nothing is removed until it is
        // forgotten.
        let lock = repository
            .lock(LockKind::Exclusive, Default::default())
            .unwrap();
        let refused = repository.prune(&lock, false, &mut |_, _, _| ());
        assert!(matches!(refused, Err(Error::NotPrunable { .. })));
        repository.forget(&[&snapshots[1].id]).unwrap();
        repository.prune(&lock, false, &mut |_, _, _| ()).unwrap();
        drop(lock);
        restores(&repository, &snapshots[0], 5);
        restic_succeeds(&path, &["check", "--read-data"]);
    }
}

#[test]
fn a_bad_index_file_is_named_and_the_packs_tell_what_it_told() {
    for size in [0, 20] {
        let place = tempfile::tempdir().unwrap();
        let path = place.path().join("repo");
        let repository = init(&path);
        let first = backup(&repository, 5);
        let second = backup(&repository, 6);
        truncate(&files(&path.join("index"))[0], size);

        let repository = open(&path);
        restores(&repository, &first, 5);
        restores(&repository, &second, 6);
        assert_eq!(repository.unreadable().len(), 1);
        assert!(
            !repository
                .check(false, &mut |_, _, _| ())
                .unwrap()
                .is_sound()
        );
        // A new backup relies on no unindexed content: restic must be able to read it.
        let third = backup(&repository, 7);
        assert!(backup(&open(&path), 7).id != third.id);

        let repository = open(&path);
        let lock = repository
            .lock(LockKind::Exclusive, Default::default())
            .unwrap();
        let refused = repository.prune(&lock, false, &mut |_, _, _| ());
        assert!(matches!(refused, Err(Error::NotPrunable { .. })));
        let dry = repository
            .repair_index(&lock, true, &mut |_, _, _| ())
            .unwrap();
        assert!(dry.changed && dry.added_packs > 0, "{dry:?}");
        let repaired = repository
            .repair_index(&lock, false, &mut |_, _, _| ())
            .unwrap();
        assert_eq!(repaired.unreadable_files, 1);
        assert_eq!(repaired.missing_packs, 0);
        drop(lock);
        assert_eq!(repository.unreadable(), []);
        for (snapshot, seed) in [(first, 5), (second, 6), (third, 7)] {
            restores(&open(&path), &snapshot, seed);
        }
        assert!(
            open(&path)
                .check(true, &mut |_, _, _| ())
                .unwrap()
                .is_sound()
        );
        restic_succeeds(&path, &["check", "--read-data"]);
    }
}

/// The same chunks in two packs, as after two concurrent backups: the second one's index lacks the
/// first one's chunks.
fn twice(path: &Path) -> [SnapshotInfo; 2] {
    let repository = init(path);
    let first = backup(&repository, 5);
    let aside = path.with_extension("aside");
    std::fs::rename(path.join("index"), &aside).unwrap();
    std::fs::create_dir(path.join("index")).unwrap();
    let second = backup(&open(path), 5);
    for file in files(&aside) {
        std::fs::rename(&file, path.join("index").join(file.file_name().unwrap())).unwrap();
    }
    assert_eq!(packs(path).len(), 4, "contents and listings twice");
    [first, second]
}

#[test]
fn a_chunk_in_two_packs_is_read_from_the_one_that_is_there_and_sound() {
    type Harm = fn(&Path);
    let harms: [(&str, Harm); 4] = [
        ("removed", |pack| std::fs::remove_file(pack).unwrap()),
        ("empty", |pack| truncate(pack, 0)),
        ("cut short", |pack| truncate(pack, 400_000)),
        ("flipped", |pack| {
            let mut content = std::fs::read(pack).unwrap();
            (0..content.len())
                .step_by(50_000)
                .for_each(|at| content[at] ^= 8);
            std::fs::write(pack, content).unwrap();
        }),
    ];
    let place = tempfile::tempdir().unwrap();
    let made = place.path().join("made");
    let snapshots = twice(&made);
    for (name, harm) in harms {
        for which in 0..2 {
            let path = place.path().join(format!("{name} {which}"));
            let copied = std::process::Command::new("cp")
                .arg("-a")
                .args([&made, &path])
                .status();
            assert!(copied.unwrap().success());
            let mut large = packs(&path);
            large.retain(|pack| pack.metadata().unwrap().len() > 100_000);
            large.sort_by_key(|pack| pack.metadata().unwrap().modified().unwrap());
            harm(&large[which]);
            let repository = open(&path);
            for snapshot in &snapshots {
                restores(&repository, snapshot, 5);
            }
            // A prune keeps the sound copy.
            let lock = repository
                .lock(LockKind::Exclusive, Default::default())
                .unwrap();
            repository.prune(&lock, false, &mut |_, _, _| ()).unwrap();
            for snapshot in &snapshots {
                restores(&repository, snapshot, 5);
            }
            let report = repository.check(true, &mut |_, _, _| ()).unwrap();
            assert!(report.is_sound(), "{name} {which}: {report:?}");
        }
    }
}

#[test]
fn a_bad_key_file_does_not_hide_the_good_one() {
    let place = tempfile::tempdir().unwrap();
    let path = place.path().join("repo");
    let repository = init(&path);
    let snapshot = backup(&repository, 5);
    for id in ["00", "ff"] {
        std::fs::write(path.join("keys").join(id.repeat(32)), b"{\"N\":32").unwrap();
    }
    let repository = open(&path);
    restores(&repository, &snapshot, 5);
    assert_eq!(repository.unreadable().len(), 2);
}
