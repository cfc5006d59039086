//! Scripts for `diskshadow`, the system's own tool for shadow copies of volumes: NTDS's writer takes
//! part, so that the database and its logs in the copy belong together.

use std::fmt::Write;

/// The writer of NTDS, as `diskshadow` and `vssadmin list writers` name it.
pub const NTDS_WRITER: &str = "{b2014c9e-8711-4c5c-a5a9-3cf384484757}";

/// Where the tool keeps what its writers said, in the folder in which it runs: it reads scripts in the
/// system's code page, in which a user's folder may have no name.
const METADATA: &str = "shadow-copy.cab";

/// A volume, and the drive under which its shadow copy is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Exposed {
    /// The volume's own letter.
    pub drive: char,
    /// The letter of the shadow copy, free until then.
    pub letter: char,
}

/// The path in the shadow copy of a path on one of the volumes.
pub fn in_shadow_copy(volumes: &[Exposed], path: &str) -> Option<String> {
    let drive = crate::places::drive(path)?;
    let volume = volumes.iter().find(|volume| volume.drive == drive)?;
    Some(format!("{}{}", volume.letter, path.get(1..)?))
}

/// Takes shadow copies of the volumes at one moment and exposes them. The copies stay until
/// [`delete_script`] deletes them.
pub fn create_script(volumes: &[Exposed]) -> String {
    let mut script = format!(
        "SET CONTEXT PERSISTENT\r\nSET METADATA {METADATA}\r\nSET VERBOSE ON\r\n\
         WRITER VERIFY {NTDS_WRITER}\r\nBEGIN BACKUP\r\n"
    );
    let mut line = |line: std::fmt::Arguments<'_>| {
        let _ = script.write_fmt(line);
        script.push_str("\r\n");
    };
    for Exposed { drive, .. } in volumes {
        line(format_args!("ADD VOLUME {drive}: ALIAS dsbackup_{drive}"));
    }
    line(format_args!("CREATE"));
    for Exposed { drive, letter } in volumes {
        line(format_args!("EXPOSE %dsbackup_{drive}% {letter}:"));
    }
    // The writers learn that the backup is complete.
    line(format_args!("END BACKUP"));
    script
}

/// Deletes the shadow copies that are exposed under these letters.
pub fn delete_script(letters: &[char]) -> String {
    let lines = letters
        .iter()
        .map(|letter| format!("DELETE SHADOWS EXPOSED {letter}:\r\n"));
    lines.collect()
}

/// The drives of a domain controller, each with one of the letters that are free. `used` has bit 0 for
/// A.
///
/// # Errors
/// How many letters are missing.
pub fn choose_letters(drives: &[char], used: u32) -> Result<Vec<Exposed>, usize> {
    let mut free = ('D'..='Z')
        .rev()
        .filter(|letter| used & (1 << (*letter as u32 - 65)) == 0);
    let chosen: Vec<Exposed> = (drives.iter())
        .map_while(|&drive| free.next().map(|letter| Exposed { drive, letter }))
        .collect();
    match drives.len() - chosen.len() {
        0 => Ok(chosen),
        missing => Err(missing),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const VOLUMES: [Exposed; 2] = [
        Exposed {
            drive: 'C',
            letter: 'Z',
        },
        Exposed {
            drive: 'E',
            letter: 'Y',
        },
    ];

    #[test]
    fn all_volumes_are_copied_at_one_moment_while_the_writer_of_ntds_takes_part() {
        let script = create_script(&VOLUMES);
        let lines: Vec<&str> = script.lines().collect();
        assert_eq!(
            lines,
            [
                "SET CONTEXT PERSISTENT",
                "SET METADATA shadow-copy.cab",
                "SET VERBOSE ON",
                "WRITER VERIFY {b2014c9e-8711-4c5c-a5a9-3cf384484757}",
                "BEGIN BACKUP",
                "ADD VOLUME C: ALIAS dsbackup_C",
                "ADD VOLUME E: ALIAS dsbackup_E",
                "CREATE",
                "EXPOSE %dsbackup_C% Z:",
                "EXPOSE %dsbackup_E% Y:",
                "END BACKUP",
            ]
        );
        assert_eq!(
            delete_script(&['Z', 'Y']),
            "DELETE SHADOWS EXPOSED Z:\r\nDELETE SHADOWS EXPOSED Y:\r\n"
        );
    }

    #[test]
    fn free_letters_are_taken_from_the_end() {
        let used = 1 << 2 | 1 << 25;
        let chosen = choose_letters(&['C', 'D'], used | 1 << 3).unwrap();
        assert_eq!(
            chosen
                .iter()
                .map(|volume| volume.letter)
                .collect::<String>(),
            "YX"
        );
        assert_eq!(choose_letters(&['C', 'D'], !(1 << 24)), Err(1));
    }

    #[test]
    fn a_path_is_found_in_the_copy_of_its_volume() {
        let found = |path| in_shadow_copy(&VOLUMES, path);
        assert_eq!(
            found(r"c:\Windows\NTDS").as_deref(),
            Some(r"Z:\Windows\NTDS")
        );
        assert_eq!(found(r"E:\logs").as_deref(), Some(r"Y:\logs"));
        assert_eq!(found(r"D:\logs"), None);
    }
}
