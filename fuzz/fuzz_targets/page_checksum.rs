//! Any page gets a verdict; a sealed page is sound, and not sound with a flipped bit.
#![no_main]

use ese::checksum::{NEW_CHECKSUM_FLAG, PageVerdict, seal_page, verify_page};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    // The last bytes choose page number, size and bit, so that seeds are plain pages.
    let Some((data, &[n0, n1, n2, n3, size, b0, b1, b2])) = data.split_last_chunk() else {
        return;
    };
    let number = u32::from_le_bytes([n0, n1, n2, n3]);
    let bit = u32::from_le_bytes([b0, b1, b2, 0]);
    verify_page(data, number);
    let size = 2048usize << (size % 5);
    let mut page = data.to_vec();
    page.resize(size, 0);
    if size > 8192 {
        page[37] |= (NEW_CHECKSUM_FLAG >> 8) as u8;
    }
    seal_page(&mut page, number);
    assert_eq!(verify_page(&page, number), PageVerdict::Sound);
    let bit = bit as usize % (size * 8);
    page[bit / 8] ^= 1 << (bit % 8);
    match verify_page(&page, number) {
        PageVerdict::Bad(_) => {}
        // An empty page of the old form whose only set bits are the checksum's may lose its last
        // bit.
        PageVerdict::Uninitialised => assert!(page.iter().all(|byte| *byte == 0)),
        other => panic!("bit {bit}: {other:?}"),
    }
});
