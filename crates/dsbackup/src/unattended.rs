//! The commands that work without an administrator at hand.

use crate::cli::UnattendedCommand;
use crate::failure::{Failure, Outcome, Result};
use crate::report::Report;
use crate::{allocator, console, jobs, recovery_plan, serve};

/// Runs one.
///
/// # Errors
/// The command's.
pub fn run(command: &UnattendedCommand, report: Report) -> Result<Outcome> {
    match command {
        UnattendedCommand::Serve(options) => serve::run(options),
        UnattendedCommand::Setup(options) => jobs::setup::run(options, report),
        UnattendedCommand::Run(options) => jobs::run::run(options, report),
        UnattendedCommand::Ship(options) => jobs::ship::run(options, report),
        UnattendedCommand::Status(options) => jobs::status::run(options, report),
        UnattendedCommand::Config(command) => jobs::config::run(command, report),
        UnattendedCommand::Console(options) => {
            allocator::return_freed_memory();
            console::run(options, report)
        }
        UnattendedCommand::RecoveryPlan(options) => recovery_plan::run(options, report),
    }
}

/// The exit code of a command that failed.
pub fn exit_code(command: &UnattendedCommand, failure: &Failure) -> u8 {
    match command {
        // Its exit codes are those of monitoring plugins.
        UnattendedCommand::Status(_) => ::jobs::status::State::Unknown as u8,
        _ => failure.exit_code(),
    }
}

impl From<::jobs::Error> for Failure {
    fn from(error: ::jobs::Error) -> Self {
        match error {
            ::jobs::Error::Work(error) => Self::Work(error),
            error => Self::Job(error.to_string()),
        }
    }
}
