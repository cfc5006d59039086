//! The repository's password: from a file, a command or the environment, never from an argument.

use backup::password;
use repository::Password;

use crate::cli::RepositoryOptions;
use crate::failure::{Failure, Result};

/// The variable that holds the password itself.
pub const VARIABLE: &str = "DSBACKUP_PASSWORD";

/// The variable that holds the password of the repository that is copied to.
pub const OTHER_VARIABLE: &str = "DSBACKUP_TO_PASSWORD";

/// Finds the password where the options say, or in the environment variable `variable`.
///
/// # Errors
/// When the file or command does not give one, when others can read the file, or when none is named.
pub fn find(options: &RepositoryOptions, variable: &str) -> Result<Password> {
    if let Some(path) = &options.access.password_file {
        return Ok(password::from_file(path)?);
    }
    if let Some(command) = &options.access.password_command {
        return Ok(password::from_command(
            command,
            &[VARIABLE, OTHER_VARIABLE],
        )?);
    }
    match std::env::var(variable) {
        Ok(text) => Ok(password::accept(&text)?),
        Err(_) => Err(Failure::refused(format!(
            "the password of the repository {} is not known: name --password-file or \
             --password-command (for a repository that is copied to: --to-password-file or \
             --to-password-command), or set {variable}",
            options.repository
        ))),
    }
}
