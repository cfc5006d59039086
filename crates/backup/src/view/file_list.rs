//! The files of a directory server, in a snapshot or in a folder: `SYSVOL`, configuration, and the
//! names of its databases and keys.

use std::fs::Metadata;
use std::io::{self, Read};
use std::path::Path;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use files::Folder;
use repository::SnapshotFile;
use samba::state::{Attributes, ListedKind};
use samba::{LISTING_PATH, Listing, ntacl};
use sha2::{Digest, Sha256};

use crate::error::{Error, Result};
use crate::snapshot::{Snapshot, reading_failed};

/// The depth limit for folders; no server makes them deeper.
const DEEPEST: usize = 64;
/// The most bytes of the listing of a Samba state.
const LARGEST_LISTING: u64 = 1 << 30;
/// Bytes that are read at once.
const PIECE: usize = 256 << 10;

/// The files of a snapshot or folder, by path.
pub struct FileList {
    place: Place,
    files: Vec<ListedFile>,
}

enum Place {
    Snapshot(Box<Snapshot>),
    Folder(Folder),
}

/// A file, folder or link.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ListedFile {
    /// Its path: names joined by `/`.
    pub path: String,
    /// Its kind.
    pub kind: FileKind,
    /// The time of its last change.
    pub modified: Option<SystemTime>,
    /// Permission bits, if known.
    pub mode: Option<u32>,
    /// Its security descriptor, in self-relative form, if known.
    pub descriptor: Option<Vec<u8>>,
    /// SHA-256 of its content in hexadecimal digits, if recorded.
    sha256: Option<String>,
}

/// The kind of a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum FileKind {
    /// A folder.
    Folder,
    /// A symbolic link, with its target.
    Link(String),
    /// A file, with its size.
    File(u64),
}

/// A file, open for reading.
pub enum FileContent {
    /// In a snapshot.
    InSnapshot(Box<SnapshotFile>),
    /// On disk, with its size.
    OnDisk(std::fs::File, u64),
}

impl FileList {
    /// The files of a snapshot.
    ///
    /// # Errors
    /// Fails if the listing of a Samba state is damaged.
    pub fn of_snapshot(snapshot: Snapshot) -> Result<Self> {
        let mut files: Vec<ListedFile> = (snapshot.manifest.files.iter())
            .map(|file| ListedFile {
                path: file.path.clone(),
                kind: FileKind::File(file.size),
                modified: file
                    .modified
                    .parse::<jiff::Timestamp>()
                    .ok()
                    .map(Into::into),
                mode: None,
                descriptor: None,
                sha256: Some(file.sha256.clone()),
            })
            .collect();
        files.sort_by(|one, other| one.path.cmp(&other.path));
        if snapshot.manifest.is_tree() {
            add_listed(&mut files, &listing(&snapshot)?);
        }
        files.sort_by(|one, other| one.path.cmp(&other.path));
        Ok(Self {
            place: Place::Snapshot(Box::new(snapshot)),
            files,
        })
    }

    /// The files in the folder of a path: in itself, in that of a database file, or in that around
    /// Samba's `private` and around `Active Directory` of "Install From Media". Follows no links.
    ///
    /// # Errors
    /// Fails for an unreadable folder.
    pub fn in_folder(path: &Path) -> Result<Self> {
        let own = match path.is_dir() {
            true => path,
            false => path.parent().unwrap_or(Path::new(".")),
        };
        let is_inner = own
            .file_name()
            .is_some_and(|name| name == "private" || name == "Active Directory");
        let root = match own.parent() {
            Some(above) if is_inner => above,
            _ => own,
        };
        let mut files = Vec::new();
        let mut waiting = vec![(root.to_path_buf(), String::new(), 0)];
        while let Some((folder, prefix, depth)) = waiting.pop() {
            let list = |error| Error::io("list the folder", &folder)(error);
            for entry in std::fs::read_dir(&folder).map_err(list)? {
                let entry = entry.map_err(list)?;
                let path = entry.path();
                let name = entry.file_name().to_string_lossy().into_owned();
                // What vanished since the folder was read, sockets and the like are no files.
                let Ok(metadata) = path.symlink_metadata() else {
                    continue;
                };
                let Some(file) = ListedFile::on_disk(&path, format!("{prefix}{name}"), &metadata)
                else {
                    continue;
                };
                if file.kind == FileKind::Folder && depth < DEEPEST {
                    waiting.push((path, format!("{}/", file.path), depth + 1));
                }
                files.push(file);
            }
        }
        files.sort_by(|one, other| one.path.cmp(&other.path));
        Ok(Self {
            place: Place::Folder(Folder::open(root).map_err(Error::io("open the folder", root))?),
            files,
        })
    }

    /// All files, folders and links, by path.
    pub fn files(&self) -> &[ListedFile] {
        &self.files
    }

    /// The files at and beneath a path, whose case does not count.
    pub fn beneath<'l>(&'l self, path: &'l str) -> impl Iterator<Item = &'l ListedFile> {
        let path = path.trim_matches('/');
        self.files.iter().filter(move |file| {
            let start = file.path.get(..path.len());
            let rest = file.path.get(path.len()..).unwrap_or_default();
            path.is_empty()
                || start.is_some_and(|start| start.eq_ignore_ascii_case(path))
                    && (rest.is_empty() || rest.starts_with('/'))
        })
    }

