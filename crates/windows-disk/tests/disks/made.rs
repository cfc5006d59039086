//! Disks as a Windows server has them, made with ntfs-3g, sfdisk, hivex and qemu-img. No byte of them
//! comes from a Windows.

use std::fs;
use std::io::Write;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// Bytes before the first partition, and of those between others.
pub const ALIGNMENT: u64 = 1 << 20;

/// Whether disks can be made here; a note says what is missing.
pub fn possible() -> bool {
    const TOOLS: [(&str, &str); 5] = [
        ("mkntfs", "ntfs-3g"),
        ("ntfs-3g", "ntfs-3g"),
        ("sfdisk", "fdisk"),
        ("hivexsh", "libhivex-bin"),
        ("qemu-img", "qemu-utils"),
    ];
    for (tool, package) in TOOLS {
        if command(tool).arg("--version").output().is_err() {
            eprintln!("note: {tool} is not on this machine (Debian: {package}); skipped");
            return false;
        }
    }
    // Root, and a kernel with FUSE.
    let fuse = fs::OpenOptions::new()
        .read(true)
        .write(true)
        .open("/dev/fuse");
    if fuse.is_err() || fs::metadata("/proc/self").is_ok_and(|own| own.uid() != 0) {
        eprintln!("note: file systems cannot be mounted here (root, /dev/fuse); skipped");
        return false;
    }
    true
}

/// Some of the tools are beside those of every user.
pub fn command(program: &str) -> Command {
    let mut command = Command::new(program);
    let path = std::env::var("PATH").unwrap_or_default();
    command.env("PATH", format!("{path}:/usr/sbin:/sbin"));
    command
}

/// Runs a tool that must succeed.
pub fn run(command: &mut Command) -> String {
    let output = command.output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{command:?}: {said}");
    String::from_utf8(output.stdout).unwrap()
}

/// Makes an NTFS volume in a file, and lets `fill` write into it while it is mounted.
pub fn volume(file: &Path, mib: u64, fill: impl FnOnce(&Path)) {
    fs::File::create(file).unwrap().set_len(mib << 20).unwrap();
    let mut make = command("mkntfs");
    make.args(["--force", "--quick", "--quiet", "--no-indexing"]);
    make.args(["--partition-start", "2048", "--heads", "255"]);
    run(make.args(["--sectors-per-track", "63"]).arg(file));
    mounted(file, fill);
}

/// Mounts a volume while `work` is done.
pub fn mounted(file: &Path, work: impl FnOnce(&Path)) {
    let folder = tempfile::tempdir().unwrap();
    let mut mount = command("ntfs-3g");
    mount.args(["-o", "no_detach,compression"]);
    mount.stdout(Stdio::null()).stderr(Stdio::null());
    let mut process = mount.arg(file).arg(folder.path()).spawn().unwrap();
    let own = fs::metadata(folder.path().parent().unwrap()).unwrap().dev();
    while fs::metadata(folder.path()).unwrap().dev() == own {
        assert!(process.try_wait().unwrap().is_none(), "ntfs-3g ended");
        std::thread::sleep(std::time::Duration::from_millis(10));
    }
    // It is unmounted whatever happens: a mounted folder could not be removed.
    let outcome = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| work(folder.path())));
    // A process that another test is just starting holds files of this one for a moment.
    let is_busy = || {
        !command("umount")
            .arg(folder.path())
            .output()
            .unwrap()
            .status
            .success()
    };
    let mut tries = 0;
    while tries < 50 && is_busy() {
        tries += 1;
        std::thread::sleep(std::time::Duration::from_millis(100));
    }
    assert!(tries < 50, "{} stays mounted", folder.path().display());
    assert!(process.wait().unwrap().success());
    if let Err(panic) = outcome {
        std::panic::resume_unwind(panic);
    }
}

