//! Forms that qemu-img does not make: VHDs that differ from a parent, VHDX files that do, and those
//! whose log must be replayed.

use std::path::Path;

use disk_image::{Error, Image, Memory, ReadAt, crc32c};

const MIB: usize = 1 << 20;

fn put(bytes: &mut [u8], at: usize, field: &[u8]) {
    bytes[at..at + field.len()].copy_from_slice(field);
}

fn read(image: &Image, at: u64, length: usize) -> Vec<u8> {
    let mut bytes = vec![0; length];
    image.disk.read_at(at, &mut bytes).unwrap();
    bytes
}

/// The complement of the sum of the bytes.
fn sum(bytes: &[u8]) -> [u8; 4] {
    let sum = bytes.iter().map(|byte| u32::from(*byte)).sum::<u32>();
    (!sum).to_be_bytes()
}

fn footer(kind: u32, size: u64, id: u8) -> Vec<u8> {
    let mut footer = vec![0; 512];
    put(&mut footer, 0, b"conectix");
    put(&mut footer, 16, &512u64.to_be_bytes());
    put(&mut footer, 48, &size.to_be_bytes());
    put(&mut footer, 60, &kind.to_be_bytes());
    put(&mut footer, 68, &[id; 16]);
    let sum = sum(&footer);
    put(&mut footer, 64, &sum);
    footer
}

/// A VHD of two blocks of 4 KiB whose first block holds its second sector only.
fn differing(parent: &str, parent_id: u8) -> Vec<u8> {
    let mut header = vec![0; 1024];
    put(&mut header, 0, b"cxsparse");
    put(&mut header, 16, &1536u64.to_be_bytes());
    put(&mut header, 28, &2u32.to_be_bytes());
    put(&mut header, 32, &4096u32.to_be_bytes());
    put(&mut header, 40, &[parent_id; 16]);
    let name: Vec<u8> = parent.encode_utf16().flat_map(u16::to_be_bytes).collect();
    put(&mut header, 64, &name);
    let sum = sum(&header);
    put(&mut header, 36, &sum);
    let mut table = vec![0xff; 512];
    put(&mut table, 0, &4u32.to_be_bytes());
    let mut map = vec![0; 512];
    map[0] = 0b0100_0000;
    let footer = footer(4, 8192, 9);
    [&footer[..], &header, &table, &map, &[3; 4096], &footer].concat()
}

#[test]
fn a_vhd_differs_from_its_parent_by_sectors() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name);
    let parent = [vec![1; 4096], vec![2; 4096], footer(2, 8192, 5)].concat();
    std::fs::write(path("parent.vhd"), parent).unwrap();
    // Names come from Windows, with folders that are not here.
    let child = differing("C:\\VMs\\parent.vhd", 5);
    std::fs::write(path("child.vhd"), child).unwrap();
    let image = Image::open(&path("child.vhd")).unwrap().unwrap();
    let expected = [vec![1; 512], vec![3; 512], vec![1; 3072], vec![2; 4096]].concat();
    assert_eq!(read(&image, 0, 8192), expected);
    assert_eq!(image.others, [path("parent.vhd")]);

    for (child, words) in [
        (
            differing("parent.vhd", 6),
            "another disk than the parent.vhd",
        ),
        (differing("gone.vhd", 5), "gone.vhd"),
        (differing("..", 5), "no such file"),
    ] {
        std::fs::write(path("child.vhd"), child).unwrap();
        let error = Image::open(&path("child.vhd")).err().unwrap().to_string();
        assert!(error.contains(words), "{error}");
    }
    // One that differs from itself.
    std::fs::write(path("child.vhd"), differing("child.vhd", 9)).unwrap();
    let error = Image::open(&path("child.vhd")).err().unwrap();
    assert!(matches!(error, Error::Refused { .. }), "{error}");
}

/// Writes the checksum of a structure of VHDX, in the four bytes behind its signature.
fn seal(bytes: &mut [u8]) {
    bytes[4..8].fill(0);
    let checksum = crc32c(0, bytes).to_le_bytes();
    put(bytes, 4, &checksum);
}

