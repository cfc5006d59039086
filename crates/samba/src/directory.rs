//! The running directory, queried over its local LDAP socket.

use std::collections::HashMap;
use std::path::Path;
use std::time::Duration;

use ids::{DomainSid, Guid};
use ldap3::{LdapConn, LdapConnSettings, Scope, SearchEntry};

use crate::error::{Error, Result};
use crate::identity::Identity;
use crate::installation::Installation;

/// The longest wait for one answer.
const PATIENCE: Duration = Duration::from_secs(10);
/// The default tombstone lifetime of a forest, in days.
pub(crate) const DEFAULT_TOMBSTONE_LIFETIME: u32 = 60;

/// The directory's description of itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Facts {
    /// The server and its domain.
    pub identity: Identity,
    /// highestCommittedUSN at the time of the answer.
    pub highest_usn: u64,
    /// The tombstone lifetime, in days.
    pub tombstone_lifetime_days: u32,
    /// The naming contexts.
    pub naming_contexts: Vec<String>,
}

/// Whether a domain controller answers at the socket and is synchronized.
pub fn is_online(installation: &Installation) -> bool {
    installation.privileged_socket().exists()
        && Session::open(installation)
            .and_then(|mut session| session.root(installation))
            .is_ok()
}

/// Whether any process listens at the socket.
pub fn listens(installation: &Installation) -> bool {
    let sockets = [
        installation.privileged_socket(),
        installation.private.join("ldapi"),
    ];
    sockets
        .iter()
        .any(|socket| crate::system::is_listened_to(socket))
}

/// Queries the directory's identity and facts.
///
/// # Errors
/// [`Error::Directory`] if it does not answer, is not synchronized yet, or is not the one in
/// smb.conf.
pub fn facts(installation: &Installation) -> Result<Facts> {
    let mut session = Session::open(installation)?;
    let root = session.root(installation)?;
    let socket = session.socket.clone();
    let one = |name: &str| {
        root.text(name)
            .map(str::to_owned)
            .ok_or_else(|| lacks(&socket, "the rootDSE", name))
    };
    let domain = session.entry(&one("defaultNamingContext")?, &["objectSid"])?;
    let service = session.entry(&one("dsServiceName")?, &["objectGUID", "invocationId"])?;
    let settings = format!(
        "CN=Directory Service,CN=Windows NT,CN=Services,{}",
        one("configurationNamingContext")?
    );
    let settings = session.entry(&settings, &["tombstoneLifetime"])?;
    let guid = |name: &str| {
        let bytes = service
            .bytes(name)
            .and_then(|bytes| <[u8; 16]>::try_from(bytes).ok());
        bytes
            .map(Guid)
            .ok_or_else(|| lacks(&socket, "the server's NTDS Settings", name))
    };
    let tombstone_lifetime_days = match settings.text("tombstoneLifetime") {
        None => DEFAULT_TOMBSTONE_LIFETIME,
        Some(text) => text
            .parse()
            .map_err(|_| lacks(&socket, "Directory Service", "a readable tombstoneLifetime"))?,
    };
    Ok(Facts {
        identity: Identity {
            netbios_name: installation.netbios_name.clone(),
            dns_name: one("dnsHostName")?,
            realm: installation.realm.clone(),
            workgroup: installation.workgroup.clone(),
            domain_sid: domain
                .bytes("objectSid")
                .and_then(DomainSid::from_bytes)
                .ok_or_else(|| lacks(&socket, "the domain", "objectSid"))?,
            dsa_guid: guid("objectGUID")?,
            invocation_id: guid("invocationId")?,
        },
        highest_usn: one("highestCommittedUSN")?
            .parse()
            .map_err(|_| lacks(&socket, "the rootDSE", "a readable highestCommittedUSN"))?,
        tombstone_lifetime_days,
        naming_contexts: root.texts("namingContexts"),
    })
}

fn lacks(socket: &str, entry: &str, attribute: &str) -> Error {
    Error::Directory {
        socket: socket.to_owned(),
        reason: format!("{entry} lacks {attribute}"),
    }
}

/// A connection to the LDAP socket of the SYSTEM account.
struct Session {
    socket: String,
    connection: LdapConn,
}

