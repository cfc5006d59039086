//! Access tokens: who somebody is, the groups and privileges that count. Unsafe code as in `system`:
//! every pointer points to a value that lives longer than the call, and what the system says of lengths
//! is checked against the buffer it filled.
#![allow(unsafe_code)]

use std::io::{Error, Result};
use std::os::windows::io::{AsRawHandle, FromRawHandle, OwnedHandle};
use std::ptr::{null, null_mut};

use windows_sys::Win32::Foundation::{HANDLE, LUID};
use windows_sys::Win32::Security::{
    GetTokenInformation, LUID_AND_ATTRIBUTES, LookupAccountSidW, LookupPrivilegeValueW, PSID,
    SID_AND_ATTRIBUTES, TOKEN_GROUPS, TOKEN_INFORMATION_CLASS, TOKEN_PRIVILEGES, TOKEN_QUERY,
    TOKEN_USER, TokenGroups, TokenPrivileges, TokenUser,
};
use windows_sys::Win32::System::Threading::{
    GetCurrentProcess, OpenProcess, OpenProcessToken, PROCESS_QUERY_LIMITED_INFORMATION,
};

use crate::system::text_of_sid;

/// The number of this process's user (its SID).
pub(crate) fn own_account() -> Result<String> {
    Token::of_this_process()?.user()
}

/// Whether this process acts as an administrator of this computer (in an elevated window, as SYSTEM, in
/// directory services restore mode). It then needs no rights of its own account, which the next
/// administrator or the system's own tasks do not share.
pub(crate) fn is_administrator() -> Result<bool> {
    /// Administrators.
    const ADMINISTRATORS: &str = "S-1-5-32-544";
    /// The group counts (SE_GROUP_ENABLED).
    const ENABLED: u32 = 0x4;
    let groups = Token::of_this_process()?.groups()?;
    Ok(groups
        .iter()
        .any(|(group, attributes)| group == ADMINISTRATORS && attributes & ENABLED != 0))
}

/// An access token that may be queried.
#[derive(Debug)]
pub struct Token(OwnedHandle);

impl From<OwnedHandle> for Token {
    fn from(handle: OwnedHandle) -> Self {
        Self(handle)
    }
}

impl Token {
    /// The token of this process.
    ///
    /// # Errors
    /// The system's.
    pub fn of_this_process() -> Result<Self> {
        // SAFETY: the pseudo handle of this process is always valid, and needs no closing.
        Self::of_handle(unsafe { GetCurrentProcess() })
    }

    /// The token of a process.
    ///
    /// # Errors
    /// The system's.
    pub fn of_process(process: u32) -> Result<Self> {
        // SAFETY: takes a number.
        let process = unsafe { OpenProcess(PROCESS_QUERY_LIMITED_INFORMATION, 0, process) };
        if process.is_null() {
            return Err(Error::last_os_error());
        }
        // SAFETY: the handle was just opened, and belongs to nobody else.
        let process = unsafe { OwnedHandle::from_raw_handle(process) };
        Self::of_handle(process.as_raw_handle())
    }

    fn of_handle(process: HANDLE) -> Result<Self> {
        let mut token: HANDLE = null_mut();
        // SAFETY: the process is open, and the token has a place.
        match unsafe { OpenProcessToken(process, TOKEN_QUERY, &mut token) } {
            0 => Err(Error::last_os_error()),
            // SAFETY: the handle was just opened, and belongs to nobody else.
            _ => Ok(Self(unsafe { OwnedHandle::from_raw_handle(token) })),
        }
    }

    /// The account (its SID).
    ///
    /// # Errors
    /// The system's.
    pub fn user(&self) -> Result<String> {
        let buffer = self.information(TokenUser)?;
        // SAFETY: the SID is in the buffer.
        unsafe { text_of_sid(user(&buffer)?) }
    }

    /// The groups (their SIDs), each with its attributes (SE_GROUP_ENABLED and so on).
    ///
    /// # Errors
    /// The system's.
    pub fn groups(&self) -> Result<Vec<(String, u32)>> {
        let buffer = self.information(TokenGroups)?;
        // SAFETY: the buffer was filled with this structure.
        let groups = unsafe {
            let groups = buffer.as_ptr().cast::<TOKEN_GROUPS>();
            let first = (&raw const (*groups).Groups).cast::<SID_AND_ATTRIBUTES>();
            list(&buffer, first, (*groups).GroupCount)?
        };
        let text = |group: &SID_AND_ATTRIBUTES| {
            // SAFETY: the SIDs are in the buffer too.
            Ok((unsafe { text_of_sid(group.Sid) }?, group.Attributes))
        };
        groups.iter().map(text).collect()
    }

