//! Compares the fast sums with the plain definition, bit by bit.

use super::*;
use super::{simd, sums::Sums};
use proptest::prelude::*;

/// The error-correcting code by the format's definition: index and complement of every set bit.
fn defined_ecc(block: &[u8], skip: usize) -> u32 {
    let mask = block.len() as u32 * 8 - 1;
    let (mut indices, mut complements) = (0, 0);
    for (offset, byte) in block.iter().enumerate().skip(skip) {
        for bit in (0..8).filter(|bit| byte >> bit & 1 == 1) {
            let index = offset as u32 * 8 + bit;
            indices ^= index;
            complements ^= !index & mask;
        }
    }
    complements << 16 | indices
}

fn defined_xor(block: &[u8]) -> u32 {
    block
        .chunks(4)
        .map(|word| u32::from_le_bytes(word.try_into().unwrap()))
        .fold(0, |sum, word| sum ^ word)
}

fn block() -> impl Strategy<Value = Vec<u8>> {
    (6u32..=13).prop_flat_map(|power| prop::collection::vec(any::<u8>(), 1usize << power))
}

fn page() -> impl Strategy<Value = Vec<u8>> {
    (11u32..=15, any::<bool>()).prop_flat_map(|(power, new)| {
        prop::collection::vec(any::<u8>(), 1usize << power).prop_map(move |mut page| {
            let new = new || page.len() > 8192;
            page[37] = page[37] & !0x20 | u8::from(new) << 5;
            page
        })
    })
}

proptest! {
    #[test]
    fn fast_sums_follow_the_definition(block in block(), number: u32) {
        prop_assert_eq!(simd::xor(&block), defined_xor(&block));
        for (skip, skip_first_word) in [(0, false), (8, true)] {
            let value = ecc(&block, number, skip_first_word);
            prop_assert_eq!((value >> 32) as u32, defined_ecc(&block, skip));
            prop_assert_eq!(value as u32, defined_xor(&block[skip..]) ^ number);
        }
    }

    #[test]
    fn every_instruction_set_gives_the_portable_result(
        bytes in prop::collection::vec(any::<u8>(), 0..20_000)
    ) {
        prop_assert_eq!(simd::sums(&bytes), Sums::of(&bytes));
        prop_assert_eq!(simd::xor(&bytes), sums::xor_of(&bytes));
    }

    #[test]
    fn sealed_pages_are_sound_and_at_no_other_place(
        mut page in page(),
        number in 1u32..,
        other in 1u32..
    ) {
        seal_page(&mut page, number);
        prop_assert_eq!(verify_page(&page, number), PageVerdict::Sound);
        prop_assume!(other != number);
        let PageVerdict::Bad(bad) = verify_page(&page, other) else {
            return Err(TestCaseError::fail("a page at the wrong place passed"));
        };
        prop_assert_eq!(bad.belongs_to, Some(number));
    }

    #[test]
    fn each_flipped_bit_is_found_and_named(
        mut page in page(),
        number in 1u32..,
        bit: prop::sample::Index
    ) {
        seal_page(&mut page, number);
        let bit = bit.index(page.len() * 8);
        page[bit / 8] ^= 1 << (bit % 8);
        let PageVerdict::Bad(bad) = verify_page(&page, number) else {
            return Err(TestCaseError::fail("a flipped bit passed"));
        };
        // A flip in the checksum itself, or of the flag for the kind of checksum, is detected but
        // cannot be corrected.
        let in_checksum = bit < 64;
        let is_flag = bit == 36 * 8 + 13;
        if page[37] & 0x20 != 0 && !in_checksum && !is_flag {
            prop_assert_eq!(bad.correctable_bits, [bit as u32]);
        } else {
            prop_assert_eq!(bad.correctable_bits, [0u32; 0]);
        }
    }

    #[test]
    fn any_bytes_are_judged(bytes in prop::collection::vec(any::<u8>(), 0..40_000), number: u32) {
        verify_page(&bytes, number);
        let mut bytes = bytes;
        seal_page(&mut bytes, number);
    }
}

#[test]
fn zero_pages_are_uninitialised() {
    for size in [2048, 4096, 8192, 16384, 32768] {
        let mut page = vec![0; size];
        assert_eq!(verify_page(&page, 7), PageVerdict::Uninitialised);
        page[size - 1] = 1;
        assert!(matches!(verify_page(&page, 7), PageVerdict::Bad(_)));
    }
}

#[test]
fn a_flip_in_each_block_of_a_large_page_is_named() {
    let mut page = vec![0x5a; 32768];
    page[37] |= 0x20;
    seal_page(&mut page, 3);
    let flips = [80 * 8 + 1, 9000 * 8, 20_000 * 8 + 7, 32_767 * 8 + 7];
    for bit in flips {
        page[bit / 8] ^= 1 << (bit % 8);
    }
    let PageVerdict::Bad(bad) = verify_page(&page, 3) else {
        panic!("four flipped bits passed");
    };
    assert_eq!(bad.correctable_bits, flips.map(|bit| bit as u32));
}
