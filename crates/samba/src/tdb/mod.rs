//! TDB files: enough of the format to lock, copy and verify one.
//!
//! All integers are in the byte order of the computer that made the file; only little-endian files
//! are read. Source: tdb's public `tdb_private.h`.
//!
//! | offset | bytes | field |
//! | --- | --- | --- |
//! | 0 | 32 | `TDB file\n`, padded with zeros |
//! | 32 | 4 | version |
//! | 36 | 4 | number of hash chains |
//! | 40 | 4 | obsolete; a magic number where features are used |
//! | 44 | 4 | offset of the recovery area, 0 for none |
//! | 60 | 4 | feature flags |
//! | 64 | 4 | bytes of the mutexes that follow the hash chains |
//! | 168 | 4 | head of the free list, then the heads of the hash chains |

mod records;

use std::fs::File;
use std::path::Path;

use crate::error::{Error, Result};
use crate::file_start::read_start;
use crate::lock::Range;

pub use records::{Place, Records};

/// Size of the header.
pub const HEADER: usize = 168;
/// Size of a record's header: next, lengths of the record, its key and its data, hash, magic
/// number.
const RECORD_HEADER: u64 = 24;

const FOOD: &[u8] = b"TDB file\n";
const VERSION: u32 = 0x2601_1967 + 6;
const FEATURES: u32 = 0x0bad_1a52;
const FEATURE_MUTEXES: u32 = 1;

const MAGIC_USED: u32 = 0x2601_1999;
const MAGIC_FREE: u32 = !MAGIC_USED;
const MAGIC_DEAD: u32 = 0xFEE1_DEAD;
const MAGIC_RECOVERY: u32 = 0xf53b_c0e7;
const MAGIC_RECOVERY_INVALID: u32 = 0;
/// Content of space that was added to a file and is no record yet.
const FILLER: u32 = 0x4242_4242;

/// Locked exclusively by every transaction from start to end.
pub const TRANSACTION: Range = Range {
    start: 8,
    length: 1,
    what: "transaction lock",
};
/// All hash chains: locked exclusively, one by one, by writers outside a transaction.
pub const RECORDS: Range = Range {
    start: HEADER as u64,
    length: 0,
    what: "record lock",
};

/// Whether the first bytes of a file are those of a TDB, of whichever version.
pub fn has_magic(start: &[u8]) -> bool {
    start.starts_with(FOOD)
}

/// The header of a TDB file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Header {
    hash_chains: u32,
    recovery_start: u32,
    features: u32,
    mutex_size: u32,
}

impl Header {
    /// Reads the header of a file. `None` if the file is no TDB.
    ///
    /// # Errors
    /// Fails if the file is unreadable, or is a TDB that this computer could not open.
    pub fn of_file(path: &Path) -> Result<Option<Self>> {
        let mut start = [0; HEADER];
        match read_start(path, &mut start)? {
            true => Self::parse(path, &start),
            false => Ok(None),
        }
    }

    fn parse(path: &Path, start: &[u8; HEADER]) -> Result<Option<Self>> {
        if !has_magic(start) {
            return Ok(None);
        }
        let version = integer(start, 32);
        if version != VERSION {
            return Err(Error::damaged(
                path,
                format!("its TDB header has version {version:#x}; expected {VERSION:#x}"),
            ));
        }
        let features = match integer(start, 40) {
            FEATURES => integer(start, 60),
            _ => 0,
        };
        Ok(Some(Self {
            hash_chains: integer(start, 36),
            recovery_start: integer(start, 44),
            features,
            mutex_size: integer(start, 64),
        }))
    }

    /// Whether processes share its hash chains through mutexes in the file. Such a database lives
    /// no longer than the processes, and byte-range locks do not protect it.
    pub fn is_guarded_by_mutexes(&self) -> bool {
        self.features & FEATURE_MUTEXES != 0
    }
}

fn integer(bytes: &[u8], at: usize) -> u32 {
    let field = bytes
        .get(at..at + 4)
        .and_then(|field| field.try_into().ok());
    field.map_or(0, u32::from_le_bytes)
}

/// The dead bytes of a file: those of the recovery area, unless a transaction must be undone. They
/// are before-images of an earlier transaction.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct LeftOver(std::ops::Range<u64>);

impl LeftOver {
    /// Zeros the dead bytes in `buffer`, which holds the bytes of the file from `at` on.
    pub fn blank(&self, at: u64, buffer: &mut [u8]) {
        let [start, end] = [self.0.start, self.0.end].map(|edge| {
            let offset = edge.saturating_sub(at);
            usize::try_from(offset).map_or(buffer.len(), |offset| offset.min(buffer.len()))
        });
        buffer.get_mut(start..end).unwrap_or_default().fill(0);
    }
}

