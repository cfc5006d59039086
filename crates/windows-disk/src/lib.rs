//! Finds a directory on the disks of a Windows server: in a disk's image, in several, or in a folder of
//! Windows Server Backup; and copies its database and logs out.
//!
//! ```text
//! images ─▶ disks ─▶ partitions (MBR, GPT) ─▶ ntfs ─┬─▶ hive: where NTDS keeps its files
//!                                                   │     └─▶ letters: on which volume that is
//!                                                   └─▶ directory ─▶ copy
//! ```
//!
//! Images come from anywhere: every walk through one ends, and every length in one is bounded.
#![forbid(unsafe_code)]

mod boot;
mod copy;
mod directory;
mod disks;
mod hive;
mod images;
mod letters;
mod names;
mod ntfs;
mod partitions;

pub use directory::{FileInImage, Found};
pub use disk_image::{Error, Result};
pub use disks::Disks;
pub use hive::{Hive, Key, Value};
pub use images::images_at;
pub use ntfs::{Entry, Stream, Volume};
pub use partitions::{Partition, PartitionId, partitions};
