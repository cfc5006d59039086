//! The exported functions of a backup: DsBackupPrepare to DsBackupEnd, and DsBackupFree.
//!
//! Every result is set to NULL or 0 before anything else can fail, so that a program that frees its
//! results after a failure frees nothing.
#![allow(unsafe_code, non_snake_case)] // Published names, and callers' pointers.

use std::ffi::{c_char, c_void};
use std::ptr;

use ntdsbcli::contract::{BackupType, Result, ResultCode, check_read_size};
use ntdsbcli::{BackupContext, BackupOptions, FileEntry, Server};

use crate::boundary::{Hresult, call, invalid_parameter};
use crate::handles::{BACKUPS, Handle};
use crate::memory;
use crate::pointers::{self, Out};
use crate::text::{Ansi, Form, Wide, list, text};

/// HBC in the C interface: a pointer that is never followed.
pub(crate) type Hbc = *mut c_void;

/// The value of an HBC.
pub(crate) fn handle(hbc: Hbc) -> Handle {
    hbc.addr()
}

/// The HBC of a handle.
pub(crate) fn hbc(handle: Handle) -> Hbc {
    ptr::without_provenance_mut(handle)
}

/// # Safety
/// `szBackupServer` is NULL, misaligned or a string; the results' pointers are NULL, misaligned or
/// writable.
#[unsafe(no_mangle)]
pub unsafe extern "system" fn DsBackupPrepareA(
    szBackupServer: *const c_char,
    grbit: u32,
    btFlag: u32,
    ppvExpiryToken: *mut *mut c_void,
    pcbExpiryTokenSize: *mut u32,
    phbc: *mut Hbc,
) -> Hresult {
    call("DsBackupPrepareA", || {
        // SAFETY: this function's own contract.
        unsafe {
            prepare::<Ansi>(
                szBackupServer,
                grbit,
                btFlag,
                ppvExpiryToken,
                pcbExpiryTokenSize,
                phbc,
            )
        }
    })
}

/// # Safety
/// As [`DsBackupPrepareA`].
#[unsafe(no_mangle)]
pub unsafe extern "system" fn DsBackupPrepareW(
    szBackupServer: *const u16,
    grbit: u32,
    btFlag: u32,
    ppvExpiryToken: *mut *mut c_void,
    pcbExpiryTokenSize: *mut u32,
    phbc: *mut Hbc,
) -> Hresult {
    call("DsBackupPrepareW", || {
        // SAFETY: this function's own contract.
        unsafe {
            prepare::<Wide>(
                szBackupServer,
                grbit,
                btFlag,
                ppvExpiryToken,
                pcbExpiryTokenSize,
                phbc,
            )
        }
    })
}

/// # Safety
/// As [`DsBackupPrepareA`].
unsafe fn prepare<F: Form>(
    server: *const F::Unit,
    grbit: u32,
    backup_type: u32,
    token: *mut *mut c_void,
    token_size: *mut u32,
    phbc: *mut Hbc,
) -> Result<()> {
    // The published page documents another code for the token than for the rest.
    let hr_invalid_param = |mut error: ntdsbcli::contract::Error| {
        error.code = ResultCode::INVALID_PARAM;
        error
    };
    // SAFETY: this function's own contract.
    let (token, token_size, phbc, server) = unsafe {
        (
            Out::new(token, "ppvExpiryToken", ptr::null_mut()).map_err(hr_invalid_param)?,
            Out::new(token_size, "pcbExpiryTokenSize", 0).map_err(hr_invalid_param)?,
            Out::new(phbc, "phbc", ptr::null_mut())?,
            text::<F>(server, "szBackupServer")?,
        )
    };
    if grbit != 0 {
        return Err(invalid_parameter(
            "grbit",
            format_args!("is {grbit:#x}: expected 0"),
        ));
    }
    let options = BackupOptions {
        backup_type: BackupType::from_number(backup_type)?,
        ..BackupOptions::full()
    };
    let context = BackupContext::prepare(&Server::named(&server)?, options)?;
    let bytes = context.expiry_token();
    token.set(memory::hand_out(bytes)?);
    token_size.set(length(bytes)?);
    phbc.set(hbc(BACKUPS.add(context)));
    Ok(())
}

