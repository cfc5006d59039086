//! VHD: "Virtual Hard Disk Image Format Specification", Microsoft 2006.

use std::sync::Arc;

use crate::blocks::{Blocks, Mapped, Place};
use crate::bytes::{Part, ReadAt, array, check_range};
use crate::error::{Error, Result};
use crate::fields::{at, shown, u32_be, u64_be};
use crate::format::SECTOR;
use crate::siblings::Siblings;

/// An entry of the table for a block that is not in the file.
const NOWHERE: u32 = u32::MAX;

/// The end of every file: what the disk is.
struct Footer {
    /// Of the dynamic header.
    header: u64,
    size: u64,
    kind: u32,
    /// The identity, which those that differ from it name.
    id: [u8; 16],
}

impl Footer {
    /// Reads the footer at the end or, if that is damaged, its copy at the start.
    fn read(file: &dyn ReadAt) -> Result<Self> {
        let end = file.size().saturating_sub(SECTOR);
        match Self::at(file, end) {
            Ok(footer) => Ok(footer),
            Err(error) => Self::at(file, 0).map_err(|_| error),
        }
    }

    fn at(file: &dyn ReadAt, position: u64) -> Result<Self> {
        let bytes: [u8; SECTOR as usize] = array(file, position)?;
        check(file, "VHD footer", position, &bytes, b"conectix", 64)?;
        Ok(Self {
            header: u64_be(&bytes, 16),
            size: u64_be(&bytes, 48),
            kind: u32_be(&bytes, 60),
            id: at(&bytes, 68),
        })
    }
}

/// Checks the signature and the checksum of a structure: the complement of the sum of its bytes.
fn check(
    file: &dyn ReadAt,
    structure: &str,
    position: u64,
    bytes: &[u8],
    signature: &[u8],
    checksum: usize,
) -> Result<()> {
    let found = &bytes[..signature.len()];
    if found != signature {
        return Err(Error::damaged(
            file.name(),
            structure,
            position,
            shown(signature),
            shown(found),
        ));
    }
    let others = bytes.iter().enumerate();
    let others = others.filter(|(index, _)| !(checksum..checksum + 4).contains(index));
    let sum = others.fold(0u32, |sum, (_, byte)| sum.wrapping_add(u32::from(*byte)));
    let stored = u32_be(bytes, checksum);
    match !sum == stored {
        true => Ok(()),
        false => Err(Error::damaged(
            file.name(),
            structure,
            position,
            format_args!("checksum {:#010x}", !sum),
            format_args!("{stored:#010x}"),
        )),
    }
}

/// Opens a VHD: fixed, dynamic, or one that differs from a parent beside it.
pub(crate) fn open(file: Arc<dyn ReadAt>, siblings: &dyn Siblings) -> Result<Arc<dyn ReadAt>> {
    let footer = Footer::read(&*file)?;
    match footer.kind {
        2 => {
            let name = file.name().to_owned();
            Ok(Arc::new(Part::new(file, 0, footer.size, name)?))
        }
        3 | 4 => Ok(Arc::new(Mapped(Dynamic::open(file, &footer, siblings)?))),
        kind => Err(Error::damaged(
            file.name(),
            "VHD footer",
            60,
            "a fixed, dynamic or differencing disk (2, 3, 4)",
            kind,
        )),
    }
}

struct Dynamic {
    file: Arc<dyn ReadAt>,
    parent: Option<Arc<dyn ReadAt>>,
    size: u64,
    /// The table of blocks.
    table: u64,
    block: u64,
    /// Bytes of the map of sectors before each block.
    map: u64,
}

impl Dynamic {
    fn open(file: Arc<dyn ReadAt>, footer: &Footer, siblings: &dyn Siblings) -> Result<Self> {
        let header: [u8; 1024] = array(&*file, footer.header)?;
        check(
            &*file,
            "VHD dynamic header",
            footer.header,
            &header,
            b"cxsparse",
            36,
        )?;
        let table = u64_be(&header, 16);
        let entries = u32_be(&header, 28);
        let block = u64::from(u32_be(&header, 32));
        let damaged = |offset: u64, expected: &str, actual: String| {
            let position = footer.header.saturating_add(offset);
            Error::damaged(
                file.name(),
                "VHD dynamic header",
                position,
                expected,
                actual,
            )
        };
        if !block.is_power_of_two() || block < SECTOR {
            let actual = format!("{block} bytes");
            return Err(damaged(32, "blocks of a power of two of 512 bytes", actual));
        }
        if footer.size.div_ceil(block) > u64::from(entries) {
            let expected = format!("a block for each {block} of {} bytes", footer.size);
            return Err(damaged(28, &expected, format!("{entries} blocks")));
        }
        check_range(&*file, table, (entries as usize).saturating_mul(4))?;
        let parent = match footer.kind {
            4 => Some(Self::parent(&*file, &header, siblings)?),
            _ => None,
        };
        Ok(Self {
            parent,
            size: footer.size,
            table,
            block,
            // A bit for each sector, in whole sectors.
            map: (block / SECTOR).div_ceil(8).next_multiple_of(SECTOR),
            file,
        })
    }

    fn parent(
        file: &dyn ReadAt,
        header: &[u8],
        siblings: &dyn Siblings,
    ) -> Result<Arc<dyn ReadAt>> {
        let units = (64..576).step_by(2).map(|offset| {
            let [high, low] = at(header, offset);
            u16::from_be_bytes([high, low])
        });
        let units: Vec<u16> = units.take_while(|unit| *unit != 0).collect();
        let name = String::from_utf16_lossy(&units);
        // The identity is in its footer, which its disk does not show.
        let found = Footer::read(&*siblings.file(&name)?)?.id;
        let expected: [u8; 16] = at(header, 40);
        if found != expected {
            return Err(Error::refused(
                file.name(),
                format_args!("it differs from another disk than the {name} beside it"),
                "put the right parent beside it, or merge the two where they were made",
            ));
        }
        siblings.image(&name)
    }
}

impl Blocks for Dynamic {
    fn size(&self) -> u64 {
        self.size
    }

    fn place(&self, position: u64) -> Result<(Place, u64)> {
        let inside = position & (self.block - 1);
        let rest = self.block - inside;
        let entry: [u8; 4] = array(&*self.file, self.table + position / self.block * 4)?;
        let entry = u32_be(&entry, 0);
        if entry == NOWHERE {
            return Ok((Place::Parent, rest));
        }
        let start = u64::from(entry) * SECTOR;
        let data = Place::File(start + self.map + inside);
        if self.parent.is_none() {
            // Sectors that were never written are zeros in the file, too.
            return Ok((data, rest));
        }
        // One sector at a time: the parent has those whose bit is not set.
        let sector = inside / SECTOR;
        let [bits]: [u8; 1] = array(&*self.file, start + sector / 8)?;
        let rest = SECTOR - inside % SECTOR;
        Ok(match bits & 0x80 >> (sector % 8) {
            0 => (Place::Parent, rest),
            _ => (data, rest),
        })
    }

    fn file(&self) -> &dyn ReadAt {
        &*self.file
    }

    fn parent(&self) -> Option<&Arc<dyn ReadAt>> {
        self.parent.as_ref()
    }
}
