//! The invocation id of a restored NTDS: the identity of its database, under which partners record
//! how far they have its changes.
//!
//! A directory that goes on under the id of the backup gives new changes USNs that its partners
//! have already seen, so they ignore these changes: a USN rollback, which Active Directory does not
//! report. NTDS takes a new id when it starts with the registry value "Database restored from
//! backup" at 1, as Microsoft documents it. Each restore, by any program, writes that value as a
//! file beside the database, with instructions.

use std::io;
use std::path::Path;

/// The file that sets the registry value, for the Registry Editor.
pub const REGISTRY_FILE: &str = "dsbackup.restored-from-backup.reg";
/// The file with the instructions.
pub const INSTRUCTIONS_FILE: &str = "dsbackup.restored-from-backup.txt";

/// The registry key of NTDS, below `HKLM`.
pub const REGISTRY_KEY: &str = r"SYSTEM\CurrentControlSet\Services\NTDS\Parameters";
/// The name of the value.
pub const REGISTRY_VALUE: &str = "Database restored from backup";

/// Writes both files into the folder of a restored database, durably, in place of older ones.
/// `former` is the invocation id of the restored database, if known.
///
/// # Errors
/// If they cannot be written.
pub fn write_instructions(folder: &Path, former: Option<&str>) -> io::Result<()> {
    files::write_durably(folder, REGISTRY_FILE, &registry_file())?;
    files::write_durably(folder, INSTRUCTIONS_FILE, instructions(former).as_bytes())
}

/// The registry value in the Registry Editor's format: UTF-16, little-endian, with a byte order
/// mark.
fn registry_file() -> Vec<u8> {
    let text = format!(
        "Windows Registry Editor Version 5.00\r\n\r\n[HKEY_LOCAL_MACHINE\\{REGISTRY_KEY}]\r\n\
         \"{REGISTRY_VALUE}\"=dword:00000001\r\n"
    );
    std::iter::once(0xfeff)
        .chain(text.encode_utf16())
        .flat_map(u16::to_le_bytes)
        .collect()
}

fn instructions(former: Option<&str>) -> String {
    let former = former.unwrap_or("(unknown: the backup does not record it)");
    format!(
        "This directory was restored from a backup and still has the invocation id of the \
         backup:\r\n\
         {former}\r\n\r\n\
         If NTDS starts under it, the other domain controllers ignore its changes \
         (USN rollback).\r\n\
         On the server, before NTDS starts:\r\n\r\n\
         1. Start Windows in directory services restore mode (bcdedit /set safeboot dsrepair).\r\n\
         2. In HKLM\\{REGISTRY_KEY}\r\n\
         \x20  note \"DSA Previous Restore Count\"; if it is missing, it is 0.\r\n\
         3. reg import {REGISTRY_FILE}\r\n\
         4. Start Windows normally (bcdedit /deletevalue safeboot).\r\n\
         5. Event 1109 of the log Directory Service names the old and the new invocation id, \
         and the\r\n\
            count of step 2 is one higher. If not, take the server off the network, and \
            ask why.\r\n\r\n\
         A disk that is attached to another computer: reg load HKLM\\restored \
         X:\\Windows\\System32\\config\\SYSTEM,\r\n\
         set the value below HKLM\\restored\\ControlSet001\\Services\\NTDS\\Parameters \
         (Select\\Current names the\r\n\
         number), reg unload HKLM\\restored.\r\n"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_registry_file_is_what_the_registry_editor_reads() {
        let bytes = registry_file();
        assert_eq!(bytes[..2], [0xff, 0xfe]);
        let (units, rest) = bytes[2..].as_chunks::<2>();
        assert!(rest.is_empty());
        let units: Vec<u16> = units.iter().map(|unit| u16::from_le_bytes(*unit)).collect();
        let text = String::from_utf16(&units).expect("UTF-16");
        assert_eq!(
            text.lines().collect::<Vec<_>>(),
            [
                "Windows Registry Editor Version 5.00",
                "",
                "[HKEY_LOCAL_MACHINE\\SYSTEM\\CurrentControlSet\\Services\\NTDS\\Parameters]",
                "\"Database restored from backup\"=dword:00000001",
            ]
        );
    }
}
