//! Rows of the functions that need no handle.

use ntdsbcli::contract::ResultCode;

use crate::calls::{
    Prepared, backup_prepare, check_expiry_token, is_online as call_is_online, on_handle,
    set_auth_identity, set_current_backup_log,
};
use crate::common::{Mode, bad_text_rows, place_rows, server_rows, to_online};
use crate::library::{Form, Place, Text, last_reason, ok};
use crate::restore::token_rows;
use crate::table::{Source, Table};
use crate::world::{HERE, nobody, offline, online, own};

pub fn is_online(table: &mut Table) {
    let mut part = table.both_forms("DsIsNTDSOnline");
    server_rows(
        &mut part,
        "szServerName",
        Source::Page,
        Mode::Online,
        |form, server| {
            to_online();
            let mut result = Place::holding(7);
            let code = call_is_online(form, server, &mut result);
            assert_eq!(result.get(), i32::from(code.is_ok()));
            code
        },
    );
    place_rows(
        &mut part,
        "pfNTDSOnline",
        ResultCode::INVALID_PARAMETER,
        Source::Pages,
        |form, mut place| {
            online();
            call_is_online(form, HERE, &mut place)
        },
    );
    part.other(
        "pfNTDSOnline",
        "the directory is online",
        "`S_OK`, `TRUE`",
        Source::Page,
        |form| {
            online();
            let mut result = Place::holding(7);
            ok(call_is_online(form, HERE, &mut result));
            assert_eq!(result.get(), 1);
        },
    );
    part.other(
        "pfNTDSOnline",
        "the directory is offline",
        "`S_OK`, `FALSE`",
        Source::Page,
        |form| {
            offline();
            let mut result = Place::holding(7);
            ok(call_is_online(form, HERE, &mut result));
            assert_eq!(result.get(), 0);
        },
    );
}

pub fn rows(table: &mut Table) {
    check_expiry_token_rows(table);
    set_current_backup_log_rows(table);
    set_auth_identity_rows(table);
    last_reason_rows(table);
}

fn check_expiry_token_rows(table: &mut Table) {
    let mut part = table.single("DsRestoreCheckExpiryToken");
    token_rows(&mut part, |_, token, size| {
        // It calls no service.
        nobody();
        check_expiry_token(token, size)
    });
    part.row(
        "pvExpiryToken",
        "`NULL`",
        ResultCode::MISSING_EXPIRY_TOKEN,
        Source::Ours,
        |_| {
            nobody();
            check_expiry_token(None, 0)
        },
    );
}

fn set_current_backup_log_rows(table: &mut Table) {
    let mut part = table.both_forms("DsSetCurrentBackupLog");
    server_rows(
        &mut part,
        "szServerName",
        Source::Page,
        Mode::Online,
        |form, server| {
            to_online();
            set_current_backup_log(form, server, 1)
        },
    );
    for log in [0, 1, 0xF_FFFF, 0xFFFF_FFFE] {
        part.row(
            "dwCurrentLog",
            format!("{log:#x}"),
            ResultCode::OK,
            Source::Page,
            move |form| {
                online();
                set_current_backup_log(form, HERE, log)
            },
        );
    }
    part.row(
        "dwCurrentLog",
        "`BACKUP_DISABLE_INCREMENTAL`",
        ResultCode::OK,
        Source::Header,
        |form| {
            let _directory = own("ese/efv8920-clean", &[]);
            let code = set_current_backup_log(form, HERE, 0xFFFF_FFFF);
            // Nothing but a full backup from now on.
            let logs_only = backup_prepare(form, HERE, 0, 2, &mut Prepared::new());
            assert_eq!(logs_only, ResultCode::INCREMENTAL_BACKUP_DISABLED);
            code
        },
    );
}

fn set_auth_identity_rows(table: &mut Table) {
    let mut part = table.both_forms("DsSetAuthIdentity");
    const GOOD: Text = Text::Is("backup");
    for (parameter, position) in [("szUserName", 0), ("szDomainName", 1), ("szPassword", 2)] {
        bad_text_rows(&mut part, parameter, Source::Ours, move |form, text| {
            let mut texts = [GOOD; 3];
            texts[position] = text;
            online();
            let code = set_auth_identity(form, texts[0], texts[1], texts[2]);
            // Nothing was set.
            ok(call_is_online(form, HERE, &mut Place::holding(7)));
            code
        });
    }
    part.row(
        "all",
        "valid strings",
        ResultCode::OK,
        Source::Page,
        |form| {
            online();
            let code = set_auth_identity(form, GOOD, Text::Is("EXAMPLE"), Text::Is("secret"));
            assert_eq!(
                call_is_online(form, HERE, &mut Place::holding(7)),
                ResultCode::ACCESS_DENIED
            );
            assert!(!last_reason().contains("secret"));
            ok(set_auth_identity(form, Text::Null, Text::Null, Text::Null));
            code
        },
    );
    part.row(
        "all",
        "empty strings",
        ResultCode::OK,
        Source::Page,
        |form| {
            let empty = Text::Is("");
            let code = set_auth_identity(form, empty, empty, empty);
            ok(set_auth_identity(form, Text::Null, Text::Null, Text::Null));
            code
        },
    );
    part.row(
        "all",
        "`NULL` for each: the process's own user again",
        ResultCode::OK,
        Source::Beyond,
        |form| {
            online();
            ok(set_auth_identity(form, GOOD, GOOD, GOOD));
            let code = set_auth_identity(form, Text::Null, Text::Null, Text::Null);
            ok(call_is_online(form, HERE, &mut Place::holding(7)));
            code
        },
    );
}

fn last_reason_rows(table: &mut Table) {
    let mut part = table.single("DsBackupGetLastReason");
    part.other(
        "-",
        "after a failure",
        "the reason, which names the parameter",
        Source::Beyond,
        |_| {
            on_handle("DsBackupClose", std::ptr::null_mut());
            assert!(last_reason().contains("hbc"), "{}", last_reason());
        },
    );
    part.other(
        "-",
        "after a success",
        "an empty string",
        Source::Beyond,
        |_| {
            on_handle("DsBackupClose", std::ptr::null_mut());
            online();
            ok(call_is_online(Form::A, HERE, &mut Place::holding(7)));
            assert_eq!(last_reason(), "");
        },
    );
    part.other(
        "-",
        "after another thread's failure",
        "an empty string",
        Source::Beyond,
        |_| {
            std::thread::spawn(|| {
                on_handle("DsBackupClose", std::ptr::null_mut());
                assert_ne!(last_reason(), "");
                std::thread::spawn(|| assert_eq!(last_reason(), ""))
                    .join()
                    .expect("no reason there");
            })
            .join()
            .expect("a reason here");
        },
    );
}
