//! Rows of DsBackupPrepare, and of the functions that end a backup or free what it handed out.

use std::ffi::c_void;

use ntdsbcli::contract::ResultCode;

use crate::calls::{Prepared, backup_prepare, get_list, on_handle, set_current_backup_log};
use crate::common::{
    Kind, Mode, ends_without_service, handle_rows, place_rows, server_rows, to_online,
};
use crate::library::{Form, Place, free, last_reason, ok};
use crate::table::{Part, Source, Table};
use crate::world::{Backup, HERE, Restore, list, offline, online, own};

const FULL: u32 = 1;

pub fn rows(table: &mut Table) {
    let mut part = table.both_forms("DsBackupPrepare");
    server_rows(
        &mut part,
        "szBackupServer",
        Source::Page,
        Mode::Online,
        |form, server| {
            to_online();
            let mut results = Prepared::new();
            let code = backup_prepare(form, server, 0, FULL, &mut results);
            check_results(code, &results)
        },
    );
    for grbit in [1, 2, u32::MAX] {
        part.row(
            "grbit",
            format!("{grbit:#x}"),
            ResultCode::INVALID_PARAMETER,
            Source::Ours,
            move |form| prepare(form, grbit, FULL),
        );
    }
    part.row(
        "grbit, btFlag",
        "0, `BACKUP_TYPE_FULL`",
        ResultCode::OK,
        Source::Page,
        |form| prepare(form, 0, FULL),
    );
    for backup_type in [0, 3, 5, 8, u32::MAX] {
        part.row(
            "btFlag",
            format!("{backup_type:#x}"),
            ResultCode::INVALID_PARAMETER,
            Source::Ours,
            move |form| prepare(form, 0, backup_type),
        );
    }
    part.row(
        "btFlag",
        "`BACKUP_TYPE_INCREMENTAL`",
        ResultCode::INVALID_PARAMETER,
        Source::Page,
        |form| prepare(form, 0, 4),
    );
    logs_only_rows(&mut part);
    part.row(
        "btFlag",
        "`BACKUP_TYPE_LOGS_ONLY` after `BACKUP_DISABLE_INCREMENTAL`",
        ResultCode::INCREMENTAL_BACKUP_DISABLED,
        Source::Header,
        |form| {
            let _directory = own("ese/efv8920-clean", &[]);
            ok(set_current_backup_log(form, HERE, 0xFFFF_FFFF));
            backup_prepare(form, HERE, 0, 2, &mut Prepared::new())
        },
    );
    place_rows::<*mut c_void>(
        &mut part,
        "ppvExpiryToken",
        ResultCode::INVALID_PARAM,
        Source::Page,
        |form, place| with_places(form, |results| results.token = place),
    );
    place_rows::<u32>(
        &mut part,
        "pcbExpiryTokenSize",
        ResultCode::INVALID_PARAM,
        Source::Page,
        |form, place| with_places(form, |results| results.size = place),
    );
    place_rows::<*mut c_void>(
        &mut part,
        "phbc",
        ResultCode::INVALID_PARAMETER,
        Source::Page,
        |form, place| with_places(form, |results| results.hbc = place),
    );
    part.row(
        "-",
        "the directory is offline",
        ResultCode::RESTORE_IN_PROGRESS,
        Source::Ours,
        |form| {
            offline();
            let mut results = Prepared::new();
            let code = backup_prepare(form, HERE, 0, FULL, &mut results);
            check_results(code, &results)
        },
    );
    part.row(
        "-",
        "another backup is in progress",
        ResultCode::BACKUP_IN_PROGRESS,
        Source::Header,
        |form| {
            online();
            let _first = Backup::begin();
            prepare(form, 0, FULL)
        },
    );
    part.row(
        "-",
        "the previous backup has ended",
        ResultCode::OK,
        Source::Pages,
        |form| {
            online();
            drop(Backup::begin());
            prepare(form, 0, FULL)
        },
    );
}

