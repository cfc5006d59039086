//! `dsbackup config`: is the configuration usable?

use jobs::Configuration;
use serde::Serialize;

use crate::cli::ConfigCommand;
use crate::failure::{Failure, Outcome, Result};
use crate::report::{Report, count};

#[derive(Serialize)]
struct Checked {
    repositories: usize,
    jobs: usize,
}

/// Checks the configuration, or prints the sample.
///
/// # Errors
/// If the configuration cannot be used.
pub fn run(command: &ConfigCommand, report: Report) -> Result<Outcome> {
    let options = match command {
        ConfigCommand::Sample => {
            let sample = jobs::configuration::SAMPLE;
            report.result(&sample, || sample.trim_end().to_owned())?;
            return Ok(Outcome::Done);
        }
        ConfigCommand::Check(options) => options,
    };
    let path = &options.config;
    let configuration = Configuration::read(path)?;
    for (name, repository) in &configuration.repositories {
        // A command may ask somebody; a file can be looked at.
        if let Some(file) = &repository.password_file {
            backup::password::from_file(file).map_err(|error| {
                Failure::refused(format!("{}: [repository.{name}]: {error}", path.display()))
            })?;
        }
    }
    for (name, receiver) in &configuration.notify {
        receiver.check_secrets().map_err(|error| {
            Failure::refused(format!("{}: [notify.{name}]: {error}", path.display()))
        })?;
    }
    check_service(path)?;
    let checked = Checked {
        repositories: configuration.repositories.len(),
        jobs: configuration.jobs.len(),
    };
    report.result(&checked, || {
        format!(
            "{}: usable; {}, {}",
            path.display(),
            match checked.repositories {
                1 => "1 repository".into(),
                number => format!("{number} repositories"),
            },
            count(checked.jobs, "job")
        )
    })?;
    Ok(Outcome::Done)
}

/// Checks the service's tables, if the file has them.
fn check_service(path: &std::path::Path) -> Result<()> {
    let text = std::fs::read_to_string(path).map_err(Failure::io("read", path))?;
    let hosts = |line: &str| matches!(line.trim(), "[directory]" | "[samba]");
    if text.lines().any(hosts) {
        let parsed = service::Configuration::from_toml(&text).and_then(|service| service.check());
        parsed.map_err(Failure::at("configuration"))?;
    }
    Ok(())
}
