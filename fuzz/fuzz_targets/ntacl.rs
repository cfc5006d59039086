//! The security descriptor of a file, as Samba stores it in an extended attribute.
#![no_main]

use libfuzzer_sys::fuzz_target;
use samba::ntacl;

fuzz_target!(|data: &[u8]| {
    if let Some(descriptor) = ntacl::descriptor(data) {
        assert!(descriptor.len() < data.len());
    }
});
