//! Checks callers' pointers. Only this module follows them.
//!
//! A NULL pointer and one that is not aligned for its type are refused. Whether the memory behind a
//! pointer belongs to the caller cannot be checked: as in every C function this is the caller's
//! duty, and each function here documents what it relies on.
#![allow(unsafe_code)] // Follows callers' pointers.

use std::ffi::c_void;

use ntdsbcli::contract::{Error, Result, ResultCode};

use crate::boundary::invalid_parameter;

/// The longest accepted string, in characters before its NUL: the longest path of Windows. A longer
/// one has lost its NUL.
pub(crate) const LONGEST_STRING: usize = 32_767;

/// The longest accepted token, in bytes. Ours are much shorter.
const LONGEST_TOKEN: usize = 1 << 16;

/// The most databases in one restore. A directory has one.
const MOST_DATABASES: usize = 1024;

/// A checked pointer to a result.
pub(crate) struct Out<T>(*mut T);

impl<T: Copy> Out<T> {
    /// Checks a result's pointer, and sets the result to its value after a failure.
    ///
    /// # Errors
    /// `ERROR_INVALID_PARAMETER` if it is NULL or misaligned.
    ///
    /// # Safety
    /// Any other pointer must point to memory that stays writable until the call returns.
    pub(crate) unsafe fn new(pointer: *mut T, parameter: &str, failed: T) -> Result<Self> {
        check(pointer, parameter)?;
        // SAFETY: neither NULL nor misaligned, and writable by this function's contract.
        unsafe { pointer.write(failed) };
        Ok(Self(pointer))
    }

    /// Sets the result.
    pub(crate) fn set(&self, value: T) {
        // SAFETY: `new` checked the pointer, and its contract makes the memory writable until the
        // call returns.
        unsafe { self.0.write(value) };
    }
}

/// The characters of a string before its NUL.
///
/// # Errors
/// `ERROR_INVALID_PARAMETER` when it is NULL, misaligned or has no NUL within [`LONGEST_STRING`].
///
/// # Safety
/// Any other pointer must point to characters of the caller that end with a NUL, and that do not
/// change for `'a`.
pub(crate) unsafe fn string<'a, U: Copy + Default + PartialEq>(
    pointer: *const U,
    parameter: &str,
) -> Result<&'a [U]> {
    check(pointer, parameter)?;
    let length = (0..=LONGEST_STRING)
        // SAFETY: no character before this one was the NUL, so the string of this function's
        // contract goes on.
        .find(|&index| unsafe { pointer.add(index).read() } == U::default())
        .ok_or_else(|| {
            invalid_parameter(
                parameter,
                format_args!("has no NUL within its first {LONGEST_STRING} characters"),
            )
        })?;
    // SAFETY: all these characters were just read.
    Ok(unsafe { std::slice::from_raw_parts(pointer, length) })
}

/// The buffer of a read.
///
/// # Errors
/// `ERROR_INVALID_PARAMETER` when it is NULL.
///
/// # Safety
/// Any other pointer must point to `size` writable bytes of the caller that nothing else uses for
/// `'a`.
pub(crate) unsafe fn buffer<'a>(
    pointer: *mut c_void,
    size: u32,
    parameter: &str,
) -> Result<&'a mut [u8]> {
    let pointer = pointer.cast::<u8>();
    check(pointer, parameter)?;
    // SAFETY: not NULL, bytes are always aligned, and the rest is this function's contract.
    Ok(unsafe { std::slice::from_raw_parts_mut(pointer, size as usize) })
}

/// The bytes of an expiry token; `None` for NULL.
///
/// # Errors
/// `hrUnknownExpiryTokenFormat` when it is longer than a token can be.
///
/// # Safety
/// Any other pointer must point to `size` bytes of the caller that do not change for `'a`.
pub(crate) unsafe fn token<'a>(pointer: *const c_void, size: u32) -> Result<Option<&'a [u8]>> {
    let size = size as usize;
    if pointer.is_null() {
        return Ok(None);
    }
    if size > LONGEST_TOKEN {
        return Err(Error::new(
            ResultCode::UNKNOWN_EXPIRY_TOKEN_FORMAT,
            format!("an expiry token of {size} bytes: none is longer than {LONGEST_TOKEN}"),
        ));
    }
    // SAFETY: not NULL, bytes are always aligned, and the rest is this function's contract.
    Ok(Some(unsafe {
        std::slice::from_raw_parts(pointer.cast(), size)
    }))
}

