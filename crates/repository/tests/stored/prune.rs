//! Removing content that no snapshot needs, and copying snapshots.

use std::path::Path;

use crate::common::*;
use repository::*;

fn backup(repository: &Repository, files: Vec<SourceFile<'static>>) -> SnapshotInfo {
    let lock = repository
        .lock(LockKind::Shared, Default::default())
        .unwrap();
    let mut source = ListSource::new(files);
    let backup = repository.backup(&lock, &request(), &mut source, &mut |_| {});
    backup.unwrap().snapshot
}

/// Parts with different seeds, one after another.
fn pieces(seeds: &[u64]) -> Vec<SourceFile<'static>> {
    let name = |index| format!("piece-{index:03}");
    let pieces = seeds.iter().enumerate();
    pieces
        .map(|(index, seed)| noise(&name(index), *seed, 64 << 10))
        .collect()
}

#[track_caller]
fn restores(repository: &Repository, snapshot: &SnapshotInfo, seeds: &[u64]) {
    let opened = repository.open_snapshot(snapshot).unwrap();
    assert_eq!(opened.files().count(), seeds.len());
    for (file, seed) in opened.files().zip(seeds) {
        let mut expected = Vec::new();
        std::io::Read::read_to_end(&mut Noise::new(*seed, 64 << 10), &mut expected).unwrap();
        assert!(opened.read(&file.path, 64 << 10).unwrap() == expected);
    }
}

fn size(path: &Path) -> u64 {
    packs(path)
        .iter()
        .map(|pack| pack.metadata().unwrap().len())
        .sum()
}

fn prune(repository: &Repository) -> PruneReport {
    let lock = repository
        .lock(LockKind::Exclusive, Default::default())
        .unwrap();
    repository.prune(&lock, false, &mut |_, _, _| ()).unwrap()
}

#[test]
fn what_no_snapshot_needs_goes_and_the_rest_stays() {
    let place = tempfile::tempdir().unwrap();
    let path = place.path().join("repo");
    let repository = init(&path);
    let old: Vec<u64> = (0..100).collect();
    let new: Vec<u64> = (0..100)
        .map(|n| if n % 2 == 0 { n } else { 1000 + n })
        .collect();
    let first = backup(&repository, pieces(&old));
    let second = backup(&repository, pieces(&new));
    let before = size(&path);
    let idle = prune(&repository);
    assert_eq!((idle.freed_bytes, idle.rewritten_packs), (0, 0));
    assert_eq!(size(&path), before);

    repository.forget(&[&first.id]).unwrap();
    let lock = repository
        .lock(LockKind::Exclusive, Default::default())
        .unwrap();
    let dry = repository.prune(&lock, true, &mut |_, _, _| ()).unwrap();
    drop(lock);
    assert_eq!(size(&path), before, "a dry run changes nothing");
    let report = prune(&repository);
    assert_eq!(report.freed_bytes, dry.freed_bytes);
    assert_eq!(report.rewritten_packs, 1, "{report:?}");
    let freed = before - size(&path);
    assert!(freed > 49 * (64 << 10), "half of the first backup: {freed}");
    restores(&open(&path), &second, &new);
    assert!(
        repository
            .check(true, &mut |_, _, _| ())
            .unwrap()
            .is_sound()
    );
    restic_succeeds(&path, &["check", "--read-data"]);
    assert_eq!(prune(&open(&path)).freed_bytes, 0, "once is enough");
    // Rewritten content is recognized.
    backup(&open(&path), pieces(&new));
    assert!(size(&path) < before - freed + 50_000);

    let all: Vec<String> = (repository.snapshots().unwrap().into_iter())
        .map(|s| s.id)
        .collect();
    let all: Vec<&str> = all.iter().map(String::as_str).collect();
    repository.forget(&all).unwrap();
    prune(&repository);
    assert_eq!(packs(&path).len(), 0);
    restic_succeeds(&path, &["check"]);
}

