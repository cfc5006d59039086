//! Trees: their pages from the root to the leaves, and the places of nodes.

use ese::page::Pgno;

use super::engine::{Before, Engine};
use super::page::{LEAF, Loose, SPACE_TREE};

/// A tree, or one of the two space trees of a tree.
#[derive(Debug, Clone)]
pub struct Tree {
    pub root: Pgno,
    pub object: u32,
    pub unique: bool,
    /// The flags of all its pages.
    pub flags: u32,
    /// The tree from which its space comes, by its position among the trees; `None` for the
    /// database's own.
    pub parent: Option<usize>,
    /// Whether its table was dropped; its pages may then be others'.
    pub is_dropped: bool,
}

impl Tree {
    pub fn owned(&self) -> Tree {
        self.space(self.root + 1)
    }

    pub fn available(&self) -> Tree {
        self.space(self.root + 2)
    }

    fn space(&self, root: Pgno) -> Tree {
        Tree {
            root,
            unique: true,
            flags: self.flags | SPACE_TREE,
            ..self.clone()
        }
    }

    pub fn is_space(&self) -> bool {
        self.flags & SPACE_TREE != 0
    }
}

impl Engine {
    /// The pages and lines from the root down to the leaf that holds, or would hold, the key; and
    /// whether the node exists, deleted or not.
    pub fn path(&self, tree: &Tree, key: &[u8], data: &[u8]) -> (Vec<(Pgno, usize)>, bool) {
        let mut path = Vec::new();
        let mut number = tree.root;
        loop {
            let page = self.page(number);
            if page.is(LEAF) {
                let before = |line: &usize| {
                    let node = page.key(*line);
                    let order = node[..].cmp(key);
                    let order = match tree.unique {
                        true => order,
                        false => order.then_with(|| page.nodes[*line].data[..].cmp(data)),
                    };
                    order == std::cmp::Ordering::Less
                };
                let line = (0..page.nodes.len()).take_while(before).count();
                let found = line < page.nodes.len()
                    && page.key(line) == key
                    && (tree.unique || page.nodes[line].data == data);
                path.push((number, line));
                return (path, found);
            }
            let bookmark = match tree.unique {
                true => key.to_vec(),
                false => [key, data].concat(),
            };
            let last = page.nodes.len() - 1;
            let line = (0..last)
                .find(|line| page.key(*line) > bookmark)
                .unwrap_or(last);
            path.push((number, line));
            number = page.child(line);
        }
    }

    pub fn find(&self, tree: &Tree, key: &[u8], data: &[u8]) -> (Pgno, usize, bool) {
        let (path, found) = self.path(tree, key, data);
        let (leaf, line) = *path.last().expect("a leaf");
        (leaf, line, found)
    }

    /// All leaves of a tree, in order, with the path to each.
    pub fn leaves(&self, tree: &Tree) -> Vec<Vec<(Pgno, usize)>> {
        let mut leaves = Vec::new();
        let mut open = vec![(vec![], tree.root)];
        while let Some((path, number)) = open.pop() {
            let page = self.page(number);
            if page.is(LEAF) {
                let mut path = path;
                path.push((number, 0));
                leaves.push(path);
                continue;
            }
            for line in (0..page.nodes.len()).rev() {
                let mut path = path.clone();
                path.push((number, line));
                open.push((path, page.child(line)));
            }
        }
        leaves
    }

    /// The number of bytes on a page that rollbacks may need.
    pub fn reserved(&self, tree: usize, nodes: &[Loose]) -> usize {
        let unique = self.trees[tree].unique;
        let need = |node: &Loose| {
            let data: &[u8] = if unique { &[] } else { &node.data };
            let largest = self.versions_of(tree, &node.key, data);
            let largest = largest.filter_map(|version| match &version.before {
                Before::Replaced(before) => Some(before.len()),
                _ => None,
            });
            largest.max().unwrap_or(0).saturating_sub(node.data.len())
        };
        nodes.iter().map(need).sum()
    }
}
