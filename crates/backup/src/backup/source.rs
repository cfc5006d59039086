//! The files of a backup as a source for the repository: databases first, then logs, then what says
//! what they are.

use std::collections::VecDeque;
use std::io::Read;

use contract::{FileType, READ_SIZE_MINIMUM, READ_SIZE_UNIT, ResultCode};
use ids::hex;
use model::manifest::{self, MANIFEST_PATH, Manifest, TOKEN_PATH};
use model::{Damage, FileEntry};
use ntdsbcli::BackupContext;
use repository::{BoxError, ChunkSize, NewFile, Source, SourceFile, StoredFile};

use crate::report::{Progress, Report};
use crate::time;
use crate::tip::{LOG_HEADER, Tip};
use crate::words::{bytes, count};

/// How much is read from the service at once.
const READ_SIZE: u32 = 1 << 20;

/// Steps 3 to 5.
pub(super) struct Walk<'a> {
    context: &'a mut BackupContext,
    waiting: VecDeque<FileEntry>,
    logs_listed: bool,
    /// The files that were read, with the damage found in them.
    read: Vec<(FileEntry, Damage)>,
    manifest: Manifest,
    /// What a backup of logs continues.
    continued: Option<Tip>,
    /// The beginning of the first log.
    first_log: Vec<u8>,
    report: &'a dyn Report,
    bar: &'a dyn Progress,
}

impl<'a> Walk<'a> {
    /// Begins with the database files. The manifest still lacks the files.
    pub(super) fn new(
        context: &'a mut BackupContext,
        databases: Vec<FileEntry>,
        manifest: Manifest,
        continued: Option<Tip>,
        report: &'a dyn Report,
        bar: &'a dyn Progress,
    ) -> Self {
        Self {
            context,
            waiting: databases.into(),
            logs_listed: false,
            read: Vec::new(),
            manifest,
            continued,
            first_log: Vec::new(),
            report,
            bar,
        }
    }

    /// The manifest, as it is in the snapshot once the walk is done.
    pub(super) fn into_manifest(self) -> Manifest {
        self.manifest
    }
}

impl Source for Walk<'_> {
    fn next(&mut self) -> Result<Option<SourceFile<'_>>, BoxError> {
        if !self.read.is_empty() {
            self.context.close()?;
        }
        if self.waiting.is_empty() && !self.logs_listed {
            self.logs_listed = true;
            self.waiting = self.context.backup_logs()?.into();
            self.report.step(
                5,
                9,
                &format!(
                    "DsBackupGetBackupLogs: {}",
                    count(self.waiting.len(), "file")
                ),
            );
            self.bar
                .extend(self.waiting.iter().map(|file| file.size).sum());
        }
        let Some(file) = self.waiting.pop_front() else {
            return Ok(None);
        };
        let size = self.context.open_file(&file.name, READ_SIZE)?;
        let number = if self.logs_listed { 5 } else { 4 };
        self.report.step(
            number,
            9,
            &format!(
                "DsBackupOpenFile, DsBackupRead, DsBackupClose: {} ({})",
                name_for_people(&file),
                bytes(size)
            ),
        );
        self.bar.item(file.base_name());
        let (path, modified) = (path_in_snapshot(&file), file.modified);
        let chunk_size = chunk_size(&self.manifest.store, file.file_type);
        let prove = file.file_type == FileType::LOG;
        let first_log = prove && self.first_log.is_empty();
        self.read.push((file, Damage::default()));
        let (_, damage) = self.read.last_mut().expect("just pushed");
        let content = FileContent {
            context: self.context,
            damage,
            start: &mut self.first_log,
            wanted_start: match first_log {
                true => LOG_HEADER,
                false => 0,
            },
            buffer: Vec::new(),
            taken: 0,
        };
        Ok(Some(SourceFile {
            path,
            size,
            modified,
            chunk_size,
            prove,
            content: Box::new(content),
        }))
    }

    fn finish(&mut self, stored: &[StoredFile]) -> Result<Vec<NewFile>, BoxError> {
        if let Some(tip) = &self.continued {
            let first = self
                .read
                .iter()
                .find(|(file, _)| file.file_type == FileType::LOG);
            let name = first.map_or("the first log", |(file, _)| file.base_name());
            tip.check_continued(name, &self.first_log)?;
        }
        self.manifest.files = self
            .read
            .iter()
            .zip(stored)
            .map(|((file, damage), stored)| manifest::File {
                file_type: file.file_type.word().to_owned(),
                path: stored.path.clone(),
                original: file.name.clone(),
                size: stored.size,
                sha256: hex::encode(&stored.sha256),
                modified: time::from_system(file.modified),
                generation: file.generation,
                damage: (damage.count > 0).then(|| damage.clone()),
                more: Default::default(),
            })
            .collect();
        self.manifest.damaged = self.manifest.files.iter().any(|file| file.damage.is_some());
        Ok(vec![
            NewFile {
                path: TOKEN_PATH.to_owned(),
                content: self.context.expiry_token().to_vec(),
            },
            NewFile {
                path: MANIFEST_PATH.to_owned(),
                content: self.manifest.to_json(),
            },
        ])
    }
}

