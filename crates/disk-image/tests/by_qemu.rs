//! Images that qemu-img made of one disk: every byte read from them is the disk's. Without qemu-img
//! (Debian's qemu-utils) the tests say that they are skipped.

use std::path::{Path, PathBuf};
use std::process::Command;

use disk_image::{Error, Format, Image, ReadAt};

/// Bytes of the disk: it ends in the middle of blocks of every format.
const SIZE: usize = (9 << 20) + 512 * 5;

/// A disk with zeros, repeated bytes and noise, in pieces that begin and end within blocks. It looks
/// like a disk: it ends its first sector as one with a partition table.
fn disk() -> Vec<u8> {
    let mut disk = vec![0; SIZE];
    let mut seed = 1u32;
    let mut at = 512;
    while at < SIZE {
        seed = seed.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        let length = 512 * (1 + (seed >> 8) as usize % 700);
        let end = (at + length).min(SIZE);
        match seed >> 24 & 3 {
            0 | 1 => {}
            2 => disk[at..end].fill(seed as u8),
            _ => {
                for byte in &mut disk[at..end] {
                    seed = seed.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                    *byte = (seed >> 24) as u8;
                }
            }
        }
        at = end;
    }
    disk[510..512].copy_from_slice(&[0x55, 0xaa]);
    disk
}

struct Lab {
    folder: tempfile::TempDir,
    disk: Vec<u8>,
}

