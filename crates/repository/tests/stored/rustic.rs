//! rustic opens, checks and prunes what this crate writes, prunes and copies; this crate reads the
//! result.

use std::path::Path;

use crate::common::*;
use repository::*;
use rustic_core::{CheckOptions, Credentials, PruneOptions, RepositoryOptions};

type Rustic = rustic_core::Repository<rustic_core::OpenStatus>;

fn rustic(path: &Path) -> Rustic {
    let backends = rustic_backend::BackendOptions::default()
        .repository(path.to_str().unwrap())
        .to_backends()
        .unwrap();
    let options = RepositoryOptions::default().no_cache(true);
    let repository = rustic_core::Repository::new(&options, &backends).unwrap();
    repository.open(&Credentials::password(PASSWORD)).unwrap()
}

#[track_caller]
fn is_sound(rustic: &Rustic) {
    let found = rustic
        .check(CheckOptions::default().read_data(true))
        .unwrap();
    assert!(found.is_ok().is_ok(), "{found:?}");
}

fn backup(repository: &Repository, seeds: &[u64]) -> SnapshotInfo {
    let files = seeds
        .iter()
        .map(|seed| noise(&seed.to_string(), *seed, 100_000));
    let mut source = ListSource::new(files.collect());
    let lock = shared(repository);
    let backup = repository.backup(&lock, &request(), &mut source, &mut |_| {});
    backup.unwrap().snapshot
}

#[track_caller]
fn restores(repository: &Repository, snapshot: &SnapshotInfo, seeds: &[u64]) {
    let opened = repository.open_snapshot(snapshot).unwrap();
    for seed in seeds {
        let mut expected = Vec::new();
        std::io::Read::read_to_end(&mut Noise::new(*seed, 100_000), &mut expected).unwrap();
        assert!(opened.read(&seed.to_string(), 100_000).unwrap() == expected);
    }
}

#[test]
fn rustic_and_we_take_turns_on_one_repository() {
    let place = tempfile::tempdir().unwrap();
    let (path, other_path) = (place.path().join("repo"), place.path().join("other"));
    let (repository, other) = (init(&path), init(&other_path));
    let first = backup(&repository, &[1, 2, 3, 4]);
    let second = backup(&repository, &[1, 5]);
    let third = backup(&repository, &[2, 5, 6]);
    repository.forget(&[&first.id]).unwrap();
    let prune = |repository: &Repository| {
        let lock = repository
            .lock(LockKind::Exclusive, Default::default())
            .unwrap();
        repository.prune(&lock, false, &mut |_, _, _| ()).unwrap();
    };
    prune(&repository);
    is_sound(&rustic(&path));

    // rustic marks packs for removal first; needed content is read in both cases.
    let theirs = rustic(&path);
    theirs
        .delete_snapshots(&[second.id.parse::<rustic_core::Id>().unwrap().into()])
        .unwrap();
    for instant in [false, true] {
        let options = PruneOptions::default()
            .instant_delete(instant)
            .max_unused(rustic_core::LimitOption::Percentage(0));
        let plan = theirs.prune_plan(&options).unwrap();
        theirs.prune(&options, plan).unwrap();
        restores(&open(&path), &third, &[2, 5, 6]);
    }
    let fourth = backup(&open(&path), &[1, 6]);
    prune(&open(&path));
    is_sound(&rustic(&path));

    repository
        .copy_to(&[third, fourth], &other, &shared(&other), &mut |_, _, _| ())
        .unwrap();
    is_sound(&rustic(&other_path));
    assert_eq!(rustic(&other_path).get_all_snapshots().unwrap().len(), 2);
    let copies = other.snapshots().unwrap();
    restores(&other, &copies[0], &[2, 5, 6]);
    restores(&other, &copies[1], &[1, 6]);
}
