//! A directory in files, of either engine.

use std::ops::Deref;

use crate::ntds::Ntds;
use crate::samba::Samba;
use crate::{Result, Source};

/// A directory in files.
pub enum Stored {
    /// In `ntds.dit`.
    Ntds(Box<Ntds>),
    /// In Samba's databases.
    Samba(Box<Samba>),
}

impl Stored {
    /// Identity, progress and counts of the directory. Reads all objects, and calls `watch` for each.
    ///
    /// # Errors
    /// Fails if the directory is damaged or incomplete.
    pub fn census(&self, watch: &dyn Fn()) -> Result<::ntds::Facts> {
        match self {
            Self::Ntds(ntds) => Ok(::ntds::Directory::of(ntds.database())?.facts_watched(watch)?),
            Self::Samba(samba) => samba.census(watch),
        }
    }
}

impl From<Ntds> for Stored {
    fn from(ntds: Ntds) -> Self {
        Self::Ntds(Box::new(ntds))
    }
}

impl From<Samba> for Stored {
    fn from(samba: Samba) -> Self {
        Self::Samba(Box::new(samba))
    }
}

impl Deref for Stored {
    type Target = dyn Source;

    fn deref(&self) -> &Self::Target {
        match self {
            Self::Ntds(ntds) => &**ntds,
            Self::Samba(samba) => &**samba,
        }
    }
}
