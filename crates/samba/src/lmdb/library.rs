//! The part of LMDB's own library that pins a state: environments and read transactions.
//!
//! The library is loaded at run time, and is the one that Samba uses. A read transaction tells
//! writers through the reader table which pages not to reuse. That table is shared memory, and its
//! layout depends on the library's version: another copy of LMDB, built into this program, might
//! interpret it differently.
//!
//! This is the only unsafe code of the crate. The declarations follow the public `lmdb.h` of LMDB
//! 0.9.
#![allow(unsafe_code, reason = "calls into a C library")]

use std::ffi::{CStr, CString, c_char, c_int, c_uint, c_void};
use std::path::{Path, PathBuf};
use std::ptr;
use std::sync::{Arc, OnceLock};

use crate::error::{Error, Result};

/// The names of the library.
const NAMES: [&str; 2] = ["liblmdb.so.0", "liblmdb.so"];

/// The file is the environment, not a folder.
const NO_SUBDIR: c_uint = 0x4000;
/// A read transaction belongs to its handle, not to its thread.
const NO_TLS: c_uint = 0x20_0000;
const READ_ONLY: c_uint = 0x2_0000;

/// As many readers as Samba requests: the first process that opens a database makes the table for
/// all.
const READERS: c_uint = 100_000;

type Handle = *mut c_void;

/// LMDB's library, loaded.
pub struct Library {
    env_create: unsafe extern "C" fn(*mut Handle) -> c_int,
    env_set_maxreaders: unsafe extern "C" fn(Handle, c_uint) -> c_int,
    env_open: unsafe extern "C" fn(Handle, *const c_char, c_uint, c_uint) -> c_int,
    env_close: unsafe extern "C" fn(Handle),
    reader_check: unsafe extern "C" fn(Handle, *mut c_int) -> c_int,
    txn_begin: unsafe extern "C" fn(Handle, Handle, c_uint, *mut Handle) -> c_int,
    txn_id: unsafe extern "C" fn(Handle) -> usize,
    txn_reset: unsafe extern "C" fn(Handle),
    txn_renew: unsafe extern "C" fn(Handle) -> c_int,
    txn_abort: unsafe extern "C" fn(Handle),
    strerror: unsafe extern "C" fn(c_int) -> *const c_char,
    /// Keeps the functions loaded.
    _library: libloading::Library,
}

impl Library {
    /// Loads the library, once per process.
    ///
    /// # Errors
    /// [`Error::Tool`] if it is missing, or lacks a function.
    pub fn load() -> Result<Arc<Self>> {
        static LOADED: OnceLock<Arc<Library>> = OnceLock::new();
        if let Some(loaded) = LOADED.get() {
            return Ok(loaded.clone());
        }
        let library = Arc::new(Self::load_now().map_err(|error| Error::Tool {
            tool: NAMES[0].to_owned(),
            reason: format!(
                "{error}; the domain controller's databases are LMDB, so its library \
                             must be installed"
            ),
        })?);
        Ok(LOADED.get_or_init(|| library).clone())
    }

    fn load_now() -> Result<Self, libloading::Error> {
        let [first, second] = NAMES;
        // SAFETY: LMDB has no initialization code that could do harm.
        let library = unsafe { libloading::Library::new(first) }
            .or_else(|error| unsafe { libloading::Library::new(second) }.map_err(|_| error))?;
        // SAFETY: the types are those of lmdb.h.
        unsafe {
            Ok(Self {
                env_create: *library.get(b"mdb_env_create\0")?,
                env_set_maxreaders: *library.get(b"mdb_env_set_maxreaders\0")?,
                env_open: *library.get(b"mdb_env_open\0")?,
                env_close: *library.get(b"mdb_env_close\0")?,
                reader_check: *library.get(b"mdb_reader_check\0")?,
                txn_begin: *library.get(b"mdb_txn_begin\0")?,
                txn_id: *library.get(b"mdb_txn_id\0")?,
                txn_reset: *library.get(b"mdb_txn_reset\0")?,
                txn_renew: *library.get(b"mdb_txn_renew\0")?,
                txn_abort: *library.get(b"mdb_txn_abort\0")?,
                strerror: *library.get(b"mdb_strerror\0")?,
                _library: library,
            })
        }
    }

