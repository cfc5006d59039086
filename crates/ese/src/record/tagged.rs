//! Tagged columns: an array of numbers and offsets, then for each column its value or values
//! (`tagfld.hxx`).

use super::tagged_old::{self, OldEntry};
use super::{FIRST_TAGGED, Fid, Malformed, ValueForm};
use crate::page::u16_at;

/// The tagged columns of a record, found by number or iterated from any place.
#[derive(Debug, Clone, Copy)]
pub struct TaggedFields<'a> {
    data: &'a [u8],
    form: Form,
}

#[derive(Debug, Clone, Copy)]
enum Form {
    /// An array of `count` entries; on large pages every column begins with a byte of flags.
    Array { count: usize, large_page: bool },
    /// One column after the other, each with its length (before format revision 0x620,3).
    Sequence,
}

/// A tagged column of a record.
#[derive(Debug, Clone, Copy)]
pub struct TaggedField<'a> {
    /// The column's number.
    pub fid: Fid,
    /// Whether it is a column of the table's template.
    pub derived: bool,
    /// The content.
    pub content: Tagged<'a>,
}

/// The content of a record for a tagged column.
#[derive(Debug, Clone, Copy)]
pub enum Tagged<'a> {
    /// NULL, stored only if the column has a default.
    Null,
    /// One or more values.
    Values(TaggedValues<'a>),
}

/// The values of a tagged column, in the order of their sequence numbers.
#[derive(Debug, Clone, Copy)]
pub struct TaggedValues<'a> {
    fid: Fid,
    data: &'a [u8],
    layout: Layout,
}

#[derive(Debug, Clone, Copy)]
enum Layout {
    /// One value, or none left.
    Single(Option<ValueForm>),
    /// Two values of a column that is not a long value: the length of the first, then both.
    Two { next: u8 },
    /// Any number: an array of offsets, then the values. Only the first can be compressed.
    Many {
        count: usize,
        next: usize,
        compressed: bool,
        encrypted: bool,
    },
    /// A sequence of entries of the old form with the same number.
    Sequence,
}

/// Bits of an entry's offset.
const DERIVED: u16 = 0x8000;
const SMALL_HAS_FLAGS: u16 = 0x4000;
const SMALL_NULL: u16 = 0x2000;
const SMALL_OFFSET: u16 = 0x1fff;
const LARGE_OFFSET: u16 = 0x7fff;

/// Bits of a column's byte of flags.
const COMPRESSED: u8 = 0x02;
const SEPARATED: u8 = 0x04;
const MULTI_VALUES: u8 = 0x08;
const TWO_VALUES: u8 = 0x10;
const NULL: u8 = 0x20;
const ENCRYPTED: u8 = 0x40;

/// Bits of a multi-value's offset.
const SEPARATED_VALUE: u16 = 0x8000;

const ENTRY_LEN: usize = 4;

impl<'a> TaggedFields<'a> {
    pub(super) fn new(data: &'a [u8], large_page: bool) -> Result<Self, Malformed> {
        let count = match u16_at(data, 2) {
            None if data.is_empty() => 0,
            None => return Err(Malformed::new("tagged columns", "entries of four bytes")),
            Some(first) => {
                let start = usize::from(
                    first
                        & if large_page {
                            LARGE_OFFSET
                        } else {
                            SMALL_OFFSET
                        },
                );
                if start == 0 || start % ENTRY_LEN != 0 || start > data.len() {
                    return Err(Malformed::new(
                        "tagged columns",
                        "an array of whole entries inside the record",
                    ));
                }
                start / ENTRY_LEN
            }
        };
        let form = Form::Array { count, large_page };
        Ok(Self { data, form })
    }

    pub(super) fn old(data: &'a [u8]) -> Self {
        Self {
            data,
            form: Form::Sequence,
        }
    }

