//! Columns.

use crate::record::{FIRST_TAGGED, FIRST_VARIABLE, Fid};

/// The number of a column (`JET_COLUMNID`). A bit marks the columns of a template.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ColumnId(pub u32);

/// The type of a column (`JET_coltyp...`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[repr(u32)]
#[allow(missing_docs)]
pub enum ColumnType {
    Bit = 1,
    UnsignedByte = 2,
    Short = 3,
    Long = 4,
    Currency = 5,
    IeeeSingle = 6,
    IeeeDouble = 7,
    DateTime = 8,
    Binary = 9,
    Text = 10,
    LongBinary = 11,
    LongText = 12,
    Slv = 13,
    UnsignedLong = 14,
    LongLong = 15,
    Guid = 16,
    UnsignedShort = 17,
    UnsignedLongLong = 18,
}

/// The persistent flags of a column (`ffield...` in `tdb.hxx`).
#[derive(Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct ColumnFlags(pub u32);

/// A column of a table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Column {
    /// The column's name.
    pub name: String,
    /// Its number.
    pub id: ColumnId,
    /// Its type.
    pub kind: ColumnType,
    /// The code page of text: 1200 for UTF-16, 1252; 0 for other types.
    pub code_page: u16,
    /// Its flags.
    pub flags: ColumnFlags,
    /// The greatest length of a value in bytes, 0 for no limit; of a fixed column, the length.
    pub max_len: u32,
    /// The offset of a fixed column's value in the record, in bytes.
    pub record_offset: usize,
    /// The value in rows that store none.
    pub default: Option<Vec<u8>>,
}

impl ColumnId {
    const TEMPLATE: u32 = 0x8000_0000;

    /// The column `fid`, of a template or not.
    pub fn new(fid: Fid, template: bool) -> Self {
        Self(u32::from(fid) | if template { Self::TEMPLATE } else { 0 })
    }

    /// The number inside the table or template.
    pub fn fid(self) -> Fid {
        self.0 as Fid
    }

    /// Whether the column belongs to a template table.
    pub fn is_template(self) -> bool {
        self.0 & Self::TEMPLATE != 0
    }

    /// Whether records hold the column's value at a fixed offset (FIDs 1 to 127).
    pub fn is_fixed(self) -> bool {
        self.fid() < FIRST_VARIABLE
    }

    /// Whether records hold the column's value in their variable part (FIDs 128 to 255).
    pub fn is_variable(self) -> bool {
        (FIRST_VARIABLE..FIRST_TAGGED).contains(&self.fid())
    }

    /// Whether records without a value do not mention the column (FIDs from 256).
    pub fn is_tagged(self) -> bool {
        self.fid() >= FIRST_TAGGED
    }
}

impl ColumnType {
    /// The type with the number `number`; `None` for a deleted column (0) and for unknown numbers.
    pub fn new(number: u32) -> Option<Self> {
        Some(match number {
            1 => Self::Bit,
            2 => Self::UnsignedByte,
            3 => Self::Short,
            4 => Self::Long,
            5 => Self::Currency,
            6 => Self::IeeeSingle,
            7 => Self::IeeeDouble,
            8 => Self::DateTime,
            9 => Self::Binary,
            10 => Self::Text,
            11 => Self::LongBinary,
            12 => Self::LongText,
            13 => Self::Slv,
            14 => Self::UnsignedLong,
            15 => Self::LongLong,
            16 => Self::Guid,
            17 => Self::UnsignedShort,
            18 => Self::UnsignedLongLong,
            _ => return None,
        })
    }

    /// The type's number.
    pub fn number(self) -> u32 {
        self as u32
    }

    /// Whether values may be long values, stored outside their record.
    pub fn is_long_value(self) -> bool {
        matches!(self, Self::LongBinary | Self::LongText)
    }

    /// Whether values are text.
    pub fn is_text(self) -> bool {
        matches!(self, Self::Text | Self::LongText)
    }

    /// The length of every value in bytes; `None` if the type has no fixed length.
    pub fn fixed_len(self) -> Option<usize> {
        match self {
            Self::Bit | Self::UnsignedByte => Some(1),
            Self::Short | Self::UnsignedShort => Some(2),
            Self::Long | Self::UnsignedLong | Self::IeeeSingle => Some(4),
            Self::Currency
            | Self::IeeeDouble
            | Self::DateTime
            | Self::LongLong
            | Self::UnsignedLongLong => Some(8),
            Self::Guid => Some(16),
            Self::Binary | Self::Text | Self::LongBinary | Self::LongText | Self::Slv => None,
        }
    }
}

macro_rules! flags {
    ($($(#[$doc:meta])* $name:ident = $bit:literal;)*) => {
        impl ColumnFlags {
            $($(#[$doc])* pub fn $name(self) -> bool {
                self.0 & $bit != 0
            })*
        }
    };
}

flags! {
    /// NULL is not allowed.
    is_not_null = 0x0001;
    /// Incremented with every change of its row.
    is_version = 0x0002;
    /// Numbered by the engine.
    is_auto_increment = 0x0004;
    /// May hold several values.
    is_multi_valued = 0x0008;
    /// Has a default value.
    has_default = 0x0010;
    /// Changed by escrow updates: additions that do not lock the row.
    is_escrow = 0x0020;
    /// A callback is called when it becomes zero.
    is_finalize = 0x0040;
    /// Its default value comes from a callback of the application, not from the file.
    has_user_defined_default = 0x0080;
    /// Of a template; the records of derived tables mark it.
    is_marked_in_derived = 0x0100;
    /// Its row is deleted when it becomes zero.
    is_delete_on_zero = 0x0200;
    /// A placeholder: the first column of the primary index, kept for old rows.
    is_primary_index_placeholder = 0x0800;
    /// Compressed if that saves space.
    is_compressed = 0x1000;
    /// Encrypted.
    is_encrypted = 0x2000;
}

impl std::fmt::Debug for ColumnFlags {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "ColumnFlags({:#x})", self.0)
    }
}

impl Column {
    /// Whether values are UTF-16 text.
    pub fn is_unicode(&self) -> bool {
        const UTF_16: u16 = 1200;
        self.kind.is_text() && self.code_page == UTF_16
    }

    /// The length in bytes of the values of a fixed column.
    pub(crate) fn fixed_len(&self) -> usize {
        self.kind.fixed_len().unwrap_or(self.max_len as usize)
    }

    /// The properties as the engine's API reports them (`JET_bitColumn...`).
    pub fn grbit(&self) -> u32 {
        let place = match self.id {
            id if id.is_fixed() => 0x1,
            id if id.is_tagged() => 0x2,
            _ => 0,
        };
        let flags = self.flags;
        [
            (flags.is_not_null(), 0x4),
            (flags.is_version(), 0x8),
            (flags.is_auto_increment(), 0x10),
            (flags.is_multi_valued(), 0x400),
            (flags.is_escrow(), 0x800),
            (flags.is_finalize(), 0x4000),
            (flags.has_user_defined_default(), 0x8000),
            (flags.is_primary_index_placeholder(), 0x1_0000),
            (flags.is_delete_on_zero(), 0x2_0000),
            (flags.is_compressed(), 0x8_0000),
            (flags.is_encrypted(), 0x10_0000),
        ]
        .iter()
        .filter(|(set, _)| *set)
        .fold(place, |grbit, (_, bit)| grbit | bit)
    }
}
