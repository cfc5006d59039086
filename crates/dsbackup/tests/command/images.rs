//! Directories in images of disks: what is recovered from one, and what is read of it, is what the
//! plain folder gives. The disks are made here with ntfs-3g and qemu-img; without them, and without
//! root, the tests say that they are skipped.

use std::fs;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use crate::lab::Run;
use crate::lab::set::{Set, dsbackup, json, run, succeed, text};

#[path = "../../../windows-disk/tests/disks/made.rs"]
#[allow(dead_code)]
mod made;

use made::Table;

const SIGNATURE: u32 = 0x1234_abcd;
const GUIDS: [&str; 2] = [
    "A1B2C3D4-0102-4304-8506-0708090A0B0C",
    "0F0E0D0C-1112-4314-8516-1718191A1B1C",
];

struct Disk {
    folder: tempfile::TempDir,
    /// The disk as it is.
    raw: PathBuf,
}

impl Disk {
    /// A server's disk: C: with Windows and the logs, D: with the database, in many pieces.
    fn with(files: &Path, table: &Table) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let volumes = ["c", "d"].map(|name| folder.path().join(name));
        let starts = [made::ALIGNMENT, 2 * made::ALIGNMENT + (24 << 20)];
        let devices = match table {
            Table::Mbr(signature) => starts.map(|start| made::mbr_device(*signature, start)),
            Table::Gpt(ids) => ids.map(made::gpt_device),
        };
        let [c, d] = devices;
        made::volume(&volumes[0], 24, |root| {
            let config = root.join("Windows/System32/config");
            fs::create_dir_all(&config).expect("make it");
            let hive = folder.path().join("hive");
            let letters = [('C', c), ('D', d)];
            made::system_hive(&hive, r"D:\NTDS\ntds.dit", r"C:\Windows\NTDS", &letters);
            fs::copy(&hive, config.join("SYSTEM")).expect("copy it");
            fs::create_dir(root.join("Windows/NTDS")).expect("make it");
            for entry in fs::read_dir(files).expect("list it") {
                let name = entry.expect("an entry").file_name();
                if name != "ntds.dit" {
                    let target = root.join("Windows/NTDS").join(&name);
                    fs::copy(files.join(&name), target).expect("copy it");
                }
            }
        });
        made::volume(&volumes[1], 32, |root| {
            fs::create_dir(root.join("NTDS")).expect("make it");
            let bytes = fs::read(files.join("ntds.dit")).expect("read it");
            let database = fs::File::create(root.join("NTDS/ntds.dit")).expect("make it");
            let other = fs::File::create(root.join("other")).expect("make it");
            for (number, piece) in bytes.chunks(4096).enumerate() {
                let start = 4096 * number as u64;
                // Zeros are left out, as of a sparse file.
                if piece.iter().any(|byte| *byte != 0) {
                    database.write_all_at(piece, start).expect("write it");
                }
                other.write_all_at(&[1; 4096], start).expect("write it");
            }
            database.set_len(bytes.len() as u64).expect("its length");
        });
        let raw = folder.path().join("disk.img");
        made::disk(&raw, table, &volumes);
        Self { folder, raw }
    }

    /// The disk in another format.
    fn converted(&self, name: &str, options: &str) -> PathBuf {
        let image = self.folder.path().join(name);
        let mut convert = made::command("qemu-img");
        convert
            .args(["convert", "-f", "raw"])
            .args(options.split(' '));
        made::run(convert.arg(&self.raw).arg(&image));
        image
    }
}

/// What a plain folder gives.
struct Plain {
    folder: tempfile::TempDir,
    dump: String,
}

impl Plain {
    fn of(set: &Set) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let to = text(folder.path());
        succeed(&["recover", &text(set.folder.path()), "--to", &to]);
        let dump = dump(folder.path());
        Self { folder, dump }
    }
}

fn dump(folder: &Path) -> String {
    succeed(&["dump", "--indexes", &text(&folder.join("ntds.dit"))]).stdout
}