    /// The columns in order.
    pub fn iter(&self) -> TaggedIter<'a> {
        TaggedIter {
            fields: *self,
            at: 0,
        }
    }

    /// The column `fid`; `None` if the record does not hold it.
    pub fn find(&self, fid: Fid, derived: bool) -> Result<Option<TaggedField<'a>>, Malformed> {
        if let Form::Array { count, large_page } = self.form {
            // Entries are sorted: columns of a template first, then by number.
            let (mut low, mut high) = (0, count);
            while low < high {
                let middle = low + (high - low) / 2;
                let (entry_fid, bits) = self.entry(middle)?;
                match (bits & DERIVED == 0, entry_fid).cmp(&(!derived, fid)) {
                    std::cmp::Ordering::Less => low = middle + 1,
                    std::cmp::Ordering::Equal => {
                        return self.field(middle, count, large_page).map(Some);
                    }
                    std::cmp::Ordering::Greater => high = middle,
                }
            }
            return Ok(None);
        }
        for field in self.iter() {
            let field = field?;
            if field.fid == fid && field.derived == derived {
                return Ok(Some(field));
            }
        }
        Ok(None)
    }

    /// Whether the columns are in ascending order, those of a template first, none above the number
    /// `last`.
    pub(crate) fn are_in_order(&self, last: Fid) -> Result<bool, Malformed> {
        let mut before = 0;
        let mut rises = |fid: Fid, derived: bool| {
            // One more than the column's place in the order.
            let place = (u32::from(!derived) << 16 | u32::from(fid)) + 1;
            fid <= last && std::mem::replace(&mut before, place) < place
        };
        match self.form {
            Form::Array { count, .. } => {
                let entries = self.data.get(..count * ENTRY_LEN).unwrap_or_default();
                Ok((entries.as_chunks::<ENTRY_LEN>().0.iter())
                    .all(|[a, b, _, bits]| rises(u16::from_le_bytes([*a, *b]), bits & 0x80 != 0)))
            }
            Form::Sequence => {
                for field in self.iter() {
                    let field = field?;
                    if !rises(field.fid, field.derived) {
                        return Ok(false);
                    }
                }
                Ok(true)
            }
        }
    }

    #[inline]
    fn entry(&self, index: usize) -> Result<(Fid, u16), Malformed> {
        let entry = self
            .data
            .get(index * ENTRY_LEN..)
            .and_then(|rest| rest.first_chunk());
        let [a, b, c, d] = *entry.ok_or(Malformed::new(
            "tagged columns",
            "an array inside the record",
        ))?;
        Ok((u16::from_le_bytes([a, b]), u16::from_le_bytes([c, d])))
    }

    #[inline]
    fn field(
        &self,
        index: usize,
        count: usize,
        large_page: bool,
    ) -> Result<TaggedField<'a>, Malformed> {
        let mask = if large_page {
            LARGE_OFFSET
        } else {
            SMALL_OFFSET
        };
        let (fid, bits) = self.entry(index)?;
        if fid < FIRST_TAGGED {
            return Err(Malformed::new("tagged column", "a number of 256 or more").of(fid));
        }
        let start = usize::from(bits & mask);
        let end = match index + 1 < count {
            true => usize::from(self.entry(index + 1)?.1 & mask),
            false => self.data.len(),
        };
        let bad = Malformed::new(
            "tagged column",
            "an end inside the record, not before its start",
        )
        .of(fid);
        let data = self.data.get(start..end).ok_or(bad)?;
        let (flags, data) = if large_page || bits & SMALL_HAS_FLAGS != 0 {
            let (flags, data) = data
                .split_first()
                .ok_or(Malformed::new("tagged column", "a byte of flags").of(fid))?;
            (*flags, data)
        } else {
            (0, data)
        };
        let null = if large_page {
            flags & NULL != 0
        } else {
            bits & SMALL_NULL != 0
        };
        let content = if null {
            Tagged::Null
        } else {
            Tagged::Values(TaggedValues::new(fid, flags, data)?)
        };
        Ok(TaggedField {
            fid,
            derived: bits & DERIVED != 0,
            content,
        })
    }
}

/// Iterates over tagged columns.
#[derive(Debug, Clone)]
pub struct TaggedIter<'a> {
    fields: TaggedFields<'a>,
    /// The next entry, or in the old form the next byte.
    at: usize,
}

impl<'a> Iterator for TaggedIter<'a> {
    type Item = Result<TaggedField<'a>, Malformed>;

