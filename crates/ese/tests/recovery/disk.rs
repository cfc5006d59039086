//! Recovery in place on a disk that is too small leaves nothing half done. Mounts a small tmpfs,
//! which needs root.

use std::path::{Path, PathBuf};
use std::process::Command;

use crate::common::{back_to_creation, contents, dump};
use ese::recovery::{Error, Options, recover};

/// A small tmpfs, unmounted when dropped.
struct SmallDisk(PathBuf);

impl SmallDisk {
    fn mount(path: &Path, kib: u64) -> Option<Self> {
        std::fs::create_dir_all(path).unwrap();
        let mounted = Command::new("mount")
            .args(["-t", "tmpfs", "-o", &format!("size={kib}k"), "tmpfs"])
            .arg(path)
            .stderr(std::process::Stdio::null())
            .status();
        let is_mounted = mounted.is_ok_and(|status| status.success());
        is_mounted.then(|| SmallDisk(path.to_path_buf()))
    }

    fn resize(&self, kib: u64) {
        let resized = Command::new("mount")
            .args(["-o", &format!("remount,size={kib}k")])
            .arg(&self.0)
            .status();
        assert!(resized.unwrap().success());
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("-l").arg(&self.0).status();
    }
}

#[test]
fn a_full_disk_leaves_the_database_as_it_was_or_a_journal_that_completes_it() {
    // Everything since the creation must be replayed, so the file grows to its whole size.
    let source = testkit::find("sample-forest/dirty").unwrap().unpack();
    let (database, page) = back_to_creation(source.path(), 0).unwrap();
    std::fs::write(&database, [&page[..], &page[..]].concat()).unwrap();
    let out = tempfile::tempdir().unwrap();
    let whole = recover(Options::new(source.path()).into_folder(out.path())).unwrap();
    let expected = dump(&whole.database);

    let place = tempfile::tempdir().unwrap();
    let (mut refused, mut completed) = (0, 0);
    for room in (512..).step_by(1024) {
        let Some(disk) = SmallDisk::mount(place.path(), 64 << 10) else {
            println!("note: no small file system can be mounted here; skipped");
            return;
        };
        for path in contents(source.path()).into_keys() {
            std::fs::copy(&path, disk.0.join(path.file_name().unwrap())).unwrap();
        }
        let before = contents(&disk.0);
        let files = std::fs::read_dir(&disk.0).unwrap();
        let used: u64 = files
            .map(|file| file.unwrap().metadata().unwrap().len().div_ceil(4096) * 4)
            .sum();
        disk.resize(used + room);
        let options = || {
            Options::new(&disk.0)
                .archive_logs(true)
                .cache_bytes(1 << 20)
        };
        match recover(options()) {
            Err(Error::Write { .. } | Error::Read(_)) => {
                assert_eq!(contents(&disk.0), before, "{room}: nothing is left");
                refused += 1;
            }
            Err(Error::Incomplete { .. }) => {
                let to_a_copy = recover(Options::new(&disk.0).into_folder(out.path().join("x")));
                assert!(to_a_copy.is_err(), "{room}: it is not taken for a database");
                disk.resize(64 << 10);
                let summary = recover(options()).unwrap();
                assert!(summary.completed_earlier && summary.logs_archived.is_some());
                assert!(dump(&summary.database) == expected);
                completed += 1;
            }
            Err(error) => panic!("{room}: {error}"),
            Ok(summary) => {
                assert!(dump(&summary.database) == expected);
                break;
            }
        }
    }
    println!("{refused} refused, {completed} completed later");
    assert!(refused > 0 && completed > 0);
}
