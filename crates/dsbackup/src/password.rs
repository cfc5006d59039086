//! Passwords: from a file, a command, the environment or the terminal, never from an argument.

use std::path::Path;

use backup::password;
use repository::Password;
use zeroize::Zeroizing;

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

/// The password of a user of a running directory server: from a file, the environment variable, or
/// the terminal.
///
/// # Errors
/// When none of them gives one.
pub fn of_user(user: &str, file: Option<&Path>, variable: &str) -> Result<Zeroizing<String>> {
    if let Some(path) = file {
        return Ok(password::line_of(path)?);
    }
    match std::env::var(variable) {
        Ok(password) => Ok(Zeroizing::new(password)),
        Err(_) => from_terminal(user).map_err(|error| {
            Failure::refused(format!(
                "the password of {user} is not known ({error}): name --ldap-password-file, set \
                 {variable}, or use a terminal"
            ))
        }),
    }
}

/// Asks on the terminal, which shows nothing of the answer.
///
/// # Errors
/// When there is no terminal.
pub fn from_terminal(user: &str) -> std::io::Result<Zeroizing<String>> {
    let question = format!("Password of {user}: ");
    let mut line = Zeroizing::new(String::new());
    platform::terminal::ask_unseen(&question, password::LIMIT, &mut line)?;
    Ok(Zeroizing::new(
        line.trim_end_matches(['\r', '\n']).to_owned(),
    ))
}
