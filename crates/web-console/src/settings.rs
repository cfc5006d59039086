//! The table `[console]` of dsbackup.toml.

use std::collections::BTreeMap;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};

use jobs::span::Span;
use serde::Deserialize;

use crate::error::{Error, Result};
use crate::known::{ClientSettings, KerberosSettings};

/// Where the console listens, who may use it, and for how long a login lasts.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Settings {
    /// The address; 127.0.0.1:7480 if neither it nor `socket` is named.
    pub listen: Option<SocketAddr>,
    /// A Unix socket instead, for a reverse proxy of the same user or `ssh -L`.
    pub socket: Option<PathBuf>,
    /// The names, without port, under which browsers reach the console, besides localhost and the
    /// address itself.
    pub names: Vec<String>,
    /// The certificate and its chain, PEM.
    pub certificate: Option<PathBuf>,
    /// Its private key, PEM.
    pub key: Option<PathBuf>,
    /// The file of users. Without it the console makes a password for each of its runs.
    pub users: Option<PathBuf>,
    /// The time without a request after which a login ends.
    pub idle: Span,
    /// The time after which a login ends in any case.
    pub lifetime: Span,
    /// The audit log; the journal under systemd if absent.
    pub audit: Option<PathBuf>,
    /// The folder of copies of snapshots: of drills, and of directories that cannot be read in the
    /// repository.
    pub cache: PathBuf,
    /// The socket of the service on this computer: whole controllers are restored through it while it
    /// is in restore mode.
    pub service: Option<PathBuf>,
    /// Running directory servers, by names of our own: `[console.server.NAME]`.
    pub server: BTreeMap<String, ServerSettings>,
    /// Users who log in by the certificate of their browser, by their names:
    /// `[console.client.NAME]`.
    pub client: BTreeMap<String, ClientSettings>,
    /// Logins with Kerberos tickets: `[console.kerberos]`.
    pub kerberos: Option<KerberosSettings>,
}

/// A running directory server: what is there now, and where objects are brought back.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ServerSettings {
    /// `ldaps://HOST`, or `ldap://HOST`, which begins with StartTLS, or is sealed with tickets where
    /// no user is named.
    pub url: Option<String>,
    /// Instead: the Samba domain controller on this computer, as the system, over its own socket.
    pub in_place: bool,
    /// Its configuration; `/etc/samba/smb.conf` if absent.
    pub smb_conf: Option<PathBuf>,
    /// The account; without it the tickets of the process's cache (`KRB5CCNAME`), or those of its
    /// keytab (`KRB5_CLIENT_KTNAME`).
    pub user: Option<String>,
    /// The file whose first line is its password.
    pub password_file: Option<PathBuf>,
    /// With TLS: the certificates of the authority that signed the server's, PEM.
    pub ca_file: Option<PathBuf>,
    /// With TLS: the SHA-256 of the server's public key, in hexadecimal digits.
    pub pin: Option<String>,
}

/// Where the console listens.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Listen {
    /// On a TCP port.
    Address(SocketAddr),
    /// On a Unix socket.
    Socket(PathBuf),
}

/// The address if nothing else is named.
const DEFAULT: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(Ipv4Addr::LOCALHOST), 7480);

impl Default for Settings {
    fn default() -> Self {
        Self {
            listen: None,
            socket: None,
            names: Vec::new(),
            certificate: None,
            key: None,
            users: None,
            idle: Span(15 * 60),
            lifetime: Span::hours(8),
            audit: None,
            cache: backup::scratch::default_parent(),
            service: None,
            server: BTreeMap::new(),
            client: BTreeMap::new(),
            kerberos: None,
        }
    }
}

/// The part of dsbackup.toml that is read here.
#[derive(Deserialize)]
struct Tables {
    #[serde(default)]
    console: Settings,
}

impl Settings {
    /// Reads the table from the configuration file; the defaults if it has none.
    ///
    /// # Errors
    /// If the file cannot be read or understood.
    pub fn read(path: &Path) -> Result<Self> {
        let text = std::fs::read_to_string(path).map_err(Error::io("read", path))?;
        let tables: Tables = toml::from_str(&text).map_err(|error| Error::Settings {
            path: path.to_path_buf(),
            reason: error.to_string().trim_end().to_owned(),
        })?;
        for (name, server) in &tables.console.server {
            server.check(name).map_err(|reason| Error::Settings {
                path: path.to_path_buf(),
                reason: format!("[console.server.{name}]: {reason}"),
            })?;
        }
        Ok(tables.console)
    }

