//! Rows of how a restore ends: DsRestoreRegisterComplete and DsRestoreEnd.

use std::path::Path;

use ntdsbcli::contract::ResultCode;

use crate::calls::{on_handle, register_complete};
use crate::common::{Kind, ends_without_service, handle_rows};
use crate::lab::{self, Service};
use crate::library::{Form, last_reason, ok};
use crate::table::{Part, Source};
use crate::world::{Directory, Restore, offline, own};

/// Runs a row on a directory of its own, which is offline.
pub fn with_own<T>(test: impl FnOnce(&mut Directory) -> T) -> T {
    let mut directory = own("sample-forest/dirty", &["--restore-mode"]);
    test(&mut directory)
}

pub fn cannot_start(directory: &mut Directory) {
    directory.stop();
    let words = Service::refused(&directory.folder, &directory.socket);
    assert!(words.contains("restore"), "{words}");
}

fn can_start(directory: &mut Directory) {
    directory.stop();
    drop(Service::start(&directory.folder, &directory.socket, &[]));
}

pub fn complete_rows(part: &mut Part) {
    handle_rows(part, Kind::Restore, Source::Pages, |_, hbc| {
        register_complete(hbc, 0)
    });
    part.row(
        "hbc",
        "no restore is registered on it",
        ResultCode::INVALID_HANDLE,
        Source::Ours,
        |_| {
            offline();
            register_complete(Restore::begin().hbc, 0)
        },
    );
    part.row(
        "hbc",
        "restricted: prepared without a token",
        ResultCode::MISSING_EXPIRY_TOKEN,
        Source::Pages,
        |_| {
            offline();
            register_complete(Restore::restricted().hbc, 0)
        },
    );
    part.other(
        "hrRestoreState",
        "`S_OK`, the files are sound",
        "`S_OK`; the directory starts",
        Source::Page,
        |_| {
            with_own(|directory| {
                let restore = Restore::begin();
                ok(restore.register(Form::A, directory));
                ok(register_complete(restore.hbc, 0));
                can_start(directory);
            });
        },
    );
    for (condition, state) in [
        ("`hrError`", 0xC7FF_0002_u32),
        ("`E_FAIL`", 0x8000_4005),
        ("`ERROR_ACCESS_DENIED`", 5),
        ("all bits set", u32::MAX),
        ("`S_FALSE`", 1),
    ] {
        part.other(
            "hrRestoreState",
            condition,
            "`S_OK`; the directory cannot start",
            Source::Page,
            move |_| {
                with_own(|directory| {
                    let restore = Restore::begin();
                    ok(restore.register(Form::A, directory));
                    ok(register_complete(restore.hbc, state));
                    drop(restore);
                    cannot_start(directory);
                });
            },
        );
    }
    type Change = fn(&Directory);
    for (condition, change, code, source) in [
        (
            "`S_OK`, but the database is missing",
            (|directory| std::fs::remove_file(directory.database()).expect("remove")) as Change,
            ResultCode::DATABASE_NOT_FOUND,
            Source::Header,
        ),
        (
            "`S_OK`, but the file is no database",
            |directory| std::fs::write(directory.database(), vec![7; 1 << 16]).expect("write"),
            ResultCode::DATABASE_CORRUPTED,
            Source::Header,
        ),
        (
            "`S_OK`, but it is another backup's database",
            |directory| {
                let other = testkit::find("ese/ad2016-ntds")
                    .expect("a shipped fixture")
                    .unpack();
                let files = lab::content(other.path());
                let (_, database) = files
                    .iter()
                    .find(|(name, _)| name.ends_with(".dit") || name.ends_with(".edb"))
                    .expect("a database");
                std::fs::write(directory.database(), database).expect("write");
            },
            ResultCode::BAD_DB_SIGNATURE,
            Source::Header,
        ),
        (
            "`S_OK`, but logs that the database needs are missing",
            |directory| {
                for name in lab::content(&directory.folder)
                    .keys()
                    .filter(|name| name.ends_with(".log"))
                {
                    std::fs::remove_file(directory.folder.join(name)).expect("remove");
                }
            },
            ResultCode::MISSING_RESTORE_LOG_FILES,
            Source::Header,
        ),
    ] {
        part.row("hrRestoreState", condition, code, source, move |_| {
            with_own(|directory| {
                let restore = Restore::begin();
                ok(restore.register(Form::A, directory));
                change(directory);
                let code = register_complete(restore.hbc, 0);
                assert_ne!(last_reason(), "");
                drop(restore);
                cannot_start(directory);
                code
            })
        });
    }
    part.row(
        "hrRestoreState",
        "`S_OK`, a second time",
        ResultCode::INVALID_HANDLE,
        Source::Ours,
        |_| {
            with_own(|directory| {
                let restore = Restore::begin();
                ok(restore.register(Form::A, directory));
                ok(register_complete(restore.hbc, 0));
                register_complete(restore.hbc, 0)
            })
        },
    );
}

pub fn end_rows(part: &mut Part) {
    handle_rows(part, Kind::Restore, Source::Page, |_, hbc| {
        on_handle("DsRestoreEnd", hbc)
    });
    for (condition, restore) in [
        (
            "no restore was registered",
            Restore::begin as fn() -> Restore,
        ),
        ("restricted: prepared without a token", Restore::restricted),
    ] {
        part.row("-", condition, ResultCode::OK, Source::Page, move |_| {
            offline();
            on_handle("DsRestoreEnd", restore().hbc)
        });
    }
    part.other(
        "-",
        "registered, not complete",
        "`S_OK`; the directory cannot start until a restore is complete",
        Source::Pages,
        |_| {
            with_own(|directory| {
                let restore = Restore::begin();
                ok(restore.register(Form::A, directory));
                ok(on_handle("DsRestoreEnd", restore.hbc));
                let again = Restore::begin();
                ok(again.register(Form::A, directory));
                ok(register_complete(again.hbc, 0));
                can_start(directory);
                assert!(Path::new(&directory.database()).exists());
            });
        },
    );
    part.other(
        "-",
        "the service is gone",
        "`hrCommunicationError`; the handle is ended",
        Source::Ours,
        |_| {
            with_own(|directory| {
                let restore = Restore::begin();
                ends_without_service("DsRestoreEnd", restore.hbc, directory);
            });
        },
    );
}
