//! Code for Windows only: the ANSI code page, and pinning of the library.
#![allow(unsafe_code)] // Functions of kernel32.

use std::ptr;
use std::sync::Once;

const CP_ACP: u32 = 0;
const MB_ERR_INVALID_CHARS: u32 = 8;
const WC_NO_BEST_FIT_CHARS: u32 = 0x400;
const GET_MODULE_HANDLE_EX_FLAG_PIN: u32 = 1;
const GET_MODULE_HANDLE_EX_FLAG_FROM_ADDRESS: u32 = 4;

#[link(name = "kernel32")]
unsafe extern "system" {
    fn MultiByteToWideChar(
        code_page: u32,
        flags: u32,
        bytes: *const u8,
        byte_count: i32,
        units: *mut u16,
        unit_count: i32,
    ) -> i32;
    fn WideCharToMultiByte(
        code_page: u32,
        flags: u32,
        units: *const u16,
        unit_count: i32,
        bytes: *mut u8,
        byte_count: i32,
        default: *const u8,
        default_used: *mut i32,
    ) -> i32;
    fn GetModuleHandleExW(flags: u32, address: *const u16, module: *mut *mut u8) -> i32;
}

/// A string of the ANSI code page; `None` when it does not convert.
pub(crate) fn from_ansi(bytes: &[u8]) -> Option<String> {
    if bytes.is_empty() {
        return Some(String::new());
    }
    let length = i32::try_from(bytes.len()).ok()?;
    // A code page has at most one UTF-16 unit for each byte.
    let mut units = vec![0u16; bytes.len()];
    // SAFETY: both buffers have the given lengths.
    let converted = unsafe {
        MultiByteToWideChar(
            CP_ACP,
            MB_ERR_INVALID_CHARS,
            bytes.as_ptr(),
            length,
            units.as_mut_ptr(),
            length,
        )
    };
    let converted = usize::try_from(converted).ok().filter(|&count| count > 0)?;
    String::from_utf16(units.get(..converted)?).ok()
}

/// A string in the ANSI code page; `None` when it does not convert back to itself.
pub(crate) fn to_ansi(text: &str) -> Option<Vec<u8>> {
    if text.is_empty() {
        return Some(Vec::new());
    }
    let units: Vec<u16> = text.encode_utf16().collect();
    // A code page has at most four bytes for each UTF-16 unit.
    let mut bytes = vec![0u8; units.len().checked_mul(4)?];
    let (unit_count, byte_count) = (
        i32::try_from(units.len()).ok()?,
        i32::try_from(bytes.len()).ok()?,
    );
    // SAFETY: both buffers have the given lengths. The default character and the flag of its use
    // are NULL, since not every code page accepts them.
    let converted = unsafe {
        WideCharToMultiByte(
            CP_ACP,
            WC_NO_BEST_FIT_CHARS,
            units.as_ptr(),
            unit_count,
            bytes.as_mut_ptr(),
            byte_count,
            ptr::null(),
            ptr::null_mut(),
        )
    };
    bytes.truncate(usize::try_from(converted).ok()?);
    (from_ansi(&bytes).as_deref() == Some(text)).then_some(bytes)
}

/// Keeps the library loaded from now on: its threads carry connections, and FreeLibrary must not
/// unload their code.
pub(crate) fn pin() {
    static PIN: Once = Once::new();
    PIN.call_once(|| {
        let mut module = ptr::null_mut();
        static OWN: u16 = 0;
        let own_address = &raw const OWN;
        // SAFETY: with FROM_ADDRESS the second argument is an address in the library, and the third
        // is written to.
        unsafe {
            GetModuleHandleExW(
                GET_MODULE_HANDLE_EX_FLAG_PIN | GET_MODULE_HANDLE_EX_FLAG_FROM_ADDRESS,
                own_address,
                &mut module,
            );
        }
    });
}