/// Walks through a TDB file from record to record. Each must be of a known kind and end where the
/// next begins, the last at the end of the file.
///
/// # Errors
/// [`Error::Damaged`] with the offset of the first bad record; [`Error::Io`].
pub fn verify(path: &Path, file: &File, size: u64) -> Result<LeftOver> {
    let damaged = |reason: String| Error::damaged(path, reason);
    let read = |buffer: &mut [u8], at: u64| {
        platform::file::read_exact_at(file, buffer, at).map_err(Error::io("read", path))
    };
    let mut start = [0; HEADER];
    if size < HEADER as u64 {
        return Err(damaged(format!(
            "it has {size} bytes; a TDB file has at least {HEADER}"
        )));
    }
    read(&mut start, 0)?;
    let header = Header::parse(path, &start)?
        .ok_or_else(|| damaged("it does not begin as a TDB file does".into()))?;
    // The free list's head comes before the heads of the chains.
    let mut at = HEADER as u64 + 4 * (u64::from(header.hash_chains) + 1);
    if header.is_guarded_by_mutexes() {
        at += u64::from(header.mutex_size);
    }
    let mut window = Window::default();
    let mut left_over = LeftOver::default();
    while at < size {
        let record = window.record(&read, at, size)?;
        let magic = integer(&record, 20);
        let is_recovery = at == u64::from(header.recovery_start);
        if magic == FILLER || (magic == MAGIC_RECOVERY_INVALID && !is_recovery) {
            // The process that extended the file died before the new space became a record.
            at = window.end_of_filler(&read, at + RECORD_HEADER, size)?;
            continue;
        }
        let known = [
            MAGIC_USED,
            MAGIC_FREE,
            MAGIC_DEAD,
            MAGIC_RECOVERY,
            MAGIC_RECOVERY_INVALID,
        ];
        if !known.contains(&magic) {
            return Err(damaged(format!(
                "offset {at:#x}: {magic:#x} is no record's magic number"
            )));
        }
        let (length, key, data) = (
            integer(&record, 4),
            integer(&record, 8),
            integer(&record, 12),
        );
        if magic == MAGIC_USED && u64::from(key) + u64::from(data) > u64::from(length) {
            return Err(damaged(format!(
                "offset {at:#x}: a record of {length} bytes cannot hold a key of {key} and data of \
                 {data} bytes"
            )));
        }
        let content = at + RECORD_HEADER;
        at = content + u64::from(length);
        if is_recovery && magic == MAGIC_RECOVERY_INVALID {
            // The last four bytes hold its length.
            left_over = LeftOver(content..content.max(at - 4));
        }
    }
    match at == size {
        true => Ok(left_over),
        false => Err(damaged(format!(
            "its last record ends at {at:#x}, the file at {size:#x}"
        ))),
    }
}

type Read<'a> = dyn Fn(&mut [u8], u64) -> Result<()> + 'a;

/// A window of the file, so that small neighboring records cost one read.
#[derive(Default)]
struct Window {
    start: u64,
    bytes: Vec<u8>,
}

impl Window {
    const BYTES: u64 = 64 << 10;

    /// The header of a record; bytes beyond the end of the file are zero.
    fn record(
        &mut self,
        read: &Read<'_>,
        at: u64,
        size: u64,
    ) -> Result<[u8; RECORD_HEADER as usize]> {
        let mut record = [0; RECORD_HEADER as usize];
        let there = (size - at).min(RECORD_HEADER) as usize;
        if !self.holds(at, there) {
            self.start = at;
            self.bytes.resize((size - at).min(Self::BYTES) as usize, 0);
            read(&mut self.bytes, at)?;
        }
        let offset = (at - self.start) as usize;
        let found = self.bytes.get(offset..offset + there).unwrap_or_default();
        if let Some(place) = record.get_mut(..found.len()) {
            place.copy_from_slice(found);
        }
        Ok(record)
    }

    fn holds(&self, at: u64, length: usize) -> bool {
        let end = self.start + self.bytes.len() as u64;
        self.start <= at && at + length as u64 <= end
    }

