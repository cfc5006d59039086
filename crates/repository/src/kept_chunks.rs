//! The last used chunks of a file, bounded in bytes.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

/// The decrypted content of a chunk.
pub(crate) type Chunk = Arc<[u8]>;

/// Chunks by their number in the file. The one that was used longest ago goes first.
pub(crate) struct KeptChunks {
    most: usize,
    bytes: usize,
    clock: u64,
    chunks: HashMap<usize, (Chunk, u64)>,
    /// The chunks by the time of their last use.
    uses: BTreeMap<u64, usize>,
}

impl KeptChunks {
    /// Keeps at most `most` bytes, and at least one chunk.
    pub(crate) fn new(most: usize) -> Self {
        Self {
            most,
            bytes: 0,
            clock: 0,
            chunks: HashMap::new(),
            uses: BTreeMap::new(),
        }
    }

    /// Whether a chunk is kept.
    pub(crate) fn has(&self, number: usize) -> bool {
        self.chunks.contains_key(&number)
    }

    /// A kept chunk, which becomes the last used.
    pub(crate) fn get(&mut self, number: usize) -> Option<Chunk> {
        let (chunk, used) = self.chunks.get_mut(&number)?;
        self.uses.remove(used);
        self.clock += 1;
        *used = self.clock;
        self.uses.insert(self.clock, number);
        Some(chunk.clone())
    }

    /// Keeps a chunk, and drops others if there are too many bytes.
    pub(crate) fn keep(&mut self, number: usize, chunk: Chunk) {
        if self.get(number).is_some() {
            return;
        }
        self.bytes += chunk.len();
        self.clock += 1;
        self.uses.insert(self.clock, number);
        self.chunks.insert(number, (chunk, self.clock));
        while self.bytes > self.most && self.uses.len() > 1 {
            let Some((_, oldest)) = self.uses.pop_first() else {
                break;
            };
            if let Some((chunk, _)) = self.chunks.remove(&oldest) {
                self.bytes -= chunk.len();
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    proptest::proptest! {
        #[test]
        fn the_bytes_are_bounded_and_the_last_used_stay(
            uses in proptest::collection::vec((0..20usize, 0..2000usize), 1..200),
        ) {
            let mut kept = KeptChunks::new(8000);
            for (number, length) in uses {
                match kept.get(number) {
                    Some(chunk) => assert!(chunk.iter().all(|byte| *byte == number as u8)),
                    None => kept.keep(number, vec![number as u8; length].into()),
                }
                assert!(kept.has(number));
                let bytes: usize = kept.chunks.values().map(|(chunk, _)| chunk.len()).sum();
                assert_eq!(bytes, kept.bytes);
                assert!(bytes <= 8000);
                assert_eq!(kept.uses.len(), kept.chunks.len());
            }
        }
    }
}
