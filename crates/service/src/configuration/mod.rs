//! The service's configuration: a TOML file, described by `dsbackup.sample.toml` and
//! `dsbackup.samba.sample.toml`.

pub(crate) mod remote;

use std::path::{Path, PathBuf};

use contract::{Error, Result, ResultCode};
use serde::Deserialize;
use store::unusable;

use self::remote::RemoteConfiguration;
use crate::stores::{DirectoryConfiguration, SambaConfiguration, StoreConfiguration};

/// The documented sample file.
pub const SAMPLE: &str = include_str!("../../dsbackup.sample.toml");
/// The documented sample file for a Samba domain controller.
pub const SAMBA_SAMPLE: &str = include_str!("../../dsbackup.samba.sample.toml");

/// What the service hosts, and where it is reached.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(try_from = "Tables")]
pub struct Configuration {
    /// The directory.
    pub store: StoreConfiguration,
    /// Where clients reach the service.
    pub endpoint: EndpointConfiguration,
    /// Where clients on other computers reach it; nowhere when absent.
    pub remote: Option<RemoteConfiguration>,
    /// Where every call is recorded.
    pub audit: AuditConfiguration,
}

/// Where every call is recorded.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct AuditConfiguration {
    /// The file; when absent, the journal under systemd, and elsewhere only the debugging messages
    /// of the service.
    pub file: Option<PathBuf>,
}

/// The file as it is written.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Tables {
    directory: Option<DirectoryConfiguration>,
    samba: Option<SambaConfiguration>,
    #[serde(default)]
    endpoint: EndpointConfiguration,
    remote: Option<RemoteConfiguration>,
    #[serde(default)]
    audit: AuditConfiguration,
}

impl TryFrom<Tables> for Configuration {
    type Error = &'static str;

    fn try_from(tables: Tables) -> Result<Self, Self::Error> {
        let store = match (tables.directory, tables.samba) {
            (Some(directory), None) => StoreConfiguration::Folder(directory),
            (None, Some(samba)) => StoreConfiguration::Samba(samba),
            (None, None) => return Err("neither [directory] nor [samba] says what to host"),
            (Some(_), Some(_)) => {
                return Err(
                    "[directory] and [samba] exclude each other: a service hosts one directory",
                );
            }
        };
        Ok(Self {
            store,
            endpoint: tables.endpoint,
            remote: tables.remote,
            audit: tables.audit,
        })
    }
}

/// Where clients reach the service, and which of them.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct EndpointConfiguration {
    /// The Unix socket.
    pub socket: PathBuf,
    /// A group whose members hold the backup and restore privileges.
    pub group: Option<String>,
    /// After how much silence a client loses its contexts, in milliseconds.
    pub ping_timeout_ms: u32,
    /// After how long a client loses a context with which it does nothing, in seconds.
    pub idle_timeout_s: u32,
    /// How long a context, and a connection over the network, may last in all, in seconds.
    pub total_timeout_s: u32,
    /// How long a client may take for the next piece of a file that it sends to be restored, in
    /// seconds.
    pub piece_timeout_s: u32,
    /// Contexts that one caller may have at the same time.
    pub max_contexts_per_caller: u32,
}

impl Configuration {
    /// A folder with everything at its default names, and the default endpoint.
    pub fn for_folder(database_folder: impl Into<PathBuf>) -> Self {
        Self {
            store: StoreConfiguration::Folder(DirectoryConfiguration::for_folder(database_folder)),
            endpoint: EndpointConfiguration::default(),
            remote: None,
            audit: AuditConfiguration::default(),
        }
    }

    /// A Samba domain controller with everything at its defaults, and the default endpoint.
    pub fn for_samba(smb_conf: impl Into<PathBuf>) -> Self {
        Self {
            store: StoreConfiguration::Samba(SambaConfiguration::for_smb_conf(smb_conf)),
            endpoint: EndpointConfiguration::default(),
            remote: None,
            audit: AuditConfiguration::default(),
        }
    }

    /// The folder's settings, where a folder is hosted.
    pub fn directory_mut(&mut self) -> Option<&mut DirectoryConfiguration> {
        match &mut self.store {
            StoreConfiguration::Folder(directory) => Some(directory),
            StoreConfiguration::Samba(_) => None,
        }
    }

    /// Reads a configuration file.
    ///
    /// # Errors
    /// `hrInvalidParam` when the file cannot be read, is no TOML, lacks a key, has an unknown one
    /// or an unusable value.
    pub fn read(file: &Path) -> Result<Self> {
        let text = std::fs::read_to_string(file).map_err(|error| {
            Error::new(
                ResultCode::INVALID_PARAM,
                format!("{}: cannot read the configuration: {error}", file.display()),
            )
        })?;
        Self::from_toml(&text).map_err(|error| {
            Error::new(error.code, format!("{}: {}", file.display(), error.reason))
        })
    }