/// Where a file lies in the snapshot: where the service says, or else by the folder that it belongs
/// into.
fn path_in_snapshot(file: &FileEntry) -> String {
    if let Some(place) = &file.place {
        return place.clone();
    }
    let folder = match file.file_type {
        FileType::CHECKPOINT => "checkpoint",
        file_type if file_type.belongs_to_database_directory() => "database",
        file_type if file_type.belongs_to_log_directory() => "logs",
        _ => "other",
    };
    format!("{folder}/{}", file.base_name())
}

/// The size of the chunks that a file is cut into. Samba's databases compress well, and a changed
/// object changes a few pages far apart: the figures are in `docs/samba.md`, those of other
/// databases in `docs/repository.md`.
fn chunk_size(store_kind: &str, file_type: FileType) -> ChunkSize {
    match file_type {
        FileType::DATABASE if store_kind == samba::STORE_KIND => ChunkSize::Small,
        _ => ChunkSize::Standard,
    }
}

/// The open file as a stream: any number of bytes at a time, where DsBackupRead wants whole units.
struct FileContent<'a> {
    context: &'a mut BackupContext,
    damage: &'a mut Damage,
    /// Its first bytes.
    start: &'a mut Vec<u8>,
    /// How many of them are kept.
    wanted_start: usize,
    /// Bytes that did not fit into a small buffer of the reader's.
    buffer: Vec<u8>,
    taken: usize,
}

impl FileContent<'_> {
    fn read_units(
        context: &mut BackupContext,
        damage: &mut Damage,
        into: &mut [u8],
    ) -> std::io::Result<usize> {
        match context.read(into) {
            Ok(length) => Ok(length),
            Err(error) if error.code == ResultCode::HANDLE_EOF => {
                *damage = context.damage().cloned().unwrap_or_default();
                Ok(0)
            }
            Err(error) => Err(std::io::Error::other(error)),
        }
    }
}

impl Read for FileContent<'_> {
    fn read(&mut self, into: &mut [u8]) -> std::io::Result<usize> {
        let length = self.read_on(into)?;
        let missing = self.wanted_start.saturating_sub(self.start.len());
        self.start.extend_from_slice(&into[..length.min(missing)]);
        Ok(length)
    }
}

impl FileContent<'_> {
    fn read_on(&mut self, into: &mut [u8]) -> std::io::Result<usize> {
        if self.taken == self.buffer.len() {
            if into.len() >= READ_SIZE_MINIMUM as usize {
                let units = into.len() - into.len() % READ_SIZE_UNIT as usize;
                return Self::read_units(self.context, self.damage, &mut into[..units]);
            }
            self.buffer.resize(READ_SIZE as usize, 0);
            let length = Self::read_units(self.context, self.damage, &mut self.buffer)?;
            self.buffer.truncate(length);
            self.taken = 0;
        }
        let rest = &self.buffer[self.taken..];
        let length = rest.len().min(into.len());
        into[..length].copy_from_slice(&rest[..length]);
        self.taken += length;
        Ok(length)
    }
}

/// Of a server's state the path in the snapshot: every policy has a GPT.INI.
fn name_for_people(file: &FileEntry) -> &str {
    (file.place.as_deref()).unwrap_or_else(|| file.base_name())
}
