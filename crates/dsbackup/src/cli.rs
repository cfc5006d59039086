//! The command line: what can be asked for, and the help that teaches it.

mod upkeep;

use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Parser, Subcommand, ValueEnum};
use ese::recovery::Stop;
use ntdsbcli::Fingerprint;
use serde::Serialize;

pub use self::upkeep::{
    CopyOptions, ForgetOptions, PolicyOptions, PruneOptions, RepairCommand, RepairIndexOptions,
    UnlockOptions,
};

/// Exit codes, shown by `--help`.
const EXIT_CODES: &str = "\
Exit codes:
  0  done
  1  failed: the message says at what, and what to do next; verify-db: damage was found
  2  the command line is wrong, or the file is none of the storage engine's; verify-db: the file could not be verified
  3  damage was found (in a database or log that was read or backed up, or in the repository), or the repository
     holds no backup: what could be done was done, and the message says what is wrong
  4  refused by the contract: directory not online or not offline, privilege missing, token expired or tampered
  5  check --drill: no damage was found, but this machine could not prove a snapshot; the message says why";

/// Backs up and restores Active Directory servers.
///
/// A service on the domain controller hosts the directory (`dsbackup serve`). The backup application walks the nine
/// steps of the published walk-through into an encrypted, deduplicated repository in restic's format (`dsbackup
/// backup`), and walks back with the service in restore mode (`dsbackup restore`).
#[derive(Debug, Parser)]
#[command(version, after_help = EXIT_CODES, propagate_version = true, max_term_width = 100)]
pub struct Cli {
    #[command(flatten)]
    pub output: OutputOptions,
    #[command(subcommand)]
    pub command: Command,
}

/// How the command speaks.
#[derive(Debug, Args, Clone, Copy)]
pub struct OutputOptions {
    /// Print the result as one JSON document on standard output
    #[arg(long, global = true)]
    pub json: bool,
    /// Say nothing but the result and errors
    #[arg(long, short, global = true)]
    pub quiet: bool,
    /// Say more (twice: much more)
    #[arg(long, short, global = true, action = clap::ArgAction::Count)]
    pub verbose: u8,
}

/// What to do.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Host a directory: the backup service on a domain controller
    Serve(ServeOptions),
    /// Create a repository for backups
    Init(InitOptions),
    /// Back up the directory of a service into a repository
    Backup(BackupOptions),
    /// List the snapshots of a repository
    Snapshots(SnapshotsOptions),
    /// Check that a repository is whole
    Check(CheckOptions),
    /// Remove snapshots that a policy does not keep, or that are named
    Forget(ForgetOptions),
    /// Remove the content that no snapshot needs
    Prune(PruneOptions),
    /// Copy snapshots to a second repository
    Copy(CopyOptions),
    /// Repair what can be made anew from the rest of a repository
    #[command(subcommand)]
    Repair(RepairCommand),
    /// Remove locks that nobody holds any more
    Unlock(UnlockOptions),
    /// Restore a snapshot into a service in restore mode, or into a plain folder
    Restore(RestoreOptions),
    /// Replay the transaction logs into a database that was not shut down
    Recover(RecoverOptions),
    /// Say what a file of a directory is, and what it needs: database, log, checkpoint, flush map
    Inspect(InspectOptions),
    /// List the tables of a database
    Tables(DatabaseOptions),
    /// Write everything that a database holds to standard output, as JSON lines or CSV
    Dump(DumpOptions),
    /// Show how much space the tables of a database take
    Space(DatabaseOptions),
    /// Say who the directory in a database is, how far it got, and how much it holds
    Facts(DatabaseOptions),
    /// Check every page of a database, and that all of it fits together
    VerifyDb(VerifyDbOptions),
}

/// `dsbackup serve`.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  dsbackup serve --directory /var/lib/ntds
  dsbackup serve --directory /var/lib/ntds --restore-mode
  dsbackup serve --samba /etc/samba/smb.conf
  dsbackup serve --config /etc/dsbackup.toml