/// How a disk is parted.
pub enum Table {
    /// With this signature; all partitions but the first are logical ones.
    Mbr(u32),
    /// With a GUID for each partition, which begins with these digits.
    Gpt([&'static str; 2]),
}

/// Joins volumes to a disk with a partition table, and returns where each begins.
pub fn disk(file: &Path, table: &Table, volumes: &[PathBuf]) -> Vec<u64> {
    let mut script = match table {
        Table::Mbr(signature) => format!("label: dos\nlabel-id: {signature:#x}\n"),
        Table::Gpt(_) => "label: gpt\n".to_owned(),
    };
    let mut starts = Vec::new();
    let mut at = ALIGNMENT;
    let total: u64 = volumes
        .iter()
        .map(|volume| volume.metadata().unwrap().len())
        .sum();
    let total = total + ALIGNMENT * (2 * volumes.len() as u64 + 2);
    for (number, volume) in volumes.iter().enumerate() {
        let sectors = volume.metadata().unwrap().len() / 512;
        match table {
            Table::Mbr(_) => {
                if number == 1 {
                    script += &format!("start={}, size={}, type=5\n", at / 512, (total - at) / 512);
                }
                // Before each logical one is its record.
                at += if number > 0 { ALIGNMENT } else { 0 };
                script += &format!("start={}, size={sectors}, type=7\n", at / 512);
            }
            Table::Gpt(ids) => {
                let kind = "EBD0A0A2-B9E5-4433-87C0-68B6B72699C7";
                let id = ids[number];
                let start = at / 512;
                script += &format!("start={start}, size={sectors}, type={kind}, uuid={id}\n");
            }
        }
        starts.push(at);
        at += volume.metadata().unwrap().len();
    }
    let mut whole = fs::File::create(file).unwrap();
    whole.set_len(total).unwrap();
    let mut part = command("sfdisk")
        .args(["--quiet", "--no-reread", "--no-tell-kernel"])
        .arg(file)
        .stdin(Stdio::piped())
        .spawn()
        .unwrap();
    part.stdin
        .take()
        .unwrap()
        .write_all(script.as_bytes())
        .unwrap();
    assert!(part.wait().unwrap().success(), "{script}");
    for (volume, start) in volumes.iter().zip(&starts) {
        use std::io::Seek;
        whole.seek(std::io::SeekFrom::Start(*start)).unwrap();
        whole.write_all(&fs::read(volume).unwrap()).unwrap();
    }
    starts
}

/// A value of a registry, as hivexsh takes it.
pub enum Value {
    Text(&'static str),
    Number(u32),
    Bytes(Vec<u8>),
}

/// Writes a registry with these keys and values.
pub fn hive(file: &Path, keys: &[(&str, Vec<(&str, Value)>)]) {
    fs::write(file, empty_hive()).unwrap();
    let mut script = String::new();
    let mut known: Vec<String> = Vec::new();
    for (key, values) in keys {
        script += "cd \\\n";
        let mut path = String::new();
        for name in key.split('\\') {
            path = format!("{path}\\{name}");
            if !known.contains(&path) {
                script += &format!("add {name}\n");
                known.push(path.clone());
            }
            script += &format!("cd {name}\n");
        }
        script += &format!("setval {}\n", values.len());
        for (name, value) in values {
            let value = match value {
                Value::Text(text) => format!("string:{text}"),
                Value::Number(number) => format!("dword:{number:#x}"),
                Value::Bytes(bytes) => {
                    let bytes: Vec<String> =
                        bytes.iter().map(|byte| format!("{byte:02x}")).collect();
                    format!("hex:3:{}", bytes.join(","))
                }
            };
            script += &format!("{name}\n{value}\n");
        }
    }
    script += "commit\n";
    let mut shell = command("hivexsh")
        .arg("-w")
        .arg(file)
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .spawn()
        .unwrap();
    shell
        .stdin
        .take()
        .unwrap()
        .write_all(script.as_bytes())
        .unwrap();
    assert!(shell.wait().unwrap().success(), "{script}");
}

/// The registry of a domain controller, with drive letters.
pub fn system_hive(
    file: &Path,
    database: &'static str,
    logs: &'static str,
    letters: &[(char, Vec<u8>)],
) {
    let names: Vec<String> = (letters.iter())
        .map(|(letter, _)| format!(r"\DosDevices\{letter}:"))
        .collect();
    let devices = (names.iter().zip(letters))
        .map(|(name, (_, device))| (&name[..], Value::Bytes(device.clone())))
        .collect();
    let mut many = vec![
        (
            "Select",
            vec![("Current", Value::Number(2)), ("Default", Value::Number(1))],
        ),
        (
            r"ControlSet001\Services\NTDS\Parameters",
            vec![("DSA Database file", Value::Text(r"X:\wrong.dit"))],
        ),
        (
            r"ControlSet002\Services\NTDS\Parameters",
            vec![
                ("DSA Working Directory", Value::Text(logs)),
                ("DSA Database file", Value::Text(database)),
                ("Database log files path", Value::Text(logs)),
            ],
        ),
        ("MountedDevices", devices),
    ];
    // More services than one list of keys holds.
    let services: Vec<String> = (0..40)
        .map(|number| format!(r"ControlSet002\Services\S{number}"))
        .collect();
    many.extend(
        services
            .iter()
            .map(|key| (&key[..], vec![("Start", Value::Number(3))])),
    );
    hive(file, &many);
}

/// What the registry calls a partition of a disk with an MBR.
pub fn mbr_device(signature: u32, start: u64) -> Vec<u8> {
    [&signature.to_le_bytes()[..], &start.to_le_bytes()].concat()
}

/// What the registry calls a partition of a disk with a GPT. Of its parts three are little-endian.
pub fn gpt_device(id: &str) -> Vec<u8> {
    let digits: String = id.chars().filter(|digit| *digit != '-').collect();
    let byte = |at: usize| u8::from_str_radix(&digits[2 * at..2 * at + 2], 16).unwrap();
    let order = [3, 2, 1, 0, 5, 4, 7, 6, 8, 9, 10, 11, 12, 13, 14, 15];
    [&b"DMIO:ID:"[..], &order.map(byte)].concat()
}

/// A registry with a root key and nothing in it.
fn empty_hive() -> Vec<u8> {
    fn put(bytes: &mut [u8], at: usize, field: &[u8]) {
        bytes[at..at + field.len()].copy_from_slice(field);
    }
    const NOWHERE: [u8; 4] = [0xff; 4];
    let mut hive = vec![0; 8192];
    put(&mut hive, 0, b"regf");
    put(&mut hive, 4, &1u32.to_le_bytes());
    put(&mut hive, 8, &1u32.to_le_bytes());
    put(&mut hive, 20, &1u32.to_le_bytes());
    put(&mut hive, 24, &5u32.to_le_bytes());
    put(&mut hive, 32, &1u32.to_le_bytes());
    put(&mut hive, 36, &32u32.to_le_bytes());
    put(&mut hive, 40, &4096u32.to_le_bytes());
    put(&mut hive, 44, &1u32.to_le_bytes());
    let sum = hive[..508].chunks(4).fold(0, |sum, word| {
        sum ^ u32::from_le_bytes(word.try_into().unwrap())
    });
    put(&mut hive, 508, &sum.to_le_bytes());
    let bin = &mut hive[4096..];
    put(bin, 0, b"hbin");
    put(bin, 8, &4096u32.to_le_bytes());
    // The root key, its security, and the rest, which is free.
    let name = b"ROOT";
    put(bin, 32, &(-88i32).to_le_bytes());
    put(bin, 36, b"nk");
    put(bin, 38, &0x2cu16.to_le_bytes());
    for at in [28, 32, 40, 48] {
        put(bin, 36 + at, &NOWHERE);
    }
    put(bin, 36 + 44, &120u32.to_le_bytes());
    put(bin, 36 + 72, &(name.len() as u16).to_le_bytes());
    put(bin, 36 + 76, name);
    put(bin, 120, &(-40i32).to_le_bytes());
    put(bin, 124, b"sk");
    put(bin, 128, &120u32.to_le_bytes());
    put(bin, 132, &120u32.to_le_bytes());
    put(bin, 136, &1u32.to_le_bytes());
    put(bin, 140, &20u32.to_le_bytes());
    // A descriptor that says nothing.
    put(bin, 144, &[1, 0, 0, 0x80]);
    put(bin, 160, &(4096i32 - 160).to_le_bytes());
    hive
}
