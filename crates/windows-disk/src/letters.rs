//! Which volume a drive letter means: `SYSTEM\MountedDevices`.

use disk_image::Result;
use disk_image::fields::{at, u32_le, u64_le};

use crate::disks::Place;
use crate::hive::Hive;
use crate::partitions::PartitionId;

/// A path with a drive letter, split.
pub(crate) fn split(path: &str) -> (Option<char>, &str) {
    // \\?\C:\... and \??\C:\... name the same.
    let path = path.strip_prefix(r"\\?\").unwrap_or(path);
    let path = path.strip_prefix(r"\??\").unwrap_or(path);
    let mut letters = path.chars();
    match (letters.next(), letters.next()) {
        (Some(letter), Some(':')) if letter.is_ascii_alphabetic() => {
            (Some(letter.to_ascii_uppercase()), &path[2..])
        }
        _ => (None, path),
    }
}

/// The position of the volume that a letter means; `None` if the registry does not say, or names one
/// that is not here.
pub(crate) fn volume_of(hive: &Hive, letter: char, volumes: &[Place]) -> Result<Option<usize>> {
    let Some(key) = hive.key("MountedDevices")? else {
        return Ok(None);
    };
    let value = hive.value(&key, &format!(r"\DosDevices\{letter}:"))?;
    let Some(device) = value.as_ref().and_then(|value| value.binary()) else {
        return Ok(None);
    };
    // On MBR disks the disk's signature and the first byte; on GPT disks the partition's GUID.
    Ok(match (device.len(), device.strip_prefix(b"DMIO:ID:")) {
        (12, _) => volumes.iter().position(|place| {
            place.id == PartitionId::Mbr(u32_le(device, 0)) && place.start == u64_le(device, 4)
        }),
        (24, Some(guid)) => {
            (volumes.iter()).position(|place| place.id == PartitionId::Gpt(at(guid, 0)))
        }
        _ => None,
    })
}

#[cfg(test)]
mod tests {
    use super::split;

    #[test]
    fn a_letter_is_taken_off() {
        assert_eq!(split(r"d:\NTDS\ntds.dit"), (Some('D'), r"\NTDS\ntds.dit"));
        assert_eq!(split(r"\\?\C:\x"), (Some('C'), r"\x"));
        assert_eq!(split(r"Windows/NTDS"), (None, "Windows/NTDS"));
        assert_eq!(split("ä:"), (None, "ä:"));
        assert_eq!(split(""), (None, ""));
    }
}