fn guid(text: &str) -> [u8; 16] {
    let digits: String = text.chars().filter(|digit| *digit != '-').collect();
    let mut bytes = [0; 16];
    for (at, byte) in bytes.iter_mut().enumerate() {
        *byte = u8::from_str_radix(&digits[2 * at..2 * at + 2], 16).unwrap();
    }
    bytes[..4].reverse();
    bytes[4..6].reverse();
    bytes[6..8].reverse();
    bytes
}

const LOG: usize = MIB;
const TABLE: usize = 2 * MIB;
const METADATA: usize = 3 * MIB;
const DATA: usize = 4 * MIB;

/// A VHDX with a disk of 2 MiB, its first block of 1 MiB in the file, with a log if `log_id` is none
/// of zeros.
fn vhdx(flags: u32, log_id: u8) -> Vec<u8> {
    let mut file = vec![0; 5 * MIB];
    put(&mut file, 0, b"vhdxfile");
    for (at, sequence) in [(64 << 10, 1u64), (128 << 10, 2)] {
        let header = &mut file[at..at + 4096];
        put(header, 0, b"head");
        put(header, 8, &sequence.to_le_bytes());
        put(header, 48, &[log_id; 16]);
        put(header, 66, &1u16.to_le_bytes());
        put(header, 68, &(MIB as u32).to_le_bytes());
        put(header, 72, &(LOG as u64).to_le_bytes());
        seal(header);
    }
    let regions = &mut file[192 << 10..256 << 10];
    put(regions, 0, b"regi");
    put(regions, 8, &2u32.to_le_bytes());
    for (at, id, place) in [
        (16, "2dc27766-f623-4200-9d64-115e9bfd4a08", TABLE),
        (48, "8b7ca206-4790-4b9a-b8fe-575f050f886e", METADATA),
    ] {
        put(regions, at, &guid(id));
        put(regions, at + 16, &(place as u64).to_le_bytes());
        put(regions, at + 24, &(MIB as u32).to_le_bytes());
        put(regions, at + 28, &1u32.to_le_bytes());
    }
    seal(regions);
    let metadata = &mut file[METADATA..METADATA + MIB];
    put(metadata, 0, b"metadata");
    put(metadata, 10, &3u16.to_le_bytes());
    let parameters = (1u64 << 20 | u64::from(flags) << 32).to_le_bytes();
    for (number, id, value) in [
        (1, "caa16737-fa36-4d43-b3b6-33f0aa44e76b", parameters),
        (
            2,
            "2fa54224-cd1b-4876-b211-5dbed83bf4b8",
            (2 * MIB as u64).to_le_bytes(),
        ),
        (
            3,
            "8141bf1d-a96f-4709-ba47-f233a8faab5f",
            512u64.to_le_bytes(),
        ),
    ] {
        let place = (64usize << 10) + 8 * number;
        put(metadata, 32 * number, &guid(id));
        put(metadata, 32 * number + 16, &(place as u32).to_le_bytes());
        put(metadata, place, &value);
    }
    put(
        &mut file,
        TABLE,
        &((DATA as u64 / MIB as u64) << 20 | 6).to_le_bytes(),
    );
    file[DATA..].fill(1);
    file
}

/// An entry of a log: descriptors of zeros (position, length) and of sectors (position, byte).
fn entry(sequence: u64, tail: u32, zeros: &[(u64, u64)], sectors: &[(u64, u8)]) -> Vec<u8> {
    let mut entry = vec![0; 4096 * (1 + sectors.len())];
    put(&mut entry, 0, b"loge");
    let length = entry.len() as u32;
    put(&mut entry, 8, &length.to_le_bytes());
    put(&mut entry, 12, &tail.to_le_bytes());
    put(&mut entry, 16, &sequence.to_le_bytes());
    let count = (zeros.len() + sectors.len()) as u32;
    put(&mut entry, 24, &count.to_le_bytes());
    put(&mut entry, 32, &[7; 16]);
    put(&mut entry, 56, &(6 * MIB as u64).to_le_bytes());
    let mut at = 64;
    for (position, length) in zeros {
        put(&mut entry, at, b"zero");
        put(&mut entry, at + 8, &length.to_le_bytes());
        put(&mut entry, at + 16, &position.to_le_bytes());
        put(&mut entry, at + 24, &sequence.to_le_bytes());
        at += 32;
    }
    for (number, (position, byte)) in sectors.iter().enumerate() {
        put(&mut entry, at, b"desc");
        put(&mut entry, at + 4, &[*byte; 12]);
        put(&mut entry, at + 16, &position.to_le_bytes());
        put(&mut entry, at + 24, &sequence.to_le_bytes());
        at += 32;
        let sector = &mut entry[4096 * (1 + number)..][..4096];
        sector.fill(*byte);
        put(sector, 0, b"data");
        put(sector, 4, &((sequence >> 32) as u32).to_le_bytes());
        put(sector, 4092, &(sequence as u32).to_le_bytes());
    }
    seal(&mut entry);
    entry
}

