//! The directory is found where the registry says, on whichever volume that is.

use std::fs;
use std::path::{Path, PathBuf};

use windows_disk::{Disks, Found};

use crate::made::{self, Table};

const GUIDS: [&str; 2] = [
    "A1B2C3D4-0102-4304-8506-0708090A0B0C",
    "0F0E0D0C-1112-4314-8516-1718191A1B1C",
];
const SIGNATURE: u32 = 0x8765_4321;

/// Writes a Windows with its registry onto a volume.
fn windows(root: &Path, database: &'static str, logs: &'static str, letters: &[(char, Vec<u8>)]) {
    let config = root.join("Windows/System32/config");
    fs::create_dir_all(&config).unwrap();
    // hivex wants to replace the file, which a mounted volume lets it do.
    let hive = tempfile::NamedTempFile::new().unwrap();
    made::system_hive(hive.path(), database, logs, letters);
    fs::copy(hive.path(), config.join("SYSTEM")).unwrap();
}

fn write(root: &Path, folder: &str, files: &[(&str, &[u8])]) {
    fs::create_dir_all(root.join(folder)).unwrap();
    for (name, content) in files {
        fs::write(root.join(folder).join(name), content).unwrap();
    }
}

/// The names and contents of what was found.
fn content(found: &Found) -> Vec<(String, Vec<u8>)> {
    let folder = tempfile::tempdir().unwrap();
    let files = std::iter::once(&found.database).chain(&found.others);
    let copied = files.map(|file| {
        let mut bytes = 0;
        let path = file
            .copy_into(folder.path(), &mut |more| bytes += more)
            .unwrap();
        assert_eq!(bytes, file.size());
        (file.name.clone(), fs::read(path).unwrap())
    });
    copied.collect()
}

fn expected(files: &[(&str, &[u8])]) -> Vec<(String, Vec<u8>)> {
    let owned = |(name, bytes): &(&str, &[u8])| ((*name).to_owned(), bytes.to_vec());
    files.iter().map(owned).collect()
}

struct Lab {
    folder: tempfile::TempDir,
    volumes: Vec<PathBuf>,
}

impl Lab {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let volumes = vec![folder.path().join("c"), folder.path().join("d")];
        Self { folder, volumes }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// C: with a Windows whose directory is on D:, its logs in a folder of another name.
    fn two_volumes(&self, letters: &[(char, Vec<u8>)]) {
        made::volume(&self.volumes[0], 16, |root| {
            windows(root, r"D:\NTDS\dir.dit", r"E:\Logs of NTDS", letters);
            // Not those of the directory.
            write(
                root,
                "NTDS",
                &[("dir.dit", b"another one"), ("edb.log", b"no")],
            );
        });
        made::volume(&self.volumes[1], 16, |root| {
            write(
                root,
                "NTDS",
                &[("dir.dit", b"the database"), ("edb.log", b"no")],
            );
            let logs: [(&str, &[u8]); 4] = [
                ("edb.log", b"newest"),
                ("EDB00001.LOG", b"oldest"),
                ("edb.chk", b"checkpoint"),
                ("edbres00001.jrs", b"nothing"),
            ];
            write(root, "Logs of NTDS", &logs);
            write(root, "Logs of NTDS/old.log", &[]);
        });
    }
}

const BOTH: [(&str, &[u8]); 4] = [
    ("dir.dit", b"the database"),
    ("EDB00001.LOG", b"oldest"),
    ("edb.chk", b"checkpoint"),
    ("edb.log", b"newest"),
];

#[test]
fn letters_mean_partitions_of_mbr_and_gpt() {
    if !made::possible() {
        return;
    }
    let lab = Lab::new();
    let image = lab.path("disk.img");
    // The second is a logical partition: behind a record of its own.
    let start = 2 * made::ALIGNMENT + (16 << 20);
    let letters = [('D', start), ('E', start), ('C', made::ALIGNMENT)];
    let letters = letters.map(|(letter, start)| (letter, made::mbr_device(SIGNATURE, start)));
    lab.two_volumes(&letters);
    let starts = made::disk(&image, &Table::Mbr(SIGNATURE), &lab.volumes);
    assert_eq!(starts[1], start);
    let found = Disks::open(&image)
        .unwrap()
        .unwrap()
        .directory(None)
        .unwrap();
    assert_eq!(content(&found), expected(&BOTH));
    assert_eq!(found.warnings, [""; 0]);
    assert!(
        found.description.contains("partition 5: \\NTDS\\dir.dit"),
        "{}",
        found.description
    );

    let letters = [('D', GUIDS[1]), ('E', GUIDS[1]), ('C', GUIDS[0])];
    lab.two_volumes(&letters.map(|(letter, id)| (letter, made::gpt_device(id))));
    made::disk(&image, &Table::Gpt(GUIDS), &lab.volumes);
    let found = Disks::open(&image)
        .unwrap()
        .unwrap()
        .directory(None)
        .unwrap();
    assert_eq!(content(&found), expected(&BOTH));

    // Where the first table is damaged, its copy at the end counts; without both it is said.
    let mut disk = fs::read(&image).unwrap();
    disk[512 + 60] ^= 1;
    fs::write(&image, &disk).unwrap();
    let found = Disks::open(&image)
        .unwrap()
        .unwrap()
        .directory(None)
        .unwrap();
    assert_eq!(content(&found), expected(&BOTH));
    let last = disk.len() - 512;
    disk[last + 60] ^= 1;
    fs::write(&image, &disk).unwrap();
    let error = Disks::open(&image).err().unwrap().to_string();
    assert!(
        error.contains("GPT header") && error.contains("checksum"),
        "{error}"
    );
}

