//! Names with GUID, SID and replication metadata of a link, as in values of Samba's databases.
#![no_main]

use libfuzzer_sys::fuzz_target;
use samba::ldb::ExtendedDn;

fuzz_target!(|data: &[u8]| {
    if let Some(name) = ExtendedDn::parse(data) {
        assert!(data.ends_with(name.dn.as_bytes()));
    }
});
