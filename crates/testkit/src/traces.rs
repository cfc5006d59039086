//! Finds traces of a secret in a running process: in the process list, in its environment, and in
//! its memory.

use std::fs::File;
use std::io::BufRead;
use std::os::unix::fs::FileExt;

/// A process and its descendants that still run.
pub fn family(process: u32) -> Vec<u32> {
    let parents: Vec<(u32, u32)> = std::fs::read_dir("/proc")
        .expect("the list of processes")
        .filter_map(|entry| {
            let id: u32 = entry.ok()?.file_name().to_str()?.parse().ok()?;
            let state = std::fs::read_to_string(format!("/proc/{id}/stat")).ok()?;
            // The name before it is in parentheses and may hold anything.
            let parent = state.rsplit_once(')')?.1.split_whitespace().nth(1)?;
            Some((id, parent.parse().ok()?))
        })
        .collect();
    let mut family = vec![process];
    let mut next = 0;
    while let Some(parent) = family.get(next).copied() {
        family.extend(
            parents
                .iter()
                .filter(|(_, of)| *of == parent)
                .map(|(id, _)| id),
        );
        next += 1;
    }
    family
}

/// Names those of a process's arguments and initial environment that show a secret.
pub fn in_the_open(process: u32, secret: &str) -> Vec<String> {
    ["cmdline", "environ"]
        .into_iter()
        .map(|name| format!("/proc/{process}/{name}"))
        .filter(|place| {
            let bytes = std::fs::read(place).unwrap_or_default();
            finds(&bytes, secret.as_bytes())
        })
        .collect()
}

/// The parts of a process's memory that show a secret, in UTF-8 or UTF-16: everything that a core
/// dump could hold.
pub fn in_memory(process: u32, secret: &str) -> Vec<String> {
    let memory = File::open(format!("/proc/{process}/mem")).expect("the process's memory");
    let maps = File::open(format!("/proc/{process}/maps")).expect("its parts");
    let wide: Vec<u8> = secret.encode_utf16().flat_map(u16::to_le_bytes).collect();
    let mut found = Vec::new();
    for line in std::io::BufReader::new(maps).lines() {
        let line = line.expect("a part");
        let range = line.split_whitespace().next().unwrap_or_default();
        let (start, end) = range.split_once('-').expect("a range");
        let [mut at, end] =
            [start, end].map(|number| u64::from_str_radix(number, 16).expect("an address"));
        let mut buffer = vec![0; 4 << 20];
        let overlap = wide.len() as u64;
        while at < end {
            let length = buffer.len().min((end - at) as usize);
            let piece = &mut buffer[..length];
            // Some regions cannot be read, such as those of devices.
            if memory.read_exact_at(piece, at).is_err() {
                break;
            }
            if finds(piece, secret.as_bytes()) || finds(piece, &wide) {
                found.push(line.clone());
                break;
            }
            at += length as u64;
            if at < end {
                at -= overlap;
            }
        }
    }
    found
}

/// The files below a folder that show a secret.
pub fn in_files(folder: &std::path::Path, secret: &str) -> Vec<String> {
    let mut found = Vec::new();
    let mut folders = vec![folder.to_path_buf()];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(&folder).expect("list the folder") {
            let entry = entry.expect("an entry");
            let kind = entry.file_type().expect("its kind");
            if kind.is_dir() {
                folders.push(entry.path());
            } else if kind.is_file() {
                let bytes = std::fs::read(entry.path()).expect("read the file");
                if finds(&bytes, secret.as_bytes()) {
                    found.push(entry.path().display().to_string());
                }
            }
        }
    }
    found
}

fn finds(bytes: &[u8], what: &[u8]) -> bool {
    let Some((first, rest)) = what.split_first() else {
        return false;
    };
    let mut left = bytes;
    while let Some(place) = left.iter().position(|byte| byte == first) {
        left = &left[place + 1..];
        if left.starts_with(rest) {
            return true;
        }
    }
    false
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_is_found_where_it_is() {
        // The program does not contain the secret, so that only these places hold it.
        let secret: String = ["Se", "cr", "et"].iter().rev().copied().collect::<String>() + "-37";
        let own = std::process::id();
        assert!(in_memory(own, &secret).iter().any(|part| !part.is_empty()));
        let mut child = std::process::Command::new("sleep")
            .arg("60")
            .env("SHOWN", &secret)
            .spawn()
            .expect("sleep");
        assert!(family(own).contains(&child.id()));
        // A new process shows nothing for a moment.
        let deadline = std::time::Instant::now() + std::time::Duration::from_secs(10);
        while in_the_open(child.id(), &secret).len() != 1 {
            assert!(std::time::Instant::now() < deadline, "not found");
            std::thread::sleep(std::time::Duration::from_millis(5));
        }
        assert!(in_the_open(own, &secret).is_empty());
        child.kill().and_then(|()| child.wait()).expect("its end");
        assert!(!finds(b"SeSecre", b"Secret") && finds(b"SeSecret", b"Secret"));
    }
}
