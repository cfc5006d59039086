//! Reading a snapshot: its list of files, and each file as a stream that threads fetch and decrypt
//! ahead.

use std::collections::{BTreeMap, HashSet, VecDeque};
use std::io::Read;
use std::sync::Arc;
use std::time::SystemTime;

use crossbeam_channel::{Receiver, Sender, bounded};
use rustic_core::Id;
use rustic_core::repofile::{Node, NodeType};

use crate::blob::{Opener, read_blob};
use crate::error::Error;
use crate::index::{Place, Places, locate};
use crate::pack::BlobKind;
use crate::repository::Repository;
use crate::snapshot::SnapshotInfo;
use crate::storage::Storage;
use crate::tree;
use crate::work::{Watch, Work};

/// The most bytes, before compression, of adjacent blobs that are fetched together.
const RUN: u64 = 1 << 20;
/// The most nested folders; a deeper listing contains itself.
const DEEPEST: usize = 64;

/// A snapshot opened for reading.
pub struct OpenSnapshot {
    info: SnapshotInfo,
    storage: Arc<Storage>,
    files: BTreeMap<String, File>,
    places: Arc<Places>,
}

struct File {
    modified: SystemTime,
    size: u64,
    content: Vec<Id>,
}

/// A file in a snapshot.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SnapshotFileInfo {
    /// Its path: relative, names joined by `/`.
    pub path: String,
    /// Its size in bytes.
    pub size: u64,
    /// Last modification.
    pub modified: SystemTime,
}

impl Repository {
    /// Opens a snapshot: reads its listings, and finds its content in the index.
    ///
    /// # Errors
    /// [`Error::Damaged`] if a listing is missing or damaged; [`Error::Storage`] if the repository
    /// is unreadable.
    pub fn open_snapshot(&self, info: &SnapshotInfo) -> Result<OpenSnapshot, Error> {
        let storage = self.storage().clone();
        let trees = locate(&storage, |kind, _| kind == BlobKind::Tree)?;
        let files = list(&storage, &trees, *info.tree)?;
        drop(trees);
        let wanted: HashSet<Id> = files
            .values()
            .flat_map(|file| file.content.iter().copied())
            .collect();
        let places = locate(&storage, |kind, id| {
            kind == BlobKind::Data && wanted.contains(id)
        })?;
        Ok(OpenSnapshot {
            info: info.clone(),
            storage,
            files,
            places: Arc::new(places),
        })
    }

    /// Reads one small file of each of `snapshots`, with only two passes over the index.
    ///
    /// # Errors
    /// Fails if the index is unreadable. The error of one snapshot is in its element.
    pub fn read_of_each(
        &self,
        snapshots: &[SnapshotInfo],
        path: &str,
        limit: u64,
        watch: Watch<'_>,
    ) -> Result<Vec<Result<Vec<u8>, Error>>, Error> {
        let storage = self.storage();
        let trees = locate(storage, |kind, _| kind == BlobKind::Tree)?;
        // Each is met twice: for its listings, and for the file.
        let total = 2 * snapshots.len() as u64;
        let mut steps = 0..total;
        let mut step = || watch(Work::Snapshots, steps.next().unwrap_or(total), total);
        let mut found: Vec<_> = snapshots
            .iter()
            .map(|snapshot| {
                step();
                find(storage, &trees, snapshot, path)
            })
            .collect();
        drop(trees);
        let wanted: HashSet<Id> = found
            .iter()
            .flatten()
            .flat_map(|file| file.content.iter().copied())
            .collect();
        let places = Arc::new(locate(storage, |kind, id| {
            kind == BlobKind::Data && wanted.contains(id)
        })?);
        let read = snapshots.iter().zip(found.drain(..)).map(|(info, file)| {
            step();
            let one = OpenSnapshot {
                info: info.clone(),
                storage: storage.clone(),
                files: BTreeMap::from([(path.to_string(), file?)]),
                places: places.clone(),
            };
            one.read(path, limit)
        });
        Ok(read.collect())
    }
}

