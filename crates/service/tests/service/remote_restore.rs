//! Restores from another computer: every byte arrives at its place, and nothing else does.

use std::io::Read;
use std::time::SystemTime;

use contract::{Error, FileType, Generations, RestoreType, ResultCode};
use ntdsbcli::{
    BackupContext, BackupFile, BackupOptions, DatabaseMap, Registration, RestoreContext,
    RestoredFile, SendError, Server,
};
use service::Mode;
use sha2::{Digest, Sha256};

use crate::certificates::Issued;
use crate::host::{Directory, Host};
use crate::world::{World, by_fingerprint, server};

/// A backup in memory.
struct Backup {
    token: Vec<u8>,
    generations: Generations,
    files: Vec<(BackupFile, Vec<u8>)>,
}

impl Backup {
    fn of(server: &Server) -> Self {
        let mut backup = BackupContext::prepare(server, BackupOptions::full()).unwrap();
        let mut files = backup.database_names().unwrap();
        files.extend(backup.backup_logs().unwrap());
        let mut buffer = vec![0; 1 << 20];
        let files = files
            .into_iter()
            .map(|file| {
                let size = backup.open_file(&file.name, 1 << 20).unwrap();
                let mut content = Vec::new();
                while (content.len() as u64) < size {
                    let length = backup.read(&mut buffer).unwrap();
                    content.extend_from_slice(&buffer[..length]);
                }
                backup.close().unwrap();
                (file, content)
            })
            .collect();
        Self {
            token: backup.expiry_token().to_vec(),
            generations: backup
                .facts()
                .logs
                .unwrap_or(Generations { low: 0, high: 0 }),
            files,
        }
    }

    fn size(&self) -> u64 {
        self.files.iter().map(|(file, _)| file.size).sum()
    }
}

/// A world in restore mode, a client that may restore, and the backup of another directory.
struct Scene {
    world: World,
    host: Host,
    restorer: Issued,
    backup: Backup,
}

impl Scene {
    fn new() -> Self {
        let source = Directory::of("sample-forest/dirty");
        let backup = {
            let host = source.host();
            Backup::of(&Server::at_socket(host.socket()))
        };
        let world = World::of(source);
        let restorer = world.authority.client(world.path(), "restorer");
        let configuration = world.configuration(vec![by_fingerprint(&restorer, false, true)]);
        let host = Host::start(&configuration, Mode::Restore).unwrap();
        Self {
            world,
            host,
            restorer,
            backup,
        }
    }

    /// A restore up to its registration.
    fn register(&self) -> RestoreContext {
        let server = server(&self.host, self.world.tls(Some(&self.restorer)));
        let context =
            RestoreContext::prepare(&server, RestoreType::CatchUp, Some(&self.backup.token))
                .unwrap();
        let folder = self.world.directory.path().display().to_string();
        let database = &self.backup.files[0].0.name;
        context
            .register(&Registration {
                checkpoint_directory: folder.clone(),
                log_directory: folder.clone(),
                backup_log_directory: folder,
                databases: vec![DatabaseMap {
                    old_path: database.clone(),
                    new_path: self.world.directory.listed("ntds.dit"),
                }],
                generations: self.backup.generations,
            })
            .unwrap();
        context
    }
}

fn announced(file: &BackupFile, content: &[u8]) -> RestoredFile {
    RestoredFile {
        file_type: file.file_type,
        name: file.base_name().to_owned(),
        size: content.len() as u64,
        sha256: Sha256::digest(content).into(),
        modified: file.modified,
    }
}

fn refusal(result: Result<(), SendError>) -> Error {
    match result {
        Err(SendError::Service(error)) => error,
        other => panic!("{other:?}"),
    }
}

#[test]
fn every_byte_comes_back() {
    let scene = Scene::new();
    let before: Vec<_> = scene
        .world
        .directory
        .names()
        .into_iter()
        .map(|name| {
            (
                name.clone(),
                std::fs::read(scene.world.directory.file(&name)).unwrap(),
            )
        })
        .collect();
    scene.world.directory.flip("ntds.dit", 100_000);
    let context = scene.register();
    let deleted = context.clear(scene.backup.size()).unwrap();
    assert_eq!(deleted.len(), scene.backup.files.len());
    for (file, content) in &scene.backup.files {
        context
            .send_file(&announced(file, content), &mut content.as_slice())
            .unwrap();
    }
    context.register_complete(ResultCode::OK).unwrap();
    context.end().unwrap();
    for (name, content) in before {
        assert!(
            std::fs::read(scene.world.directory.file(&name)).unwrap() == content,
            "{name}"
        );
    }
    drop(scene.host);
    scene.world.directory.host();
}

