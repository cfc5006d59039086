//! Commands for backup jobs: setup, run, ship, status, config.

use std::path::PathBuf;

use clap::{Args, Subcommand};

/// The configuration of jobs.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Jobs")]
pub struct ConfigOption {
    /// Configuration of repositories and jobs
    #[arg(
        long,
        value_name = "FILE",
        env = "DSBACKUP_CONFIG",
        default_value = jobs::configuration::DEFAULT_PATH
    )]
    pub config: PathBuf,
}

/// The configuration of jobs, and the records of their runs.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Jobs")]
pub struct JobsOptions {
    #[command(flatten)]
    pub config: ConfigOption,
    /// Folder of the records of runs
    #[arg(
        long,
        value_name = "DIR",
        env = "DSBACKUP_STATE_FOLDER",
        default_value = jobs::record::DEFAULT_FOLDER
    )]
    pub state_folder: PathBuf,
}

/// `dsbackup run`.
#[derive(Debug, Clone, Args)]
#[command(
    group = clap::ArgGroup::new("which").required(true).multiple(false),
    after_help = "\
Examples:
  dsbackup run nightly
  dsbackup run --all            # what dsbackup-jobs.timer does every night

A job backs up its directory into each of its repositories, removes and prunes
snapshots that its rules do not keep, checks the repository and drills the new
snapshot when these are due. Each repository is by itself: if one fails, the next
is still written. If the backup itself fails, nothing is removed there.

Exit code: 1 if a step of any job failed, otherwise 3 if damage was found,
otherwise 5 if a snapshot could not be proven on this computer."
)]
pub struct RunOptions {
    /// Job of the configuration (several may be named)
    #[arg(value_name = "JOB", group = "which")]
    pub names: Vec<String>,
    /// Run all jobs, one after another, by name
    #[arg(long, group = "which")]
    pub all: bool,
    /// Then write the status of all jobs to this file, for Prometheus
    #[arg(long, value_name = "FILE")]
    pub prometheus: Option<PathBuf>,
    #[command(flatten)]
    pub jobs: JobsOptions,
}

/// `dsbackup ship`.
#[derive(Debug, Clone, Args)]
#[command(after_help = "\
Examples:
  dsbackup ship nightly         # until SIGTERM, as dsbackup-ship@nightly.service does
  dsbackup ship nightly --once  # what is finished now

The job needs [job.NAME.ship]. Follows the folder of its directory's logs while
the directory is in use, and stores each log as soon as the engine has finished
it: every batch is a snapshot of logs that continues the newest one, so that
restore --until leads to a point in time between two backups. Deletes nothing in
the folder. Can be killed at any time: the next one goes on where the repository
ends. Prints each batch and how far it is behind; dsbackup status tells it, too.

If logs are gone before they were stored, it says so and waits for a full backup
(dsbackup run JOB), or takes one with full_after_gap = true.")]
pub struct ShipOptions {
    /// Job of the configuration
    #[arg(value_name = "JOB")]
    pub name: String,
    /// Ship the logs that are finished, and end
    #[arg(long)]
    pub once: bool,
    #[command(flatten)]
    pub jobs: JobsOptions,
}

/// `dsbackup status`.
#[derive(Debug, Clone, Args)]
#[command(after_help = "\
The first line is for monitoring plugins (Nagios, Icinga, Checkmk), and so are
the exit codes: 0 ok, 1 warning, 2 critical, 3 unknown. docs/monitoring.md
describes the rules, each metric and alert rules.")]
pub struct StatusOptions {
    /// Only these jobs [default: all]
    #[arg(value_name = "JOB")]
    pub names: Vec<String>,
    /// Also write the status to this file, for the textfile collector of Prometheus' node exporter
    #[arg(long, value_name = "FILE")]
    pub prometheus: Option<PathBuf>,
    #[command(flatten)]
    pub jobs: JobsOptions,
}

/// `dsbackup config`.
#[derive(Debug, Subcommand)]
pub enum ConfigCommand {
    /// Check the configuration: its syntax, that its parts fit together, the password files
    Check(ConfigOption),
    /// Print a sample configuration with comments
    Sample,
}

/// `dsbackup setup`.
#[derive(Debug, Clone, Args)]
#[command(
    group = clap::ArgGroup::new("source").multiple(false),
    after_help = "\
Examples:
  dsbackup setup                # asks, on a terminal
  dsbackup setup --samba --repository /srv/backup
  dsbackup setup --directory /var/lib/ntds --repository /srv/backup --no-timer

Adds a repository and a job to the configuration, makes the password file (0600)
and the repository unless they exist, enables the systemd timer, makes the first
backup and drills it.

Keep a copy of the password elsewhere: without it nobody can read the backups."
)]
pub struct SetupOptions {
    /// Back up the Samba domain controller of this smb.conf
    #[arg(
        long,
        value_name = "FILE",
        num_args = 0..=1,
        default_missing_value = "/etc/samba/smb.conf",
        group = "source"
    )]
    pub samba: Option<PathBuf>,
    /// Back up the directory in this folder
    #[arg(long, value_name = "DIR", group = "source")]
    pub directory: Option<PathBuf>,
    /// Repository: a folder, or a remote store, as for `dsbackup init`
    #[arg(long, short, value_name = "LOCATION", env = "DSBACKUP_REPOSITORY")]
    pub repository: Option<String>,
    /// Name of the new job
    #[arg(long, value_name = "NAME", default_value = "nightly")]
    pub job: String,
    /// Name of the repository in the configuration
    #[arg(long, value_name = "NAME", default_value = "local")]
    pub repository_name: String,
    /// Password file; a random password is written to it if it does not exist [default:
    /// NAME.password beside the configuration]
    #[arg(long, value_name = "FILE")]
    pub password_file: Option<PathBuf>,
    /// Do not enable the systemd timer
    #[arg(long)]
    pub no_timer: bool,
    /// Do not make the first backup
    #[arg(long)]
    pub no_backup: bool,
    #[command(flatten)]
    pub jobs: JobsOptions,
}
