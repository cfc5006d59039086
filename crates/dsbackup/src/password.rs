//! The repository's password: from a file, a command or the environment, never from an argument.

use std::io::Read;
use std::process::{Command, Stdio};

use repository::Password;
use zeroize::Zeroizing;

use crate::cli::RepositoryOptions;
use crate::failure::{Failure, Result};

/// The variable that holds the password itself.
pub const VARIABLE: &str = "DSBACKUP_PASSWORD";

/// The longest password that is read.
const LIMIT: u64 = 64 << 10;

/// The variable that holds the password of the repository that is copied to.
pub const OTHER_VARIABLE: &str = "DSBACKUP_TO_PASSWORD";

/// Finds the password where the options say, or in the environment variable `variable`.
///
/// # Errors
/// When the file or command does not give one, or when none is named.
pub fn find(options: &RepositoryOptions, variable: &str) -> Result<Password> {
    let text = if let Some(path) = &options.password_file {
        let file =
            std::fs::File::open(path).map_err(Failure::io("open the password file", path))?;
        first_line(file).map_err(Failure::io("read the password file", path))?
    } else if let Some(command) = &options.password_command {
        from_command(command)?
    } else if let Ok(password) = std::env::var(variable) {
        Zeroizing::new(password)
    } else {
        return Err(Failure::refused(format!(
            "the password of the repository {} is not known: name --password-file or --password-command (for a \
             repository that is copied to: --to-password-file or --to-password-command), or set {variable}",
            options.repository
        )));
    };
    if text.is_empty() {
        return Err(Failure::refused(
            "the repository's password is empty: dsbackup keeps no unprotected repositories",
        ));
    }
    Ok(Password::new(text.as_str()))
}

fn from_command(command: &str) -> Result<Zeroizing<String>> {
    let failed = |error| Failure::io("run the password command", command)(error);
    let mut child = Command::new("/bin/sh")
        .args(["-c", command])
        // Where these are set, too, they are none of the command's business.
        .env_remove(VARIABLE)
        .env_remove(OTHER_VARIABLE)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .spawn()
        .map_err(failed)?;
    let output = child.stdout.take().expect("standard output is piped");
    let line = first_line(output);
    let status = child.wait().map_err(failed)?;
    if !status.success() {
        return Err(Failure::refused(format!(
            "the password command ended with {status}: {command}"
        )));
    }
    line.map_err(failed)
}

/// The first line without its end.
fn first_line(reader: impl Read) -> std::io::Result<Zeroizing<String>> {
    let mut text = Zeroizing::new(String::new());
    reader.take(LIMIT).read_to_string(&mut text)?;
    Ok(Zeroizing::new(text.lines().next().unwrap_or("").to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_first_line_counts() {
        for (content, password) in [("secret\n", "secret"), ("a b \r\nrest\n", "a b "), ("", "")] {
            assert_eq!(*first_line(content.as_bytes()).expect("readable"), password);
        }
    }
}
