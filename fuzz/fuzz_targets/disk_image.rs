//! Images of disks (qcow2, VHD, VHDX, VMDK): a disk that can be read, or an error. Those of a sound
//! image that was not changed are what they were made of.
#![no_main]

use std::path::Path;
use std::sync::OnceLock;

use disk_image::Image;
use fuzz::images::{Sound, image};
use libfuzzer_sys::fuzz_target;

const SOUND: [&[u8]; 7] = [
    include_bytes!("../sound/small.qcow2.zst"),
    include_bytes!("../sound/compressed.qcow2.zst"),
    include_bytes!("../sound/small.vhd.zst"),
    include_bytes!("../sound/small.vhdx.zst"),
    include_bytes!("../sound/logged.vhdx.zst"),
    include_bytes!("../sound/small.vmdk.zst"),
    include_bytes!("../sound/stream.vmdk.zst"),
];

fuzz_target!(|data: &[u8]| {
    static IMAGES: OnceLock<Vec<Sound>> = OnceLock::new();
    let sound = IMAGES.get_or_init(|| SOUND.map(Sound::new).into());
    let opened = Image::over(image(sound, data), Path::new("/nowhere/image"));
    let Ok(Some(opened)) = opened else {
        assert!(!matches!(data, [1..=7]), "a sound image");
        return;
    };
    let size = opened.disk.size();
    for position in [0, 1000, 200_000, size / 2, size.saturating_sub(5000)] {
        let read = opened.disk.read_at(position, &mut [0; 5000]);
        let hole = opened.disk.hole_end(position);
        if let (Ok(()), Ok(hole)) = (read, hole) {
            assert!(hole >= position && hole <= size.max(position));
        }
    }
});
