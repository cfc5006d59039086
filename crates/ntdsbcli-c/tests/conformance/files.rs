//! Rows of the lists of a backup, and of opening files.

use std::ffi::c_void;
use std::path::Path;

use ntdsbcli::contract::ResultCode;

use crate::calls::{get_list, on_handle, open_file};
use crate::common::{Kind, bad_text_rows, handle_rows, place_rows};
use crate::library::{Form, Place, Text, ok};
use crate::table::{Part, Source, Table};
use crate::world::{Backup, SMALLEST, list, online, own};

pub const GOOD_SIZES: [u32; 4] = [24576, 32768, 1 << 20, 0x0400_0000];
pub const BAD_SIZES: [u32; 9] = [0, 1, 8192, 16384, 24575, 24577, 28672, 32767, u32::MAX];

pub fn rows(table: &mut Table) {
    list_rows(
        &mut table.both_forms("DsBackupGetDatabaseNames"),
        "DsBackupGetDatabaseNames",
        "pszAttachmentInfo",
    );
    let mut part = table.both_forms("DsBackupGetDatabaseNames");
    part.other(
        "pszAttachmentInfo",
        "good",
        "`S_OK`; paths of this machine, each with its type before it, two `NUL`s at the end",
        Source::Page,
        |form| {
            let directory = online();
            let files = list("DsBackupGetDatabaseNames", form, Backup::begin().hbc);
            assert_eq!(files, [(0x44, directory.database())]);
        },
    );
    list_rows(
        &mut table.both_forms("DsBackupGetBackupLogs"),
        "DsBackupGetBackupLogs",
        "pszBackupLogFiles",
    );
    let mut part = table.both_forms("DsBackupGetBackupLogs");
    part.other(
        "pszBackupLogFiles",
        "good",
        "`S_OK`; paths of this machine, each with its type before it, two `NUL`s at the end",
        Source::Page,
        |form| {
            online();
            let files = list("DsBackupGetBackupLogs", form, Backup::begin().hbc);
            assert!(
                files
                    .iter()
                    .filter(|(file_type, _)| *file_type == 0x21)
                    .count()
                    > 1,
                "{files:?}"
            );
            for (file_type, name) in &files {
                assert!(
                    [0x21, 0x25, 0x26, 0x47].contains(file_type),
                    "{name}: {file_type:#x}"
                );
                assert!(Path::new(name).is_file(), "{name}");
            }
        },
    );
    open_rows(&mut table.both_forms("DsBackupOpenFile"));
}

