//! The groups in a ticket, and SIDs as directories return them.
#![no_main]

use ids::{DomainSid, Guid, Sid};
use kerberos::LogonInfo;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    let _ = LogonInfo::from_bytes(data);
    // The same with the usual headers.
    let headed = [&[1, 0x10, 8, 0, 0xcc, 0xcc, 0xcc, 0xcc], data].concat();
    let _ = LogonInfo::from_bytes(&headed);
    if let Some(sid) = Sid::from_bytes(data) {
        assert_eq!(sid.to_bytes(), data);
        if let Ok(again) = sid.to_string().parse::<Sid>() {
            assert_eq!(again, sid);
        }
    }
    if let Some(sid) = DomainSid::from_bytes(data) {
        assert_eq!(sid.to_string().parse(), Ok(sid));
    }
    if let Ok(guid) = String::from_utf8_lossy(data).parse::<Guid>() {
        assert_eq!(guid.to_string().parse(), Ok(guid));
    }
});
