//! The audit log: one line for each call and each refusal, and no secret in it.

use std::os::unix::fs::PermissionsExt;

use contract::ResultCode;
use ntdsbcli::{BackupContext, BackupOptions, Server};
use service::Mode;

use crate::audit_log::{lines, of_call};
use crate::certificates::Authority;
use crate::client::Client;
use crate::host::Host;
use crate::world::{World, back_up, refused, server};

#[test]
fn it_says_who_did_what_with_which_bytes() {
    let world = World::new();
    let (client, entry) = world.backup_client();
    let mut configuration = world.configuration(vec![entry]);
    let file = world.path().join("audit.jsonl");
    configuration.audit.file = Some(file.clone());
    let host = Host::start(&configuration, Mode::Normal).unwrap();
    back_up(&server(&host, world.tls(Some(&client))));
    let other = tempfile::tempdir().unwrap();
    let stranger = Authority::new().client(other.path(), "stranger");
    refused(&server(&host, world.tls(Some(&stranger))));
    host.stop().unwrap();

    let mode = std::fs::metadata(&file).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    let lines = lines(&file);
    for line in &lines {
        assert!(line["time"].as_str().unwrap().ends_with('Z'), "{line}");
        assert!(
            line["from"].as_str().unwrap().starts_with("127.0.0.1:"),
            "{line}"
        );
    }
    let prepared = of_call(&lines, "HrRBackupPrepare");
    assert_eq!(prepared.len(), 2, "one by each");
    assert_eq!(prepared[0]["caller"], "by fingerprint");
    assert_eq!(prepared[0]["code"], "0x00000000");
    assert_eq!(prepared[1]["caller"], "CN=stranger");
    assert_eq!(prepared[1]["code"], "0x00000005");
    assert!(
        prepared[1]["result"]
            .as_str()
            .unwrap()
            .contains(&stranger.fingerprint())
    );
    // Every byte of the directory was read and recorded.
    let read: u64 = of_call(&lines, "HrRBackupRead")
        .iter()
        .map(|line| {
            assert_eq!(line["code"], "0x00000000");
            let size = std::fs::metadata(line["files"][0].as_str().unwrap())
                .unwrap()
                .len();
            assert_eq!(line["bytes"], size);
            size
        })
        .sum();
    assert!(read > 1 << 20);
    assert_eq!(of_call(&lines, "HrRBackupEnd").len(), 1);
}

#[test]
fn a_backup_leaves_one_line_for_each_file_and_few_others() {
    let world = World::new();
    let mut configuration = world.directory.configuration();
    let file = world.path().join("audit.jsonl");
    configuration.audit.file = Some(file.clone());
    let host = Host::start(&configuration, Mode::Normal).unwrap();
    back_up(&Server::at_socket(host.socket()));
    host.stop().unwrap();
    let lines = lines(&file);
    let (of_files, others): (Vec<_>, Vec<_>) =
        (lines.iter()).partition(|line| line["call"] == "HrRBackupRead");
    let mut named: Vec<&str> = (of_files.iter())
        .map(|line| line["files"][0].as_str().unwrap())
        .collect();
    named.sort_unstable();
    let expected: Vec<String> = (world.directory.names().iter())
        .map(|name| world.directory.listed(name))
        .collect();
    assert_eq!(named, expected);
    let others: Vec<&str> = (others.iter())
        .map(|line| line["call"].as_str().unwrap())
        .collect();
    let expected = [
        "HrRBackupPrepare",
        "HrRBackupGetAttachmentInformation",
        "HrRBackupGetBackupLogs",
        "HrRBackupEnd",
    ];
    assert_eq!(others, expected);
}

#[test]
fn it_is_rotated_and_what_it_cannot_record_is_not_done() {
    let world = World::new();
    let mut configuration = world.directory.configuration();
    let file = world.path().join("audit.jsonl");
    configuration.audit.file = Some(file.clone());
    let host = Host::start(&configuration, Mode::Normal).unwrap();
    let server = Server::at_socket(host.socket());
    let ask = || ntdsbcli::is_ntds_online(&server);
    assert_eq!(ask(), Ok(true));
    let rotated = world.path().join("audit.jsonl.1");
    std::fs::rename(&file, &rotated).unwrap();
    assert_eq!(ask(), Ok(true));
    assert_eq!((lines(&rotated).len(), lines(&file).len()), (1, 1));
    // The log is removed and replaced by something else.
    std::fs::remove_file(&file).unwrap();
    std::os::unix::fs::symlink("/dev/null", &file).unwrap();
    assert_eq!(ask(), Ok(true), "this is the call whose line is lost");
    assert_eq!(ask().unwrap_err().code, ResultCode::DISK_IO);
    std::fs::remove_file(&file).unwrap();
    assert_eq!(ask(), Ok(true));
    assert_eq!(of_call(&lines(&file), "AuditResumed").len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn handles_are_not_in_it() {
    let world = World::new();
    let mut configuration = world.directory.configuration();
    let file = world.path().join("audit.jsonl");
    configuration.audit.file = Some(file.clone());
    let host = Host::start(&configuration, Mode::Normal).unwrap();
    let mut client = Client::connect(host.socket()).await;
    let prepared = client.prepare().await.unwrap();
    client.fetch_all(&prepared.handle).await.unwrap();
    client.end(&prepared.handle).await.unwrap();
    let text = std::fs::read_to_string(&file).unwrap();
    let hex: String = prepared
        .handle
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect();
    assert!(!text.contains(&hex));
    assert!(!text.contains(&format!("{:?}", prepared.handle)));
}

#[test]
fn contexts_of_one_caller_are_bounded_and_do_not_last_for_ever() {
    let world = World::new();
    let mut configuration = world.directory.configuration();
    configuration.endpoint.max_contexts_per_caller = 2;
    configuration.endpoint.idle_timeout_s = 3;
    let host = Host::start(&configuration, Mode::Restore).unwrap();
    let server = Server::at_socket(host.socket());
    let prepare =
        || ntdsbcli::RestoreContext::prepare(&server, contract::RestoreType::CatchUp, None);
    let (first, _second) = (prepare().unwrap(), prepare().unwrap());
    assert_eq!(prepare().err().unwrap().code, ResultCode::NOT_ENOUGH_MEMORY);
    // Its life signs go on, but nothing is done with it.
    std::thread::sleep(std::time::Duration::from_secs(6));
    assert_eq!(
        first.database_locations().unwrap_err().code,
        ResultCode::INVALID_HANDLE
    );
    prepare().unwrap();
    drop(host);

    configuration.endpoint.idle_timeout_s = 3600;
    configuration.endpoint.total_timeout_s = 1;
    let host = Host::start(&configuration, Mode::Normal).unwrap();
    let server = Server::at_socket(host.socket());
    let backup = BackupContext::prepare(&server, BackupOptions::full()).unwrap();
    let end = std::time::Instant::now() + std::time::Duration::from_secs(60);
    while backup.database_names().is_ok() {
        assert!(std::time::Instant::now() < end);
        std::thread::sleep(std::time::Duration::from_millis(50));
    }
}
