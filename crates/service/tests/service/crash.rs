//! Processes that die or stop: the service, and its clients.

use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use contract::ResultCode;
use ntdsbcli::{BackupContext, BackupOptions, Server};
use rustix::process::{Pid, Signal, kill_process};
use service::{Configuration, Mode};
use store::restore_marker::RestoreMarker;

use crate::client::{Client, take};
use crate::contexts::grow;
use crate::host::{Directory, PATIENCE};
use crate::restore::{back_up, starts};

const FOLDER: &str = "DSBACKUP_TEST_FOLDER";
const MODE: &str = "DSBACKUP_TEST_MODE";
const CLIENT: &str = "DSBACKUP_TEST_CLIENT";

/// A part of this test program in a process of its own, killed when the value is dropped.
struct Process(Child);

impl Process {
    /// Returns when the process says that it is ready.
    fn start(test: &str, variables: &[(&str, &Path)]) -> Self {
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", test, "--nocapture"])
            .envs(variables.iter().copied())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let output = BufReader::new(child.stdout.take().unwrap());
        let ready = output
            .lines()
            .map_while(Result::ok)
            .any(|line| line.ends_with("ready"));
        assert!(ready, "{test} does not start");
        Self(child)
    }

    fn service(directory: &Directory, mode: &str) -> Self {
        let socket = directory.socket();
        let variables = [
            (FOLDER, directory.path()),
            (MODE, mode.into()),
            ("DSBACKUP_TEST_ENDPOINT", socket),
        ];
        let variables: Vec<_> = variables
            .iter()
            .map(|(key, value)| (*key, value.as_path()))
            .collect();
        Self::start("crash::part_service", &variables)
    }

    fn signal(&self, signal: Signal) {
        let pid = Pid::from_raw(self.0.id() as i32).unwrap();
        kill_process(pid, signal).unwrap();
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn say_ready() {
    let mut output = std::io::stdout();
    output
        .write_all(b"\nready\n")
        .and_then(|()| output.flush())
        .unwrap();
}

/// Not a test of its own: a service that runs until it is killed.
#[test]
fn part_service() {
    let Some(folder) = std::env::var_os(FOLDER) else {
        return;
    };
    let mut configuration = Configuration::for_folder(folder);
    configuration.endpoint.socket =
        PathBuf::from(std::env::var_os("DSBACKUP_TEST_ENDPOINT").unwrap());
    configuration.endpoint.ping_timeout_ms = 3000;
    let mode = match std::env::var(MODE).as_deref() {
        Ok("restore") => Mode::Restore,
        _ => Mode::Normal,
    };
    let service = service::Service::start(&configuration, mode).unwrap();
    say_ready();
    tokio::runtime::Runtime::new()
        .unwrap()
        .block_on(service.serve(std::future::pending()))
        .unwrap();
}

/// Not a test of its own: a client that holds a backup and pings.
#[test]
fn part_client() {
    let Some(socket) = std::env::var_os(CLIENT) else {
        return;
    };
    let _backup =
        BackupContext::prepare(&Server::at_socket(socket), BackupOptions::full()).unwrap();
    say_ready();
    std::thread::sleep(Duration::from_secs(60));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_killed_service_breaks_the_stream_and_makes_way_for_the_next() {
    let directory = Directory::of("sample-forest/dirty");
    grow(&directory.file("ntds.dit"), 256);
    let service = Process::service(&directory, "normal");
    // After its recovery.
    let before = directory.names();
    let mut client = Client::connect(&directory.socket()).await;
    let handle = client.prepare().await.unwrap().handle;
    client
        .open(&handle, &directory.listed("ntds.dit"))
        .await
        .unwrap();
    let stream = client.begin_reading(&handle).await.unwrap();
    service.signal(Signal::KILL);
    let error = take(stream, &mut Vec::new()).await.unwrap_err();
    assert_eq!(error.code, ResultCode::COMMUNICATION_ERROR);
    drop(service);
    assert_eq!(directory.names(), before);
    // Its socket is still there.
    assert!(directory.socket().exists());
    let host = directory.host();
    let mut client = Client::connect(host.socket()).await;
    let handle = client.prepare().await.unwrap().handle;
    client.fetch_all(&handle).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_service_killed_during_a_restore_leaves_the_directory_locked() {
    let directory = Directory::of("sample-forest/dirty");
    let backup = back_up(&directory).await;
    let service = Process::service(&directory, "restore");
    let mut client = Client::connect(&directory.socket()).await;
    backup.register(&mut client, &directory).await;
    service.signal(Signal::KILL);
    drop(service);
    assert!(RestoreMarker::read(&directory.path()).unwrap().is_some());
    assert_eq!(
        starts(&directory).err().unwrap().code,
        ResultCode::RESTORE_IN_PROGRESS
    );
    let host = directory.host_for_restore();
    let mut client = Client::connect(host.socket()).await;
    let handle = backup.register(&mut client, &directory).await;
    backup.copy_into(&directory);
    client.complete(&handle, ResultCode::OK).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stopped_client_loses_its_backup_and_a_killed_one_as_well() {
    let directory = Directory::of("sample-forest/clean");
    let _service = Process::service(&directory, "normal");
    let socket = directory.socket();
    let mut other = Client::connect(&socket).await;
    for signal in [Signal::STOP, Signal::KILL] {
        let client = Process::start("crash::part_client", &[(CLIENT, &socket)]);
        let refusal = other.prepare().await.unwrap_err();
        assert_eq!(refusal.code, ResultCode::BACKUP_IN_PROGRESS);
        client.signal(signal);
        let began = Instant::now();
        let handle = loop {
            if let Ok(prepared) = other.prepare().await {
                break prepared.handle;
            }
            assert!(began.elapsed() < PATIENCE, "{signal:?}");
            tokio::time::sleep(Duration::from_millis(20)).await;
        };
        other.end(&handle).await.unwrap();
    }
}
