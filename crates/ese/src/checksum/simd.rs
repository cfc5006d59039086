//! Selects the widest instructions of the processor. The only unsafe code of the checksums.
//!
//! The algorithm is written once, portably (`sums`). Here it is compiled a second time with AVX2
//! enabled; the compiler puts each of its rows of 256 bits into one register. On x86-64 the
//! portable version already uses SSE2.
#![allow(unsafe_code)]

use super::sums::{self, Sums};

/// [`Sums::of`] with the best available instructions.
pub(super) fn sums(block: &[u8]) -> Sums {
    #[cfg(target_arch = "x86_64")]
    if std::arch::is_x86_feature_detected!("avx2") {
        // SAFETY: the processor has AVX2, by the check above.
        return unsafe { sums_avx2(block) };
    }
    Sums::of(block)
}

/// [`sums::xor_of`] with the best available instructions.
pub(super) fn xor(block: &[u8]) -> u32 {
    #[cfg(target_arch = "x86_64")]
    if std::arch::is_x86_feature_detected!("avx2") {
        // SAFETY: the processor has AVX2, by the check above.
        return unsafe { xor_avx2(block) };
    }
    sums::xor_of(block)
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2")]
fn sums_avx2(block: &[u8]) -> Sums {
    Sums::of(block)
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2")]
fn xor_avx2(block: &[u8]) -> u32 {
    sums::xor_of(block)
}
