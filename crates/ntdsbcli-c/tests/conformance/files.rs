//! Rows of the lists of a backup, and of opening, reading and closing files.

use std::ffi::c_void;
use std::path::Path;
use std::sync::Barrier;

use ntdsbcli::contract::ResultCode;

use crate::calls::{get_list, on_handle, open_file, read as call_read};
use crate::common::{Kind, bad_text_rows, handle_rows, place_rows};
use crate::lab;
use crate::library::{Form, Place, Text, last_reason, ok};
use crate::table::{Part, Source, Table};
use crate::world::{Backup, SMALLEST, list, online, own};

const GOOD_SIZES: [u32; 4] = [24576, 32768, 1 << 20, 0x0400_0000];
const BAD_SIZES: [u32; 9] = [0, 1, 8192, 16384, 24575, 24577, 28672, 32767, u32::MAX];

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
    read_rows(&mut table.single("DsBackupRead"));
    close_rows(&mut table.single("DsBackupClose"));
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
        ("with its type still before it", |name| format!("D{name}")),
        ("without its folder", |name| {
            name.rsplit('/').next().unwrap_or("").to_owned()
        }),
        ("in other capitals", |name| name.to_uppercase()),
        ("with a path that leads to the same file", |name| {
            format!("/tmp/..{name}")
        }),
        ("with a path out of the directory", |name| {
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

fn size_in_words(size: u32) -> String {
    match size {
        0x0400_0000 => "64 MiB".to_owned(),
        0x0010_0000 => "1 MiB".to_owned(),
        0xFFFF_E000 => "4 GiB less 8192".to_owned(),
        u32::MAX => "all bits set".to_owned(),
        _ => size.to_string(),
    }
}

fn read_rows(part: &mut Part) {
    let invalid = ResultCode::INVALID_PARAMETER;
    handle_rows(part, Kind::Backup, Source::Page, |_, hbc| {
        let mut buffer = vec![0; SMALLEST as usize];
        read(hbc, &mut buffer)
    });
    part.row("pvBuffer", "`NULL`", invalid, Source::Page, |_| {
        let backup = with_open_database();
        call_read(
            backup.hbc,
            std::ptr::null_mut(),
            SMALLEST,
            &mut Place::holding(7),
        )
    });
    part.row(
        "pvBuffer",
        "at an odd address: bytes need no alignment",
        ResultCode::OK,
        Source::Ours,
        |_| {
            let backup = with_open_database();
            let mut buffer = vec![0; SMALLEST as usize + 1];
            read(backup.hbc, &mut buffer[1..])
        },
    );
    for size in BAD_SIZES {
        part.row(
            "cbBuffer",
            size_in_words(size),
            invalid,
            Source::Page,
            move |_| {
                let backup = with_open_database();
                // The buffer is smaller than some of these sizes: they must be refused before it is touched.
                let mut buffer = [7; 16];
                let mut length = Place::holding(7);
                let code = call_read(backup.hbc, buffer.as_mut_ptr(), size, &mut length);
                assert_eq!((length.get(), buffer), (0, [7; 16]));
                code
            },
        );
    }
    for size in GOOD_SIZES {
        part.row(
            "cbBuffer",
            size_in_words(size),
            ResultCode::OK,
            Source::Page,
            move |_| {
                let backup = with_open_database();
                read(backup.hbc, &mut vec![0; size as usize])
            },
        );
    }
    place_rows::<u32>(part, "pcbRead", invalid, Source::Page, |_, mut place| {
        let backup = with_open_database();
        let mut buffer = vec![0; SMALLEST as usize];
        call_read(backup.hbc, buffer.as_mut_ptr(), SMALLEST, &mut place)
    });
    part.other(
        "pvBuffer",
        "read until the end",
        "every file's bytes, then `ERROR_HANDLE_EOF`",
        Source::Page,
        |_| {
            online();
            let backup = Backup::begin();
            for name in backup.files() {
                backup.open(&name);
                let (content, code) = backup.read_until(u64::MAX);
                assert_eq!(code, ResultCode::HANDLE_EOF);
                assert!(
                    content == std::fs::read(&name).expect("the listed file"),
                    "{name} differs"
                );
                ok(on_handle("DsBackupClose", backup.hbc));
            }
        },
    );
    part.row(
        "-",
        "behind the end, a second time",
        ResultCode::HANDLE_EOF,
        Source::Page,
        |_| {
            let backup = with_open_database();
            assert_eq!(backup.read_until(u64::MAX).1, ResultCode::HANDLE_EOF);
            backup.read_until(u64::MAX).1
        },
    );
    part.row(
        "-",
        "no file is open",
        ResultCode::INVALID_HANDLE,
        Source::Pages,
        |_| {
            online();
            read(Backup::begin().hbc, &mut vec![0; SMALLEST as usize])
        },
    );
    part.row(
        "-",
        "the file was closed",
        ResultCode::INVALID_HANDLE,
        Source::Pages,
        |_| {
            let backup = with_open_database();
            ok(on_handle("DsBackupClose", backup.hbc));
            read(backup.hbc, &mut vec![0; SMALLEST as usize])
        },
    );
    part.row(
        "-",
        "a page of the database is damaged",
        ResultCode::READ_VERIFY_FAILURE,
        Source::Header,
        |_| {
            let directory = own("sample-forest/clean", &[]);
            lab::flip_bit(Path::new(&directory.database()), 8192 * 20 + 4000);
            let backup = Backup::begin();
            backup.open(&backup.database());
            let code = backup.read_until(u64::MAX).1;
            assert!(last_reason().contains("page"), "{}", last_reason());
            code
        },
    );
    part.row(
        "-",
        "the service is gone",
        ResultCode::COMMUNICATION_ERROR,
        Source::Pages,
        |_| {
            let mut directory = own("ese/efv8920-clean", &[]);
            let backup = Backup::begin();
            backup.open(&backup.database());
            directory.stop();
            read(backup.hbc, &mut vec![0; SMALLEST as usize])
        },
    );
    part.other(
        "hbc",
        "used by four threads at once",
        "the calls wait for one another: no byte twice, none missing",
        Source::Ours,
        |_| read_by_four_threads(),
    );
    part.other(
        "hbc",
        "ended by another thread meanwhile",
        "`S_OK` before the end, `ERROR_INVALID_PARAMETER` after it",
        Source::Ours,
        |_| read_while_another_thread_ends(),
    );
}

fn with_open_database() -> Backup {
    online();
    let backup = Backup::begin();
    backup.open(&backup.database());
    backup
}

fn read(hbc: crate::library::Hbc, buffer: &mut [u8]) -> ResultCode {
    let mut length = Place::holding(7);
    let code = call_read(hbc, buffer.as_mut_ptr(), buffer.len() as u32, &mut length);
    assert_eq!(code.is_ok(), length.get() > 0);
    assert!(length.get() as usize <= buffer.len());
    code
}

fn read_by_four_threads() {
    let backup = with_open_database();
    let (hbc, expected) = (
        backup.hbc.addr(),
        std::fs::read(backup.database()).expect("the database"),
    );
    let pieces: Vec<Vec<u8>> = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..4)
            .map(|_| {
                scope.spawn(move || {
                    let mut pieces = Vec::new();
                    let mut buffer = vec![0; SMALLEST as usize];
                    loop {
                        let mut length = Place::holding(7);
                        let hbc = std::ptr::without_provenance_mut(hbc);
                        let code = call_read(hbc, buffer.as_mut_ptr(), SMALLEST, &mut length);
                        if code == ResultCode::HANDLE_EOF {
                            return pieces;
                        }
                        ok(code);
                        pieces.push(buffer[..length.get() as usize].to_vec());
                    }
                })
            })
            .collect();
        threads
            .into_iter()
            .flat_map(|thread| thread.join().expect("a thread"))
            .collect()
    });
    // Whoever got a piece, together they are the file.
    let mut found: Vec<u8> = pieces.concat();
    let mut wanted = expected;
    assert_eq!(found.len(), wanted.len());
    found.sort_unstable();
    wanted.sort_unstable();
    assert!(found == wanted, "the bytes are not those of the file");
}

