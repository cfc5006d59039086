//! Tagged columns in the form of format revision 0x620,2 (`TAGFLD_OLD` in `tagfld.hxx`): one value
//! after the other, each with its column and length; the values of one column are adjacent.

use super::{FIRST_TAGGED, Fid, Malformed, ValueForm};
use crate::page::u16_at;

/// One value.
pub(super) struct OldEntry<'a> {
    pub fid: Fid,
    pub derived: bool,
    pub null: bool,
    long: bool,
    data: &'a [u8],
}

const LEN_MASK: u16 = 0x0fff;
const DERIVED: u16 = 0x2000;
const NULL: u16 = 0x4000;
const LONG_VALUE: u16 = 0x8000;

/// In the first byte of a long value: the id of a separated value follows.
const SEPARATED: u8 = 1;

impl<'a> OldEntry<'a> {
    /// Reads the value at the start of `bytes`, and returns its length with it.
    pub fn read(bytes: &'a [u8]) -> Result<(Self, usize), Malformed> {
        let bad = Malformed::new("tagged column", "a value inside the record");
        let fid = u16_at(bytes, 0).ok_or(bad)?;
        if fid < FIRST_TAGGED {
            return Err(Malformed::new("tagged column", "a number of 256 or more").of(fid));
        }
        let bits = u16_at(bytes, 2).ok_or(bad.of(fid))?;
        let end = 4 + usize::from(bits & LEN_MASK);
        let entry = Self {
            fid,
            derived: bits & DERIVED != 0,
            null: bits & NULL != 0,
            long: bits & LONG_VALUE != 0,
            data: bytes.get(4..end).ok_or(bad.of(fid))?,
        };
        Ok((entry, end))
    }

    pub fn value(&self) -> Result<(ValueForm, &'a [u8]), Malformed> {
        if !self.long {
            return Ok((ValueForm::Plain, self.data));
        }
        let bad = Malformed::new("long value", "a byte of flags").of(self.fid);
        let (flags, data) = self.data.split_first().ok_or(bad)?;
        match flags & SEPARATED {
            0 => Ok((ValueForm::Plain, data)),
            _ => Ok((ValueForm::Separated, data)),
        }
    }
}

/// Returns the first value at the start of `bytes`, and the length of all values of its column.
pub(super) fn group(bytes: &[u8]) -> Result<(OldEntry<'_>, usize), Malformed> {
    let (first, mut len) = OldEntry::read(bytes)?;
    while let Some(rest) = bytes.get(len..).filter(|rest| !rest.is_empty()) {
        let (next, next_len) = OldEntry::read(rest)?;
        if (next.fid, next.derived) != (first.fid, first.derived) {
            break;
        }
        len += next_len;
    }
    Ok((first, len))
}
