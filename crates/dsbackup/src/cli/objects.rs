//! Options of the commands that look into a directory.

use std::net::SocketAddr;
use std::path::PathBuf;

use clap::{Args, ValueEnum};
use ids::Sid;
use ntdsbcli::Fingerprint;

use super::repository::{LockOptions, MaybeRepositoryOptions};

/// What a SOURCE is, for `--help`.
const SOURCES: &str = "\
SOURCE is one of, in this order:
  - the path of an ntds.dit that was shut down or recovered, of a folder with one
    (a restored directory, or IFM with \"Active Directory/ntds.dit\"), or of the
    folder of a Samba domain controller's databases (private/). Nobody may write
    to it meanwhile
  - an image of a domain controller's disk (raw, qcow2, VHD, VHDX, VMDK), or a
    folder of images, such as WindowsImageBackup
  - latest: the newest snapshot in the repository
  - a time, \"2026-11-20 08:00\" (local) or RFC 3339: the newest snapshot that is
    not newer
  - a snapshot's id, or the beginning of one

Passwords and keys are withheld.";

/// Where the snapshots are that a SOURCE may name, and where copies of them are made.
#[derive(Debug, Args)]
pub struct SourceOptions {
    /// Server of the snapshot, as `snapshots` shows it [default: the only one in the repository]
    #[arg(long, value_name = "NAME", help_heading = "Repository")]
    pub server_name: Option<String>,
    #[command(flatten)]
    pub repository: MaybeRepositoryOptions,
    #[command(flatten)]
    pub lock: LockOptions,
    #[command(flatten)]
    pub cache: CacheOptions,
    #[command(flatten)]
    pub image: ImageOptions,
}

/// The directory in an image of a disk.
#[derive(Debug, Args)]
#[command(next_help_heading = "Disk images")]
pub struct ImageOptions {
    /// Path of the database in an image, such as 'D:\NTDS\ntds.dit'; its logs are beside it
    /// [default: what the registry of the Windows on it says, or Windows\NTDS\ntds.dit]
    #[arg(long, value_name = "PATH")]
    pub in_image: Option<String>,
}

/// Where copies of snapshots are made that cannot be read in the repository.
#[derive(Debug, Args)]
#[command(next_help_heading = "Cache")]
pub struct CacheOptions {
    /// Folder of copies: of snapshots whose database was in use, of Samba's, and of databases in
    /// images of disks. They have mode 0700 and are removed a day after their last use, and earlier if they exceed 16 GiB [default:
    /// systemd's CACHE_DIRECTORY, /var/cache/dsbackup for root, the user's cache folder for others]
    #[arg(
        long,
        value_name = "DIR",
        env = "DSBACKUP_CACHE",
        default_value_os_t = backup::scratch::default_parent(),
        hide_default_value = true
    )]
    pub cache: PathBuf,
    /// Remove the copy when the command ends
    #[arg(long)]
    pub no_cache: bool,
}

/// `dsbackup facts` and `dsbackup tables`.
#[derive(Debug, Args)]
#[command(after_help = SOURCES)]
pub struct StoredOptions {
    /// The directory; for tables any database of the ESE engine
    #[arg(value_name = "SOURCE")]
    pub source: PathBuf,
    #[command(flatten)]
    pub sources: SourceOptions,
}

/// `dsbackup ls`.
#[derive(Debug, Args)]
#[command(after_help = SOURCES)]
pub struct LsOptions {
    /// The directory
    #[arg(value_name = "SOURCE")]
    pub source: PathBuf,
    /// The object whose children are listed [default: the naming contexts]
    #[arg(value_name = "DN")]
    pub dn: Option<String>,
    /// Everything beneath as well, as a tree
    #[arg(long, short = 'R')]
    pub recursive: bool,
    #[command(flatten)]
    pub sources: SourceOptions,
}

/// `dsbackup search`.
#[derive(Debug, Args)]
#[command(after_help = SOURCES)]
pub struct SearchOptions {
    /// The directory
    #[arg(value_name = "SOURCE")]
    pub source: PathBuf,
    /// What to look for (RFC 4515), such as '(&(objectClass=user)(sn=M*))'; the matching rules
    /// 1.2.840.113556.1.4.803, .804 and .1941 are known
    #[arg(value_name = "FILTER")]
    pub filter: String,
    /// The attributes to show [default: the class; with --json all but nTSecurityDescriptor and
    /// replPropertyMetaData]
    #[arg(value_name = "ATTRIBUTE")]
    pub attributes: Vec<String>,
    /// In member and memberOf also what is in them through other groups, and primary groups
    #[arg(long)]
    pub recursive: bool,
    #[command(flatten)]
    pub place: PlaceOptions,
    #[command(flatten)]
    pub sources: SourceOptions,
}

