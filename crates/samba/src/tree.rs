//! The files of a snapshot, unpacked: verifies them, restores their attributes, reads their
//! identity, and begins a new life.
//!
//! Only Samba's own libraries read or change the content of the databases. They get a configuration
//! of their own, which keeps all their effects in the folder.

use std::collections::BTreeSet;
use std::ffi::OsStr;
use std::fs::File;
use std::io::{ErrorKind, Write};
use std::path::{Path, PathBuf};
use std::time::Duration;

use files::Folder;
use ids::{DomainSid, Guid};
use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};
use crate::installation::Installation;
use crate::state::{LISTING_PATH, ListedEntry, ListedKind, Listing};
use crate::{lmdb, tdb, tools};

/// The time limit of a script on Samba's libraries.
const SCRIPT_LIMIT: Duration = Duration::from_secs(600);

/// The configuration for Samba's libraries.
const CONFIGURATION_PATH: &str = "dsbackup.smb.conf";
/// The folder for their run-time files.
const RUN_PATH: &str = "dsbackup.run";

/// An unpacked snapshot.
pub struct Tree {
    root: PathBuf,
    listing: Listing,
}

/// The identity in the databases of an unpacked snapshot.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct StoredIdentity {
    /// The domain's SID.
    pub domain_sid: DomainSid,
    /// objectGUID of the server's NTDS Settings.
    pub dsa_guid: Guid,
    /// The current life of the database.
    pub invocation_id: Guid,
    /// highestCommittedUSN.
    pub highest_usn: u64,
    /// The naming contexts.
    pub naming_contexts: Vec<String>,
    /// The number of entries with a uSNChanged above the highest USN; their partitions are
    /// inconsistent.
    pub beyond: u64,
    /// The number of entries in all partitions.
    pub entries: u64,
}

/// The result of giving a database a new life.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct NewLife {
    /// The invocation id in the backup.
    pub former_invocation_id: Guid,
    /// The new invocation id.
    pub invocation_id: Guid,
    /// The highest USN of the former life in the database.
    pub former_usn: u64,
    /// The RIDs that are no longer assigned, and the first new one.
    pub rids: serde_json::Value,
}

/// What became of objects that shall win over those of partners.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Authoritative {
    /// Objects that partners will take.
    pub objects: u64,
    /// Links to and from them.
    pub links: u64,
    /// The names of those that must not go back in time: accounts of domain controllers, krbtgt.
    pub left_out: Vec<String>,
}

/// Reads the identity from the databases of an installed domain controller that does not run.
///
/// # Errors
/// [`Error::Tool`] with the message of Samba's libraries if they cannot open a database.
pub fn installed_identity(installation: &Installation) -> Result<StoredIdentity> {
    let arguments = [
        installation.smb_conf.as_os_str(),
        installation.private.as_os_str(),
    ];
    run("identity", include_str!("scripts/identity.py"), &arguments)
}

/// Sets the account types (sAMAccountType) of objects that came out of a running domain controller's
/// Recycle Bin: Samba does not, and its socket refuses them. Needs root on the controller itself.
///
/// # Errors
/// [`Error::Tool`] with the message of Samba's libraries; then none was set.
pub fn set_account_types(installation: &Installation, objects: &[(Guid, i64)]) -> Result<u64> {
    let script = include_str!("scripts/account_types.py");
    let mut count = 0;
    // The length of a command line is limited.
    for objects in objects.chunks(1000) {
        let objects: Vec<String> = (objects.iter())
            .map(|(guid, kind)| format!("{guid}:{kind}"))
            .collect();
        let mut arguments = vec![
            installation.smb_conf.as_os_str(),
            installation.private.as_os_str(),
        ];
        arguments.extend(objects.iter().map(OsStr::new));
        count += run::<u64>("account_types", script, &arguments)?;
    }
    Ok(count)
}

/// Runs a script, which begins with `scripts/opened.py`. Its last line of output is JSON.
pub(crate) fn run<T: serde::de::DeserializeOwned>(
    name: &str,
    script: &str,
    arguments: &[&OsStr],
) -> Result<T> {
    let script = [include_str!("scripts/opened.py"), script].concat();
    let printed = tools::python(name, &script, arguments, SCRIPT_LIMIT)?;
    let json = printed.lines().last().unwrap_or_default();
    serde_json::from_str(json).map_err(|error| Error::Tool {
        tool: name.to_owned(),
        reason: format!("it printed {json:?}: {error}"),
    })
}

