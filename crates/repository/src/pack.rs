//! Packs: files of about 16 MiB with sealed blobs, and a sealed list of them at the end.

use serde::{Deserialize, Serialize};

use crate::cipher::{Cipher, Hash, OVERHEAD, sha256};

/// A pack is written when it has this size in bytes ...
const FULL: usize = 16 << 20;
/// ... or this many blobs, so that its header stays small.
const FULL_BLOBS: usize = 10_000;

/// The content of a blob: part of a file, or the listing of a folder.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum BlobKind {
    Data,
    Tree,
}

/// A blob's position in a pack.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Entry {
    pub(crate) id: Hash,
    pub(crate) kind: BlobKind,
    pub(crate) offset: u32,
    /// Sealed length in bytes.
    pub(crate) length: u32,
    /// Length before compression; `None` if it is not compressed.
    pub(crate) uncompressed: Option<u32>,
}

/// A pack being filled.
#[derive(Debug, Default)]
pub(crate) struct Pack {
    content: Vec<u8>,
    entries: Vec<Entry>,
}

/// A pack to be written.
pub(crate) struct FinishedPack {
    pub(crate) id: Hash,
    pub(crate) content: Vec<u8>,
    pub(crate) entries: Vec<Entry>,
}

impl Pack {
    /// A pack that uses the memory of `buffer`.
    pub(crate) fn within(mut buffer: Vec<u8>) -> Self {
        buffer.clear();
        // Growth by doubling would use twice the memory.
        buffer.reserve_exact(FULL + FULL / 8);
        Self {
            content: buffer,
            entries: Vec::new(),
        }
    }

    pub(crate) fn add(
        &mut self,
        id: Hash,
        kind: BlobKind,
        sealed: &[u8],
        uncompressed: Option<u32>,
    ) {
        self.entries.push(Entry {
            id,
            kind,
            offset: self.content.len() as u32,
            length: sealed.len() as u32,
            uncompressed,
        });
        self.content.extend_from_slice(sealed);
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    pub(crate) fn is_full(&self) -> bool {
        self.content.len() >= FULL || self.entries.len() >= FULL_BLOBS
    }

    /// Appends the header: one entry per blob (type, sealed length, length, SHA-256), sealed, then
    /// its length.
    pub(crate) fn finish(mut self, cipher: &Cipher) -> std::io::Result<FinishedPack> {
        let mut header = Vec::with_capacity(self.entries.len() * 41);
        for entry in &self.entries {
            header.push(match (entry.kind, entry.uncompressed) {
                (BlobKind::Data, None) => 0u8,
                (BlobKind::Tree, None) => 1,
                (BlobKind::Data, Some(_)) => 2,
                (BlobKind::Tree, Some(_)) => 3,
            });
            header.extend_from_slice(&entry.length.to_le_bytes());
            if let Some(length) = entry.uncompressed {
                header.extend_from_slice(&length.to_le_bytes());
            }
            header.extend_from_slice(&entry.id);
        }
        self.content.reserve_exact(header.len() + OVERHEAD + 4);
        cipher.seal(&header, &mut self.content)?;
        let length = (header.len() + OVERHEAD) as u32;
        self.content.extend_from_slice(&length.to_le_bytes());
        Ok(FinishedPack {
            id: sha256(&self.content),
            content: self.content,
            entries: self.entries,
        })
    }
}

/// Size of the length at the end of a pack.
pub(crate) const TRAILER: usize = 4;

/// Size of a header entry, for a compressed blob and for an uncompressed one.
const COMPRESSED_ENTRY: usize = 41;
const PLAIN_ENTRY: usize = 37;

/// The size of a pack with these blobs.
pub(crate) fn size_of_pack(entries: &[Entry]) -> u32 {
    let size = |entry: &Entry| {
        let header = match entry.uncompressed {
            Some(_) => COMPRESSED_ENTRY,
            None => PLAIN_ENTRY,
        };
        u64::from(entry.length) + header as u64
    };
    let content: u64 = entries.iter().map(size).sum();
    u32::try_from(content + (OVERHEAD + TRAILER) as u64).unwrap_or(u32::MAX)
}

/// Parses a pack's header, written by [`Pack::finish`], into its blobs. `None` if it is malformed.
pub(crate) fn parse_header(mut header: &[u8]) -> Option<Vec<Entry>> {
    let mut entries = Vec::with_capacity(header.len() / PLAIN_ENTRY);
    let mut offset = 0u32;
    while let Some((&kind, rest)) = header.split_first() {
        let (length, rest) = rest.split_first_chunk()?;
        let (uncompressed, rest) = match kind {
            2 | 3 => {
                let (uncompressed, rest) = rest.split_first_chunk()?;
                (Some(u32::from_le_bytes(*uncompressed)), rest)
            }
            0 | 1 => (None, rest),
            _ => return None,
        };
        let (id, rest) = rest.split_first_chunk()?;
        let length = u32::from_le_bytes(*length);
        entries.push(Entry {
            id: *id,
            kind: match kind {
                0 | 2 => BlobKind::Data,
                _ => BlobKind::Tree,
            },
            offset,
            length,
            uncompressed: uncompressed.filter(|length| *length > 0),
        });
        offset = offset.checked_add(length)?;
        header = rest;
    }
    Some(entries)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn any_bytes_are_a_header_or_none(header: Vec<u8>) {
            if let Some(entries) = parse_header(&header) {
                prop_assert!(entries.len() * PLAIN_ENTRY <= header.len());
            }
        }
    }
}
