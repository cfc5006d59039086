//! After any failure of a backup there is no snapshot of it, and the next backup works.

use std::io::{self, Read};
use std::path::Path;
use std::process::Command;
use std::time::{Duration, SystemTime};

use crate::common::*;
use repository::*;

/// An error of the caller's own.
#[derive(Debug, thiserror::Error)]
#[error("page 17 is bad")]
struct BadPage;

/// Yields noise, then fails.
struct Failing(Noise);

impl Read for Failing {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match self.0.read(buffer)? {
            0 => Err(io::Error::other(BadPage)),
            count => Ok(count),
        }
    }
}

#[track_caller]
fn fails(path: &Path, files: Vec<SourceFile<'static>>) -> Error {
    let repository = open(path);
    let before = repository.snapshots().unwrap().len();
    let error = repository
        .backup(
            &shared(&repository),
            &request(),
            &mut ListSource::new(files),
            &mut |_| {},
        )
        .expect_err("the backup fails");
    assert_eq!(repository.snapshots().unwrap().len(), before, "{error}");
    error
}

#[track_caller]
fn works_again(path: &Path) {
    let repository = open(path);
    let files = vec![noise("a", 1, 20 << 20), noise("b", 2, 5 << 20)];
    repository
        .backup(
            &shared(&repository),
            &request(),
            &mut ListSource::new(files),
            &mut |_| {},
        )
        .unwrap();
    assert_eq!(
        repository.check(true, &mut |_, _, _| ()).unwrap().problems,
        Vec::<String>::new()
    );
    restic_succeeds(path, &["check", "--read-data"]);
}

#[test]
fn an_error_of_the_source_comes_back_as_it_was() {
    let place = tempfile::tempdir().unwrap();
    let path = place.path().join("repo");
    init(&path);
    for good in [0, 100, 1 << 20, 40 << 20] {
        let failing = Failing(Noise::new(5, good));
        let error = fails(
            &path,
            vec![
                noise("a", 1, 3 << 20),
                file("b", good + 10, failing),
                noise("c", 2, 10),
            ],
        );
        let Error::Source(error) = error else {
            panic!("{error}")
        };
        assert!(error.is::<BadPage>());
    }
    works_again(&path);
}

#[test]
fn a_file_of_another_size_than_announced_ends_the_backup() {
    let place = tempfile::tempdir().unwrap();
    let path = place.path().join("repo");
    init(&path);
    for (announced, actual) in [
        (10, 9),
        (10, 11),
        (0, 1),
        (1, 0),
        (1 << 20, 1),
        (5, 80 << 20),
    ] {
        let error = fails(&path, vec![file("a", announced, Noise::new(3, actual))]);
        assert!(
            matches!(error, Error::Size { .. }),
            "{announced} {actual}: {error}"
        );
    }
    works_again(&path);
}

#[test]
fn a_path_given_twice_ends_the_backup() {
    let place = tempfile::tempdir().unwrap();
    let path = place.path().join("repo");
    init(&path);
    let error = fails(&path, vec![noise("a", 1, 10), noise("a", 2, 10)]);
    assert!(matches!(error, Error::Path { .. }), "{error}");
    let error = fails(&path, vec![noise("../a", 1, 10)]);
    assert!(matches!(error, Error::Path { .. }), "{error}");
}

struct Unmount<'a>(&'a Path);

impl Drop for Unmount<'_> {
    fn drop(&mut self) {
        let status = Command::new("umount").arg("-l").arg(self.0).status();
        assert!(status.is_ok_and(|status| status.success()), "umount");
    }
}

#[test]
fn a_full_disk_leaves_no_snapshot() {
    let place = tempfile::tempdir().unwrap();
    let disk = place.path().join("disk");
    std::fs::create_dir(&disk).unwrap();
    let mounted = Command::new("mount")
        .args(["-t", "tmpfs", "-o", "size=48m", "dsbackup-test"])
        .arg(&disk)
        .output();
    if !mounted.is_ok_and(|output| output.status.success()) {
        eprintln!("note: mounting a small tmpfs needs root; the full disk is not tested");
        return;
    }
    let _unmount = Unmount(&disk);
    let path = disk.join("repo");
    init(&path);
    let error = fails(&path, vec![noise("a", 9, 200 << 20)]);
    let text = error.to_string();
    assert!(text.contains("No space left on device"), "{text}");
    // The content stored by the failed backup is not indexed yet; `restic prune` would remove it.
    packs(&path)
        .iter()
        .for_each(|pack| std::fs::remove_file(pack).unwrap());
    works_again(&path);
}