#[test]
fn a_backup_cut_short_is_tidied_up() {
    let place = tempfile::tempdir().unwrap();
    let path = place.path().join("repo");
    let repository = init(&path);
    let kept = backup(&repository, pieces(&[1, 2, 3]));
    let lost = backup(&repository, pieces(&[4, 5, 6]));
    // Neither its snapshot nor its index was written.
    repository.forget(&[&lost.id]).unwrap();
    let mut index: Vec<_> = std::fs::read_dir(path.join("index"))
        .unwrap()
        .flatten()
        .collect();
    index.sort_by_key(|file| file.metadata().unwrap().modified().unwrap());
    std::fs::remove_file(index[1].path()).unwrap();
    let report = prune(&open(&path));
    assert_eq!(report.removed_packs, 2, "{report:?}");
    restores(&open(&path), &kept, &[1, 2, 3]);
    restic_succeeds(&path, &["check", "--read-data"]);
}

#[test]
fn restic_prunes_what_we_wrote_and_we_prune_what_restic_wrote() {
    let place = tempfile::tempdir().unwrap();
    let path = place.path().join("repo");
    if restic(&path, &["init"]).is_none() {
        return;
    }
    let folder = place.path().join("folder");
    std::fs::create_dir(&folder).unwrap();
    for round in 0..3 {
        std::fs::write(folder.join("file"), vec![round; 3_000_000]).unwrap();
        std::fs::write(folder.join(format!("only-{round}")), [round; 70_000]).unwrap();
        restic_succeeds(&path, &["backup", folder.to_str().unwrap()]);
    }
    let ours = backup(&open(&path), pieces(&[1, 2]));
    restic_succeeds(&path, &["forget", "--keep-last", "1"]);
    prune(&open(&path));
    restic_succeeds(&path, &["check", "--read-data"]);
    let target = place.path().join("restored");
    restic_succeeds(
        &path,
        &[
            "restore",
            "latest",
            "--host",
            "dc1",
            "--target",
            target.to_str().unwrap(),
        ],
    );
    restores(&open(&path), &ours, &[1, 2]);
    restic_succeeds(&path, &["prune"]);
    restores(&open(&path), &ours, &[1, 2]);
}

#[test]
fn a_copy_has_another_key_and_the_same_content() {
    let place = tempfile::tempdir().unwrap();
    let (path, other_path) = (place.path().join("repo"), place.path().join("other"));
    let (repository, other) = (init(&path), init(&other_path));
    let first = backup(&repository, pieces(&[1, 2, 3]));
    let second = backup(&repository, pieces(&[1, 2, 4]));
    let copy = |chosen: &[SnapshotInfo]| {
        let lock = other.lock(LockKind::Shared, Default::default()).unwrap();
        repository
            .copy_to(chosen, &other, &lock, &mut |_, _, _| ())
            .unwrap()
    };
    let one = copy(std::slice::from_ref(&first));
    assert_eq!(one.copied.len(), 1);
    let two = copy(&[first.clone(), second.clone()]);
    assert_eq!((two.copied.len(), two.had.len()), (1, 1));
    assert!(
        two.stored_bytes < 2 * (64 << 10),
        "{two:?}: one piece is new"
    );
    assert_eq!(copy(&[first.clone(), second.clone()]).stored_bytes, 0);
    let copies = open(&other_path).snapshots().unwrap();
    assert_eq!(copies.len(), 2);
    for (copy, original, seeds) in [
        (&copies[0], &first, [1, 2, 3]),
        (&copies[1], &second, [1, 2, 4]),
    ] {
        assert_eq!(copy.original.as_ref(), Some(&original.id));
        assert_eq!((copy.time, &copy.host), (original.time, &original.host));
        restores(&other, copy, &seeds);
    }
    restic_succeeds(&other_path, &["check", "--read-data"]);

    // A damaged snapshot is omitted and reported.
    let third = backup(&repository, pieces(&[1, 5]));
    let mut newest = packs(&path);
    newest.sort_by_key(|pack| pack.metadata().unwrap().modified().unwrap());
    newest.retain(|pack| pack.metadata().unwrap().len() > 60_000);
    let newest = newest.last().unwrap();
    let mut content = std::fs::read(newest).unwrap();
    content[1000] ^= 1;
    std::fs::write(newest, content).unwrap();
    let fourth = backup(&repository, pieces(&[2, 3]));
    let report = copy(&[third.clone(), fourth.clone()]);
    assert_eq!(report.copied.len(), 1, "{report:?}");
    assert_eq!(report.damaged[0].0.id, third.id);
    assert_eq!(open(&other_path).snapshots().unwrap().len(), 3);
}
