//! Any change of an image leads to a disk, or to an error: no panic, no endless walk, no memory that a
//! length in the image asks for.

use std::path::Path;
use std::process::Command;
use std::sync::{Arc, OnceLock};

use disk_image::{Image, Memory};
use proptest::prelude::*;

/// Small images of each kind, and where something is in them that is not zeros.
fn sound() -> &'static [(Vec<u8>, Vec<usize>)] {
    static SOUND: OnceLock<Vec<(Vec<u8>, Vec<usize>)>> = OnceLock::new();
    SOUND.get_or_init(|| {
        if Command::new("qemu-img").arg("--version").output().is_err() {
            eprintln!("note: qemu-img is not on this machine (Debian: qemu-utils); skipped");
            return Vec::new();
        }
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name);
        let mut disk = vec![0; 300_000];
        disk[..1000].fill(1);
        disk[200_000..250_000].fill(2);
        std::fs::write(path("raw"), disk).unwrap();
        let kinds = [
            "-O qcow2 -o cluster_size=4k",
            "-c -O qcow2 -o cluster_size=4k,compression_type=zstd",
            "-O vpc",
            "-O vhdx -o block_size=1M",
            "-O vmdk",
            "-O vmdk -o subformat=streamOptimized",
        ];
        let images = kinds.map(|options| {
            let mut convert = Command::new("qemu-img");
            convert
                .args(["convert", "-f", "raw"])
                .args(options.split(' '));
            let run = convert.args([path("raw"), path("image")]).output().unwrap();
            assert!(run.status.success(), "{run:?}");
            let image = std::fs::read(path("image")).unwrap();
            let parts = image.chunks(16).enumerate();
            let parts =
                parts.filter(|(_, part)| part.iter().any(|byte| !matches!(byte, 0..=2 | 0xff)));
            let places = parts.map(|(number, _)| number * 16).collect();
            (image, places)
        });
        images.into()
    })
}

/// Opens an image, and reads from it.
fn look(bytes: Vec<u8>) {
    let file = Arc::new(Memory::new(bytes, "image"));
    let Ok(Some(image)) = Image::over(file, Path::new("/nowhere/image")) else {
        return;
    };
    let size = image.disk.size();
    for position in [0, 1000, 200_000, size / 2, size.saturating_sub(5000)] {
        let _ = image.disk.read_at(position, &mut [0; 5000]);
        let _ = image.disk.hole_end(position);
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2000, ..ProptestConfig::default() })]

    #[test]
    fn changed_images(which: prop::sample::Index, changes in prop::collection::vec((any::<prop::sample::Index>(), 0..16usize, any::<u8>()), 1..12), part in 0..20usize) {
        let sound = sound();
        if sound.is_empty() {
            return Ok(());
        }
        let (image, places) = &sound[which.index(sound.len())];
        let mut image = image.clone();
        for (place, offset, byte) in changes {
            let at = places[place.index(places.len())] + offset;
            if let Some(place) = image.get_mut(at) {
                *place = byte;
            }
        }
        // Now and then it is cut off.
        if part < 8 {
            image.truncate(image.len() * (part + 1) / 9);
        }
        look(image);
    }

    #[test]
    fn any_bytes(magic in 0..8usize, bytes in prop::collection::vec(any::<u8>(), 0..3000)) {
        let magic: &[u8] = [&b"QFI\xfb\0\0\0\x03"[..], b"QFI\xfb\0\0\0\x02", b"vhdxfile", b"conectix", b"KDMV\x01\0\0\0", b"# Disk DescriptorFile\n", b"", b"\0"][magic];
        look([magic, &bytes].concat());
    }
}
