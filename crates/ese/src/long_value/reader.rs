//! Reads long values, one chunk at a time.

use super::{LongValueId, LongValueKey, LongValueRoot, ValueState};
use crate::compression;
use crate::page::Fault;
use crate::page_file::PageFile;
use crate::tree::{TreeCursor, TreeId};
use crate::{Error, Result};

/// A reader of a table's long values. Values are often read in the order of their ids, which needs
/// no search.
pub struct LongValues<'db> {
    cursor: TreeCursor<'db>,
    chunk_len: u32,
    decompressed: Vec<u8>,
}

impl<'db> LongValues<'db> {
    /// A reader of the values in `tree`, with chunks of `chunk_len` bytes each.
    pub fn new(pages: &'db PageFile, tree: TreeId, chunk_len: u32) -> Self {
        Self {
            cursor: TreeCursor::new(pages, tree),
            chunk_len: chunk_len.max(1),
            decompressed: Vec::new(),
        }
    }

    /// Appends the value `id` to `out`.
    pub fn read(&mut self, id: LongValueId, out: &mut Vec<u8>) -> Result<ValueState> {
        self.visit(id, |chunk| {
            out.extend_from_slice(chunk);
            Ok(())
        })
    }

    /// Calls `sink` with the pieces of the value `id`, so that the longest value needs no more
    /// memory than a chunk.
    pub fn visit(
        &mut self,
        id: LongValueId,
        mut sink: impl FnMut(&[u8]) -> Result<()>,
    ) -> Result<ValueState> {
        let root = self.find(id)?;
        let mut state = match root.encrypted {
            true => ValueState::Encrypted,
            false => ValueState::Decoded,
        };
        let mut offset = 0;
        while offset < root.len {
            let expected = self.chunk_len.min(root.len - offset) as usize;
            let found = self.cursor.advance()?;
            let node = self.cursor.node()?.filter(|_| found);
            let key = node.and_then(|node| LongValueKey::read(&node.key));
            let Some(node) = node.filter(|_| key == Some(LongValueKey::Chunk(id, offset))) else {
                let expected = format!(
                    "a chunk at {offset} of long value {id}, which has {} bytes",
                    root.len
                );
                return Err(self.fault(
                    expected,
                    key.map_or("the end".into(), |key| format!("{key:?}")),
                ));
            };
            if root.encrypted || node.data.len() == expected {
                sink(node.data)?;
            } else if node.data.len() > expected {
                let found = format!("{} bytes", node.data.len());
                return Err(self.fault(
                    format!("at most {expected} bytes at {offset} of long value {id}"),
                    found,
                ));
            } else {
                self.decompressed.clear();
                match compression::decompress(node.data, &mut self.decompressed) {
                    Ok(()) if self.decompressed.len() == expected => sink(&self.decompressed)?,
                    Ok(()) => {
                        let found = format!("{} bytes", self.decompressed.len());
                        return Err(self.fault(
                            format!("{expected} bytes at {offset} of long value {id}"),
                            found,
                        ));
                    }
                    Err(undecoded) => {
                        state = ValueState::Undecoded(undecoded);
                        sink(node.data)?;
                    }
                }
            }
            offset = offset.saturating_add(self.chunk_len);
        }
        Ok(state)
    }

    /// Finds the root of the value `id`, and moves the cursor to it.
    pub fn find(&mut self, id: LongValueId) -> Result<LongValueRoot> {
        // The next value often follows the last one.
        let next = self.cursor.node()?.is_some() && self.cursor.advance()?;
        let mut found = next && self.root_at_cursor(id)?.is_some();
        if !found {
            found = self.cursor.seek(&id.key(), &[])?;
        }
        match self.root_at_cursor(id)?.filter(|_| found) {
            Some(Some(root)) => Ok(root),
            Some(None) => Err(self.fault(
                format!("the root of long value {id}"),
                "a node of another form".into(),
            )),
            None => Err(self.fault(format!("long value {id}"), "no such value".into())),
        }
    }

    /// The root of `id` if the cursor is at it: the inner value is `None` if the node's data is not
    /// a root.
    fn root_at_cursor(&self, id: LongValueId) -> Result<Option<Option<LongValueRoot>>> {
        let Some(node) = self.cursor.node()? else {
            return Ok(None);
        };
        let is_root = !node.flags.is_deleted()
            && LongValueKey::read(&node.key) == Some(LongValueKey::Root(id));
        Ok(is_root.then(|| LongValueRoot::read(node.data)))
    }

    #[cold]
    fn fault(&self, expected: String, found: String) -> Error {
        let page = self.cursor.page();
        let number = page.map_or(self.cursor.tree().root, |page| page.number());
        let fault = Fault::new(number, "long value", expected, found);
        let reserved = page.map_or(1, |page| usize::from(page.header().reserved_tags));
        self.cursor.pages().fault(match self.cursor.index() {
            Some(index) => fault.at_tag(index + reserved),
            None => fault,
        })
    }
}
