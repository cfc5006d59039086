//! Rows of the functions of a restore.

use std::ffi::c_void;
use std::path::Path;

use ntdsbcli::contract::ResultCode;

use crate::calls::{
    Map, Register, get_list, on_handle, register as call_register, register_complete,
    restore_prepare,
};
use crate::common::{Kind, Mode, bad_text_rows, handle_rows, place_rows, server_rows, to_offline};
use crate::lab::{self, Service};
use crate::library::{Form, Place, Text, last_reason, ok};
use crate::table::{Part, Source, Table};
use crate::world::{Directory, HERE, Restore, good_token, list, offline, online, own, token_made};

const DAY: u64 = 24 * 60 * 60;

pub fn rows(table: &mut Table) {
    prepare_rows(&mut table.both_forms("DsRestorePrepare"));
    location_rows(&mut table.both_forms("DsRestoreGetDatabaseLocations"));
    register_rows(&mut table.both_forms("DsRestoreRegister"));
    complete_rows(&mut table.single("DsRestoreRegisterComplete"));
    end_rows(&mut table.single("DsRestoreEnd"));
}

/// What is done with a token, by the two functions that take one.
pub fn token_rows(
    part: &mut Part,
    call: impl Fn(Form, Option<&[u8]>, u32) -> ResultCode + Send + Sync + Clone + 'static,
) {
    let unknown = ResultCode::UNKNOWN_EXPIRY_TOKEN_FORMAT;
    type Make = fn() -> Vec<u8>;
    let rows: [(&'static str, Make, ResultCode, Source); 10] = [
        ("that of a backup", good_token, ResultCode::OK, Source::Page),
        (
            "of no bytes",
            Vec::new,
            ResultCode::MISSING_EXPIRY_TOKEN,
            Source::Header,
        ),
        (
            "of another product",
            || vec![0x5A; 64],
            unknown,
            Source::Header,
        ),
        (
            "of a version that is not known",
            || changed(8, 0x7F),
            unknown,
            Source::Header,
        ),
        (
            "cut short",
            || good_token()[..60].to_vec(),
            ResultCode::INVALID_PARAM,
            Source::Ours,
        ),
        (
            "with a byte behind its end",
            || [good_token(), vec![0]].concat(),
            ResultCode::INVALID_PARAM,
            Source::Ours,
        ),
        (
            "with one bit of its time changed",
            || changed(12, 1),
            ResultCode::INVALID_PARAM,
            Source::Ours,
        ),
        (
            "with one bit of its digest changed",
            || changed(83, 1),
            ResultCode::INVALID_PARAM,
            Source::Ours,
        ),
        (
            "of a backup older than the tombstone lifetime",
            // The sample forest's own lifetime is 180 days.
            || token_made(|now| now - 181 * DAY),
            ResultCode::CONTENTS_EXPIRED,
            Source::Page,
        ),
        (
            "of a backup from the future: nobody knows its age",
            || token_made(|now| now + 2 * DAY),
            ResultCode::CONTENTS_EXPIRED,
            Source::Ours,
        ),
    ];
    for (condition, make, code, source) in rows {
        let call = call.clone();
        part.row("pvExpiryToken", condition, code, source, move |form| {
            let token = make();
            call(form, Some(&token), token.len() as u32)
        });
    }
    part.row(
        "cbExpiryTokenSize",
        "longer than any token",
        unknown,
        Source::Ours,
        move |form| {
            // Only the size is that long: it must be refused before the memory behind the token is touched.
            call(form, Some(&good_token()), u32::MAX)
        },
    );
}

fn changed(position: usize, bits: u8) -> Vec<u8> {
    let mut token = good_token();
    token[position] ^= bits;
    token
}

fn prepare_rows(part: &mut Part) {
    let invalid = ResultCode::INVALID_PARAMETER;
    server_rows(
        part,
        "szServerName",
        Source::Pages,
        Mode::Offline,
        |form, server| {
            to_offline();
            prepare(form, server, 0, Some(&good_token()))
        },
    );
    for (condition, restore_type) in [("0", 0), ("`RESTORE_TYPE_CATCHUP`", 4)] {
        part.row(
            "rtFlag",
            condition,
            ResultCode::OK,
            Source::Page,
            move |form| {
                offline();
                prepare(form, HERE, restore_type, Some(&good_token()))
            },
        );
    }
    for (condition, restore_type, source) in [
        (
            "`RESTORE_TYPE_AUTHORATATIVE`: not supported",
            1,
            Source::Page,
        ),
        ("`RESTORE_TYPE_ONLINE`: not supported", 2, Source::Page),
        ("3", 3, Source::Ours),
        ("5", 5, Source::Ours),
        ("8", 8, Source::Ours),
        ("all bits set", u32::MAX, Source::Ours),
    ] {
        part.row("rtFlag", condition, invalid, source, move |form| {
            offline();
            prepare(form, HERE, restore_type, Some(&good_token()))
        });
    }
    token_rows(part, |form, token, size| {
        offline();
        let mut hbc = Place::holding(std::ptr::without_provenance_mut(7));
        let code = restore_prepare(form, HERE, 0, token, size, &mut hbc);
        ended(code, &hbc)
    });
    for (condition, size) in [
        ("`NULL`: a restricted handle", 0),
        ("`NULL` with a size: a restricted handle", 84),
    ] {
        part.row(
            "pvExpiryToken",
            condition,
            ResultCode::OK,
            Source::Page,
            move |form| {
                offline();
                let mut hbc = Place::holding(std::ptr::without_provenance_mut(7));
                let code = restore_prepare(form, HERE, 0, None, size, &mut hbc);
                assert_eq!(
                    list("DsRestoreGetDatabaseLocations", form, hbc.get()).len(),
                    3
                );
                let folder = Text::Is("/");
                let parameters = Register {
                    checkpoint: folder,
                    logs: folder,
                    map: Map::Of(&[(folder, folder)]),
                    count: None,
                    backup_logs: folder,
                    low: 0,
                    high: 0,
                };
                let registered = call_register(form, hbc.get(), &parameters);
                assert_eq!(registered, ResultCode::MISSING_EXPIRY_TOKEN);
                ended(code, &hbc)
            },
        );
    }
    place_rows::<*mut c_void>(part, "phbc", invalid, Source::Pages, |form, mut place| {
        offline();
        restore_prepare(form, HERE, 0, None, 0, &mut place)
    });
    part.row(
        "-",
        "the directory is online",
        ResultCode::DATABASE_IN_USE,
        Source::Ours,
        |form| {
            online();
            prepare(form, HERE, 0, Some(&good_token()))
        },
    );
    part.row(
        "-",
        "two restores are prepared",
        ResultCode::OK,
        Source::Ours,
        |form| {
            offline();
            let _first = Restore::begin();
            prepare(form, HERE, 0, Some(&good_token()))
        },
    );
}

fn prepare(form: Form, server: Text, restore_type: u32, token: Option<&[u8]>) -> ResultCode {
    let mut hbc = Place::holding(std::ptr::without_provenance_mut(7));
    let size = token.map_or(0, <[u8]>::len) as u32;
    let code = restore_prepare(form, server, restore_type, token, size, &mut hbc);
    ended(code, &hbc)
}

/// After success there is a handle, which is ended; after failure there is none.
fn ended(code: ResultCode, hbc: &Place<*mut c_void>) -> ResultCode {
    assert_eq!(code.is_ok(), !hbc.get().is_null());
    if code.is_ok() {
        ok(on_handle("DsRestoreEnd", hbc.get()));
    }
    code
}

fn location_rows(part: &mut Part) {
    let function = "DsRestoreGetDatabaseLocations";
    let invalid = ResultCode::INVALID_PARAMETER;
    handle_rows(part, Kind::Restore, Source::Page, move |form, hbc| {
        let (mut list, mut size) = (
            Place::holding(std::ptr::without_provenance_mut(7)),
            Place::holding(7),
        );
        let code = get_list(function, form, hbc, &mut list, &mut size);
        assert!(list.get().is_null());
        assert_eq!(size.get(), 0);
        code
    });
    place_rows::<*mut c_void>(
        part,
        "pszDatabaseLocationList",
        invalid,
        Source::Page,
        move |form, mut place| {
            offline();
            get_list(
                function,
                form,
                Restore::begin().hbc,
                &mut place,
                &mut Place::holding(7),
            )
        },
    );
    place_rows::<u32>(
        part,
        "pcbSize",
        invalid,
        Source::Page,
        move |form, mut place| {
            offline();
            let mut list = Place::holding(std::ptr::null_mut());
            get_list(function, form, Restore::begin().hbc, &mut list, &mut place)
        },
    );
    for (condition, restore) in [
        ("good", Restore::begin as fn() -> Restore),
        ("good, on a restricted handle", Restore::restricted),
    ] {
        part.other(
            "pszDatabaseLocationList",
            condition,
            "`S_OK`; a `BFT_NTDS_DATABASE`, a `BFT_LOG_DIR` and a `BFT_CHECKPOINT_DIR`",
            Source::Page,
            move |form| {
                let directory = offline();
                let restore = restore();
                let mut places = list(function, form, restore.hbc);
                places.sort_unstable();
                let folder = directory.folder_text();
                assert_eq!(
                    places,
                    [
                        (0x44, directory.database()),
                        (0x82, folder.clone()),
                        (0x83, folder)
                    ]
                );
            },
        );
    }
}

fn register_rows(part: &mut Part) {
    let invalid = ResultCode::INVALID_PARAMETER;
    handle_rows(part, Kind::Restore, Source::Page, |form, hbc| {
        let folder = Text::Is("/");
        let map = Map::Of(&[(folder, folder)]);
        let parameters = Register {
            checkpoint: folder,
            logs: folder,
            map,
            count: None,
            backup_logs: folder,
            low: 0,
            high: 0,
        };
        call_register(form, hbc, &parameters)
    });
    bad_text_rows(part, "szCheckPointFilePath", Source::Page, |form, text| {
        refused(form, |parameters| parameters.checkpoint = text)
    });
    bad_text_rows(part, "szLogPath", Source::Page, |form, text| {
        refused(form, |parameters| parameters.logs = text)
    });
    bad_text_rows(part, "szBackupLogPath", Source::Page, |form, text| {
        refused(form, |parameters| parameters.backup_logs = text)
    });
    bad_text_rows(
        part,
        "rgrstmap.szDatabaseName",
        Source::Page,
        |form, text| with_map(form, |new| vec![(text, new)]),
    );
    bad_text_rows(
        part,
        "rgrstmap.szNewDatabaseName",
        Source::Page,
        |form, text| with_map(form, |_| vec![(Text::Is("/old/ntds.dit"), text)]),
    );
    part.row("rgrstmap", "`NULL`", invalid, Source::Page, |form| {
        refused(form, |parameters| {
            (parameters.map, parameters.count) = (Map::Null, Some(1))
        })
    });
    part.row("rgrstmap", "misaligned", invalid, Source::Page, |form| {
        refused(form, |parameters| {
            (parameters.map, parameters.count) = (Map::Misaligned, Some(1))
        })
    });
    for count in [0, -1, i32::MIN, 1025, i32::MAX] {
        part.row(
            "crstmap",
            format!("{count}"),
            invalid,
            Source::Page,
            move |form| refused(form, |parameters| parameters.count = Some(count)),
        );
    }
    part.row(
        "rgrstmap",
        "two databases, of which this directory has one",
        invalid,
        Source::Page,
        |form| {
            with_map(form, |new| {
                vec![
                    (Text::Is("/old/ntds.dit"), new),
                    (Text::Is("/old/other.dit"), new),
                ]
            })
        },
    );
    for (condition, low, high) in [
        ("genLow above genHigh", 5, 4),
        ("genHigh 0x100000", 0, 0x10_0000),
        ("both 0x100000", 0x10_0000, 0x10_0000),
        ("genHigh with all bits set", 0, u32::MAX),
    ] {
        part.row(
            "genLow, genHigh",
            condition,
            invalid,
            Source::Page,
            move |form| {
                refused(form, |parameters| {
                    (parameters.low, parameters.high) = (low, high)
                })
            },
        );
    }
    for (condition, low, high) in [("0x00000, 0xFFFFF", 0, 0xF_FFFF), ("equal", 5, 5)] {
        part.row(
            "genLow, genHigh",
            condition,
            ResultCode::OK,
            Source::Page,
            move |form| {
                with_own(|directory| {
                    Restore::begin().register_with(form, directory, |parameters| {
                        (parameters.low, parameters.high) = (low, high);
                    })
                })
            },
        );
    }
    type Change = for<'a> fn(&mut Register<'a>);
    for (parameter, change) in [
        (
            "szLogPath",
            (|parameters| parameters.logs = Text::Is("/")) as Change,
        ),
        ("szCheckPointFilePath", |parameters| {
            parameters.checkpoint = Text::Is("/")
        }),
        ("rgrstmap.szNewDatabaseName", |parameters| {
            parameters.map = Map::Of(&[(Text::Is("/old/ntds.dit"), Text::Is("/etc/passwd"))]);
        }),
        ("rgrstmap.szNewDatabaseName", |parameters| {
            parameters.map = Map::Of(&[(Text::Is("/old/ntds.dit"), Text::Is("ntds.dit"))]);
        }),
    ] {
        let condition = if parameter.starts_with("rgrstmap") {
            "of another place"
        } else {
            "another folder"
        };
        let condition = match parameter {
            "rgrstmap.szNewDatabaseName" if change_is_relative(change) => "a relative path",
            _ => condition,
        };
        part.row(
            parameter,
            condition,
            ResultCode::INVALID_PATH,
            Source::Header,
            move |form| refused(form, change),
        );
    }
    part.row(
        "hbc",
        "restricted: prepared without a token",
        ResultCode::MISSING_EXPIRY_TOKEN,
        Source::Page,
        |form| {
            let directory = offline();
            Restore::restricted().register(form, directory)
        },
    );
    part.row(
        "-",
        "a second time on the same handle",
        ResultCode::RESTORE_MAP_EXISTS,
        Source::Header,
        |form| {
            with_own(|directory| {
                let restore = Restore::begin();
                ok(restore.register(form, directory));
                restore.register(form, directory)
            })
        },
    );
    part.row(
        "-",
        "another handle has registered a restore",
        ResultCode::RESTORE_IN_PROGRESS,
        Source::Header,
        |form| {
            with_own(|directory| {
                let (first, second) = (Restore::begin(), Restore::begin());
                ok(first.register(form, directory));
                second.register(form, directory)
            })
        },
    );
    part.other(
        "-",
        "registered, not complete",
        "`S_OK`; the directory cannot start in normal mode",
        Source::Page,
        |form| {
            with_own(|directory| {
                ok(Restore::begin().register(form, directory));
                cannot_start(directory);
            });
        },
    );
}