impl Session {
    fn open(installation: &Installation) -> Result<Self> {
        let path = installation.privileged_socket();
        let socket = path.display().to_string();
        let settings = LdapConnSettings::new().set_conn_timeout(PATIENCE);
        let connection =
            LdapConn::with_settings(settings, &url(&path)).map_err(|error| Error::Directory {
                reason: format!("it does not answer: {error}; is the domain controller running?"),
                socket: socket.clone(),
            })?;
        Ok(Self { socket, connection })
    }

    /// The rootDSE of a directory that is online.
    fn root(&mut self, installation: &Installation) -> Result<Entry> {
        let root = self.entry(
            "",
            &[
                "isSynchronized",
                "serverName",
                "dnsHostName",
                "dsServiceName",
                "defaultNamingContext",
                "configurationNamingContext",
                "namingContexts",
                "highestCommittedUSN",
            ],
        )?;
        let refused = |reason: String| Error::Directory {
            socket: self.socket.clone(),
            reason,
        };
        let server = root.text("serverName").unwrap_or_default();
        let own = format!("CN={},", installation.netbios_name);
        if !server.to_uppercase().starts_with(&own) {
            return Err(refused(format!(
                "it is {server}, and {} describes {}",
                installation.smb_conf.display(),
                installation.netbios_name
            )));
        }
        match root.text("isSynchronized") {
            Some("TRUE") => Ok(root),
            _ => Err(refused(
                "it is not synchronized yet; wait until it has replicated with its partners".into(),
            )),
        }
    }

    fn entry(&mut self, name: &str, attributes: &[&str]) -> Result<Entry> {
        let failed = |reason: String| Error::Directory {
            socket: self.socket.clone(),
            reason: format!(
                "reading {:?}: {reason}",
                if name.is_empty() { "rootDSE" } else { name }
            ),
        };
        let answer = self
            .connection
            .with_timeout(PATIENCE)
            .search(name, Scope::Base, "(objectClass=*)", attributes)
            .and_then(ldap3::SearchResult::success);
        match answer {
            Ok((entries, _)) => entries
                .into_iter()
                .next()
                .map(|entry| Entry::from(SearchEntry::construct(entry)))
                .ok_or_else(|| failed("there is no such entry".into())),
            Err(error) => Err(failed(error.to_string())),
        }
    }
}

/// The attributes of one entry; names in lower case.
struct Entry(HashMap<String, Vec<Vec<u8>>>);

impl From<SearchEntry> for Entry {
    fn from(entry: SearchEntry) -> Self {
        let texts = entry.attrs.into_iter().map(|(name, values)| {
            let values = values.into_iter().map(String::into_bytes).collect();
            (name.to_lowercase(), values)
        });
        // ldap3 lists an attribute with one value that is not UTF-8 only among the binary ones.
        let binaries = entry
            .bin_attrs
            .into_iter()
            .map(|(name, values)| (name.to_lowercase(), values));
        Self(texts.chain(binaries).collect())
    }
}

impl Entry {
    fn bytes(&self, name: &str) -> Option<&[u8]> {
        self.0.get(&name.to_lowercase())?.first().map(Vec::as_slice)
    }

    fn text(&self, name: &str) -> Option<&str> {
        std::str::from_utf8(self.bytes(name)?).ok()
    }

    fn texts(&self, name: &str) -> Vec<String> {
        let values = self.0.get(&name.to_lowercase()).into_iter().flatten();
        values
            .map(|value| String::from_utf8_lossy(value).into_owned())
            .collect()
    }
}

/// The URL of an LDAP socket: its path, all but letters and digits in hexadecimal.
fn url(socket: &Path) -> String {
    let mut url = "ldapi://".to_owned();
    for byte in socket.as_os_str().as_encoded_bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' => url.push(char::from(*byte)),
            byte => url += &format!("%{byte:02x}"),
        }
    }
    url
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sockets_become_urls() {
        assert_eq!(
            url(Path::new("/var/lib/a b/ldapi")),
            "ldapi://%2fvar%2flib%2fa%20b%2fldapi"
        );
    }
}
