//! The calls of Windows that no library offers in safe form. Beside `token` and `job`, the only
//! unsafe code of this crate.
//!
//! Every pointer that is passed points to a value that lives longer than the call; what a call
//! allocates is freed here, once, by the function that its documentation names.
#![allow(unsafe_code)]

use std::fs::File;
use std::io::{Error, Result};
use std::os::windows::ffi::OsStrExt;
use std::os::windows::io::{AsRawHandle, FromRawHandle, OwnedHandle};
use std::path::{Component, Path, PathBuf, Prefix};
use std::ptr::{null, null_mut};

use windows_sys::Win32::Foundation::{
    ERROR_ACCESS_DENIED, GENERIC_READ, GENERIC_WRITE, HANDLE, INVALID_HANDLE_VALUE, LocalFree,
    WAIT_TIMEOUT,
};
use windows_sys::Win32::Globalization::{CP_OEMCP, MultiByteToWideChar};
use windows_sys::Win32::Security::Authorization::{
    ConvertSecurityDescriptorToStringSecurityDescriptorW, ConvertSidToStringSidW,
    ConvertStringSecurityDescriptorToSecurityDescriptorW, GetSecurityInfo, SDDL_REVISION_1,
    SE_FILE_OBJECT, SE_KERNEL_OBJECT, SE_OBJECT_TYPE, SetSecurityInfo,
};
use windows_sys::Win32::Security::{
    DACL_SECURITY_INFORMATION, GetSecurityDescriptorDacl, OWNER_SECURITY_INFORMATION,
    PROTECTED_DACL_SECURITY_INFORMATION, PSECURITY_DESCRIPTOR, PSID, SECURITY_ATTRIBUTES,
};
use windows_sys::Win32::Storage::FileSystem::{
    CREATE_NEW, CreateDirectoryW, CreateFileW, FILE_ATTRIBUTE_NORMAL, FILE_SHARE_DELETE,
    FILE_SHARE_READ, FILE_SHARE_WRITE, GetDiskFreeSpaceExW, GetDriveTypeW,
};
use windows_sys::Win32::System::Console::{GetConsoleMode, ReadConsoleW, SetConsoleMode};
use windows_sys::Win32::System::Threading::{
    GetProcessIoCounters, IO_COUNTERS, OpenProcess, PROCESS_SYNCHRONIZE, WaitForSingleObject,
};

/// A security descriptor in the form that calls take. Freed when dropped.
pub struct Descriptor(PSECURITY_DESCRIPTOR);

impl Descriptor {
    /// From its text (SDDL).
    ///
    /// # Errors
    /// The system's, where the text is none.
    pub fn of(text: &str) -> Result<Self> {
        let text: Vec<u16> = text.encode_utf16().chain([0]).collect();
        let mut descriptor = null_mut();
        // SAFETY: the text ends with a zero, and the result has a place.
        let made = unsafe {
            ConvertStringSecurityDescriptorToSecurityDescriptorW(
                text.as_ptr(),
                SDDL_REVISION_1,
                &mut descriptor,
                null_mut(),
            )
        };
        unless_zero(made)?;
        Ok(Self(descriptor))
    }

    /// For a call that creates something. They point into this value.
    pub fn attributes(&self) -> SECURITY_ATTRIBUTES {
        SECURITY_ATTRIBUTES {
            nLength: size_of::<SECURITY_ATTRIBUTES>() as u32,
            lpSecurityDescriptor: self.0,
            bInheritHandle: 0,
        }
    }
}

impl Drop for Descriptor {
    fn drop(&mut self) {
        // SAFETY: it came from a call that asks for LocalFree.
        unsafe { LocalFree(self.0) };
    }
}

fn unless_zero(result: i32) -> Result<()> {
    match result {
        0 => Err(Error::last_os_error()),
        _ => Ok(()),
    }
}

/// A path for a call: absolute, in the form without a limit of length, with a zero at its end.
fn long(path: &Path) -> Result<Vec<u16>> {
    let path = verbatim(path)?;
    Ok(path.as_os_str().encode_wide().chain([0]).collect())
}