The service runs until it receives SIGTERM. Clients reach it on its Unix socket, as root or as its own user, and over TLS
where the configuration says so ([remote]).")]
pub struct ServeOptions {
    /// Read the configuration from this TOML file; options given here go before what it says
    #[arg(long, value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// The folder of the database, and of logs and checkpoint unless named otherwise
    #[arg(long, value_name = "DIR", required_unless_present_any = ["config", "samba"])]
    pub directory: Option<PathBuf>,
    /// Host the Samba domain controller that this smb.conf describes: while it runs it can be backed up, while it is
    /// stopped it can be restored
    #[arg(
        long,
        value_name = "FILE",
        conflicts_with_all = ["directory", "logs", "checkpoint", "database_name", "base_name", "tombstone_lifetime"]
    )]
    pub samba: Option<PathBuf>,
    /// With --samba: where copies of databases go that are changed in place [default: /var/lib/dsbackup]
    #[arg(long, value_name = "DIR")]
    pub spool: Option<PathBuf>,
    /// The folder of the logs
    #[arg(long, value_name = "DIR")]
    pub logs: Option<PathBuf>,
    /// The folder of the checkpoint
    #[arg(long, value_name = "DIR")]
    pub checkpoint: Option<PathBuf>,
    /// The database's file name [default: ntds.dit]
    #[arg(long, value_name = "NAME")]
    pub database_name: Option<String>,
    /// The base name of logs and checkpoint [default: edb]
    #[arg(long, value_name = "NAME")]
    pub base_name: Option<String>,
    /// The socket to listen on [default: /run/dsbackup/dsbackup.sock]
    #[arg(long, value_name = "PATH", env = ntdsbcli::SOCKET_VARIABLE)]
    pub socket: Option<PathBuf>,
    /// Record every call in this file [default: under systemd the journal, elsewhere nowhere]
    #[arg(long, value_name = "FILE")]
    pub audit_log: Option<PathBuf>,
    /// Directory services restore mode: the directory is offline and may be restored
    #[arg(long)]
    pub restore_mode: bool,
    /// Host a directory that was not shut down as it is, without replaying its logs
    #[arg(long, conflicts_with = "samba")]
    pub as_is: bool,
    /// Tombstone lifetime in days, after which a backup must not be restored; counts where the directory's database
    /// does not tell it [default: 60]
    #[arg(long, value_name = "DAYS")]
    pub tombstone_lifetime: Option<u32>,
    /// A group whose members hold the backup and restore privileges, beside root and the service's own user
    #[arg(long, value_name = "NAME")]
    pub group: Option<String>,
}

/// Where the repository is and what opens it.
#[derive(Debug, Args)]
pub struct RepositoryOptions {
    /// The repository: a folder, s3:https://HOST/BUCKET/PREFIX, sftp:USER@HOST:/PATH, rest:https://HOST/
    #[arg(long, short, value_name = "LOCATION", env = "DSBACKUP_REPOSITORY")]
    pub repository: String,
    /// Read the repository's password from the first line of this file
    #[arg(long, value_name = "FILE", env = "DSBACKUP_PASSWORD_FILE")]
    pub password_file: Option<PathBuf>,
    /// Run this command and read the repository's password from the first line that it prints; without either, the
    /// environment variable DSBACKUP_PASSWORD counts
    #[arg(
        long,
        value_name = "COMMAND",
        env = "DSBACKUP_PASSWORD_COMMAND",
        conflicts_with = "password_file"
    )]
    pub password_command: Option<String>,
    /// A setting of the remote store (may be repeated): of S3 as OpenDAL names it, such as region=eu-central-1 (keys belong
    /// into the environment: AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY); of SFTP key, command or retry; of REST cacert,
    /// tls-client-cert, retry or timeout
    #[arg(long = "store-option", value_name = "KEY=VALUE", value_parser = key_and_value)]
    pub store_options: Vec<(String, String)>,
}

fn key_and_value(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((key, value)) if !key.is_empty() => Ok((key.into(), value.into())),
        _ => Err("expected KEY=VALUE".into()),
    }
}

/// How a command that writes to a repository waits for others.
#[derive(Debug, Args, Clone, Copy)]
pub struct RetryOptions {
    /// Where others have the repository locked, try again for so long, such as 90s, 10m or 1h [default: do not wait]
    #[arg(long, value_name = "DURATION", value_parser = crate::arguments::duration, default_value = "0s", hide_default_value = true)]
    pub retry_lock: Duration,
}

/// How a command that reads a repository keeps others from removing what it reads.
#[derive(Debug, Args, Clone, Copy)]
pub struct LockOptions {
    #[command(flatten)]
    pub retry: RetryOptions,
    /// Take no lock and heed none: for a repository that may only be read, while nobody prunes it
    #[arg(long, conflicts_with = "retry_lock")]
    pub no_lock: bool,
}

