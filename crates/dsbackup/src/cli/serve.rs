//! Options of `serve`.

use std::path::PathBuf;

use clap::Args;

/// `dsbackup serve`.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  dsbackup serve --directory /var/lib/ntds
  dsbackup serve --directory /var/lib/ntds --restore-mode
  dsbackup serve --samba /etc/samba/smb.conf
  dsbackup serve --config /etc/dsbackup.toml

The service runs until SIGTERM. Clients connect to its Unix socket as root or as
its own user, and over TLS if the configuration has a section [remote].")]
pub struct ServeOptions {
    /// Read the configuration from this TOML file; options override it
    #[arg(long, value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// Folder of the database, and of logs and checkpoint unless given
    #[arg(long, value_name = "DIR", required_unless_present_any = ["config", "samba"])]
    pub directory: Option<PathBuf>,
    /// Host the Samba domain controller of this smb.conf: it can be backed up while it runs, and
    /// restored while it is stopped
    #[arg(
        long,
        value_name = "FILE",
        conflicts_with_all = [
            "directory", "logs", "checkpoint", "database_name", "base_name", "tombstone_lifetime"
        ]
    )]
    pub samba: Option<PathBuf>,
    /// With --samba: folder for copies of databases that change in place [default:
    /// /var/lib/dsbackup]
    #[arg(long, value_name = "DIR")]
    pub spool: Option<PathBuf>,
    /// Folder of the logs
    #[arg(long, value_name = "DIR")]
    pub logs: Option<PathBuf>,
    /// Folder of the checkpoint
    #[arg(long, value_name = "DIR")]
    pub checkpoint: Option<PathBuf>,
    /// File name of the database [default: ntds.dit]
    #[arg(long, value_name = "NAME")]
    pub database_name: Option<String>,
    /// Base name of logs and checkpoint [default: edb]
    #[arg(long, value_name = "NAME")]
    pub base_name: Option<String>,
    /// Socket to listen on [default: /run/dsbackup/dsbackup.sock]
    #[arg(long, value_name = "PATH", env = ntdsbcli::SOCKET_VARIABLE)]
    pub socket: Option<PathBuf>,
    /// Record every call in this file [default: the journal under systemd, otherwise none]
    #[arg(long, value_name = "FILE")]
    pub audit_log: Option<PathBuf>,
    /// Directory services restore mode: the directory is offline and can be restored
    #[arg(long)]
    pub restore_mode: bool,
    /// Host a directory in dirty shutdown as it is, without replaying its logs
    #[arg(long, conflicts_with = "samba")]
    pub as_is: bool,
    /// Tombstone lifetime in days, if the database has none; an older backup must not be restored
    /// [default: 60]
    #[arg(long, value_name = "DAYS")]
    pub tombstone_lifetime: Option<u32>,
    /// Group whose members hold the backup and restore privileges, like root and the service's own
    /// user
    #[arg(long, value_name = "NAME")]
    pub group: Option<String>,
}
