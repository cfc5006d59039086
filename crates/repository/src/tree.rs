//! Folder listings ("trees"): built from paths for a new snapshot, walked when one is read.

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::path::{Component, Path};
use std::time::SystemTime;

use rustic_core::jiff::Timestamp;
use rustic_core::repofile::{Metadata, Node, NodeType, Tree};
use rustic_core::{DataId, Id, TreeId};

use crate::error::Error;

/// Go's bit for a folder in a file mode, as in the format.
const GO_FOLDER: u32 = 1 << 31;

/// A folder of a new snapshot, sorted by name as the format requires.
#[derive(Default)]
pub(crate) struct Folder(BTreeMap<String, Item>);

enum Item {
    /// A reserved name, its content still missing.
    Reserved,
    File(Box<Node>),
    Folder(Folder),
}

impl Folder {
    /// Reserves a path before its file is read, so that a bad path is found early.
    pub(crate) fn reserve(&mut self, path: &str) -> Result<(), Error> {
        self.place(path, Item::Reserved)
    }

    /// Adds a file at a reserved path.
    pub(crate) fn fill(
        &mut self,
        path: &str,
        size: u64,
        modified: SystemTime,
        content: Vec<Id>,
    ) -> Result<(), Error> {
        let name = path.rsplit('/').next().unwrap_or(path);
        let modified = Timestamp::try_from(modified).ok();
        let meta = Metadata {
            mode: Some(0o600),
            mtime: modified,
            atime: modified,
            ctime: modified,
            uid: Some(platform::process::user_number()),
            gid: Some(platform::process::group_number()),
            size,
            ..Metadata::default()
        };
        let mut node = Node::new_node(OsStr::new(name), NodeType::File, meta);
        node.content = Some(content.into_iter().map(DataId::from).collect());
        self.place(path, Item::File(Box::new(node)))
    }

    fn place(&mut self, path: &str, item: Item) -> Result<(), Error> {
        let bad = |reason| Error::Path {
            path: path.to_string(),
            reason,
        };
        let plain = Path::new(path)
            .components()
            .all(|part| matches!(part, Component::Normal(_)));
        if path.is_empty()
            || !plain
            || path.ends_with('/')
            || path.contains("//")
            || path.contains('\0')
        {
            return Err(bad("it must be relative, of plain names joined by '/'"));
        }
        let mut folder = self;
        let mut rest = path;
        while let Some((name, below)) = rest.split_once('/') {
            rest = below;
            folder = match folder
                .0
                .entry(name.to_string())
                .or_insert_with(|| Item::Folder(Self::default()))
            {
                Item::Folder(folder) => folder,
                _ => return Err(bad("a file has the name of its folder")),
            };
        }
        match (folder.0.get(rest), &item) {
            (None, _) | (Some(Item::Reserved), Item::File(_)) => {
                folder.0.insert(rest.to_string(), item);
                Ok(())
            }
            _ => Err(bad("the path is there already")),
        }
    }

    /// Passes each listing to `save`, inner folders first. Returns the outermost one's id and the
    /// number of folders.
    pub(crate) fn save(
        self,
        modified: SystemTime,
        save: &mut dyn FnMut(TreeId, Vec<u8>) -> Result<(), Error>,
    ) -> Result<TreeId, Error> {
        let mut tree = Tree::default();
        for (name, item) in self.0 {
            tree.nodes.push(match item {
                Item::File(node) => *node,
                Item::Folder(folder) => {
                    let modified_then = Timestamp::try_from(modified).ok();
                    let meta = Metadata {
                        mode: Some(GO_FOLDER | 0o700),
                        mtime: modified_then,
                        atime: modified_then,
                        ctime: modified_then,
                        uid: Some(platform::process::user_number()),
                        gid: Some(platform::process::group_number()),
                        ..Metadata::default()
                    };
                    let mut node = Node::new_node(OsStr::new(&name), NodeType::Dir, meta);
                    node.subtree = Some(folder.save(modified, save)?);
                    node
                }
                Item::Reserved => {
                    return Err(Error::Path {
                        path: name,
                        reason: "it was announced but never read",
                    });
                }
            });
        }
        let (json, id) = tree.serialize().map_err(|error| Error::Storage {
            doing: "writing a folder listing".to_string(),
            reason: error.to_string(),
        })?;
        // Frees the chunk list of a large file, which is not needed twice.
        drop(tree);
        save(id, json)?;
        Ok(id)
    }
}

/// Parses a listing.
pub(crate) fn parse(json: &[u8], id: &Id) -> Result<Vec<Node>, Error> {
    let tree: Tree = serde_json::from_slice(json).map_err(|error| Error::Damaged {
        what: format!("folder listing {}: {error}", id.to_hex().as_str()),
    })?;
    Ok(tree.nodes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_plain_relative_paths_are_stored() {
        for path in ["", "/a", "../a", "a/../b", "a/", "a//b", "./a", ".", "a\0"] {
            assert!(Folder::default().reserve(path).is_err(), "{path:?}");
        }
        let mut folder = Folder::default();
        folder.reserve("a/b").unwrap();
        assert!(folder.reserve("a/b").is_err(), "twice");
        assert!(folder.reserve("a/b/c").is_err(), "a file as a folder");
        assert!(folder.reserve("a").is_err(), "a folder as a file");
    }
}
