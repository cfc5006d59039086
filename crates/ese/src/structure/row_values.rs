//! The values of a row, for its index entries.

use crate::catalog::Table;
use crate::compression;
use crate::rows::{Stored, StoredValue};

/// The values of a row by column; reused from row to row.
#[derive(Debug, Default)]
pub(super) struct RowValues {
    /// By the position of a column.
    columns: Vec<Values>,
    /// The positions of columns that have values.
    touched: Vec<usize>,
    places: Vec<Place>,
    decompressed: Vec<u8>,
}

/// The values of a column.
#[derive(Debug, Clone, Copy, Default)]
struct Values {
    count: u32,
    /// The place of the first; the others follow.
    first: u32,
}

/// The place of a value.
#[derive(Debug, Clone, Copy)]
enum Place {
    InRecord {
        start: u32,
        len: u32,
    },
    Decompressed {
        start: u32,
        len: u32,
    },
    Default,
    /// Outside the record.
    Unknown,
}

impl RowValues {
    pub fn new(columns: usize) -> Self {
        Self {
            columns: vec![Values::default(); columns],
            ..Self::default()
        }
    }

    pub fn clear(&mut self) {
        for position in self.touched.drain(..) {
            self.columns[position] = Values::default();
        }
        self.places.clear();
        self.decompressed.clear();
    }

    /// Records a value of the row that is stored in `record`.
    ///
    /// # Errors
    /// If a compressed value of a known form cannot be decompressed; it counts as unknown.
    #[inline]
    pub fn note(
        &mut self,
        record: &[u8],
        value: &StoredValue<'_>,
    ) -> Result<(), compression::Undecoded> {
        let mut undecoded = Ok(());
        let place = match value.stored {
            Stored::Plain(bytes) => {
                // A value outside the record is the column's default.
                let start = (bytes.as_ptr() as usize).wrapping_sub(record.as_ptr() as usize);
                if start <= record.len() && bytes.len() <= record.len() - start {
                    Place::InRecord {
                        start: start as u32,
                        len: bytes.len() as u32,
                    }
                } else {
                    Place::Default
                }
            }
            Stored::Compressed(bytes) => match self.decompress(bytes) {
                Ok(place) => place,
                Err(error) => {
                    undecoded = Err(error);
                    Place::Unknown
                }
            },
            Stored::Encrypted(_) | Stored::Separated(_) => Place::Unknown,
        };
        if let Some(values) = self.columns.get_mut(value.position) {
            if values.count == 0 {
                self.touched.push(value.position);
                values.first = self.places.len() as u32;
            }
            values.count = value.sequence;
            self.places.push(place);
        }
        undecoded
    }

    fn decompress(&mut self, bytes: &[u8]) -> Result<Place, compression::Undecoded> {
        let start = self.decompressed.len();
        match compression::decompress(bytes, &mut self.decompressed) {
            Ok(()) => {
                // No key is longer.
                const KEPT: usize = 2048;
                self.decompressed.truncate(start + KEPT);
                Ok(Place::Decompressed {
                    start: start as u32,
                    len: (self.decompressed.len() - start) as u32,
                })
            }
            Err(undecoded) => {
                self.decompressed.truncate(start);
                match undecoded {
                    compression::Undecoded::Corrupt(_) => Err(undecoded),
                    _ => Ok(Place::Unknown),
                }
            }
        }
    }

    /// The positions of the columns that have values.
    #[inline]
    pub fn columns(&self) -> &[usize] {
        &self.touched
    }

    /// The number of values of the column at `position`.
    #[inline]
    pub fn count(&self, position: usize) -> u32 {
        self.columns.get(position).map_or(0, |values| values.count)
    }

    /// The value `number`, from 0, of the column at `position`; `Some(None)` for NULL, and `None`
    /// if the value is unknown.
    #[inline]
    pub fn value<'v>(
        &'v self,
        table: &'v Table,
        record: &'v [u8],
        position: usize,
        number: u32,
    ) -> Option<Option<&'v [u8]>> {
        let values = self.columns.get(position)?;
        if number >= values.count {
            return Some(None);
        }
        let (bytes, start, len) = match self.places.get((values.first + number) as usize)? {
            Place::InRecord { start, len } => (record, *start, *len),
            Place::Decompressed { start, len } => (&*self.decompressed, *start, *len),
            Place::Default => return Some(table.columns().get(position)?.default.as_deref()),
            Place::Unknown => return None,
        };
        let (start, len) = (start as usize, len as usize);
        bytes.get(start..start + len).map(Some)
    }
}
