//! The state of a domain controller: its files, folders and links, and their paths in a snapshot.
//!
//! No file is selected by name: everything in the private, state and configuration folders and in
//! the shares is part of the state, except run-time data: sockets, lock files, databases emptied at
//! every start.

mod attributes;
mod included;
mod listing;

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

pub use attributes::Attributes;
pub use included::{IncludedFile, Includes};
pub use listing::{LISTING_PATH, ListedEntry, ListedKind, Listing, Root};

use crate::error::{Error, Result};
use crate::file_start::read_start;
use crate::installation::Installation;
use crate::{lmdb, system, tdb};

/// The prefix of all names that dsbackup itself uses beside a domain controller's files.
pub const OWN_PREFIX: &str = "dsbackup.";

/// The depth limit for folders; Samba makes none deeper.
const DEEPEST: usize = 64;

/// The most warnings; further ones are only counted.
const MOST_WARNINGS: usize = 100;

/// The state on the server.
#[derive(Debug, Clone, Default)]
pub struct State {
    /// The paths of the roots on this server.
    pub roots: Vec<Root>,
    /// All entries; each folder before its content.
    pub entries: Vec<Entry>,
    /// Files that were left out, with the reason.
    pub left_out: Vec<(PathBuf, &'static str)>,
    /// What may be missing, or has to be restored by hand.
    pub warnings: Vec<String>,
}

/// A file, folder or link of the state.
#[derive(Debug, Clone)]
pub struct Entry {
    /// Its path in a snapshot, independent of the server's layout: `private/sam.ldb`, `sysvol/...`.
    pub path: String,
    /// Its path on this server.
    pub original: PathBuf,
    /// Its kind.
    pub kind: Kind,
    /// Owner, mode, times, extended attributes.
    pub attributes: Attributes,
}

/// The kind of an entry.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Kind {
    /// A folder.
    Folder,
    /// A symbolic link, with its target.
    Link(String),
    /// An LMDB database.
    Lmdb,
    /// A TDB database.
    Tdb,
    /// Any other file.
    File,
}

impl Entry {
    /// Whether this is a file, of whichever kind.
    pub fn is_file(&self) -> bool {
        matches!(self.kind, Kind::Lmdb | Kind::Tdb | Kind::File)
    }
}

impl State {
    /// Finds the state of an installed domain controller.
    ///
    /// # Errors
    /// Fails for an unreadable folder or file, and for a name that is not Unicode.
    pub fn find(installation: &Installation) -> Result<Self> {
        let roots = roots(installation);
        let mut walk = Walk {
            others: not_state(installation),
            state: Self::default(),
        };
        for root in &roots {
            walk.root(root)?;
        }
        walk.state.roots = roots;
        let mut state = walk.state;
        let links = state.links_elsewhere();
        let includes = Includes::of(&installation.smb_conf);
        state.warnings = includes.warnings;
        state.add_included(includes.files)?;
        state.warnings.extend(links);
        let more = state.warnings.len().saturating_sub(MOST_WARNINGS);
        if more > 0 {
            state.warnings.truncate(MOST_WARNINGS);
            state
                .warnings
                .push(format!("{more} more warnings of this kind"));
        }
        Ok(state)
    }

    /// Adds the files that smb.conf includes from outside all roots. They are no roots of an
    /// installation: a restore in place does not write them.
    fn add_included(&mut self, files: Vec<IncludedFile>) -> Result<()> {
        let mut number = 0;
        for file in files {
            let is_below = |root: &Root| file.named.starts_with(&root.original);
            if !self.has(&file.path) {
                number += 1;
                let name = format!("include-{number}");
                let metadata = std::fs::symlink_metadata(&file.path)
                    .map_err(Error::io("look at it", &file.path))?;
                self.warnings.push(format!(
                    "{}: it is outside the backed-up folders. It is in the snapshot as {name}, but \
                     a restore does not write it: restore it by hand before the domain controller \
                     is started",
                    file.by
                ));
                self.entries.push(Entry {
                    path: name.clone(),
                    kind: Kind::File,
                    attributes: Attributes::read(&file.path, &metadata)?,
                    original: file.path.clone(),
                });
                self.roots.push(Root {
                    name,
                    original: file.path,
                });
            } else if file.named != file.path && !self.roots.iter().any(is_below) {
                self.warnings.push(format!(
                    "{}: a link outside the backed-up folders. Its target, {}, is in the snapshot, \
                     the link is not",
                    file.by,
                    file.path.display()
                ));
            }
        }
        Ok(())
    }

