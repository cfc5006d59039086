//! The local users that may back up and restore: so far only the one that hosts the directory, for
//! this process itself.

use contract::{Error, Result, ResultCode};

/// The rule, fixed when the service starts.
#[derive(Debug, Clone)]
pub(crate) struct LocalRule;

impl LocalRule {
    /// The rule for the service's own user.
    ///
    /// # Errors
    /// `hrInvalidParam` for a group.
    pub(crate) fn new(group: Option<&str>) -> Result<Self> {
        match group {
            None => Ok(Self),
            Some(name) => Err(Error::new(
                ResultCode::INVALID_PARAM,
                format!("group = {name:?}: groups are not supported on Windows; leave it out"),
            )),
        }
    }

    /// The name of this process's user.
    pub(crate) fn own_name() -> String {
        platform::process::user_name()
    }

    /// The configured group's number: none.
    pub(crate) fn group(&self) -> Option<u32> {
        None
    }
}
