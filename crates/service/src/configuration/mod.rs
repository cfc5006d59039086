//! The service's configuration: a TOML file, described by `dsbackup.sample.toml` and
//! `dsbackup.samba.sample.toml`.

pub(crate) mod remote;

use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};

use contract::{Error, Result, ResultCode};
use serde::Deserialize;
use serde::de::IgnoredAny;
use store::unusable;

use self::remote::RemoteConfiguration;
use crate::stores::{DirectoryConfiguration, SambaConfiguration, StoreConfiguration};

/// The documented sample file.
pub const SAMPLE: &str = include_str!("../../dsbackup.sample.toml");
/// The documented sample file for a Samba domain controller.
pub const SAMBA_SAMPLE: &str = include_str!("../../dsbackup.samba.sample.toml");

/// The hosted directory, and the service's endpoints.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(try_from = "Tables")]
pub struct Configuration {
    /// The directory.
    pub store: StoreConfiguration,
    /// The endpoint for clients of this computer.
    pub endpoint: EndpointConfiguration,
    /// The endpoint for clients on other computers; none when absent.
    pub remote: Option<RemoteConfiguration>,
    /// The audit log.
    pub audit: AuditConfiguration,
    /// The endpoint for the metrics of backup jobs; none when absent.
    pub metrics: Option<MetricsConfiguration>,
}

/// The endpoint for the metrics of backup jobs, which the program serves beside the service.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct MetricsConfiguration {
    /// The address, for HTTP without encryption.
    pub listen: SocketAddr,
    /// The time between two determinations of the jobs' status, in seconds.
    pub every_s: u32,
    /// The folder of the records of runs.
    pub state_folder: PathBuf,
}

impl Default for MetricsConfiguration {
    fn default() -> Self {
        Self {
            listen: (Ipv4Addr::LOCALHOST, 9469).into(),
            every_s: 60,
            state_folder: "/var/lib/dsbackup-jobs".into(),
        }
    }
}

/// The audit log.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct AuditConfiguration {
    /// The file; when absent, the journal under systemd, and elsewhere the service's own log at
    /// debug level.
    pub file: Option<PathBuf>,
}

/// The form of the file.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Tables {
    directory: Option<DirectoryConfiguration>,
    samba: Option<SambaConfiguration>,
    #[cfg(windows)]
    ntds: Option<crate::NtdsConfiguration>,
    #[serde(default)]
    endpoint: EndpointConfiguration,
    remote: Option<RemoteConfiguration>,
    #[serde(default)]
    audit: AuditConfiguration,
    metrics: Option<MetricsConfiguration>,
    // Those of backup jobs and of the console, in the same file; the service does not use them.
    #[serde(rename = "console")]
    _console: Option<IgnoredAny>,
    #[serde(rename = "repository")]
    _repository: Option<IgnoredAny>,
    #[serde(rename = "job")]
    _job: Option<IgnoredAny>,
    #[serde(rename = "notify")]
    _notify: Option<IgnoredAny>,
}

impl TryFrom<Tables> for Configuration {
    type Error = &'static str;

    fn try_from(tables: Tables) -> Result<Self, Self::Error> {
        let stores = [
            tables.directory.map(StoreConfiguration::Folder),
            tables.samba.map(StoreConfiguration::Samba),
            #[cfg(windows)]
            tables.ntds.map(StoreConfiguration::Ntds),
        ];
        let mut stores = stores.into_iter().flatten();
        let store = match (stores.next(), stores.next()) {
            (Some(store), None) => store,
            (None, _) => return Err("neither [directory] nor [samba] says what to host"),
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
            metrics: tables.metrics,
        })
    }
}

/// The endpoint for clients of this computer, and its limits.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct EndpointConfiguration {
    /// The Unix socket.
    pub socket: PathBuf,
    /// The group whose members hold the backup and restore privileges.
    pub group: Option<String>,
    /// The silence after which a client loses its contexts, in milliseconds.
    pub ping_timeout_ms: u32,
    /// The time after which a client loses an unused context, in seconds.
    pub idle_timeout_s: u32,
    /// The longest life of a context and of a network connection, in seconds.
    pub total_timeout_s: u32,
    /// The longest wait for the next piece of a file to restore, in seconds.
    pub piece_timeout_s: u32,
    /// The most contexts of one caller at the same time.
    pub max_contexts_per_caller: u32,
}

impl Configuration {
    /// A folder with all names and the endpoint at their defaults.
    pub fn for_folder(database_folder: impl Into<PathBuf>) -> Self {
        Self {
            store: StoreConfiguration::Folder(DirectoryConfiguration::for_folder(database_folder)),
            endpoint: EndpointConfiguration::default(),
            remote: None,
            audit: AuditConfiguration::default(),
            metrics: None,
        }
    }

    /// A Samba domain controller with all settings and the endpoint at their defaults.
    pub fn for_samba(smb_conf: impl Into<PathBuf>) -> Self {
        Self {
            store: StoreConfiguration::Samba(SambaConfiguration::for_smb_conf(smb_conf)),
            endpoint: EndpointConfiguration::default(),
            remote: None,
            audit: AuditConfiguration::default(),
            metrics: None,
        }
    }

    /// This computer's own domain controller.
    #[cfg(windows)]
    pub fn for_ntds(ntds: crate::NtdsConfiguration) -> Self {
        Self {
            store: StoreConfiguration::Ntds(ntds),
            endpoint: EndpointConfiguration::default(),
            remote: None,
            audit: AuditConfiguration::default(),
            metrics: None,
        }
    }

    /// The folder's settings; `None` if no folder is hosted.
    pub fn directory_mut(&mut self) -> Option<&mut DirectoryConfiguration> {
        match &mut self.store {
            StoreConfiguration::Folder(directory) => Some(directory),
            _ => None,
        }
    }

    /// Reads a configuration file.
    ///
    /// # Errors
    /// `hrInvalidParam` if the file is unreadable, no TOML, lacks a key, or has an unknown key or
    /// an unusable value.
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

    /// Checks that every value is usable.
    ///
    /// # Errors
    /// `hrInvalidParam` with the key and the expected value.
    pub fn check(&self) -> Result<()> {
        self.store.check()?;
        // With a shorter timeout, clients on a busy machine could not keep up.
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
        if self
            .metrics
            .as_ref()
            .is_some_and(|metrics| metrics.every_s == 0)
        {
            return Err(unusable("every_s", 0, "at least 1"));
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
            socket: match cfg!(windows) {
                true => r"\\.\pipe\dsbackup".into(),
                false => "/run/dsbackup/dsbackup.sock".into(),
            },
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
        assert_eq!(configuration.metrics, Some(MetricsConfiguration::default()));
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