impl Tree {
    /// Opens an unpacked snapshot.
    ///
    /// # Errors
    /// [`Error::Refused`] if its listing is missing or unreadable; [`Error::Io`].
    pub fn open(root: &Path) -> Result<Self> {
        let path = root.join(LISTING_PATH);
        let bytes = std::fs::read(&path).map_err(|error| match error.kind() {
            std::io::ErrorKind::NotFound => Error::Refused(format!(
                "{}: this is no snapshot of a Samba domain controller: {LISTING_PATH} is missing",
                root.display()
            )),
            _ => Error::io("read", &path)(error),
        })?;
        Ok(Self {
            root: root.to_path_buf(),
            listing: Listing::from_json(&bytes)?,
        })
    }

    /// The listing of the snapshot.
    pub fn listing(&self) -> &Listing {
        &self.listing
    }

    /// The path of an entry.
    pub fn path(&self, entry: &ListedEntry) -> PathBuf {
        self.root.join(&entry.path)
    }

    /// The folder of the tree.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// Checks that every listed file exists and every database is sound.
    ///
    /// # Errors
    /// [`Error::Refused`] for a missing file; [`Error::Damaged`] for a database.
    pub fn verify(&self) -> Result<()> {
        // Samba's libraries would follow a link to a file elsewhere.
        let is_database = |entry: &&ListedEntry| {
            let kind = Path::new(&entry.path).extension();
            entry.path.starts_with("private/sam.ldb.d/")
                || kind.is_some_and(|kind| kind == "ldb" || kind == "tdb")
        };
        let mut links =
            (self.listing.entries.iter()).filter(|entry| entry.kind == ListedKind::Link);
        if let Some(link) = links.find(is_database) {
            return Err(Error::Refused(format!(
                "{}: a link in the place of a database: the snapshot is not used",
                link.path
            )));
        }
        for entry in self.listing.entries.iter().filter(|entry| entry.is_file()) {
            let path = self.path(entry);
            let is_file = path
                .symlink_metadata()
                .is_ok_and(|metadata| metadata.is_file());
            if !is_file {
                return Err(Error::Refused(format!(
                    "{}: the file belongs to the snapshot and was not restored",
                    path.display()
                )));
            }
            match entry.kind {
                ListedKind::Lmdb => lmdb::verify(&path)?,
                ListedKind::Tdb => {
                    let file = File::open(&path).map_err(Error::io("open", &path))?;
                    let size = file.metadata().map_err(Error::io("look at", &path))?.len();
                    tdb::verify(&path, &file, size)?;
                }
                _ => {}
            }
        }
        for needed in [
            "private/sam.ldb",
            "private/sam.ldb.d/metadata.tdb",
            "private/secrets.ldb",
        ] {
            if !self
                .listing
                .entries
                .iter()
                .any(|entry| entry.path == needed)
            {
                return Err(Error::Refused(format!(
                    "the snapshot lacks {needed}: it is not used"
                )));
            }
        }
        Ok(())
    }

    /// Makes the folders and links, which a backup application does not handle, and sets owner,
    /// mode and attributes of all entries.
    ///
    /// # Errors
    /// [`Error::Io`]: most of it requires root.
    pub fn shape(&self) -> Result<()> {
        let root = self.folder()?;
        for entry in &self.listing.entries {
            let relative = Path::new(&entry.path);
            let made = match (&entry.kind, &entry.target) {
                (ListedKind::Folder, _) => root.make_folders(relative).map(drop),
                (ListedKind::Link, Some(target)) => make_link(&root, relative, target),
                _ => Ok(()),
            };
            made.map_err(Error::io("make the folder or link", self.path(entry)))?;
        }
        // The content of a folder comes first, because it changes the folder's time.
        for entry in self.listing.entries.iter().rev() {
            let is_link = entry.kind == ListedKind::Link;
            (entry.attributes).apply_beneath(&root, Path::new(&entry.path), is_link)?;
        }
        Ok(())
    }

    /// Recorded attributes that a restore does not set, in words: extended attributes that would
    /// give programs privileges.
    pub fn withheld(&self) -> Vec<String> {
        let entries = self.listing.entries.iter();
        let withheld = entries.flat_map(|entry| {
            (entry.attributes.withheld()).map(|name| format!("{}: {name} is not set", entry.path))
        });
        withheld.collect()
    }

    fn folder(&self) -> Result<Folder> {
        Folder::open(&self.root).map_err(Error::io("open the folder", &self.root))
    }

    /// Reads the identity from the databases, and checks that the partitions are consistent.
    ///
    /// # Errors
    /// [`Error::Tool`] with the message of Samba's libraries if they cannot open a database.
    pub fn identity(&self) -> Result<StoredIdentity> {
        self.script("identity", include_str!("scripts/identity.py"), &[])
    }

    /// Gives the directory a new life under the same name: see `scripts/new_life.py`.
    ///
    /// # Errors
    /// [`Error::Tool`]; then nothing was changed.
    pub fn begin_new_life(&self) -> Result<NewLife> {
        self.script("new_life", include_str!("scripts/new_life.py"), &[])
    }