/// Where in a directory.
#[derive(Debug, Args)]
pub struct PlaceOptions {
    /// Where to begin: a distinguished name [default: all naming contexts]
    #[arg(long, value_name = "DN")]
    pub base: Option<String>,
    /// How far from there
    #[arg(long, value_name = "SCOPE", default_value = "sub", requires = "base")]
    pub scope: ScopeOption,
    /// Deleted objects as well
    #[arg(long)]
    pub deleted: bool,
}

/// How far from the base.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum ScopeOption {
    /// The object itself
    Base,
    /// Its children
    One,
    /// Itself and all beneath, within its naming context
    Sub,
}

/// `dsbackup show`.
#[derive(Debug, Args)]
#[command(after_help = SOURCES)]
pub struct ShowOptions {
    /// The directory
    #[arg(value_name = "SOURCE")]
    pub source: PathBuf,
    /// The objects, each by distinguished name, GUID, SID, userPrincipalName or sAMAccountName
    #[arg(value_name = "OBJECT", required = true)]
    pub objects: Vec<String>,
    /// Also who changed each attribute last, when and where, and the links that are gone
    #[arg(long)]
    pub metadata: bool,
    /// Also all groups that the object is in, through other groups and as its primary group, and all
    /// members of a group, each with the way there
    #[arg(long, conflicts_with = "history")]
    pub recursive: bool,
    /// What became of the object in all snapshots of the server of SOURCE, which is a snapshot:
    /// each one with its differences from the one before
    #[arg(long, conflicts_with = "metadata")]
    pub history: bool,
    #[command(flatten)]
    pub sources: SourceOptions,
}

/// `dsbackup export`.
#[derive(Debug, Args)]
#[command(after_help = SOURCES)]
#[group(required = true, multiple = false, id = "format", args = ["ldif", "csv", "jsonl", "adexplorer"])]
pub struct ExportOptions {
    /// The directory
    #[arg(value_name = "SOURCE")]
    pub source: PathBuf,
    /// The attributes to write [default: all but nTSecurityDescriptor and replPropertyMetaData]
    #[arg(value_name = "ATTRIBUTE")]
    pub attributes: Vec<String>,
    /// As LDIF (RFC 2849), parents first
    #[arg(long)]
    pub ldif: bool,
    /// As CSV, a line for each object; several values stand in one field, parted by line feeds
    #[arg(long)]
    pub csv: bool,
    /// As JSON, one object a line
    #[arg(long)]
    pub jsonl: bool,
    /// Write a snapshot of AD Explorer into this file, which ADExplorerSnapshot.py (BloodHound) opens
    /// too: the domain, its configuration and its schema, without deleted objects
    #[arg(
        long,
        value_name = "FILE",
        conflicts_with_all = ["attributes", "filter", "base", "deleted"]
    )]
    pub adexplorer: Option<PathBuf>,
    /// Only objects that fit this filter (RFC 4515)
    #[arg(long, value_name = "FILTER")]
    pub filter: Option<String>,
    #[command(flatten)]
    pub place: PlaceOptions,
    #[command(flatten)]
    pub sources: SourceOptions,
}

/// What a SOURCE of files is, for `--help`.
const FILE_SOURCES: &str = "\
SOURCE is a snapshot (latest, a time, an id) or a path: a folder, the database in
it, or private/ of a Samba domain controller, for the folder around it. Paths are
those that `dsbackup files SOURCE` lists; case does not count.

Examples:
  dsbackup files latest sysvol --acl
  dsbackup cat latest sysvol/corp.example/Policies/{...}/GPT.INI";

/// `dsbackup files`.
#[derive(Debug, Args)]
#[command(after_help = FILE_SOURCES)]
pub struct FilesOptions {
    /// The snapshot or folder
    #[arg(value_name = "SOURCE")]
    pub source: PathBuf,
    /// Only what is at and beneath this path
    #[arg(value_name = "PATH")]
    pub path: Option<String>,
    /// Also the access rights of each file of a share (SDDL), where they are known
    #[arg(long)]
    pub acl: bool,
    #[command(flatten)]
    pub sources: SourceOptions,
}

/// `dsbackup cat`.
#[derive(Debug, Args)]
#[command(after_help = format!("{FILE_SOURCES}\n\n{CAT_SECRETS}"))]
pub struct CatOptions {
    /// The snapshot or folder
    #[arg(value_name = "SOURCE")]
    pub source: PathBuf,
    /// The file
    #[arg(value_name = "PATH")]
    pub path: String,
    #[command(flatten)]
    pub sources: SourceOptions,
}

/// What `cat` refuses, for `--help`.
const CAT_SECRETS: &str = "\
Refused (exit code 4): databases, their logs, keys, tickets, registries, and
files with a cpassword.";

