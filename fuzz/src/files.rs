//! Files of a Samba domain controller: any bytes, or a sound database with some of them changed.

use std::fs::File;
use std::path::Path;

/// Has `look` look at a file with these bytes.
pub fn in_a_file(bytes: &[u8], look: impl FnOnce(&Path, &File)) {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("file");
    std::fs::write(&path, bytes).expect("write the file");
    look(&path, &File::open(&path).expect("the file"));
}

/// What `data` makes of a sound database, which comes compressed. The first byte says how: 0 means the bytes that follow by
/// themselves, anything else changes, each of five bytes: an offset, the new value, and how often it stands there.
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
    // Cut short now and then.
    let length = match how {
        1..=8 => bytes.len() * usize::from(how) / 9,
        _ => bytes.len(),
    };
    bytes.truncate(length);
    bytes
}