/// Finds a file of a snapshot by its path.
fn find(
    storage: &Storage,
    trees: &Places,
    snapshot: &SnapshotInfo,
    path: &str,
) -> Result<File, Error> {
    let missing = || Error::NoSuchFile {
        snapshot: snapshot.short_id().to_string(),
        path: path.to_string(),
    };
    let mut opener = Opener::default();
    let mut folder = *snapshot.tree;
    let mut names = path.split('/').peekable();
    while let Some(name) = names.next() {
        let node = read_listing(storage, trees, &mut opener, &folder)?
            .into_iter()
            .find(|node| node.name().to_str() == Some(name))
            .ok_or_else(missing)?;
        match (node.node_type.clone(), names.peek(), node.subtree) {
            (NodeType::File, None, _) => return Ok(File::from(node)),
            (NodeType::Dir, Some(_), Some(subtree)) => folder = *subtree,
            _ => break,
        }
    }
    Err(missing())
}

/// Reads the listing of a folder.
pub(crate) fn read_listing(
    storage: &Storage,
    trees: &Places,
    opener: &mut Opener,
    id: &Id,
) -> Result<Vec<Node>, Error> {
    let mut json = Vec::new();
    let what = || format!("folder listing {}", id.to_hex().as_str());
    read_blob(storage, trees, opener, id, what, &mut json)?;
    tree::parse(&json, id)
}

/// Lists every file below the listing `root`.
fn list(storage: &Storage, trees: &Places, root: Id) -> Result<BTreeMap<String, File>, Error> {
    let mut files = BTreeMap::new();
    let mut waiting = vec![(String::new(), root, 0)];
    let mut opener = Opener::default();
    while let Some((folder, id, depth)) = waiting.pop() {
        for node in read_listing(storage, trees, &mut opener, &id)? {
            let Some(name) = node.name().to_str().map(str::to_string) else {
                return Err(Error::Damaged {
                    what: format!("a name in {folder:?} is not Unicode"),
                });
            };
            if name.is_empty() || name.contains(['/', '\0']) || name == ".." || name == "." {
                return Err(Error::Damaged {
                    what: format!("{name:?} in folder {folder:?} is no file name"),
                });
            }
            let path = format!("{folder}{name}");
            match node.node_type {
                NodeType::File => {
                    files.insert(path, File::from(node));
                }
                NodeType::Dir if depth < DEEPEST => {
                    if let Some(subtree) = node.subtree {
                        waiting.push((format!("{path}/"), *subtree, depth + 1));
                    }
                }
                _ => {}
            }
        }
    }
    Ok(files)
}

impl From<Node> for File {
    fn from(node: Node) -> Self {
        Self {
            modified: node
                .meta
                .mtime
                .map_or(SystemTime::UNIX_EPOCH, SystemTime::from),
            size: node.meta.size,
            content: node.content.into_iter().flatten().map(|id| *id).collect(),
        }
    }
}

impl OpenSnapshot {
    /// The snapshot.
    pub fn info(&self) -> &SnapshotInfo {
        &self.info
    }

    /// Its files, sorted by path.
    pub fn files(&self) -> impl Iterator<Item = SnapshotFileInfo> {
        self.files.iter().map(|(path, file)| SnapshotFileInfo {
            path: path.clone(),
            size: file.size,
            modified: file.modified,
        })
    }

    /// Opens a file as a stream. Each part is checked as it arrives: its authentication tag, its
    /// SHA-256, and the total size.
    ///
    /// # Errors
    /// [`Error::NoSuchFile`]; [`Error::Damaged`] at once if a part of it is in no pack, or from the
    /// reader (as the inner error of its `io::Error`) if a pack is missing or damaged.
    pub fn open(&self, path: &str) -> Result<FileReader, Error> {
        let (size, content) = self.parts(path)?;
        let mut runs: VecDeque<Run> = VecDeque::new();
        for id in content {
            let place = self.place(id, path)?;
            place.not_too_large()?;
            match runs.back_mut() {
                Some(run) if run.continues(&place) => run.add(*id, place),
                _ => runs.push_back(Run::new(*id, place)),
            }
        }
        Ok(FileReader::new(
            path.to_string(),
            size,
            self.storage.clone(),
            self.places.clone(),
            runs,
        ))
    }