/// # Safety
/// The results' pointers are NULL, misaligned or writable.
#[unsafe(no_mangle)]
pub unsafe extern "system" fn DsBackupGetDatabaseNamesA(
    hbc: Hbc,
    pszAttachmentInfo: *mut *mut c_char,
    pcbSize: *mut u32,
) -> Hresult {
    call("DsBackupGetDatabaseNamesA", || {
        // SAFETY: this function's own contract.
        unsafe {
            names::<Ansi>(
                hbc,
                pszAttachmentInfo,
                "pszAttachmentInfo",
                pcbSize,
                |backup| backup.database_names(),
            )
        }
    })
}

/// # Safety
/// As [`DsBackupGetDatabaseNamesA`].
#[unsafe(no_mangle)]
pub unsafe extern "system" fn DsBackupGetDatabaseNamesW(
    hbc: Hbc,
    pszAttachmentInfo: *mut *mut u16,
    pcbSize: *mut u32,
) -> Hresult {
    call("DsBackupGetDatabaseNamesW", || {
        // SAFETY: this function's own contract.
        unsafe {
            names::<Wide>(
                hbc,
                pszAttachmentInfo,
                "pszAttachmentInfo",
                pcbSize,
                |backup| backup.database_names(),
            )
        }
    })
}

/// # Safety
/// As [`DsBackupGetDatabaseNamesA`].
#[unsafe(no_mangle)]
pub unsafe extern "system" fn DsBackupGetBackupLogsA(
    hbc: Hbc,
    pszBackupLogFiles: *mut *mut c_char,
    pcbSize: *mut u32,
) -> Hresult {
    call("DsBackupGetBackupLogsA", || {
        // SAFETY: this function's own contract.
        unsafe {
            names::<Ansi>(
                hbc,
                pszBackupLogFiles,
                "pszBackupLogFiles",
                pcbSize,
                |backup| backup.backup_logs(),
            )
        }
    })
}

/// # Safety
/// As [`DsBackupGetDatabaseNamesA`].
#[unsafe(no_mangle)]
pub unsafe extern "system" fn DsBackupGetBackupLogsW(
    hbc: Hbc,
    pszBackupLogFiles: *mut *mut u16,
    pcbSize: *mut u32,
) -> Hresult {
    call("DsBackupGetBackupLogsW", || {
        // SAFETY: this function's own contract.
        unsafe {
            names::<Wide>(
                hbc,
                pszBackupLogFiles,
                "pszBackupLogFiles",
                pcbSize,
                |backup| backup.backup_logs(),
            )
        }
    })
}

/// # Safety
/// As [`DsBackupGetDatabaseNamesA`].
unsafe fn names<F: Form>(
    hbc: Hbc,
    names: *mut *mut F::Unit,
    parameter: &str,
    size: *mut u32,
    ask: impl FnOnce(&mut BackupContext) -> Result<Vec<FileEntry>>,
) -> Result<()> {
    // SAFETY: this function's own contract.
    let (names, size) = unsafe {
        (
            Out::new(names, parameter, ptr::null_mut())?,
            Out::new(size, "pcbSize", 0)?,
        )
    };
    let files = BACKUPS.with(handle(hbc), ask)?;
    let bytes = list::<F>(
        files
            .iter()
            .map(|file| (file.file_type, file.name.as_str())),
    )?;
    names.set(memory::hand_out(&bytes)?.cast());
    size.set(length(&bytes)?);
    Ok(())
}

/// # Safety
/// `szAttachmentName` is NULL, misaligned or a string; `pliFileSize` is NULL, misaligned or
/// writable.
#[unsafe(no_mangle)]
pub unsafe extern "system" fn DsBackupOpenFileA(
    hbc: Hbc,
    szAttachmentName: *const c_char,
    cbReadHintSize: u32,
    pliFileSize: *mut i64,
) -> Hresult {
    call("DsBackupOpenFileA", || {
        // SAFETY: this function's own contract.
        unsafe { open_file::<Ansi>(hbc, szAttachmentName, cbReadHintSize, pliFileSize) }
    })
}

