//! A service that runs in this process, in threads of its own.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::thread::JoinHandle;
use std::time::Duration;

use contract::Result;
use service::{Configuration, Mode, Service};
use tempfile::TempDir;
use tokio::sync::oneshot;

/// The timeout of every step of a test.
pub const PATIENCE: Duration = Duration::from_secs(60);

/// A directory that can be hosted, and the place for the service's socket beside it.
pub struct Directory {
    folder: TempDir,
}

impl Directory {
    /// A fixture's files.
    pub fn of(fixture: &str) -> Self {
        let directory = Self::empty();
        testkit::find(fixture)
            .expect("a fixture that ships with the project")
            .unpack_into(&directory.path());
        directory
    }

    pub fn empty() -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder");
        std::fs::create_dir(folder.path().join("directory")).expect("the directory's folder");
        Self { folder }
    }

    pub fn path(&self) -> PathBuf {
        self.folder
            .path()
            .join("directory")
            .canonicalize()
            .expect("the folder exists")
    }

    pub fn file(&self, name: &str) -> PathBuf {
        self.path().join(name)
    }

    /// The path of a file as lists show it.
    pub fn listed(&self, name: &str) -> String {
        self.file(name).to_str().expect("UTF-8").to_owned()
    }

    pub fn socket(&self) -> PathBuf {
        self.folder.path().join("run/s.sock")
    }

    pub fn configuration(&self) -> Configuration {
        let mut configuration = Configuration::for_folder(self.path());
        configuration.endpoint.socket = self.socket();
        // Some clients of these tests give no life signs of their own, and the machine may be busy.
        configuration.endpoint.ping_timeout_ms = PATIENCE.as_millis() as u32;
        let directory = configuration.directory_mut().expect("a folder");
        directory.recover = false;
        if self.file("test.edb").exists() {
            directory.database_file = "test.edb".into();
        }
        configuration
    }

    pub fn host(&self) -> Host {
        self.host_in(Mode::Normal)
    }

    pub fn host_for_restore(&self) -> Host {
        self.host_in(Mode::Restore)
    }

    fn host_in(&self, mode: Mode) -> Host {
        Host::start(&self.configuration(), mode).expect("the service starts")
    }

    /// The names of all files except those that a restore leaves for the start.
    pub fn names(&self) -> Vec<String> {
        let mut names: Vec<String> = std::fs::read_dir(self.path())
            .expect("the folder")
            .map(|entry| {
                let name = entry.expect("an entry").file_name();
                name.into_string().expect("UTF-8")
            })
            .filter(|name| !name.starts_with("dsbackup.restored-from-backup."))
            .collect();
        names.sort();
        names
    }

    /// Changes one bit of a file.
    pub fn flip(&self, name: &str, offset: u64) {
        use std::os::unix::fs::FileExt;
        let file = std::fs::OpenOptions::new()
            .read(true)
            .write(true)
            .open(self.file(name))
            .expect("the file");
        let mut byte = [0];
        file.read_exact_at(&mut byte, offset).expect("a byte");
        byte[0] ^= 0x10;
        file.write_all_at(&byte, offset).expect("a byte");
    }
}

/// A running service; it stops when the value is dropped.
pub struct Host {
    pub socket: PathBuf,
    /// On the network.
    pub addresses: Vec<SocketAddr>,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<Result<()>>>,
}

impl Host {
    pub fn start(configuration: &Configuration, mode: Mode) -> Result<Self> {
        let service = Service::start(configuration, mode)?;
        let socket = service.socket().expect("it listens").to_path_buf();
        let addresses = service.addresses();
        let (stop, stopped) = oneshot::channel();
        let thread = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_multi_thread()
                .worker_threads(2)
                .enable_all()
                .build()
                .expect("a runtime");
            let result = runtime.block_on(service.serve(async {
                let _ = stopped.await;
            }));
            runtime.shutdown_background();
            result
        });
        Ok(Self {
            socket,
            addresses,
            stop: Some(stop),
            thread: Some(thread),
        })
    }

    /// Asks the service to stop and waits until it has.
    pub fn stop(mut self) -> Result<()> {
        drop(self.stop.take());
        let thread = self.thread.take().expect("it runs");
        thread.join().expect("no panic")
    }

    pub fn socket(&self) -> &Path {
        &self.socket
    }
}

impl Drop for Host {
    fn drop(&mut self) {
        drop(self.stop.take());
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}