    /// Opens a file.
    ///
    /// # Errors
    /// Fails if it is no file, or cannot be read.
    pub fn open(&self, file: &ListedFile) -> Result<FileContent> {
        match &self.place {
            Place::Snapshot(snapshot) => {
                let content = snapshot.content.random_access(&file.path)?;
                Ok(FileContent::InSnapshot(Box::new(content)))
            }
            Place::Folder(root) => {
                let path = root.path().join(&file.path);
                let content = root.open_file(Path::new(&file.path));
                let content = content.map_err(Error::io("open", &path))?;
                let metadata = content.metadata().map_err(Error::io("look at", &path))?;
                Ok(FileContent::OnDisk(content, metadata.len()))
            }
        }
    }

    /// SHA-256 of a file, in hexadecimal digits: as recorded in the snapshot, or of its content.
    ///
    /// # Errors
    /// Fails if it cannot be read.
    pub fn sha256(&self, file: &ListedFile) -> Result<String> {
        if let Some(recorded) = &file.sha256 {
            return Ok(recorded.clone());
        }
        let mut hash = Sha256::new();
        self.open(file)?.visit(&file.path, |piece| {
            hash.update(piece);
            Ok::<_, Error>(())
        })?;
        Ok(ids::hex::encode(&hash.finalize()))
    }
}

impl ListedFile {
    /// An entry of a folder. `None` if it is neither file, folder nor link.
    fn on_disk(original: &Path, path: String, metadata: &Metadata) -> Option<Self> {
        let kind = match metadata.file_type() {
            kind if kind.is_dir() => FileKind::Folder,
            kind if kind.is_file() => FileKind::File(metadata.len()),
            kind if kind.is_symlink() => {
                let target = std::fs::read_link(original).unwrap_or_default();
                FileKind::Link(target.to_string_lossy().into_owned())
            }
            _ => return None,
        };
        // Without the right to read them, or on a file system that has none, they are not known.
        let attributes = Attributes::read(original, metadata).ok();
        Some(Self {
            path,
            kind,
            modified: metadata.modified().ok(),
            mode: attributes.as_ref().map(|attributes| attributes.mode),
            descriptor: attributes.as_ref().and_then(descriptor),
            sha256: None,
        })
    }
}

impl FileContent {
    /// Its size in bytes.
    pub fn size(&self) -> u64 {
        match self {
            Self::InSnapshot(file) => file.size(),
            Self::OnDisk(_, size) => *size,
        }
    }

    /// Fills the buffer with the bytes at an offset, which must exist. `name` is for messages.
    ///
    /// # Errors
    /// Fails if they cannot be read.
    pub fn read_exact_at(&self, buffer: &mut [u8], offset: u64, name: &str) -> Result<()> {
        match self {
            Self::InSnapshot(file) => Ok(file.read_exact_at(buffer, offset)?),
            Self::OnDisk(file, _) => {
                platform::file::read_exact_at(file, buffer, offset).map_err(Error::io("read", name))
            }
        }
    }

    /// Calls `visit` with its bytes, piece by piece.
    ///
    /// # Errors
    /// Fails if they cannot be read; errors of `visit`.
    pub fn visit<E: From<Error>>(
        &self,
        name: &str,
        mut visit: impl FnMut(&[u8]) -> Result<(), E>,
    ) -> Result<(), E> {
        let size = self.size();
        let mut buffer = vec![0; PIECE];
        let mut at = 0;
        while at < size {
            let length = (size - at).min(PIECE as u64);
            let piece = buffer.get_mut(..length as usize).unwrap_or_default();
            self.read_exact_at(piece, at, name)?;
            visit(piece)?;
            at += length;
        }
        Ok(())
    }
}

pub(crate) fn listing(snapshot: &Snapshot) -> Result<Listing> {
    let mut bytes = Vec::new();
    let reader = snapshot.content.open(LISTING_PATH)?;
    (reader.take(LARGEST_LISTING).read_to_end(&mut bytes))
        .map_err(|error: io::Error| reading_failed(error, LISTING_PATH))?;
    Ok(Listing::from_json(&bytes)?)
}

/// Adds folders and links, and what the listing tells of files.
fn add_listed(files: &mut Vec<ListedFile>, listing: &Listing) {
    let count = files.len();
    for entry in &listing.entries {
        let attributes = &entry.attributes;
        let known = files.get(..count).and_then(|files| {
            files
                .binary_search_by(|file| file.path.cmp(&entry.path))
                .ok()
        });
        if let Some(file) = known.and_then(|position| files.get_mut(position)) {
            file.mode = Some(attributes.mode);
            file.descriptor = descriptor(attributes);
            continue;
        }
        let kind = match (entry.kind, &entry.target) {
            (ListedKind::Folder, _) => FileKind::Folder,
            (ListedKind::Link, Some(target)) => FileKind::Link(target.clone()),
            _ => continue,
        };
        let since = u64::try_from(attributes.modified).unwrap_or(0);
        files.push(ListedFile {
            path: entry.path.clone(),
            kind,
            modified: UNIX_EPOCH
                .checked_add(Duration::new(since, attributes.modified_ns % 1_000_000_000)),
            mode: Some(attributes.mode),
            descriptor: descriptor(attributes),
            sha256: None,
        });
    }
}

fn descriptor(attributes: &Attributes) -> Option<Vec<u8>> {
    let value = attributes.extended.get("security.NTACL")?;
    ntacl::descriptor(&ids::hex::decode(value)?)
}