    /// Makes objects, and all beneath them, win over what partners did to them since the backup:
    /// see `scripts/authoritative.py`. The new life must have begun.
    ///
    /// # Errors
    /// [`Error::Tool`]; then nothing was changed.
    pub fn make_authoritative(&self, names: &[String]) -> Result<Authoritative> {
        let names: Vec<&OsStr> = names.iter().map(OsStr::new).collect();
        let script = include_str!("scripts/authoritative.py");
        self.script("authoritative", script, &names)
    }

    /// Runs a script with the tree's configuration and private folder as its first arguments. Its
    /// output is JSON.
    pub(crate) fn script<T: serde::de::DeserializeOwned>(
        &self,
        name: &str,
        script: &str,
        more: &[&OsStr],
    ) -> Result<T> {
        let private = self.root.join("private");
        self.with_configuration(|configuration| {
            let mut arguments = vec![configuration.as_os_str(), private.as_os_str()];
            arguments.extend(more);
            run(name, script, &arguments)
        })
    }

    /// Runs Samba's tools and libraries, and removes the files that they leave behind.
    pub(crate) fn with_configuration<T>(&self, work: impl FnOnce(&Path) -> Result<T>) -> Result<T> {
        let configuration = self.configuration()?;
        let result = work(&configuration);
        self.tidy()?;
        result
    }

    /// Writes a configuration with which Samba's libraries use only this tree.
    fn configuration(&self) -> Result<PathBuf> {
        let path = self.root.join(CONFIGURATION_PATH);
        let run = self.root.join(RUN_PATH);
        let root = self.folder()?;
        root.make_folders(Path::new(RUN_PATH))
            .map_err(Error::io("make the folder", &run))?;
        let identity = &self.listing.identity;
        let folder = |name: &str| self.root.join(name).display().to_string();
        let run = run.display();
        let text = format!(
            "[global]\n\
             netbios name = {}\n\
             realm = {}\n\
             workgroup = {}\n\
             server role = active directory domain controller\n\
             private dir = {}\n\
             state directory = {}\n\
             lock directory = {run}\n\
             cache directory = {run}\n\
             pid directory = {run}\n\
             ncalrpc dir = {run}\n\
             log file = {run}/log\n\
             [sysvol]\n\
             path = {}\n\
             read only = no\n",
            identity.netbios_name,
            identity.realm,
            identity.workgroup,
            folder("private"),
            folder("state"),
            folder("sysvol"),
        );
        let write = || {
            root.remove_file(Path::new(CONFIGURATION_PATH))?;
            root.create_new(Path::new(CONFIGURATION_PATH))?
                .write_all(text.as_bytes())
        };
        write().map_err(Error::io("write", &path))?;
        Ok(path)
    }

    /// Removes the files that Samba's libraries left beside those of the snapshot.
    fn tidy(&self) -> Result<()> {
        let run = self.root.join(RUN_PATH);
        match std::fs::remove_dir_all(&run) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                return Err(Error::io("remove", &run)(error));
            }
            _ => {}
        }
        let configuration = self.root.join(CONFIGURATION_PATH);
        match std::fs::remove_file(&configuration) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                return Err(Error::io("remove", &configuration)(error));
            }
            _ => {}
        }
        let listed: BTreeSet<&str> = self
            .listing
            .entries
            .iter()
            .map(|entry| entry.path.as_str())
            .collect();
        let mut folders: Vec<(PathBuf, String)> =
            vec![(self.root.join("private"), "private".into())];
        while let Some((folder, path)) = folders.pop() {
            let list = |error| Error::io("list the folder", &folder)(error);
            for child in std::fs::read_dir(&folder).map_err(list)? {
                let child = child.map_err(list)?;
                let child_path = format!("{path}/{}", child.file_name().to_string_lossy());
                let is_folder = child.file_type().map_err(list)?.is_dir();
                if listed.contains(child_path.as_str()) {
                    if is_folder {
                        folders.push((child.path(), child_path));
                    }
                    continue;
                }
                let removed = match is_folder {
                    true => std::fs::remove_dir_all(child.path()),
                    false => std::fs::remove_file(child.path()),
                };
                removed.map_err(Error::io("remove", child.path()))?;
            }
        }
        Ok(())
    }
}

/// Makes a link, unless an interrupted attempt has made it already.
fn make_link(root: &Folder, relative: &Path, target: &str) -> std::io::Result<()> {
    match root.create_link(relative, target) {
        Err(error)
            if error.kind() == ErrorKind::AlreadyExists
                && root.read_link(relative).ok().as_deref() == Some(target.as_bytes()) =>
        {
            Ok(())
        }
        made => made,
    }
}
