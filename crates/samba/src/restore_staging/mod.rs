//! The restore staging: restored files are collected there, then replace the domain controller's
//! state.
//!
//! A domain controller does not start without `private/sam.ldb`. So this file is moved away before
//! any other change, and its successor comes last, by one rename: no directory can start before the
//! rename, and only the restored one after it. In between there are only renames, too; the previous
//! files are kept aside until the end.
//!
//! ```text
//! lock           private/sam.ldb -> private/dsbackup.previous/
//! put in place   every root: previous files -> dsbackup.previous/, then restored files -> root
//!                private/sam.ldb
//! tidy           dsbackup.previous/ and the rest of dsbackup.restore/ are removed
//! ```
//!
//! Each step can be interrupted: a new attempt finds the previous files still aside. The caller
//! must know whether an earlier attempt was interrupted: it keeps a marker of its own from before
//! the lock until after the tidying.

use std::collections::BTreeSet;
use std::fs::File;
use std::io::ErrorKind;
use std::path::PathBuf;
use std::time::Duration;

mod files;
mod step;

use crate::directory;
use crate::error::{Error, Result};
use crate::installation::Installation;
use crate::lock::{self, Held, Kind};
use crate::process::Process;
use crate::state::{self, Includes, ListedKind};
use crate::tdb;
use crate::tree::Tree;
use files::{make_folder, remove, rename, sync_all, sync_folder};
use step::Step;

/// The name of the folder for restored files, in the state folder and in roots on other file
/// systems.
const STAGING: &str = "dsbackup.restore";
/// The name of the folder for a root's previous files, in that root.
const PREVIOUS: &str = "dsbackup.previous";
/// In [`PREVIOUS`]: all previous files are there, and those in the root are restored ones.
const ALL_ASIDE: &str = "dsbackup.all-aside";
/// In [`STAGING`]: only the last rename remains.
const LAST_STEP: &str = "dsbackup.last-step";
/// The file without which no domain controller starts.
const SAM: &str = "sam.ldb";

/// The restore staging of an installed domain controller.
pub struct RestoreStaging<'a> {
    installation: &'a Installation,
}

impl<'a> RestoreStaging<'a> {
    /// The restore staging of an installation.
    pub fn of(installation: &'a Installation) -> Self {
        Self { installation }
    }

    /// The folder for restored files.
    pub fn folder(&self) -> PathBuf {
        self.installation.state.join(STAGING)
    }

    /// Checks that no domain controller runs on the state, and that no tool has it open.
    ///
    /// # Errors
    /// [`Error::Running`] with the process or the lock.
    pub fn check_stopped(&self) -> Result<()> {
        let running = |reason: String| {
            Err(Error::Running(format!(
                "{}: {reason}; stop the domain controller before a restore",
                self.installation.smb_conf.display()
            )))
        };
        if directory::listens(self.installation) {
            return running(format!(
                "a domain controller answers at {}",
                self.installation.private.display()
            ));
        }
        let pid_file = self.installation.pids.join("samba.pid");
        if let Some(pid) = std::fs::read_to_string(&pid_file)
            .ok()
            .and_then(|text| text.trim().parse::<u32>().ok())
            && let Some(process) = Process::look(pid)
            && process.name.contains("samba")
            && !process.has_ended()
        {
            return running(format!("samba runs as process {pid}"));
        }
        for path in [self.installation.metadata(), self.installation.sam()] {
            if !path.exists() {
                continue;
            }
            let holders = lock::holders(&path);
            if !holders.is_empty() {
                return running(format!(
                    "{} is locked by the processes {holders:?}",
                    path.display()
                ));
            }
            Held::take(&path, tdb::TRANSACTION, Kind::Exclusive, Duration::ZERO)?;
        }
        Ok(())
    }

    /// Whether a domain controller could start from the state.
    pub fn can_start(&self) -> bool {
        self.installation.sam().exists()
    }

