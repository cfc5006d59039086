//! The functions with typed parameters, so that a row reads as what it says.

use std::ffi::c_void;
use std::ptr;

use ntdsbcli::contract::ResultCode;

use crate::library::{Form, Hbc, Place, Text, call};

fn exported(function: &str, form: Form) -> String {
    format!("{function}{}", form.suffix())
}

pub fn is_online(form: Form, server: Text, online: &mut Place<i32>) -> ResultCode {
    let server = server.in_form(form);
    call!(exported("DsIsNTDSOnline", form), (
        server.pointer() => *const c_void, online.pointer() => *mut i32
    ))
}

/// The results of DsBackupPrepare.
pub struct Prepared {
    pub token: Place<*mut c_void>,
    pub size: Place<u32>,
    pub hbc: Place<Hbc>,
}

impl Prepared {
    /// Good pointers to garbage.
    pub fn new() -> Self {
        Self {
            token: Place::holding(ptr::without_provenance_mut(7)),
            size: Place::holding(7),
            hbc: Place::holding(ptr::without_provenance_mut(7)),
        }
    }
}

pub fn backup_prepare(
    form: Form,
    server: Text,
    grbit: u32,
    backup_type: u32,
    results: &mut Prepared,
) -> ResultCode {
    let server = server.in_form(form);
    call!(exported("DsBackupPrepare", form), (
        server.pointer() => *const c_void,
        grbit => u32,
        backup_type => u32,
        results.token.pointer() => *mut *mut c_void,
        results.size.pointer() => *mut u32,
        results.hbc.pointer() => *mut Hbc
    ))
}

/// DsBackupGetDatabaseNames, DsBackupGetBackupLogs or DsRestoreGetDatabaseLocations.
pub fn get_list(
    function: &str,
    form: Form,
    hbc: Hbc,
    list: &mut Place<*mut c_void>,
    size: &mut Place<u32>,
) -> ResultCode {
    call!(exported(function, form), (
        hbc => Hbc, list.pointer() => *mut *mut c_void, size.pointer() => *mut u32
    ))
}

pub fn open_file(form: Form, hbc: Hbc, name: Text, hint: u32, size: &mut Place<i64>) -> ResultCode {
    let name = name.in_form(form);
    call!(exported("DsBackupOpenFile", form), (
        hbc => Hbc, name.pointer() => *const c_void, hint => u32, size.pointer() => *mut i64
    ))
}

pub fn read(hbc: Hbc, buffer: *mut u8, size: u32, read: &mut Place<u32>) -> ResultCode {
    call!("DsBackupRead".to_owned(), (
        hbc => Hbc, buffer => *mut u8, size => u32, read.pointer() => *mut u32
    ))
}

/// A function whose only parameter is a handle.
pub fn on_handle(function: &str, hbc: Hbc) -> ResultCode {
    call!(function.to_owned(), (hbc => Hbc))
}

pub fn restore_prepare(
    form: Form,
    server: Text,
    restore_type: u32,
    token: Option<&[u8]>,
    size: u32,
    hbc: &mut Place<Hbc>,
) -> ResultCode {
    let server = server.in_form(form);
    let token = token.map_or(ptr::null(), <[u8]>::as_ptr);
    call!(exported("DsRestorePrepare", form), (
        server.pointer() => *const c_void,
        restore_type => u32,
        token => *const u8,
        size => u32,
        hbc.pointer() => *mut Hbc
    ))
}

/// The map of DsRestoreRegister.
#[derive(Clone, Copy)]
pub enum Map<'a> {
    /// Old and new path of each database.
    Of(&'a [(Text<'a>, Text<'a>)]),
    Null,
    Misaligned,
}

/// The parameters of DsRestoreRegister after the handle.
#[derive(Clone, Copy)]
pub struct Register<'a> {
    pub checkpoint: Text<'a>,
    pub logs: Text<'a>,
    pub map: Map<'a>,
    /// Instead of the map's own length.
    pub count: Option<i32>,
    pub backup_logs: Text<'a>,
    pub low: u32,
    pub high: u32,
}

pub fn register(form: Form, hbc: Hbc, parameters: &Register) -> ResultCode {
    let checkpoint = parameters.checkpoint.in_form(form);
    let logs = parameters.logs.in_form(form);
    let backup_logs = parameters.backup_logs.in_form(form);
    let names: Vec<_> = match parameters.map {
        Map::Of(map) => map
            .iter()
            .map(|(old, new)| (old.in_form(form), new.in_form(form)))
            .collect(),
        Map::Null => vec![],
        Map::Misaligned => vec![(
            Text::Is("/old").in_form(form),
            Text::Is("/new").in_form(form),
        )],
    };
    let elements: Vec<[*const c_void; 2]> = names
        .iter()
        .map(|(old, new)| [old.pointer(), new.pointer()])
        .collect();
    let map = match parameters.map {
        Map::Null => ptr::null(),
        Map::Of(_) => elements.as_ptr(),
        Map::Misaligned => elements.as_ptr().wrapping_byte_add(4),
    };
    let count = parameters.count.unwrap_or(elements.len() as i32);
    call!(exported("DsRestoreRegister", form), (
        hbc => Hbc,
        checkpoint.pointer() => *const c_void,
        logs.pointer() => *const c_void,
        map => *const [*const c_void; 2],
        count => i32,
        backup_logs.pointer() => *const c_void,
        parameters.low => u32,
        parameters.high => u32
    ))
}

pub fn register_complete(hbc: Hbc, state: u32) -> ResultCode {
    call!("DsRestoreRegisterComplete".to_owned(), (hbc => Hbc, state => u32))
}

pub fn check_expiry_token(token: Option<&[u8]>, size: u32) -> ResultCode {
    let token = token.map_or(ptr::null(), <[u8]>::as_ptr);
    call!("DsRestoreCheckExpiryToken".to_owned(), (token => *const u8, size => u32))
}

pub fn set_current_backup_log(form: Form, server: Text, log: u32) -> ResultCode {
    let server = server.in_form(form);
    call!(exported("DsSetCurrentBackupLog", form), (server.pointer() => *const c_void, log => u32))
}

pub fn set_auth_identity(form: Form, user: Text, domain: Text, password: Text) -> ResultCode {
    let (user, domain, password) = (
        user.in_form(form),
        domain.in_form(form),
        password.in_form(form),
    );
    call!(exported("DsSetAuthIdentity", form), (
        user.pointer() => *const c_void, domain.pointer() => *const c_void,
        password.pointer() => *const c_void
    ))
}
