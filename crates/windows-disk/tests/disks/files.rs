//! Files on NTFS volumes that ntfs-3g wrote: every byte is what was written.

use std::fs::{self, File};
use std::io::{Seek, SeekFrom, Write};
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::sync::Arc;

use disk_image::{HostFile, ReadAt};
use windows_disk::{Stream, Volume};

use crate::made;

fn open(file: &Path) -> Volume {
    Volume::open(Arc::new(HostFile::open(file).unwrap())).unwrap()
}

fn stream(volume: &Volume, path: &str) -> Stream {
    let entry = volume.find(path).unwrap();
    let entry = entry.unwrap_or_else(|| panic!("{path} is there"));
    volume.open_file(entry.file, path).unwrap()
}

fn read(stream: &Stream) -> Vec<u8> {
    let mut bytes = vec![9; usize::try_from(stream.size()).unwrap()];
    stream.read_at(0, &mut bytes).unwrap();
    // The holes are as long as they are said to be.
    let mut at = 0;
    while at < bytes.len() {
        let end = usize::try_from(stream.hole_end(at as u64).unwrap()).unwrap();
        assert!(
            bytes[at..end].iter().all(|byte| *byte == 0),
            "no hole at {at}"
        );
        at = end.max(at + 4096);
    }
    bytes
}

fn noise(length: usize, mut seed: u32) -> Vec<u8> {
    let next = || {
        seed = seed.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (seed >> 24) as u8
    };
    std::iter::repeat_with(next).take(length).collect()
}

#[test]
fn small_large_sparse_and_fragmented_files() {
    if !made::possible() {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let image = folder.path().join("volume");
    let large = noise(3_000_001, 1);
    let [left, right] = [noise(2400 * 4096, 2), noise(2400 * 4096, 3)];
    let mut sparse = vec![0; 5 << 20];
    sparse[1 << 20..][..5000].fill(4);
    sparse[4 << 20..][..5000].fill(5);
    made::volume(&image, 64, |root| {
        fs::write(root.join("empty"), b"").unwrap();
        fs::write(root.join("small.txt"), b"in its record").unwrap();
        fs::write(root.join("large"), &large).unwrap();
        // In turn, so that each is in thousands of pieces, which need a list of attributes.
        let files = ["left", "right"].map(|name| File::create(root.join(name)).unwrap());
        for start in (0..left.len()).step_by(4096) {
            for (file, bytes) in files.iter().zip([&left, &right]) {
                file.write_all_at(&bytes[start..start + 4096], start as u64)
                    .unwrap();
            }
        }
        let file = File::create(root.join("sparse")).unwrap();
        file.write_all_at(&[4; 5000], 1 << 20).unwrap();
        file.write_all_at(&[5; 5000], 4 << 20).unwrap();
        file.set_len(5 << 20).unwrap();
        // Grown behind what was written: the clusters hold something else.
        fs::write(root.join("old"), noise(1 << 20, 6)).unwrap();
        fs::remove_file(root.join("old")).unwrap();
        let mut grown = File::create(root.join("grown")).unwrap();
        grown.write_all(b"start").unwrap();
        grown.seek(SeekFrom::Start(700_000)).unwrap();
        grown.write_all(b"end").unwrap();
    });
    let volume = open(&image);
    assert_eq!(read(&stream(&volume, "empty")), b"");
    assert_eq!(read(&stream(&volume, "SMALL.TXT")), b"in its record");
    assert!(read(&stream(&volume, "large")) == large);
    assert!(read(&stream(&volume, "left")) == left);
    assert!(read(&stream(&volume, "right")) == right);
    assert!(read(&stream(&volume, "sparse")) == sparse);
    let mut grown = vec![0; 700_003];
    grown[..5].copy_from_slice(b"start");
    grown[700_000..].copy_from_slice(b"end");
    assert!(read(&stream(&volume, "grown")) == grown);
    let hole = stream(&volume, "sparse").hole_end(0).unwrap();
    assert!(hole > 0, "the hole is known without reading it");
    assert_eq!(volume.warnings().unwrap(), [""; 0]);
}

#[test]
fn folders_with_many_files_and_names_in_any_case() {
    if !made::possible() {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let image = folder.path().join("volume");
    made::volume(&image, 32, |root| {
        let many = root.join("Many files").join("Größe");
        fs::create_dir_all(&many).unwrap();
        for number in 0..3000 {
            fs::write(
                many.join(format!("file number {number}.log")),
                number.to_string(),
            )
            .unwrap();
        }
        // What was removed leaves its entry in nodes that are no more in use.
        for number in 1000..3000 {
            fs::remove_file(many.join(format!("file number {number}.log"))).unwrap();
        }
        fs::write(root.join("same"), b"lower").unwrap();
        fs::write(root.join("SAME"), b"upper").unwrap();
    });
    let volume = open(&image);
    for number in 0..1000 {
        let path = format!(r"many FILES\GRÖSSE\..\x{number}");
        assert!(volume.find(&path).unwrap().is_none());
        let path = format!(r"many FILES\GRÖßE\FILE number {number}.LOG");
        assert_eq!(read(&stream(&volume, &path)), number.to_string().as_bytes());
    }
    assert!(
        volume
            .find(r"Many files\Größe\file number 1000.log")
            .unwrap()
            .is_none()
    );
    assert_eq!(read(&stream(&volume, "same")), b"lower");
    assert_eq!(read(&stream(&volume, "SAME")), b"upper");
    let folder = volume.find("/Many files/Größe/").unwrap().unwrap();
    let mut names = 0;
    volume
        .entries(folder.file, "Größe", &mut |entry| {
            names += usize::from(!entry.is_short_name);
            std::ops::ControlFlow::Continue(())
        })
        .unwrap();
    assert_eq!(names, 1000);
}
