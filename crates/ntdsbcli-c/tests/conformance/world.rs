//! Real services of real directories for the rows, and contexts that end with their values.

use std::ffi::c_void;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Mutex, OnceLock, PoisonError};

use ntdsbcli::contract::{ExpiryToken, ResultCode};
use tempfile::TempDir;

use crate::calls::{Map, open_file, read, register};
use crate::calls::{Prepared, Register, backup_prepare, get_list, on_handle, restore_prepare};
use crate::lab::Service;
use crate::library::{Form, Hbc, Place, Text, free, names, ok};

/// A good name of this server.
pub const HERE: Text = Text::Is("\\\\localhost");

/// The smallest good size of a read.
pub const SMALLEST: u32 = 24576;

static SHARED_SERVICES: Mutex<Vec<Service>> = Mutex::new(Vec::new());

/// Two directories that every row may use and none may change, one online and one offline.
struct World {
    online: Directory,
    offline: Directory,
    token: Vec<u8>,
}

/// A directory and its service.
pub struct Directory {
    /// Its files.
    pub folder: PathBuf,
    /// The socket of its service.
    pub socket: PathBuf,
    /// `None` if it is shared or was stopped.
    service: Option<Service>,
}

/// Points the library to sockets through one path, which [`answer_from`] changes.
///
/// # Safety
/// No other thread of the process may run yet.
pub unsafe fn prepare_environment() {
    let link = scratch().join("current.sock");
    // SAFETY: this function's own contract.
    unsafe { std::env::set_var("DSBACKUP_SOCKET", link) };
}

fn scratch() -> &'static Path {
    static FOLDER: OnceLock<TempDir> = OnceLock::new();
    FOLDER
        .get_or_init(|| tempfile::tempdir().expect("a temporary folder"))
        .path()
}

/// Makes a socket the one of this computer's service.
fn answer_from(socket: &Path) {
    let (link, new) = (scratch().join("current.sock"), scratch().join("new"));
    std::os::unix::fs::symlink(socket, &new).expect("a link to the socket");
    std::fs::rename(&new, &link).expect("the link's place");
}

impl Directory {
    /// The files of a fixture under a new service.
    pub fn start(fixture: &str, place: &Path, arguments: &[&str]) -> Self {
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let folder = place.join(format!("directory-{number}"));
        testkit::find(fixture)
            .expect("a shipped fixture")
            .unpack_into(&folder);
        Self::start_on(folder, place.join(format!("{number}.sock")), arguments)
    }

    fn start_on(folder: PathBuf, socket: PathBuf, arguments: &[&str]) -> Self {
        Self {
            service: Some(Service::start(&folder, &socket, arguments)),
            folder,
            socket,
        }
    }

    /// The database file.
    pub fn database(&self) -> String {
        let name = if self.folder.join("ntds.dit").exists() {
            "ntds.dit"
        } else {
            "test.edb"
        };
        self.folder.join(name).display().to_string()
    }

    /// The folder, as text.
    pub fn folder_text(&self) -> String {
        self.folder.display().to_string()
    }

    /// Ends the service.
    pub fn stop(&mut self) {
        self.service = None;
    }
}

fn world() -> &'static World {
    static WORLD: OnceLock<World> = OnceLock::new();
    WORLD.get_or_init(|| {
        let mut online = Directory::start("sample-forest/dirty", scratch(), &[]);
        let mut offline = Directory::start("sample-forest/dirty", scratch(), &["--restore-mode"]);
        let services = [online.service.take(), offline.service.take()];
        SHARED_SERVICES
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .extend(services.into_iter().flatten());
        answer_from(&online.socket);
        let token = Backup::begin().token();
        World {
            online,
            offline,
            token,
        }
    })
}

/// Calls go to a directory that is online from here on.
pub fn online() -> &'static Directory {
    answer_from(&world().online.socket);
    &world().online
}

/// Calls go to a directory that is offline from here on.
pub fn offline() -> &'static Directory {
    answer_from(&world().offline.socket);
    &world().offline
}

/// Calls go to a directory of the row's own from here on.
pub fn own(fixture: &str, arguments: &[&str]) -> Directory {
    let directory = Directory::start(fixture, scratch(), arguments);
    answer_from(&directory.socket);
    directory
}

/// No service answers from here on.
pub fn nobody() {
    answer_from(&scratch().join("no-such-socket"));
}

/// A good token.
pub fn good_token() -> Vec<u8> {
    world().token.clone()
}

/// Removes the files of the shared directories.
pub fn clean_up() {
    // Values of statics are not dropped: services and folders would outlive the tests.
    SHARED_SERVICES
        .lock()
        .unwrap_or_else(PoisonError::into_inner)
        .clear();
    let _ = std::fs::remove_dir_all(scratch());
}

/// A token whose backup began at another time.
pub fn token_made(seconds: impl FnOnce(u64) -> u64) -> Vec<u8> {
    let mut token = ExpiryToken::from_bytes(&good_token()).expect("a token");
    token.created = seconds(token.created);
    token.to_bytes()
}

/// A backup that ends with its value.
pub struct Backup {
    pub hbc: Hbc,
    token: *mut c_void,
    size: u32,
}

