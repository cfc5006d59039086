//! The attributes of files, which Windows does not have.

use std::fs::Metadata;
use std::io::ErrorKind;
use std::path::Path;

use files::Folder;

use super::Attributes;
use crate::error::{Error, Result};

impl Attributes {
    /// Reads the attributes of an entry; `metadata` is that of the entry itself, even for a link.
    ///
    /// # Errors
    /// Always: they cannot be read on Windows.
    pub fn read(path: &Path, _: &Metadata) -> Result<Self> {
        Err(Error::io("read its attributes", path)(
            ErrorKind::Unsupported.into(),
        ))
    }

    /// Sets the attributes of an entry beneath a folder.
    ///
    /// # Errors
    /// Always: they cannot be set on Windows.
    pub fn apply_beneath(&self, root: &Folder, relative: &Path, _is_link: bool) -> Result<()> {
        let path = root.path().join(relative);
        Err(Error::io("set its attributes", path)(
            ErrorKind::Unsupported.into(),
        ))
    }
}
