//! Any bytes are a record or are refused, in each of its three forms.
#![no_main]

use ese::page::PageSize;
use ese::record::{Record, Tagged};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    for (size, new_format) in [(8192, true), (32768, true), (4096, false)] {
        let size = PageSize::new(size).expect("a page size");
        let Ok(record) = Record::new(data, size, new_format) else {
            continue;
        };
        for fid in 0..=300 {
            let _ = record.fixed(fid, usize::from(fid) * 4, 4);
            let _ = record.variable(fid);
        }
        let Ok(fields) = record.tagged() else {
            continue;
        };
        for field in fields.iter() {
            let Ok(field) = field else { break };
            let _ = fields.find(field.fid, field.derived);
            if let Tagged::Values(values) = field.content {
                for value in values {
                    let Ok((_, bytes)) = value else { break };
                    assert!(bytes.len() <= data.len());
                }
            }
        }
    }
});
