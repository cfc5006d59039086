//! A repository over SFTP, in which a file is complete or absent, even if the server or the
//! connection fails.
//!
//! A file is written under a temporary name, synced (`fsync@openssh.com`), renamed
//! (`posix-rename@openssh.com`), and its folder synced, as far as the server supports this;
//! OpenSSH's supports all of it. The connection is an `ssh` process of our own, which ends with the
//! repository: no master process, no socket. A broken connection is replaced.

mod server;
mod session;

use std::collections::BTreeMap;
use std::future::Future;
use std::io;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use bytes::Bytes;
use russh_sftp::protocol::File;
use rustic_core::{
    ALL_FILE_TYPES, BytesList, ErrorKind, FileType, Id, ReadBackend, RusticError, RusticResult,
    WriteBackend,
};
use tokio::task::JoinSet;

use self::server::is_broken;
use self::session::Session;
use crate::runtime::runtime;
use crate::sftp_address::SftpAddress;
use crate::store::{Durability, FORGOTTEN, LOCKS, Store, is_temporary, temporary_name};

/// The number of retries of a request over a new connection.
const RETRIES: u32 = 3;
/// The pause before the first retry; each further one is three times as long.
const PAUSE: Duration = Duration::from_millis(300);
/// The number of folders that are listed or made at once.
const FOLDERS_AT_ONCE: usize = 16;

/// The server, and the means to reach it.
pub(crate) struct Access {
    address: SftpAddress,
    /// The file of the private key.
    key: Option<String>,
    /// Replaces `ssh`: a shell command that speaks SFTP on its standard input and output.
    command: Option<String>,
    /// The number of retries of a request over a new connection.
    retries: u32,
}

impl Access {
    pub(crate) fn new(address: &SftpAddress) -> Self {
        Self {
            address: address.clone(),
            key: None,
            command: None,
            retries: RETRIES,
        }
    }

    /// Applies a user's options: `key`, `command`, `retry`.
    pub(crate) fn with(mut self, options: &BTreeMap<String, String>) -> Result<Self, String> {
        for (name, value) in options {
            match name.as_str() {
                "key" => self.key = Some(value.clone()),
                "command" => self.command = Some(value.clone()),
                "retry" => {
                    self.retries = value
                        .parse()
                        .map_err(|_| format!("retry={value}: expected a number"))?;
                }
                _ => {
                    return Err(format!(
                        "SFTP has no option {name}: use key, command or retry, and ssh's own \
                         configuration for the rest"
                    ));
                }
            }
        }
        Ok(self)
    }
}

/// A folder in restic's default layout: `config`, `keys/`, `index/`, `snapshots/`, `data/00/` to
/// `data/ff/`.
pub(crate) struct SftpBackend {
    access: Access,
    session: Mutex<Option<Arc<Session>>>,
    temporary_names: AtomicU64,
}

impl SftpBackend {
    /// Connects on the first request.
    pub(crate) fn new(access: Access) -> Self {
        Self {
            access,
            session: Mutex::default(),
            temporary_names: AtomicU64::new(0),
        }
    }

    /// Makes a request, and repeats it over a new connection if the old one breaks.
    fn ask<T, F: Future<Output = io::Result<T>>>(
        &self,
        act: impl Fn(Arc<Session>) -> F,
    ) -> io::Result<T> {
        let runtime = runtime()?;
        let mut pause = PAUSE;
        for attempt in 0.. {
            let result = self.session().and_then(|session| {
                let result = runtime.block_on(act(session.clone()));
                if result.as_ref().is_err_and(is_broken) {
                    self.forget(&session);
                }
                result
            });
            match result {
                Err(error) if is_broken(&error) && attempt < self.access.retries => {
                    std::thread::sleep(pause);
                    pause *= 3;
                }
                result => return result,
            }
        }
        Err(io::ErrorKind::ConnectionAborted.into())
    }

    fn session(&self) -> io::Result<Arc<Session>> {
        let mut current = guard(&self.session);
        if let Some(session) = &*current {
            return Ok(session.clone());
        }
        let session = Arc::new(runtime()?.block_on(Session::start(&self.access))?);
        *current = Some(session.clone());
        Ok(session)
    }

    /// Drops a broken connection, unless another thread has replaced it.
    fn forget(&self, broken: &Arc<Session>) {
        let mut current = guard(&self.session);
        if current
            .as_ref()
            .is_some_and(|session| Arc::ptr_eq(session, broken))
        {
            *current = None;
        }
    }

    fn folder(&self, kind: FileType, id: &Id) -> String {
        let root = &self.access.address.root;
        match kind {
            FileType::Config => root.clone(),
            FileType::Pack => {
                let hex = id.to_hex();
                format!("{root}/data/{}", hex.get(..2).unwrap_or_default())
            }
            _ => format!("{root}/{}", kind.dirname()),
        }
    }

