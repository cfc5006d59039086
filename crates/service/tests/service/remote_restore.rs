//! Restores from another computer: every byte arrives at its destination, and nothing else does.

use std::io::Read;
use std::time::SystemTime;

use contract::{Error, FileType, RestoreType, ResultCode};
use ntdsbcli::{RestoreContext, RestoredFile, SendError, Server};
use service::Mode;

use crate::certificates::Issued;
use crate::host::{Directory, Host};
use crate::in_memory::{Backup, announced};
use crate::world::{World, by_fingerprint, server};

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

    fn server(&self) -> Server {
        server(&self.host, self.world.tls(Some(&self.restorer)))
    }

    /// A restore up to its registration.
    fn register(&self) -> RestoreContext {
        self.backup.register(&self.server(), &self.world.directory)
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
    scene
        .backup
        .restore(&scene.server(), &scene.world.directory);
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
    // The destination exists until the old files are cleared.
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
    // The directory is still locked, with a reason.
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
    let server = scene.server();
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