    /// Reads a configuration from TOML.
    ///
    /// # Errors
    /// `hrInvalidParam` as for [`Configuration::read`].
    pub fn from_toml(text: &str) -> Result<Self> {
        let configuration: Self = toml::from_str(text)
            .map_err(|error| Error::new(ResultCode::INVALID_PARAM, error.to_string()))?;
        configuration.check()?;
        Ok(configuration)
    }

    /// Whether every value can be used.
    ///
    /// # Errors
    /// `hrInvalidParam` with the key and what it should hold.
    pub fn check(&self) -> Result<()> {
        self.store.check()?;
        // Shorter than this, a client on a busy machine could not keep up.
        if self.endpoint.ping_timeout_ms < 100 {
            return Err(unusable(
                "ping_timeout_ms",
                self.endpoint.ping_timeout_ms,
                "at least 100 milliseconds",
            ));
        }
        let endpoint = &self.endpoint;
        for (key, value) in [
            ("idle_timeout_s", endpoint.idle_timeout_s),
            ("total_timeout_s", endpoint.total_timeout_s),
            ("piece_timeout_s", endpoint.piece_timeout_s),
            ("max_contexts_per_caller", endpoint.max_contexts_per_caller),
        ] {
            if value == 0 {
                return Err(unusable(key, 0, "at least 1"));
            }
        }
        if let Some(remote) = &self.remote {
            remote.check()?;
        }
        Ok(())
    }
}

impl Default for EndpointConfiguration {
    fn default() -> Self {
        Self {
            socket: "/run/dsbackup/dsbackup.sock".into(),
            group: None,
            ping_timeout_ms: 10_000,
            idle_timeout_s: 3600,
            total_timeout_s: 172_800,
            piece_timeout_s: 60,
            max_contexts_per_caller: 64,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_sample_shows_the_defaults() {
        assert_eq!(
            Configuration::from_toml(SAMPLE),
            Ok(Configuration::for_folder("/var/lib/directory"))
        );
        assert_eq!(
            Configuration::from_toml(SAMBA_SAMPLE),
            Ok(Configuration::for_samba("/etc/samba/smb.conf"))
        );
    }

    #[test]
    fn every_key_of_the_sample_works() {
        let all = SAMPLE
            .lines()
            .map(|line| match line.strip_prefix("# ") {
                Some(setting) if setting.contains(" = ") || setting.starts_with('[') => setting,
                _ => line,
            })
            .collect::<Vec<_>>()
            .join("\n");
        let mut configuration = Configuration::from_toml(&all).expect("the sample, all keys set");
        let directory = configuration.directory_mut().expect("a folder");
        assert!(directory.log_folder.is_some());
        assert!(directory.checkpoint_folder.is_some());
        assert!(directory.server_name.is_some());
        assert!(configuration.endpoint.group.is_some());
        assert!(configuration.audit.file.is_some());
        let remote = configuration.remote.expect("the network endpoint");
        assert!(remote.bandwidth_limit_kib_s.is_some());
        let kerberos = remote.kerberos.expect("Kerberos");
        assert!(
            kerberos.directory.is_some()
                && kerberos.restore_without_directory
                && kerberos.remember_groups.is_some()
                && kerberos.deny.len() == 1
        );
        assert_eq!(remote.failures_per_minute, 30);
        assert!(remote.client_ca.is_some());
        assert_eq!(remote.clients.len(), 2);
        assert_eq!(
            (remote.max_connections, remote.max_connections_per_address),
            (64, 16)
        );
    }

    #[test]
    fn mistakes_are_named() {
        for (text, part) in [
            (
                "[directory]\ndatabase_folder = '/d'\nlog_foldr = '/l'",
                "log_foldr",
            ),
            ("[directory]\n", "database_folder"),
            (
                "[directory]\ndatabase_folder = '/d'\ndatabase_file = '../x'",
                "database_file",
            ),
            (
                "[directory]\ndatabase_folder = '/d'\ntombstone_lifetime_days = 0",
                "tombstone",
            ),
            (
                "[directory]\ndatabase_folder = '/d'\n[endpoint]\nping_timeout_ms = 1",
                "ping",
            ),
            ("[endpoint]", "neither"),
            (
                "[directory]\ndatabase_folder = '/d'\n[samba]\nsmb_conf = '/s'",
                "exclude",
            ),
            (
                "[samba]\nsmb_conf = '/s'\nspool_folder = 'x'",
                "spool_folder",
            ),
            ("[samba]\nsmb_conf = '/s'\nlock_wait_ms = 0", "lock_wait_ms"),
        ] {
            let error = Configuration::from_toml(text).unwrap_err();
            assert_eq!(error.code, ResultCode::INVALID_PARAM);
            assert!(error.reason.contains(part), "{}", error.reason);
        }
    }
}