    /// Removes what a domain controller needs to start, durably, and makes an empty folder for
    /// restored files. `interrupted`: an earlier restore was not completed.
    ///
    /// # Errors
    /// [`Error::Running`], [`Error::Io`].
    pub fn lock(&self, interrupted: bool) -> Result<()> {
        self.check_stopped()?;
        if !interrupted {
            // Remains of a completed restore.
            self.tidy()?;
        }
        let private = &self.installation.private;
        let sam = self.installation.sam();
        if sam.exists() {
            let previous = private.join(PREVIOUS);
            make_folder(&previous)?;
            match previous.join(ALL_ASIDE).exists() {
                // This one is of the interrupted restore.
                true => remove(&sam)?,
                false => rename(&sam, &previous.join(SAM))?,
            }
            sync_folder(&previous)?;
            sync_folder(private)?;
        }
        let folder = self.folder();
        remove(&folder)?;
        make_folder(&folder)?;
        sync_folder(&self.installation.state)
    }

    /// Puts a tree into place that was verified, shaped and given a new life. Afterwards the domain
    /// controller can start.
    ///
    /// # Errors
    /// [`Error::Refused`] for a tree without a private folder; [`Error::Io`]. Then the domain
    /// controller cannot start, and the previous files are still aside.
    pub fn put(&self, tree: &Tree) -> Result<()> {
        self.check_stopped()?;
        let steps = self.steps(tree)?;
        sync_all(tree.root())?;
        for step in &steps {
            step.bring_to_its_file_system()?;
        }
        for step in &steps {
            step.set_aside(&self.not_state())?;
        }
        for step in &steps {
            step.move_in()?;
        }
        let folder = self.folder();
        let last_step = folder.join(LAST_STEP);
        File::create(&last_step)
            .and_then(|file| file.sync_all())
            .map_err(Error::io("write", &last_step))?;
        sync_folder(&folder)?;
        // From here on the domain controller can start. The private folder is the last step.
        let private = steps.last().map(Step::source);
        let private = private.unwrap_or_else(|| tree.root().join("private"));
        rename(&private.join(SAM), &self.installation.sam())?;
        sync_folder(&self.installation.private)
    }

    /// Whether a restore did its last rename, so that only the tidying remains.
    pub fn is_put(&self) -> bool {
        let folder = self.folder();
        // On another file system the private folder has a staging of its own.
        let near = self.installation.private.join(STAGING);
        folder.join(LAST_STEP).exists()
            && self.can_start()
            && ![folder.join("private"), near]
                .iter()
                .any(|staged| staged.join(SAM).exists())
    }

