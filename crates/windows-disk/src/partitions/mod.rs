//! The partitions of a disk.

mod gpt;
mod mbr;

use disk_image::{ReadAt, Result};

/// A partition, in bytes of its disk.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Partition {
    /// Its number, counted from 1; 0 for a disk that is one volume.
    pub number: u32,
    /// Its first byte.
    pub start: u64,
    /// Its length.
    pub length: u64,
    /// What a registry calls it.
    pub id: PartitionId,
    /// What is known of it by its type: why it cannot be read.
    pub note: Option<&'static str>,
}

/// What a registry calls a partition.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PartitionId {
    /// The disk's signature; the partition's first byte comes with it.
    Mbr(u32),
    /// The GUID of the partition.
    Gpt([u8; 16]),
    /// A volume without a disk.
    None,
}

/// Why partitions of dynamic disks and storage spaces are not read.
const DYNAMIC: &str = "it belongs to a dynamic disk (LDM), which is not read; copy the database and \
    its logs out with a Windows or Linux (ldmtool) that has the disk, and name their folder";
const STORAGE_SPACE: &str = "it belongs to a storage space, which is not read; copy the database and \
    its logs out with a Windows that has the disks, and name their folder";

/// The partitions of a disk; one with the number 0 for a disk that is a volume.
///
/// # Errors
/// For a table that is damaged.
pub fn partitions(disk: &dyn ReadAt) -> Result<Vec<Partition>> {
    let sector: [u8; 512] = disk_image::array(disk, 0)?;
    if crate::boot::kind_of(&sector).is_some() {
        return Ok(vec![Partition {
            number: 0,
            start: 0,
            length: disk.size(),
            id: PartitionId::None,
            note: None,
        }]);
    }
    match mbr::read(disk, &sector)? {
        mbr::Table::Own(partitions) => Ok(partitions),
        mbr::Table::Protective => gpt::read(disk),
    }
}
