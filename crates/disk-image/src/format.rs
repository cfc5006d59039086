//! Which format an image has.

use std::fmt;

use crate::bytes::{ReadAt, array};
use crate::error::{Error, Result};
use crate::fields;

/// The format of an image.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// The disk's bytes as they are, or a volume's.
    Raw,
    /// Of QEMU, versions 2 and 3.
    Qcow2,
    /// Of Virtual PC, and of Windows Server Backup.
    Vhd,
    /// Of Hyper-V, and of Windows Server Backup.
    Vhdx,
    /// Of VMware: a file with grains.
    VmdkSparse,
    /// Of VMware: the text that names the files.
    VmdkDescriptor,
}

impl fmt::Display for Format {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::Raw => "raw",
            Self::Qcow2 => "qcow2",
            Self::Vhd => "VHD",
            Self::Vhdx => "VHDX",
            Self::VmdkSparse | Self::VmdkDescriptor => "VMDK",
        })
    }
}

/// Bytes of a sector, in which formats count.
pub(crate) const SECTOR: u64 = 512;

/// The first bytes of a file that is a VMDK descriptor.
pub(crate) const DESCRIPTOR: &[u8] = b"# Disk DescriptorFile";

/// The format of a file; `None` if it is no image, nor a disk or volume.
///
/// # Errors
/// For an image of a format that is not read, with what to do; and where the file cannot be read.
pub fn format_of(file: &(impl ReadAt + ?Sized)) -> Result<Option<Format>> {
    let mut start = [0; SECTOR as usize];
    let length = usize::try_from(file.size()).unwrap_or(usize::MAX);
    let length = length.min(start.len());
    file.read_at(0, &mut start[..length])?;
    let convert = |what: &str, next: &str| Err(Error::refused(file.name(), what, next));
    let by_qemu = "convert it with qemu-img convert -O raw";
    if start.starts_with(b"QFI\xfb") {
        return Ok(Some(Format::Qcow2));
    }
    if start.starts_with(b"vhdxfile") {
        return Ok(Some(Format::Vhdx));
    }
    if start.starts_with(b"KDMV") {
        return Ok(Some(Format::VmdkSparse));
    }
    if start.starts_with(DESCRIPTOR) {
        return Ok(Some(Format::VmdkDescriptor));
    }
    if start.starts_with(b"COWD") {
        return convert("a snapshot's disk of an ESX server (COWD)", by_qemu);
    }
    if start.starts_with(b"EVF\x09\x0d\x0a\xff\0") || start.starts_with(b"EVF2\x0d\x0a\x81") {
        return convert(
            "an image of EnCase (EWF)",
            "export it with ewfexport -f raw (Debian: ewf-tools)",
        );
    }
    if fields::u32_le(&start, 64) == 0xbeda_107f {
        return convert("an image of VirtualBox (VDI)", by_qemu);
    }
    if start.starts_with(b"MSWIM\0\0\0") {
        return convert(
            "a Windows image file (WIM): no disk",
            "extract the database and its logs with wimlib-imagex extract, and name their folder",
        );
    }
    // A fixed VHD has its footer at its end only; a dynamic one a copy at its start.
    if start.starts_with(b"conectix") || ends_with_footer(file)? {
        return Ok(Some(Format::Vhd));
    }
    let is_volume = matches!(&start[3..11], b"NTFS    " | b"-FVE-FS-") || &start[3..7] == b"ReFS";
    Ok((is_volume || start[510..] == [0x55, 0xaa]).then_some(Format::Raw))
}

fn ends_with_footer(file: &(impl ReadAt + ?Sized)) -> Result<bool> {
    let Some(position) = file.size().checked_sub(SECTOR) else {
        return Ok(false);
    };
    Ok(&array::<8>(file, position)? == b"conectix")
}
