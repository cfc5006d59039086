//! A backup in memory, and the walk-through that restores it from another computer.

use contract::{Generations, RestoreType, ResultCode};
use ntdsbcli::{
    BackupContext, BackupOptions, DatabaseMap, FileEntry, Registration, RestoreContext,
    RestoredFile, Server,
};
use sha2::{Digest, Sha256};

use crate::host::Directory;
use crate::world::read_whole;

/// A backup in memory.
pub struct Backup {
    pub token: Vec<u8>,
    pub generations: Generations,
    pub files: Vec<(FileEntry, Vec<u8>)>,
}

impl Backup {
    pub fn of(server: &Server) -> Self {
        let mut backup = BackupContext::prepare(server, BackupOptions::full()).unwrap();
        let mut files = backup.database_names().unwrap();
        files.extend(backup.backup_logs().unwrap());
        let files = files
            .into_iter()
            .map(|file| {
                let content = read_whole(&mut backup, &file.name);
                (file, content)
            })
            .collect();
        let facts = backup.facts();
        Self {
            token: backup.expiry_token().to_vec(),
            generations: facts.logs.unwrap_or(Generations { low: 0, high: 0 }),
            files,
        }
    }

    pub fn size(&self) -> u64 {
        self.files.iter().map(|(file, _)| file.size).sum()
    }

    /// A restore into a directory, up to its registration.
    pub fn register(&self, server: &Server, directory: &Directory) -> RestoreContext {
        let context =
            RestoreContext::prepare(server, RestoreType::CatchUp, Some(&self.token)).unwrap();
        let folder = directory.path().display().to_string();
        context
            .register(&Registration {
                checkpoint_directory: folder.clone(),
                log_directory: folder.clone(),
                backup_log_directory: folder,
                databases: vec![DatabaseMap {
                    old_path: self.files[0].0.name.clone(),
                    new_path: directory.listed("ntds.dit"),
                }],
                generations: self.generations,
            })
            .unwrap();
        context
    }

    /// The whole walk-through of a restore.
    pub fn restore(&self, server: &Server, directory: &Directory) {
        let context = self.register(server, directory);
        context.clear(self.size()).unwrap();
        for (file, content) in &self.files {
            let announced = announced(file, content);
            context
                .send_file(&announced, &mut content.as_slice())
                .unwrap();
        }
        context.register_complete(ResultCode::OK).unwrap();
        context.end().unwrap();
    }
}

pub fn announced(file: &FileEntry, content: &[u8]) -> RestoredFile {
    RestoredFile {
        file_type: file.file_type,
        name: file.base_name().to_owned(),
        size: content.len() as u64,
        sha256: Sha256::digest(content).into(),
        modified: file.modified,
    }
}
