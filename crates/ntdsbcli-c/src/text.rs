//! Strings and lists in the two forms of the functions: A (bytes) and W (UTF-16).
//!
//! A strings are UTF-8 on Linux and of the ANSI code page on Windows.
#![allow(unsafe_code)] // Strings come as callers' pointers.

use std::ffi::c_char;

use ntdsbcli::contract::{FileType, Result};

use crate::boundary::invalid_parameter;
use crate::pointers;

/// One of the two forms.
pub(crate) trait Form {
    /// CHAR or WCHAR.
    type Unit: Copy + Default + PartialEq;

    /// Decodes a string before its NUL; `None` if it does not convert.
    fn decode(units: &[Self::Unit]) -> Option<String>;

    /// Appends a string's bytes in this form, without NUL; `None` if it does not convert.
    fn encode(text: &str, bytes: &mut Vec<u8>) -> Option<()>;

    /// Appends one character by its number: a BFT type or a NUL.
    fn push(number: u8, bytes: &mut Vec<u8>);
}

/// The A form.
pub(crate) enum Ansi {}

/// The W form.
pub(crate) enum Wide {}

impl Form for Ansi {
    type Unit = c_char;

    fn decode(units: &[c_char]) -> Option<String> {
        let bytes: Vec<u8> = units.iter().map(|&unit| unit.to_ne_bytes()[0]).collect();
        #[cfg(windows)]
        return crate::windows::from_ansi(&bytes);
        #[cfg(not(windows))]
        String::from_utf8(bytes).ok()
    }

    fn encode(text: &str, bytes: &mut Vec<u8>) -> Option<()> {
        #[cfg(windows)]
        bytes.extend(crate::windows::to_ansi(text)?);
        #[cfg(not(windows))]
        bytes.extend(text.as_bytes());
        Some(())
    }

    fn push(number: u8, bytes: &mut Vec<u8>) {
        bytes.push(number);
    }
}

impl Form for Wide {
    type Unit = u16;

    fn decode(units: &[u16]) -> Option<String> {
        String::from_utf16(units).ok()
    }

    fn encode(text: &str, bytes: &mut Vec<u8>) -> Option<()> {
        bytes.extend(text.encode_utf16().flat_map(u16::to_ne_bytes));
        Some(())
    }

    fn push(number: u8, bytes: &mut Vec<u8>) {
        bytes.extend(u16::from(number).to_ne_bytes());
    }
}

/// A caller's string.
///
/// # Errors
/// `ERROR_INVALID_PARAMETER` if it is NULL, misaligned, without end, or does not convert.
///
/// # Safety
/// As [`pointers::string`].
pub(crate) unsafe fn text<F: Form>(pointer: *const F::Unit, parameter: &str) -> Result<String> {
    // SAFETY: this function's own contract.
    let units = unsafe { pointers::string(pointer, parameter) }?;
    F::decode(units).ok_or_else(|| {
        invalid_parameter(
            parameter,
            "does not convert: A strings are UTF-8 (on Windows of the ANSI code page), W strings \
             UTF-16",
        )
    })
}

/// The bytes of a list: for each name its BFT type, the name and a NUL, and one more NUL at the
/// end.
///
/// # Errors
/// `ERROR_INVALID_PARAMETER` when a name does not convert into an A string: ask for the W form.
pub(crate) fn list<'a, F: Form>(
    names: impl IntoIterator<Item = (FileType, &'a str)>,
) -> Result<Vec<u8>> {
    let mut bytes = Vec::new();
    for (file_type, name) in names {
        F::push(file_type.0, &mut bytes);
        F::encode(name, &mut bytes).ok_or_else(|| {
            invalid_parameter(
                name,
                "does not convert to the ANSI code page: call the W form of the function",
            )
        })?;
        F::push(0, &mut bytes);
    }
    if bytes.is_empty() {
        F::push(0, &mut bytes);
    }
    F::push(0, &mut bytes);
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_are_double_nul_terminated_and_typed() {
        let names = [
            (FileType::DATABASE, "/d/ntds.dit"),
            (FileType::LOG_DIR, "/l/é"),
        ];
        assert_eq!(
            list::<Ansi>(names).unwrap(),
            b"\x44/d/ntds.dit\0\x82/l/\xC3\xA9\0\0"
        );
        let wide: Vec<u8> = "\u{44}/d/ntds.dit\0\u{82}/l/é\0\0"
            .encode_utf16()
            .flat_map(u16::to_ne_bytes)
            .collect();
        assert_eq!(list::<Wide>(names).unwrap(), wide);
    }

    #[test]
    fn an_empty_list_ends_twice_as_well() {
        assert_eq!(list::<Ansi>([]).unwrap(), [0; 2]);
        assert_eq!(list::<Wide>([]).unwrap(), [0; 4]);
    }

    #[test]
    fn strings_that_do_not_convert_are_refused() {
        assert_eq!(
            Wide::decode(&[u16::from(b'd'), 0xD800]),
            None,
            "half of a pair"
        );
        assert_eq!(Wide::decode(&[0xD83D, 0xDCBE]).as_deref(), Some("💾"));
        #[cfg(not(windows))]
        assert_eq!(
            Ansi::decode(&[b'd', 0xE9].map(|byte| c_char::from_ne_bytes([byte]))),
            None,
            "Latin-1"
        );
    }
}
