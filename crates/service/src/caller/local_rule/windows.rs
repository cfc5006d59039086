//! The local users that may back up and restore: those whose tokens hold the privileges.

use contract::{Error, Result, ResultCode};

/// The rule: the system knows who holds which privilege.
#[derive(Debug, Clone)]
pub(crate) struct LocalRule;

impl LocalRule {
    /// The rule.
    ///
    /// # Errors
    /// `hrInvalidParam` for a group.
    pub(crate) fn new(group: Option<&str>) -> Result<Self> {
        match group {
            None => Ok(Self),
            Some(name) => Err(Error::new(
                ResultCode::INVALID_PARAM,
                format!(
                    "group = {name:?}: leave it out on Windows, and give the group the privileges \
                     SeBackupPrivilege and SeRestorePrivilege (Local Security Policy, User Rights)"
                ),
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
