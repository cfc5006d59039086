//! The blobs that snapshots need.

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

    /// Calls `use_blob` for `root` and each blob below it, except for listings that an earlier walk
    /// visited.
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
            // The next snapshot that needs an unreadable listing tries again.
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

    /// Forgets visited listings, so that the next walk is complete.
    pub(crate) fn start_over(&mut self) {
        self.seen.clear();
    }
}
