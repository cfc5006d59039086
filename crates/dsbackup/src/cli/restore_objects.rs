//! Options of the commands that write single objects into a running directory.

use std::path::PathBuf;

use clap::{Args, ValueEnum};

use super::objects::{LiveOptions, SourceOptions};

/// `dsbackup restore-objects`.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  dsbackup restore-objects latest alice --to ldap://dc1.corp.example --dry-run
  dsbackup restore-objects latest OU=Sales,DC=corp,DC=example --subtree --in-place
  dsbackup restore-objects latest alice --attributes manager,title --to ldap://...
  dsbackup restore-objects --resume restore-objects-20261127-080000.jsonl --in-place
  dsbackup undo restore-objects-20261127-080000.jsonl --in-place

SOURCE is a path, latest, a time, or a snapshot's id (dsbackup show --help).
OBJECT is a distinguished name, GUID, SID, userPrincipalName or sAMAccountName.

Makes a plan first: the difference of SOURCE and the running server. It says what
comes back, what cannot, and what stands in the way; then nothing is written. On a
terminal it asks before it writes; elsewhere say --yes.

Deleted objects come back under their GUID and SID as long as the server has their
tombstones. On a Samba domain controller itself, as root, --in-place also keeps
passwords, and makes objects under their GUID and SID without a tombstone. Over the
network no server takes a hash: such accounts stay disabled, or get a new password
(--password set).

Every write is in the journal before it is made. docs/restore-objects.md tells what
does not come back.

Exit code 3: something that was planned was refused, or differs afterwards.")]
#[group(id = "target", required = true, multiple = false, args = ["to", "in_place"])]
pub struct RestoreObjectsOptions {
    /// The directory from which objects are taken
    #[arg(value_name = "SOURCE", required_unless_present = "resume")]
    pub source: Option<PathBuf>,
    /// The objects
    #[arg(value_name = "OBJECT", required_unless_present = "resume")]
    pub objects: Vec<String>,
    #[command(flatten)]
    pub server: WrittenServerOptions,
    /// Also all objects beneath them
    #[arg(long)]
    pub subtree: bool,
    /// Only these attributes of objects that live
    #[arg(long, value_name = "NAMES", value_delimiter = ',')]
    pub attributes: Vec<String>,
    /// Keep values that living objects got since beside those that come back (the default)
    #[arg(long, overrides_with = "replace")]
    pub merge: bool,
    /// Remove values that living objects got since
    #[arg(long, overrides_with = "merge")]
    pub replace: bool,
    /// Leave links as they are: members, groups, managers and the like
    #[arg(long)]
    pub without_links: bool,
    /// What becomes of passwords [default: keep those of deleted accounts with --in-place, none
    /// with --to]
    #[arg(long, value_name = "WHAT")]
    pub password: Option<PasswordOption>,
    /// With --password set: the first line of this file is the new password; without it the
    /// terminal is asked
    #[arg(long, value_name = "FILE", requires = "password")]
    pub new_password_file: Option<PathBuf>,
    /// Bring an object whose name is taken back as "NAME (restored)"
    #[arg(long)]
    pub rename_on_conflict: bool,
    /// Bring the objects back beneath this one [default: where they were]
    #[arg(long, value_name = "DN")]
    pub into: Option<String>,
    /// Also objects of the system itself, and whatever else the plan says yields to --force
    #[arg(long)]
    pub force: bool,
    /// Show the plan; write nothing
    #[arg(long)]
    pub dry_run: bool,
    /// Carry out the plan without asking
    #[arg(long, short)]
    pub yes: bool,
    /// The journal, a new file [default: restore-objects-TIME.jsonl in the working directory]
    #[arg(long, value_name = "FILE", conflicts_with = "resume")]
    pub journal: Option<PathBuf>,
    /// Go on with the restore of this journal
    #[arg(
        long,
        value_name = "JOURNAL",
        conflicts_with_all = [
            "source", "objects", "subtree", "attributes", "merge", "replace", "without_links",
            "password", "rename_on_conflict", "into"
        ]
    )]
    pub resume: Option<PathBuf>,
    #[command(flatten)]
    pub sources: SourceOptions,
}

/// What becomes of passwords.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum PasswordOption {
    /// That of SOURCE, for living accounts too; needs --in-place
    Keep,
    /// A new one for accounts that were deleted, to be changed at the next logon
    Set,
    /// None: accounts that were deleted stay disabled
    None,
}

/// The server that is written to.
#[derive(Debug, Args)]
pub struct WrittenServerOptions {
    /// The running server: ldap://HOST with Kerberos tickets (kinit; on Windows the logon), or
    /// ldap:// or ldaps:// with --ldap-user
    #[arg(long, value_name = "URL", help_heading = "Running servers")]
    pub to: Option<String>,
    /// The Samba domain controller on this computer, as the system, over its own socket
    #[arg(long, help_heading = "Running servers")]
    pub in_place: bool,
    /// With --in-place: its configuration
    #[arg(
        long,
        value_name = "FILE",
        default_value = "/etc/samba/smb.conf",
        help_heading = "Running servers"
    )]
    pub smb_conf: PathBuf,
    #[command(flatten)]
    pub live: LiveOptions,
}

/// `dsbackup undo`.
#[derive(Debug, Args)]
#[command(after_help = "\
Takes back what a restore wrote, the last write first: objects that it brought back are
deleted again, values and places are those of before. What somebody changed since stays
and is listed, and so are passwords, of which the journal knows only the length. May be
repeated.

Exit code 3: something stays as it is.")]
#[group(id = "target", required = true, multiple = false, args = ["to", "in_place"])]
pub struct UndoOptions {
    /// The journal of the restore
    #[arg(value_name = "JOURNAL")]
    pub journal: PathBuf,
    #[command(flatten)]
    pub server: WrittenServerOptions,
    /// Do it without asking
    #[arg(long, short)]
    pub yes: bool,
}
