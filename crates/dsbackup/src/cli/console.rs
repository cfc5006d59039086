//! `dsbackup console`.

use std::net::SocketAddr;
use std::path::PathBuf;

use clap::Args;

use super::jobs::JobsOptions;

/// `dsbackup console`.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  dsbackup console                     # at http://127.0.0.1:7480/
  dsbackup console --config ./dsbackup.toml --listen 127.0.0.1:8080
  dsbackup console --add-user anna     # asks for the password

Shows in a browser how the jobs of the configuration do. Runs until SIGTERM.

Without a file of users ([console] users = FILE in the configuration) the command
prints a new password for the user admin. Other computers reach the console only
with TLS ([console] certificate, key) and a file of users. docs/console.md
describes all settings.")]
pub struct ConsoleOptions {
    /// Listen on this address instead of that in the configuration
    #[arg(long, value_name = "ADDRESS:PORT", conflicts_with = "socket")]
    pub listen: Option<SocketAddr>,
    /// Listen on this Unix socket, for a reverse proxy of the same user or `ssh -L`
    #[arg(long, value_name = "FILE")]
    pub socket: Option<PathBuf>,
    /// Add a user to the file of users, or change the password, and end
    #[arg(long, value_name = "NAME", conflicts_with_all = ["listen", "socket"])]
    pub add_user: Option<String>,
    /// With --add-user: a user who may look, but not act
    #[arg(long, requires = "add_user")]
    pub view: bool,
    /// With --add-user: the file whose first line is the new password [default: ask on the terminal]
    #[arg(long, value_name = "FILE", requires = "add_user")]
    pub new_password_file: Option<PathBuf>,
    #[command(flatten)]
    pub jobs: JobsOptions,
}
