//! Commands of the administrator that a job runs.

use std::process::Stdio;

use crate::error::{Error, Result};

/// Runs a command by `/bin/sh -c` with the variables `environment`, to its end.
///
/// # Errors
/// If it cannot be started, or ends with an error.
pub fn run(command: &str, environment: &[(&str, &str)]) -> Result<()> {
    let status = platform::process::shell(command)
        .envs(environment.iter().copied())
        .stdin(Stdio::null())
        // Standard output is for the result of the caller.
        .stdout(std::io::stderr())
        .status()
        .map_err(Error::io("run", command))?;
    match status.success() {
        true => Ok(()),
        false => Err(Error::Hook {
            command: command.to_owned(),
            status: status.to_string(),
        }),
    }
}