fn names(folder: &Path) -> Vec<String> {
    let entries = fs::read_dir(folder).expect("list it");
    let name = |entry: std::io::Result<fs::DirEntry>| entry.expect("an entry").file_name();
    let mut names: Vec<String> = entries.map(|entry| text(Path::new(&name(entry)))).collect();
    names.sort();
    names
}

#[test]
fn recover_from_every_format_gives_what_the_plain_folder_gives() {
    if !made::possible() {
        return;
    }
    let set = Set::shipped("sample-forest/dirty");
    let plain = Plain::of(&set);
    let disk = Disk::with(set.folder.path(), &Table::Mbr(SIGNATURE));
    let mut images = vec![disk.raw.clone()];
    for (name, options) in [
        ("disk.qcow2", "-c -O qcow2"),
        ("zstd.qcow2", "-c -O qcow2 -o compression_type=zstd"),
        ("fixed.vhd", "-O vpc -o subformat=fixed,force_size=on"),
        ("dynamic.vhd", "-O vpc -o force_size=on"),
        ("fixed.vhdx", "-O vhdx -o subformat=fixed"),
        ("dynamic.vhdx", "-O vhdx"),
        ("one.vmdk", "-O vmdk"),
        ("flat.vmdk", "-O vmdk -o subformat=monolithicFlat"),
        ("stream.vmdk", "-O vmdk -o subformat=streamOptimized"),
        ("split.vmdk", "-O vmdk -o subformat=twoGbMaxExtentSparse"),
    ] {
        images.push(disk.converted(name, options));
    }
    for image in &images {
        let out = tempfile::tempdir().expect("a folder");
        let to = text(out.path());
        let before = fs::read(image).expect("read it");
        let recovered = succeed(&["recover", "--json", &text(image), "--to", &to]);
        assert_eq!(json(&recovered)["was_clean"], false, "{recovered}");
        assert!(
            dump(out.path()) == plain.dump,
            "{}: another directory",
            image.display()
        );
        // Neither logs nor what was on the way stays.
        assert_eq!(
            names(out.path()),
            names(plain.folder.path()),
            "{}",
            image.display()
        );
        assert!(
            fs::read(image).expect("read it") == before,
            "the image is only read"
        );
    }
    let in_place = run(&["recover", &text(&images[1])]);
    assert_eq!(in_place.code, Some(2), "{in_place}");
    assert!(in_place.stderr.contains("--to DIR"), "{in_place}");
    // What is there already is not replaced.
    let again = run(&[
        "recover",
        &text(&images[1]),
        "--to",
        &text(plain.folder.path()),
    ]);
    assert_eq!(again.code, Some(4), "{again}");
    assert!(dump(plain.folder.path()) == plain.dump);
}

