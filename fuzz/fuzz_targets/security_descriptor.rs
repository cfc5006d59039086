//! Security descriptors of a directory's objects.
#![no_main]

use libfuzzer_sys::fuzz_target;
use objects::descriptor::{Descriptor, Domains};

fuzz_target!(|data: &[u8]| {
    if let Ok(descriptor) = Descriptor::parse(data) {
        let text = descriptor.to_sddl(Domains::default());
        assert!(text.len() <= 64 * data.len());
    }
    if let Some(changed) = Descriptor::without(data, |entry| entry.kind == 1) {
        assert_eq!(changed.len(), data.len());
    }
});
