//! The command line: what can be asked for, and the help that teaches it.

mod connection;
#[cfg(unix)]
mod console;
mod database;
#[cfg(test)]
mod documents;
#[cfg(unix)]
mod forest;
#[cfg(unix)]
mod jobs;
mod objects;
mod repository;
mod restore_objects;
#[cfg(unix)]
mod serve;
#[cfg(unix)]
mod unattended;
mod upkeep;
#[cfg(windows)]
mod windows_service;

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};
use ese::recovery::Stop;

#[cfg(windows)]
pub use self::connection::NtdsOptions;
pub use self::connection::{HostedOptions, ServerOptions};
#[cfg(unix)]
pub use self::console::ConsoleOptions;
pub use self::database::{
    DatabaseOptions, DumpOptions, InspectOptions, RecoverOptions, VerifyDbOptions,
};
#[cfg(unix)]
pub use self::forest::RecoveryPlanOptions;
#[cfg(unix)]
pub use self::jobs::{ConfigCommand, RunOptions, SetupOptions, ShipOptions, StatusOptions};
pub use self::objects::{
    BrowseOptions, CacheOptions, CatOptions, DiffOptions, ExportOptions, FilesOptions, LiveOptions,
    LsOptions, PlaceOptions, ScopeOption, SearchOptions, ShowOptions, SourceOptions, StoredOptions,
};
pub use self::repository::{LockOptions, RepositoryOptions, RetryOptions};
pub use self::restore_objects::{
    PasswordOption, RestoreObjectsOptions, UndoOptions, WrittenServerOptions,
};
#[cfg(unix)]
pub use self::serve::ServeOptions;
#[cfg(unix)]
pub use self::unattended::UnattendedCommand;
pub use self::upkeep::{
    CopyOptions, ForgetOptions, PolicyOptions, PruneOptions, RepairCommand, RepairIndexOptions,
    UnlockOptions,
};
#[cfg(windows)]
pub use self::windows_service::{ServiceCommand, ServiceOptions, ServiceRunOptions};

/// Exit codes, shown by `--help`.
const EXIT_CODES: &str = "\
Exit codes:
  0  done
  1  failed: the message says at what, and what to do next; verify-db: damaged
  2  wrong command line, or no file of the storage engine; verify-db: not
     verified
  3  damage in a database, log or repository, or a repository without a backup;
     everything else was done, and the message names what is wrong;
     restore-objects, undo: not all is as it was, and the result lists it
  4  refused by the contract: directory not online or not offline, privilege
     missing, token expired or tampered with
  5  check --drill: no damage found, but this computer could not prove a
     snapshot; the message says why
  6  diff --exit-code: the directories differ

status has those of monitoring plugins: 0 ok, 1 warning, 2 critical, 3 unknown.";

/// Backs up and restores Active Directory servers.
///
/// A service on the domain controller hosts the directory (`dsbackup serve`). `dsbackup backup`
/// walks the nine steps of Microsoft's walk-through into an encrypted, deduplicated repository in
/// restic's format; `dsbackup restore` walks back while the service runs in restore mode.
///
/// The options of the repository (-r and others) may stand before the command, too.
#[derive(Debug, Parser)]
#[command(version, after_help = EXIT_CODES, propagate_version = true, max_term_width = 100)]
pub struct Cli {
    #[command(flatten)]
    pub output: OutputOptions,
    #[command(subcommand)]
    pub command: Command,
}

/// What the command prints.
#[derive(Debug, Args, Clone, Copy)]
#[command(next_help_heading = "Output")]
pub struct OutputOptions {
    /// Print the result as one JSON document on standard output
    #[arg(long, global = true)]
    pub json: bool,
    /// Print only the result and errors
    #[arg(long, short, global = true)]
    pub quiet: bool,
    /// Print more (twice: much more)
    #[arg(long, short, global = true, action = clap::ArgAction::Count)]
    pub verbose: u8,
}