#[test]
fn an_image_is_a_source_of_objects() {
    if !made::possible() {
        return;
    }
    let cache = tempfile::tempdir().expect("a folder");
    let with_cache = |arguments: &[&str]| {
        let run = Run::of(dsbackup(arguments).env("DSBACKUP_CACHE", cache.path()));
        assert_eq!(run.code, Some(0), "{arguments:?}: {run}");
        run
    };
    for fixture in ["sample-forest/dirty", "sample-forest/clean"] {
        let set = Set::shipped(fixture);
        let plain = Plain::of(&set);
        let folder = text(plain.folder.path());
        let disk = Disk::with(set.folder.path(), &Table::Gpt(GUIDS));
        let image = text(&disk.converted("dc01.vhdx", "-O vhdx"));
        fs::remove_file(&disk.raw).expect("remove it");
        let first = with_cache(&["facts", &image]);
        assert!(first.stderr.contains("are copied into"), "{first}");
        assert!(
            first.stderr.contains(r"D:\NTDS\ntds.dit by the registry"),
            "{first}"
        );
        assert_eq!(first.stdout, with_cache(&["facts", &folder]).stdout);
        let second = with_cache(&["facts", &image]);
        assert!(!second.stderr.contains("are copied into"), "{second}");
        assert_eq!(second.stdout, first.stdout);
        for what in [
            &["ls"][..],
            &["search", "(objectClass=user)", "--json"],
            &["show", "Administrator", "--metadata"],
            &["export", "--ldif"],
            &["tables"],
        ] {
            let of = |source: &str| {
                let mut arguments = what.to_vec();
                arguments.insert(1, source);
                with_cache(&arguments).stdout
            };
            assert!(of(&image) == of(&folder), "{fixture}: {what:?}");
        }
        with_cache(&["diff", "--exit-code", &image, &folder]);
        // A folder of images is one server.
        let of_folder = with_cache(&["facts", &text(disk.folder.path())]);
        assert_eq!(of_folder.stdout, first.stdout);
    }
    // Another path in the image, and a copy that does not stay.
    let set = Set::shipped("sample-forest/clean");
    let disk = Disk::with(set.folder.path(), &Table::Mbr(SIGNATURE));
    let image = text(&disk.raw);
    let empty = tempfile::tempdir().expect("a folder");
    let named = [
        "facts",
        &image,
        "--in-image",
        r"D:\ntds\NTDS.DIT",
        "--no-cache",
    ];
    let run = Run::of(dsbackup(&named).env("DSBACKUP_CACHE", empty.path()));
    assert_eq!(run.code, Some(0), "{run}");
    assert_eq!(names(empty.path()), [""; 0]);
    let wrong = ["facts", &image, "--in-image", r"D:\gone.dit", "--no-cache"];
    let run = Run::of(dsbackup(&wrong).env("DSBACKUP_CACHE", empty.path()));
    assert_eq!(run.code, Some(1), "{run}");
    assert!(
        run.stderr.contains(r"no volume has the file D:\gone.dit"),
        "{run}"
    );
    let files = Run::of(dsbackup(&["files", &image]).env("DSBACKUP_CACHE", empty.path()));
    assert_eq!(files.code, Some(4), "{files}");
}

#[test]
fn what_is_damaged_or_not_read_ends_with_its_own_code() {
    if !made::possible() {
        return;
    }
    let folder = tempfile::tempdir().expect("a folder");
    let out = folder.path().join("out");
    let recover = |image: &Path, code: i32, words: &str| {
        let run = run(&["recover", &text(image), "--to", &text(&out)]);
        assert_eq!(run.code, Some(code), "{run}");
        assert!(run.stderr.contains(words), "{run}");
        assert!(!out.exists() || names(&out).is_empty(), "nothing stays");
    };
    let blank = folder.path().join("blank.img");
    let mut sector = vec![0; 1 << 20];
    sector[510..512].copy_from_slice(&[0x55, 0xaa]);
    fs::write(&blank, &sector).expect("write it");
    recover(&blank, 1, "no NTFS volume is on the disk");

    let volume = folder.path().join("compressed.raw");
    made::volume(&volume, 16, |root| {
        let ntds = root.join("Windows/NTDS");
        fs::create_dir_all(&ntds).expect("make it");
        let attribute = ["-n", "system.ntfs_attrib_be", "-v", "0x00000810"];
        made::run(made::command("setfattr").args(attribute).arg(&ntds));
        fs::write(ntds.join("ntds.dit"), vec![7; 1 << 20]).expect("write it");
    });
    recover(&volume, 4, "compressed by NTFS");

    // Without its logs a database cannot be recovered, and its copy does not stay.
    let set = Set::shipped("sample-forest/dirty");
    made::volume(&volume, 32, |root| {
        let ntds = root.join("Windows/NTDS");
        fs::create_dir_all(&ntds).expect("make it");
        fs::copy(&set.database, ntds.join("ntds.dit")).expect("copy it");
    });
    recover(
        &volume,
        1,
        "the logs of generation 0x6-0x7, which the database in it needs",
    );

    let mut bytes = fs::read(&volume).expect("read it");
    bytes[40..48].fill(0);
    fs::write(&volume, &bytes).expect("write it");
    recover(&volume, 3, "NTFS boot sector at byte 48");
}