/// Each disk is an image of its own, in the folders of Windows Server Backup. Their signatures are not
/// those of the disks, so that letters do not resolve: what only one volume has is taken.
#[test]
fn a_folder_of_windows_server_backup() {
    if !made::possible() {
        return;
    }
    let lab = Lab::new();
    made::volume(&lab.volumes[0], 16, |root| {
        let letters = [('D', made::mbr_device(5, 1)), ('E', made::mbr_device(6, 2))];
        windows(root, r"D:\NTDS\dir.dit", r"E:\Logs of NTDS", &letters);
    });
    made::volume(&lab.volumes[1], 16, |root| {
        write(root, "NTDS", &[BOTH[0]]);
        write(root, "Logs of NTDS", &BOTH[1..]);
    });
    let server = lab.path("WindowsImageBackup/DC01");
    let backup = server.join("Backup 2026-11-20 190000");
    fs::create_dir_all(&backup).unwrap();
    fs::create_dir_all(server.join("Catalog")).unwrap();
    fs::create_dir_all(server.join("Backup 2025-01-01 190000")).unwrap();
    fs::write(server.join("MediaId"), b"x").unwrap();
    for (number, volume) in lab.volumes.iter().enumerate() {
        let raw = lab.path("one.img");
        made::disk(&raw, &Table::Mbr(1), std::slice::from_ref(volume));
        let mut convert = made::command("qemu-img");
        convert
            .args(["convert", "-f", "raw", "-O", "vhdx"])
            .arg(&raw);
        made::run(convert.arg(backup.join(format!("{number}.vhdx"))));
    }
    for path in [lab.path("WindowsImageBackup"), server, backup] {
        let disks = Disks::open(&path).unwrap().expect("images");
        let found = disks.directory(None).unwrap();
        assert_eq!(content(&found), expected(&BOTH));
        let warnings = found.warnings.join("\n");
        assert!(
            warnings.contains("does not say which volume here is D:"),
            "{warnings}"
        );
        assert!(
            warnings.contains("does not say which volume here is E:"),
            "{warnings}"
        );
    }
    let other = lab.path("WindowsImageBackup/DC02/Backup 2026-11-20 190000");
    fs::create_dir_all(&other).unwrap();
    fs::write(other.join("x.vhdx"), b"x").unwrap();
    let error = Disks::open(&lab.path("WindowsImageBackup"))
        .err()
        .unwrap()
        .to_string();
    assert!(error.contains("DC01, DC02"), "{error}");
}

#[test]
fn a_path_that_is_named_and_the_default_place() {
    if !made::possible() {
        return;
    }
    let lab = Lab::new();
    let c = &lab.volumes[0];
    made::volume(c, 16, |root| {
        write(root, "Windows/NTDS", &[BOTH[0]]);
        write(root, "Windows/ntds", &BOTH[1..]);
        fs::rename(
            root.join("Windows/NTDS/dir.dit"),
            root.join("Windows/NTDS/ntds.dit"),
        )
        .unwrap();
        write(
            root,
            "other",
            &[("x.dit", b"other"), ("edb.log", b"its log")],
        );
        fs::write(root.join("top.dit"), b"top").unwrap();
    });
    // A volume alone is a disk, too.
    let disks = Disks::open(c).unwrap().unwrap();
    let found = disks.directory(None).unwrap();
    assert_eq!(
        content(&found)[0],
        ("ntds.dit".to_owned(), b"the database".to_vec())
    );
    assert!(
        found.description.contains("default place"),
        "{}",
        found.description
    );
    let its: [(&str, &[u8]); 2] = [("x.dit", b"other"), ("edb.log", b"its log")];
    for path in [
        r"C:\other\x.dit",
        "other/x.dit",
        r"\OTHER\X.DIT",
        r"\\?\c:\other\x.dit",
    ] {
        let found = disks.directory(Some(path)).unwrap();
        let names = content(&found);
        assert_eq!(names, expected(&its), "{path}");
    }
    assert_eq!(
        content(&disks.directory(Some("top.dit")).unwrap()),
        expected(&[("top.dit", b"top")])
    );
    for path in ["gone/x.dit", "other", r"top.dit\x", ""] {
        let error = disks.directory(Some(path)).err().unwrap().to_string();
        assert!(error.contains("no volume has the file"), "{error}");
    }
}
