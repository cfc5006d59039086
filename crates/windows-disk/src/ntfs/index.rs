//! The entries of a folder.
//!
//! All nodes are read one after the other, as the folder's map of nodes lists them: that ends with
//! the nodes, whatever their order says, and needs no rules for it.

use std::ops::ControlFlow;

use disk_image::fields::{u16_le, u32_le, u64_le};
use disk_image::{Error, ReadAt, Result, array};

use super::record::{self, FileReference};
use super::stream::Stream;

/// The most nodes of a folder that are read: more than 40 million files need.
const MOST_NODES: u64 = 1 << 20;
/// Flags of an entry, and of the file that it names.
const LAST: u16 = 2;
const FOLDER: u32 = 0x1000_0000;
const REPARSE_POINT: u32 = 0x400;

/// A file or folder in a folder.
#[derive(Debug, Clone)]
pub struct Entry {
    /// Its name.
    pub name: String,
    /// Its record.
    pub file: FileReference,
    /// Whether it is a folder.
    pub is_folder: bool,
    /// Whether it leads elsewhere: a junction, a symbolic link, a volume in a folder.
    pub is_reparse_point: bool,
    /// Whether it is the short name (8.3) of a file that has a long one.
    pub is_short_name: bool,
}

/// Calls `visit` with the entries of a folder: those of its root node, and of its other nodes.
///
/// # Errors
/// For a damaged folder.
pub(super) fn entries(
    root: &Stream,
    nodes: Option<(&Stream, &Stream)>,
    visit: &mut dyn FnMut(Entry) -> ControlFlow<()>,
) -> Result<()> {
    let mut bytes = vec![0; root.size().min(1 << 16) as usize];
    root.read_at(0, &mut bytes)?;
    let length = u64::from(u32_le(&bytes, 8));
    let node = bytes.get(16..).unwrap_or(&[]);
    if of_node(root.name(), 0, node, visit)?.is_break() {
        return Ok(());
    }
    let Some((nodes, map)) = nodes else {
        return Ok(());
    };
    let damaged = |expected: &str, actual: String| {
        Error::damaged(nodes.name(), "nodes of the folder", 0, expected, actual)
    };
    if !length.is_power_of_two() || !(512..=1 << 16).contains(&length) {
        return Err(damaged(
            "512 bytes to 64 KiB each",
            format!("{length} bytes"),
        ));
    }
    let count = nodes.size() / length;
    if count > MOST_NODES {
        return Err(damaged(&format!("at most {MOST_NODES}"), count.to_string()));
    }
    for number in 0..count.min(map.size().saturating_mul(8)) {
        let [bits]: [u8; 1] = array(map, number / 8)?;
        if bits >> (number % 8) & 1 == 0 {
            continue;
        }
        let bytes = record::read(nodes, number * length, length, b"INDX")?;
        if of_node(nodes.name(), number * length, &bytes[24..], visit)?.is_break() {
            break;
        }
    }
    Ok(())
}

/// The entries of a node, from its header on.
fn of_node(
    name: &str,
    position: u64,
    node: &[u8],
    visit: &mut dyn FnMut(Entry) -> ControlFlow<()>,
) -> Result<ControlFlow<()>> {
    let damaged = |expected: &str, actual: String| {
        Error::damaged(name, "node of a folder", position, expected, actual)
    };
    let start = u32_le(node, 0) as usize;
    let end = u32_le(node, 4) as usize;
    let Some(mut rest) = node.get(start..end) else {
        let actual = format!("{start} to {end} of {}", node.len());
        return Err(damaged("entries within the node", actual));
    };
    loop {
        let length = usize::from(u16_le(rest, 8));
        let Some(entry) = rest.get(..length).filter(|entry| entry.len() >= 16) else {
            let actual = format!("{length} bytes of {}", rest.len());
            return Err(damaged("an entry", actual));
        };
        if u16_le(entry, 12) & LAST != 0 {
            return Ok(ControlFlow::Continue(()));
        }
        if let Some(found) = named(entry)
            && visit(found).is_break()
        {
            return Ok(ControlFlow::Break(()));
        }
        rest = &rest[length..];
    }
}

/// The file that an entry names; `None` for an entry that ends before its name does.
fn named(entry: &[u8]) -> Option<Entry> {
    let key = entry.get(16..)?;
    let length = usize::from(*key.get(64)?);
    let space = *key.get(65)?;
    let name = key.get(66..66 + 2 * length)?;
    let units: Vec<u16> = name.chunks_exact(2).map(|unit| u16_le(unit, 0)).collect();
    let flags = u32_le(key, 56);
    Some(Entry {
        name: String::from_utf16_lossy(&units),
        file: FileReference(u64_le(entry, 0)),
        is_folder: flags & FOLDER != 0,
        is_reparse_point: flags & REPARSE_POINT != 0,
        is_short_name: space == 2,
    })
}