/// Changes the repository when half of it is read.
struct Meanwhile<F>(Noise, u64, Option<F>);

impl<F: FnOnce()> Read for Meanwhile<F> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.0.read(buffer)?;
        self.1 = self.1.saturating_sub(count as u64);
        if self.1 == 0
            && let Some(act) = self.2.take()
        {
            act();
        }
        Ok(count)
    }
}

#[test]
fn a_repository_that_vanishes_is_not_made_anew() {
    let place = tempfile::tempdir().unwrap();
    let path = place.path().join("repo");
    let away = place.path().join("away");
    let size = 100 << 20;
    for act in ["rename", "remove", "replace", "last moment"] {
        init(&path);
        let repository = open(&path);
        let (from, to) = (path.clone(), away.clone());
        let half = if act == "last moment" { size } else { size / 2 };
        let content = Meanwhile(
            Noise::new(4, size),
            half,
            Some(move || match act {
                // A pack may be written after the files were removed and before their folder is.
                "remove" => while std::fs::remove_dir_all(&from).is_err() {},
                "replace" => {
                    std::fs::rename(&from, &to).unwrap();
                    init(&from);
                }
                _ => std::fs::rename(&from, &to).unwrap(),
            }),
        );
        let mut source = ListSource::new(vec![file("a", size, content)]);
        let error = repository
            .backup(&shared(&repository), &request(), &mut source, &mut |_| {})
            .expect_err(act);
        let text = error.to_string();
        // While the folders are removed one by one, a pack may find its own gone first.
        let is_half_removed = act == "remove" && text.contains("No such file or directory");
        assert!(
            text.contains("gone") || text.contains("replaced") || is_half_removed,
            "{act}: {text}"
        );
        if act == "replace" {
            assert!(packs(&path).is_empty(), "nothing is written into the other");
            std::fs::remove_dir_all(&path).unwrap();
        }
        assert!(!path.exists(), "{act}");
        if away.exists() {
            std::fs::rename(&away, &path).unwrap();
            assert_eq!(open(&path).snapshots().unwrap().len(), 0);
            // The backup's lock was moved away with the repository, and its process still runs.
            open(&path).unlock(true).unwrap();
            works_again(&path);
            std::fs::remove_dir_all(&path).unwrap();
        }
    }
}

#[test]
fn a_pack_that_vanishes_meanwhile_is_noticed_and_stored_again() {
    let place = tempfile::tempdir().unwrap();
    let path = place.path().join("repo");
    init(&path);
    works_again(&path);
    let victim = packs(&path)
        .into_iter()
        .max_by_key(|pack| pack.metadata().unwrap().len())
        .unwrap();
    let kept = std::fs::read(&victim).unwrap();
    let gone = victim.clone();
    let content = Meanwhile(
        Noise::new(1, 20 << 20),
        10 << 20,
        Some(move || std::fs::remove_file(gone).unwrap()),
    );
    let error = fails(&path, vec![file("a", 20 << 20, content)]);
    assert!(error.to_string().contains("vanished"), "{error}");

    // Now it is missing from the start: its content counts as not stored.
    let repository = open(&path);
    let files = vec![noise("a", 1, 20 << 20)];
    let backup = repository
        .backup(
            &shared(&repository),
            &request(),
            &mut ListSource::new(files),
            &mut |_| {},
        )
        .unwrap();
    assert!(backup.new_bytes > 10 << 20);
    let snapshot = repository.open_snapshot(&backup.snapshot).unwrap();
    let mut content = Vec::new();
    let mut expected = Vec::new();
    Noise::new(1, 20 << 20).read_to_end(&mut expected).unwrap();
    std::fs::write(&victim, kept).unwrap();
    snapshot
        .open("a")
        .unwrap()
        .read_to_end(&mut content)
        .unwrap();
    assert!(content == expected);
}

