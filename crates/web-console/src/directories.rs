//! Directories, open for reading: those in snapshots, a bounded number of them, and running ones.

use std::collections::HashMap;
use std::ops::Deref;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use backup::list::Listed;
use backup::view::{Cache, Limits};
use backup::{Silent, Snapshot, View, lock};
use jobs::Configuration;
use live::Live;
use objects::{Entries, ObjectId, Scope, Source, Wanted};
use repository::Repository;

use crate::library::Library;
use crate::problem::Problem;
use crate::recent::Recent;
use crate::running::Running;
use crate::settings::ServerSettings;

/// Stands in the place of a repository's name for running servers. No repository has this name.
pub const NOW: &str = "@now";

/// How long a connection to a running server is used.
const CONNECTED: Duration = Duration::from_secs(60);

/// The directories that are open at the same time; the one used longest ago is closed first.
const MOST: usize = 16;

/// The memory that they take together, in bytes, and an object of one. The index of a Samba
/// directory is in memory; an NTDS reads its own from the database.
const MEMORY: u64 = 144 << 20;
const OBJECT: u64 = 600;

/// Bytes of a database for each of its objects, where nobody counted them.
const STORED: u64 = 4 << 10;

/// How long one stays open after its last use.
const AGE: Duration = Duration::from_secs(15 * 60);

/// The containers of a directory whose children are known.
const LISTS: usize = 4;

/// How long the lock of another program is waited for.
const PATIENCE: Duration = Duration::from_secs(5);

/// A directory in a snapshot, or a running one.
pub struct Directory {
    /// The name of the repository; [`NOW`] for a running one.
    pub repository: String,
    /// The whole id of the snapshot; the name of a running server in the configuration.
    pub id: String,
    /// The server.
    pub server: String,
    /// The time of the snapshot, or of the connection, RFC 3339, UTC.
    pub time: String,
    content: Content,
    /// Living children of objects, by whose numbers they are kept.
    children: Recent<Vec<ObjectId>>,
}

enum Content {
    Snapshot(View),
    Running(Box<Live>),
}

impl Directory {
    /// Whether it changes while it is looked at.
    pub fn is_running(&self) -> bool {
        matches!(self.content, Content::Running(_))
    }

    /// The living children of an object in a snapshot, kept for the next page of them.
    ///
    /// # Errors
    /// If the directory is damaged.
    pub fn children(&self, at: ObjectId) -> Result<Arc<Vec<ObjectId>>, Problem> {
        self.children.get(&at.0.to_string(), || {
            let wanted = Wanted::names();
            let children = self.scan(at, Scope::Children, &wanted);
            let mut ids = Vec::new();
            for child in children.map_err(Problem::failed)? {
                let child = child.map_err(Problem::failed)?;
                if !child.state.is_deleted() {
                    ids.push(child.id);
                }
            }
            Ok(ids)
        })
    }

    /// All objects, among them those that are deleted; of a running server only these.
    ///
    /// # Errors
    /// If the directory cannot be read.
    pub fn with_deleted<'d>(&'d self, wanted: &'d Wanted) -> objects::Result<Entries<'d>> {
        match &self.content {
            Content::Snapshot(view) => view.all(wanted),
            Content::Running(live) => {
                let found = live.holders("isDeleted", &["TRUE"], wanted)?;
                Ok(Box::new(found.into_iter().map(Ok)))
            }
        }
    }

    /// The directory in a snapshot.
    pub fn view(&self) -> Option<&View> {
        match &self.content {
            Content::Snapshot(view) => Some(view),
            Content::Running(_) => None,
        }
    }
}

impl Deref for Directory {
    type Target = dyn Source;

    fn deref(&self) -> &Self::Target {
        match &self.content {
            Content::Snapshot(view) => &***view,
            Content::Running(live) => &**live,
        }
    }
}

/// The open directories.
pub struct Directories {
    snapshots: Recent<Directory>,
    /// By the names of servers, with the times of connection.
    running: Mutex<HashMap<String, (Instant, Arc<Directory>)>>,
}

impl Default for Directories {
    fn default() -> Self {
        Self {
            snapshots: Recent::weighing(MOST, AGE, MEMORY),
            running: Mutex::default(),
        }
    }
}

impl Directories {
    /// The directory in a snapshot. The first to want it may have to wait for a copy.
    ///
    /// # Errors
    /// If there is no such snapshot, or it holds no directory, or is damaged.
    pub fn open(
        &self,
        library: &Library,
        configuration: &Configuration,
        cache: &Path,
        repository: &str,
        id: &str,
    ) -> Result<Arc<Directory>, Problem> {
        // A repository that is gone from the configuration is not shown any more.
        let shelf = library.shelf(configuration, repository)?;
        let listed = shelf.listed(id)?;
        let key = format!("{repository} {id}");
        self.snapshots.get_heavy(&key, memory(&listed), || {
            Ok(Directory {
                repository: repository.to_owned(),
                id: id.to_owned(),
                server: listed.server,
                time: listed.time,
                content: Content::Snapshot(view(&shelf.repository, id, cache)?),
                children: Recent::new(LISTS, AGE),
            })
        })
    }

    /// The directory of a running server. A connection is used for a minute.
    ///
    /// # Errors
    /// If the server does not answer.
    pub fn running(&self, name: &str, server: &ServerSettings) -> Result<Arc<Directory>, Problem> {
        let lock = || self.running.lock().unwrap_or_else(PoisonError::into_inner);
        let known = lock().get(name).cloned();
        if let Some((time, directory)) = known
            && time.elapsed() < CONNECTED
            && answers(&directory)
        {
            return Ok(directory);
        }
        let running = Running::connect(server)?;
        let directory = Arc::new(Directory {
            repository: NOW.to_owned(),
            id: name.to_owned(),
            server: running.address,
            time: jiff::Timestamp::now()
                .strftime("%Y-%m-%dT%H:%M:%SZ")
                .to_string(),
            content: Content::Running(Box::new(running.live)),
            children: Recent::new(LISTS, AGE),
        });
        lock().insert(name.to_owned(), (Instant::now(), Arc::clone(&directory)));
        Ok(directory)
    }
}

/// About how much memory the directory in a snapshot takes while it is open.
fn memory(listed: &Listed) -> u64 {
    let objects = match &listed.directory {
        Some(directory) => directory.objects.saturating_add(directory.deleted_objects),
        None => listed.bytes.unwrap_or(0) / STORED,
    };
    objects.saturating_mul(OBJECT)
}

/// Whether the connection still stands.
fn answers(directory: &Directory) -> bool {
    let head = directory.facts().naming_contexts.first();
    head.is_some_and(|head| directory.entry(head.id, &Wanted::names()).is_ok())
}

fn view(repository: &Repository, id: &str, cache: &Path) -> Result<View, Problem> {
    let _lock = lock::for_reading(repository, PATIENCE, &Silent).map_err(Problem::failed)?;
    let info = repository.snapshot(id).map_err(Problem::failed)?;
    let snapshot = Snapshot::open(repository, &info).map_err(Problem::failed)?;
    let cache = Cache {
        folder: cache.to_path_buf(),
        limits: Some(Limits::default()),
    };
    View::open(&snapshot, &cache, &Silent).map_err(Problem::failed)
}
