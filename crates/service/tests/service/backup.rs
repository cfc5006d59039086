//! The nine steps of a backup.

use contract::{FileType, ResultCode};

use crate::client::{Client, HINT, file_name};
use crate::host::Directory;

#[tokio::test(flavor = "multi_thread")]
async fn every_fixture_streams_byte_identical() {
    for fixture in testkit::every() {
        let directory = Directory::empty();
        fixture.unpack_into(&directory.path());
        if !directory.file("test.edb").exists() && !directory.file("ntds.dit").exists() {
            // An incremental backup: logs without a database.
            continue;
        }
        if directory.file("two.edb").exists() {
            // A service hosts one database; the other one of these logs is not its own.
            continue;
        }
        let host = directory.host();
        let mut client = Client::connect(host.socket()).await;
        assert_eq!(client.is_online().await, Ok(true));
        let prepared = client.prepare().await.expect(&fixture.name);
        let fetched = client
            .fetch_all(&prepared.handle)
            .await
            .expect(&fixture.name);
        for file in &fetched {
            let original = std::fs::read(&file.entry.name).expect("a listed file");
            assert!(
                original == file.content,
                "{} {}",
                fixture.name,
                file.entry.name
            );
            assert_eq!(file.end.damaged, 0);
        }
        let mut names: Vec<_> = fetched
            .iter()
            .map(|file| file.file_name().to_owned())
            .collect();
        names.sort();
        assert_eq!(
            names,
            directory.names(),
            "{}: nothing is left out",
            fixture.name
        );
        client.end(&prepared.handle).await.expect(&fixture.name);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn lists_say_what_each_file_is() {
    let directory = Directory::of("sample-forest/dirty");
    let host = directory.host();
    let mut client = Client::connect(host.socket()).await;
    let prepared = client.prepare().await.unwrap();
    let facts = prepared.facts.unwrap();
    assert_eq!(facts.store_kind, "ese-folder");
    assert_eq!(facts.state, "Dirty Shutdown");
    assert_eq!((facts.required_low, facts.required_high), (6, 7));
    assert_eq!((facts.generation_low, facts.generation_high), (1, 7));
    assert_eq!(facts.page_size, 8192);
    // Hosted without recovery, its lifetime and identity are unknown: the configuration counts.
    assert_eq!(facts.tombstone_lifetime_days, 60);
    assert_eq!(facts.directory, None);

    let databases = client.database_files(&prepared.handle).await.unwrap();
    let [database] = databases.as_slice() else {
        panic!("one database: {databases:?}");
    };
    assert_eq!(database.file_type, u32::from(FileType::DATABASE.0));
    assert_eq!(database.name, directory.listed("ntds.dit"));
    assert_eq!(database.size, 8_388_608);

    let logs = client.log_files(&prepared.handle).await.unwrap();
    let listed: Vec<_> = logs
        .iter()
        .map(|log| {
            (
                FileType(log.file_type as u8),
                file_name(&log.name),
                log.generation,
            )
        })
        .collect();
    let log = |name, generation| (FileType::LOG, name, generation);
    assert_eq!(
        listed,
        [
            log("edb00001.log", 1),
            log("edb00002.log", 2),
            log("edb00003.log", 3),
            log("edb00004.log", 4),
            log("edb00005.log", 5),
            log("edb00006.log", 6),
            log("edb.log", 7),
            log("edbtmp.log", 0),
            (FileType::CHECKPOINT, "edb.chk", 0),
        ]
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_backup_that_cannot_become_consistent_says_so_at_once() {
    let directory = Directory::of("sample-forest/dirty");
    std::fs::remove_file(directory.file("edb00006.log")).unwrap();
    directory.flip("edb00002.log", 20);
    let host = directory.host();
    let mut client = Client::connect(host.socket()).await;
    let warnings = client.prepare().await.unwrap().facts.unwrap().warnings;
    let [unusable, missing] = warnings.as_slice() else {
        panic!("two warnings: {warnings:?}");
    };
    assert!(unusable.contains("edb00002.log"), "{unusable}");
    assert!(missing.contains("generation 0x6"), "{missing}");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_token_names_the_database_and_the_lifetime() {
    let directory = Directory::of("sample-forest/clean");
    let mut configuration = directory.configuration();
    // The directory's own lifetime counts, not the configured one.
    configuration
        .directory_mut()
        .expect("a folder")
        .tombstone_lifetime_days = 30;
    let host = crate::host::Host::start(&configuration, service::Mode::Normal).unwrap();
    let mut client = Client::connect(host.socket()).await;
    let prepared = client.prepare().await.unwrap();
    let token = contract::ExpiryToken::from_bytes(&prepared.expiry_token).unwrap();
    assert_eq!(token.tombstone_lifetime_days, 180);
    let facts = prepared.facts.unwrap();
    assert_eq!(token.signature.to_vec(), facts.database_signature);
    let identity = facts.directory.expect("a clean directory says who it is");
    assert_eq!(identity.domain, "corp.example");
    assert_eq!(identity.forest, "corp.example");
    assert_eq!(identity.dsa_guid, "3e7d9a04-58c1-4f2b-a6d3-91b07c5e2f18");
    assert_eq!(
        identity.invocation_id,
        "e1450b96-7fa3-4c88-9d12-60a5f3c8b74d"
    );
    assert_eq!(identity.highest_committed_usn, 4542);
    assert_eq!(
        (identity.objects, identity.deleted_objects, identity.links),
        (428, 9, 364)
    );
    assert_eq!(token.check_unexpired(std::time::SystemTime::now()), Ok(()));
}

#[tokio::test(flavor = "multi_thread")]
async fn three_folders_are_one_directory() {
    let directory = Directory::of("sample-forest/dirty");
    let mut configuration = directory.configuration();
    for folder in ["logs", "checkpoint"] {
        std::fs::create_dir(directory.file(folder)).unwrap();
    }
    for name in directory.names() {
        if name.ends_with(".log") {
            std::fs::rename(directory.file(&name), directory.file("logs").join(&name)).unwrap();
        }
    }
    std::fs::rename(
        directory.file("edb.chk"),
        directory.file("checkpoint/edb.chk"),
    )
    .unwrap();
    configuration.directory_mut().expect("a folder").log_folder = Some(directory.file("logs"));
    configuration
        .directory_mut()
        .expect("a folder")
        .checkpoint_folder = Some(directory.file("checkpoint"));
    let host = crate::host::Host::start(&configuration, service::Mode::Normal).unwrap();
    let mut client = Client::connect(host.socket()).await;
    let handle = client.prepare().await.unwrap().handle;
    let fetched = client.fetch_all(&handle).await.unwrap();
    let names: Vec<_> = fetched.iter().map(|file| file.entry.name.clone()).collect();
    assert_eq!(names.len(), 10);
    for (name, listed) in [
        ("ntds.dit", "ntds.dit"),
        ("edb.log", "logs/edb.log"),
        ("edb.chk", "checkpoint/edb.chk"),
    ] {
        assert!(names.contains(&directory.listed(listed)), "{name}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn only_full_backups_and_backups_of_logs_are_offered() {
    let directory = Directory::of("sample-forest/clean");
    let host = directory.host();
    let mut client = Client::connect(host.socket()).await;
    for backup_type in [0, 3, 4, 5, u32::MAX] {
        let refusal = client.prepare_as(backup_type, false).await.unwrap_err();
        assert_eq!(refusal.code, ResultCode::INVALID_PARAMETER, "{backup_type}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn calls_out_of_order_get_the_documented_codes() {
    let directory = Directory::of("sample-forest/clean");
    let host = directory.host();
    let mut client = Client::connect(host.socket()).await;
    let handle = client.prepare().await.unwrap().handle;
    let database = directory.listed("ntds.dit");

    // Nothing is open.
    let code = |result: contract::Result<()>| result.unwrap_err().code;
    assert_eq!(
        code(client.close(&handle).await),
        ResultCode::INVALID_HANDLE
    );
    let reading = client.begin_reading(&handle).await.map(drop);
    assert_eq!(code(reading), ResultCode::INVALID_HANDLE);

    // Names that are not in the lists, in any spelling.
    for name in [
        "",
        "ntds.dit",
        "/etc/passwd",
        &format!("{}/../directory/ntds.dit", directory.path().display()),
        &format!("{}//ntds.dit", directory.path().display()),
        &database.to_uppercase(),
        &format!("{database}\0"),
    ] {
        let opened = client.open(&handle, name).await.map(drop);
        assert_eq!(code(opened), ResultCode::FILE_NOT_FOUND, "{name:?}");
    }
    for hint in [0, 8192, 24575, 24577, u32::MAX] {
        let opened = client.open_with(&handle, &database, hint).await.map(drop);
        assert_eq!(code(opened), ResultCode::INVALID_PARAMETER, "{hint}");
    }

    // One file at a time; names need not have been listed.
    assert_eq!(
        client.open_with(&handle, &database, 24576).await,
        Ok(6_291_456)
    );
    let second = client
        .open(&handle, &directory.listed("edb.log"))
        .await
        .map(drop);
    assert_eq!(code(second), ResultCode::ALREADY_OPEN);

    // Read once.
    let mut content = Vec::new();
    let stream = client.begin_reading(&handle).await.unwrap();
    let twice = client.begin_reading(&handle).await.map(drop);
    assert_eq!(code(twice), ResultCode::ALREADY_OPEN);
    crate::client::take(stream, &mut content).await.unwrap();
    let again = client.begin_reading(&handle).await.map(drop);
    assert_eq!(code(again), ResultCode::HANDLE_EOF);
    client.close(&handle).await.unwrap();

    // An abandoned stream must be restarted.
    client.open(&handle, &database).await.unwrap();
    drop(client.begin_reading(&handle).await.unwrap());
    tokio::time::sleep(std::time::Duration::from_millis(100)).await;
    let resumed = client.begin_reading(&handle).await.map(drop);
    assert_eq!(code(resumed), ResultCode::INVALID_HANDLE);
    client.close(&handle).await.unwrap();
    let (whole, _) = client.fetch(&handle, &database).await.unwrap();
    assert!(whole == content);

    client.end(&handle).await.unwrap();
    assert_eq!(code(client.end(&handle).await), ResultCode::INVALID_HANDLE);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_that_changes_during_the_backup_fails() {
    let directory = Directory::of("sample-forest/clean");
    let host = directory.host();
    let mut client = Client::connect(host.socket()).await;
    let handle = client.prepare().await.unwrap().handle;
    let database = directory.listed("ntds.dit");
    directory.flip("ntds.dit", 100_000);
    directory.flip("ntds.dit", 100_000);
    let refusal = client.open(&handle, &database).await.unwrap_err();
    assert_eq!(refusal.code, ResultCode::DATABASE_IN_USE);
    assert!(refusal.reason.contains("ntds.dit"));
    let refusal = client.truncate(&handle).await.unwrap_err();
    assert_eq!(refusal.code, ResultCode::FULL_BACKUP_NOT_TAKEN);
}

/// The application's view through the client functions.
#[test]
fn the_client_functions_walk_through_a_backup() {
    use ntdsbcli::{BackupContext, BackupOptions, Server};
    let directory = Directory::of("sample-forest/dirty");
    let host = directory.host();
    let server = Server::at_socket(host.socket());
    assert!(ntdsbcli::is_ntds_online(&server).unwrap());
    let mut backup = BackupContext::prepare(&server, BackupOptions::full()).unwrap();
    let mut files = backup.database_names().unwrap();
    files.extend(backup.backup_logs().unwrap());
    let mut buffer = vec![0; HINT as usize];
    for file in files {
        backup.open_file(&file.name, HINT).unwrap();
        let mut content = Vec::new();
        let end = loop {
            match backup.read(&mut buffer) {
                Ok(length) => content.extend_from_slice(&buffer[..length]),
                Err(error) => break error,
            }
        };
        assert_eq!(end.code, ResultCode::HANDLE_EOF);
        backup.close().unwrap();
        assert!(content == std::fs::read(&file.name).unwrap());
    }
    assert_eq!(backup.truncate_logs().unwrap().deleted.len(), 5);
    backup.end().unwrap();
}
