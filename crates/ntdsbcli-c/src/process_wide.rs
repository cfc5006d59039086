//! The exported functions that need no handle.
#![allow(unsafe_code, non_snake_case)] // Published names, and callers' pointers.

use std::ffi::c_char;

use ntdsbcli::contract::Result;
use ntdsbcli::{Server, is_ntds_online, set_auth_identity, set_current_backup_log};
use zeroize::Zeroizing;

use crate::boundary::{Hresult, call};
use crate::pointers::Out;
use crate::text::{Ansi, Form, Wide, text};

/// # Safety
/// `szServerName` is NULL, misaligned or a string; `pfNTDSOnline` is NULL, misaligned or writable.
#[unsafe(no_mangle)]
pub unsafe extern "system" fn DsIsNTDSOnlineA(
    szServerName: *const c_char,
    pfNTDSOnline: *mut i32,
) -> Hresult {
    call("DsIsNTDSOnlineA", || {
        // SAFETY: this function's own contract.
        unsafe { is_online::<Ansi>(szServerName, pfNTDSOnline) }
    })
}

/// # Safety
/// As [`DsIsNTDSOnlineA`].
#[unsafe(no_mangle)]
pub unsafe extern "system" fn DsIsNTDSOnlineW(
    szServerName: *const u16,
    pfNTDSOnline: *mut i32,
) -> Hresult {
    call("DsIsNTDSOnlineW", || {
        // SAFETY: this function's own contract.
        unsafe { is_online::<Wide>(szServerName, pfNTDSOnline) }
    })
}

/// # Safety
/// As [`DsIsNTDSOnlineA`].
unsafe fn is_online<F: Form>(server: *const F::Unit, online: *mut i32) -> Result<()> {
    // SAFETY: this function's own contract.
    let (online, server) = unsafe {
        (
            Out::new(online, "pfNTDSOnline", 0)?,
            text::<F>(server, "szServerName")?,
        )
    };
    online.set(is_ntds_online(&Server::named(&server)?)?.into());
    Ok(())
}

/// # Safety
/// `szServerName` is NULL, misaligned or a string.
#[unsafe(no_mangle)]
pub unsafe extern "system" fn DsSetCurrentBackupLogA(
    szServerName: *const c_char,
    dwCurrentLog: u32,
) -> Hresult {
    call("DsSetCurrentBackupLogA", || {
        // SAFETY: this function's own contract.
        let server = unsafe { text::<Ansi>(szServerName, "szServerName") }?;
        set_current_backup_log(&Server::named(&server)?, dwCurrentLog)
    })
}

/// # Safety
/// As [`DsSetCurrentBackupLogA`].
#[unsafe(no_mangle)]
pub unsafe extern "system" fn DsSetCurrentBackupLogW(
    szServerName: *const u16,
    dwCurrentLog: u32,
) -> Hresult {
    call("DsSetCurrentBackupLogW", || {
        // SAFETY: this function's own contract.
        let server = unsafe { text::<Wide>(szServerName, "szServerName") }?;
        set_current_backup_log(&Server::named(&server)?, dwCurrentLog)
    })
}

/// # Safety
/// Each is NULL, misaligned or a string.
#[unsafe(no_mangle)]
pub unsafe extern "system" fn DsSetAuthIdentityA(
    szUserName: *const c_char,
    szDomainName: *const c_char,
    szPassword: *const c_char,
) -> Hresult {
    call("DsSetAuthIdentityA", || {
        // SAFETY: this function's own contract.
        unsafe { set_identity::<Ansi>(szUserName, szDomainName, szPassword) }
    })
}

/// # Safety
/// As [`DsSetAuthIdentityA`].
#[unsafe(no_mangle)]
pub unsafe extern "system" fn DsSetAuthIdentityW(
    szUserName: *const u16,
    szDomainName: *const u16,
    szPassword: *const u16,
) -> Hresult {
    call("DsSetAuthIdentityW", || {
        // SAFETY: this function's own contract.
        unsafe { set_identity::<Wide>(szUserName, szDomainName, szPassword) }
    })
}

/// # Safety
/// As [`DsSetAuthIdentityA`].
unsafe fn set_identity<F: Form>(
    user: *const F::Unit,
    domain: *const F::Unit,
    password: *const F::Unit,
) -> Result<()> {
    if user.is_null() && domain.is_null() && password.is_null() {
        set_auth_identity(None);
        return Ok(());
    }
    // SAFETY: this function's own contract.
    let (user, domain, password) = unsafe {
        (
            text::<F>(user, "szUserName")?,
            text::<F>(domain, "szDomainName")?,
            Zeroizing::new(text::<F>(password, "szPassword")?),
        )
    };
    set_auth_identity(Some((&user, &domain, &password)));
    Ok(())
}
