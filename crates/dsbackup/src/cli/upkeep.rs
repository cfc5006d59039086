//! The commands that keep a repository in order: what goes, what is copied elsewhere, what is repaired.

use std::path::PathBuf;

use backup::retention::Within;
use clap::{Args, Subcommand};

use super::{LockOptions, RepositoryOptions, RetryOptions, key_and_value};

/// `dsbackup forget`.
#[derive(Debug, Args)]
#[command(
    group = clap::ArgGroup::new("what").required(true).multiple(true),
    after_help = "\
Examples:
  dsbackup forget --keep-daily 7 --keep-weekly 5 --keep-monthly 12 --dry-run
  dsbackup forget --keep-within 30d --server DC1 --prune
  dsbackup forget 3f9a1c2b

The rules count the snapshots of each server by themselves, and add up: a snapshot stays that any of them keeps. Hours,
days, weeks, months and years are in UTC; an hour, day ... without a snapshot does not count.

Whatever the rules say, these stay: the newest snapshot of each server, its newest without damage, its newest that a
drill has proven, and one that a later backup of the logs alone continues. To remove even one of those, give its id and
--even-the-last. Snapshots that other programs made, and those that cannot be read, are removed only by their ids.

A snapshot's content stays in the repository until `dsbackup prune` removes it, or --prune does."
)]
pub struct ForgetOptions {
    /// Remove these snapshots (ids, or their beginnings) instead of what a policy does not keep
    #[arg(value_name = "SNAPSHOT", group = "what", conflicts_with_all = ["policy", "servers"])]
    pub snapshots: Vec<String>,
    #[command(flatten)]
    pub repository: RepositoryOptions,
    #[command(flatten)]
    pub retry: RetryOptions,
    #[command(flatten)]
    pub policy: PolicyOptions,
    /// Apply the policy to this server only (may be repeated)
    #[arg(long = "server", value_name = "NAME")]
    pub servers: Vec<String>,
    /// With ids: remove even a server's newest or newest proven snapshot, and one that a backup of logs continues
    #[arg(long, requires = "snapshots")]
    pub even_the_last: bool,
    /// Show what would be removed, and why the rest stays; remove nothing
    #[arg(long, short = 'n')]
    pub dry_run: bool,
    /// Then remove the content that no snapshot needs any more
    #[arg(long, conflicts_with = "dry_run")]
    pub prune: bool,
}

/// Which snapshots stay.
#[derive(Debug, Args)]
#[group(id = "policy", multiple = true)]
pub struct PolicyOptions {
    /// Keep the newest N snapshots
    #[arg(
        long,
        short = 'l',
        value_name = "N",
        default_value_t = 0,
        hide_default_value = true,
        group = "what"
    )]
    pub keep_last: u32,
    /// Keep the newest snapshot of each of the last N hours that have one
    #[arg(
        long,
        short = 'H',
        value_name = "N",
        default_value_t = 0,
        hide_default_value = true,
        group = "what"
    )]
    pub keep_hourly: u32,
    /// ... of each of the last N days
    #[arg(
        long,
        short = 'd',
        value_name = "N",
        default_value_t = 0,
        hide_default_value = true,
        group = "what"
    )]
    pub keep_daily: u32,
    /// ... of each of the last N weeks
    #[arg(
        long,
        short = 'w',
        value_name = "N",
        default_value_t = 0,
        hide_default_value = true,
        group = "what"
    )]
    pub keep_weekly: u32,
    /// ... of each of the last N months
    #[arg(
        long,
        short = 'm',
        value_name = "N",
        default_value_t = 0,
        hide_default_value = true,
        group = "what"
    )]
    pub keep_monthly: u32,
    /// ... of each of the last N years
    #[arg(
        long,
        short = 'y',
        value_name = "N",
        default_value_t = 0,
        hide_default_value = true,
        group = "what"
    )]
    pub keep_yearly: u32,
    /// Keep all that are newer than this before the newest one, such as 1y6m14d12h
    #[arg(long, value_name = "DURATION", group = "what")]
    pub keep_within: Option<Within>,
    /// Keep all that have these tags, separated by commas (may be repeated: any of the lists is enough)
    #[arg(long = "keep-tag", value_name = "TAG[,TAG]", group = "what")]
    pub keep_tags: Vec<String>,
}