/// The absolute path in the form without a limit of length (`\\?\`).
pub(crate) fn verbatim(path: &Path) -> Result<PathBuf> {
    let absolute = std::path::absolute(path)?;
    let text = absolute.as_os_str().to_string_lossy();
    if text.starts_with(r"\\?\") || text.starts_with(r"\\.\") {
        return Ok(absolute);
    }
    let mut long = std::ffi::OsString::new();
    match text.strip_prefix(r"\\") {
        Some(_) => {
            long.push(r"\\?\UNC\");
            let rest: Vec<u16> = absolute.as_os_str().encode_wide().skip(2).collect();
            long.push(<std::ffi::OsString as std::os::windows::ffi::OsStringExt>::from_wide(&rest));
        }
        None => {
            long.push(r"\\?\");
            long.push(absolute.as_os_str());
        }
    }
    Ok(long.into())
}

/// Whether a path leads to another computer.
pub(crate) fn is_remote(path: &Path) -> bool {
    /// DRIVE_REMOTE
    const REMOTE: u32 = 4;
    let absolute = std::path::absolute(path);
    let Some(Component::Prefix(prefix)) =
        (absolute.as_ref().ok()).and_then(|path| path.components().next())
    else {
        return false;
    };
    match prefix.kind() {
        Prefix::UNC(..) | Prefix::VerbatimUNC(..) => true,
        Prefix::Disk(letter) | Prefix::VerbatimDisk(letter) => {
            let root = [u16::from(letter), u16::from(b':'), u16::from(b'\\'), 0];
            // SAFETY: the text ends with a zero.
            (unsafe { GetDriveTypeW(root.as_ptr()) }) == REMOTE
        }
        _ => false,
    }
}

/// Makes a folder with this security descriptor.
pub(crate) fn make_folder(path: &Path, descriptor: &str) -> Result<()> {
    let descriptor = Descriptor::of(descriptor)?;
    let path = long(path)?;
    // SAFETY: the path ends with a zero, and the attributes live longer than the call.
    unless_zero(unsafe { CreateDirectoryW(path.as_ptr(), &descriptor.attributes()) })
}

/// Creates a file with this security descriptor, for reading and writing. Others may open, rename and
/// delete it meanwhile, as with the standard library.
pub(crate) fn create_new(path: &Path, descriptor: &str) -> Result<File> {
    let descriptor = Descriptor::of(descriptor)?;
    let path = long(path)?;
    // SAFETY: the path ends with a zero, and the attributes live longer than the call.
    let handle = unsafe {
        CreateFileW(
            path.as_ptr(),
            GENERIC_READ | GENERIC_WRITE,
            FILE_SHARE_READ | FILE_SHARE_WRITE | FILE_SHARE_DELETE,
            &descriptor.attributes(),
            CREATE_NEW,
            FILE_ATTRIBUTE_NORMAL,
            null_mut(),
        )
    };
    if handle == INVALID_HANDLE_VALUE {
        return Err(Error::last_os_error());
    }
    // SAFETY: the handle is open, and nobody else has it.
    Ok(unsafe { OwnedHandle::from_raw_handle(handle) }.into())
}

/// Replaces the access list of an open file or folder, which then inherits no more.
pub(crate) fn set_list(file: &File, descriptor: &str) -> Result<()> {
    let descriptor = Descriptor::of(descriptor)?;
    let (mut is_present, mut is_default, mut list) = (0, 0, null_mut());
    // SAFETY: the descriptor is valid, and the results have places; the list is part of it.
    unless_zero(unsafe {
        GetSecurityDescriptorDacl(descriptor.0, &mut is_present, &mut list, &mut is_default)
    })?;
    // SAFETY: the handle is open, and the list lives as long as the descriptor.
    let code = unsafe {
        SetSecurityInfo(
            file.as_raw_handle(),
            SE_FILE_OBJECT,
            DACL_SECURITY_INFORMATION | PROTECTED_DACL_SECURITY_INFORMATION,
            null_mut(),
            null_mut(),
            list,
            null(),
        )
    };
    match code {
        0 => Ok(()),
        code => Err(Error::from_raw_os_error(code as i32)),
    }
}

/// The owner and the access list of an open file or folder, as text.
pub(crate) fn descriptor(file: &File) -> Result<String> {
    const WANTED: u32 = OWNER_SECURITY_INFORMATION | DACL_SECURITY_INFORMATION;
    described(file.as_raw_handle(), SE_FILE_OBJECT, WANTED)
}

/// The owner of an open pipe, as text (SDDL): `O:` and its SID, or the alias of a known one.
///
/// # Errors
/// The system's.
pub fn owner_of_pipe(pipe: &impl AsRawHandle) -> Result<String> {
    described(
        pipe.as_raw_handle(),
        SE_KERNEL_OBJECT,
        OWNER_SECURITY_INFORMATION,
    )
}

/// Parts of the security descriptor of an open object, as text.
fn described(object: HANDLE, kind: SE_OBJECT_TYPE, wanted: u32) -> Result<String> {
    let mut descriptor = null_mut();
    // SAFETY: the handle is open; only the whole descriptor is asked for, and has a place.
    let code = unsafe {
        GetSecurityInfo(
            object,
            kind,
            wanted,
            null_mut(),
            null_mut(),
            null_mut(),
            null_mut(),
            &mut descriptor,
        )
    };
    if code != 0 {
        return Err(Error::from_raw_os_error(code as i32));
    }
    let descriptor = Descriptor(descriptor);
    let mut text = null_mut();
    // SAFETY: the descriptor is valid, and the text has a place.
    unless_zero(unsafe {
        ConvertSecurityDescriptorToStringSecurityDescriptorW(
            descriptor.0,
            SDDL_REVISION_1,
            wanted,
            &mut text,
            null_mut(),
        )
    })?;
    Ok(take_text(text))
}

/// Copies a text that ends with a zero, and frees it.
fn take_text(text: *mut u16) -> String {
    let mut length = 0;
    // SAFETY: the text came from a successful call, and ends with a zero.
    while unsafe { *text.add(length) } != 0 {
        length += 1;
    }
    // SAFETY: so many units were just read; the text is freed after its copy is made.
    let copy = String::from_utf16_lossy(unsafe { std::slice::from_raw_parts(text, length) });
    // SAFETY: the calls that give such texts ask for LocalFree.
    unsafe { LocalFree(text.cast()) };
    copy
}

/// A SID as text.
///
/// # Safety
/// The SID is one of the system's answers, which still lives.
pub(crate) unsafe fn text_of_sid(sid: PSID) -> Result<String> {
    let mut text = null_mut();
    // SAFETY: the caller vouches for the SID, and the text has a place.
    unless_zero(unsafe { ConvertSidToStringSidW(sid, &mut text) })?;
    Ok(take_text(text))
}

/// The bytes that this user may still store on the disk of a folder.
pub(crate) fn free_space(folder: &Path) -> Result<u64> {
    let path = long(folder)?;
    let mut free = 0;
    // SAFETY: the path ends with a zero, and the result has a place.
    unless_zero(unsafe { GetDiskFreeSpaceExW(path.as_ptr(), &mut free, null_mut(), null_mut()) })?;
    Ok(free)
}

/// Whether a process lives.
pub(crate) fn lives(process: u32) -> bool {
    // SAFETY: no pointers.
    let handle = unsafe { OpenProcess(PROCESS_SYNCHRONIZE, 0, process) };
    if handle.is_null() {
        // It may belong to another user, but it exists.
        return Error::last_os_error().raw_os_error() == Some(ERROR_ACCESS_DENIED as i32);
    }
    // SAFETY: the handle is open, and nobody else has it.
    let handle = unsafe { OwnedHandle::from_raw_handle(handle) };
    // SAFETY: the handle is open. One of a process that ended is signalled.
    unsafe { WaitForSingleObject(handle.as_raw_handle(), 0) == WAIT_TIMEOUT }
}

/// The mode of a console.
pub(crate) fn console_mode(console: &File) -> Result<u32> {
    let mut mode = 0;
    // SAFETY: the handle is open, and the result has a place.
    unless_zero(unsafe { GetConsoleMode(console.as_raw_handle(), &mut mode) })?;
    Ok(mode)
}

/// Sets the mode of a console.
pub(crate) fn set_console_mode(console: &File, mode: u32) -> Result<()> {
    // SAFETY: the handle is open.
    unless_zero(unsafe { SetConsoleMode(console.as_raw_handle(), mode) })
}

/// Reads what is typed on a console into a buffer of the caller's. Returns how many units were read. A file would be read in the console's code page, which has not all letters.
pub(crate) fn read_console(console: &File, units: &mut [u16]) -> Result<usize> {
    let (mut read, length) = (0, u32::try_from(units.len()).unwrap_or(u32::MAX));
    // SAFETY: the handle is open, and the buffer has this length.
    unless_zero(unsafe {
        ReadConsoleW(
            console.as_raw_handle(),
            units.as_mut_ptr().cast(),
            length,
            &mut read,
            null(),
        )
    })?;
    Ok((read as usize).min(units.len()))
}

/// The bytes that a program has read and written so far: a sign that it works. 0 where the system does
/// not tell.
pub fn transferred(child: &std::process::Child) -> u64 {
    let mut counters = IO_COUNTERS::default();
    // SAFETY: the handle is open, and the result has a place.
    match unsafe { GetProcessIoCounters(child.as_raw_handle(), &mut counters) } {
        0 => 0,
        _ => (counters.ReadTransferCount).wrapping_add(counters.WriteTransferCount),
    }
}

/// What a program of the console printed, in the code page of consoles.
pub fn console_text(bytes: &[u8]) -> String {
    let Ok(length) = i32::try_from(bytes.len()) else {
        return String::from_utf8_lossy(bytes).into_owned();
    };
    // No code page makes more units than there are bytes.
    let mut units = vec![0_u16; bytes.len()];
    // SAFETY: both buffers have these lengths.
    let made = unsafe {
        MultiByteToWideChar(
            CP_OEMCP,
            0,
            bytes.as_ptr(),
            length,
            units.as_mut_ptr(),
            length,
        )
    };
    match usize::try_from(made) {
        Ok(made @ 1..) => String::from_utf16_lossy(units.get(..made).unwrap_or_default()),
        _ => String::from_utf8_lossy(bytes).into_owned(),
    }
}
