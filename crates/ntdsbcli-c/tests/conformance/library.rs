//! The shared library as a C program sees it: loaded by its file, called by its exported names.

use std::ffi::{CStr, c_char, c_void};
use std::ptr;
use std::sync::OnceLock;

use libloading::Library;
use ntdsbcli::contract::ResultCode;

/// HBC.
pub type Hbc = *mut c_void;

/// The form of a function.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Form {
    /// CHAR strings.
    A,
    /// WCHAR strings.
    W,
    /// A function without strings has one form.
    None,
}

impl Form {
    /// The suffix of its names.
    pub fn suffix(self) -> &'static str {
        match self {
            Self::A => "A",
            Self::W => "W",
            Self::None => "",
        }
    }

    /// Bytes in a character.
    pub fn unit(self) -> usize {
        if self == Self::W { 2 } else { 1 }
    }
}

/// A string parameter, good or bad.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Text<'a> {
    /// A good one.
    Is(&'a str),
    Null,
    /// An odd address, for WCHAR.
    Misaligned,
    /// Bytes that are no UTF-8; half of a surrogate pair.
    Unconvertible,
    /// No NUL within the first 32767 characters.
    Endless,
}

/// The memory behind a string parameter.
pub struct CText {
    memory: Vec<u16>,
    pointer: *const c_void,
}

impl Text<'_> {
    /// The string in a form's memory.
    pub fn in_form(self, form: Form) -> CText {
        let nul_terminated = |text: &str| -> Vec<u16> {
            match form {
                Form::W => text.encode_utf16().chain([0]).collect(),
                _ => pairs(text.bytes().chain([0])),
            }
        };
        let memory = match self {
            Text::Is(text) => nul_terminated(text),
            Text::Null => vec![],
            Text::Misaligned => nul_terminated("localhost"),
            Text::Unconvertible if form == Form::W => vec![b'l'.into(), 0xD800, b'x'.into(), 0],
            Text::Unconvertible => pairs([b'l', 0xE9, b'x', 0]),
            Text::Endless => vec![0x6161; 40_000],
        };
        let pointer = match self {
            Text::Null => ptr::null(),
            Text::Misaligned => memory.as_ptr().wrapping_byte_add(1).cast(),
            _ => memory.as_ptr().cast(),
        };
        CText { memory, pointer }
    }
}

impl CText {
    /// The pointer to pass.
    pub fn pointer(&self) -> *const c_void {
        let _alive = &self.memory;
        self.pointer
    }
}

fn pairs(bytes: impl IntoIterator<Item = u8>) -> Vec<u16> {
    let bytes: Vec<u8> = bytes.into_iter().collect();
    bytes
        .chunks(2)
        .map(|pair| u16::from_ne_bytes([pair[0], pair.get(1).copied().unwrap_or(0)]))
        .collect()
}

/// The library, loaded once.
pub fn library() -> &'static Library {
    static LIBRARY: OnceLock<Library> = OnceLock::new();
    // SAFETY: the library's initialisation does nothing.
    LIBRARY
        .get_or_init(|| unsafe { Library::new(crate::lab::library()) }.expect("load the library"))
}

/// Calls an exported function by its name with the types of its parameters.
macro_rules! call {
    ($name:expr, ($($value:expr => $type:ty),*)) => {{
        let name: String = $name;
        // SAFETY: the types are those of the published header, which `header.rs` compares.
        unsafe {
            let function = $crate::library::library()
                .get::<unsafe extern "system" fn($($type),*) -> i32>(name.as_bytes())
                .expect("an exported name");
            ntdsbcli::contract::ResultCode(function($($value),*).cast_unsigned())
        }
    }};
}
pub(crate) use call;

/// A pointer to a result: good or bad.
pub enum Place<T> {
    Good(Box<T>),
    Null,
    Misaligned,
}

impl<T: Copy> Place<T> {
    /// A good pointer to a value.
    pub fn holding(value: T) -> Self {
        Self::Good(Box::new(value))
    }

    /// The pointer to pass.
    pub fn pointer(&mut self) -> *mut T {
        // A misaligned pointer to valid memory: only the library's own check refuses it.
        static MEMORY: [u64; 4] = [0; 4];
        match self {
            Self::Good(value) => &mut **value,
            Self::Null => ptr::null_mut(),
            Self::Misaligned => MEMORY.as_ptr().wrapping_byte_add(1).cast_mut().cast(),
        }
    }

    /// The value behind the pointer.
    pub fn get(&self) -> T {
        match self {
            Self::Good(value) => **value,
            _ => panic!("nothing is in a bad place"),
        }
    }
}

/// Frees a buffer.
pub fn free(buffer: *mut c_void) {
    // SAFETY: the type is that of the published header.
    unsafe {
        let function = library()
            .get::<unsafe extern "system" fn(*mut c_void)>(b"DsBackupFree")
            .expect("DsBackupFree");
        function(buffer);
    }
}

/// DsBackupGetLastReason.
pub fn last_reason() -> String {
    // SAFETY: the type is that of our header; the result is a string that is good until the next
    // call.
    unsafe {
        let function = library()
            .get::<unsafe extern "system" fn() -> *const c_char>(b"DsBackupGetLastReason")
            .expect("DsBackupGetLastReason");
        let reason = function();
        assert!(!reason.is_null());
        CStr::from_ptr(reason).to_str().expect("UTF-8").to_owned()
    }
}

/// The names of a list with their types. Checks that it ends with its second NUL, and nowhere
/// before.
pub fn names(form: Form, list: *const c_void, size: u32) -> Vec<(u8, String)> {
    let size = size as usize;
    assert!(!list.is_null());
    // SAFETY: the called function returned this size.
    let bytes = unsafe { std::slice::from_raw_parts(list.cast::<u8>(), size) };
    assert_eq!(size % form.unit(), 0);
    let text = match form {
        Form::W => {
            assert_eq!(list.addr() % 2, 0);
            let units: Vec<u16> = bytes
                .chunks(2)
                .map(|pair| u16::from_ne_bytes([pair[0], pair[1]]))
                .collect();
            String::from_utf16(&units).expect("UTF-16")
        }
        // The types are no UTF-8.
        _ => bytes.iter().map(|&byte| char::from(byte)).collect(),
    };
    let strings: Vec<&str> = text.split('\0').collect();
    if strings == ["", "", ""] {
        return Vec::new(); // An empty list ends twice as well.
    }
    let (ends, strings) = (&strings[strings.len() - 2..], &strings[..strings.len() - 2]);
    assert_eq!(ends, ["", ""], "two NULs at the end");
    strings
        .iter()
        .map(|string| {
            let mut characters = string.chars();
            let file_type = u8::try_from(u32::from(characters.next().expect("no empty name")))
                .expect("a BFT type");
            let name: String = characters.collect();
            let name = match form {
                Form::W => name,
                _ => String::from_utf8(name.chars().map(|c| c as u8).collect()).expect("UTF-8"),
            };
            (file_type, name)
        })
        .collect()
}

/// Asserts `S_OK`; shows the returned code with the reason otherwise.
#[track_caller]
pub fn ok(code: ResultCode) {
    assert_eq!(code, ResultCode::OK, "{}", last_reason());
}
