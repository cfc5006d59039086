//! A repository in an S3 store, through OpenDAL.
//!
//! rustic's own OpenDAL backend omits entries that it cannot list. Here a list is complete or an
//! error: missing entries would be considered lost, or stored again.

use std::collections::BTreeMap;
use std::io;

use bytes::Bytes;
use opendal::blocking::Operator;
use opendal::layers::RetryLayer;
use opendal::options::{ListOptions, ReadOptions};
use opendal::{EntryMode, ErrorKind as StoreError};
use rustic_core::{
    ALL_FILE_TYPES, BytesList, ErrorKind, FileType, Id, ReadBackend, RusticError, RusticResult,
    WriteBackend,
};

use crate::runtime::runtime;
use crate::store::{Durability, LOCKS, Store};

/// The number of retries after a temporary failure.
const RETRIES: usize = 5;

/// A store in restic's default layout: `config`, `keys/`, `index/`, `snapshots/`, `data/00/` to
/// `data/ff/`.
#[derive(Debug)]
pub(crate) struct S3Backend {
    operator: Operator,
}

impl S3Backend {
    /// `options` are OpenDAL's.
    pub(crate) fn new(options: BTreeMap<String, String>) -> opendal::Result<Self> {
        let operator = opendal::Operator::via_iter("s3", options)?
            .layer(RetryLayer::new().with_max_times(RETRIES).with_jitter());
        let runtime = runtime().map_err(|error| {
            opendal::Error::new(StoreError::Unexpected, "cannot start threads").set_source(error)
        })?;
        let _entered = runtime.enter();
        Ok(Self {
            operator: Operator::new(operator)?,
        })
    }
}

fn path(kind: FileType, id: &Id) -> String {
    let hex = id.to_hex();
    match kind {
        FileType::Config => "config".to_string(),
        FileType::Pack => format!("data/{}/{}", hex.get(..2).unwrap_or_default(), hex.as_str()),
        _ => format!("{}/{}", kind.dirname(), hex.as_str()),
    }
}

fn failure(what: impl std::fmt::Display, error: opendal::Error) -> Box<RusticError> {
    RusticError::with_source(ErrorKind::Backend, what.to_string(), error)
}

/// restic's format has no files of 4 GiB or more.
fn size_of(path: &str, bytes: u64) -> RusticResult<u32> {
    u32::try_from(bytes).map_err(|error| {
        let what = format!("{path} has {bytes} bytes, more than any file of a repository");
        RusticError::with_source(ErrorKind::Backend, what, error)
    })
}

impl ReadBackend for S3Backend {
    fn location(&self) -> String {
        let info = self.operator.info();
        format!("{}:{}{}", info.scheme(), info.name(), info.root())
    }

    fn list_with_size(&self, kind: FileType) -> RusticResult<Vec<(Id, u32)>> {
        if kind == FileType::Config {
            return match self.operator.stat("config") {
                Ok(found) => {
                    let size = size_of("config", found.content_length())?;
                    Ok(vec![(Id::default(), size)])
                }
                Err(error) if error.kind() == StoreError::NotFound => Ok(Vec::new()),
                Err(error) => Err(failure("cannot look for config", error)),
            };
        }
        let folder = format!("{}/", kind.dirname());
        let cannot_list = |error| failure(format_args!("cannot list {folder}"), error);
        let options = ListOptions {
            recursive: true,
            ..ListOptions::default()
        };
        let mut files = Vec::new();
        for entry in self
            .operator
            .lister_options(&folder, options)
            .map_err(cannot_list)?
        {
            let entry = entry.map_err(cannot_list)?;
            if entry.metadata().mode() == EntryMode::FILE
                && let Some(id) = Id::parse_some(entry.name(), kind)
            {
                files.push((
                    id,
                    size_of(entry.path(), entry.metadata().content_length())?,
                ));
            }
        }
        Ok(files)
    }

    fn read_full(&self, kind: FileType, id: &Id) -> RusticResult<Bytes> {
        let path = path(kind, id);
        self.operator
            .read(&path)
            .map(|content| content.to_bytes())
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
        let path = path(kind, id);
        let start = u64::from(offset);
        let options = ReadOptions {
            range: (start..start + u64::from(length)).into(),
            ..ReadOptions::default()
        };
        self.operator
            .read_options(&path, options)
            .map(|content| content.to_bytes())
            .map_err(|error| {
                let what = format_args!("cannot read {length} bytes at {offset} of {path}");
                failure(what, error)
            })
    }

    fn warmup_path(&self, kind: FileType, id: &Id) -> String {
        format!("{}{}", self.operator.info().root(), path(kind, id))
    }
}

impl WriteBackend for S3Backend {
    fn create(&self) -> RusticResult<()> {
        let folders = ALL_FILE_TYPES
            .iter()
            .map(|kind| format!("{}/", kind.dirname()))
            .chain(["locks/".to_string()])
            .chain((0..=255u8).map(|number| format!("data/{number:02x}/")));
        for folder in folders {
            self.operator
                .create_dir(&folder)
                .map_err(|error| failure(format_args!("cannot create {folder}"), error))?;
        }
        Ok(())
    }

    fn write_bytes(
        &self,
        kind: FileType,
        id: &Id,
        _cacheable: bool,
        content: BytesList,
    ) -> RusticResult<()> {
        let path = path(kind, id);
        self.operator
            .write(&path, content.into_vec())
            .map(drop)
            .map_err(|error| failure(format_args!("cannot write {path}"), error))
    }

    fn remove(&self, kind: FileType, id: &Id, _cacheable: bool) -> RusticResult<()> {
        let path = path(kind, id);
        self.operator
            .delete(&path)
            .map_err(|error| failure(format_args!("cannot remove {path}"), error))
    }
}

impl Store for S3Backend {
    fn list_locks(&self) -> io::Result<Vec<Id>> {
        let folder = format!("{}/", LOCKS);
        match self.operator.list(&folder) {
            Ok(entries) => Ok(entries
                .iter()
                .filter_map(|entry| entry.name().parse().ok())
                .collect()),
            Err(error) if error.kind() == StoreError::NotFound => Ok(Vec::new()),
            Err(error) => Err(error.into()),
        }
    }

    fn read_lock(&self, id: &Id) -> io::Result<Option<Vec<u8>>> {
        match self.operator.read(&lock(id)) {
            Ok(content) => Ok(Some(content.to_vec())),
            Err(error) if error.kind() == StoreError::NotFound => Ok(None),
            Err(error) => Err(error.into()),
        }
    }

    fn write_lock(&self, id: &Id, content: &[u8]) -> io::Result<()> {
        self.operator.write(&lock(id), content.to_vec())?;
        Ok(())
    }

    fn remove_lock(&self, id: &Id) -> io::Result<()> {
        Ok(self.operator.delete(&lock(id))?)
    }

    /// An object store confirms an object when it is durable.
    fn durability(&self) -> Durability {
        Durability::Promised
    }
}

fn lock(id: &Id) -> String {
    format!("{}/{}", LOCKS, id.to_hex().as_str())
}
