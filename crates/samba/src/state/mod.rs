//! All that a domain controller's state consists of: which files, folders and links, and where each belongs.
//!
//! Nothing is looked for by its name: whatever lies in the private, state and configuration folders and in the shares
//! is part of the state, unless it can be told to be of this run only: sockets, lock files, databases that are emptied
//! at every start.

mod attributes;
mod listing;

use std::collections::BTreeSet;
use std::fs::File;
use std::os::unix::fs::{FileExt, FileTypeExt};
use std::path::{Path, PathBuf};

pub use attributes::Attributes;
pub use listing::{LISTING_PATH, ListedEntry, ListedKind, Listing, Root};

use crate::error::{Error, Result};
use crate::installation::Installation;
use crate::{lmdb, tdb};

/// What everything that dsbackup itself puts beside a domain controller's files begins with.
pub const OWN_PREFIX: &str = "dsbackup.";

/// Folders deeper than this are none of Samba's making.
const DEEPEST: usize = 64;

/// The state as it lies there.
#[derive(Debug, Clone, Default)]
pub struct State {
    /// Where the roots of the listing lie on this server.
    pub roots: Vec<Root>,
    /// Everything, each folder before what is in it.
    pub entries: Vec<Entry>,
    /// What was left out, with the reason.
    pub left_out: Vec<(PathBuf, &'static str)>,
}

/// A file, folder or link of the state.
#[derive(Debug, Clone)]
pub struct Entry {
    /// Where it belongs, whatever the layout of the server: `private/sam.ldb`, `sysvol/...`.
    pub path: String,
    /// Where it lies on this server.
    pub original: PathBuf,
    /// What it is.
    pub kind: Kind,
    /// Owner, mode, times, extended attributes.
    pub attributes: Attributes,
}

/// What an entry is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Kind {
    /// A folder.
    Folder,
    /// A symbolic link, and what it points to.
    Link(String),
    /// An LMDB database.
    Lmdb,
    /// A TDB database.
    Tdb,
    /// Any other file.
    File,
}

impl Entry {
    /// Whether it is a file of any kind.
    pub fn is_file(&self) -> bool {
        matches!(self.kind, Kind::Lmdb | Kind::Tdb | Kind::File)
    }
}

impl State {
    /// Finds the state of an installed domain controller.
    ///
    /// # Errors
    /// When a folder or file cannot be looked at, or has a name that is not Unicode.
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
        Ok(walk.state)
    }

    /// The entry that lies at a path of this server.
    pub fn by_original(&self, original: &Path) -> Option<&Entry> {
        self.entries.iter().find(|entry| entry.original == original)
    }
}

/// What is not part of the folder in which it lies: other roots, and places that are never backed up.
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

/// The folders, and single files elsewhere, that make up a state, with the names they have in every snapshot.
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
                        // It was there a moment ago, and it is not any more: then it is not part of the state.
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

    /// What the entry is; `None` where it is not part of the state.
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
        if file_type.is_socket() || file_type.is_fifo() {
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

/// Reads the first bytes of a file; whether there were so many.
pub(crate) fn read_start(path: &Path, start: &mut [u8]) -> Result<bool> {
    let file = match File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(false),
        Err(error) => return Err(Error::io("open", path)(error)),
    };
    match file.read_exact_at(start, 0) {
        Ok(()) => Ok(true),
        Err(error) if error.kind() == std::io::ErrorKind::UnexpectedEof => Ok(false),
        Err(error) => Err(Error::io("read", path)(error)),
    }
}