    /// Whether it holds a privilege, enabled or not.
    ///
    /// # Errors
    /// The system's.
    pub fn holds(&self, privilege: &str) -> Result<bool> {
        let mut luid = LUID::default();
        let privilege: Vec<u16> = privilege.encode_utf16().chain([0]).collect();
        // SAFETY: the text ends with a zero, and the result has a place.
        if unsafe { LookupPrivilegeValueW(null(), privilege.as_ptr(), &mut luid) } == 0 {
            return Err(Error::last_os_error());
        }
        let buffer = self.information(TokenPrivileges)?;
        // SAFETY: the buffer was filled with this structure.
        let held = unsafe {
            let held = buffer.as_ptr().cast::<TOKEN_PRIVILEGES>();
            let first = (&raw const (*held).Privileges).cast::<LUID_AND_ATTRIBUTES>();
            list(&buffer, first, (*held).PrivilegeCount)?
        };
        let wanted = (luid.LowPart, luid.HighPart);
        Ok((held.iter()).any(|found| (found.Luid.LowPart, found.Luid.HighPart) == wanted))
    }

    /// The account's name: `DOMAIN\user`.
    ///
    /// # Errors
    /// The system's.
    pub fn name(&self) -> Result<String> {
        let buffer = self.information(TokenUser)?;
        let sid = user(&buffer)?;
        let (mut name, mut domain) = ([0_u16; 256], [0_u16; 256]);
        let (mut name_length, mut domain_length, mut kind) = (256, 256, 0);
        // SAFETY: the SID is valid as long as the buffer lives, and the lengths are those of the places.
        let found = unsafe {
            LookupAccountSidW(
                null(),
                sid,
                name.as_mut_ptr(),
                &mut name_length,
                domain.as_mut_ptr(),
                &mut domain_length,
                &mut kind,
            )
        };
        if found == 0 {
            return Err(Error::last_os_error());
        }
        let text = |text: &[u16], length: u32| {
            String::from_utf16_lossy(text.get(..length as usize).unwrap_or_default())
        };
        let (name, domain) = (text(&name, name_length), text(&domain, domain_length));
        Ok(match domain.is_empty() {
            true => name,
            false => format!("{domain}\\{name}"),
        })
    }

    /// What the token says of a class, in a buffer that is aligned for its structures.
    fn information(&self, class: TOKEN_INFORMATION_CLASS) -> Result<Vec<u64>> {
        let mut length = 0;
        let token = self.0.as_raw_handle();
        // SAFETY: asks for the length only.
        unsafe { GetTokenInformation(token, class, null_mut(), 0, &mut length) };
        let mut buffer = vec![0_u64; (length as usize).div_ceil(8)];
        let into = buffer.as_mut_ptr().cast();
        // SAFETY: the buffer has at least this length.
        match unsafe { GetTokenInformation(token, class, into, length, &mut length) } {
            0 => Err(Error::last_os_error()),
            _ => Ok(buffer),
        }
    }
}

/// The SID in an answer about the user. It is in the buffer too.
fn user(buffer: &[u64]) -> Result<PSID> {
    if size_of_val(buffer) < size_of::<TOKEN_USER>() {
        return Err(short());
    }
    // SAFETY: the system filled the buffer with this structure.
    Ok(unsafe { (*buffer.as_ptr().cast::<TOKEN_USER>()).User.Sid })
}

/// The list behind its count.
///
/// # Safety
/// The system filled the buffer, and `first` points into it.
unsafe fn list<T>(buffer: &[u64], first: *const T, count: u32) -> Result<&[T]> {
    let before = (first as usize).wrapping_sub(buffer.as_ptr() as usize);
    let room = size_of_val(buffer).saturating_sub(before) / size_of::<T>();
    match count as usize {
        count if count <= room => {
            // SAFETY: so many values are within the buffer, which is aligned and outlives the slice.
            Ok(unsafe { std::slice::from_raw_parts(first, count) })
        }
        _ => Err(short()),
    }
}

fn short() -> Error {
    Error::new(
        std::io::ErrorKind::UnexpectedEof,
        "a token's answer is cut off",
    )
}