    /// Whether a path without links is that of an entry.
    fn has(&self, path: &Path) -> bool {
        self.roots.iter().any(|root| {
            // Of a root that is a link only the link is an entry.
            let is_link = |root: &Entry| matches!(root.kind, Kind::Link(_));
            let Ok(real) = root.original.canonicalize() else {
                return false;
            };
            match path.strip_prefix(&real) {
                Ok(_) if self.by_original(&root.original).is_none_or(is_link) => false,
                Ok(rest) if rest.as_os_str().is_empty() => true,
                Ok(rest) => self.by_original(&root.original.join(rest)).is_some(),
                Err(_) => false,
            }
        })
    }

    /// Links whose targets are not part of the state. Links inside the shares are their users'
    /// business.
    fn links_elsewhere(&self) -> Vec<String> {
        self.entries
            .iter()
            .filter(|entry| {
                matches!(entry.kind, Kind::Link(_))
                    && !entry.path.starts_with("sysvol/")
                    && !entry.path.starts_with("netlogon/")
            })
            .filter_map(|entry| {
                let target = entry.original.canonicalize().ok()?;
                (!self.has(&target)).then(|| {
                    format!(
                        "{}: a link to {}, which is outside the backed-up folders: the link is in \
                         the snapshot, its target is not",
                        entry.original.display(),
                        target.display()
                    )
                })
            })
            .collect()
    }

    /// The entry with a path on this server.
    pub fn by_original(&self, original: &Path) -> Option<&Entry> {
        self.entries.iter().find(|entry| entry.original == original)
    }
}

/// Paths inside the folders that are not part of them: other roots, and folders that are never
/// backed up.
pub fn not_state(installation: &Installation) -> BTreeSet<PathBuf> {
    [
        installation.cache.clone(),
        installation.locks.clone(),
        installation.pids.clone(),
        installation.bind_dns.join("dns"),
    ]
    .into_iter()
    .chain(roots(installation).into_iter().map(|root| root.original))
    .collect()
}

/// The folders, and single files elsewhere, that make up a state, with their names in every
/// snapshot.
pub fn roots(installation: &Installation) -> Vec<Root> {
    let root = |name: &str, original: &Path| Root {
        name: name.to_owned(),
        original: original.to_path_buf(),
    };
    let mut roots = vec![
        root("private", &installation.private),
        root("state", &installation.state),
        root("sysvol", &installation.sysvol),
        root("etc", installation.configuration_folder()),
    ];
    if !installation.netlogon.starts_with(&installation.sysvol) {
        roots.push(root("netlogon", &installation.netlogon));
    }
    for (number, file) in installation.tls_files.iter().enumerate() {
        roots.push(root(&format!("tls-{}", number + 1), file));
    }
    roots
}

struct Walk {
    /// See [`not_state`].
    others: BTreeSet<PathBuf>,
    state: State,
}

impl Walk {
    fn root(&mut self, root: &Root) -> Result<()> {
        let look = Error::io("look at it", &root.original);
        let metadata = match std::fs::symlink_metadata(&root.original) {
            Err(error)
                if error.kind() == std::io::ErrorKind::NotFound
                    && root.name.starts_with("tls-") =>
            {
                return Ok(());
            }
            metadata => metadata.map_err(look)?,
        };
        let mut waiting = vec![(root.original.clone(), root.name.clone(), metadata, 0)];
        while let Some((original, path, metadata, depth)) = waiting.pop() {
            let Some(kind) = self.kind(&original, &metadata)? else {
                continue;
            };
            let attributes = Attributes::read(&original, &metadata)?;
            if kind == Kind::Folder {
                let mut children = Vec::new();
                for child in
                    std::fs::read_dir(&original).map_err(Error::io("list the folder", &original))?
                {
                    let child = child.map_err(Error::io("list the folder", &original))?;
                    let child_original = child.path();
                    let name = child.file_name().into_string().map_err(|_| {
                        Error::damaged(
                            &child_original,
                            "its name is not Unicode; rename it, then back up again",
                        )
                    })?;
                    if self.others.contains(&child_original) || name.starts_with(OWN_PREFIX) {
                        continue;
                    }
                    if depth >= DEEPEST {
                        return Err(Error::damaged(
                            &child_original,
                            "folders are nested too deeply",
                        ));
                    }
                    match std::fs::symlink_metadata(&child_original) {
                        Ok(metadata) => children.push((
                            child_original,
                            format!("{path}/{name}"),
                            metadata,
                            depth + 1,
                        )),
                        // It vanished since the folder was read, so it is not part of the state.
                        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
                        Err(error) => return Err(Error::io("look at it", &child_original)(error)),
                    }
                }
                children.sort_by(|one, other| other.1.cmp(&one.1));
                waiting.extend(children);
            }
            self.state.entries.push(Entry {
                path,
                original,
                kind,
                attributes,
            });
        }
        Ok(())
    }

