//! VHDX: [MS-VHDX], "Virtual Hard Disk v2 (VHDX) File Format".

mod log;
mod metadata;
mod patched;
mod regions;

use std::sync::Arc;

use self::metadata::Metadata;
use crate::blocks::{Blocks, Place};
use crate::bytes::{ReadAt, array, check_range};
use crate::error::{Error, Result};
use crate::fields::u64_le;

const MIB: u64 = 1 << 20;

/// The disk in a VHDX image. Its table of blocks stays in the file.
pub(crate) struct Vhdx {
    /// With its log replayed.
    file: Arc<dyn ReadAt>,
    size: u64,
    block: u64,
    /// The table of blocks.
    table: u64,
    /// Blocks between two entries for maps of sectors.
    chunk: u64,
}

impl Vhdx {
    pub(crate) fn open(file: Arc<dyn ReadAt>) -> Result<Self> {
        let header = regions::header(&*file)?;
        let file = log::replayed(file, &header)?;
        let regions = regions::read(&*file)?;
        let metadata = Metadata::read(&*file, regions.metadata)?;
        let Metadata {
            size,
            block,
            sector,
        } = metadata;
        let chunk = (u64::from(sector) << 23) / block;
        let blocks = size.div_ceil(block);
        // The last entry for a map may be missing where nothing follows.
        let entries = blocks + blocks.saturating_sub(1) / chunk;
        if entries * 8 > u64::from(regions.table.1) {
            return Err(Error::damaged(
                file.name(),
                "VHDX table of blocks",
                regions.table.0,
                format_args!("{entries} entries of 8 bytes"),
                format_args!("{} bytes", regions.table.1),
            ));
        }
        check_range(&*file, regions.table.0, regions.table.1 as usize)?;
        Ok(Self {
            size,
            block,
            table: regions.table.0,
            chunk,
            file,
        })
    }
}

impl Blocks for Vhdx {
    fn size(&self) -> u64 {
        self.size
    }

    fn place(&self, position: u64) -> Result<(Place, u64)> {
        let number = position / self.block;
        let inside = position & (self.block - 1);
        let rest = self.block - inside;
        let at = self.table + (number + number / self.chunk) * 8;
        let entry = u64_le(&array::<8>(&*self.file, at)?, 0);
        let place = match entry & 7 {
            // Not present, undefined, zero, unmapped: without a parent all read as zeros.
            0..=3 => Place::Zero,
            6 => Place::File(((entry >> 20) * MIB).saturating_add(inside)),
            state => {
                return Err(Error::damaged(
                    self.file.name(),
                    format_args!("VHDX entry of block {number}"),
                    at,
                    "a state of a disk without a parent (0 to 3, 6)",
                    state,
                ));
            }
        };
        Ok((place, rest))
    }

    fn file(&self) -> &dyn ReadAt {
        &*self.file
    }

    fn parent(&self) -> Option<&Arc<dyn ReadAt>> {
        None
    }
}
