//! Where a server is.

use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;

use crate::Error;

/// The address of a server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Address {
    /// Over TCP.
    Tcp {
        /// A name, or an address without brackets.
        host: String,
        /// The port.
        port: u16,
        /// Whether TLS begins at once (`ldaps`), not by StartTLS.
        is_tls: bool,
    },
    /// A socket of this computer.
    Socket(PathBuf),
}

const LDAP: u16 = 389;
const LDAPS: u16 = 636;

impl Address {
    /// Whether text is meant as an address, well-formed or not.
    pub fn is_one(text: &str) -> bool {
        ["ldap://", "ldaps://", "ldapi://"]
            .iter()
            .any(|scheme| text.starts_with(scheme))
    }
}

impl FromStr for Address {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        let wrong = |reason| Error::Address {
            text: text.to_owned(),
            reason,
        };
        let (scheme, rest) = text
            .split_once("://")
            .ok_or_else(|| wrong("there is no ://"))?;
        let (is_tls, standard) = match scheme {
            "ldap" => (false, LDAP),
            "ldaps" => (true, LDAPS),
            "ldapi" => {
                let path = decoded(rest).ok_or_else(|| wrong("its % is not followed by digits"))?;
                return match path.starts_with('/') {
                    true => Ok(Self::Socket(path.into())),
                    false => Err(wrong("the socket has no absolute path")),
                };
            }
            _ => return Err(wrong("another scheme")),
        };
        let authority = rest.strip_suffix('/').unwrap_or(rest);
        if authority.contains(['/', '?', '@']) {
            return Err(wrong("something follows the port"));
        }
        let (host, port) = match authority.strip_prefix('[') {
            Some(inner) => {
                let (host, port) = inner
                    .split_once(']')
                    .ok_or_else(|| wrong("there is no ]"))?;
                (host, port)
            }
            None => authority.split_at(authority.find(':').unwrap_or(authority.len())),
        };
        let port = match port {
            "" => standard,
            port => (port.strip_prefix(':'))
                .and_then(|digits| digits.parse().ok())
                .ok_or_else(|| wrong("the port is no number"))?,
        };
        if host.is_empty() {
            return Err(wrong("there is no host"));
        }
        Ok(Self::Tcp {
            host: host.to_owned(),
            port,
            is_tls,
        })
    }
}

/// Text with `%2F` and the like replaced.
fn decoded(text: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((first, after)) = rest.split_first() {
        rest = after;
        if *first != b'%' {
            bytes.push(*first);
            continue;
        }
        let digits = std::str::from_utf8(rest.get(..2)?).ok()?;
        bytes.extend(ids::hex::decode(digits)?);
        rest = rest.get(2..)?;
    }
    String::from_utf8(bytes).ok()
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tcp { host, port, is_tls } => {
                let scheme = if *is_tls { "ldaps" } else { "ldap" };
                match host.contains(':') {
                    true => write!(f, "{scheme}://[{host}]:{port}"),
                    false => write!(f, "{scheme}://{host}:{port}"),
                }
            }
            Self::Socket(path) => write!(f, "ldapi://{}", path.display()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses() {
        let tcp = |host: &str, port, is_tls| Address::Tcp {
            host: host.into(),
            port,
            is_tls,
        };
        for (text, address) in [
            ("ldap://dc1", tcp("dc1", 389, false)),
            ("ldaps://dc1/", tcp("dc1", 636, true)),
            ("ldap://dc1:3389", tcp("dc1", 3389, false)),
            ("ldaps://[::1]:1", tcp("::1", 1, true)),
            ("ldap://[fe80::1]", tcp("fe80::1", 389, false)),
            ("ldapi://%2Frun%2fa%20b", Address::Socket("/run/a b".into())),
            ("ldapi:///run/ldapi", Address::Socket("/run/ldapi".into())),
        ] {
            assert_eq!(text.parse::<Address>().unwrap(), address, "{text}");
            assert_eq!(address.to_string().parse::<Address>().unwrap(), address);
        }
        for text in [
            "dc1",
            "http://dc1",
            "ldap://",
            "ldap://dc1:x",
            "ldap://dc1/base",
            "ldap://[::1",
            "ldapi://run",
            "ldapi://%2",
            "ldap://a@b",
        ] {
            assert!(text.parse::<Address>().is_err(), "{text}");
        }
    }

    proptest::proptest! {
        #[test]
        fn any_text_is_an_address_or_an_error(text: String, scheme in "ldap[is]?://") {
            let _ = (text.parse::<Address>(), format!("{scheme}{text}").parse::<Address>());
        }
    }
}