fn read_while_another_thread_ends() {
    let backup = with_open_database();
    let hbc = backup.hbc.addr();
    let started = Barrier::new(2);
    let codes = std::thread::scope(|scope| {
        let reader = scope.spawn(|| {
            let mut buffer = vec![0; SMALLEST as usize];
            let mut codes = Vec::new();
            let hbc = std::ptr::without_provenance_mut(hbc);
            started.wait();
            loop {
                let code = call_read(hbc, buffer.as_mut_ptr(), SMALLEST, &mut Place::holding(7));
                codes.push(code);
                if !code.is_ok() && code != ResultCode::HANDLE_EOF {
                    return codes;
                }
            }
        });
        started.wait();
        ok(on_handle(
            "DsBackupEnd",
            std::ptr::without_provenance_mut(hbc),
        ));
        reader.join().expect("the reader")
    });
    assert_eq!(
        codes.last(),
        Some(&ResultCode::INVALID_PARAMETER),
        "{codes:?}"
    );
}

fn close_rows(part: &mut Part) {
    handle_rows(part, Kind::Backup, Source::Page, |_, hbc| {
        on_handle("DsBackupClose", hbc)
    });
    part.row(
        "-",
        "no file is open",
        ResultCode::INVALID_HANDLE,
        Source::Page,
        |_| {
            online();
            on_handle("DsBackupClose", Backup::begin().hbc)
        },
    );
    part.row(
        "-",
        "closed before",
        ResultCode::INVALID_HANDLE,
        Source::Page,
        |_| {
            let backup = with_open_database();
            ok(on_handle("DsBackupClose", backup.hbc));
            on_handle("DsBackupClose", backup.hbc)
        },
    );
    part.row(
        "-",
        "the file was not read",
        ResultCode::OK,
        Source::Page,
        |_| on_handle("DsBackupClose", with_open_database().hbc),
    );
    part.row(
        "-",
        "the file was half read",
        ResultCode::OK,
        Source::Page,
        |_| {
            let backup = with_open_database();
            backup.read_until(1);
            on_handle("DsBackupClose", backup.hbc)
        },
    );
    part.row(
        "-",
        "the file was read to its end",
        ResultCode::OK,
        Source::Page,
        |_| {
            let backup = with_open_database();
            backup.read_until(u64::MAX);
            on_handle("DsBackupClose", backup.hbc)
        },
    );
}