/// Which service to talk to, and how it is known.
#[derive(Debug, Args)]
pub struct ServerOptions {
    /// The directory server: \\HOST, HOST, or HOST:PORT; another computer is reached over TLS [default port: 18390]
    #[arg(long, value_name = "HOST[:PORT]")]
    pub server: Option<String>,
    /// The service's socket, where no --server is named [default: /run/dsbackup/dsbackup.sock]
    #[arg(long, value_name = "PATH", env = ntdsbcli::SOCKET_VARIABLE)]
    pub socket: Option<PathBuf>,
    /// With --server: the certificates of the authority that issued the service's (PEM)
    #[arg(long, value_name = "FILE", env = ntdsbcli::CA_FILE_VARIABLE)]
    pub ca_file: Option<PathBuf>,
    /// With --server: the SHA-256 of the service's public key, which the service writes to its log when it starts
    #[arg(long, value_name = "SHA256", env = ntdsbcli::PIN_VARIABLE)]
    pub pin: Option<Fingerprint>,
    /// With --server: this client's certificate (PEM), which the service maps to privileges
    #[arg(long, value_name = "FILE", env = ntdsbcli::CLIENT_CERTIFICATE_VARIABLE, requires = "client_key")]
    pub client_certificate: Option<PathBuf>,
    /// With --server: the private key of the client's certificate (PEM)
    #[arg(long, value_name = "FILE", env = ntdsbcli::CLIENT_KEY_VARIABLE, requires = "client_certificate")]
    pub client_key: Option<PathBuf>,
}

/// `dsbackup init`.
#[derive(Debug, Args)]
pub struct InitOptions {
    #[command(flatten)]
    pub repository: RepositoryOptions,
    /// How hard zstd tries, for all that is ever stored in this repository: -7 (fastest) to 22 (smallest); by default 1
    #[arg(long, value_name = "LEVEL", value_parser = clap::value_parser!(i32).range(-7..=22), allow_negative_numbers = true)]
    pub compression: Option<i32>,
    /// In every backup, open each new chunk again after it was compressed and encrypted, and compare; otherwise one in
    /// sixteen is tried. For a computer whose memory has no error correction
    #[arg(long)]
    pub verify_chunks: bool,
    /// Cut files into chunks of this many KiB, a power of two from 4 to 8192 [default: 64, and Samba's databases into 8;
    /// any other size is that of every file]. With smaller ones a backup stores less of what changed here and there,
    /// and a first backup takes more room: see docs/repository.md
    #[arg(long, value_name = "KIB")]
    pub chunk_size: Option<u16>,
}

/// `dsbackup backup`.
#[derive(Debug, Args)]
#[command(after_help = "\
Example:
  dsbackup backup --repository /srv/backup --password-file /etc/dsbackup.password
  dsbackup backup --server dc01.example --ca-file ca.pem --client-certificate me.pem --client-key me.key ...

Walks the nine steps: is the directory online, prepare, database names, database files, logs, truncate logs, save
the expiry token, free, end. Logs are deleted on the server only when the snapshot is durable, only those that it
holds in full and that were read back from the repository and compared, and never one that crash recovery still needs.")]
pub struct BackupOptions {
    #[command(flatten)]
    pub repository: RepositoryOptions,
    #[command(flatten)]
    pub retry: RetryOptions,
    #[command(flatten)]
    pub server: ServerOptions,
    /// Store damaged pages and logs too, and mark the snapshot, instead of stopping at the first
    #[arg(long)]
    pub allow_corrupt: bool,
    /// Leave all logs on the server (step 6 is left out)
    #[arg(long)]
    pub keep_logs: bool,
    /// Truncate logs although the store does not promise that what it has survives a power cut: a REST server, or an
    /// SFTP server that does not sync
    #[arg(long, conflicts_with = "keep_logs")]
    pub trust_store: bool,
    /// A word to find the snapshot by (may be repeated)
    #[arg(long = "tag", value_name = "WORD")]
    pub tags: Vec<String>,
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
    #[command(flatten)]
    pub repository: RepositoryOptions,
    #[command(flatten)]
    pub lock: LockOptions,
    /// Read and verify every byte of the repository, not only its structure
    #[arg(long)]
    pub read_data: bool,
    /// Prove snapshots: restore each into a scratch folder, replay its logs, verify the whole database; the verdict is
    /// kept in the repository and shown by `snapshots`. Snapshots with a verdict that is fresh are passed over
    #[arg(long)]
    pub drill: bool,
    /// With --drill: only this snapshot (its id, the beginning of its id, or `latest` for the newest of each
    /// server; may be repeated), whether it has a verdict or not
    #[arg(long = "snapshot", value_name = "SNAPSHOT", requires = "drill")]
    pub snapshots: Vec<String>,
    /// With --drill: all snapshots, whether they have a verdict or not
    #[arg(long, requires = "drill", conflicts_with = "snapshots")]
    pub all: bool,
    /// With --drill: for how many days a verdict is fresh
    #[arg(long, value_name = "DAYS", default_value_t = 30, requires = "drill")]
    pub fresh_for: u32,
    /// With --drill: where the scratch folders are made, which hold copies of the directory: mode 0700, removed
    /// afterwards. By default in systemd's CACHE_DIRECTORY, in /var/cache/dsbackup for root, in the user's cache folder
    /// for others
    #[arg(
        long,
        value_name = "DIR",
        env = "DSBACKUP_SCRATCH",
        default_value_os_t = crate::scratch::default_parent(),
        hide_default_value = true,
        requires = "drill"
    )]
    pub scratch: PathBuf,
}

