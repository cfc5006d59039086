//! Rows of DsRestoreRegister.

use ntdsbcli::contract::ResultCode;

use crate::calls::{Map, Register, register as call_register, register_complete};
use crate::common::{Kind, bad_text_rows, handle_rows};
use crate::complete::{cannot_start, with_own};
use crate::library::{Form, Text, ok};
use crate::table::{Part, Source};
use crate::world::{Restore, offline};

pub fn rows(part: &mut Part) {
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
        "two databases, although this directory has one",
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
            "another path"
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

/// Registers on the shared directory with a change that must be refused, so that nothing is
/// registered.
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
    Restore::begin().register_map(form, offline(), &map, |_| ())
}
