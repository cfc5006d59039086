//! A database file in pieces of any size gives the same result as in one piece.
#![no_main]

use ese::verify::{Finding, PageVerifier, Summary};
use libfuzzer_sys::fuzz_target;

fn verify<'a>(pieces: impl Iterator<Item = &'a [u8]>) -> (Vec<Finding>, Summary) {
    let mut verifier = PageVerifier::new();
    let mut findings: Vec<Finding> = pieces.flat_map(|piece| verifier.feed(piece)).collect();
    let (last, summary) = verifier.finish();
    findings.extend(last);
    (findings, summary)
}

fuzz_target!(|data: &[u8]| {
    // The last bytes choose the size of the pieces and of the header to seal, so that seeds are
    // plain files.
    let Some((data, &[low, high, header])) = data.split_last_chunk() else {
        return;
    };
    let piece = usize::from(u16::from_le_bytes([low, high])).max(97);
    fuzz::with_and_without_checksum(data, 2048 << (header % 5), |data| {
        let whole = verify([data].into_iter());
        assert_eq!(verify(data.chunks(piece)), whole);
    });
});