/// `dsbackup restore`.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  dsbackup restore latest --new-invocation-id by-registry --repository /srv/backup --password-file ...
  dsbackup restore 3f9a1c2b --target /srv/forensics --repository /srv/backup --password-file ...
  dsbackup restore latest --target /srv/new --first-domain-controller DC9 --repository ...

Without --target the service must run in restore mode (dsbackup serve --restore-mode). The files of the directory
that lie there are deleted and the snapshot's take their place; a restore that is interrupted leaves the directory
unable to start until a restore completes.

A restored directory that goes on under its old invocation id is ignored by its partners (USN rollback). A Samba
domain controller is given a new one by the restore. For an NTDS the registry value that makes it take one is written
beside the database, as dsbackup.restored-from-backup.reg, with instructions: say --new-invocation-id by-registry if
you will follow them, or keep if the directory never replicates again. With --target it is not asked, unless a Windows
installation starts from that folder: such a copy is there to be looked at.")]
pub struct RestoreOptions {
    /// The snapshot: its id, the beginning of its id, or `latest`, the newest of the server
    pub snapshot: String,
    /// The server whose snapshot is meant, as `snapshots` names it [default: the service's own; with --target the only
    /// one in the repository]. Another server's snapshot goes into a service only if it is named here
    #[arg(long, value_name = "NAME")]
    pub server_name: Option<String>,
    /// How the restored directory of an NTDS gets a new invocation id: needed where a directory service starts from what
    /// is restored. Samba's gets one by the restore
    #[arg(long, value_name = "HOW", env = "DSBACKUP_NEW_INVOCATION_ID")]
    pub new_invocation_id: Option<NewInvocationId>,
    #[command(flatten)]
    pub repository: RepositoryOptions,
    #[command(flatten)]
    pub lock: LockOptions,
    #[command(flatten)]
    pub server: ServerOptions,
    /// Restore into this folder, which must be empty or not exist, instead of into a service
    #[arg(long, value_name = "DIR", conflicts_with = "server")]
    pub target: Option<PathBuf>,
    /// With --target: restore a snapshot whose expiry token has run out, to look at it; such a directory must never
    /// go online again
    #[arg(long, requires = "target", conflicts_with = "first_domain_controller")]
    pub ignore_expiry: bool,
    #[command(flatten)]
    pub new_server: NewServerOptions,
}

/// How the restored directory of an NTDS gets a new invocation id.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum NewInvocationId {
    /// The registry value is set before NTDS starts, as the written instructions say
    ByRegistry,
    /// It gets none: the directory never replicates with another server again
    Keep,
}

/// A new server of a domain that has lost all others.
#[derive(Debug, Args)]
pub struct NewServerOptions {
    /// With --target: make a new Samba domain controller of this name, the first one of a domain of which all others
    /// are lost. It takes all roles, the others are removed, and krbtgt gets new passwords
    #[arg(long, value_name = "NAME", requires = "target")]
    pub first_domain_controller: Option<String>,
    /// The new server's address, where it cannot be found
    #[arg(long, value_name = "ADDRESS", requires = "first_domain_controller")]
    pub host_ip: Option<std::net::IpAddr>,
    /// The new server's site [default: Default-First-Site-Name]
    #[arg(long, value_name = "SITE", requires = "first_domain_controller")]
    pub site: Option<String>,
}

/// `dsbackup recover`.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  dsbackup recover /mnt/evidence/NTDS --to /tmp/recovered      # the evidence stays as it is
  dsbackup recover /var/lib/ntds                               # in place
  dsbackup recover /mnt/evidence/NTDS/ntds.dit --to ...        # the same by the database's name

Every committed change that the logs hold is in the result, and no uncommitted one. A recovery may be interrupted
anywhere and run again. Exit code 0 only if the database is clean.

