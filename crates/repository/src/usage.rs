//! Which blobs snapshots need.

use std::collections::HashSet;

use rustic_core::Id;
use rustic_core::repofile::NodeType;

use crate::blob::Opener;
use crate::error::Error;
use crate::index::{Places, locate};
use crate::pack::BlobKind;
use crate::read::read_listing;
use crate::storage::Storage;

/// Walks the listings of snapshots, each listing once.
pub(crate) struct Walker<'a> {
    storage: &'a Storage,
    trees: Places,
    opener: Opener,
    seen: HashSet<Id>,
}

impl<'a> Walker<'a> {
    pub(crate) fn new(storage: &'a Storage) -> Result<Self, Error> {
        Ok(Self {
            storage,
            trees: locate(storage, |kind, _| kind == BlobKind::Tree)?,
            opener: Opener::default(),
            seen: HashSet::new(),
        })
    }

    /// Hands each blob below the listing `root` to `use_blob`, and `root` itself, unless an earlier walk did.
    pub(crate) fn walk(
        &mut self,
        root: Id,
        use_blob: &mut dyn FnMut(BlobKind, Id),
    ) -> Result<(), Error> {
        let mut waiting = vec![root];
        while let Some(id) = waiting.pop() {
            if !self.seen.insert(id) {
                continue;
            }
            let nodes = read_listing(self.storage, &self.trees, &mut self.opener, &id);
            // A listing that could not be read is asked for again by the next snapshot that needs it.
            let nodes = nodes.inspect_err(|_| {
                self.seen.remove(&id);
            })?;
            use_blob(BlobKind::Tree, id);
            for node in nodes {
                match node.node_type {
                    NodeType::File => {
                        for part in node.content.into_iter().flatten() {
                            use_blob(BlobKind::Data, *part);
                        }
                    }
                    NodeType::Dir => waiting.extend(node.subtree.map(|subtree| *subtree)),
                    _ => {}
                }
            }
        }
        Ok(())
    }

    /// Forgets what was seen: the next walk is whole.
    pub(crate) fn start_over(&mut self) {
        self.seen.clear();
    }
}
