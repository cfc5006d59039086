//! Commands that maintain a repository: forget, prune, copy, repair, unlock.

use backup::retention::Within;
use clap::{Args, Subcommand};

use super::repository::{LockOptions, OtherRepositoryOptions, RepositoryOptions, RetryOptions};

/// `dsbackup forget`.
#[derive(Debug, Args)]
#[command(
    group = clap::ArgGroup::new("what").required(true).multiple(true),
    after_help = "\
Examples:
  dsbackup forget --keep-daily 7 --keep-weekly 5 --keep-monthly 12 --dry-run
  dsbackup forget --keep-within 30d --server DC1 --prune
  dsbackup forget 3f9a1c2b

The rules apply to each server by itself and add up: a snapshot stays if any rule
keeps it. Hours, days, weeks, months and years are in UTC; those without a
snapshot do not count.

Always kept: the newest snapshot of each server, its newest without damage, its
newest proven one (each of those that can be restored), and one that a later
backup of logs continues. To remove one of these, give its id and
--even-the-last. Snapshots of other programs, and
unreadable ones, are removed only by id.

`dsbackup prune`, or --prune, removes the content of removed snapshots."
)]
pub struct ForgetOptions {
    /// Remove these snapshots (ids, or their beginnings), without a policy
    #[arg(value_name = "SNAPSHOT", group = "what", conflicts_with_all = ["policy", "servers"])]
    pub snapshots: Vec<String>,
    /// Apply the policy to this server only (may be repeated)
    #[arg(long = "server", value_name = "NAME")]
    pub servers: Vec<String>,
    /// With ids: remove even a server's newest or newest proven snapshot, or one that a backup of
    /// logs continues
    #[arg(long, requires = "snapshots")]
    pub even_the_last: bool,
    /// Show what would be removed and why the rest stays; remove nothing
    #[arg(long, short = 'n')]
    pub dry_run: bool,
    /// Then remove content that no snapshot needs
    #[arg(long, conflicts_with = "dry_run")]
    pub prune: bool,
    #[command(flatten)]
    pub repository: RepositoryOptions,
    #[command(flatten)]
    pub retry: RetryOptions,
    #[command(flatten)]
    pub policy: PolicyOptions,
}

/// Which snapshots stay.
#[derive(Debug, Args)]
#[command(next_help_heading = "Policy")]
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
    /// Keep the newest snapshot of each of the last N days that have one
    #[arg(
        long,
        short = 'd',
        value_name = "N",
        default_value_t = 0,
        hide_default_value = true,
        group = "what"
    )]
    pub keep_daily: u32,
    /// Keep the newest snapshot of each of the last N weeks that have one
    #[arg(
        long,
        short = 'w',
        value_name = "N",
        default_value_t = 0,
        hide_default_value = true,
        group = "what"
    )]
    pub keep_weekly: u32,
    /// Keep the newest snapshot of each of the last N months that have one
    #[arg(
        long,
        short = 'm',
        value_name = "N",
        default_value_t = 0,
        hide_default_value = true,
        group = "what"
    )]
    pub keep_monthly: u32,
    /// Keep the newest snapshot of each of the last N years that have one
    #[arg(
        long,
        short = 'y',
        value_name = "N",
        default_value_t = 0,
        hide_default_value = true,
        group = "what"
    )]
    pub keep_yearly: u32,
    /// Keep all within this time before the newest, such as 1y6m14d12h
    #[arg(long, value_name = "DURATION", group = "what")]
    pub keep_within: Option<Within>,
    /// Keep all that have these tags, separated by commas (may be repeated: one list suffices)
    #[arg(long = "keep-tag", value_name = "TAG[,TAG]", group = "what")]
    pub keep_tags: Vec<String>,
}

/// `dsbackup prune`.
#[derive(Debug, Args)]
#[command(after_help = "\
An exclusive lock keeps dsbackup and restic out meanwhile. rustic ignores locks:
do not run it beside a prune.

Removes packs that hold nothing needed, and rewrites packs that hold much that
is not needed; at most 5 % of waste stays. An interrupted prune leaves every
snapshot whole, and the next one continues.

Removes nothing if a snapshot, part of the index or content is damaged.")]
pub struct PruneOptions {
    /// Show what would be freed; change nothing
    #[arg(long, short = 'n')]
    pub dry_run: bool,
    #[command(flatten)]
    pub repository: RepositoryOptions,
    #[command(flatten)]
    pub retry: RetryOptions,
}

/// `dsbackup copy`.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  dsbackup copy --to s3:https://s3.example.com/backup --to-password-file /etc/dsbackup.offsite
  dsbackup copy latest --to /mnt/disk --to-password-command 'pass offsite'

The other repository must exist (dsbackup init); its password and settings may
differ. Chunks that it has are not copied again. Each chunk is compared with its
SHA-256 when read, and again when read back from the other repository, before
the first snapshot appears there. Damaged snapshots are named and skipped.

A copied snapshot gets a new id, and keeps the verdict of its drill.")]
pub struct CopyOptions {
    /// Copy these snapshots (ids, their beginnings, or `latest`), with those that they continue
    /// [default: all]
    #[arg(value_name = "SNAPSHOT")]
    pub snapshots: Vec<String>,
    /// Copy the snapshots of this server only (may be repeated)
    #[arg(long = "server", value_name = "NAME")]
    pub servers: Vec<String>,
    #[command(flatten)]
    pub repository: RepositoryOptions,
    #[command(flatten)]
    pub to: OtherRepositoryOptions,
    #[command(flatten)]
    pub lock: LockOptions,
}

/// `dsbackup repair`.
#[derive(Debug, Subcommand)]
pub enum RepairCommand {
    /// Rebuild the index from the headers of the packs
    Index(RepairIndexOptions),
}

/// `dsbackup repair index`.
#[derive(Debug, Args)]
#[command(after_help = "\
Run it after index files or packs were lost or damaged. Packs that the index
describes correctly are not read. Snapshots whose content is gone stay damaged:
`dsbackup check` names what is missing.")]
pub struct RepairIndexOptions {
    /// Show what would change; change nothing
    #[arg(long, short = 'n')]
    pub dry_run: bool,
    #[command(flatten)]
    pub repository: RepositoryOptions,
    #[command(flatten)]
    pub retry: RetryOptions,
}

/// `dsbackup unlock`.
#[derive(Debug, Args)]
pub struct UnlockOptions {
    /// Remove every lock, even one in use: only while nobody uses the repository
    #[arg(long)]
    pub all: bool,
    #[command(flatten)]
    pub repository: RepositoryOptions,
}