impl Backup {
    pub fn begin() -> Self {
        let mut results = Prepared::new();
        ok(backup_prepare(Form::A, HERE, 0, 1, &mut results));
        Self {
            hbc: results.hbc.get(),
            token: results.token.get(),
            size: results.size.get(),
        }
    }

    /// A copy of the token.
    pub fn token(&self) -> Vec<u8> {
        // SAFETY: handed out with this size, and not freed yet.
        unsafe { std::slice::from_raw_parts(self.token.cast::<u8>(), self.size as usize) }.to_vec()
    }

    /// The files of a list.
    pub fn list(&self, function: &str) -> Vec<(u8, String)> {
        list(function, Form::A, self.hbc)
    }

    /// The name of the database.
    pub fn database(&self) -> String {
        self.list("DsBackupGetDatabaseNames")[0].1.clone()
    }

    /// All files, database first.
    pub fn files(&self) -> Vec<String> {
        ["DsBackupGetDatabaseNames", "DsBackupGetBackupLogs"]
            .iter()
            .flat_map(|function| self.list(function))
            .map(|(_, name)| name)
            .collect()
    }

    /// Opens a file and returns its size.
    pub fn open(&self, name: &str) -> u64 {
        let mut size = Place::holding(-1);
        ok(open_file(
            Form::A,
            self.hbc,
            Text::Is(name),
            SMALLEST,
            &mut size,
        ));
        u64::try_from(size.get()).expect("a size")
    }

    /// Reads the open file until a code other than `S_OK` or until there are `limit` bytes.
    pub fn read_until(&self, limit: u64) -> (Vec<u8>, ResultCode) {
        let mut content = Vec::new();
        let mut buffer = vec![0; 65536];
        while (content.len() as u64) < limit {
            let mut length = Place::holding(7);
            let code = read(
                self.hbc,
                buffer.as_mut_ptr(),
                buffer.len() as u32,
                &mut length,
            );
            if code != ResultCode::OK {
                assert_eq!(length.get(), 0);
                return (content, code);
            }
            content.extend_from_slice(&buffer[..length.get() as usize]);
        }
        (content, ResultCode::OK)
    }

    /// Opens, reads and closes every file; to the end-of-file code, or by its size alone.
    pub fn read_everything(&self, to_the_code: bool) {
        for name in self.files() {
            let size = self.open(&name);
            let (content, code) = self.read_until(if to_the_code { u64::MAX } else { size });
            assert_eq!(content.len() as u64, size, "{name}");
            assert_eq!(
                code == ResultCode::HANDLE_EOF,
                to_the_code,
                "{name}: {code}"
            );
            ok(on_handle("DsBackupClose", self.hbc));
        }
    }
}

impl Drop for Backup {
    fn drop(&mut self) {
        free(self.token);
        on_handle("DsBackupEnd", self.hbc);
    }
}

/// Asks for a list, checks its form and frees it.
pub fn list(function: &str, form: Form, hbc: Hbc) -> Vec<(u8, String)> {
    let (mut list, mut size) = (Place::holding(std::ptr::null_mut()), Place::holding(0));
    ok(get_list(function, form, hbc, &mut list, &mut size));
    let names = names(form, list.get(), size.get());
    free(list.get());
    names
}

/// A restore that ends with its value.
pub struct Restore {
    pub hbc: Hbc,
}

impl Restore {
    /// With a good token.
    pub fn begin() -> Self {
        Self::with_token(Some(&good_token()))
    }

    /// Without a token.
    pub fn restricted() -> Self {
        Self::with_token(None)
    }

    fn with_token(token: Option<&[u8]>) -> Self {
        let mut hbc = Place::holding(std::ptr::null_mut());
        let size = token.map_or(0, <[u8]>::len) as u32;
        ok(restore_prepare(Form::A, HERE, 0, token, size, &mut hbc));
        Self { hbc: hbc.get() }
    }

    /// Registers the restore of a directory in its own place.
    pub fn register(&self, form: Form, directory: &Directory) -> ResultCode {
        self.register_with(form, directory, |_| ())
    }

    /// The same after a change to the parameters.
    pub fn register_with(
        &self,
        form: Form,
        directory: &Directory,
        change: impl FnOnce(&mut Register),
    ) -> ResultCode {
        let database = directory.database();
        let map = [(Text::Is("/old/ntds.dit"), Text::Is(&database))];
        self.register_map(form, directory, &map, change)
    }

    /// The same with another map.
    pub fn register_map(
        &self,
        form: Form,
        directory: &Directory,
        map: &[(Text, Text)],
        change: impl FnOnce(&mut Register),
    ) -> ResultCode {
        let folder = directory.folder_text();
        let mut parameters = Register {
            checkpoint: Text::Is(&folder),
            logs: Text::Is(&folder),
            map: Map::Of(map),
            count: None,
            backup_logs: Text::Is(&folder),
            low: 0,
            high: 0xF_FFFF,
        };
        change(&mut parameters);
        register(form, self.hbc, &parameters)
    }
}

impl Drop for Restore {
    fn drop(&mut self) {
        on_handle("DsRestoreEnd", self.hbc);
    }
}
