//! What the store asks Windows: privileges, the registry's values of NTDS, the state of its service,
//! the letters of drives.
//!
//! `unsafe` is here only, for calls that no safe crate offers: [`enable`] adjusts the process's own
//! token with structures on the stack, [`flush`] passes on an open key, [`used_letters`] takes nothing.
#![allow(unsafe_code)]

use std::io::Error as SystemError;
use std::ptr::{null, null_mut};

use contract::{Error, Result, ResultCode};
use windows_registry::{Key, LOCAL_MACHINE};
use windows_service::service::{ServiceAccess, ServiceState};
use windows_service::service_manager::{ServiceManager, ServiceManagerAccess};
use windows_sys::Win32::Foundation::{
    CloseHandle, ERROR_NOT_ALL_ASSIGNED, ERROR_SERVICE_DOES_NOT_EXIST, ERROR_SUCCESS, GetLastError,
    HANDLE, LUID,
};
use windows_sys::Win32::Security::{
    AdjustTokenPrivileges, LUID_AND_ATTRIBUTES, LookupPrivilegeValueW, SE_PRIVILEGE_ENABLED,
    TOKEN_ADJUST_PRIVILEGES, TOKEN_PRIVILEGES, TOKEN_QUERY,
};
use windows_sys::Win32::Storage::FileSystem::GetLogicalDrives;
use windows_sys::Win32::System::Registry::RegFlushKey;
use windows_sys::Win32::System::Threading::{GetCurrentProcess, OpenProcessToken};

use crate::places::{KEY, Places};

/// The service of the directory.
const SERVICE: &str = "NTDS";
/// Set to [`RESTORE_MODE`] in directory services restore mode.
const SAFE_MODE: &str = "SAFEBOOT_OPTION";
const RESTORE_MODE: &str = "DSREPAIR";
/// At 1 NTDS takes a new invocation id when it starts.
const RESTORED: &str = store_ese::invocation_id::REGISTRY_VALUE;
/// By this number NTDS recognizes a database that was exchanged behind its back.
const EPOCH: &str = "DSA Database Epoch";
/// Where the shares of a domain controller are registered, and the value for SYSVOL.
const NETLOGON: &str = r"SYSTEM\CurrentControlSet\Services\Netlogon\Parameters";
const SYSVOL: &str = "SysVol";

/// The privilege to read every file.
pub const BACKUP: &str = "SeBackupPrivilege";
/// The privilege to write every file.
pub const RESTORE: &str = "SeRestorePrivilege";

/// Whether NTDS runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Running {
    /// It answers clients.
    Online,
    /// It does not run, and its files are closed.
    Offline,
    /// It starts or stops.
    Between,
}

/// Enables privileges of this process's token.
///
/// # Errors
/// `ERROR_ACCESS_DENIED` with the first that the token does not hold.
pub fn enable(privileges: &[&str]) -> Result<()> {
    let mut token: HANDLE = null_mut();
    let wanted = TOKEN_ADJUST_PRIVILEGES | TOKEN_QUERY;
    // SAFETY: the pseudo handle of this process is always valid; `token` outlives the call.
    if unsafe { OpenProcessToken(GetCurrentProcess(), wanted, &mut token) } == 0 {
        return Err(denied("its token", &SystemError::last_os_error()));
    }
    let enabled = privileges
        .iter()
        .try_for_each(|name| enable_one(token, name));
    // SAFETY: the handle was opened above and is closed once.
    unsafe { CloseHandle(token) };
    enabled
}

fn enable_one(token: HANDLE, name: &str) -> Result<()> {
    let wide: Vec<u16> = name.encode_utf16().chain([0]).collect();
    let mut luid = LUID::default();
    // SAFETY: `wide` ends with NUL, and both outlive the call.
    if unsafe { LookupPrivilegeValueW(null(), wide.as_ptr(), &mut luid) } == 0 {
        return Err(denied(name, &SystemError::last_os_error()));
    }
    let privileges = TOKEN_PRIVILEGES {
        PrivilegeCount: 1,
        Privileges: [LUID_AND_ATTRIBUTES {
            Luid: luid,
            Attributes: SE_PRIVILEGE_ENABLED,
        }],
    };
    // SAFETY: the structure holds one privilege, as its count says; no former state is asked for.
    let (adjusted, error) = unsafe {
        let adjusted = AdjustTokenPrivileges(token, 0, &privileges, 0, null_mut(), null_mut());
        (adjusted, GetLastError())
    };
    // The call succeeds, too, if it enabled nothing.
    match (adjusted, error) {
        (1.., ERROR_SUCCESS) => Ok(()),
        (1.., ERROR_NOT_ALL_ASSIGNED) => Err(Error::new(
            ResultCode::ACCESS_DENIED,
            format!(
                "this account does not hold {name}: run the command as an administrator or a \
                 backup operator, in an elevated window"
            ),
        )),
        (_, error) => Err(denied(name, &SystemError::from_raw_os_error(error as i32))),
    }
}

