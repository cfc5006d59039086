//! The exported functions of a restore: DsRestorePrepare to DsRestoreEnd, and
//! DsRestoreCheckExpiryToken.
#![allow(unsafe_code, non_snake_case)] // Published names, and callers' pointers.

use std::ffi::{c_char, c_void};
use std::ptr;

use ntdsbcli::contract::{Generations, RestoreType, Result, ResultCode};
use ntdsbcli::{DatabaseMap, Registration, RestoreContext, Server, check_expiry_token};

use crate::backup::{Hbc, handle, hbc, length};
use crate::boundary::{Hresult, call};
use crate::handles::RESTORES;
use crate::memory;
use crate::pointers::{self, Out};
use crate::text::{Ansi, Form, Wide, list, text};

/// EDB_RSTMAPA and EDB_RSTMAPW: the path of one database in the backup, and its destination.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct EdbRstmap<U> {
    old_name: *const U,
    new_name: *const U,
}

/// # Safety
/// `szServerName` is NULL, misaligned or a string; `pvExpiryToken` is NULL or has
/// `cbExpiryTokenSize` bytes; `phbc` is NULL, misaligned or writable.
#[unsafe(no_mangle)]
pub unsafe extern "system" fn DsRestorePrepareA(
    szServerName: *const c_char,
    rtFlag: u32,
    pvExpiryToken: *const c_void,
    cbExpiryTokenSize: u32,
    phbc: *mut Hbc,
) -> Hresult {
    call("DsRestorePrepareA", || {
        // SAFETY: this function's own contract.
        unsafe { prepare::<Ansi>(szServerName, rtFlag, pvExpiryToken, cbExpiryTokenSize, phbc) }
    })
}

/// # Safety
/// As [`DsRestorePrepareA`].
#[unsafe(no_mangle)]
pub unsafe extern "system" fn DsRestorePrepareW(
    szServerName: *const u16,
    rtFlag: u32,
    pvExpiryToken: *const c_void,
    cbExpiryTokenSize: u32,
    phbc: *mut Hbc,
) -> Hresult {
    call("DsRestorePrepareW", || {
        // SAFETY: this function's own contract.
        unsafe { prepare::<Wide>(szServerName, rtFlag, pvExpiryToken, cbExpiryTokenSize, phbc) }
    })
}

/// # Safety
/// As [`DsRestorePrepareA`].
unsafe fn prepare<F: Form>(
    server: *const F::Unit,
    restore_type: u32,
    token: *const c_void,
    token_size: u32,
    phbc: *mut Hbc,
) -> Result<()> {
    // SAFETY: this function's own contract.
    let (phbc, server, token) = unsafe {
        (
            Out::new(phbc, "phbc", ptr::null_mut())?,
            text::<F>(server, "szServerName")?,
            pointers::token(token, token_size)?,
        )
    };
    let restore_type = RestoreType::from_number(restore_type)?;
    let context = RestoreContext::prepare(&Server::named(&server)?, restore_type, token)?;
    phbc.set(hbc(RESTORES.add(context)));
    Ok(())
}

/// # Safety
/// The results' pointers are NULL, misaligned or writable.
#[unsafe(no_mangle)]
pub unsafe extern "system" fn DsRestoreGetDatabaseLocationsA(
    hbc: Hbc,
    pszDatabaseLocationList: *mut *mut c_char,
    pcbSize: *mut u32,
) -> Hresult {
    call("DsRestoreGetDatabaseLocationsA", || {
        // SAFETY: this function's own contract.
        unsafe { locations::<Ansi>(hbc, pszDatabaseLocationList, pcbSize) }
    })
}

/// # Safety
/// As [`DsRestoreGetDatabaseLocationsA`].
#[unsafe(no_mangle)]
pub unsafe extern "system" fn DsRestoreGetDatabaseLocationsW(
    hbc: Hbc,
    pszDatabaseLocationList: *mut *mut u16,
    pcbSize: *mut u32,
) -> Hresult {
    call("DsRestoreGetDatabaseLocationsW", || {
        // SAFETY: this function's own contract.
        unsafe { locations::<Wide>(hbc, pszDatabaseLocationList, pcbSize) }
    })
}

/// # Safety
/// As [`DsRestoreGetDatabaseLocationsA`].
unsafe fn locations<F: Form>(hbc: Hbc, locations: *mut *mut F::Unit, size: *mut u32) -> Result<()> {
    // SAFETY: this function's own contract.
    let (locations, size) = unsafe {
        (
            Out::new(locations, "pszDatabaseLocationList", ptr::null_mut())?,
            Out::new(size, "pcbSize", 0)?,
        )
    };
    let places = RESTORES.with(handle(hbc), |restore| restore.database_locations())?;
    let bytes = list::<F>(
        places
            .iter()
            .map(|place| (place.file_type, place.name.as_str())),
    )?;
    locations.set(memory::hand_out(&bytes)?.cast());
    size.set(length(&bytes)?);
    Ok(())
}