/// What to do.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// What works without an administrator at hand
    #[cfg(unix)]
    #[command(flatten)]
    Unattended(UnattendedCommand),
    /// The backup service of Windows
    #[cfg(windows)]
    #[command(subcommand)]
    Service(ServiceCommand),
    /// Create a repository for backups
    Init(InitOptions),
    /// Back up the directory of a service into a repository
    Backup(BackupOptions),
    /// List the snapshots of a repository
    Snapshots(SnapshotsOptions),
    /// Check a repository for missing and damaged content, or prove its snapshots
    Check(CheckOptions),
    /// Remove snapshots by policy, or by name
    Forget(ForgetOptions),
    /// Remove content that no snapshot needs
    Prune(PruneOptions),
    /// Copy snapshots to a second repository
    Copy(CopyOptions),
    /// Rebuild what the rest of a repository determines
    #[command(subcommand)]
    Repair(RepairCommand),
    /// Remove stale locks
    Unlock(UnlockOptions),
    /// Restore a snapshot into a service in restore mode, or into a plain folder
    Restore(RestoreOptions),
    /// Bring single objects of a backup back into a running directory
    RestoreObjects(RestoreObjectsOptions),
    /// Take a restore of objects back
    Undo(UndoOptions),
    /// Replay the transaction logs into a database in dirty shutdown
    Recover(RecoverOptions),
    /// Show what a database, log, checkpoint or flush map is, and what it needs
    Inspect(InspectOptions),
    /// List the tables of a database, or the partitions of a Samba directory
    Tables(StoredOptions),
    /// Write the content of a database to standard output, as JSON lines or CSV
    Dump(DumpOptions),
    /// Show the space that each table of a database takes
    Space(DatabaseOptions),
    /// Show a directory's identity, its progress (USN) and its counts of objects
    Facts(StoredOptions),
    /// List the objects of a directory, level by level
    Ls(LsOptions),
    /// Find the objects of a directory that fit a filter
    Search(SearchOptions),
    /// Show an object of a directory with all its attributes
    Show(ShowOptions),
    /// Write the objects of a directory as LDIF, CSV or JSON lines
    Export(ExportOptions),
    /// List the files of a directory server: SYSVOL and others
    Files(FilesOptions),
    /// Write a file of a directory server to standard output
    Cat(CatOptions),
    /// Serve a directory over LDAP, read-only, to ldapsearch, Apache Directory Studio and others
    Browse(BrowseOptions),
    /// Compare two directories: objects by GUID, attributes value by value
    Diff(DiffOptions),
    /// Check every page of a database, and the structures that they form
    VerifyDb(VerifyDbOptions),
    /// Write the man pages and shell completions, for packages
    #[command(hide = true)]
    Manual(ManualOptions),
}

/// `dsbackup manual`.
#[derive(Debug, Args)]
pub struct ManualOptions {
    /// Folder in which man1, bash, zsh and fish are written
    #[arg(value_name = "DIR")]
    pub folder: PathBuf,
}

/// `dsbackup init`.
#[derive(Debug, Args)]
pub struct InitOptions {
    /// zstd level of everything stored in this repository: -7 (fastest) to 22 (smallest)
    /// [default: 1]
    #[arg(
        long,
        value_name = "LEVEL",
        value_parser = clap::value_parser!(i32).range(-7..=22),
        allow_negative_numbers = true
    )]
    pub compression: Option<i32>,
    /// In every backup, decrypt and compare each new chunk instead of one in sixteen: for computers
    /// without error-correcting memory
    #[arg(long)]
    pub verify_chunks: bool,
    /// Chunk size in KiB, a power of two from 4 to 8192 [default: 64, and 8 for Samba's databases].
    /// With smaller chunks later backups store less and the first stores more: see
    /// docs/repository.md
    #[arg(long, value_name = "KIB")]
    pub chunk_size: Option<u16>,
    #[command(flatten)]
    pub repository: RepositoryOptions,
}

/// `dsbackup backup`.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  dsbackup backup --repository /srv/backup --password-file /etc/dsbackup.password
  dsbackup backup --samba ...                 # without a service
  dsbackup backup --directory /var/lib/ntds ...
  dsbackup backup --logs-only ...             # between full backups
  dsbackup backup --server dc01.example --ca-file ca.pem \\
    --client-certificate me.pem --client-key me.key ...