fn list_rows(part: &mut Part, function: &'static str, parameter: &'static str) {
    handle_rows(part, Kind::Backup, Source::Page, move |form, hbc| {
        let (mut list, mut size) = (
            Place::holding(std::ptr::without_provenance_mut(7)),
            Place::holding(7),
        );
        let code = get_list(function, form, hbc, &mut list, &mut size);
        assert!(list.get().is_null());
        assert_eq!(size.get(), 0);
        code
    });
    let invalid = ResultCode::INVALID_PARAMETER;
    place_rows::<*mut c_void>(
        part,
        parameter,
        invalid,
        Source::Page,
        move |form, mut place| {
            online();
            get_list(
                function,
                form,
                Backup::begin().hbc,
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
            online();
            let mut list = Place::holding(std::ptr::null_mut());
            let code = get_list(function, form, Backup::begin().hbc, &mut list, &mut place);
            assert!(list.get().is_null());
            code
        },
    );
    part.row(
        "-",
        "a second time",
        ResultCode::OK,
        Source::Ours,
        move |form| {
            online();
            let backup = Backup::begin();
            assert_eq!(
                list(function, form, backup.hbc),
                list(function, form, backup.hbc)
            );
            ResultCode::OK
        },
    );
    part.row(
        "-",
        "the service is gone",
        ResultCode::COMMUNICATION_ERROR,
        Source::Pages,
        move |form| {
            let mut directory = own("ese/efv8920-clean", &[]);
            let backup = Backup::begin();
            directory.stop();
            get_list(
                function,
                form,
                backup.hbc,
                &mut Place::holding(std::ptr::null_mut()),
                &mut Place::holding(0),
            )
        },
    );
}

fn open_rows(part: &mut Part) {
    let invalid = ResultCode::INVALID_PARAMETER;
    handle_rows(part, Kind::Backup, Source::Page, |form, hbc| {
        open(form, hbc, Text::Is("/ntds.dit"), SMALLEST)
    });
    bad_text_rows(part, "szAttachmentName", Source::Page, |form, name| {
        online();
        open(form, Backup::begin().hbc, name, SMALLEST)
    });
    for (condition, change) in [
        ("empty", (|_| String::new()) as fn(&str) -> String),
        ("with its type as a prefix", |name| format!("D{name}")),
        ("without its folder", |name| {
            name.rsplit('/').next().unwrap_or("").to_owned()
        }),
        ("in another case", |name| name.to_uppercase()),
        ("with a path that leads to the same file", |name| {
            format!("/tmp/..{name}")
        }),
        ("with a path outside the directory", |name| {
            format!("{name}/../../../../etc/passwd")
        }),
        ("a file that is not the directory's", |_| {
            "/etc/passwd".to_owned()
        }),
    ] {
        part.row(
            "szAttachmentName",
            condition,
            ResultCode::FILE_NOT_FOUND,
            Source::Header,
            move |form| {
                online();
                let backup = Backup::begin();
                let name = change(&backup.database());
                open(form, backup.hbc, Text::Is(&name), SMALLEST)
            },
        );
    }
    part.row(
        "szAttachmentName",
        "as listed",
        ResultCode::OK,
        Source::Page,
        |form| {
            online();
            let backup = Backup::begin();
            for name in backup.files() {
                let mut size = Place::holding(-1);
                ok(open_file(
                    form,
                    backup.hbc,
                    Text::Is(&name),
                    SMALLEST,
                    &mut size,
                ));
                let expected = std::fs::metadata(&name).expect("the listed file").len();
                assert_eq!(u64::try_from(size.get()), Ok(expected), "{name}");
                ok(on_handle("DsBackupClose", backup.hbc));
            }
            ResultCode::OK
        },
    );
    for size in BAD_SIZES {
        part.row(
            "cbReadHintSize",
            size_in_words(size),
            invalid,
            Source::Page,
            move |form| {
                online();
                let backup = Backup::begin();
                open(form, backup.hbc, Text::Is(&backup.database()), size)
            },
        );
    }
    for size in GOOD_SIZES.into_iter().chain([0xFFFF_E000]) {
        part.row(
            "cbReadHintSize",
            size_in_words(size),
            ResultCode::OK,
            Source::Page,
            move |form| {
                online();
                let backup = Backup::begin();
                open(form, backup.hbc, Text::Is(&backup.database()), size)
            },
        );
    }
    place_rows::<i64>(
        part,
        "pliFileSize",
        invalid,
        Source::Page,
        |form, mut place| {
            online();
            let backup = Backup::begin();
            open_file(
                form,
                backup.hbc,
                Text::Is(&backup.database()),
                SMALLEST,
                &mut place,
            )
        },
    );
    for (condition, other) in [
        ("the same file is open", false),
        ("another file is open", true),
    ] {
        part.row(
            "-",
            condition,
            ResultCode::ALREADY_OPEN,
            Source::Header,
            move |form| {
                online();
                let backup = Backup::begin();
                let files = backup.files();
                backup.open(&files[0]);
                let code = open(
                    form,
                    backup.hbc,
                    Text::Is(&files[usize::from(other)]),
                    SMALLEST,
                );
                // The open file stays open.
                assert_eq!(backup.read_until(1).1, ResultCode::OK);
                code
            },
        );
    }
    part.row(
        "-",
        "the file was open and closed",
        ResultCode::OK,
        Source::Pages,
        |form| {
            online();
            let backup = Backup::begin();
            let name = backup.database();
            backup.open(&name);
            backup.read_until(1);
            ok(on_handle("DsBackupClose", backup.hbc));
            open(form, backup.hbc, Text::Is(&name), SMALLEST)
        },
    );
}

fn open(form: Form, hbc: crate::library::Hbc, name: Text, hint: u32) -> ResultCode {
    let mut size = Place::holding(-1);
    let code = open_file(form, hbc, name, hint, &mut size);
    if !code.is_ok() {
        assert_eq!(size.get(), 0);
    }
    code
}

pub fn size_in_words(size: u32) -> String {
    match size {
        0x0400_0000 => "64 MiB".to_owned(),
        0x0010_0000 => "1 MiB".to_owned(),
        0xFFFF_E000 => "4 GiB less 8192".to_owned(),
        u32::MAX => "all bits set".to_owned(),
        _ => size.to_string(),
    }
}