    /// Where the console listens.
    ///
    /// # Errors
    /// Where both an address and a socket are named, and for an address that other computers reach,
    /// unless there are a certificate and a file of users: passwords and directories would cross the
    /// network unencrypted.
    pub fn place(&self) -> Result<Listen> {
        let refused = |reason: String| Err(Error::Refused(reason));
        if self.certificate.is_some() != self.key.is_some() {
            return refused("certificate and key belong together: name both, or neither".into());
        }
        if !self.client.is_empty() && self.certificate.is_none() {
            return refused(
                "browsers show certificates over TLS only: name certificate and key".into(),
            );
        }
        let address = match (&self.socket, self.listen) {
            (Some(_), Some(_)) => {
                return refused("listen and socket exclude each other: name one".into());
            }
            (Some(_), None) if self.certificate.is_some() => {
                return refused("a Unix socket needs no certificate: name listen instead".into());
            }
            (Some(socket), None) => return Ok(Listen::Socket(socket.clone())),
            (None, address) => address.unwrap_or(DEFAULT),
        };
        if !address.ip().to_canonical().is_loopback() {
            if self.certificate.is_none() {
                return refused(format!(
                    "{address}: other computers reach this address, and passwords would cross the \
                     network unencrypted: name certificate and key, or listen on 127.0.0.1"
                ));
            }
            if self.users.is_none() {
                return refused(format!(
                    "{address}: other computers reach this address: name the file of its users \
                     (users = \"...\"; dsbackup console --add-user NAME makes it)"
                ));
            }
        }
        Ok(Listen::Address(address))
    }

    /// Whether browsers talk TLS to the console.
    pub fn has_tls(&self) -> bool {
        self.certificate.is_some()
    }
}

impl ServerSettings {
    /// Checks what belongs together.
    fn check(&self, name: &str) -> Result<(), String> {
        let fits = |c: char| c.is_ascii_alphanumeric() || "-_.".contains(c);
        if name.is_empty() || name.len() > 64 || !name.chars().all(fits) {
            return Err("a name has letters, digits, - _ and ., at most 64".into());
        }
        match (&self.url, self.in_place) {
            (None, false) => Err("name url, or in_place = true".into()),
            (Some(_), true) => Err("url and in_place exclude each other: name one".into()),
            (None, true) if self.ca_file.is_some() || self.pin.is_some() => {
                Err("a socket of this computer needs neither ca_file nor pin".into())
            }
            (Some(_), false) if self.smb_conf.is_some() => {
                Err("smb_conf is for in_place = true".into())
            }
            _ if self.user.is_some() != self.password_file.is_some() => {
                Err("user and password_file belong together: name both, or neither".into())
            }
            _ => {
                let address = self.url.as_deref().map(str::parse::<live::Address>);
                address.transpose().map_err(|error| error.to_string())?;
                let pin = self
                    .pin
                    .as_deref()
                    .map(str::parse::<wire::tls::Fingerprint>);
                pin.transpose().map_err(|error| error.to_string())?;
                Ok(())
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settings(text: &str) -> Settings {
        toml::from_str::<Tables>(text).unwrap().console
    }

    #[test]
    fn the_network_needs_tls_and_users() {
        let place = |text: &str| settings(&format!("[console]\n{text}")).place();
        assert_eq!(place("").unwrap(), Listen::Address(DEFAULT));
        assert!(place("listen = '[::1]:80'").is_ok());
        assert_eq!(
            place("socket = '/run/c'").unwrap(),
            Listen::Socket("/run/c".into())
        );
        let tls = "certificate = 'c'\nkey = 'k'\n";
        for refused in [
            "listen = '0.0.0.0:7480'",
            "listen = '192.0.2.1:7480'\nusers = 'u'",
            &format!("listen = '192.0.2.1:7480'\n{tls}"),
            "certificate = 'c'",
            "socket = '/run/c'\nlisten = '127.0.0.1:1'",
            "[console.client.anna]\nfingerprint = '00'",
            &format!("socket = '/run/c'\n{tls}"),
        ] {
            assert!(place(refused).is_err(), "{refused}");
        }
        assert!(place(&format!("listen = '192.0.2.1:7480'\nusers = 'u'\n{tls}")).is_ok());
    }

    #[test]
    fn a_server_is_named_by_its_address_or_is_this_computer() {
        let check = |text: &str| {
            let settings = settings(&format!("[console.server.corp]\n{text}"));
            settings.server["corp"].check("corp")
        };
        for usable in [
            "in_place = true",
            "in_place = true\nsmb_conf = '/etc/samba/other.conf'",
            "url = 'ldap://dc1.corp.example'",
            "url = 'ldaps://dc1.corp.example'\nuser = 'a'\npassword_file = 'p'\nca_file = 'c'",
        ] {
            assert_eq!(check(usable), Ok(()), "{usable}");
        }
        for refused in [
            "",
            "in_place = true\nurl = 'ldap://dc1'",
            "in_place = true\npin = '00'",
            "url = 'http://dc1'",
            "url = 'ldap://dc1'\nuser = 'a'",
            "url = 'ldap://dc1'\npin = 'x'",
            "url = 'ldap://dc1'\nsmb_conf = 'x'",
        ] {
            assert!(check(refused).is_err(), "{refused}");
        }
        assert!(ServerSettings::default().check("a/b").is_err());
    }

    #[test]
    fn other_tables_are_ignored_and_other_keys_refused() {
        assert_eq!(settings("[job.a]\nx = 1"), Settings::default());
        assert!(toml::from_str::<Tables>("[console]\nlisten_on = 1").is_err());
        let changed = settings("[console]\nidle = '5m'\nnames = ['backup.corp.example']");
        assert_eq!(changed.idle, Span(300));
    }
}