    /// The end of filler and zeros, in steps of four bytes.
    fn end_of_filler(&mut self, read: &Read<'_>, from: u64, size: u64) -> Result<u64> {
        let mut at = from.min(size);
        while at < size {
            let record = self.record(read, at, size)?;
            if ![0, FILLER].contains(&integer(&record, 0)) {
                break;
            }
            at = (at + 4).min(size);
        }
        Ok(at)
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;
    use std::process::{Command, Stdio};

    use proptest::prelude::*;

    use super::*;

    /// A database made by TDB's own tool; `None` where it is not installed.
    fn database(folder: &Path) -> Option<Vec<u8>> {
        let path = folder.join("test.tdb");
        let tool = Command::new("tdbtool")
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .spawn();
        let Ok(mut tool) = tool else {
            eprintln!("note: tdbtool (package tdb-tools) is not installed: not tested");
            return None;
        };
        let mut script = format!("create {}\n", path.display());
        for number in 0..500 {
            script += &format!("insert key{number} {}\n", "value".repeat(number % 50));
        }
        for number in (0..500).step_by(3) {
            script += &format!("delete key{number}\n");
        }
        tool.stdin
            .take()
            .unwrap()
            .write_all(script.as_bytes())
            .unwrap();
        assert!(tool.wait().unwrap().success());
        assert!(
            Header::of_file(&path)
                .unwrap()
                .is_some_and(|header| !header.is_guarded_by_mutexes())
        );
        Some(std::fs::read(path).unwrap())
    }

    fn check(bytes: &[u8]) -> Result<LeftOver> {
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(bytes).unwrap();
        verify(Path::new("test.tdb"), &file, bytes.len() as u64)
    }

    #[test]
    fn sound_files_pass_and_damaged_ones_are_named() {
        let folder = tempfile::tempdir().unwrap();
        let Some(bytes) = database(folder.path()) else {
            return;
        };
        check(&bytes).unwrap();
        // The content of new space is no damage.
        for filler in [0, 0x42] {
            let mut extended = bytes.clone();
            extended.resize(bytes.len() + 8192, filler);
            check(&extended).unwrap();
        }
        for length in [0, 100, HEADER, bytes.len() / 2, bytes.len() - 4] {
            let error = check(&bytes[..length]).unwrap_err();
            assert!(error.to_string().contains("test.tdb"), "{error}");
        }
        let first_record = HEADER + 4 * (integer(&bytes, 36) as usize + 1);
        let mut damaged = bytes.clone();
        damaged[first_record + 20] ^= 1;
        assert!(check(&damaged).unwrap_err().to_string().contains("magic"));
        let change = || (any::<prop::sample::Index>(), any::<u8>());
        proptest!(|(changes in proptest::collection::vec(change(), 1..20))| {
            let mut bytes = bytes.clone();
            for (index, byte) in changes {
                let at = index.index(bytes.len());
                bytes[at] = byte;
            }
            // Any outcome but a panic or an endless walk.
            let _ = check(&bytes);
        });
    }

    /// Runs a few lines of Python on a database `db`; false where TDB's module is not installed.
    fn python(path: &Path, lines: &str) -> bool {
        let script = format!(
            "import os, sys\ntry: import tdb\nexcept ImportError: sys.exit(77)\n\
             db = tdb.Tdb(sys.argv[1], 100, 0, os.O_RDWR | os.O_CREAT)\n{lines}"
        );
        let python = Command::new("/usr/bin/python3")
            .args(["-c", &script])
            .arg(path)
            .status();
        match python.ok().and_then(|status| status.code()) {
            Some(0) => true,
            Some(77) | None => {
                eprintln!("note: TDB's module for Python is not installed: not tested");
                false
            }
            code => panic!("python3: {code:?}"),
        }
    }

    #[test]
    fn what_transactions_leave_over_is_found_and_can_be_blanked() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("test.tdb");
        let change = |round: u8| {
            format!(
                "db.transaction_start()\nfor n in range(300): db[b'key%d' % n] = b'{round}' * 200\n\
                 db.transaction_commit()"
            )
        };
        if !python(&path, &change(1)) || !python(&path, &change(2)) {
            return;
        }
        let bytes = std::fs::read(&path).unwrap();
        let left_over = check(&bytes).unwrap();
        assert!(left_over.0.end - left_over.0.start > 300 * 200);
        let mut blanked = bytes.clone();
        // In pieces, as a file is read.
        for (number, piece) in blanked.chunks_mut(7000).enumerate() {
            left_over.blank(number as u64 * 7000, piece);
        }
        assert_ne!(blanked, bytes);
        for (at, (after, before)) in blanked.iter().zip(&bytes).enumerate() {
            let expected = if left_over.0.contains(&(at as u64)) {
                0
            } else {
                *before
            };
            assert_eq!(*after, expected, "offset {at}");
        }
        assert_eq!(check(&blanked).unwrap(), left_over);
        // TDB itself finds all records, and can write more.
        std::fs::write(&path, blanked).unwrap();
        let is_of = |round: u8| {
            format!(
                "assert len(list(db)) == 300 and all(db[key] == b'{round}' * 200 for key in db)"
            )
        };
        assert!(python(&path, &is_of(2)));
        assert!(python(&path, &change(3)));
        assert!(python(&path, &is_of(3)));
        check(&std::fs::read(&path).unwrap()).unwrap();
    }

    #[test]
    fn what_is_no_tdb_is_not_taken_for_one() {
        let file = tempfile::NamedTempFile::new().unwrap();
        assert_eq!(Header::of_file(file.path()).unwrap(), None);
        std::fs::write(file.path(), [7; 4096]).unwrap();
        assert_eq!(Header::of_file(file.path()).unwrap(), None);
        assert!(check(&[7; 4096]).is_err());
    }
}
