//! Rows of reading a file and closing it.

use std::path::Path;
use std::sync::Barrier;

use ntdsbcli::contract::ResultCode;

use crate::calls::{on_handle, read as call_read};
use crate::common::{Kind, handle_rows, place_rows};
use crate::files::{BAD_SIZES, GOOD_SIZES, size_in_words};
use crate::lab;
use crate::library::{Place, last_reason, ok};
use crate::table::{Part, Source};
use crate::world::{Backup, SMALLEST, online, own};

pub fn read_rows(part: &mut Part) {
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
                // The buffer is smaller than some of these sizes: they must be refused before it is
                // touched.
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
        "after the end, a second time",
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
    // The pieces of all threads together are the file.
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

pub fn close_rows(part: &mut Part) {
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