    /// The kind of an entry. `None` if it is not part of the state.
    fn kind(&mut self, path: &Path, metadata: &std::fs::Metadata) -> Result<Option<Kind>> {
        let file_type = metadata.file_type();
        if file_type.is_dir() {
            return Ok(Some(Kind::Folder));
        }
        if file_type.is_symlink() {
            let target = std::fs::read_link(path).map_err(Error::io("read the link", path))?;
            let target = target.into_os_string().into_string();
            return target
                .map(|target| Some(Kind::Link(target)))
                .map_err(|_| Error::damaged(path, "it points to a name that is not Unicode"));
        }
        let mut leave_out = |reason| {
            self.state.left_out.push((path.to_path_buf(), reason));
            Ok(None)
        };
        if system::is_socket_or_pipe(file_type) {
            return leave_out("a socket or pipe: made anew at every start");
        }
        if !file_type.is_file() {
            return leave_out("a device");
        }
        if path
            .extension()
            .is_some_and(|extension| extension == "bak-offline")
        {
            return leave_out(
                "a copy that an interrupted `samba-tool domain backup offline` left behind",
            );
        }
        let text = path.to_string_lossy();
        if let Some(database) = text.strip_suffix("-lock")
            && is_lmdb(Path::new(database))?
        {
            return leave_out(
                "the lock file of an LMDB database: made anew when the database is opened",
            );
        }
        if is_lmdb(path)? {
            return Ok(Some(Kind::Lmdb));
        }
        match tdb::Header::of_file(path)? {
            None => Ok(Some(Kind::File)),
            Some(header) if header.is_guarded_by_mutexes() => leave_out(
                "a TDB database that is emptied at every start (it is guarded by mutexes)",
            ),
            Some(_) => Ok(Some(Kind::Tdb)),
        }
    }
}