/// `dsbackup browse`.
#[derive(Debug, Args)]
#[command(after_help = SOURCES)]
pub struct BrowseOptions {
    /// The directory
    #[arg(value_name = "SOURCE")]
    pub source: PathBuf,
    /// The address and port to listen on; one that other machines reach needs --certificate or
    /// --keytab
    #[arg(long, value_name = "ADDRESS:PORT", default_value = "127.0.0.1:3389")]
    pub listen: SocketAddr,
    /// The certificate for TLS (ldaps and StartTLS, both on the same port), with its chain (PEM)
    #[arg(long, value_name = "FILE", requires = "key")]
    pub certificate: Option<PathBuf>,
    /// The certificate's private key (PEM)
    #[arg(long, value_name = "FILE", requires = "certificate")]
    pub key: Option<PathBuf>,
    /// Let clients bind with Kerberos tickets: the file with the keys of --principal
    #[arg(long, value_name = "FILE", requires = "principal")]
    pub keytab: Option<PathBuf>,
    /// The service that the tickets are for, such as ldap/host.corp.example@CORP.EXAMPLE
    #[arg(long, value_name = "PRINCIPAL", requires = "keytab")]
    pub principal: Option<String>,
    /// SID of an account or a group whose tickets are accepted besides those of Domain Admins; may
    /// be repeated
    #[arg(long = "allow", value_name = "SID", requires = "keytab")]
    pub allowed: Vec<Sid>,
    /// The most objects in a result without pages, and in a page, as MaxPageSize of a domain
    /// controller; 0 for any number
    #[arg(long, value_name = "COUNT", default_value_t = 1000)]
    pub max_results: usize,
    #[command(flatten)]
    pub sources: SourceOptions,
}

/// A running server as a SOURCE, for `--help`.
const SERVERS: &str = "\
SOURCE may also be a running server: ldap://HOST[:PORT] with Kerberos tickets
(kinit; on Windows the logon), ldap:// (StartTLS) or ldaps:// with --ldap-user, or
ldapi://SOCKET, such as ldapi:///var/lib/samba/private/ldap_priv/ldapi, as the
system.";

/// `dsbackup diff`.
#[derive(Debug, Args)]
#[command(after_help = format!("{SOURCES}\n\n{SERVERS}"))]
pub struct DiffOptions {
    /// The directory before
    #[arg(value_name = "SOURCE")]
    pub before: PathBuf,
    /// The directory after
    #[arg(value_name = "SOURCE")]
    pub after: PathBuf,
    /// Only objects at and beneath this distinguished name, before or after, in its naming context
    #[arg(long, value_name = "DN")]
    pub base: Option<String>,
    /// Only objects of this class, or of one derived from it; may be repeated
    #[arg(long = "class", value_name = "CLASS")]
    pub classes: Vec<String>,
    /// Only this attribute; may be repeated. Of added and deleted objects its values are shown
    #[arg(long = "attribute", value_name = "ATTRIBUTE")]
    pub attributes: Vec<String>,
    /// Also back links, entries of security descriptors that are inherited, and attributes that
    /// change by themselves or differ between servers (lastLogon, uSNChanged, ...)
    #[arg(long)]
    pub all: bool,
    /// Also objects that are deleted in both directories
    #[arg(long)]
    pub deleted: bool,
    /// Write the differences to this file, as a page for browsers and printers
    #[arg(long, value_name = "FILE")]
    pub html: Option<PathBuf>,
    /// Write LDIF change records to this file, which turn the first directory into the second
    #[arg(long, value_name = "FILE", conflicts_with_all = ["classes", "attributes", "all", "deleted"])]
    pub ldif: Option<PathBuf>,
    /// End with exit code 6 where the directories differ
    #[arg(long)]
    pub exit_code: bool,
    #[command(flatten)]
    pub sources: SourceOptions,
    #[command(flatten)]
    pub live: LiveOptions,
}

/// Access to a running server.
#[derive(Debug, Args)]
#[command(next_help_heading = "Running servers")]
pub struct LiveOptions {
    /// The user who asks: a distinguished name, DOMAIN\user or user@domain. The password is read
    /// from --ldap-password-file, DSBACKUP_LDAP_PASSWORD, or the terminal
    #[arg(long, value_name = "USER", env = "DSBACKUP_LDAP_USER")]
    pub ldap_user: Option<String>,
    /// The first line of this file is the user's password
    #[arg(long, value_name = "FILE", requires = "ldap_user")]
    pub ldap_password_file: Option<PathBuf>,
    /// With --ldap-user: certificates of the authority that signed the server's certificate (PEM)
    #[arg(long, value_name = "FILE", env = "DSBACKUP_LDAP_CA_FILE")]
    pub ldap_ca_file: Option<PathBuf>,
    /// With --ldap-user: SHA-256 of the server's public key
    #[arg(long, value_name = "SHA256", env = "DSBACKUP_LDAP_PIN")]
    pub ldap_pin: Option<Fingerprint>,
}