#[test]
fn a_flipped_bit_is_found_by_check_and_by_reading() {
    let place = tempfile::tempdir().unwrap();
    let path = place.path().join("repo");
    init(&path);
    works_again(&path);
    let victim = packs(&path)
        .into_iter()
        .max_by_key(|pack| pack.metadata().unwrap().len())
        .unwrap();
    let name = victim.file_name().unwrap().to_str().unwrap().to_string();
    let kept = std::fs::read(&victim).unwrap();
    let mut flipped = kept.clone();
    flipped[5_000_000] ^= 4;
    for (what, damaged) in [
        ("a flipped bit", &flipped[..]),
        ("a cut end", &kept[..1_000_000]),
    ] {
        std::fs::write(&victim, damaged).unwrap();
        let repository = open(&path);
        let report = repository.check(true, &mut |_, _, _| ()).unwrap();
        assert!(!report.is_sound(), "{what}");
        assert!(
            report.problems.iter().any(|text| text.contains(&name[..8])),
            "{report:?}"
        );
        let snapshot = repository
            .open_snapshot(&repository.snapshot("latest").unwrap())
            .unwrap();
        let error = ["a", "b"]
            .iter()
            .find_map(|path| io::copy(&mut snapshot.open(path).unwrap(), &mut io::sink()).err())
            .expect(what);
        assert!(error.to_string().contains(&name), "{what}: {error}");
    }
    std::fs::remove_file(&victim).unwrap();
    let repository = open(&path);
    assert!(
        !repository
            .check(false, &mut |_, _, _| ())
            .unwrap()
            .is_sound(),
        "a missing pack"
    );
    std::fs::write(&victim, kept).unwrap();
    assert!(
        repository
            .check(true, &mut |_, _, _| ())
            .unwrap()
            .is_sound()
    );
}

#[test]
fn two_backups_at_once_both_succeed() {
    let place = tempfile::tempdir().unwrap();
    let path = place.path().join("repo");
    init(&path);
    std::thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                let files = vec![noise("a", 1, 30 << 20), noise("b", 6, 5 << 20)];
                let repository = open(&path);
                repository
                    .backup(
                        &shared(&repository),
                        &request(),
                        &mut ListSource::new(files),
                        &mut |_| {},
                    )
                    .unwrap();
            });
        }
    });
    assert_eq!(open(&path).snapshots().unwrap().len(), 2);
    restic_succeeds(&path, &["check", "--read-data"]);
    assert!(
        open(&path)
            .check(true, &mut |_, _, _| ())
            .unwrap()
            .is_sound()
    );
}

#[test]
fn what_a_killed_backup_left_is_removed_after_a_day() {
    let place = tempfile::tempdir().unwrap();
    let path = place.path().join("repo");
    init(&path);
    let old = path.join("data/00").join(format!("{:064}-tmp-17-0", 0));
    let new = path.join("data/01").join(format!("{:064}-tmp-17-0", 1));
    for file in [&old, &new] {
        std::fs::write(file, b"half a pack").unwrap();
    }
    let two_days_ago = SystemTime::now() - Duration::from_secs(2 * 24 * 60 * 60);
    let file = std::fs::File::options().write(true).open(&old).unwrap();
    file.set_modified(two_days_ago).unwrap();
    works_again(&path);
    assert!(!old.exists());
    assert!(new.exists(), "it may be another backup's that is running");
}

#[test]
fn a_snapshot_that_cannot_be_read_is_named_and_passed_over() {
    let place = tempfile::tempdir().unwrap();
    let path = place.path().join("repo");
    init(&path);
    works_again(&path);
    works_again(&path);
    let repository = open(&path);
    let [sound, broken] = &repository.snapshots().unwrap()[..] else {
        panic!("two snapshots")
    };
    let file = path.join("snapshots").join(&broken.id);
    let content = std::fs::read(&file).unwrap();
    std::fs::write(&file, &content[..content.len() / 2]).unwrap();
    assert_eq!(repository.snapshot("latest").unwrap().id, sound.id);
    let unreadable = repository.unreadable();
    assert_eq!(unreadable.len(), 1);
    assert!(unreadable[0].file.contains(&broken.id), "{unreadable:?}");
    assert!(repository.snapshot(&broken.id).is_err());
    assert_eq!(repository.snapshot(&sound.id).unwrap().id, sound.id);
}