Walks the nine steps: is the directory online, prepare, database names, database
files, logs, truncate logs, save the expiry token, free, end.

Deletes logs on the server only after the snapshot is durable: only logs that
the snapshot holds in full, that were read back from the repository and
compared, and that crash recovery does not need.")]
pub struct BackupOptions {
    /// Store damaged pages and logs and mark the snapshot, instead of stopping at the first
    #[arg(long)]
    pub allow_corrupt: bool,
    /// Back up only the logs since the newest snapshot of the server, which the new one continues
    #[arg(long, conflicts_with = "ifm")]
    pub logs_only: bool,
    /// Keep all logs on the server (skip step 6)
    #[arg(long)]
    pub keep_logs: bool,
    /// Truncate logs even if the store does not promise durability: a REST server, or an SFTP
    /// server without fsync
    #[arg(long, conflicts_with = "keep_logs")]
    pub trust_store: bool,
    /// Tag of the snapshot (may be repeated)
    #[arg(long = "tag", value_name = "WORD")]
    pub tags: Vec<String>,
    /// Back up the database of this IFM folder, made by `ntdsutil ifm create`, without a service
    #[arg(long, value_name = "DIR", conflicts_with_all = ["server", "directory", "samba"])]
    pub ifm: Option<PathBuf>,
    #[command(flatten)]
    pub repository: RepositoryOptions,
    #[command(flatten)]
    pub retry: RetryOptions,
    #[command(flatten)]
    pub server: ServerOptions,
    #[command(flatten)]
    pub hosted: HostedOptions,
    #[cfg(windows)]
    #[command(flatten)]
    pub ntds: NtdsOptions,
}

/// `dsbackup snapshots`.
#[derive(Debug, Args)]
pub struct SnapshotsOptions {
    #[command(flatten)]
    pub repository: RepositoryOptions,
}

/// `dsbackup check`.
#[derive(Debug, Args)]
pub struct CheckOptions {
    /// Read and verify every byte, not only the structure
    #[arg(long)]
    pub read_data: bool,
    /// Prove snapshots: restore each to a scratch folder, replay its logs, verify the whole
    /// database. `snapshots` shows the verdict. Skips snapshots with a fresh verdict
    #[arg(long)]
    pub drill: bool,
    /// With --drill: prove this snapshot even if it has a verdict (id, beginning of an id, or
    /// `latest` for the newest of each server; may be repeated)
    #[arg(long = "snapshot", value_name = "SNAPSHOT", requires = "drill")]
    pub snapshots: Vec<String>,
    /// With --drill: prove all snapshots, with a verdict or without
    #[arg(long, requires = "drill", conflicts_with = "snapshots")]
    pub all: bool,
    /// With --drill: days for which a verdict is fresh
    #[arg(long, value_name = "DAYS", default_value_t = 30, requires = "drill")]
    pub fresh_for: u32,
    /// With --drill: folder of the scratch folders. They hold copies of the directory, have mode
    /// 0700 and are removed at the end [default: systemd's CACHE_DIRECTORY, /var/cache/dsbackup for
    /// root, the user's cache folder for others]
    #[arg(
        long,
        value_name = "DIR",
        env = "DSBACKUP_SCRATCH",
        default_value_os_t = backup::scratch::default_parent(),
        hide_default_value = true
    )]
    pub scratch: PathBuf,
    #[command(flatten)]
    pub repository: RepositoryOptions,
    #[command(flatten)]
    pub lock: LockOptions,
}

/// `dsbackup restore`.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  dsbackup restore latest --new-invocation-id by-registry -r /srv/backup ...
  dsbackup restore 3f9a1c2b --target /srv/forensics -r /srv/backup ...
  dsbackup restore latest --target /srv/friday --until 2026-11-20T08:00:00Z -r ...
  dsbackup restore latest --directory /var/lib/ntds --until 0x3f -r ...
  dsbackup restore latest --target /srv/new --first-domain-controller DC9 -r ...
  dsbackup restore latest --samba --authoritative OU=Sales,DC=corp,DC=example -r ...

Without --target, --directory and --samba the service must run in restore mode
(dsbackup serve --restore-mode). The snapshot's files replace those of the directory. After an
interrupted restore the directory cannot start until a restore completes.