/// # Safety
/// As [`DsBackupOpenFileA`].
#[unsafe(no_mangle)]
pub unsafe extern "system" fn DsBackupOpenFileW(
    hbc: Hbc,
    szAttachmentName: *const u16,
    cbReadHintSize: u32,
    pliFileSize: *mut i64,
) -> Hresult {
    call("DsBackupOpenFileW", || {
        // SAFETY: this function's own contract.
        unsafe { open_file::<Wide>(hbc, szAttachmentName, cbReadHintSize, pliFileSize) }
    })
}

/// # Safety
/// As [`DsBackupOpenFileA`].
unsafe fn open_file<F: Form>(
    hbc: Hbc,
    name: *const F::Unit,
    read_hint: u32,
    file_size: *mut i64,
) -> Result<()> {
    // SAFETY: this function's own contract.
    let (file_size, name) = unsafe {
        (
            Out::new(file_size, "pliFileSize", 0)?,
            text::<F>(name, "szAttachmentName")?,
        )
    };
    let size = BACKUPS.with(handle(hbc), |backup| backup.open_file(&name, read_hint))?;
    file_size.set(i64::try_from(size).map_err(|_| ResultCode::COMMUNICATION_ERROR)?);
    Ok(())
}

/// # Safety
/// `pvBuffer` is NULL or has `cbBuffer` writable bytes that nothing else uses; `pcbRead` is NULL,
/// misaligned or writable.
#[unsafe(no_mangle)]
pub unsafe extern "system" fn DsBackupRead(
    hbc: Hbc,
    pvBuffer: *mut c_void,
    cbBuffer: u32,
    pcbRead: *mut u32,
) -> Hresult {
    call("DsBackupRead", || {
        // SAFETY: this function's own contract.
        let read = unsafe { Out::new(pcbRead, "pcbRead", 0) }?;
        check_read_size(cbBuffer)?;
        // SAFETY: this function's own contract.
        let buffer = unsafe { pointers::buffer(pvBuffer, cbBuffer, "pvBuffer") }?;
        let length = BACKUPS.with(handle(hbc), |backup| backup.read(buffer))?;
        read.set(u32::try_from(length).unwrap_or(cbBuffer));
        Ok(())
    })
}

/// Any value is safe: a handle is looked up, not followed.
#[unsafe(no_mangle)]
pub extern "system" fn DsBackupClose(hbc: Hbc) -> Hresult {
    call("DsBackupClose", || {
        BACKUPS.with(handle(hbc), BackupContext::close)
    })
}

/// Any value is safe.
#[unsafe(no_mangle)]
pub extern "system" fn DsBackupTruncateLogs(hbc: Hbc) -> Hresult {
    call("DsBackupTruncateLogs", || {
        BACKUPS.with(handle(hbc), |backup| backup.truncate_logs().map(drop))
    })
}

/// Any value is safe.
#[unsafe(no_mangle)]
pub extern "system" fn DsBackupEnd(hbc: Hbc) -> Hresult {
    call("DsBackupEnd", || BACKUPS.remove(handle(hbc))?.end())
}

/// Any value is safe: only a buffer of this library is freed.
#[unsafe(no_mangle)]
pub extern "system" fn DsBackupFree(pvBuffer: *mut c_void) {
    call("DsBackupFree", || {
        if pvBuffer.is_null() || memory::free(pvBuffer) {
            return Ok(());
        }
        Err(invalid_parameter(
            "pvBuffer",
            format_args!(
                "is {pvBuffer:p}, which was not handed out or was freed before: left alone"
            ),
        ))
    });
}

/// The size of a buffer in the type of the functions.
pub(crate) fn length(bytes: &[u8]) -> Result<u32> {
    u32::try_from(bytes.len()).map_err(|_| ResultCode::NOT_ENOUGH_MEMORY.into())
}