fn denied(what: &str, error: &SystemError) -> Error {
    Error::new(
        ResultCode::ACCESS_DENIED,
        format!("cannot enable {what} for this process: {error}"),
    )
}

/// Where NTDS has its files.
///
/// # Errors
/// Those of [`Places::of_values`].
pub fn places() -> Result<Places> {
    let key = LOCAL_MACHINE.open(KEY).ok();
    Places::of_values(|name| key.as_ref().and_then(|key| key.get_string(name).ok()))
}

/// The folder of SYSVOL.
pub fn sysvol() -> Option<String> {
    LOCAL_MACHINE.open(NETLOGON).ok()?.get_string(SYSVOL).ok()
}

/// Has NTDS take a new invocation id when it starts, and take the database that it finds then for
/// its own. Durable, and read back.
///
/// # Errors
/// `hrError` if the registry does not take or keep the values.
pub fn mark_restored() -> Result<()> {
    let key = LOCAL_MACHINE.options().read().write().open(KEY);
    let key = key.map_err(|error| registry("open", "", &error))?;
    key.set_u32(RESTORED, 1)
        .map_err(|error| registry("write", RESTORED, &error))?;
    if key.get_type(EPOCH).is_ok() {
        key.remove_value(EPOCH)
            .map_err(|error| registry("remove", EPOCH, &error))?;
    }
    flush(&key)?;
    let restored = key.get_u32(RESTORED);
    if restored.as_ref().is_ok_and(|value| *value == 1) && key.get_type(EPOCH).is_err() {
        return Ok(());
    }
    Err(Error::new(
        ResultCode::ERROR,
        format!(
            "HKLM\\{KEY}: {RESTORED:?} reads back as {restored:?}, and {EPOCH:?} is {}: without \
             these values NTDS must not start from a restored database",
            match key.get_type(EPOCH) {
                Ok(_) => "still there",
                Err(_) => "gone",
            }
        ),
    ))
}

/// Makes a key durable.
fn flush(key: &Key) -> Result<()> {
    // SAFETY: the key is open as long as the reference lives.
    match unsafe { RegFlushKey(key.as_raw()) } {
        ERROR_SUCCESS => Ok(()),
        error => Err(registry(
            "flush",
            "",
            &SystemError::from_raw_os_error(error as i32),
        )),
    }
}

fn registry(doing: &str, value: &str, error: &dyn std::fmt::Display) -> Error {
    Error::new(
        ResultCode::ERROR,
        format!("HKLM\\{KEY}: cannot {doing} {value:?}: {error}"),
    )
}

/// Whether NTDS runs: in directory services restore mode it does not, otherwise the service manager
/// knows.
///
/// # Errors
/// `hrDatabaseNotFound` if this computer is no domain controller; `hrError` if the service manager
/// does not answer.
pub fn running() -> Result<Running> {
    if is_restore_mode() {
        return Ok(Running::Offline);
    }
    let manager = ServiceManager::local_computer(None::<&str>, ServiceManagerAccess::CONNECT);
    let service = manager
        .and_then(|manager| manager.open_service(SERVICE, ServiceAccess::QUERY_STATUS))
        .and_then(|service| service.query_status());
    match service.map(|status| status.current_state) {
        Ok(ServiceState::Running) => Ok(Running::Online),
        Ok(ServiceState::Stopped) => Ok(Running::Offline),
        Ok(_) => Ok(Running::Between),
        Err(error) => Err(no_answer(&error)),
    }
}

/// Whether Windows was started in directory services restore mode.
pub fn is_restore_mode() -> bool {
    std::env::var(SAFE_MODE).is_ok_and(|mode| mode.eq_ignore_ascii_case(RESTORE_MODE))
}

/// Refuses a directory that runs.
///
/// # Errors
/// `hrDatabaseInUse`; those of [`running`].
pub fn check_offline() -> Result<()> {
    match running()? {
        Running::Offline => Ok(()),
        Running::Online | Running::Between => Err(Error::new(
            ResultCode::DATABASE_IN_USE,
            "NTDS is running, starting or stopping, so it cannot be restored: start Windows in \
             directory services restore mode (bcdedit /set safeboot dsrepair), or stop the service \
             (net stop ntds)",
        )),
    }
}

fn no_answer(error: &windows_service::Error) -> Error {
    let missing = matches!(
        error,
        windows_service::Error::Winapi(error)
            if error.raw_os_error() == Some(ERROR_SERVICE_DOES_NOT_EXIST as i32)
    );
    match missing {
        true => Error::new(
            ResultCode::DATABASE_NOT_FOUND,
            format!("there is no service {SERVICE}: this computer is no domain controller"),
        ),
        false => Error::new(
            ResultCode::ERROR,
            format!("cannot ask the service manager for {SERVICE}: {error}"),
        ),
    }
}

/// The letters of drives that are in use: bit 0 for A.
pub fn used_letters() -> u32 {
    // SAFETY: the call takes nothing.
    unsafe { GetLogicalDrives() }
}