In place, the replayed logs and the checkpoint then lie in replayed-logs/: the directory service would refuse to start
over them, and begins new ones.")]
pub struct RecoverOptions {
    /// The folder with the database, and with its logs unless --logs names another; or the database itself
    pub directory: PathBuf,
    /// Write the recovered database into this folder, under its own name, and leave the input as it is
    #[arg(long, value_name = "OUT")]
    pub to: Option<PathBuf>,
    /// The database's file name, where the folder holds several
    #[arg(long, value_name = "NAME")]
    pub database: Option<String>,
    /// The folder of the logs
    #[arg(long, value_name = "DIR")]
    pub logs: Option<PathBuf>,
    /// The base name of the logs
    #[arg(long, value_name = "NAME", default_value = "edb")]
    pub base_name: String,
    /// End after this generation (7 or 0x7), or at this time (2026-11-22T10:00:00Z)
    #[arg(long, value_name = "GENERATION|TIME", value_parser = crate::arguments::stop)]
    pub until: Option<Stop>,
    /// Go as far as the logs reach where logs are missing or damaged; what is lost is named. Where the database holds
    /// something of them already, it is refused even so
    #[arg(long)]
    pub allow_loss: bool,
}

/// `dsbackup inspect`.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  dsbackup inspect /var/lib/ntds/ntds.dit
  dsbackup inspect --records /var/lib/ntds/edb00012.log
  dsbackup inspect --json ntds.dit | jq .logs.missing

The fields carry the names that administrators know from esentutl /mh, /ml and /mk. Of a database that was not shut
down it also says which log generations it requires, and which of them lie beside it.

The logs of a directory hold passwords and keys. So --records shows of keys, bookmarks and data only how long they are,
as in <24 bytes>, in text and in JSON.")]
pub struct InspectOptions {
    /// The file: a database (of Samba, too), log, checkpoint, flush map, patch file, reserved or temporary log
    #[arg(value_name = "FILE")]
    pub file: PathBuf,
    /// List every record of a log
    #[arg(long)]
    pub records: bool,
    /// Look for a database's logs in this folder [default: the database's folder]
    #[arg(long, value_name = "DIR")]
    pub logs: Option<PathBuf>,
}

/// A database, and nothing more to say.
#[derive(Debug, Args)]
pub struct DatabaseOptions {
    /// The database file, such as ntds.dit
    #[arg(value_name = "DATABASE")]
    pub database: PathBuf,
}

/// `dsbackup dump`.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  dsbackup dump ntds.dit | head
  dsbackup dump --indexes --table link_table ntds.dit
  dsbackup dump --csv --table hiddentable ntds.dit > hiddentable.csv

One JSON object a line: tables by name; of each its columns, its indices, its rows in the order of the primary index
with every value in hexadecimal as the engine returns it, their number, and on demand the entries of the secondary
indices. Databases that hold the same give the same lines.

In a directory's database, values of attributes that hold passwords or keys in clear are replaced by (withheld). Values
that the directory itself encrypts are written as they are stored: dsbackup never decrypts them. --redact-secrets
replaces them too. Where the directory's schema cannot be read, the command says so and withholds also the texts and the
binary values of all attributes that only this forest's schema knows.")]
pub struct DumpOptions {
    /// The database file, such as ntds.dit
    #[arg(value_name = "DATABASE")]
    pub database: PathBuf,
    /// Only this table
    #[arg(long, value_name = "NAME")]
    pub table: Option<String>,
    /// Also the entries of the secondary indices
    #[arg(long)]
    pub indexes: bool,
    /// The rows of one table as CSV
    #[arg(long, requires = "table", conflicts_with = "indexes")]
    pub csv: bool,
    /// Replace every value of an attribute that holds a password or key, also where the directory encrypts it
    #[arg(long)]
    pub redact_secrets: bool,
}

/// `dsbackup verify-db`.
#[derive(Debug, Args)]
#[command(after_help = "\
Exit codes of this command: 0 sound, 1 damage was found, 2 the file could not be verified.

Damage is what the engine's own integrity check rejects. What that accepts is listed as a leak (space or a value that is
lost and that nothing needs) or as a note, and leaves the exit code 0.

Every page is checked: its checksum, and where a flush map (.jfm) lies beside the database whether the disk lost a
write. Of a database that was shut down or recovered, everything that pages, trees, space, catalog, records, long
values and indices say of each other is checked as well. Damage never stops the scan.

Of a Samba domain controller's databases (sam.ldb, its partitions, *.tdb) every record or page is checked.")]
pub struct VerifyDbOptions {
    /// The database file, such as ntds.dit
    #[arg(value_name = "DATABASE")]
    pub database: PathBuf,
    /// Check only pages by themselves, not how they fit together
    #[arg(long)]
    pub checksums_only: bool,
}
