//! A disk with partitions, NTFS and a registry: the search for the directory on it ends, with files
//! that can be read, or with an error.
#![no_main]

use std::sync::OnceLock;

use disk_image::ReadAt;
use fuzz::images::{Sound, image};
use libfuzzer_sys::fuzz_target;
use windows_disk::Disks;

const SOUND: [&[u8]; 2] = [
    include_bytes!("../sound/mbr.disk.zst"),
    include_bytes!("../sound/gpt.disk.zst"),
];

fuzz_target!(|data: &[u8]| {
    static DISKS: OnceLock<Vec<Sound>> = OnceLock::new();
    let sound = DISKS.get_or_init(|| SOUND.map(Sound::new).into());
    let Ok(disks) = Disks::on(&image(sound, data)) else {
        return;
    };
    for inside in [None, Some(r"NTDS\ntds.dit")] {
        let Ok(found) = disks.directory(inside) else {
            continue;
        };
        for file in std::iter::once(&found.database).chain(&found.others) {
            let length = file.size().min(1 << 16) as usize;
            let _ = file.bytes.read_at(0, &mut vec![0; length]);
            let _ = file.bytes.hole_end(0);
        }
    }
});
