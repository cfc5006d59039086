//! A registry in its file (a hive): keys by path, values by name.
//!
//! Source: "The Windows NT Registry File Format" (<https://github.com/msuhanov/regf>). A hive that was
//! not closed is read as it is: its logs are not replayed.

use std::sync::Arc;

use disk_image::fields::{shown, u16_le, u32_le};
use disk_image::{Error, ReadAt, Result, array, vector};

/// Where the first cell's offset counts from.
const CELLS: u64 = 4096;
/// The longest cell that is read: a list of the values of a large key.
const LONGEST_CELL: usize = 1 << 20;
/// No cell.
const NOWHERE: u32 = u32::MAX;
/// The bit of a value's length that says that the value is in the place of its offset.
const INLINE: u32 = 1 << 31;
/// The longest value in one cell.
const LONGEST_VALUE: u32 = 16344;

/// A registry.
pub struct Hive {
    bytes: Arc<dyn ReadAt>,
    root: u32,
    /// Whether it was not closed: its logs may hold later changes.
    pub is_dirty: bool,
}

/// A key of a registry.
pub struct Key {
    cell: Vec<u8>,
}

/// A value: its type, and its bytes.
pub struct Value {
    kind: u32,
    bytes: Vec<u8>,
}

impl Value {
    /// A text (REG_SZ, REG_EXPAND_SZ).
    pub fn text(&self) -> Option<String> {
        if !matches!(self.kind, 1 | 2) {
            return None;
        }
        let units = self.bytes.chunks_exact(2).map(|unit| u16_le(unit, 0));
        let units: Vec<u16> = units.take_while(|unit| *unit != 0).collect();
        Some(String::from_utf16_lossy(&units))
    }

    /// A number (REG_DWORD).
    pub fn number(&self) -> Option<u32> {
        (self.kind == 4 && self.bytes.len() == 4).then(|| u32_le(&self.bytes, 0))
    }

    /// Bytes (REG_BINARY).
    pub fn binary(&self) -> Option<&[u8]> {
        (self.kind == 3).then_some(&self.bytes)
    }
}

impl Hive {
    /// Opens the registry in these bytes.
    ///
    /// # Errors
    /// For what is none, and for a damaged header.
    pub fn open(bytes: Arc<dyn ReadAt>) -> Result<Self> {
        let header: [u8; 512] = array(&*bytes, 0)?;
        let damaged = |position: u64, expected: &str, actual: String| {
            Error::damaged(bytes.name(), "registry header", position, expected, actual)
        };
        if !header.starts_with(b"regf") {
            return Err(damaged(0, "\"regf\"", shown(&header[..4])));
        }
        let words = header[..508].chunks_exact(4).map(|word| u32_le(word, 0));
        let sum = match words.fold(0, |sum, word| sum ^ word) {
            0 => 1,
            u32::MAX => u32::MAX - 1,
            sum => sum,
        };
        let stored = u32_le(&header, 508);
        if sum != stored {
            let expected = format!("checksum {sum:#010x}");
            return Err(damaged(508, &expected, format!("{stored:#010x}")));
        }
        Ok(Self {
            root: u32_le(&header, 36),
            is_dirty: u32_le(&header, 4) != u32_le(&header, 8),
            bytes,
        })
    }

    /// What messages call it.
    pub fn name(&self) -> &str {
        self.bytes.name()
    }

    /// The key at a path, with `\` between names; `None` if there is none. Case does not count.
    ///
    /// # Errors
    /// For a damaged registry.
    pub fn key(&self, path: &str) -> Result<Option<Key>> {
        let mut key = Key {
            cell: self.key_cell(self.root)?,
        };
        for name in path.split('\\') {
            match self.child(&key, name)? {
                Some(child) => key = child,
                None => return Ok(None),
            }
        }
        Ok(Some(key))
    }