    fn check(&self, path: &Path, doing: &str, code: c_int) -> Result<()> {
        if code == 0 {
            return Ok(());
        }
        // SAFETY: mdb_strerror returns a string that lives as long as the program.
        let reason = unsafe { CStr::from_ptr((self.strerror)(code)) };
        Err(Error::Tool {
            tool: format!("LMDB: {}: {doing}", path.display()),
            reason: reason.to_string_lossy().into_owned(),
        })
    }
}

/// An open environment: one database file with its reader table.
pub(super) struct RawEnvironment {
    library: Arc<Library>,
    path: PathBuf,
    handle: Handle,
}

// SAFETY: LMDB's environments may be used by any thread; with NO_TLS, so may read transactions.
unsafe impl Send for RawEnvironment {}
// SAFETY: as above.
unsafe impl Sync for RawEnvironment {}

impl RawEnvironment {
    /// Opens a database file for reading, beside its writers. Must not be called twice at once for
    /// a file in one process.
    pub(super) fn open(library: Arc<Library>, path: &Path) -> Result<Self> {
        let name = CString::new(path.as_os_str().as_encoded_bytes())
            .map_err(|_| Error::damaged(path, "its name contains a zero byte"))?;
        let mut handle = ptr::null_mut();
        // SAFETY: `handle` is written once, and closed when `environment` is dropped, as after a
        // failed open it must be.
        library.check(path, "create an environment", unsafe {
            (library.env_create)(&raw mut handle)
        })?;
        let environment = Self {
            library,
            path: path.to_path_buf(),
            handle,
        };
        let library = &environment.library;
        // SAFETY: the handle is created and not yet open.
        let set = unsafe { (library.env_set_maxreaders)(handle, READERS) };
        library.check(path, "set the number of readers", set)?;
        // SAFETY: the handle is created, the name ends with a zero byte.
        let opened = unsafe {
            (library.env_open)(handle, name.as_ptr(), NO_SUBDIR | NO_TLS | READ_ONLY, 0o600)
        };
        library.check(path, "open", opened)?;
        let mut dead = 0;
        // SAFETY: the handle is open, `dead` outlives the call.
        let checked = unsafe { (library.reader_check)(handle, &raw mut dead) };
        library.check(path, "clear the slots of dead readers", checked)?;
        Ok(environment)
    }

    /// Begins a read transaction: the committed state stays readable until the transaction is reset
    /// or dropped. Takes a slot in the reader table, and waits for the table's lock to do so.
    pub(super) fn begin(self: &Arc<Self>) -> Result<RawTransaction> {
        let mut handle = ptr::null_mut();
        // SAFETY: the environment is open and outlives the transaction, which holds it.
        let begun = unsafe {
            (self.library.txn_begin)(self.handle, ptr::null_mut(), READ_ONLY, &raw mut handle)
        };
        self.library
            .check(&self.path, "begin a read transaction", begun)?;
        Ok(RawTransaction {
            environment: self.clone(),
            handle,
        })
    }
}

impl Drop for RawEnvironment {
    fn drop(&mut self) {
        // SAFETY: the handle is used no more, and transactions hold the environment.
        unsafe { (self.library.env_close)(self.handle) };
    }
}

/// A read transaction.
pub(super) struct RawTransaction {
    environment: Arc<RawEnvironment>,
    handle: Handle,
}

// SAFETY: with NO_TLS a read transaction may be used by any thread, one at a time.
unsafe impl Send for RawTransaction {}
// SAFETY: the only shared use reads a number, which changes by exclusive use alone.
unsafe impl Sync for RawTransaction {}

impl RawTransaction {
    /// Releases the pinned state. The transaction keeps its slot in the reader table.
    pub(super) fn reset(&mut self) {
        // SAFETY: the transaction lives, and reads only.
        unsafe { (self.environment.library.txn_reset)(self.handle) };
    }

    /// After a reset: pins the committed state again. Does not wait.
    pub(super) fn renew(&mut self) -> Result<()> {
        let environment = &self.environment;
        // SAFETY: the transaction lives, and reads only. Without a reset the library refuses.
        let renewed = unsafe { (environment.library.txn_renew)(self.handle) };
        environment
            .library
            .check(&environment.path, "renew a read transaction", renewed)
    }

    /// The number of the transaction that committed the pinned state.
    pub(super) fn id(&self) -> u64 {
        // SAFETY: the transaction lives.
        unsafe { (self.environment.library.txn_id)(self.handle) as u64 }
    }
}

impl Drop for RawTransaction {
    fn drop(&mut self) {
        // SAFETY: the handle is used no more.
        unsafe { (self.environment.library.txn_abort)(self.handle) };
    }
}