fn change_is_relative(change: for<'a> fn(&mut Register<'a>)) -> bool {
    let nothing = Text::Null;
    let mut parameters = Register {
        checkpoint: nothing,
        logs: nothing,
        map: Map::Null,
        count: None,
        backup_logs: nothing,
        low: 0,
        high: 0,
    };
    change(&mut parameters);
    matches!(parameters.map, Map::Of([(_, Text::Is("ntds.dit"))]))
}

/// Registers on the shared directory with a change that must be refused: nothing is registered then.
fn refused(form: Form, change: impl FnOnce(&mut Register)) -> ResultCode {
    let directory = offline();
    let restore = Restore::begin();
    let code = restore.register_with(form, directory, change);
    // Complete without registration.
    assert_eq!(
        register_complete(restore.hbc, 0),
        ResultCode::INVALID_HANDLE
    );
    code
}

fn with_map<'a>(form: Form, map: impl FnOnce(Text<'a>) -> Vec<(Text<'a>, Text<'a>)>) -> ResultCode {
    // The database's path lives as long as the tests.
    let database: &'static str = Box::leak(offline().database().into_boxed_str());
    let map = map(Text::Is(database));
    let restore = Restore::begin();
    let folder = offline().folder_text();
    let parameters = Register {
        checkpoint: Text::Is(&folder),
        logs: Text::Is(&folder),
        map: Map::Of(&map),
        count: None,
        backup_logs: Text::Is(&folder),
        low: 0,
        high: 0xF_FFFF,
    };
    call_register(form, restore.hbc, &parameters)
}