fn over(file: Vec<u8>) -> Result<Image, Error> {
    let image = Image::over(
        std::sync::Arc::new(Memory::new(file, "disk.vhdx")),
        Path::new("disk.vhdx"),
    );
    image.map(|image| image.expect("an image"))
}

#[test]
fn the_log_of_a_vhdx_is_replayed_in_memory() {
    let image = over(vhdx(0, 0)).unwrap();
    assert_eq!(
        read(&image, 0, 2 * MIB),
        [vec![1; MIB], vec![0; MIB]].concat()
    );

    let data = DATA as u64;
    // The first entry wraps around the end of the ring; one that is older is left from before.
    let old = entry(3, 8192, &[(data, 1 << 20)], &[]);
    let first = entry(
        5,
        MIB as u32 - 8192,
        &[(data + 8192, 8192)],
        &[(data, 5), (data + 4096, 6)],
    );
    let second = entry(6, MIB as u32 - 8192, &[(data, 4096)], &[(data + 12288, 8)]);
    let mut file = vhdx(0, 7);
    put(&mut file, LOG + MIB - 8192, &first[..8192]);
    put(&mut file, LOG, &first[8192..]);
    put(&mut file, LOG + 4096, &second);
    put(&mut file, LOG + 40960, &old);
    let image = over(file.clone()).unwrap();
    let mut expected = vec![1; MIB];
    expected[..4096].fill(0);
    expected[4096..8192].fill(6);
    expected[8192..12288].fill(0);
    expected[12288..16384].fill(8);
    assert!(read(&image, 0, MIB) == expected);

    // Without its newest entry the one before is the newest.
    file[LOG + 4096 + 100] ^= 1;
    let image = over(file.clone()).unwrap();
    assert_eq!(read(&image, 0, 1), [5]);
    assert_eq!(read(&image, 12288, 1), [0]);
    // Without any the file cannot be read.
    file[LOG + MIB - 8192 + 100] ^= 1;
    file[LOG + 40960 + 100] ^= 1;
    let error = over(file).err().unwrap().to_string();
    assert!(error.contains("VHDX log"), "{error}");
}

#[test]
fn a_vhdx_that_differs_from_a_parent_is_refused() {
    let error = over(vhdx(2, 0)).err().unwrap();
    assert!(matches!(error, Error::Refused { .. }), "{error}");
    let text = error.to_string();
    assert!(
        text.contains("checkpoint") && text.contains("Merge-VHD"),
        "{text}"
    );
}

/// One header and one table of regions are enough; of both none.
#[test]
fn a_vhdx_has_its_headers_twice() {
    let mut file = vhdx(0, 0);
    file[(64 << 10) + 100] ^= 1;
    let regions = file[192 << 10..256 << 10].to_vec();
    put(&mut file, 256 << 10, &regions);
    file[(192 << 10) + 50] ^= 1;
    assert_eq!(read(&over(file.clone()).unwrap(), 5, 1), [1]);
    file[(256 << 10) + 50] ^= 1;
    let error = over(file.clone()).err().unwrap().to_string();
    assert!(error.contains("checksum"), "{error}");
    file[(128 << 10) + 100] ^= 1;
    let error = over(file).err().unwrap().to_string();
    assert!(error.contains("VHDX headers"), "{error}");
}
