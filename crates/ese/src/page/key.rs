//! Keys: byte strings, of which a node stores only the part after the page's common prefix.

use std::cmp::Ordering;

/// The key of a node: the part in the page's prefix, and the node's own part.
#[derive(Debug, Clone, Copy, Default)]
pub struct Key<'a> {
    /// The leading bytes, taken from the page's external header.
    pub prefix: &'a [u8],
    /// The bytes stored in the node.
    pub suffix: &'a [u8],
}

impl<'a> Key<'a> {
    /// A key in one piece.
    pub fn whole(bytes: &'a [u8]) -> Self {
        Self {
            prefix: &[],
            suffix: bytes,
        }
    }

    /// The length in bytes.
    #[inline]
    pub fn len(&self) -> usize {
        self.prefix.len() + self.suffix.len()
    }

    /// Whether the key has no bytes: the null key, which in a branch page is greater than all keys.
    #[inline]
    pub fn is_empty(&self) -> bool {
        self.prefix.is_empty() && self.suffix.is_empty()
    }

    /// The bytes in order.
    pub fn bytes(&self) -> impl Iterator<Item = u8> + Clone + 'a {
        self.prefix.iter().chain(self.suffix).copied()
    }

    /// The byte at `index`.
    pub fn get(&self, index: usize) -> Option<u8> {
        match index.checked_sub(self.prefix.len()) {
            None => self.prefix.get(index).copied(),
            Some(index) => self.suffix.get(index).copied(),
        }
    }

    /// A copy in one piece.
    pub fn to_vec(&self) -> Vec<u8> {
        [self.prefix, self.suffix].concat()
    }

    /// Appends the bytes to `out`.
    pub fn append_to(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(self.prefix);
        out.extend_from_slice(self.suffix);
    }

    /// Whether the key begins with `start`.
    pub fn starts_with(&self, start: &[u8]) -> bool {
        match start.split_at_checked(self.prefix.len()) {
            Some((head, rest)) => self.prefix == head && self.suffix.starts_with(rest),
            None => self.prefix.starts_with(start),
        }
    }

    /// Compares this key with the concatenation of `pieces`, byte by byte; a shorter key precedes
    /// its continuations.
    pub fn cmp_pieces(&self, pieces: &[&[u8]]) -> Ordering {
        let (mut own, mut own_next) = (self.prefix, self.suffix);
        for piece in pieces {
            let mut other = *piece;
            loop {
                let len = own.len().min(other.len());
                let (own_head, own_rest) = own.split_at(len);
                let (other_head, other_rest) = other.split_at(len);
                match cmp_pair(own_head, other_head) {
                    Ordering::Equal => {}
                    order => return order,
                }
                (own, other) = (own_rest, other_rest);
                if other.is_empty() {
                    break;
                }
                if own.is_empty() {
                    if own_next.is_empty() {
                        return Ordering::Less;
                    }
                    own = std::mem::take(&mut own_next);
                }
            }
        }
        if own.is_empty() && own_next.is_empty() {
            Ordering::Equal
        } else {
            Ordering::Greater
        }
    }
}

impl<'a> From<&'a [u8]> for Key<'a> {
    fn from(bytes: &'a [u8]) -> Self {
        Self::whole(bytes)
    }
}

impl PartialEq for Key<'_> {
    fn eq(&self, other: &Self) -> bool {
        self.len() == other.len() && self.cmp(other) == Ordering::Equal
    }
}

impl Eq for Key<'_> {}

impl PartialOrd for Key<'_> {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Key<'_> {
    #[inline]
    fn cmp(&self, other: &Self) -> Ordering {
        // Nodes of a page share its prefix, so it need not be compared.
        if self.prefix.len() == other.prefix.len()
            && std::ptr::eq(self.prefix.as_ptr(), other.prefix.as_ptr())
        {
            return cmp_bytes(self.suffix, other.suffix);
        }
        self.cmp_pieces(&[other.prefix, other.suffix])
    }
}

/// Compares two byte strings of the same length. Those of keys are mostly so short that calling a
/// function for it takes longer than the comparison.
#[inline]
fn cmp_pair(left: &[u8], right: &[u8]) -> Ordering {
    const SHORT: usize = 8;
    if left.len() > SHORT {
        return left.cmp(right);
    }
    let mut pairs = left.iter().zip(right);
    let differs = pairs.find(|(left, right)| left != right);
    differs.map_or(Ordering::Equal, |(left, right)| left.cmp(right))
}

/// Compares two byte strings; most differ in their first bytes.
#[inline]
fn cmp_bytes(left: &[u8], right: &[u8]) -> Ordering {
    if let (Some(a), Some(b)) = (left.first_chunk(), right.first_chunk()) {
        let (a, b) = (u64::from_be_bytes(*a), u64::from_be_bytes(*b));
        if a != b {
            return a.cmp(&b);
        }
    }
    left.cmp(right)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn order_does_not_depend_on_where_a_key_is_cut(
            a in prop::collection::vec(0u8..3, 0..8), b in prop::collection::vec(0u8..3, 0..8),
            cut_a in 0usize..9, cut_b in 0usize..9,
        ) {
            fn cut(bytes: &[u8], at: usize) -> Key<'_> {
                let (prefix, suffix) = bytes.split_at(at.min(bytes.len()));
                Key { prefix, suffix }
            }
            let (left, right) = (cut(&a, cut_a), cut(&b, cut_b));
            prop_assert_eq!(left.cmp(&right), a.cmp(&b));
            prop_assert_eq!(left == right, a == b);
            prop_assert_eq!(left.starts_with(&b), a.starts_with(&b));
            prop_assert_eq!(left.to_vec(), a);
        }
    }
}
