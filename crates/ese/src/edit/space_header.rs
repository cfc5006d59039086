//! Writes the space header of a tree's root (`SPACE_HEADER`).

use super::EditPage;
use crate::page::{Fault, Pgno};

/// The space header of a new tree.
pub(crate) struct NewSpaceHeader {
    pub primary_pages: u32,
    pub parent: Pgno,
    pub multiple: bool,
    pub unique: bool,
    /// The available pages as bits, or the root of the owned extents.
    pub last: u32,
}

impl NewSpaceHeader {
    pub fn to_bytes(&self) -> [u8; 16] {
        const MULTIPLE: u8 = 1;
        const NON_UNIQUE: u8 = 2;
        let mut bytes = [0; 16];
        bytes[..4].copy_from_slice(&self.primary_pages.to_le_bytes());
        bytes[4..8].copy_from_slice(&self.parent.to_le_bytes());
        bytes[8] |= if self.multiple { MULTIPLE } else { 0 };
        bytes[8] |= if self.unique { 0 } else { NON_UNIQUE };
        bytes[12..].copy_from_slice(&self.last.to_le_bytes());
        bytes
    }
}

impl EditPage {
    /// Replaces the space header inside a root's external header, which may have other fields after
    /// it.
    pub fn set_space_header(&mut self, header: &[u8]) -> Result<(), Fault> {
        let start = match self.line(0)?.len() {
            16 => 0,
            // A byte of bits for the fields that follow.
            17.. => 1,
            len => {
                let found = format!("{len} bytes");
                return Err(self.fault("external header", "a space header of 16 bytes", found));
            }
        };
        match self.line_mut(0)?.get_mut(start..start + header.len()) {
            Some(place) => {
                place.copy_from_slice(header);
                Ok(())
            }
            None => Err(self.fault("external header", "room for a space header", "less")),
        }
    }

    /// Sets the root of the owned extents in the space header of a root.
    pub fn set_owned_root(&mut self, owned: Pgno) -> Result<(), Fault> {
        let mut header = match self.line(0)? {
            line if line.len() > 16 => line[1..].to_vec(),
            line => line.to_vec(),
        };
        match header.get_mut(12..16) {
            Some(place) => place.copy_from_slice(&owned.to_le_bytes()),
            None => {
                let found = format!("{} bytes", header.len());
                return Err(self.fault("external header", "a space header of 16 bytes", found));
            }
        }
        header.truncate(16);
        self.set_space_header(&header)
    }
}
