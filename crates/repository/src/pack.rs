//! Packs: files of about 16 MiB that hold sealed blobs, and at their end a sealed list of them.

use crate::cipher::{Cipher, Hash, OVERHEAD, sha256};

/// A pack is written when it has this many bytes ...
const FULL: usize = 16 << 20;
/// ... or this many blobs, so that its header stays small.
const FULL_BLOBS: usize = 10_000;

/// What a blob holds: part of a file, or the listing of a folder.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum BlobKind {
    Data,
    Tree,
}

/// One blob's place in a pack.
#[derive(Debug, Clone)]
pub(crate) struct Entry {
    pub(crate) id: Hash,
    pub(crate) kind: BlobKind,
    pub(crate) offset: u32,
    /// Sealed length in bytes.
    pub(crate) length: u32,
    /// Length before compression, where it was compressed.
    pub(crate) uncompressed: Option<u32>,
}

/// A pack being filled.
#[derive(Debug, Default)]
pub(crate) struct Pack {
    content: Vec<u8>,
    entries: Vec<Entry>,
}

/// A pack ready to be written.
pub(crate) struct FinishedPack {
    pub(crate) id: Hash,
    pub(crate) content: Vec<u8>,
    pub(crate) entries: Vec<Entry>,
}

impl Pack {
    /// A pack that grows in `buffer`, whose content is dropped.
    pub(crate) fn within(mut buffer: Vec<u8>) -> Self {
        buffer.clear();
        // Grown by doubling, a pack would use twice its size.
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

    /// Appends the header: one entry a blob (type, sealed length, length, SHA-256), sealed, then its length.
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
