//! Rows of how a restore begins: DsRestorePrepare and DsRestoreGetDatabaseLocations.

use std::ffi::c_void;

use ntdsbcli::contract::ResultCode;

use crate::calls::{Map, Register, get_list, on_handle, register, restore_prepare};
use crate::common::{Kind, Mode, handle_rows, place_rows, server_rows, to_offline};
use crate::library::{Form, Place, Text, ok};
use crate::table::{Part, Source};
use crate::world::{HERE, Restore, good_token, list, offline, online, token_made};

const DAY: u64 = 24 * 60 * 60;

/// The rows of a token, for the two functions with one.
pub fn token_rows(
    part: &mut Part,
    call: impl Fn(Form, Option<&[u8]>, u32) -> ResultCode + Send + Sync + Clone + 'static,
) {
    let unknown = ResultCode::UNKNOWN_EXPIRY_TOKEN_FORMAT;
    type Make = fn() -> Vec<u8>;
    let rows: [(&'static str, Make, ResultCode, Source); 10] = [
        ("of a backup", good_token, ResultCode::OK, Source::Page),
        (
            "empty",
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
            "of an unknown version",
            || changed(8, 0x7F),
            unknown,
            Source::Header,
        ),
        (
            "truncated",
            || good_token()[..60].to_vec(),
            ResultCode::INVALID_PARAM,
            Source::Ours,
        ),
        (
            "with a byte after its end",
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
            "of a backup from the future, whose age is unknown",
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
            // Only the size is that long: it must be refused before the memory behind the token is
            // touched.
            call(form, Some(&good_token()), u32::MAX)
        },
    );
}

fn changed(position: usize, bits: u8) -> Vec<u8> {
    let mut token = good_token();
    token[position] ^= bits;
    token
}

pub fn prepare_rows(part: &mut Part) {
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
                let registered = register(form, hbc.get(), &parameters);
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

pub fn location_rows(part: &mut Part) {
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
