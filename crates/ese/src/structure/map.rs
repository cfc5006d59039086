//! The owner and the use of each page.

use std::sync::atomic::{AtomicU32, Ordering};

use crate::page::{Fault, Pgno};

/// The owner of every page, by the space trees, and its use, by the references to it.
pub(super) struct PageMap {
    owners: Vec<AtomicU32>,
    uses: Vec<AtomicU32>,
}

/// The use of a page.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Use {
    /// It holds nodes of the object's tree.
    Nodes,
    /// It holds nodes of one of the object's space trees.
    Space,
    /// It is available to the object.
    Available,
    /// It is reserved for the growth of the object's space trees.
    Reserve,
    /// It is available or reserved by a record that the engine's check does not read: the bits of a
    /// single extent, and the reserves of the database's own space trees.
    Spare,
}

/// The position of an object in the list of objects.
pub(super) type ObjectNumber = u32;

const USES: [Use; 5] = [
    Use::Nodes,
    Use::Space,
    Use::Available,
    Use::Reserve,
    Use::Spare,
];

impl PageMap {
    /// A map of the pages 1 to `pages`.
    pub fn new(pages: u32) -> Self {
        let blank = || (0..=pages).map(|_| AtomicU32::new(0)).collect();
        Self {
            owners: blank(),
            uses: blank(),
        }
    }

    pub fn last(&self) -> Pgno {
        (self.uses.len() - 1) as Pgno
    }

    pub fn owner(&self, page: Pgno) -> Option<ObjectNumber> {
        let owner = self.owners.get(page as usize)?.load(Ordering::Relaxed);
        owner.checked_sub(1)
    }

    /// Hands the page over from `from` to `to`, or returns its actual owner.
    pub fn hand_over(
        &self,
        page: Pgno,
        from: Option<ObjectNumber>,
        to: ObjectNumber,
    ) -> Result<(), Option<ObjectNumber>> {
        let Some(owner) = self.owners.get(page as usize) else {
            return Err(None);
        };
        let from = from.map_or(0, |from| from + 1);
        match owner.compare_exchange(from, to + 1, Ordering::Relaxed, Ordering::Relaxed) {
            Ok(_) => Ok(()),
            Err(other) => Err(other.checked_sub(1)),
        }
    }

    pub fn usage(&self, page: Pgno) -> Option<(ObjectNumber, Use)> {
        decode(self.uses.get(page as usize)?.load(Ordering::Relaxed))
    }

    /// Records a use of the page, or returns its present use. A spare page may get another use:
    /// `Ok(Some(...))` is its former owner.
    pub fn mark(
        &self,
        page: Pgno,
        object: ObjectNumber,
        usage: Use,
    ) -> Result<Option<ObjectNumber>, (ObjectNumber, Use)> {
        let Some(place) = self.uses.get(page as usize) else {
            return Ok(None);
        };
        let mark = (object << 3 | usage as u32) + 1;
        let replace =
            |from| place.compare_exchange(from, mark, Ordering::Relaxed, Ordering::Relaxed);
        match replace(0) {
            Ok(_) => Ok(None),
            Err(other) => match decode(other) {
                Some((spare, Use::Spare)) if replace(other).is_ok() => Ok(Some(spare)),
                user => Err(user.unwrap_or((object, usage))),
            },
        }
    }
}

fn decode(mark: u32) -> Option<(ObjectNumber, Use)> {
    let mark = mark.checked_sub(1)?;
    Some((mark >> 3, *USES.get((mark & 7) as usize)?))
}

impl Use {
    /// The fault of a page with this use that is also a spare page of the object `of`.
    #[cold]
    pub fn of_spare(self, page: Pgno, of: &str) -> Fault {
        let (expected, found) = (
            format!("{self} and nothing else"),
            format!("{}, of {of}", Use::Spare),
        );
        Fault::new(page, "page", expected, found)
    }
}

impl std::fmt::Display for Use {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Use::Nodes => "a page of the tree",
            Use::Space => "a page of the space trees",
            Use::Available | Use::Spare => "an available page",
            Use::Reserve => "a reserve of the space trees",
        })
    }
}
