//! The SHA instructions of x86-64, applied to two hashes of the same blocks at once. The only
//! unsafe code of this crate.
//!
//! A hash waits four cycles for each of its instructions; the other hash's instructions fill the
//! gaps. The message schedule of a block (FIPS 180-4, 6.2.2) is the same for both and computed
//! once.
#![allow(unsafe_code)]

use super::BLOCK;

/// Processes `blocks` in both states.
pub(super) fn compress_both(one: &mut [u32; 8], two: &mut [u32; 8], blocks: &[[u8; BLOCK]]) {
    #[cfg(target_arch = "x86_64")]
    if std::arch::is_x86_feature_detected!("sha")
        && std::arch::is_x86_feature_detected!("ssse3")
        && std::arch::is_x86_feature_detected!("sse4.1")
    {
        // SAFETY: the lines above detected the instructions.
        unsafe { x86::compress_both(one, two, blocks) };
        return;
    }
    sha2::block_api::compress256(one, blocks);
    sha2::block_api::compress256(two, blocks);
}

#[cfg(target_arch = "x86_64")]
mod x86 {
    use std::arch::x86_64::*;

    use super::BLOCK;

    /// The constants of the 64 rounds (FIPS 180-4, 4.2.2).
    const ROUNDS: [u32; 64] = [
        0x428a_2f98,
        0x7137_4491,
        0xb5c0_fbcf,
        0xe9b5_dba5,
        0x3956_c25b,
        0x59f1_11f1,
        0x923f_82a4,
        0xab1c_5ed5,
        0xd807_aa98,
        0x1283_5b01,
        0x2431_85be,
        0x550c_7dc3,
        0x72be_5d74,
        0x80de_b1fe,
        0x9bdc_06a7,
        0xc19b_f174,
        0xe49b_69c1,
        0xefbe_4786,
        0x0fc1_9dc6,
        0x240c_a1cc,
        0x2de9_2c6f,
        0x4a74_84aa,
        0x5cb0_a9dc,
        0x76f9_88da,
        0x983e_5152,
        0xa831_c66d,
        0xb003_27c8,
        0xbf59_7fc7,
        0xc6e0_0bf3,
        0xd5a7_9147,
        0x06ca_6351,
        0x1429_2967,
        0x27b7_0a85,
        0x2e1b_2138,
        0x4d2c_6dfc,
        0x5338_0d13,
        0x650a_7354,
        0x766a_0abb,
        0x81c2_c92e,
        0x9272_2c85,
        0xa2bf_e8a1,
        0xa81a_664b,
        0xc24b_8b70,
        0xc76c_51a3,
        0xd192_e819,
        0xd699_0624,
        0xf40e_3585,
        0x106a_a070,
        0x19a4_c116,
        0x1e37_6c08,
        0x2748_774c,
        0x34b0_bcb5,
        0x391c_0cb3,
        0x4ed8_aa4a,
        0x5b9c_ca4f,
        0x682e_6ff3,
        0x748f_82ee,
        0x78a5_636f,
        0x84c8_7814,
        0x8cc7_0208,
        0x90be_fffa,
        0xa450_6ceb,
        0xbef9_a3f7,
        0xc671_78f2,
    ];

    /// A state in the layout of the instructions: words a, b, e, f and c, d, g, h, highest first.
    #[derive(Clone, Copy)]
    struct State {
        abef: __m128i,
        cdgh: __m128i,
    }

    impl State {
        #[target_feature(enable = "sha,ssse3,sse4.1")]
        fn load(words: &[u32; 8]) -> Self {
            let [a, b, c, d, e, f, g, h] = words.map(u32::cast_signed);
            Self {
                abef: _mm_set_epi32(a, b, e, f),
                cdgh: _mm_set_epi32(c, d, g, h),
            }
        }

        #[target_feature(enable = "sha,ssse3,sse4.1")]
        fn store(self, words: &mut [u32; 8]) {
            let (high, low) = (self.abef, self.cdgh);
            *words = [
                _mm_extract_epi32::<3>(high),
                _mm_extract_epi32::<2>(high),
                _mm_extract_epi32::<3>(low),
                _mm_extract_epi32::<2>(low),
                _mm_extract_epi32::<1>(high),
                _mm_extract_epi32::<0>(high),
                _mm_extract_epi32::<1>(low),
                _mm_extract_epi32::<0>(low),
            ]
            .map(i32::cast_unsigned);
        }

        /// Four rounds with `words`, which include the rounds' constants.
        #[inline]
        #[target_feature(enable = "sha,ssse3,sse4.1")]
        fn four_rounds(&mut self, words: __m128i) {
            self.cdgh = _mm_sha256rnds2_epu32(self.cdgh, self.abef, words);
            let upper = _mm_shuffle_epi32::<0x0e>(words);
            self.abef = _mm_sha256rnds2_epu32(self.abef, self.cdgh, upper);
        }

        #[inline]
        #[target_feature(enable = "sha,ssse3,sse4.1")]
        fn add(&mut self, other: State) {
            self.abef = _mm_add_epi32(self.abef, other.abef);
            self.cdgh = _mm_add_epi32(self.cdgh, other.cdgh);
        }
    }

    /// Sixteen bytes as four big-endian words, the first lowest.
    #[inline]
    #[target_feature(enable = "sha,ssse3,sse4.1")]
    fn words(block: &[u8; BLOCK], number: usize) -> __m128i {
        let half = |at: usize| {
            let (halves, _) = block.as_chunks::<8>();
            i64::from_le_bytes(halves[at])
        };
        let bytes = _mm_set_epi64x(half(number * 2 + 1), half(number * 2));
        let order = _mm_set_epi64x(0x0c0d_0e0f_0809_0a0b, 0x0405_0607_0001_0203);
        _mm_shuffle_epi8(bytes, order)
    }

    #[inline]
    #[target_feature(enable = "sha,ssse3,sse4.1")]
    fn constants(group: usize) -> __m128i {
        let [a, b, c, d] = std::array::from_fn(|at| ROUNDS[group * 4 + at].cast_signed());
        _mm_set_epi32(d, c, b, a)
    }

    #[target_feature(enable = "sha,ssse3,sse4.1")]
    pub(super) fn compress_both(one: &mut [u32; 8], two: &mut [u32; 8], blocks: &[[u8; BLOCK]]) {
        let mut first = State::load(one);
        let mut second = State::load(two);
        for block in blocks {
            let (first_before, second_before) = (first, second);
            // The last sixteen words, in groups of four.
            let mut last = [
                words(block, 0),
                words(block, 1),
                words(block, 2),
                words(block, 3),
            ];
            for group in 0..16 {
                let [a, b, c, d] = last;
                let with_constants = _mm_add_epi32(a, constants(group));
                first.four_rounds(with_constants);
                second.four_rounds(with_constants);
                let sum = _mm_add_epi32(_mm_sha256msg1_epu32(a, b), _mm_alignr_epi8::<4>(d, c));
                last = [b, c, d, _mm_sha256msg2_epu32(sum, d)];
            }
            first.add(first_before);
            second.add(second_before);
        }
        first.store(one);
        second.store(two);
    }
}