/// # Safety
/// The paths are NULL, misaligned or strings; `rgrstmap` is NULL, misaligned or has `crstmap`
/// elements, whose names are NULL, misaligned or strings.
#[unsafe(no_mangle)]
pub unsafe extern "system" fn DsRestoreRegisterA(
    hbc: Hbc,
    szCheckPointFilePath: *const c_char,
    szLogPath: *const c_char,
    rgrstmap: *const EdbRstmap<c_char>,
    crstmap: i32,
    szBackupLogPath: *const c_char,
    genLow: u32,
    genHigh: u32,
) -> Hresult {
    let generations = Generations {
        low: genLow,
        high: genHigh,
    };
    call("DsRestoreRegisterA", || {
        // SAFETY: this function's own contract.
        unsafe {
            register::<Ansi>(
                hbc,
                szCheckPointFilePath,
                szLogPath,
                rgrstmap,
                crstmap,
                szBackupLogPath,
                generations,
            )
        }
    })
}

/// # Safety
/// As [`DsRestoreRegisterA`].
#[unsafe(no_mangle)]
pub unsafe extern "system" fn DsRestoreRegisterW(
    hbc: Hbc,
    szCheckPointFilePath: *const u16,
    szLogPath: *const u16,
    rgrstmap: *const EdbRstmap<u16>,
    crstmap: i32,
    szBackupLogPath: *const u16,
    genLow: u32,
    genHigh: u32,
) -> Hresult {
    let generations = Generations {
        low: genLow,
        high: genHigh,
    };
    call("DsRestoreRegisterW", || {
        // SAFETY: this function's own contract.
        unsafe {
            register::<Wide>(
                hbc,
                szCheckPointFilePath,
                szLogPath,
                rgrstmap,
                crstmap,
                szBackupLogPath,
                generations,
            )
        }
    })
}

/// # Safety
/// As [`DsRestoreRegisterA`].
unsafe fn register<F: Form>(
    hbc: Hbc,
    checkpoint_directory: *const F::Unit,
    log_directory: *const F::Unit,
    maps: *const EdbRstmap<F::Unit>,
    count: i32,
    backup_log_directory: *const F::Unit,
    generations: Generations,
) -> Result<()> {
    // SAFETY: this function's own contract.
    let registration = unsafe {
        Registration {
            checkpoint_directory: text::<F>(checkpoint_directory, "szCheckPointFilePath")?,
            log_directory: text::<F>(log_directory, "szLogPath")?,
            databases: pointers::map(maps, count)?
                .iter()
                .map(|map| {
                    Ok(DatabaseMap {
                        old_path: text::<F>(map.old_name, "rgrstmap.szDatabaseName")?,
                        new_path: text::<F>(map.new_name, "rgrstmap.szNewDatabaseName")?,
                    })
                })
                .collect::<Result<_>>()?,
            backup_log_directory: text::<F>(backup_log_directory, "szBackupLogPath")?,
            generations,
        }
    };
    RESTORES.with(handle(hbc), |restore| restore.register(&registration))
}

/// Any value is taken.
#[unsafe(no_mangle)]
pub extern "system" fn DsRestoreRegisterComplete(hbc: Hbc, hrRestoreState: Hresult) -> Hresult {
    call("DsRestoreRegisterComplete", || {
        let state = ResultCode(hrRestoreState.cast_unsigned());
        RESTORES.with(handle(hbc), |restore| restore.register_complete(state))
    })
}

/// Any value is taken.
#[unsafe(no_mangle)]
pub extern "system" fn DsRestoreEnd(hbc: Hbc) -> Hresult {
    call("DsRestoreEnd", || RESTORES.remove(handle(hbc))?.end())
}

/// # Safety
/// `pvExpiryToken` is NULL or has `cbExpiryTokenSize` bytes.
#[unsafe(no_mangle)]
pub unsafe extern "system" fn DsRestoreCheckExpiryToken(
    pvExpiryToken: *const c_void,
    cbExpiryTokenSize: u32,
) -> Hresult {
    call("DsRestoreCheckExpiryToken", || {
        // SAFETY: this function's own contract.
        let token = unsafe { pointers::token(pvExpiryToken, cbExpiryTokenSize) }?;
        check_expiry_token(token.unwrap_or_default()).map(drop)
    })
}
