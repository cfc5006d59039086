//! DsBackupGetLastReason: why a thread's last call failed, in words.
#![allow(unsafe_code)] // An exported name.

use std::cell::RefCell;
use std::ffi::{CString, c_char};

thread_local! {
    static REASON: RefCell<CString> = RefCell::default();
}

/// Keeps the reason of this thread's last failure.
pub(crate) fn keep(reason: String) {
    let reason: Vec<u8> = reason
        .into_bytes()
        .into_iter()
        .filter(|&byte| byte != 0)
        .collect();
    let reason = CString::new(reason).unwrap_or_default();
    // Fails only in a thread that ends, which no longer asks for the reason.
    let _ = REASON.try_with(|last| last.replace(reason));
}

/// Clears the reason after a success.
pub(crate) fn forget() {
    let _ = REASON.try_with(|last| {
        if !last.borrow().is_empty() {
            last.take();
        }
    });
}

#[cfg(test)]
pub(crate) fn current() -> String {
    REASON.with_borrow(|last| last.to_string_lossy().into_owned())
}

/// Ours: why this thread's last call failed, UTF-8; empty after a success. Valid until the thread's
/// next call.
#[unsafe(no_mangle)]
pub extern "system" fn DsBackupGetLastReason() -> *const c_char {
    REASON
        .try_with(|last| last.borrow().as_ptr())
        .unwrap_or(c"".as_ptr())
}