    /// Whether nothing of a restore is left to do or to undo: none began, or one was completed and
    /// tidied. What may be left is in the staging folder.
    ///
    /// `sam.ldb` is the first file to go aside, and the previous files are removed when its
    /// successor is there: so nothing else was changed while it is there and none of them is aside.
    pub fn is_whole(&self) -> bool {
        let has_previous = |folder: PathBuf| match std::fs::read_dir(folder) {
            Ok(mut files) => files.next().is_some(),
            // A root may be a file.
            Err(error) => !matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory),
        };
        let roots = state::roots(self.installation);
        self.can_start() && !(roots.iter()).any(|root| has_previous(root.original.join(PREVIOUS)))
    }

    /// Removes the previous files after a complete restore, and the rest of the staging.
    ///
    /// # Errors
    /// [`Error::Io`]; the domain controller can start all the same.
    pub fn tidy(&self) -> Result<()> {
        let roots = state::roots(self.installation);
        let folders = || {
            roots
                .iter()
                .map(|root| &root.original)
                .filter(|root| root.is_dir())
        };
        for root in folders() {
            remove(&root.join(PREVIOUS))?;
        }
        // The state folder's staging records the progress of the restore: it goes last.
        for root in folders().filter(|root| **root != self.installation.state) {
            remove(&root.join(STAGING))?;
        }
        remove(&self.folder())
    }

    fn not_state(&self) -> BTreeSet<PathBuf> {
        state::not_state(self.installation)
    }

    /// The names, in the folder of smb.conf, of smb.conf and of the files that it includes now.
    /// They determine where everything goes, so they stay. For a file in a subfolder this is the
    /// subfolder's name.
    fn configuration(&self) -> BTreeSet<String> {
        let smb_conf = &self.installation.smb_conf;
        let included = Includes::of(smb_conf).files;
        let files = included.iter().map(|file| &file.path).chain([smb_conf]);
        files
            .filter_map(|file| {
                let name = file
                    .strip_prefix(self.installation.configuration_folder())
                    .ok()?
                    .components()
                    .next()?;
                Some(name.as_os_str().to_string_lossy().into_owned())
            })
            .collect()
    }

    /// The roots of the snapshot that this server has, too; the private folder last.
    fn steps(&self, tree: &Tree) -> Result<Vec<Step>> {
        let mut steps = Vec::new();
        for root in state::roots(self.installation) {
            let staged = tree.root().join(&root.name);
            match staged.symlink_metadata() {
                Err(error) if error.kind() == ErrorKind::NotFound => continue,
                // A root that was a link was backed up as a link; the server's own stays.
                Ok(found) if found.is_symlink() => continue,
                found => found.map_err(Error::io("look at", &staged))?,
            };
            let spared = match root.name.as_str() {
                "etc" => self.configuration(),
                "private" => [SAM.to_owned()].into(),
                _ => BTreeSet::new(),
            };
            steps.push(Step {
                attributes: tree
                    .listing()
                    .entries
                    .iter()
                    .find(|entry| entry.path == root.name && entry.kind == ListedKind::Folder)
                    .map(|entry| entry.attributes.clone()),
                root,
                staged,
                spared,
            });
        }
        steps.sort_by_key(|step| step.root.name == "private");
        match steps.last() {
            Some(last) if last.root.name == "private" => Ok(steps),
            _ => Err(Error::Refused(
                "the restored files lack the private folder".into(),
            )),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;
    use std::collections::BTreeMap;
    use std::path::Path;

    use super::*;
    use crate::state::State;

    thread_local! {
        /// The number of renames and removals until the power fails.
        static POWER: Cell<Option<usize>> = const { Cell::new(None) };
    }

    pub(super) fn power_may_fail(path: &Path) -> Result<()> {
        match POWER.get() {
            Some(0) => Err(Error::Running(format!(
                "{}: the power failed",
                path.display()
            ))),
            left => {
                POWER.set(left.map(|left| left - 1));
                Ok(())
            }
        }
    }

    /// A server's files, all with the same content.
    fn write_server(installation: &Installation, content: &str) {
        for file in [
            "etc/smb.conf",
            "etc/lmhosts",
            "lib/private/sam.ldb",
            "lib/private/sam.ldb.d/metadata.tdb",
            "lib/private/secrets.ldb",
            "lib/registry.tdb",
            "lib/cache/gencache.tdb",
            "lib/sysvol/scripts/logon.bat",
            "ssl/key.pem",
        ] {
            let path = installation.state.parent().unwrap().join(file);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, content).unwrap();
        }
    }

    fn content(installation: &Installation) -> BTreeMap<String, String> {
        let state = State::find(installation).unwrap();
        let files = state.entries.iter().filter(|entry| entry.is_file());
        files
            .map(|entry| {
                (
                    entry.path.clone(),
                    std::fs::read_to_string(&entry.original).unwrap(),
                )
            })
            .collect()
    }

    /// The staging folder after a backup application has written its files.
    fn unpack(from: &Installation, staging: &Path) -> Tree {
        let state = State::find(from).unwrap();
        for entry in &state.entries {
            let path = staging.join(&entry.path);
            match entry.is_file() {
                true => drop(std::fs::copy(&entry.original, path).unwrap()),
                false => std::fs::create_dir_all(path).unwrap(),
            }
        }
        let listing = crate::state::Listing::example(&state);
        std::fs::write(staging.join(crate::LISTING_PATH), listing.to_json()).unwrap();
        Tree::open(staging).unwrap()
    }

    fn restore(staging: &RestoreStaging<'_>, from: &Installation, interrupted: bool) -> Result<()> {
        staging.lock(interrupted)?;
        let power = POWER.take();
        let tree = unpack(from, &staging.folder());
        POWER.set(power);
        staging.put(&tree)?;
        staging.tidy()
    }

    /// A process with the name of Samba's, and its number in Samba's PID file.
    fn samba_process(installation: &Installation, program: &str) -> std::process::Child {
        std::fs::create_dir_all(&installation.pids).unwrap();
        let samba = installation.pids.join("samba");
        // Not by this process: a child of another test, before it becomes another program, has this
        // one's files open, and what is open for writing cannot be run.
        let mut copy = std::process::Command::new("cp");
        let copied = copy.args([Path::new(program), &samba]).status();
        assert!(copied.unwrap().success());
        let process = std::process::Command::new(&samba).arg("60").spawn();
        let process = process.unwrap();
        let pid = process.id().to_string();
        std::fs::write(installation.pids.join("samba.pid"), pid).unwrap();
        process
    }

    #[test]
    fn a_server_that_has_ended_does_not_run_although_nobody_asked_how() {
        let folder = tempfile::tempdir().unwrap();
        let installation = Installation::example(folder.path());
        let staging = RestoreStaging::of(&installation);

        let mut running = samba_process(&installation, "/bin/sleep");
        let refused = staging.check_stopped().unwrap_err().to_string();
        assert!(
            refused.contains(&format!("process {}", running.id())),
            "{refused}"
        );
        running.kill().unwrap();
        running.wait().unwrap();

        let mut zombie = samba_process(&installation, "/bin/true");
        while !Process::look(zombie.id()).unwrap().has_ended() {
            std::thread::yield_now();
        }
        staging.check_stopped().unwrap();
        zombie.wait().unwrap();
    }

    #[test]
    fn a_restore_that_is_interrupted_anywhere_can_be_done_again() {
        interrupt_everywhere(|_| None);
    }

    /// The private folder is a link to another file system, or that is mounted there.
    #[test]
    fn a_private_folder_on_another_file_system_is_restored_as_well() {
        interrupt_everywhere(|state| {
            let other = tempfile::tempdir_in("/dev/shm").ok()?;
            let device = |path: &Path| platform::disk::of(path).ok();
            if device(other.path()) == device(state) {
                eprintln!("note: /dev/shm is on the same file system; skipped");
                return None;
            }
            Some(other)
        });
    }

    /// `elsewhere` may give another folder for the private one.
    fn interrupt_everywhere(elsewhere: impl Fn(&Path) -> Option<tempfile::TempDir>) {
        let backup_folder = tempfile::tempdir().unwrap();
        let backup = Installation::example(backup_folder.path());
        write_server(&backup, "restored");
        let mut steps = 0;
        loop {
            let folder = tempfile::tempdir().unwrap();
            let mut server = Installation::example(folder.path());
            std::fs::create_dir_all(&server.state).unwrap();
            let private = elsewhere(&server.state);
            if let Some(private) = &private {
                std::os::unix::fs::symlink(private.path(), &server.private).unwrap();
                server.private = private.path().into();
            }
            write_server(&server, "previous");
            let staging = RestoreStaging::of(&server);
            POWER.set(Some(steps));
            let restored = restore(&staging, &backup, false);
            POWER.set(None);
            let is_done = restored.is_ok();
            if !is_done {
                let is_untouched = content(&server)
                    .values()
                    .all(|content| content == "previous");
                let rest = staging.is_put();
                assert!(
                    !staging.can_start()
                        || rest
                        || (is_untouched && content(&server).contains_key("private/sam.ldb")),
                    "after {steps} steps a domain controller could start from a mixture"
                );
                // Nothing of the previous state is lost before the end.
                let kept = server.private.join(PREVIOUS).join(SAM);
                let kept = std::fs::read_to_string(kept).is_ok_and(|content| content == "previous");
                assert!(
                    kept || rest || is_untouched,
                    "after {steps} steps the previous state is gone"
                );
                // Whoever finds it knows whether it is of use.
                let is_whole = staging.is_whole();
                assert_eq!(staging.can_start(), rest || is_whole, "after {steps} steps");
                match rest || (is_whole && !is_untouched) {
                    true => staging.tidy().unwrap(),
                    false => restore(&staging, &backup, !is_whole).unwrap(),
                }
            }
            assert!(staging.can_start());
            for (path, content) in content(&server) {
                let expected = if path == "etc/smb.conf" {
                    "previous"
                } else {
                    "restored"
                };
                assert_eq!(content, expected, "{path} after {steps} steps");
            }
            let cache = std::fs::read_to_string(server.cache.join("gencache.tdb")).unwrap();
            assert_eq!(cache, "previous", "caches are no part of the state");
            for root in state::roots(&server) {
                for own in [PREVIOUS, STAGING] {
                    assert!(!root.original.join(own).exists());
                }
            }
            if is_done {
                break;
            }
            steps += 1;
        }
        println!("interrupted after each of {steps} steps");
        assert!(steps > 15);
    }

    /// smb.conf stays, so the files that it includes stay, too, wherever they are: those of another
    /// point in time would not fit.
    #[test]
    fn what_smb_conf_includes_stays_as_it_is() {
        let (backup_folder, folder) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let files = ["etc/shares.conf", "etc/more/a.conf", "elsewhere/b.conf"];
        let [backup, server] =
            [(&backup_folder, "restored"), (&folder, "previous")].map(|(folder, content)| {
                let folder = folder.path().canonicalize().unwrap();
                let server = Installation::example(&folder);
                write_server(&server, content);
                let mut smb_conf = format!("# {content}\n");
                for file in files {
                    let path = folder.join(file);
                    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
                    std::fs::write(&path, content).unwrap();
                    smb_conf += &format!("include = {}\n", path.display());
                }
                std::fs::write(&server.smb_conf, smb_conf).unwrap();
                server
            });
        std::fs::write(backup.configuration_folder().join("hosts"), "restored").unwrap();
        // One of the included files is gone, and one came later.
        std::fs::remove_file(server.configuration_folder().join(&files[0][4..])).unwrap();
        let later = server.configuration_folder().join("later.conf");
        std::fs::write(&later, "previous").unwrap();
        let mut smb_conf = std::fs::read_to_string(&server.smb_conf).unwrap();
        smb_conf += &format!("include = {}\n", later.display());
        std::fs::write(&server.smb_conf, &smb_conf).unwrap();
        restore(&RestoreStaging::of(&server), &backup, false).unwrap();
        let read = |file: &str| {
            let path = server.state.parent().unwrap().join(file);
            std::fs::read_to_string(path).unwrap()
        };
        assert_eq!(read("etc/smb.conf"), smb_conf);
        for (file, content) in [
            ("etc/later.conf", "previous"),
            ("etc/more/a.conf", "previous"),
            ("elsewhere/b.conf", "previous"),
            ("etc/shares.conf", "restored"),
            ("etc/hosts", "restored"),
            ("lib/private/sam.ldb", "restored"),
        ] {
            assert_eq!(read(file), content, "{file}");
        }
        assert!(!server.state.join("include-1").exists());
    }

    #[test]
    fn a_wiped_server_gets_everything() {
        let (backup_folder, folder) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let backup = Installation::example(backup_folder.path());
        write_server(&backup, "restored");
        let server = Installation::example(folder.path());
        std::fs::create_dir_all(&server.state).unwrap();
        restore(&RestoreStaging::of(&server), &backup, false).unwrap();
        let mut expected = content(&backup);
        expected.remove("etc/smb.conf");
        std::fs::create_dir_all(server.configuration_folder()).unwrap();
        assert_eq!(content(&server), expected);
    }
}
