//! VMDK: "Virtual Disk Format 5.0", VMware 2011.

mod descriptor;
mod sparse;

use std::sync::Arc;

use self::descriptor::{Descriptor, Extent, ExtentKind};
use self::sparse::Sparse;
use crate::blocks::Mapped;
use crate::bytes::{Part, ReadAt, check_range, vector};
use crate::error::{Error, Result};
use crate::format::SECTOR;
use crate::siblings::Siblings;

/// The longest descriptor that is read.
const LONGEST_DESCRIPTOR: usize = 1 << 20;

/// Opens a file with grains: the whole disk (monolithicSparse, streamOptimized), or one extent.
pub(crate) fn open_sparse(
    file: Arc<dyn ReadAt>,
    siblings: &dyn Siblings,
) -> Result<Arc<dyn ReadAt>> {
    let header = sparse::Header::read(&*file)?;
    let parent = match header.descriptor()? {
        None => None,
        Some((start, length)) => {
            let text = vector(&*file, start, length, LONGEST_DESCRIPTOR, "VMDK descriptor")?;
            let descriptor = Descriptor::parse(file.name(), &text)?;
            parent_of(file.name(), &descriptor, siblings)?
        }
    };
    Ok(Arc::new(Mapped(Sparse::open(file, header, parent)?)))
}

/// Opens the disk of a descriptor in a file of its own.
pub(crate) fn open_descriptor(
    file: &dyn ReadAt,
    siblings: &dyn Siblings,
) -> Result<Arc<dyn ReadAt>> {
    let text = vector(file, 0, file.size(), LONGEST_DESCRIPTOR, "VMDK descriptor")?;
    let descriptor = Descriptor::parse(file.name(), &text)?;
    let parent = parent_of(file.name(), &descriptor, siblings)?;
    let mut extents = Vec::new();
    let mut size = 0u64;
    for extent in &descriptor.extents {
        // The number of sectors was checked when it was read.
        let length = extent.sectors * SECTOR;
        let disk = open_extent(file.name(), extent, length, parent.as_ref(), size, siblings)?;
        extents.push((size, disk));
        size = size.checked_add(length).ok_or_else(|| {
            Error::damaged(
                file.name(),
                "VMDK descriptor",
                0,
                "a disk",
                "far too many sectors",
            )
        })?;
    }
    if extents.is_empty() {
        return Err(Error::damaged(
            file.name(),
            "VMDK descriptor",
            0,
            "extents",
            "none",
        ));
    }
    Ok(Arc::new(Joined {
        extents,
        size,
        name: file.name().to_owned(),
    }))
}

fn open_extent(
    name: &str,
    extent: &Extent,
    length: u64,
    parent: Option<&Arc<dyn ReadAt>>,
    start: u64,
    siblings: &dyn Siblings,
) -> Result<Option<Arc<dyn ReadAt>>> {
    Ok(match &extent.kind {
        ExtentKind::Zero => None,
        ExtentKind::Flat { file, start } => {
            let file = siblings.file(file)?;
            let name = file.name().to_owned();
            let position = start.saturating_mul(SECTOR);
            Some(Arc::new(Part::new(file, position, length, name)?))
        }
        ExtentKind::Sparse { file } => {
            let file = siblings.file(file)?;
            let header = sparse::Header::read(&*file)?;
            // The part of the parent that this extent differs from.
            let parent: Option<Arc<dyn ReadAt>> = match parent {
                None => None,
                Some(whole) => {
                    let length = length.min(whole.size().saturating_sub(start));
                    let name = whole.name().to_owned();
                    Some(Arc::new(Part::new(
                        Arc::clone(whole),
                        start.min(whole.size()),
                        length,
                        name,
                    )?))
                }
            };
            let disk = Mapped(Sparse::open(file, header, parent)?);
            if disk.size() < length {
                return Err(Error::damaged(
                    name,
                    format_args!("extent {}", disk.name()),
                    0,
                    format_args!("{length} bytes"),
                    format_args!("{} bytes", disk.size()),
                ));
            }
            Some(Arc::new(disk))
        }
    })
}

/// The disk that this one, a snapshot's, differs from.
fn parent_of(
    name: &str,
    descriptor: &Descriptor,
    siblings: &dyn Siblings,
) -> Result<Option<Arc<dyn ReadAt>>> {
    match &descriptor.parent {
        None => Ok(None),
        Some(Some(parent)) => siblings.image(parent).map(Some),
        Some(None) => Err(Error::refused(
            name,
            "it differs from a parent (a snapshot of VMware), whose file it does not name",
            "consolidate the snapshots of the virtual machine, or clone the disk with vmkfstools \
             -i or vmware-vdiskmanager -r, and name the result",
        )),
    }
}

/// Extents, one after the other. One without a file is zeros.
struct Joined {
    extents: Vec<(u64, Option<Arc<dyn ReadAt>>)>,
    size: u64,
    name: String,
}

/// An extent in its disk.
struct Joint<'d> {
    start: u64,
    end: u64,
    /// `None` for zeros.
    extent: Option<&'d Arc<dyn ReadAt>>,
}

impl Joined {
    /// The extent at a position.
    fn at(&self, position: u64) -> Option<Joint<'_>> {
        let after = self
            .extents
            .partition_point(|(start, _)| *start <= position);
        let (start, extent) = self.extents.get(after.checked_sub(1)?)?;
        let end = self.extents.get(after).map_or(self.size, |next| next.0);
        Some(Joint {
            start: *start,
            end,
            extent: extent.as_ref(),
        })
    }
}

impl ReadAt for Joined {
    fn size(&self) -> u64 {
        self.size
    }

    fn read_at(&self, mut position: u64, mut buffer: &mut [u8]) -> Result<()> {
        check_range(self, position, buffer.len())?;
        while !buffer.is_empty() {
            let Some(Joint { start, end, extent }) = self.at(position) else {
                break;
            };
            let length = usize::try_from(end - position).unwrap_or(usize::MAX);
            let (now, rest) = buffer.split_at_mut(length.min(buffer.len()));
            match extent {
                Some(extent) => extent.read_at(position - start, now)?,
                None => now.fill(0),
            }
            position += now.len() as u64;
            buffer = rest;
        }
        Ok(())
    }

    fn name(&self) -> &str {
        &self.name
    }

    fn hole_end(&self, position: u64) -> Result<u64> {
        let Some(Joint { start, end, extent }) = self.at(position) else {
            return Ok(position);
        };
        match extent {
            Some(extent) if position < end => {
                let hole = extent.hole_end(position - start)?;
                Ok(hole.saturating_add(start).clamp(position, end))
            }
            None => Ok(end.max(position)),
            _ => Ok(position),
        }
    }
}
