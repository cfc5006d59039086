//! What is not read is refused in words that say what to do, and what is uncertain is told.

use std::fs;
use std::path::Path;

use disk_image::Error;
use windows_disk::Disks;

use crate::made::{self, Table};

/// A volume with a database in its default place, which `change` changes.
fn volume(file: &Path, change: impl FnOnce(&Path)) {
    made::volume(file, 16, |root| {
        fs::create_dir_all(root.join("Windows/NTDS")).unwrap();
        change(root);
    });
}

fn error(file: &Path) -> Error {
    match Disks::open(file) {
        Ok(disks) => (disks.expect("an image").directory(None))
            .err()
            .expect("an error"),
        Err(error) => error,
    }
}

#[test]
fn a_compressed_database() {
    if !made::possible() {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("volume");
    volume(&file, |root| {
        let database = root.join("Windows/NTDS");
        made::run(
            made::command("setfattr")
                .args(["-n", "system.ntfs_attrib_be", "-v", "0x00000810"])
                .arg(&database),
        );
        fs::write(database.join("ntds.dit"), vec![7; 1 << 20]).unwrap();
    });
    let error = error(&file);
    assert!(matches!(error, Error::Refused { .. }), "{error}");
    let text = error.to_string();
    assert!(
        text.contains(r"Windows\NTDS\ntds.dit: the file is compressed by NTFS"),
        "{text}"
    );
    assert!(text.contains("name the folder of the copies"), "{text}");
}

#[test]
fn a_folder_that_leads_elsewhere() {
    if !made::possible() {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("volume");
    volume(&file, |root| {
        let target = root.join("elsewhere");
        fs::create_dir(&target).unwrap();
        fs::write(target.join("ntds.dit"), b"x").unwrap();
        fs::remove_dir(root.join("Windows/NTDS")).unwrap();
        std::os::unix::fs::symlink(&target, root.join("Windows/NTDS")).unwrap();
        fs::create_dir(root.join("Windows/junction")).unwrap();
        // A junction, as mklink /J makes it: tag, length, four places in the names, the names.
        let name: Vec<u8> = r"\??\C:\elsewhere"
            .encode_utf16()
            .flat_map(u16::to_le_bytes)
            .collect();
        let length = name.len() as u16;
        let mut point = vec![3, 0, 0, 0xa0];
        for number in [length + 12, 0, 0, length, length + 2, 0] {
            point.extend(number.to_le_bytes());
        }
        point.extend([&name[..], &[0; 4]].concat());
        let value: String = point.iter().map(|byte| format!("{byte:02x}")).collect();
        let mut set = made::command("setfattr");
        set.args([
            "-h",
            "-n",
            "system.ntfs_reparse_data",
            "-v",
            &format!("0x{value}"),
        ]);
        made::run(set.arg(root.join("Windows/junction")));
    });
    let disks = Disks::open(&file).unwrap().unwrap();
    let refused = disks
        .directory(Some(r"Windows\junction\ntds.dit"))
        .err()
        .unwrap();
    let text = refused.to_string();
    assert!(
        text.contains(r"Windows\junction leads to something else"),
        "{text}"
    );
    assert!(text.contains("--in-image"), "{text}");
    let found = disks.directory(Some(r"elsewhere\ntds.dit")).unwrap();
    assert_eq!(found.database.size(), 1);
}

#[test]
fn bitlocker_refs_and_dynamic_disks() {
    if !made::possible() {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("volume");
    let image = folder.path().join("disk");
    let mut sector = vec![0; 1 << 20];
    for (name, words) in [(b"-FVE-FS-", "BitLocker"), (b"ReFS\0\0\0\0", "ReFS")] {
        sector[3..11].copy_from_slice(name);
        fs::write(&file, &sector).unwrap();
        made::disk(&image, &Table::Mbr(1), std::slice::from_ref(&file));
        let text = error(&image).to_string();
        assert!(
            text.contains("partition 1") && text.contains(words),
            "{text}"
        );
    }
    // Beside a volume that can be read it is told where the directory is not found.
    let sound = folder.path().join("sound");
    volume(&sound, |_| {});
    made::disk(&image, &Table::Mbr(1), &[file.clone(), sound]);
    let text = error(&image).to_string();
    assert!(
        text.contains("no volume has the file") && text.contains("ReFS"),
        "{text}"
    );
    made::disk(&image, &Table::Mbr(1), std::slice::from_ref(&file));
    let mut disk = fs::read(&image).unwrap();
    disk[446 + 4] = 0x42;
    fs::write(&image, disk).unwrap();
    let text = error(&image).to_string();
    assert!(text.contains("dynamic disk"), "{text}");
}

#[test]
fn a_volume_that_was_in_use_is_read_with_a_warning() {
    if !made::possible() {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("volume");
    volume(&file, |root| {
        fs::write(root.join("Windows/NTDS/ntds.dit"), b"x").unwrap()
    });
    let warnings = |bytes: &[u8]| {
        fs::write(&file, bytes).unwrap();
        let disks = Disks::open(&file).unwrap().unwrap();
        disks.directory(None).unwrap().warnings.join("\n")
    };
    let sound = fs::read(&file).unwrap();
    assert_eq!(warnings(&sound), "");
    // The journal's pages of the restart: a client, and not closed. mkntfs leaves the journal blank.
    let page = |bytes: &mut [u8], number: u64, client: u16| {
        bytes[..4].copy_from_slice(b"RSTR");
        bytes[24..26].copy_from_slice(&48u16.to_le_bytes());
        bytes[48..56].copy_from_slice(&number.to_le_bytes());
        bytes[60..62].copy_from_slice(&client.to_le_bytes());
        bytes[62..64].fill(0);
    };
    // Where it is: the run in its record, behind the table's first two.
    let table = u64::from_le_bytes(sound[48..56].try_into().unwrap()) as usize * 4096;
    let record = &sound[table + 2 * 1024..][..1024];
    let data = (0..1024 - 8)
        .step_by(8)
        .find(|at| record[*at..*at + 4] == [0x80, 0, 0, 0])
        .unwrap();
    let run = data + usize::from(record[data + 32]);
    let count = usize::from(record[run] & 15);
    let place = record[run + 1 + count..][..usize::from(record[run] >> 4)]
        .iter()
        .rev();
    let journal = place.fold(0, |place, byte| place << 8 | usize::from(*byte)) * 4096;
    let mut used = sound.clone();
    page(&mut used[journal..], 5, 0);
    page(&mut used[journal + 4096..], 4, u16::MAX);
    let text = warnings(&used);
    assert!(
        text.contains("the volume was in use when it was copied"),
        "{text}"
    );
    page(&mut used[journal..], 3, 0);
    assert_eq!(warnings(&used), "");
}
