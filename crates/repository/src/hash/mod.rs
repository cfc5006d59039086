//! SHA-256 of a file and of each of its chunks, in one pass over the bytes.
//!
//! A manifest holds the hash of each whole file, the repository's format that of each chunk. Both
//! process the same 64-byte blocks, so x86-64 computes them interleaved, in the time of one
//! (`sha_instructions`).

mod sha_instructions;

use crate::cipher::Hash;

/// SHA-256's block size in bytes.
const BLOCK: usize = 64;

/// SHA-256's initial value (FIPS 180-4, 5.3.3).
const START: [u32; 8] = [
    0x6a09_e667,
    0xbb67_ae85,
    0x3c6e_f372,
    0xa54f_f53a,
    0x510e_527f,
    0x9b05_688c,
    0x1f83_d9ab,
    0x5be0_cd19,
];

/// Hashes a file while it is divided into chunks.
pub(crate) struct FileHasher {
    chunk: usize,
    /// The state of the file's hash after all whole blocks so far, and the number of bytes so far.
    state: [u32; 8],
    length: u64,
    /// The bytes after the last whole block of the last chunk.
    rest: Vec<u8>,
}

impl FileHasher {
    /// `chunk`: the size of a chunk in bytes, a multiple of 64.
    pub(crate) fn new(chunk: usize) -> Self {
        debug_assert!(chunk > 0 && chunk.is_multiple_of(BLOCK));
        Self {
            chunk,
            state: START,
            length: 0,
            rest: Vec::new(),
        }
    }

    /// Processes the next part of the file and returns the hashes of its chunks. Only the last part
    /// of a file may end within a chunk.
    pub(crate) fn update(&mut self, part: &[u8]) -> Vec<Hash> {
        debug_assert!(self.rest.is_empty() && self.length.is_multiple_of(self.chunk as u64));
        self.length += part.len() as u64;
        part.chunks(self.chunk)
            .map(|chunk| {
                let (blocks, rest) = chunk.as_chunks::<BLOCK>();
                let mut state = START;
                sha_instructions::compress_both(&mut self.state, &mut state, blocks);
                self.rest.clear();
                self.rest.extend_from_slice(rest);
                finish(state, rest, chunk.len() as u64)
            })
            .collect()
    }

    /// The hash of the whole file.
    pub(crate) fn finish(self) -> Hash {
        finish(self.state, &self.rest, self.length)
    }
}

/// Processes the rest and the padding: a set bit, zeros, the length in bits.
fn finish(mut state: [u32; 8], rest: &[u8], length: u64) -> Hash {
    let mut padded = [0; BLOCK * 2];
    padded[..rest.len()].copy_from_slice(rest);
    padded[rest.len()] = 0x80;
    let end = if rest.len() + 1 + 8 <= BLOCK {
        BLOCK
    } else {
        BLOCK * 2
    };
    padded[end - 8..end].copy_from_slice(&length.wrapping_mul(8).to_be_bytes());
    let (blocks, _) = padded[..end].as_chunks::<BLOCK>();
    sha2::block_api::compress256(&mut state, blocks);
    let mut hash = [0; 32];
    for (bytes, word) in hash.chunks_exact_mut(4).zip(state) {
        bytes.copy_from_slice(&word.to_be_bytes());
    }
    hash
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, Instant};

    use proptest::prelude::*;

    use super::*;
    use crate::cipher::sha256;

    /// Hashes `content` in parts of several chunks, as a backup does.
    fn check(content: &[u8], chunk: usize, chunks_in_part: usize) {
        let mut hasher = FileHasher::new(chunk);
        let mut hashes = Vec::new();
        for part in content.chunks(chunk * chunks_in_part) {
            hashes.extend(hasher.update(part));
        }
        let expected: Vec<Hash> = content.chunks(chunk).map(sha256).collect();
        assert_eq!(hashes, expected);
        assert_eq!(hasher.finish(), sha256(content));
    }

    #[test]
    fn every_length_around_a_block_is_hashed_as_the_standard_says() {
        let content: Vec<u8> = (0..4 * BLOCK + 3).map(|at| (at * 7) as u8).collect();
        for length in 0..=content.len() {
            check(&content[..length], BLOCK, 2);
            check(&content[..length], BLOCK * 2, 1);
            check(&content[..length], 4096, 1);
        }
    }

    #[test]
    fn without_special_instructions_the_result_is_the_same() {
        let blocks: Vec<[u8; BLOCK]> = (0..9u8)
            .map(|number| [number.wrapping_mul(37); BLOCK])
            .collect();
        let (mut one, mut two) = (START, [7; 8]);
        let (mut plain_one, mut plain_two) = (one, two);
        sha_instructions::compress_both(&mut one, &mut two, &blocks);
        sha2::block_api::compress256(&mut plain_one, &blocks);
        sha2::block_api::compress256(&mut plain_two, &blocks);
        assert_eq!((one, two), (plain_one, plain_two));
    }

    #[test]
    #[ignore = "a measurement, for docs/decisions/sha-lanes.md"]
    fn side_by_side_or_one_after_the_other() {
        const CHUNK: usize = 64 << 10;
        let content: Vec<u8> = (0..64u32 << 20).map(|at| ((at * 7) >> 3) as u8).collect();
        // The fastest of ten, whatever else the machine does.
        let mut best = [Duration::MAX; 2];
        for _ in 0..10 {
            let begin = Instant::now();
            let mut hasher = FileHasher::new(CHUNK);
            let chunks: Vec<Hash> = (content.chunks(1 << 20))
                .flat_map(|part| hasher.update(part))
                .collect();
            let file = hasher.finish();
            let middle = Instant::now();
            let plain_chunks: Vec<Hash> = content.chunks(CHUNK).map(sha256).collect();
            let plain_file = sha256(&content);
            let end = Instant::now();
            assert_eq!((chunks, file), (plain_chunks, plain_file));
            best = [best[0].min(middle - begin), best[1].min(end - middle)];
        }
        let [side_by_side, one_by_one] = best.map(|time| time.as_secs_f64() * 16.0);
        println!(
            "1 GiB, file and chunks: {side_by_side:.2} s side by side, {one_by_one:.2} s one by one"
        );
    }

    proptest! {
        #[test]
        fn any_content_is_hashed_as_the_standard_says(
            content in prop::collection::vec(any::<u8>(), 0..20_000),
            blocks in 1usize..40,
            chunks_in_part in 1usize..5,
        ) {
            check(&content, blocks * BLOCK, chunks_in_part);
        }
    }
}