/// Beyond the original, which refuses this type: the logs since the last backup.
fn logs_only_rows(part: &mut Part) {
    part.row(
        "btFlag",
        "`BACKUP_TYPE_LOGS_ONLY` (the original: `ERROR_INVALID_PARAMETER`), before any full backup",
        ResultCode::FULL_BACKUP_NOT_TAKEN,
        Source::Beyond,
        |form| {
            let _directory = own("sample-forest/dirty", &["--as-is"]);
            logs_only(form, &[])
        },
    );
    part.row(
        "btFlag",
        "`BACKUP_TYPE_LOGS_ONLY` after a full backup and DsBackupTruncateLogs: the log that is in \
         use since then",
        ResultCode::OK,
        Source::Beyond,
        |form| {
            let _directory = own("sample-forest/dirty", &["--as-is"]);
            let full = Backup::begin();
            full.read_everything(true);
            ok(on_handle("DsBackupTruncateLogs", full.hbc));
            drop(full);
            logs_only(form, &["edb.log"])
        },
    );
    part.row(
        "btFlag",
        "`BACKUP_TYPE_LOGS_ONLY` after DsSetCurrentBackupLog: the logs from that number on",
        ResultCode::OK,
        Source::Beyond,
        |form| {
            let _directory = own("sample-forest/dirty", &["--as-is"]);
            ok(set_current_backup_log(form, HERE, 5));
            logs_only(form, &["edb00005.log", "edb00006.log", "edb.log"])
        },
    );
    part.row(
        "btFlag",
        "`BACKUP_TYPE_LOGS_ONLY` after DsSetCurrentBackupLog with a number whose log is missing",
        ResultCode::LOG_FILE_NOT_FOUND,
        Source::Beyond,
        |form| {
            let directory = own("sample-forest/dirty", &["--as-is"]);
            std::fs::remove_file(directory.folder.join("edb00005.log")).expect("lose a log");
            ok(set_current_backup_log(form, HERE, 5));
            logs_only(form, &[])
        },
    );
}

/// Begins a backup of logs and, if it begins, compares its lists with these names.
fn logs_only(form: Form, expected: &[&str]) -> ResultCode {
    let mut results = Prepared::new();
    let code = backup_prepare(form, HERE, 0, 2, &mut results);
    if code != ResultCode::OK {
        return check_results(code, &results);
    }
    let hbc = results.hbc.get();
    assert_eq!(list("DsBackupGetDatabaseNames", form, hbc), []);
    let logs = list("DsBackupGetBackupLogs", form, hbc);
    let base_names: Vec<&str> = (logs.iter())
        .map(|(file_type, name)| {
            assert_eq!(*file_type, 0x21, "BFT_LOG");
            name.rsplit('/').next().expect("a name")
        })
        .collect();
    assert_eq!(base_names, expected);
    free(results.token.get());
    ok(on_handle("DsBackupEnd", hbc));
    code
}

fn prepare(form: Form, grbit: u32, backup_type: u32) -> ResultCode {
    online();
    let mut results = Prepared::new();
    let code = backup_prepare(form, HERE, grbit, backup_type, &mut results);
    check_results(code, &results)
}

fn with_places(form: Form, change: impl FnOnce(&mut Prepared)) -> ResultCode {
    online();
    let mut results = Prepared::new();
    change(&mut results);
    backup_prepare(form, HERE, 0, FULL, &mut results)
}

/// After success there is a token and a handle, both of which are released; after failure there is
/// nothing.
fn check_results(code: ResultCode, results: &Prepared) -> ResultCode {
    assert_eq!(code.is_ok(), !results.token.get().is_null());
    assert_eq!(code.is_ok(), results.size.get() != 0);
    assert_eq!(code.is_ok(), !results.hbc.get().is_null());
    if code.is_ok() {
        free(results.token.get());
        ok(on_handle("DsBackupEnd", results.hbc.get()));
    }
    code
}

pub fn end_rows(table: &mut Table) {
    truncate_rows(table);
    let mut part = table.single("DsBackupEnd");
    handle_rows(&mut part, Kind::Backup, Source::Page, |_, hbc| {
        on_handle("DsBackupEnd", hbc)
    });
    part.row(
        "-",
        "a backup that read nothing",
        ResultCode::OK,
        Source::Page,
        |_| {
            online();
            on_handle("DsBackupEnd", Backup::begin().hbc)
        },
    );
    part.row(
        "-",
        "a file is open, half read",
        ResultCode::OK,
        Source::Page,
        |_| {
            online();
            let backup = Backup::begin();
            backup.open(&backup.database());
            backup.read_until(1);
            on_handle("DsBackupEnd", backup.hbc)
        },
    );
    part.row(
        "-",
        "after everything was read",
        ResultCode::OK,
        Source::Page,
        |_| {
            online();
            let backup = Backup::begin();
            backup.read_everything(true);
            on_handle("DsBackupEnd", backup.hbc)
        },
    );
    part.other(
        "-",
        "the service is gone",
        "`hrCommunicationError`; the handle is ended",
        Source::Ours,
        |_| {
            let mut directory = own("ese/efv8920-clean", &[]);
            let backup = Backup::begin();
            ends_without_service("DsBackupEnd", backup.hbc, &mut directory);
        },
    );
    free_rows(table);
}