    pub(crate) fn storage(&self) -> &Arc<Storage> {
        &self.storage
    }

    pub(crate) fn places(&self) -> &Arc<Places> {
        &self.places
    }

    /// The size of a file, and its parts in order.
    pub(crate) fn parts(&self, path: &str) -> Result<(u64, &[Id]), Error> {
        match self.files.get(path) {
            Some(file) => Ok((file.size, &file.content)),
            None => Err(Error::NoSuchFile {
                snapshot: self.info.short_id().to_string(),
                path: path.to_string(),
            }),
        }
    }

    /// The position to try first of a part of the file `path`.
    pub(crate) fn place(&self, part: &Id, path: &str) -> Result<Place, Error> {
        let place = self.places.first(part).ok_or_else(|| Error::Damaged {
            what: format!(
                "part {} of {path} is in no pack that the index names",
                part.to_hex().as_str()
            ),
        })?;
        Ok(*place)
    }

    /// Reads a whole small file.
    ///
    /// # Errors
    /// Same as [`OpenSnapshot::open`], and [`Error::Damaged`] if it is larger than `limit` bytes.
    pub fn read(&self, path: &str, limit: u64) -> Result<Vec<u8>, Error> {
        let size = self.files.get(path).map_or(0, |file| file.size);
        if size > limit {
            return Err(Error::Damaged {
                what: format!("{path} has {size} bytes, at most {limit} were expected"),
            });
        }
        let mut content = Vec::with_capacity(size as usize);
        match self.open(path)?.read_to_end(&mut content) {
            Ok(_) => Ok(content),
            Err(error) => Err(error
                .downcast::<Error>()
                .unwrap_or_else(|error| Error::Storage {
                    doing: format!("reading {path}"),
                    reason: error.to_string(),
                })),
        }
    }
}

/// Blobs that are adjacent in a file and in a pack.
pub(crate) struct Run {
    pack: Id,
    offset: u32,
    length: u32,
    plain: u64,
    blobs: Vec<(Id, Place)>,
}

impl Run {
    pub(crate) fn new(id: Id, place: Place) -> Self {
        Self {
            pack: place.pack,
            offset: place.offset,
            length: place.length,
            plain: u64::from(place.uncompressed.unwrap_or(place.length)),
            blobs: vec![(id, place)],
        }
    }

    pub(crate) fn continues(&self, place: &Place) -> bool {
        place.pack == self.pack
            && self.offset.checked_add(self.length) == Some(place.offset)
            && self.length.checked_add(place.length).is_some()
            && self.plain < RUN
    }

    pub(crate) fn add(&mut self, id: Id, place: Place) {
        self.length += place.length;
        self.plain += u64::from(place.uncompressed.unwrap_or(place.length));
        self.blobs.push((id, place));
    }

    /// The number of blobs.
    pub(crate) fn len(&self) -> usize {
        self.blobs.len()
    }

    /// Reads all blobs at once; if that fails, each by itself from any sound copy.
    pub(crate) fn read(
        &self,
        storage: &Storage,
        places: &Places,
        opener: &mut Opener,
    ) -> Result<Vec<u8>, Error> {
        let mut plain = Vec::with_capacity(self.plain as usize);
        if self.read_at_once(storage, opener, &mut plain).is_err() {
            plain.clear();
            for (id, _) in &self.blobs {
                let what = || format!("blob {}", id.to_hex().as_str());
                read_blob(storage, places, opener, id, what, &mut plain)?;
            }
        }
        Ok(plain)
    }