Replication partners ignore a restored directory that keeps its invocation id
(USN rollback). A restored Samba domain controller gets a new one. For an NTDS,
the restore writes dsbackup.restored-from-backup.reg with instructions beside
the database; its registry value makes NTDS take a new one. Choose
--new-invocation-id by-registry if you will follow them, keep if the directory
will never replicate again. With --target the option is needed only if a Windows
installation starts from that folder.")]
pub struct RestoreOptions {
    /// Snapshot: id, beginning of an id, or `latest`, the newest of the server
    pub snapshot: String,
    /// Server of the snapshot, as `snapshots` shows it [default: the service's own; with --target
    /// the only one in the repository]. Required to restore another server's snapshot into a
    /// service
    #[arg(long, value_name = "NAME")]
    pub server_name: Option<String>,
    /// How a restored NTDS gets a new invocation id. Required if a directory service will start
    /// from the restored files
    #[arg(long, value_name = "HOW", env = "DSBACKUP_NEW_INVOCATION_ID")]
    pub new_invocation_id: Option<NewInvocationId>,
    /// Restore to this folder instead of into a service; it must be empty or not exist
    #[arg(long, value_name = "DIR", conflicts_with_all = ["server", "directory", "samba"])]
    pub target: Option<PathBuf>,
    /// With --samba: this object and all beneath it win over what partners did to them since the
    /// backup: what they deleted lives again on all domain controllers, what they changed is as in
    /// the backup (may be repeated)
    #[arg(long, value_name = "DN", requires = "samba", conflicts_with = "target")]
    pub authoritative: Vec<String>,
    /// Restore the directory as of this point: a generation (7 or 0x7), or a time in UTC
    /// (2026-11-22T10:00:00Z). With --target the logs are replayed up to it; without, those that
    /// lead beyond it are left out. With `latest` the snapshot is chosen by it
    #[arg(
        long,
        value_name = "TIME|GENERATION",
        conflicts_with_all = ["first_domain_controller", "samba"],
        value_parser = crate::arguments::stop
    )]
    pub until: Option<Stop>,
    /// With --target: restore a snapshot whose expiry token has expired, for examination. Such a
    /// directory must never go online again
    #[arg(
        long,
        requires = "target",
        conflicts_with_all = ["first_domain_controller", "server", "directory", "samba"]
    )]
    pub ignore_expiry: bool,
    #[command(flatten)]
    pub repository: RepositoryOptions,
    #[command(flatten)]
    pub lock: LockOptions,
    #[command(flatten)]
    pub server: ServerOptions,
    #[command(flatten)]
    pub hosted: HostedOptions,
    #[command(flatten)]
    pub new_server: NewServerOptions,
}

/// How the restored directory of an NTDS gets a new invocation id.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum NewInvocationId {
    /// You set the registry value before NTDS starts, by the written instructions
    ByRegistry,
    /// None: the directory will never replicate with another server again
    Keep,
}

impl From<NewInvocationId> for backup::restore::NewInvocationId {
    fn from(how: NewInvocationId) -> Self {
        match how {
            NewInvocationId::ByRegistry => Self::ByRegistry,
            NewInvocationId::Keep => Self::Keep,
        }
    }
}

/// A new server of a domain that has lost all others.
#[derive(Debug, Args)]
#[command(next_help_heading = "New server of a lost domain")]
pub struct NewServerOptions {
    /// With --target: make a new Samba domain controller of this name for a domain whose servers
    /// are all lost. It takes all roles, removes the other servers and changes krbtgt's passwords
    #[arg(
        long,
        value_name = "NAME",
        requires = "target",
        conflicts_with_all = ["server", "directory", "samba"]
    )]
    pub first_domain_controller: Option<String>,
    /// Address of the new server, if it cannot be determined
    #[arg(long, value_name = "ADDRESS", requires = "first_domain_controller")]
    pub host_ip: Option<std::net::IpAddr>,
    /// Site of the new server [default: Default-First-Site-Name]
    #[arg(long, value_name = "SITE", requires = "first_domain_controller")]
    pub site: Option<String>,
}
