//! Repositories over SFTP, with OpenSSH's server: a file is complete or absent, even if the server
//! fails.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use crate::common::*;
use repository::*;
use sha2::{Digest, Sha256};

const SERVER: &str = "/usr/lib/openssh/sftp-server";

/// A folder that a server serves.
struct Place {
    folder: tempfile::TempDir,
}

impl Place {
    /// `None`, with a note, if OpenSSH's server is not installed.
    fn new() -> Option<Self> {
        if !Path::new(SERVER).exists() {
            eprintln!("note: {SERVER} is not installed; repositories behind SFTP are not tested");
            return None;
        }
        Some(Self {
            folder: tempfile::tempdir().unwrap(),
        })
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn location(&self) -> String {
        format!("sftp:here:{}", self.path("deep/repo").display())
    }

    /// The command of a server with these arguments, which records its process.
    fn server(&self, arguments: &str) -> String {
        let pid = self.path("pid");
        format!("echo $$ > {}; exec {SERVER} {arguments}", pid.display())
    }

    fn open(&self, options: &BTreeMap<String, String>) -> Result<Repository, Error> {
        let location = Location::parse(&self.location()).unwrap();
        Repository::open(&location, &Password::new(PASSWORD), options)
    }

    /// Checks that every file of the repository has the SHA-256 in its name. With
    /// `temporary_allowed` temporary files may exist, too.
    fn assert_whole(&self, temporary_allowed: bool) {
        for kind in ["data", "index", "snapshots", "keys", "locks"] {
            for file in files_below(&self.path("deep/repo").join(kind)) {
                let name = file.file_name().unwrap().to_str().unwrap().to_string();
                let sum = Sha256::digest(std::fs::read(&file).unwrap());
                let sum: String = sum.iter().map(|byte| format!("{byte:02x}")).collect();
                let is_temporary = name.contains("-tmp-");
                assert!(
                    name == sum || (is_temporary && temporary_allowed),
                    "{kind}/{name} is half a file"
                );
            }
        }
    }
}

fn files_below(folder: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path());
    let (folders, mut files): (Vec<_>, Vec<_>) = entries.partition(|path| path.is_dir());
    files.extend(folders.iter().flat_map(|folder| files_below(folder)));
    files
}

fn options(command: &str) -> BTreeMap<String, String> {
    BTreeMap::from([("command".to_string(), command.to_string())])
}

#[test]
fn a_server_keeps_a_repository_and_nothing_of_the_connection_is_left() {
    let Some(place) = Place::new() else { return };
    round_trip(&place.location(), &options(&place.server("")));
    place.assert_whole(false);
    let pid = std::fs::read_to_string(place.path("pid")).unwrap();
    assert!(
        !Path::new("/proc").join(pid.trim()).exists(),
        "the server runs on"
    );
    restic_succeeds(&place.path("deep/repo"), &["check", "--read-data"]);
}

#[test]
fn a_server_that_offers_less_keeps_a_repository_but_promises_nothing() {
    let Some(place) = Place::new() else { return };
    let less = options(&place.server("-P fsync,posix-rename,limits"));
    round_trip(&place.location(), &less);
    place.assert_whole(false);
    let promised = |options| place.open(options).unwrap().durability();
    assert!(matches!(promised(&less), Durability::NotPromised(_)));
    assert_eq!(promised(&options(&place.server(""))), Durability::Promised);
}

#[test]
fn what_a_killed_program_left_is_removed_after_a_day() {
    let Some(place) = Place::new() else { return };
    let server = options(&place.server(""));
    round_trip(&place.location(), &server);
    let old = place
        .path("deep/repo/data/00")
        .join(format!("{:064}-tmp-17-0", 0));
    let new = place
        .path("deep/repo/data/01")
        .join(format!("{:064}-tmp-17-0", 1));
    for file in [&old, &new] {
        std::fs::write(file, b"half a pack").unwrap();
    }
    let two_days_ago = SystemTime::now() - Duration::from_secs(2 * 24 * 60 * 60);
    let file = std::fs::File::options().write(true).open(&old).unwrap();
    file.set_modified(two_days_ago).unwrap();
    back_up(&place.open(&server).unwrap(), 5).unwrap();
    assert!(!old.exists());
    assert!(new.exists(), "it may be another backup's that is running");
}

const SIZE: u64 = 5 << 20;

fn back_up(repository: &Repository, seed: u64) -> Result<Backup, Error> {
    let lock = repository.lock(LockKind::Shared, Duration::ZERO)?;
    let files = vec![noise("database", seed, SIZE), noise("log", seed + 1000, 10)];
    repository.backup(&lock, &request(), &mut ListSource::new(files), &mut |_| {})
}

#[test]
fn a_server_killed_at_twenty_points_of_a_backup() {
    let Some(place) = Place::new() else { return };
    let sound = options(&place.server(""));
    let location = Location::parse(&place.location()).unwrap();
    let password = Password::new(PASSWORD);
    Repository::init(&location, &password, &InitOptions::default(), &sound).unwrap();
    let (used, pid) = (place.path("used"), place.path("pid"));
    let (mut failed, mut survived, mut expected) = (0, 0, 0);
    for point in 1..=20u64 {
        // The number of bytes after which the server is gone: killed, or disconnected.
        let bytes = 1000 + point * point * (SIZE + 100_000) / 400;
        let kill = match point % 2 {
            0 => format!("kill -9 $(cat {})", pid.display()),
            _ => "true".to_string(),
        };
        let first = format!(
            "{{ stdbuf -o0 head -c {bytes}; {kill}; }} | sh -c '{}'",
            place.server("")
        );
        let command = format!(
            "if [ -e {used} ]; then exec {SERVER}; fi; : > {used}; {first}",
            used = used.display()
        );
        let mut dying = options(&command);
        let goes_on = point % 4 < 2;
        if !goes_on {
            dying.insert("retry".to_string(), "0".to_string());
        }
        let result = place
            .open(&dying)
            .and_then(|repository| back_up(&repository, point));
        assert!(used.exists());
        let _ = std::fs::remove_file(&used);
        match result {
            Ok(_) => survived += 1,
            Err(error) => {
                assert!(!goes_on, "after {bytes} bytes: {error}");
                failed += 1;
            }
        }
        place.assert_whole(true);
        // Then everything works again.
        let repository = place.open(&sound).unwrap();
        // The killed connection could not remove the lock of this process, which still runs.
        repository.unlock(true).unwrap();
        let before = repository.snapshots().unwrap().len();
        back_up(&repository, point).unwrap();
        assert_eq!(repository.snapshots().unwrap().len(), before + 1);
        expected += 1;
        assert!(before + 1 >= expected);
    }
    println!("{survived} backups went on over a new connection, {failed} failed");
    assert!(survived >= 10 && failed >= 5);
    let repository = place.open(&sound).unwrap();
    assert!(
        repository
            .check(true, &mut |_, _, _| ())
            .unwrap()
            .is_sound()
    );
    restic_succeeds(&place.path("deep/repo"), &["check", "--read-data"]);
}