    fn path(&self, kind: FileType, id: &Id) -> String {
        format!("{}/{}", self.folder(kind, id), name(kind, id))
    }

    fn locks(&self) -> String {
        format!("{}/{LOCKS}", self.access.address.root)
    }

    fn write_file(&self, folder: &str, name: &str, content: &[Bytes]) -> io::Result<()> {
        self.ask(async |session: Arc<Session>| {
            let number = self.temporary_names.fetch_add(1, Ordering::Relaxed);
            let temporary = temporary_name(name, number);
            let written = session.write(folder, name, &temporary, content).await;
            match written {
                // Repositories of other programs may lack some of the folders, but not their
                // parents.
                Err(error)
                    if error.kind() == io::ErrorKind::NotFound
                        && folder != self.access.address.root =>
                {
                    session.make_folder(folder).await?;
                    session.write(folder, name, &temporary, content).await
                }
                written => written,
            }
        })
    }

    /// The files of a kind, each with its folder.
    fn list_files(&self, kind: FileType) -> io::Result<Vec<(String, File)>> {
        let top = format!("{}/{}", self.access.address.root, kind.dirname());
        self.ask(async |session: Arc<Session>| {
            let found = session.list(&top).await?;
            if kind != FileType::Pack {
                return Ok(found.into_iter().map(|file| (top.clone(), file)).collect());
            }
            let mut folders = (found.into_iter())
                .filter(|file| file.attrs.is_dir() && !file.filename.starts_with('.'))
                .map(|file| format!("{top}/{}", file.filename));
            let mut files = Vec::new();
            let mut under_way = JoinSet::new();
            loop {
                while under_way.len() < FOLDERS_AT_ONCE
                    && let Some(folder) = folders.next()
                {
                    let session = session.clone();
                    under_way.spawn(async move {
                        let files = session.list(&folder).await;
                        files.map(|files| (folder, files))
                    });
                }
                let Some(listed) = under_way.join_next().await else {
                    return Ok(files);
                };
                let (folder, found) = listed.map_err(io::Error::other)??;
                files.extend(found.into_iter().map(|file| (folder.clone(), file)));
            }
        })
    }

    /// Makes the repository's folders and their parents.
    fn make_folders(&self) -> io::Result<()> {
        let root = &self.access.address.root;
        self.ask(async |session: Arc<Session>| {
            for (end, _) in root.match_indices('/').filter(|(end, _)| *end > 0) {
                session
                    .make_folder(root.get(..end).unwrap_or_default())
                    .await?;
            }
            session.make_folder(root).await?;
            for kind in ALL_FILE_TYPES {
                session
                    .make_folder(&format!("{root}/{}", kind.dirname()))
                    .await?;
            }
            session.make_folder(&self.locks()).await?;
            let mut under_way = JoinSet::new();
            for number in 0..=255u8 {
                if under_way.len() == FOLDERS_AT_ONCE
                    && let Some(made) = under_way.join_next().await
                {
                    made.map_err(io::Error::other)??;
                }
                let (session, folder) = (session.clone(), format!("{root}/data/{number:02x}"));
                under_way.spawn(async move { session.make_folder(&folder).await });
            }
            while let Some(made) = under_way.join_next().await {
                made.map_err(io::Error::other)??;
            }
            let parent = root.rsplit_once('/').map_or(".", |(parent, _)| parent);
            for folder in [&format!("{root}/data"), root, parent] {
                // A server that cannot sync folders is not durable.
                session.is_durable(folder).await;
            }
            Ok(())
        })
    }
}

impl Drop for SftpBackend {
    fn drop(&mut self) {
        let session = guard(&self.session).take();
        if let Some(session) = session.and_then(Arc::into_inner)
            && let Ok(runtime) = runtime()
        {
            runtime.block_on(session.end());
        }
    }
}

impl std::fmt::Debug for SftpBackend {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str(&self.location())
    }
}

fn name(kind: FileType, id: &Id) -> String {
    match kind {
        FileType::Config => "config".to_string(),
        _ => id.to_hex().as_str().to_string(),
    }
}

fn failure(what: impl std::fmt::Display, error: io::Error) -> Box<RusticError> {
    RusticError::with_source(ErrorKind::Backend, what.to_string(), error)
}

impl ReadBackend for SftpBackend {
    fn location(&self) -> String {
        format!(
            "sftp:{}:{}",
            self.access.address.host, self.access.address.root
        )
    }

