//! Faults inside a page.

use std::borrow::Cow;
use std::fmt;
use std::path::Path;

use super::{PageSize, Pgno};
use crate::Error;

/// A contradiction inside one page: the page, the place in it, the content that the format requires
/// and the actual content.
///
/// A fault has no file name; [`Fault::in_file`] converts it to the complete error.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault(Box<Details>);

#[derive(Debug, Clone, PartialEq, Eq)]
struct Details {
    page: Pgno,
    tag: Option<usize>,
    what: &'static str,
    expected: Cow<'static, str>,
    found: Cow<'static, str>,
}

impl Fault {
    /// A fault of the page as a whole, or of its header.
    #[cold]
    pub fn new(
        page: Pgno,
        what: &'static str,
        expected: impl Into<Cow<'static, str>>,
        found: impl Into<Cow<'static, str>>,
    ) -> Self {
        Self(Box::new(Details {
            page,
            tag: None,
            what,
            expected: expected.into(),
            found: found.into(),
        }))
    }

    /// The same fault, of one tag of the page.
    #[cold]
    pub fn at_tag(mut self, tag: usize) -> Self {
        self.0.tag = Some(tag);
        self
    }

    /// The page.
    pub fn page(&self) -> Pgno {
        self.0.page
    }

    /// The tag, if the fault is not that of the page as a whole.
    pub fn tag(&self) -> Option<usize> {
        self.0.tag
    }

    /// The part of the page, such as `node key` or `space header`.
    pub fn what(&self) -> &'static str {
        self.0.what
    }

    /// The content that the format requires.
    pub fn expected(&self) -> &str {
        &self.0.expected
    }

    /// The actual content.
    pub fn found(&self) -> &str {
        &self.0.found
    }

    /// The error for this fault in `file`, whose pages have the size `size`.
    #[cold]
    pub fn in_file(self, file: &Path, size: PageSize) -> Error {
        let Details {
            page,
            tag,
            what,
            expected,
            found,
        } = *self.0;
        Error::Damaged {
            file: file.to_path_buf(),
            offset: size.offset_of(page),
            structure: match tag {
                Some(tag) => format!("page {page}, tag {tag}: {what}"),
                None => format!("page {page}: {what}"),
            },
            expected: expected.into_owned(),
            found: found.into_owned(),
        }
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Details {
            page,
            tag,
            what,
            expected,
            found,
        } = &*self.0;
        write!(f, "page {page}")?;
        if let Some(tag) = tag {
            write!(f, ", tag {tag}")?;
        }
        write!(f, ": {what}: expected {expected}, found {found}")
    }
}

impl std::error::Error for Fault {}