#[test]
fn only_a_directorys_own_files_are_written() {
    let scene = Scene::new();
    let names = scene.world.directory.names();
    let context = scene.register();
    let (database, content) = &scene.backup.files[0];
    let good = announced(database, content);
    let refused = |file: RestoredFile, code: ResultCode| {
        let error = refusal(context.send_file(&file, &mut content.as_slice()));
        assert_eq!(error.code, code, "{error}");
    };
    // Something lies there until the places are cleared.
    refused(good.clone(), ResultCode::INVALID_PATH);
    context.clear(u64::MAX / 2).map(drop).unwrap_err();
    assert!(
        names
            .iter()
            .all(|name| scene.world.directory.file(name).exists())
    );
    context.clear(scene.backup.size()).unwrap();
    for (file_type, name) in [
        (FileType::LOG, "../edb00001.log"),
        (FileType::LOG, "/etc/cron.d/edb00001.log"),
        (FileType::LOG, "sub/edb00001.log"),
        (FileType::LOG, "passwd"),
        (FileType::LOG, ""),
        (FileType::DATABASE, "../ntds.dit"),
        (FileType::CHECKPOINT, "edb.log"),
        (FileType::UNKNOWN, "ntds.dsbackup"),
        (FileType::STATE, ".dsbackup-restore"),
    ] {
        let name = name.to_owned();
        refused(
            RestoredFile {
                file_type,
                name,
                ..good.clone()
            },
            ResultCode::INVALID_PATH,
        );
    }
    // Other content, shorter or longer than announced.
    for (size, sha256) in [
        (good.size, [0; 32]),
        (good.size - 1, good.sha256),
        (good.size + 1, good.sha256),
    ] {
        refused(
            RestoredFile {
                size,
                sha256,
                ..good.clone()
            },
            ResultCode::INVALID_PARAMETER,
        );
        assert!(!scene.world.directory.file("ntds.dit").exists());
    }
    // Half a file, and the sender fails.
    let mut half = content[..content.len() / 2].chain(Broken);
    assert!(matches!(
        context.send_file(&good, &mut half),
        Err(SendError::Content(_))
    ));
    std::thread::sleep(std::time::Duration::from_millis(300));
    assert!(!scene.world.directory.file("ntds.dit").exists());
    // The directory is still locked, and says why.
    let error = context.register_complete(ResultCode::OK).unwrap_err();
    assert_eq!(error.code, ResultCode::DATABASE_NOT_FOUND);
    drop(context);
    drop(scene.host);
    let error = Host::start(&scene.world.directory.configuration(), Mode::Normal)
        .err()
        .unwrap();
    assert_eq!(error.code, ResultCode::RESTORE_IN_PROGRESS);
}

#[test]
fn nothing_is_written_without_a_registered_restore() {
    let scene = Scene::new();
    let names = scene.world.directory.names();
    let (database, content) = &scene.backup.files[0];
    let file = announced(database, content);
    let server = server(&scene.host, scene.world.tls(Some(&scene.restorer)));
    for (token, code) in [
        (None, ResultCode::MISSING_EXPIRY_TOKEN),
        (
            Some(scene.backup.token.as_slice()),
            ResultCode::INVALID_HANDLE,
        ),
    ] {
        let context = RestoreContext::prepare(&server, RestoreType::CatchUp, token).unwrap();
        assert_eq!(context.clear(0).unwrap_err().code, code);
        let error = refusal(context.send_file(&file, &mut content.as_slice()));
        assert_eq!(error.code, code);
    }
    assert_eq!(scene.world.directory.names(), names);
    assert!(file.modified < SystemTime::now());
}

/// Content that cannot be read.
struct Broken;

impl Read for Broken {
    fn read(&mut self, _: &mut [u8]) -> std::io::Result<usize> {
        Err(std::io::Error::other("the disk is gone"))
    }
}
