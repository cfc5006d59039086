//! Which snapshots continue which, as far as their manifests say: where each chain begins, and where
//! a link of it is missing.

use std::collections::HashMap;

use crate::words::short_id;

/// A snapshot, as far as its place in a chain goes.
pub struct Link<'l> {
    /// Its id.
    pub id: &'l str,
    /// The id of the snapshot that it is a copy of.
    pub original: Option<&'l str>,
    /// Of logs alone: the id of the snapshot that they continue, or of the copy of that.
    pub continues: Option<&'l str>,
}

/// Snapshots and what they continue, by their positions.
pub struct Lineage {
    previous: Vec<Option<usize>>,
    gaps: Vec<Option<usize>>,
}

impl Lineage {
    /// Of the snapshots of a repository or of a server, in any order.
    pub fn of<'l>(links: impl IntoIterator<Item = Link<'l>>) -> Self {
        let links: Vec<Link<'_>> = links.into_iter().collect();
        let mut positions = HashMap::new();
        for (position, link) in links.iter().enumerate() {
            for id in [Some(link.id), link.original].into_iter().flatten() {
                positions.entry(id).or_insert(position);
            }
        }
        let previous: Vec<Option<usize>> = (links.iter())
            .map(|link| positions.get(link.continues?).copied())
            .collect();
        let mut known: Vec<Option<Option<usize>>> = vec![None; links.len()];
        for start in 0..links.len() {
            let (mut path, mut next) = (Vec::new(), start);
            let gap = loop {
                if let Some(gap) = known[next] {
                    break gap;
                }
                // Until the walk is over: one that meets itself has no beginning.
                known[next] = Some(Some(next));
                path.push(next);
                match previous[next] {
                    Some(earlier) => next = earlier,
                    None => break links[next].continues.map(|_| next),
                }
            };
            for position in path {
                known[position] = Some(gap);
            }
        }
        Self {
            previous,
            gaps: known.into_iter().map(Option::flatten).collect(),
        }
    }

    /// The snapshot that one continues, if it is there.
    pub fn previous(&self, position: usize) -> Option<usize> {
        self.previous[position]
    }

    /// The snapshot of a chain whose predecessor is missing; `None` if the chain begins with a whole
    /// directory.
    pub fn gap(&self, position: usize) -> Option<usize> {
        self.gaps[position]
    }

    /// A snapshot and those before it in its chain, as far as they are there.
    pub fn chain(&self, position: usize) -> impl Iterator<Item = usize> {
        // A circle ends where it meets itself.
        std::iter::successors(Some(position), |position| self.previous[*position])
            .take(self.previous.len())
    }
}

/// Says that the snapshot of this id, which logs continue, is missing.
pub fn in_words(missing: &str) -> String {
    let name = short_id(missing);
    format!("these logs continue snapshot {name}, which is not in the repository")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn link<'l>(id: &'l str, continues: Option<&'l str>) -> Link<'l> {
        Link {
            id,
            original: None,
            continues,
        }
    }

    #[test]
    fn a_chain_leads_to_its_beginning_or_to_its_gap() {
        let lineage = Lineage::of([
            link("whole", None),
            link("1", Some("whole")),
            link("2", Some("1")),
            link("orphan", Some("gone")),
            link("later", Some("orphan")),
            link("circle", Some("round")),
            link("round", Some("circle")),
            Link {
                original: Some("elsewhere"),
                ..link("copy", None)
            },
            link("3", Some("elsewhere")),
        ]);
        let gaps: Vec<_> = (0..9).map(|position| lineage.gap(position)).collect();
        let (orphan, circle) = (Some(3), Some(5));
        assert_eq!(
            gaps,
            [None, None, None, orphan, orphan, circle, circle, None, None]
        );
        assert_eq!(lineage.chain(2).collect::<Vec<_>>(), [2, 1, 0]);
        assert_eq!(lineage.previous(8), Some(7));
        assert_eq!(lineage.chain(5).count(), 9, "bounded");
    }
}
