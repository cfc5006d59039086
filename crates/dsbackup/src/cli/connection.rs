//! Which service to talk to, and how each side proves who it is; or which directory to host without
//! one.

use std::path::PathBuf;

use clap::Args;
use ntdsbcli::Fingerprint;

/// The service, and the credentials for a connection over TLS.
#[derive(Debug, Args)]
#[command(next_help_heading = "Connection")]
pub struct ServerOptions {
    /// Directory server: \\HOST, HOST or HOST:PORT. Another computer is reached over TLS [default
    /// port: 18390]
    #[arg(long, value_name = "HOST[:PORT]")]
    pub server: Option<String>,
    /// Socket of the service on this computer, without --server [default:
    /// /run/dsbackup/dsbackup.sock]
    #[arg(long, value_name = "PATH", env = ntdsbcli::SOCKET_VARIABLE)]
    pub socket: Option<PathBuf>,
    /// With --server: certificates of the authority that signed the service's certificate (PEM)
    #[arg(long, value_name = "FILE", env = ntdsbcli::CA_FILE_VARIABLE)]
    pub ca_file: Option<PathBuf>,
    /// With --server: SHA-256 of the service's public key. The service logs it when it starts
    #[arg(long, value_name = "SHA256", env = ntdsbcli::PIN_VARIABLE)]
    pub pin: Option<Fingerprint>,
    /// With --server: this client's certificate (PEM). The service maps it to privileges
    #[arg(
        long,
        value_name = "FILE",
        env = ntdsbcli::CLIENT_CERTIFICATE_VARIABLE,
        requires = "client_key"
    )]
    pub client_certificate: Option<PathBuf>,
    /// With --server: private key of the client's certificate (PEM)
    #[arg(
        long,
        value_name = "FILE",
        env = ntdsbcli::CLIENT_KEY_VARIABLE,
        requires = "client_certificate"
    )]
    pub client_key: Option<PathBuf>,
}

/// A directory that the command hosts itself, without a service.
#[derive(Debug, Args)]
#[command(next_help_heading = "Without a service")]
pub struct HostedOptions {
    /// Use the directory in this folder. A service that hosts it already is used
    #[arg(long, value_name = "DIR", conflicts_with_all = ["server", "samba"])]
    pub directory: Option<PathBuf>,
    /// With --directory: file name of the database [default: ntds.dit]
    #[arg(long, value_name = "NAME", requires = "directory")]
    pub database_name: Option<String>,
    /// Use the Samba domain controller of this smb.conf. A service that hosts it already is used
    #[arg(
        long,
        value_name = "FILE",
        num_args = 0..=1,
        default_missing_value = "/etc/samba/smb.conf",
        conflicts_with = "server"
    )]
    pub samba: Option<PathBuf>,
    /// Use this computer's own domain controller: the registry says where its directory lies
    #[cfg(windows)]
    #[arg(long, conflicts_with_all = ["server", "directory", "samba"])]
    pub ntds: bool,
}

impl HostedOptions {
    /// Whether this computer's own domain controller is meant.
    pub fn is_ntds(&self) -> bool {
        #[cfg(windows)]
        return self.ntds;
        #[cfg(not(windows))]
        false
    }
}

/// How the domain controller of this computer is copied for a backup.
#[cfg(windows)]
#[derive(Debug, Args)]
#[command(next_help_heading = "Without a service")]
pub struct NtdsOptions {
    /// With --ntds: copy by a shadow copy (diskshadow), which keeps the logs, instead of ntdsutil's
    /// "Install From Media"
    #[arg(long, requires = "ntds")]
    pub shadow_copy: bool,
    /// With --ntds: end the tool when it said nothing, and neither read nor wrote, for so long [default: 900]
    #[arg(long, value_name = "SECONDS", requires = "ntds", value_parser = clap::value_parser!(u32).range(1..))]
    pub silence_limit: Option<u32>,
    /// With --ntds: folder for the copy, as large as the directory
    #[arg(long, value_name = "DIR", env = "DSBACKUP_SCRATCH")]
    pub scratch: Option<PathBuf>,
}
