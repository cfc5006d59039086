//! Any change of a disk leads to its directory, or to an error: no panic, no endless walk, no memory
//! that a length in the disk asks for.

use std::sync::{Arc, OnceLock};

use disk_image::{Memory, ReadAt};
use proptest::prelude::*;
use windows_disk::{Disks, Hive};

#[path = "disks/made.rs"]
#[allow(dead_code)]
mod made;

/// A small disk with a directory, and where its structures are: what is not zeros.
fn sound() -> Option<&'static (Vec<u8>, Vec<usize>)> {
    static SOUND: OnceLock<Option<(Vec<u8>, Vec<usize>)>> = OnceLock::new();
    let make = || {
        if !made::possible() {
            return None;
        }
        let folder = tempfile::tempdir().unwrap();
        let volume = folder.path().join("volume");
        made::volume(&volume, 4, |root| {
            let config = root.join("Windows/System32/config");
            std::fs::create_dir_all(&config).unwrap();
            let hive = tempfile::NamedTempFile::new().unwrap();
            made::system_hive(hive.path(), r"C:\NTDS\ntds.dit", r"C:\NTDS", &[]);
            std::fs::copy(hive.path(), config.join("SYSTEM")).unwrap();
            std::fs::create_dir(root.join("NTDS")).unwrap();
            std::fs::write(root.join("NTDS/ntds.dit"), vec![7; 20_000]).unwrap();
            for number in 0..50 {
                std::fs::write(root.join(format!("NTDS/edb{number:05}.log")), b"x").unwrap();
            }
        });
        let disk = folder.path().join("disk");
        made::disk(&disk, &made::Table::Mbr(1), &[volume]);
        let mut disk = std::fs::read(disk).unwrap();
        // The table of characters, which is not read, is larger than all else.
        let start: Vec<u8> = (0..64u16).flat_map(u16::to_le_bytes).collect();
        let table = disk.windows(start.len()).position(|part| part == start);
        let table = table.expect("$UpCase");
        disk[table..table + (128 << 10)].fill(0);
        let places = disk.chunks(64).enumerate();
        let places = places.filter(|(_, part)| part.iter().any(|byte| !matches!(byte, 0 | 0xff)));
        let places = places.map(|(number, _)| number * 64).collect();
        Some((disk, places))
    };
    SOUND.get_or_init(make).as_ref()
}

/// Looks for the directory, and reads what is found.
fn look(disk: Vec<u8>) {
    let disk: Arc<dyn ReadAt> = Arc::new(Memory::new(disk, "disk"));
    let Ok(disks) = Disks::on(&disk) else { return };
    for inside in [None, Some(r"NTDS\ntds.dit")] {
        let Ok(found) = disks.directory(inside) else {
            continue;
        };
        for file in std::iter::once(&found.database).chain(&found.others) {
            let mut start = vec![0; file.size().min(1 << 20) as usize];
            let _ = file.bytes.read_at(0, &mut start);
            let _ = file.bytes.hole_end(0);
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2000, ..ProptestConfig::default() })]

    #[test]
    fn changed_disks(changes in prop::collection::vec((any::<prop::sample::Index>(), 0..64usize, any::<u8>()), 1..20)) {
        let Some((disk, places)) = sound() else { return Ok(()) };
        let mut disk = disk.clone();
        for (place, offset, byte) in changes {
            let at = places[place.index(places.len())] + offset;
            disk[at] = byte;
        }
        look(disk);
    }

    #[test]
    fn any_registry(start in any::<[u8; 32]>(), bytes: Vec<u8>, root: u16) {
        let mut hive = vec![0; 4096];
        hive[..4].copy_from_slice(b"regf");
        hive[4..36].copy_from_slice(&start);
        hive[36..38].copy_from_slice(&root.to_le_bytes());
        let sum = hive[..508].chunks(4).fold(0, |sum, word| sum ^ u32::from_le_bytes(word.try_into().unwrap()));
        hive[508..512].copy_from_slice(&sum.to_le_bytes());
        hive.extend(bytes);
        if let Ok(hive) = Hive::open(Arc::new(Memory::new(hive, "hive")))
            && let Ok(Some(key)) = hive.key("Select")
        {
            let _ = hive.value(&key, "Current").map(|value| value.map(|value| value.text()));
        }
    }
}
