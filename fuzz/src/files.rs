//! Files of a Samba domain controller: arbitrary bytes, or a sound database with changes.

use std::fs::File;
use std::path::Path;

/// Calls `look` on a file with these bytes.
pub fn in_a_file(bytes: &[u8], look: impl FnOnce(&Path, &File)) {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("file");
    std::fs::write(&path, bytes).expect("write the file");
    look(&path, &File::open(&path).expect("the file"));
}

/// Applies `data` to a sound database, which is stored compressed. A first byte of 0 means that the
/// following bytes are the file. Any other means changes of five bytes each: an offset, the new
/// value, and its number of repetitions.
pub fn database(compressed: &[u8], data: &[u8]) -> Vec<u8> {
    let Some((&how, data)) = data.split_first() else {
        return Vec::new();
    };
    if how == 0 {
        return data.to_vec();
    }
    let mut bytes = zstd::decode_all(compressed).expect("a sound database");
    for change in data.as_chunks::<5>().0.iter().take(64) {
        let [a, b, c, value, often] = *change;
        let at = u32::from_le_bytes([a, b, c, 0]) as usize % bytes.len();
        let end = (at + usize::from(often % 16) + 1).min(bytes.len());
        bytes[at..end].fill(value);
    }
    // Truncated now and then.
    let length = match how {
        1..=8 => bytes.len() * usize::from(how) / 9,
        _ => bytes.len(),
    };
    bytes.truncate(length);
    bytes
}