    /// The value of a key; `None` if there is none of this name. Case does not count.
    ///
    /// # Errors
    /// For a damaged registry.
    pub fn value(&self, key: &Key, name: &str) -> Result<Option<Value>> {
        let count = u32_le(&key.cell, 36) as usize;
        let list = u32_le(&key.cell, 40);
        if count == 0 || list == NOWHERE {
            return Ok(None);
        }
        let list = self.cell(list)?;
        for place in list.chunks_exact(4).take(count) {
            let place = u32_le(place, 0);
            let cell = self.cell(place)?;
            if !cell.starts_with(b"vk") {
                return Err(self.damaged(place, "\"vk\"", &cell));
            }
            let is_ascii = u16_le(&cell, 16) & 1 != 0;
            let length = usize::from(u16_le(&cell, 2));
            if !is_named(cell.get(20..).unwrap_or(&[]), length, is_ascii, name) {
                continue;
            }
            let size = u32_le(&cell, 4);
            let bytes = match size & INLINE {
                INLINE => {
                    let size = (size & !INLINE).min(4) as usize;
                    cell.get(8..8 + size).unwrap_or(&[]).to_vec()
                }
                _ if size > LONGEST_VALUE => {
                    return Err(self.damaged(place, "a short value", &cell));
                }
                _ if size == 0 => Vec::new(),
                _ => {
                    let mut bytes = self.cell(u32_le(&cell, 8))?;
                    if bytes.len() < size as usize {
                        return Err(self.damaged(place, "a value in its cell", &cell));
                    }
                    bytes.truncate(size as usize);
                    bytes
                }
            };
            let kind = u32_le(&cell, 12);
            return Ok(Some(Value { kind, bytes }));
        }
        Ok(None)
    }

    fn damaged(&self, offset: u32, expected: &str, cell: &[u8]) -> Error {
        let position = CELLS + u64::from(offset);
        let found = shown(&cell[..cell.len().min(8)]);
        Error::damaged(self.name(), "registry cell", position, expected, found)
    }

    /// The bytes of a cell that is in use.
    fn cell(&self, offset: u32) -> Result<Vec<u8>> {
        let position = CELLS + u64::from(offset);
        let size = i32::from_le_bytes(array(&*self.bytes, position)?);
        // In use it is negative, and counts itself.
        let length = u64::from(size.unsigned_abs()).saturating_sub(4);
        if size >= 0 {
            return Err(self.damaged(offset, "a cell in use", &size.to_le_bytes()));
        }
        vector(
            &*self.bytes,
            position + 4,
            length,
            LONGEST_CELL,
            "registry cell",
        )
    }

    fn key_cell(&self, offset: u32) -> Result<Vec<u8>> {
        let cell = self.cell(offset)?;
        match cell.starts_with(b"nk") && cell.len() >= 76 {
            true => Ok(cell),
            false => Err(self.damaged(offset, "\"nk\"", &cell)),
        }
    }

    fn child(&self, key: &Key, name: &str) -> Result<Option<Key>> {
        let count = u32_le(&key.cell, 20);
        let list = u32_le(&key.cell, 28);
        if count == 0 || list == NOWHERE {
            return Ok(None);
        }
        let cell = self.cell(list)?;
        if !cell.starts_with(b"ri") {
            return self.child_in(list, &cell, name);
        }
        // A list of lists; those are no lists of lists again.
        for place in places(&cell, 4) {
            let inner = self.cell(place)?;
            if let Some(found) = self.child_in(place, &inner, name)? {
                return Ok(Some(found));
            }
        }
        Ok(None)
    }

    fn child_in(&self, offset: u32, list: &[u8], name: &str) -> Result<Option<Key>> {
        let stride = match list.get(..2) {
            Some(b"lf" | b"lh") => 8,
            Some(b"li") => 4,
            _ => return Err(self.damaged(offset, "\"lf\", \"lh\" or \"li\"", list)),
        };
        for place in places(list, stride) {
            let cell = self.key_cell(place)?;
            let is_ascii = u16_le(&cell, 2) & 0x20 != 0;
            let length = usize::from(u16_le(&cell, 72));
            if is_named(&cell[76..], length, is_ascii, name) {
                return Ok(Some(Key { cell }));
            }
        }
        Ok(None)
    }
}

/// The offsets in a list.
fn places(list: &[u8], stride: usize) -> impl Iterator<Item = u32> {
    let count = usize::from(u16_le(list, 2));
    let entries = list.get(4..).unwrap_or(&[]).chunks_exact(stride);
    entries.take(count).map(|entry| u32_le(entry, 0))
}

/// Whether `stored`, whose first `length` bytes are a name in Latin-1 or UTF-16, is `name`.
fn is_named(stored: &[u8], length: usize, is_ascii: bool, name: &str) -> bool {
    let Some(stored) = stored.get(..length) else {
        return false;
    };
    let stored: String = match is_ascii {
        true => stored.iter().map(|byte| char::from(*byte)).collect(),
        false => {
            let units: Vec<u16> = stored.chunks_exact(2).map(|unit| u16_le(unit, 0)).collect();
            String::from_utf16_lossy(&units)
        }
    };
    crate::names::equal_but_for_case(&stored, name)
}