    fn read_at_once(
        &self,
        storage: &Storage,
        opener: &mut Opener,
        plain: &mut Vec<u8>,
    ) -> Result<(), Error> {
        let sealed = storage.read_pack(&self.pack, self.offset, self.length)?;
        let mut rest = &sealed[..];
        for (id, place) in &self.blobs {
            let (blob, after) = rest
                .split_at_checked(place.length as usize)
                .ok_or_else(|| Error::Damaged {
                    what: format!("pack {} is too short", self.pack.to_hex().as_str()),
                })?;
            rest = after;
            opener.open(storage, place, id, blob, plain)?;
        }
        Ok(())
    }
}

type Answer = Result<Vec<u8>, Error>;

/// A stream of a file in a snapshot. Dropping it ends its threads.
pub struct FileReader {
    path: String,
    size: u64,
    read: u64,
    waiting: VecDeque<Run>,
    orders: Option<Sender<(Run, Sender<Answer>)>>,
    answers: VecDeque<Receiver<Answer>>,
    ahead: usize,
    current: Vec<u8>,
    position: usize,
}

impl FileReader {
    fn new(
        path: String,
        size: u64,
        storage: Arc<Storage>,
        places: Arc<Places>,
        waiting: VecDeque<Run>,
    ) -> Self {
        let threads = std::thread::available_parallelism()
            .map_or(2, usize::from)
            .clamp(1, 4)
            .min(waiting.len());
        let ahead = threads * 2;
        let (orders, orders_in) = bounded::<(Run, Sender<Answer>)>(ahead.max(1));
        for _ in 0..threads {
            let (orders, storage) = (orders_in.clone(), storage.clone());
            let places = places.clone();
            std::thread::spawn(move || {
                let mut opener = Opener::default();
                for (run, answer) in orders {
                    let _ = answer.send(run.read(&storage, &places, &mut opener));
                }
            });
        }
        Self {
            path,
            size,
            read: 0,
            waiting,
            orders: Some(orders),
            answers: VecDeque::new(),
            ahead,
            current: Vec::new(),
            position: 0,
        }
    }

    /// Its size in bytes.
    pub fn size(&self) -> u64 {
        self.size
    }

    /// Moves the next run into `current`. False at the end.
    fn advance(&mut self) -> Result<bool, Error> {
        while self.answers.len() < self.ahead
            && let Some(run) = self.waiting.pop_front()
        {
            let (answer, answered) = bounded(1);
            if let Some(orders) = &self.orders {
                let _ = orders.send((run, answer));
            }
            self.answers.push_back(answered);
        }
        let Some(answer) = self.answers.pop_front() else {
            if self.read == self.size {
                return Ok(false);
            }
            return Err(Error::Damaged {
                what: format!(
                    "{} should have {} bytes, its parts have {}",
                    self.path, self.size, self.read
                ),
            });
        };
        self.current = answer.recv().unwrap_or_else(|_| {
            Err(Error::Storage {
                doing: format!("reading {}", self.path),
                reason: "a thread ended unexpectedly".to_string(),
            })
        })?;
        self.position = 0;
        self.read += self.current.len() as u64;
        if self.read > self.size {
            return Err(Error::Damaged {
                what: format!(
                    "{} should have {} bytes, its parts have more",
                    self.path, self.size
                ),
            });
        }
        Ok(true)
    }
}

impl Read for FileReader {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        while self.position >= self.current.len() {
            match self.advance() {
                Ok(true) => {}
                Ok(false) => return Ok(0),
                Err(error) => {
                    // After an error no more content may be returned.
                    self.waiting.clear();
                    self.answers.clear();
                    self.orders = None;
                    return Err(std::io::Error::new(std::io::ErrorKind::InvalidData, error));
                }
            }
        }
        let rest = self.current.get(self.position..).unwrap_or_default();
        let count = rest.len().min(buffer.len());
        if let (Some(to), Some(from)) = (buffer.get_mut(..count), rest.get(..count)) {
            to.copy_from_slice(from);
        }
        self.position += count;
        Ok(count)
    }
}