impl Lab {
    /// `None`, with a note, where qemu-img is missing.
    fn new() -> Option<Self> {
        if Command::new("qemu-img").arg("--version").output().is_err() {
            eprintln!("note: qemu-img is not on this machine (Debian: qemu-utils); skipped");
            return None;
        }
        let lab = Self {
            folder: tempfile::tempdir().unwrap(),
            disk: disk(),
        };
        std::fs::write(lab.path("disk.raw"), &lab.disk).unwrap();
        Some(lab)
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn qemu_img(&self, arguments: &str) {
        let run = Command::new("qemu-img")
            .args(arguments.split(' '))
            .current_dir(self.folder.path())
            .output()
            .unwrap();
        let said = String::from_utf8_lossy(&run.stderr);
        assert!(run.status.success(), "qemu-img {arguments}: {said}");
    }

    /// Converts the disk, and compares all that is read of the image with it.
    fn check(&self, options: &str, name: &str, format: Format) {
        self.qemu_img(&format!("convert -f raw {options} disk.raw {name}"));
        let image = open(&self.path(name));
        assert_eq!(image.format, format, "{options}");
        compare(&*image.disk, &self.disk, options);
    }
}

fn open(path: &Path) -> Image {
    Image::open(path).unwrap().expect("an image")
}

/// Reads in pieces that begin and end anywhere, and follows the holes. A format may make the disk
/// longer, by zeros.
fn compare(image: &dyn ReadAt, disk: &[u8], what: &str) {
    let size = usize::try_from(image.size()).unwrap();
    assert!(
        (disk.len()..disk.len() + (1 << 20)).contains(&size),
        "{what}: {size} bytes"
    );
    let mut expected = disk.to_vec();
    expected.resize(size, 0);
    let mut at = 0;
    let mut length = 1;
    while at < size {
        length = (length * 7 + 13) % 300_000 + 1;
        let end = (at + length).min(size);
        let mut found = vec![1; end - at];
        image.read_at(at as u64, &mut found).unwrap();
        assert!(
            found == expected[at..end],
            "{what}: bytes {at} to {end} differ"
        );
        let hole = usize::try_from(image.hole_end(at as u64).unwrap()).unwrap();
        assert!(
            expected[at..hole].iter().all(|byte| *byte == 0),
            "{what}: no hole at {at}"
        );
        at = end;
    }
    let beyond = image.read_at(image.size() - 1, &mut [0; 2]);
    assert!(matches!(beyond, Err(Error::Damaged { .. })), "{what}");
}

#[test]
fn raw_and_qcow2() {
    let Some(lab) = Lab::new() else { return };
    assert_eq!(open(&lab.path("disk.raw")).format, Format::Raw);
    for options in [
        "-O qcow2",
        "-O qcow2 -o compat=0.10",
        "-O qcow2 -o cluster_size=512",
        "-O qcow2 -o cluster_size=2M",
        "-O qcow2 -o lazy_refcounts=on",
        "-c -O qcow2",
        "-c -O qcow2 -o cluster_size=4k",
        "-c -O qcow2 -o compression_type=zstd",
    ] {
        lab.check(options, "disk.qcow2", Format::Qcow2);
    }
}

#[test]
fn vhd_and_vhdx() {
    let Some(lab) = Lab::new() else { return };
    for options in [
        "-O vpc -o force_size=on",
        "-O vpc",
        "-O vpc -o subformat=fixed,force_size=on",
    ] {
        lab.check(options, "disk.vhd", Format::Vhd);
    }
    for options in [
        "-O vhdx",
        "-O vhdx -o block_size=1M",
        "-O vhdx -o subformat=fixed",
    ] {
        lab.check(options, "disk.vhdx", Format::Vhdx);
    }
}

#[test]
fn vmdk() {
    let Some(lab) = Lab::new() else { return };
    for (kind, format) in [
        ("monolithicSparse", Format::VmdkSparse),
        ("streamOptimized", Format::VmdkSparse),
        ("monolithicFlat", Format::VmdkDescriptor),
        ("twoGbMaxExtentSparse", Format::VmdkDescriptor),
        ("twoGbMaxExtentFlat", Format::VmdkDescriptor),
    ] {
        let options = format!("-O vmdk -o subformat={kind}");
        lab.check(&options, "disk.vmdk", format);
    }
    // Its last part was made last.
    let others = open(&lab.path("disk.vmdk")).others;
    assert_eq!(others, [lab.path("disk-f001.vmdk")]);
    std::fs::remove_file(&others[0]).unwrap();
    let missing = Image::open(&lab.path("disk.vmdk"))
        .err()
        .unwrap()
        .to_string();
    assert!(missing.contains("disk-f001.vmdk"), "{missing}");
    assert!(
        missing.contains("put all files of the disk into one folder"),
        "{missing}"
    );
}

/// Changes beside an image that stays as it is: those of qcow2 and VMDK are followed.
#[test]
fn images_that_differ_from_others_beside_them() {
    let Some(lab) = Lab::new() else { return };
    let changed = lab.folder.path().join("change");
    std::fs::write(&changed, vec![7; 70_000]).unwrap();
    for (format, base) in [("qcow2", "qcow2"), ("qcow2", "raw"), ("vmdk", "vmdk")] {
        lab.qemu_img(&format!("convert -f raw -O {base} disk.raw base.{base}"));
        let new = format!("create -f {format} -b base.{base} -F {base} new.{format}");
        lab.qemu_img(&new);
        let write = format!("write -P 9 {} 70000", 512 * 3000);
        let run = Command::new("qemu-io")
            .args(["-c", &write, "-f", format])
            .arg(lab.path(&format!("new.{format}")))
            .output()
            .unwrap();
        assert!(run.status.success(), "{run:?}");
        let mut expected = lab.disk.clone();
        expected[512 * 3000..][..70_000].fill(9);
        let image = open(&lab.path(&format!("new.{format}")));
        assert_eq!(image.others, [lab.path(&format!("base.{base}"))]);
        compare(&*image.disk, &expected, &format!("{format} over {base}"));
    }
    std::fs::remove_file(lab.path("base.vmdk")).unwrap();
    let missing = Image::open(&lab.path("new.vmdk")).err().unwrap();
    assert!(matches!(missing, Error::NotFound { .. }), "{missing}");
}

#[test]
fn what_is_not_read_is_refused_with_what_to_do() {
    let Some(lab) = Lab::new() else { return };
    let secret = "--object secret,id=s,data=x";
    for (made, name, words) in [
        (
            format!(
                "convert -f raw {secret} -O qcow2 -o encrypt.format=luks,encrypt.key-secret=s,encrypt.iter-time=10 disk.raw a.qcow2"
            ),
            "a.qcow2",
            "encrypted",
        ),
        (
            "convert -f raw -O qcow2 -o data_file=b.data disk.raw b.qcow2".into(),
            "b.qcow2",
            "a file of its own",
        ),
        (
            "convert -f raw -O qcow2 -o extended_l2=on disk.raw c.qcow2".into(),
            "c.qcow2",
            "subclusters",
        ),
        (
            "convert -f raw -O vdi disk.raw d.vdi".into(),
            "d.vdi",
            "VirtualBox",
        ),
    ] {
        lab.qemu_img(&made);
        let error = Image::open(&lab.path(name)).err().expect("refused");
        assert!(matches!(error, Error::Refused { .. }), "{error}");
        let text = error.to_string();
        assert!(
            text.contains(words) && text.contains("qemu-img convert"),
            "{text}"
        );
    }
}

/// No image is cut off unnoticed: what is read is the disk's, or an error.
#[test]
fn images_that_were_cut_off() {
    let Some(lab) = Lab::new() else { return };
    for (options, name) in [
        ("-O qcow2", "disk.qcow2"),
        ("-O vpc -o force_size=on", "disk.vhd"),
        ("-O vhdx -o block_size=1M", "disk.vhdx"),
        ("-O vmdk", "disk.vmdk"),
        ("-O vmdk -o subformat=streamOptimized", "stream.vmdk"),
    ] {
        lab.qemu_img(&format!("convert -f raw {options} disk.raw {name}"));
        let whole = std::fs::read(lab.path(name)).unwrap();
        for part in 1..8 {
            std::fs::write(lab.path(name), &whole[..whole.len() * part / 8]).unwrap();
            let Ok(image) = Image::open(&lab.path(name)) else {
                continue;
            };
            let image = image.expect("its start is there");
            let mut found = vec![0; SIZE];
            let read = image.disk.read_at(0, &mut found);
            assert!(read.is_err(), "{name}: {part}/8 of it read as a whole disk");
        }
    }
}
