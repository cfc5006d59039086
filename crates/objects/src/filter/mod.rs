//! Search filters (RFC 4515): read from text, and held against entries.
//!
//! ```
//! use objects::filter::Filter;
//!
//! let filter: Filter =
//! "(&(objectClass=user)(!(sn=M*ller))(userAccountControl:1.2.840.113556.1.4.803:=2))".parse()?;
//! assert!(filter.attributes().contains("useraccountcontrol"));
//! # Ok::<(), objects::filter::ParseError>(())
//! ```

mod compare;
mod evaluate;
mod parse;

use std::collections::HashSet;

pub use evaluate::Matcher;
pub use parse::ParseError;

/// A search filter. Values are the bytes that the text stands for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Filter {
    /// All of them; true where there are none.
    And(Vec<Filter>),
    /// One of them; false where there are none.
    Or(Vec<Filter>),
    /// The opposite.
    Not(Box<Filter>),
    /// The attribute has a value.
    Present(String),
    /// A value is this one.
    Equal(String, Vec<u8>),
    /// A value is about this one: here, as equal.
    Approximate(String, Vec<u8>),
    /// A value is this one or greater.
    GreaterOrEqual(String, Vec<u8>),
    /// A value is this one or less.
    LessOrEqual(String, Vec<u8>),
    /// A value has these parts, in this order.
    Substrings(String, Substrings),
    /// By a matching rule.
    Extensible {
        /// The attribute.
        attribute: String,
        /// The rule.
        rule: MatchingRule,
        /// The value.
        value: Vec<u8>,
    },
}

/// The parts of a value.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Substrings {
    /// It begins so.
    pub first: Option<Vec<u8>>,
    /// Then these follow somewhere.
    pub middle: Vec<Vec<u8>>,
    /// It ends so.
    pub last: Option<Vec<u8>>,
}

/// A matching rule of Active Directory (\[MS-ADTS\] 3.1.1.3.4.4).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum MatchingRule {
    /// 1.2.840.113556.1.4.803: all bits of the number are set.
    BitAnd,
    /// 1.2.840.113556.1.4.804: one bit of the number is set.
    BitOr,
    /// 1.2.840.113556.1.4.1941: the object is named, or one of those that are named names it, and
    /// so on.
    InChain,
}

impl Filter {
    /// The attributes that it asks for, in lower case.
    pub fn attributes(&self) -> HashSet<String> {
        let mut names = HashSet::new();
        self.collect(&mut names);
        names
    }

    fn collect(&self, names: &mut HashSet<String>) {
        match self {
            Self::And(filters) | Self::Or(filters) => {
                filters.iter().for_each(|filter| filter.collect(names));
            }
            Self::Not(filter) => filter.collect(names),
            Self::Present(name)
            | Self::Equal(name, _)
            | Self::Approximate(name, _)
            | Self::GreaterOrEqual(name, _)
            | Self::LessOrEqual(name, _)
            | Self::Substrings(name, _)
            | Self::Extensible {
                attribute: name, ..
            } => {
                names.insert(name.to_ascii_lowercase());
            }
        }
    }
}