    fn list_with_size(&self, kind: FileType) -> RusticResult<Vec<(Id, u32)>> {
        if kind == FileType::Config {
            let path = self.path(kind, &Id::default());
            return match self.ask(async |session: Arc<Session>| session.size(&path).await) {
                Ok(size) => Ok(vec![(Id::default(), size as u32)]),
                Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Vec::new()),
                Err(error) => Err(failure("cannot look for config", error)),
            };
        }
        let files = self
            .list_files(kind)
            .map_err(|error| failure(format_args!("cannot list {}/", kind.dirname()), error))?;
        Ok(files
            .into_iter()
            .filter_map(|(_, file)| {
                let size = file.attrs.size.unwrap_or_default();
                let id = file.filename.parse().ok()?;
                Some((id, u32::try_from(size).unwrap_or(u32::MAX)))
            })
            .collect())
    }

    fn read_full(&self, kind: FileType, id: &Id) -> RusticResult<Bytes> {
        let path = self.path(kind, id);
        self.ask(async |session: Arc<Session>| session.read(&path, None).await)
            .map(Bytes::from)
            .map_err(|error| failure(format_args!("cannot read {path}"), error))
    }

    fn read_partial(
        &self,
        kind: FileType,
        id: &Id,
        _cacheable: bool,
        offset: u32,
        length: u32,
    ) -> RusticResult<Bytes> {
        let path = self.path(kind, id);
        let part = Some((u64::from(offset), length));
        self.ask(async |session: Arc<Session>| session.read(&path, part).await)
            .map(Bytes::from)
            .map_err(|error| {
                let what = format_args!("cannot read {length} bytes at {offset} of {path}");
                failure(what, error)
            })
    }

    fn warmup_path(&self, kind: FileType, id: &Id) -> String {
        self.path(kind, id)
    }
}

impl WriteBackend for SftpBackend {
    fn create(&self) -> RusticResult<()> {
        self.make_folders()
            .map_err(|error| failure("cannot create the repository's folders", error))
    }

    fn write_bytes(
        &self,
        kind: FileType,
        id: &Id,
        _cacheable: bool,
        content: BytesList,
    ) -> RusticResult<()> {
        self.write_file(&self.folder(kind, id), &name(kind, id), content.slice())
            .map_err(|error| failure(format_args!("cannot write {}", self.path(kind, id)), error))
    }

    fn remove(&self, kind: FileType, id: &Id, _cacheable: bool) -> RusticResult<()> {
        let path = self.path(kind, id);
        self.ask(async |session: Arc<Session>| session.remove(&path).await)
            .map_err(|error| failure(format_args!("cannot remove {path}"), error))
    }
}

impl Store for SftpBackend {
    fn list_locks(&self) -> io::Result<Vec<Id>> {
        let folder = self.locks();
        match self.ask(async |session: Arc<Session>| session.list(&folder).await) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Vec::new()),
            listed => Ok(listed?
                .into_iter()
                .filter_map(|file| file.filename.parse().ok())
                .collect()),
        }
    }

    fn read_lock(&self, id: &Id) -> io::Result<Option<Vec<u8>>> {
        let path = format!("{}/{}", self.locks(), id.to_hex().as_str());
        match self.ask(async |session: Arc<Session>| session.read(&path, None).await) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            content => content.map(Some),
        }
    }

    fn write_lock(&self, id: &Id, content: &[u8]) -> io::Result<()> {
        let content = [Bytes::copy_from_slice(content)];
        self.write_file(&self.locks(), &id.to_hex(), &content)
    }

    fn remove_lock(&self, id: &Id) -> io::Result<()> {
        let path = format!("{}/{}", self.locks(), id.to_hex().as_str());
        match self.ask(async |session: Arc<Session>| session.remove(&path).await) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
            removed => removed,
        }
    }

    fn durability(&self) -> Durability {
        let root = &self.access.address.root;
        match self.ask(async |session: Arc<Session>| Ok(session.is_durable(root).await)) {
            Ok(true) => Durability::Promised,
            _ => Durability::NotPromised("this SFTP server does not sync files and folders"),
        }
    }

    fn remove_forgotten(&self) {
        for kind in ALL_FILE_TYPES {
            let found = self.list_files(kind).unwrap_or_default();
            for (folder, file) in found {
                let modified = file
                    .attrs
                    .mtime
                    .map(|at| UNIX_EPOCH + Duration::from_secs(at.into()));
                let age = modified.and_then(|at| SystemTime::now().duration_since(at).ok());
                if is_temporary(&file.filename) && age.is_some_and(|age| age > FORGOTTEN) {
                    let path = format!("{folder}/{}", file.filename);
                    let _ = self.ask(async |session: Arc<Session>| session.remove(&path).await);
                }
            }
        }
    }
}

fn guard(session: &Mutex<Option<Arc<Session>>>) -> MutexGuard<'_, Option<Arc<Session>>> {
    session.lock().unwrap_or_else(PoisonError::into_inner)
}
