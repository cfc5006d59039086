//! The password of a repository: from a file or a command, never from an argument or a
//! configuration.

use std::fs::File;
use std::io::Read;
use std::path::Path;
use std::process::Stdio;

use repository::Password;
use zeroize::Zeroizing;

use crate::error::{Error, Result};

/// The longest password that is read, in bytes.
pub const LIMIT: u64 = 64 << 10;

/// Reads the first line of a file.
///
/// # Errors
/// If it is empty, and as [`line_of`].
pub fn from_file(path: &Path) -> Result<Password> {
    accept(&line_of(path)?)
}

/// The first line of a file that holds a password.
///
/// # Errors
/// If it cannot be read, or can be read by all users or written by others than its owner.
pub fn line_of(path: &Path) -> Result<Zeroizing<String>> {
    let file = File::open(path).map_err(Error::io("open the password file", path))?;
    let too_open = platform::access::too_open_for_a_secret(&file, path);
    if let Some(how) = too_open.map_err(Error::io("open the password file", path))? {
        return Err(Error::Refused(format!(
            "{}: the password file {how}, and consider the password known",
            path.display()
        )));
    }
    first_line(file).map_err(Error::io("read the password file", path))
}

/// Runs a command by the system's shell without the environment variables `secrets`, and reads the first
/// line that it prints.
///
/// # Errors
/// If it cannot be run, ends with an error, or prints nothing.
pub fn from_command(command: &str, secrets: &[&str]) -> Result<Password> {
    let failed = |error| Error::io("run the password command", command)(error);
    let mut shell = platform::process::shell(command);
    for name in secrets {
        shell.env_remove(name);
    }
    let mut child = shell
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .spawn()
        .map_err(failed)?;
    let output = child.stdout.take().expect("standard output is piped");
    let line = first_line(output);
    let status = child.wait().map_err(failed)?;
    if !status.success() {
        return Err(Error::Refused(format!(
            "the password command ended with {status}: {command}"
        )));
    }
    accept(&line.map_err(failed)?)
}

/// Accepts any text but the empty one.
///
/// # Errors
/// For the empty one.
pub fn accept(text: &str) -> Result<Password> {
    match text.is_empty() {
        false => Ok(Password::new(text)),
        true => Err(Error::Refused(
            "the repository's password is empty: dsbackup keeps no unprotected repositories".into(),
        )),
    }
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
