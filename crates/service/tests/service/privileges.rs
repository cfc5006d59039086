//! Other users: refused by the socket's mode, and by the service where the mode lets them through.

use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::Command;

use contract::ResultCode;
use wire::v1::{
    BackupPrepareRequest, CheckLogsForBackupRequest, RestorePrepareRequest,
    RestoreRegisterCompleteRequest, RestoreRegisterRequest, SetCurrentLogNumberRequest,
};

use crate::client::{Client, on};
use crate::host::{Directory, Host};

const SOCKET: &str = "DSBACKUP_TEST_SOCKET";
const EXPECTED: &str = "DSBACKUP_TEST_EXPECTED";
const NOBODY: u32 = 65534;

/// Runs a part of this test program as another user.
fn run_as(uid: u32, gid: u32, test: &str, socket: &Path, expected: &str) {
    let folder = tempfile::tempdir().unwrap();
    let program = folder.path().join("program");
    // By a process of its own: a child of another test would have it open for writing until its exec.
    let copied = Command::new("cp")
        .arg(std::env::current_exe().unwrap())
        .arg(&program)
        .status();
    assert!(copied.unwrap().success());
    for path in [folder.path(), &program] {
        std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o755)).unwrap();
    }
    let output = Command::new(program)
        .args(["--exact", test, "--nocapture"])
        .env(SOCKET, socket)
        .env(EXPECTED, expected)
        .current_dir("/")
        .gid(gid)
        .uid(uid)
        .output()
        .unwrap();
    assert!(
        output.status.success(),
        "{}{}",
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    );
}

/// Whether this user can run processes as other users; prints a note if not.
fn is_root() -> bool {
    let root = rustix_uid() == 0;
    if !root {
        eprintln!("note: only root can play another user; skipped");
    }
    root
}

fn rustix_uid() -> u32 {
    use std::os::unix::fs::MetadataExt;
    std::fs::metadata("/proc/self").unwrap().uid()
}

/// Opens the socket to all users, as a careless administrator might.
fn open_to_everybody(directory: &Directory) {
    let folder = directory.path();
    let socket = directory.socket();
    for (path, mode) in [
        (folder.parent().unwrap(), 0o755),
        (socket.parent().unwrap(), 0o755),
        (socket.as_path(), 0o666),
    ] {
        std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).unwrap();
    }
}

#[test]
fn another_user_is_denied_every_call() {
    if !is_root() {
        return;
    }
    let directory = Directory::of("sample-forest/clean");
    let host = directory.host();
    run_as(
        NOBODY,
        NOBODY,
        "privileges::part_every_call",
        host.socket(),
        "no connection",
    );
    open_to_everybody(&directory);
    run_as(
        NOBODY,
        NOBODY,
        "privileges::part_every_call",
        host.socket(),
        "denied",
    );
}

#[test]
fn a_groups_member_is_let_in() {
    if !is_root() {
        return;
    }
    let directory = Directory::of("sample-forest/clean");
    let mut configuration = directory.configuration();
    configuration.endpoint.group = Some("nogroup".into());
    let host = Host::start(&configuration, service::Mode::Normal).unwrap();
    let parent = directory.path();
    std::fs::set_permissions(
        parent.parent().unwrap(),
        std::fs::Permissions::from_mode(0o755),
    )
    .unwrap();
    run_as(
        NOBODY,
        NOBODY,
        "privileges::part_every_call",
        host.socket(),
        "allowed",
    );
    // The user "daemon" is in another group.
    run_as(
        1,
        1,
        "privileges::part_every_call",
        host.socket(),
        "no connection",
    );
    open_to_everybody(&directory);
    run_as(1, 1, "privileges::part_every_call", host.socket(), "denied");
}

/// Not a test of its own: the work of the other user's process.
#[test]
fn part_every_call() {
    let Some(socket) = std::env::var_os(SOCKET) else {
        return;
    };
    let expected = std::env::var(EXPECTED).unwrap();
    let runtime = tokio::runtime::Runtime::new().unwrap();
    runtime.block_on(async {
        if expected == "no connection" {
            let error = tokio::net::UnixStream::connect(&socket).await.unwrap_err();
            assert_eq!(error.kind(), std::io::ErrorKind::PermissionDenied);
            return;
        }
        let mut client = Client::connect(Path::new(&socket)).await;
        if expected == "allowed" {
            let handle = client.prepare().await.unwrap().handle;
            client.fetch_all(&handle).await.unwrap();
            return;
        }
        let handle = [0; 16];
        let (backup, restore) = (&mut client.backup, &mut client.restore);
        let codes = [
            code(
                backup
                    .hr_r_backup_prepare(BackupPrepareRequest::default())
                    .await,
            ),
            code(backup.hr_r_backup_end(on(&handle)).await),
            code(
                backup
                    .hr_r_backup_get_attachment_information(on(&handle))
                    .await,
            ),
            code(
                backup
                    .hr_r_backup_open_file(wire::v1::OpenFileRequest::default())
                    .await,
            ),
            code(backup.hr_r_backup_read(on(&handle)).await),
            code(backup.hr_r_backup_close(on(&handle)).await),
            code(backup.hr_r_backup_get_backup_logs(on(&handle)).await),
            code(backup.hr_r_backup_truncate_logs(on(&handle)).await),
            code(backup.hr_r_backup_ping(on(&handle)).await),
            code(
                restore
                    .hr_r_is_ntds_online(wire::v1::IsNtdsOnlineRequest {})
                    .await,
            ),
            code(
                restore
                    .hr_r_restore_prepare(RestorePrepareRequest::default())
                    .await,
            ),
            code(
                restore
                    .hr_r_restore_register(RestoreRegisterRequest::default())
                    .await,
            ),
            code(
                restore
                    .hr_r_restore_register_complete(RestoreRegisterCompleteRequest::default())
                    .await,
            ),
            code(
                restore
                    .hr_r_restore_get_database_locations(on(&handle))
                    .await,
            ),
            code(restore.hr_r_restore_end(on(&handle)).await),
            code(
                restore
                    .hr_r_restore_set_current_log_number(SetCurrentLogNumberRequest::default())
                    .await,
            ),
            code(
                restore
                    .hr_r_restore_check_logs_for_backup(CheckLogsForBackupRequest::default())
                    .await,
            ),
        ];
        assert_eq!(codes, [ResultCode::ACCESS_DENIED; 17]);
    });
}

fn code<T>(answer: Result<tonic::Response<T>, tonic::Status>) -> ResultCode {
    match answer {
        Ok(_) => ResultCode::OK,
        Err(status) => wire::from_status(&status).code,
    }
}