fn truncate_rows(table: &mut Table) {
    let mut part = table.single("DsBackupTruncateLogs");
    handle_rows(&mut part, Kind::Backup, Source::Page, |_, hbc| {
        on_handle("DsBackupTruncateLogs", hbc)
    });
    part.row(
        "-",
        "nothing was read",
        ResultCode::FULL_BACKUP_NOT_TAKEN,
        Source::Pages,
        |_| {
            online();
            on_handle("DsBackupTruncateLogs", Backup::begin().hbc)
        },
    );
    part.row(
        "-",
        "all but the last log was read",
        ResultCode::FULL_BACKUP_NOT_TAKEN,
        Source::Pages,
        |_| {
            online();
            let backup = Backup::begin();
            let files = backup.files();
            for name in &files[..files.len() - 1] {
                backup.open(name);
                assert_eq!(backup.read_until(u64::MAX).1, ResultCode::HANDLE_EOF);
                ok(on_handle("DsBackupClose", backup.hbc));
            }
            on_handle("DsBackupTruncateLogs", backup.hbc)
        },
    );
    for (condition, to_the_code) in [
        ("every file was read until `ERROR_HANDLE_EOF`", true),
        (
            "every file was read by its size, without waiting for `ERROR_HANDLE_EOF`",
            false,
        ),
    ] {
        part.row("-", condition, ResultCode::OK, Source::Pages, move |_| {
            let _directory = own("sample-forest/dirty", &[]);
            let backup = Backup::begin();
            backup.read_everything(to_the_code);
            on_handle("DsBackupTruncateLogs", backup.hbc)
        });
    }
}

fn free_rows(table: &mut Table) {
    let mut part = table.single("DsBackupFree");
    let parameter = "pvBuffer";
    part.other(parameter, "`NULL`", "no effect", Source::Page, |_| {
        free(std::ptr::null_mut())
    });
    part.other(
        parameter,
        "a token of DsBackupPrepare",
        "freed",
        Source::Page,
        |_| {
            online();
            let mut results = Prepared::new();
            ok(backup_prepare(Form::A, HERE, 0, FULL, &mut results));
            free_and_again(results.token.get());
            ok(on_handle("DsBackupEnd", results.hbc.get()));
        },
    );
    for (condition, function, form) in [
        (
            "a list of DsBackupGetDatabaseNamesA",
            "DsBackupGetDatabaseNames",
            Form::A,
        ),
        (
            "a list of DsBackupGetDatabaseNamesW",
            "DsBackupGetDatabaseNames",
            Form::W,
        ),
        (
            "a list of DsBackupGetBackupLogsA",
            "DsBackupGetBackupLogs",
            Form::A,
        ),
        (
            "a list of DsBackupGetBackupLogsW",
            "DsBackupGetBackupLogs",
            Form::W,
        ),
        (
            "a list of DsRestoreGetDatabaseLocationsA",
            "DsRestoreGetDatabaseLocations",
            Form::A,
        ),
        (
            "a list of DsRestoreGetDatabaseLocationsW",
            "DsRestoreGetDatabaseLocations",
            Form::W,
        ),
    ] {
        part.other(parameter, condition, "freed", Source::Page, move |_| {
            let (mut list, mut size) = (Place::holding(std::ptr::null_mut()), Place::holding(0));
            if function.starts_with("DsRestore") {
                offline();
                ok(get_list(
                    function,
                    form,
                    Restore::restricted().hbc,
                    &mut list,
                    &mut size,
                ));
            } else {
                online();
                ok(get_list(
                    function,
                    form,
                    Backup::begin().hbc,
                    &mut list,
                    &mut size,
                ));
            }
            // The list outlives its context.
            free_and_again(list.get());
        });
    }
    part.other(
        parameter,
        "the address of a variable",
        "no effect",
        Source::Ours,
        |_| {
            let mut variable = [7u64; 4];
            free(variable.as_mut_ptr().cast());
            assert_eq!(variable, [7; 4]);
            assert!(last_reason().contains("pvBuffer"));
        },
    );
    part.other(
        parameter,
        "memory of another allocator",
        "no effect",
        Source::Ours,
        |_| {
            let mut memory = vec![7u8; 100];
            free(memory.as_mut_ptr().cast());
            assert_eq!(memory, [7; 100]);
        },
    );
    part.other(
        parameter,
        "into the middle of a returned buffer",
        "no effect",
        Source::Ours,
        |_| {
            online();
            let backup = Backup::begin();
            let token = backup.token();
            let mut results = Place::holding(std::ptr::null_mut());
            ok(get_list(
                "DsBackupGetDatabaseNames",
                Form::A,
                backup.hbc,
                &mut results,
                &mut Place::holding(0),
            ));
            free(results.get().wrapping_byte_add(1));
            free(results.get().wrapping_byte_add(16));
            free(results.get());
            assert_eq!(backup.token(), token);
        },
    );
    part.other(parameter, "a handle", "no effect", Source::Ours, |_| {
        online();
        let backup = Backup::begin();
        free(backup.hbc);
        ok(on_handle("DsBackupEnd", backup.hbc));
    });
    part.other(parameter, "all bits set", "no effect", Source::Ours, |_| {
        free(std::ptr::without_provenance_mut(usize::MAX));
    });
}

/// The second call has no effect, and returns an error.
fn free_and_again(buffer: *mut c_void) {
    free(buffer);
    assert_eq!(last_reason(), "");
    free(buffer);
    assert!(last_reason().contains("freed before"), "{}", last_reason());
}