/// `dsbackup prune`.
#[derive(Debug, Args)]
#[command(after_help = "\
Nobody else may use the repository meanwhile; the lock sees to that for dsbackup and restic. rustic heeds no locks.

Packs that hold nothing needed are removed. Of those that hold much that is not needed the rest is written into new
packs; 5 % of what is needed may stay in the others. A prune that is interrupted leaves every snapshot whole, and the
next one goes on.

Where a snapshot, part of the index or content is damaged, nobody knows what is needed, and nothing is removed.")]
pub struct PruneOptions {
    #[command(flatten)]
    pub repository: RepositoryOptions,
    #[command(flatten)]
    pub retry: RetryOptions,
    /// Show what would be freed; change nothing
    #[arg(long, short = 'n')]
    pub dry_run: bool,
}

/// `dsbackup copy`.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  dsbackup copy --to s3:https://s3.example.com/backup --to-password-file /etc/dsbackup.offsite
  dsbackup copy latest --to /mnt/disk --to-password-command 'pass offsite'

The other repository must exist (dsbackup init) and may have another password and other settings. What it has is not
copied again. Every chunk is compared with its SHA-256 when it is read, and once more read back from the other repository
before the first snapshot appears there. A snapshot that is damaged is named and left out; the others are copied.

A copied snapshot has an id of its own, and the verdict of its drill.")]
pub struct CopyOptions {
    /// Copy these snapshots (ids, their beginnings, or `latest`) [default: all]
    #[arg(value_name = "SNAPSHOT")]
    pub snapshots: Vec<String>,
    #[command(flatten)]
    pub repository: RepositoryOptions,
    #[command(flatten)]
    pub to: OtherRepositoryOptions,
    #[command(flatten)]
    pub lock: LockOptions,
    /// Copy the snapshots of this server only (may be repeated)
    #[arg(long = "server", value_name = "NAME")]
    pub servers: Vec<String>,
}

/// A second repository, and what opens it.
#[derive(Debug, Args)]
pub struct OtherRepositoryOptions {
    /// The other repository, as for --repository
    #[arg(long, value_name = "LOCATION", env = "DSBACKUP_TO_REPOSITORY")]
    pub to: String,
    /// Read its password from the first line of this file; without this and --to-password-command, the environment
    /// variable DSBACKUP_TO_PASSWORD counts
    #[arg(long, value_name = "FILE", env = "DSBACKUP_TO_PASSWORD_FILE")]
    pub to_password_file: Option<PathBuf>,
    /// Run this command and read its password from the first line that it prints
    #[arg(
        long,
        value_name = "COMMAND",
        env = "DSBACKUP_TO_PASSWORD_COMMAND",
        conflicts_with = "to_password_file"
    )]
    pub to_password_command: Option<String>,
    /// A setting of its store, as for --store-option (may be repeated)
    #[arg(long = "to-store-option", value_name = "KEY=VALUE", value_parser = key_and_value)]
    pub to_store_options: Vec<(String, String)>,
}

impl OtherRepositoryOptions {
    /// As the options of a repository.
    pub fn as_repository(&self) -> RepositoryOptions {
        RepositoryOptions {
            repository: self.to.clone(),
            password_file: self.to_password_file.clone(),
            password_command: self.to_password_command.clone(),
            store_options: self.to_store_options.clone(),
        }
    }
}

/// `dsbackup repair`.
#[derive(Debug, Subcommand)]
pub enum RepairCommand {
    /// Make the index anew from what the packs say that they hold
    Index(RepairIndexOptions),
}

/// `dsbackup repair index`.
#[derive(Debug, Args)]
#[command(after_help = "\
For when index files are unreadable or lost, or packs are. Packs that the index describes rightly are not read. Snapshots
whose content is gone stay damaged: `dsbackup check` names what is missing.")]
pub struct RepairIndexOptions {
    #[command(flatten)]
    pub repository: RepositoryOptions,
    #[command(flatten)]
    pub retry: RetryOptions,
    /// Show what would change; change nothing
    #[arg(long, short = 'n')]
    pub dry_run: bool,
}

/// `dsbackup unlock`.
#[derive(Debug, Args)]
pub struct UnlockOptions {
    #[command(flatten)]
    pub repository: RepositoryOptions,
    /// Remove every lock, also those that somebody seems to hold: only when nobody uses the repository
    #[arg(long)]
    pub all: bool,
}
