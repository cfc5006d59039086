//! Buffers of callers, until DsBackupFree.
//!
//! Every buffer is registered. So DsBackupFree frees only buffers that were handed out and not
//! freed yet: a pointer of another allocator, into the middle of a buffer, or freed before does no
//! harm.
#![allow(unsafe_code)] // Raw memory changes hands.

use std::alloc::{Layout, alloc, dealloc};
use std::collections::BTreeMap;
use std::ffi::c_void;
use std::ptr;
use std::sync::{Mutex, MutexGuard, PoisonError};

use ntdsbcli::contract::{Result, ResultCode};

/// Sufficient for every type in a buffer.
const ALIGNMENT: usize = 16;

/// The layouts of the buffers by the complements of their addresses. Complements, because a leak
/// checker that finds an address here would take a leaked buffer for one in use.
static HANDED_OUT: Mutex<BTreeMap<usize, Layout>> = Mutex::new(BTreeMap::new());

/// Allocates a buffer for the caller with a copy of `bytes`.
///
/// # Errors
/// `ERROR_NOT_ENOUGH_MEMORY`.
pub(crate) fn hand_out(bytes: &[u8]) -> Result<*mut c_void> {
    let layout = Layout::from_size_align(bytes.len().max(1), ALIGNMENT)
        .map_err(|_| ResultCode::NOT_ENOUGH_MEMORY)?;
    // SAFETY: the layout's size is at least 1.
    let buffer = unsafe { alloc(layout) };
    if buffer.is_null() {
        return Err(ResultCode::NOT_ENOUGH_MEMORY.into());
    }
    // SAFETY: the buffer was just allocated with at least that many bytes, and overlaps nothing.
    unsafe { ptr::copy_nonoverlapping(bytes.as_ptr(), buffer, bytes.len()) };
    handed_out().insert(!buffer.expose_provenance(), layout);
    Ok(buffer.cast())
}

/// Frees a buffer that was handed out. Returns false, and does nothing, for any other pointer.
pub(crate) fn free(buffer: *mut c_void) -> bool {
    let address = buffer.addr();
    let Some(layout) = handed_out().remove(&!address) else {
        return false;
    };
    // SAFETY: `hand_out` registered the address and its layout, and the entry was just removed: no
    // buffer is freed twice. `hand_out` exposed the provenance.
    unsafe { dealloc(ptr::with_exposed_provenance_mut(address), layout) };
    true
}

fn handed_out() -> MutexGuard<'static, BTreeMap<usize, Layout>> {
    HANDED_OUT.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_buffer_is_freed_once_and_by_its_own_address_only() {
        let bytes = b"double-NUL-terminated\0\0";
        let buffer = hand_out(bytes).expect("memory");
        assert!(buffer.addr().is_multiple_of(ALIGNMENT));
        // SAFETY: handed out with these bytes.
        let copy = unsafe { std::slice::from_raw_parts(buffer.cast::<u8>(), bytes.len()) };
        assert_eq!(copy, bytes);
        assert!(!free(buffer.wrapping_byte_add(1)), "into the middle");
        assert!(free(buffer));
        assert!(!free(buffer), "freed before");
    }

    #[test]
    fn foreign_pointers_are_left_alone() {
        let mut foreign = Box::new(7u64);
        assert!(!free((&raw mut *foreign).cast()));
        assert!(!free(ptr::null_mut()));
        assert!(!free(ptr::without_provenance_mut(usize::MAX)));
        assert_eq!(*foreign, 7);
    }

    #[test]
    fn an_empty_buffer_has_an_address_too() {
        let buffer = hand_out(&[]).expect("memory");
        assert!(!buffer.is_null());
        assert!(free(buffer));
    }
}