    #[inline]
    fn next(&mut self) -> Option<Self::Item> {
        match self.fields.form {
            Form::Array { count, large_page } => {
                let index = self.at;
                if index >= count {
                    return None;
                }
                self.at += 1;
                Some(self.fields.field(index, count, large_page))
            }
            Form::Sequence => {
                let rest = self
                    .fields
                    .data
                    .get(self.at..)
                    .filter(|rest| !rest.is_empty())?;
                let group = tagged_old::group(rest);
                self.at = match &group {
                    Ok((_, len)) => self.at + len,
                    Err(_) => self.fields.data.len(),
                };
                Some(group.map(|(first, len)| TaggedField {
                    fid: first.fid,
                    derived: first.derived,
                    content: match first.null {
                        true => Tagged::Null,
                        false => Tagged::Values(TaggedValues {
                            fid: first.fid,
                            data: rest.get(..len).unwrap_or_default(),
                            layout: Layout::Sequence,
                        }),
                    },
                }))
            }
        }
    }
}

impl<'a> TaggedValues<'a> {
    #[inline]
    fn new(fid: Fid, flags: u8, data: &'a [u8]) -> Result<Self, Malformed> {
        let layout = if flags & MULTI_VALUES == 0 {
            Layout::Single(Some(form(
                flags & SEPARATED != 0,
                flags & COMPRESSED != 0,
                flags & ENCRYPTED != 0,
            )))
        } else if flags & TWO_VALUES != 0 {
            if data
                .first()
                .is_none_or(|first| usize::from(*first) >= data.len())
            {
                return Err(
                    Malformed::new("two values", "a first value inside the column").of(fid),
                );
            }
            Layout::Two { next: 0 }
        } else {
            let first = u16_at(data, 0).map(|first| usize::from(first & !SEPARATED_VALUE));
            let first = first.filter(|first| *first >= 2 && first % 2 == 0 && *first <= data.len());
            let bad = Malformed::new(
                "multi-values",
                "an array of whole offsets inside the column",
            )
            .of(fid);
            Layout::Many {
                count: first.ok_or(bad)? / 2,
                next: 0,
                compressed: flags & COMPRESSED != 0,
                encrypted: flags & ENCRYPTED != 0,
            }
        };
        Ok(Self { fid, data, layout })
    }
}

fn form(separated: bool, compressed: bool, encrypted: bool) -> ValueForm {
    match (separated, encrypted, compressed) {
        (true, ..) => ValueForm::Separated,
        (_, true, _) => ValueForm::Encrypted,
        (.., true) => ValueForm::Compressed,
        _ => ValueForm::Plain,
    }
}

impl<'a> Iterator for TaggedValues<'a> {
    type Item = Result<(ValueForm, &'a [u8]), Malformed>;

    #[inline]
    fn next(&mut self) -> Option<Self::Item> {
        match &mut self.layout {
            Layout::Single(form) => form.take().map(|form| Ok((form, self.data))),
            Layout::Two { next } => {
                let (first_len, values) = self.data.split_first()?;
                let (first, second) = values.split_at_checked(usize::from(*first_len))?;
                *next += 1;
                match *next {
                    1 => Some(Ok((ValueForm::Plain, first))),
                    2 => Some(Ok((ValueForm::Plain, second))),
                    _ => None,
                }
            }
            Layout::Many {
                count,
                next,
                compressed,
                encrypted,
            } => {
                let index = *next;
                if index >= *count {
                    return None;
                }
                *next += 1;
                let offset = |index| u16_at(self.data, index * 2);
                let start = offset(index)?;
                let end = match index + 1 < *count {
                    true => usize::from(offset(index + 1)? & !SEPARATED_VALUE),
                    false => self.data.len(),
                };
                let form = form(
                    start & SEPARATED_VALUE != 0,
                    *compressed && index == 0,
                    *encrypted,
                );
                let value = self.data.get(usize::from(start & !SEPARATED_VALUE)..end);
                let bad = Malformed::new(
                    "multi-value",
                    "an end inside the column, not before its start",
                );
                if value.is_none() {
                    *next = *count;
                }
                Some(value.map(|value| (form, value)).ok_or(bad.of(self.fid)))
            }
            Layout::Sequence => {
                let entry = OldEntry::read(self.data);
                self.data = match &entry {
                    Ok((_, len)) => self.data.get(*len..).unwrap_or_default(),
                    Err(_) if self.data.is_empty() => return None,
                    Err(_) => &[],
                };
                Some(entry.and_then(|(entry, _)| entry.value()))
            }
        }
    }
}
