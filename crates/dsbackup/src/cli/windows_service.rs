//! Options of `service`, on Windows.

use std::path::PathBuf;

use clap::{Args, Subcommand};

/// What to do with the service.
#[derive(Debug, Subcommand)]
pub enum ServiceCommand {
    /// Install the service, which starts with Windows
    Install(ServiceOptions),
    /// Stop and remove the service
    Remove,
    /// Serve until the service manager stops it, or Ctrl-C in a console
    Run(ServiceRunOptions),
}

/// The configuration of the service.
#[derive(Debug, Clone, Args)]
pub struct ServiceOptions {
    /// Read the configuration from this TOML file [default: host this computer's own domain
    /// controller]
    #[arg(long, value_name = "FILE")]
    pub config: Option<PathBuf>,
}

/// `dsbackup service run`.
#[derive(Debug, Clone, Args)]
pub struct ServiceRunOptions {
    #[command(flatten)]
    pub service: ServiceOptions,
    /// Host the directory to be restored
    #[arg(long)]
    pub restore_mode: bool,
}
