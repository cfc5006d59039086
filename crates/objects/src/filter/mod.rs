//! Search filters (RFC 4515): parsed from text, and evaluated on entries.
//!
//! ```
//! use objects::filter::Filter;
//!
//! let filter: Filter =
//! "(&(objectClass=user)(!(sn=M*ller))(userAccountControl:1.2.840.113556.1.4.803:=2))".parse()?;
//! assert!(filter.attributes().contains("useraccountcontrol"));
//! # Ok::<(), objects::filter::ParseError>(())
//! ```

mod candidates;
mod compare;
mod evaluate;
mod parse;
mod search;

use std::collections::HashSet;

pub use evaluate::Matcher;
pub use parse::ParseError;
pub use search::{Candidate, Judge, Search};

/// A search filter. Values are unescaped bytes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Filter {
    /// All of them match; true if there are none.
    And(Vec<Filter>),
    /// One of them matches; false if there are none.
    Or(Vec<Filter>),
    /// The negation.
    Not(Box<Filter>),
    /// The attribute has a value.
    Present(String),
    /// A value equals this one.
    Equal(String, Vec<u8>),
    /// A value is approximately this one; here, equal.
    Approximate(String, Vec<u8>),
    /// A value is greater than or equal to this one.
    GreaterOrEqual(String, Vec<u8>),
    /// A value is less than or equal to this one.
    LessOrEqual(String, Vec<u8>),
    /// A value contains these parts, in this order.
    Substrings(String, Substrings),
    /// A value matches by a rule.
    Extensible {
        /// The attribute.
        attribute: String,
        /// The rule.
        rule: MatchingRule,
        /// The value.
        value: Vec<u8>,
    },
}

/// The parts of a substring match.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Substrings {
    /// The start of the value.
    pub first: Option<Vec<u8>>,
    /// Further parts, in this order.
    pub middle: Vec<Vec<u8>>,
    /// The end of the value.
    pub last: Option<Vec<u8>>,
}

/// A matching rule of Active Directory (\[MS-ADTS\] 3.1.1.3.4.4).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum MatchingRule {
    /// 1.2.840.113556.1.4.803: all bits of the number are set.
    BitAnd,
    /// 1.2.840.113556.1.4.804: one bit of the number is set.
    BitOr,
    /// 1.2.840.113556.1.4.1941: the value refers to the object, directly or through other objects.
    InChain,
}

impl Filter {
    /// The attributes in the filter, in lower case.
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