/// The elements of a restore map.
///
/// # Errors
/// `ERROR_INVALID_PARAMETER` when it is NULL or misaligned, or if the count is not that of a map.
///
/// # Safety
/// Any other pointer must point to `count` elements of the caller that do not change for `'a`.
pub(crate) unsafe fn map<'a, T: Copy>(pointer: *const T, count: i32) -> Result<&'a [T]> {
    check(pointer, "rgrstmap")?;
    let count = usize::try_from(count)
        .ok()
        .filter(|count| (1..=MOST_DATABASES).contains(count))
        .ok_or_else(|| {
            invalid_parameter(
                "crstmap",
                format_args!("is {count}: expected 1 to {MOST_DATABASES} databases"),
            )
        })?;
    // SAFETY: neither NULL nor misaligned, and the rest is this function's contract.
    Ok(unsafe { std::slice::from_raw_parts(pointer, count) })
}

fn check<T>(pointer: *const T, parameter: &str) -> Result<()> {
    if pointer.is_null() {
        return Err(invalid_parameter(parameter, "is NULL"));
    }
    if !pointer.is_aligned() {
        return Err(invalid_parameter(
            parameter,
            format_args!(
                "is {:#x}, which is not aligned to {} bytes",
                pointer.addr(),
                align_of::<T>()
            ),
        ));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::ptr;

    use super::*;

    fn refused<T>(result: Result<T>) -> bool {
        matches!(result, Err(error) if error.code == ResultCode::INVALID_PARAMETER)
    }

    #[test]
    fn strings_end_at_their_nul() {
        // SAFETY: these strings end with a NUL, or hold as many characters as are looked at.
        unsafe {
            assert_eq!(string(c"dc01".as_ptr(), "szServerName").unwrap().len(), 4);
            let wide: Vec<u16> = "dc01\0".encode_utf16().collect();
            assert_eq!(string(wide.as_ptr(), "szServerName").unwrap(), &wide[..4]);
            assert_eq!(string([0u8].as_ptr(), "szServerName").unwrap(), b"");
            let mut longest = vec![b'x'; LONGEST_STRING + 1];
            assert!(refused(string(longest.as_ptr(), "szServerName")));
            longest[LONGEST_STRING] = 0;
            assert_eq!(
                string(longest.as_ptr(), "szServerName").unwrap().len(),
                LONGEST_STRING
            );
        }
    }

    #[test]
    fn null_and_misaligned_pointers_are_not_followed() {
        let odd = 1usize;
        // SAFETY: none of these is followed.
        unsafe {
            assert!(refused(string::<u8>(ptr::null(), "szServerName")));
            assert!(refused(string::<u16>(
                ptr::without_provenance(odd),
                "szServerName"
            )));
            assert!(refused(Out::<u32>::new(ptr::null_mut(), "pcbSize", 0)));
            assert!(refused(Out::<u32>::new(
                ptr::without_provenance_mut(6),
                "pcbSize",
                0
            )));
            assert!(refused(buffer(ptr::null_mut(), 24576, "pvBuffer")));
            assert!(refused(map::<[usize; 2]>(ptr::null(), 1)));
            assert!(refused(map::<[usize; 2]>(ptr::without_provenance(4), 1)));
            assert_eq!(token(ptr::null(), 84), Ok(None));
        }
    }

    #[test]
    fn counts_are_bounded() {
        let maps = [[0usize; 2]; 2];
        // SAFETY: the first count is the array's; the others are refused before the pointer is
        // followed.
        unsafe {
            assert_eq!(map(maps.as_ptr(), 2).unwrap().len(), 2);
            for count in [0, -1, i32::MIN, i32::MAX, MOST_DATABASES as i32 + 1] {
                assert!(refused(map(maps.as_ptr(), count)));
            }
            let token = token(maps.as_ptr().cast(), u32::MAX).unwrap_err();
            assert_eq!(token.code, ResultCode::UNKNOWN_EXPIRY_TOKEN_FORMAT);
        }
    }
}
