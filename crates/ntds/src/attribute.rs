//! Attributes by number, and their columns of `datatable`.
//!
//! An attribute's number (ATTRTYP) encodes its object identifier: the upper half is the number of a
//! prefix, the lower half is the rest. The prefixes of the base schema have the same numbers in
//! every forest. Attributes of extensions have another number (`msDS-IntId`). The column's name is
//! `ATT`, a letter for the syntax, and the signed number.

use std::collections::HashMap;

use ese::catalog::{Column, Table};

/// An attribute's number (ATTRTYP), or its `msDS-IntId`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Attribute(pub u32);

macro_rules! attributes {
    ($($(#[$doc:meta])* $name:ident = $number:literal;)*) => {
        #[allow(missing_docs, reason = "named as in the schema")]
        impl Attribute {
            $($(#[$doc])* pub const $name: Attribute = Attribute($number);)*
        }
    };
}

attributes! {
    OBJECT_CLASS = 0;
    COMMON_NAME = 3;
    COUNTRY_NAME = 6;
    LOCALITY_NAME = 7;
    ORGANIZATION_NAME = 10;
    ORGANIZATIONAL_UNIT_NAME = 11;
    DOMAIN_COMPONENT = 1_376_281;
    INSTANCE_TYPE = 131_073;
    NC_NAME = 131_088;
    ATTRIBUTE_ID = 131_102;
    IS_DELETED = 131_120;
    TOMBSTONE_LIFETIME = 131_126;
    DMD_LOCATION = 131_108;
    INVOCATION_ID = 131_187;
    USN_CHANGED = 131_192;
    LDAP_DISPLAY_NAME = 131_532;
    /// The value of the object's naming attribute.
    RDN = 589_825;
    OBJECT_GUID = 589_826;
    DNS_ROOT = 589_852;
    NETBIOS_NAME = 589_911;
    OBJECT_SID = 589_970;
    MSDS_INT_ID = 591_540;
    IS_RECYCLED = 591_882;
    OPTIONAL_FEATURE_GUID = 591_886;
    LAST_KNOWN_RDN = 591_891;
    DELETED_OBJECT_LIFETIME = 591_892;
}

impl Attribute {
    /// The attribute of a column of `datatable`. `None` if the column holds no attribute.
    pub fn of_column(name: &str) -> Option<Self> {
        let rest = name.strip_prefix("ATT")?;
        let number = rest.strip_prefix(|letter: char| letter.is_ascii_lowercase())?;
        let number: i32 = number.parse().ok()?;
        Some(Self(number as u32))
    }

    /// Whether the attribute has this number in every forest: its prefix is in every directory, and
    /// its number there was assigned by Microsoft up to Windows Server 2025. All others come from
    /// an extension of the schema, such as a product's ([MS-DRSR], prefix table).
    pub fn is_of_base_schema(self) -> bool {
        /// 1.2.840.113556.1.4, the prefix of Microsoft's own attributes.
        const MICROSOFT: u32 = 9;
        const LAST_OF_MICROSOFT: u32 = 2400;
        /// 1.2.840.113556.1.6.18.1, the prefix of Services for Unix. The numbers of its passwords
        /// are unknown here.
        const SERVICES_FOR_UNIX: u32 = 33;
        const LAST_PREFIX: u32 = 38;
        match (self.0 >> 16, self.0 & 0xffff) {
            (MICROSOFT, number) => number <= LAST_OF_MICROSOFT,
            (prefix, _) => prefix <= LAST_PREFIX && prefix != SERVICES_FOR_UNIX,
        }
    }
}

/// The columns of `datatable`, by attribute.
#[derive(Debug)]
pub struct AttributeColumns(HashMap<Attribute, usize>);

impl AttributeColumns {
    /// The columns of `table`.
    pub fn of(table: &Table) -> Self {
        let columns = table.columns().iter().enumerate();
        Self(
            columns
                .filter_map(|(position, column)| {
                    Some((Attribute::of_column(&column.name)?, position))
                })
                .collect(),
        )
    }

    /// The column of `attribute`. `None` if no object of the directory can have it.
    pub fn find<'t>(&self, table: &'t Table, attribute: Attribute) -> Option<&'t Column> {
        table.columns().get(*self.0.get(&attribute)?)
    }

    /// The position of the attribute's column in the table.
    pub fn position(&self, attribute: Attribute) -> Option<usize> {
        self.0.get(&attribute).copied()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_name_their_attributes() {
        for (name, attribute) in [
            ("ATTc0", Some(0)),
            ("ATTm589825", Some(589_825)),
            ("ATTm-1706965021", Some(2_588_002_275)),
            ("DNT_col", None),
            ("ATT", None),
            ("ATT7", None),
            ("ATTm", None),
        ] {
            assert_eq!(
                Attribute::of_column(name),
                attribute.map(Attribute),
                "{name}"
            );
        }
    }
}
