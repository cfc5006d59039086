//! The commands that work without an administrator at hand: the service, jobs, the console, and the
//! plan for the day on which all is lost. They need Unix.

use clap::Subcommand;

use super::{
    ConfigCommand, ConsoleOptions, RecoveryPlanOptions, RunOptions, ServeOptions, SetupOptions,
    ShipOptions, StatusOptions,
};

/// One of them.
#[derive(Debug, Subcommand)]
pub enum UnattendedCommand {
    /// Host a directory: the backup service on a domain controller
    Serve(ServeOptions),
    /// Set up a nightly job: repository, password, configuration, timer, first backup
    Setup(SetupOptions),
    /// Run backup jobs of the configuration
    Run(RunOptions),
    /// Store each transaction log of a job's directory as soon as it is finished
    Ship(ShipOptions),
    /// Show whether all jobs do what they promise, for people and monitoring
    Status(StatusOptions),
    /// Check the configuration of jobs, or print a sample
    #[command(subcommand)]
    Config(ConfigCommand),
    /// Show all backups in a browser
    Console(ConsoleOptions),
    /// Print the steps that recover a whole forest from its backups, names filled in
    RecoveryPlan(RecoveryPlanOptions),
}