fn is_lmdb(path: &Path) -> Result<bool> {
    let mut start = [0; lmdb::MAGIC_END];
    Ok(read_start(path, &mut start)? && lmdb::has_magic(&start))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn installation(folder: &Path) -> Installation {
        let place = |name: &str| folder.join(name);
        let installation = Installation::example(folder);
        for folder in [
            "etc/more",
            "lib/private",
            "lib/sysvol",
            "lib/cache",
            "ssl",
            "srv",
        ] {
            std::fs::create_dir_all(place(folder)).unwrap();
        }
        std::fs::write(place("ssl/key.pem"), "key").unwrap();
        installation
    }

    #[test]
    fn what_smb_conf_includes_is_kept_or_told() {
        let folder = tempfile::tempdir().unwrap();
        let folder = folder.path().canonicalize().unwrap();
        let installation = installation(&folder);
        let write = |name: &str, text: &str| {
            let text = text.replace('@', &format!("{}/", folder.display()));
            std::fs::write(folder.join(name), text).unwrap();
        };
        write(
            "etc/smb.conf",
            "[global]\ninclude = @etc/more/in.conf\ninclude = @srv/out.conf\ninclude = \
             @lib/state.conf\ninclude = @lib/cache/fleeting.conf\ninclude = \
             @srv/none.conf\ninclude = @srv/link.conf\n",
        );
        write("etc/more/in.conf", "");
        write(
            "srv/out.conf",
            "# the shares\n\ninclude = @srv/further.conf\ninclude = @etc/link.conf\n",
        );
        write("srv/further.conf", "include = %m.conf");
        write("srv/linked.conf", "linked");
        write("lib/state.conf", "");
        write("lib/cache/fleeting.conf", "");
        let link = |target: &str, name: &str| {
            std::os::unix::fs::symlink(folder.join(target), folder.join(name)).unwrap();
        };
        link("etc/more/in.conf", "srv/link.conf");
        link("srv/linked.conf", "etc/link.conf");

        let state = State::find(&installation).unwrap();
        let outside: Vec<(String, String)> = state
            .entries
            .iter()
            .filter(|entry| entry.path.starts_with("include-"))
            .map(|entry| {
                assert_eq!(entry.kind, Kind::File);
                let root = state.roots.iter().find(|root| root.name == entry.path);
                assert_eq!(root.unwrap().original, entry.original);
                let original = entry.original.strip_prefix(&folder).unwrap();
                (entry.path.clone(), original.display().to_string())
            })
            .collect();
        let mut originals: Vec<&str> = outside.iter().map(|(_, path)| path.as_str()).collect();
        originals.sort_unstable();
        assert_eq!(
            originals,
            [
                "lib/cache/fleeting.conf",
                "srv/further.conf",
                "srv/linked.conf",
                "srv/out.conf"
            ]
        );
        let warnings = state
            .warnings
            .join("\n")
            .replace(folder.to_str().unwrap(), "");
        let name_of = |original: &str| {
            let found = outside.iter().find(|(_, path)| path == original);
            found.unwrap().0.clone()
        };
        for (line, said) in [
            (
                "/etc/smb.conf, line 3: include = /srv/out.conf",
                name_of("srv/out.conf"),
            ),
            (
                "/etc/smb.conf, line 5: include = /lib/cache/fleeting.conf",
                name_of("lib/cache/fleeting.conf"),
            ),
            (
                "/etc/smb.conf, line 6: include = /srv/none.conf",
                "no such file".into(),
            ),
            (
                "/srv/out.conf, line 3: include = /srv/further.conf",
                name_of("srv/further.conf"),
            ),
            (
                "/srv/out.conf, line 4: include = /etc/link.conf",
                name_of("srv/linked.conf"),
            ),
            (
                "/srv/further.conf, line 1: include = %m.conf",
                "variable".into(),
            ),
            (
                "/etc/link.conf: a link to /srv/linked.conf",
                "its target is not".into(),
            ),
        ] {
            assert!(
                warnings
                    .lines()
                    .any(|warning| warning.starts_with(line) && warning.contains(&said)),
                "{line}: {said}: {warnings}"
            );
        }
        for kept in ["in.conf", "state.conf"] {
            assert!(
                !warnings
                    .lines()
                    .any(|warning| warning.starts_with("/etc/smb.conf")
                        && warning.contains(kept)
                        && !warning.contains("link")),
                "{warnings}"
            );
        }
        // The snapshot records it, too, for whoever restores it.
        let listing = Listing::from_json(&Listing::example(&state).to_json()).unwrap();
        assert_eq!(listing.warnings, state.warnings);
    }

    #[test]
    fn a_plain_configuration_is_backed_up_without_a_warning() {
        let folder = tempfile::tempdir().unwrap();
        let folder = folder.path().canonicalize().unwrap();
        let installation = installation(&folder);
        std::fs::write(
            &installation.smb_conf,
            "[global]\nrealm = X\n[sysvol]\npath = /x\n",
        )
        .unwrap();
        let state = State::find(&installation).unwrap();
        assert_eq!(state.warnings, Vec::<String>::new());
        assert_eq!(state.roots, roots(&installation));
    }

    /// The keys of Let's Encrypt: the path in smb.conf is a link.
    #[test]
    fn links_out_of_the_state_are_told() {
        let folder = tempfile::tempdir().unwrap();
        let folder = folder.path().canonicalize().unwrap();
        let installation = installation(&folder);
        std::fs::write(&installation.smb_conf, "").unwrap();
        std::fs::rename(folder.join("ssl/key.pem"), folder.join("srv/key1.pem")).unwrap();
        std::os::unix::fs::symlink("../srv/key1.pem", folder.join("ssl/key.pem")).unwrap();
        std::os::unix::fs::symlink("../smb.conf", folder.join("etc/more/inside")).unwrap();
        std::fs::rename(folder.join("lib/sysvol"), folder.join("srv/sysvol")).unwrap();
        std::os::unix::fs::symlink(folder.join("srv/sysvol"), folder.join("lib/sysvol")).unwrap();
        std::os::unix::fs::symlink("/nowhere/at/all", folder.join("etc/more/dangling")).unwrap();
        let state = State::find(&installation).unwrap();
        assert!(
            matches!(state.warnings.as_slice(), [share, key]
                if share.contains("srv/sysvol") && key.contains("srv/key1.pem")),
            "{:?}",
            state.warnings
        );
    }
}