/// Runs a row on a directory of its own, which is offline.
fn with_own<T>(test: impl FnOnce(&mut Directory) -> T) -> T {
    let mut directory = own("sample-forest/dirty", &["--restore-mode"]);
    test(&mut directory)
}

fn cannot_start(directory: &mut Directory) {
    directory.stop();
    let words = Service::refused(&directory.folder, &directory.socket);
    assert!(words.contains("restore"), "{words}");
}

fn can_start(directory: &mut Directory) {
    directory.stop();
    drop(Service::start(&directory.folder, &directory.socket, &[]));
}

fn complete_rows(part: &mut Part) {
    handle_rows(part, Kind::Restore, Source::Pages, |_, hbc| {
        register_complete(hbc, 0)
    });
    part.row(
        "hbc",
        "nothing is registered on it",
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
            "`S_OK`, but the database is not there",
            (|directory| std::fs::remove_file(directory.database()).expect("remove")) as Change,
            ResultCode::DATABASE_NOT_FOUND,
            Source::Header,
        ),
        (
            "`S_OK`, but the database is no database",
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
            "`S_OK`, but logs that the database needs are not there",
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

fn end_rows(part: &mut Part) {
    handle_rows(part, Kind::Restore, Source::Page, |_, hbc| {
        on_handle("DsRestoreEnd", hbc)
    });
    for (condition, restore) in [
        ("nothing was registered", Restore::begin as fn() -> Restore),
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
                directory.stop();
                assert_eq!(
                    on_handle("DsRestoreEnd", restore.hbc),
                    ResultCode::COMMUNICATION_ERROR
                );
                assert_eq!(
                    on_handle("DsRestoreEnd", restore.hbc),
                    ResultCode::INVALID_PARAMETER
                );
            });
        },
    );
}
