//! The tree: which object lies beneath which.
//!
//! A node: the object's offset in the file (8; -2 for the node above the naming contexts), the
//! number of children that have children (4) and of those that have none (4), the offsets of the
//! former's nodes from the start of this node (4 each), the offsets in the file of the latter's
//! objects (8 each), the nodes.

use crate::Error;
use crate::text::number;

/// The object of the node above the naming contexts.
const TOP: i64 = -2;

/// The objects that were written.
#[derive(Default)]
pub struct Tree {
    nodes: Vec<Node>,
    tops: Vec<usize>,
}

struct Node {
    offset: u64,
    children: Vec<usize>,
}

impl Tree {
    /// Adds an object beneath another one, and returns its number. Parents come first.
    pub fn add(&mut self, offset: u64, parent: Option<usize>) -> usize {
        let number = self.nodes.len();
        match parent.and_then(|parent| self.nodes.get_mut(parent)) {
            Some(parent) => parent.children.push(number),
            None => self.tops.push(number),
        }
        self.nodes.push(Node {
            offset,
            children: Vec::new(),
        });
        number
    }

    /// The number of objects.
    pub fn len(&self) -> usize {
        self.nodes.len()
    }

    /// The tree in the form of the file.
    pub fn encode(&self) -> Result<Vec<u8>, Error> {
        let sizes = self.sizes();
        let mut bytes = Vec::new();
        // The naming contexts have nodes of their own even if nothing is beneath them.
        self.encode_node(TOP, &self.tops, &[], &sizes, &mut bytes)?;
        let mut waiting: Vec<usize> = self.tops.iter().rev().copied().collect();
        while let Some(node) = waiting.pop().and_then(|number| self.nodes.get(number)) {
            let (branches, leaves) = self.parted(&node.children);
            let offset = i64::try_from(node.offset).unwrap_or(i64::MAX);
            self.encode_node(offset, &branches, &leaves, &sizes, &mut bytes)?;
            waiting.extend(branches.iter().rev());
        }
        Ok(bytes)
    }

    fn encode_node(
        &self,
        offset: i64,
        branches: &[usize],
        leaves: &[usize],
        sizes: &[usize],
        bytes: &mut Vec<u8>,
    ) -> Result<(), Error> {
        bytes.extend(offset.to_le_bytes());
        bytes.extend(number(branches.len(), "the tree")?);
        bytes.extend(number(leaves.len(), "the tree")?);
        let mut next = own_size(branches.len(), leaves.len());
        for branch in branches {
            bytes.extend(number(next, "the tree")?);
            next += sizes.get(*branch).copied().unwrap_or(0);
        }
        for leaf in leaves.iter().filter_map(|leaf| self.nodes.get(*leaf)) {
            bytes.extend(leaf.offset.to_le_bytes());
        }
        Ok(())
    }

    /// The bytes of each object's node with those beneath it.
    fn sizes(&self) -> Vec<usize> {
        let mut sizes = vec![0; self.nodes.len()];
        // Children have higher numbers.
        for (number, node) in self.nodes.iter().enumerate().rev() {
            let (branches, leaves) = self.parted(&node.children);
            let beneath = branches.iter().filter_map(|branch| sizes.get(*branch));
            let beneath: usize = beneath.sum();
            if let Some(size) = sizes.get_mut(number) {
                *size = own_size(branches.len(), leaves.len()) + beneath;
            }
        }
        sizes
    }

    /// Those with children, and those without.
    fn parted(&self, children: &[usize]) -> (Vec<usize>, Vec<usize>) {
        let has_children = |child: &usize| {
            self.nodes
                .get(*child)
                .is_some_and(|node| !node.children.is_empty())
        };
        children.iter().partition(|child| has_children(child))
    }
}

fn own_size(branches: usize, leaves: usize) -> usize {
    16 + 4 * branches + 8 * leaves
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_object_is_found_from_the_top() {
        let mut tree = Tree::default();
        let top = tree.add(100, None);
        let folder = tree.add(200, Some(top));
        tree.add(300, Some(folder));
        tree.add(400, Some(top));
        let deep = tree.add(500, Some(folder));
        tree.add(600, Some(deep));
        tree.add(700, None);
        let bytes = tree.encode().expect("small");
        let u32_at = |at: usize| u32::from_le_bytes(bytes[at..at + 4].try_into().expect("4"));
        let u64_at = |at: usize| u64::from_le_bytes(bytes[at..at + 8].try_into().expect("8"));
        let mut found = Vec::new();
        let mut waiting = vec![0usize];
        while let Some(at) = waiting.pop() {
            found.push(u64_at(at) as i64);
            let (branches, leaves) = (u32_at(at + 8) as usize, u32_at(at + 12) as usize);
            for branch in 0..branches {
                waiting.push(at + u32_at(at + 16 + 4 * branch) as usize);
            }
            for leaf in 0..leaves {
                found.push(u64_at(at + 16 + 4 * branches + 8 * leaf) as i64);
            }
        }
        found.sort_unstable();
        assert_eq!(found, [-2, 100, 200, 300, 400, 500, 600, 700]);
    }
}
