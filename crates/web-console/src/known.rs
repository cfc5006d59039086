//! Who somebody is without a password: by the certificate of their browser, or by a Kerberos ticket.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::path::PathBuf;
use std::time::SystemTime;

use ids::Sid;
use kerberos::{Accepted, Acceptor};
use rustls::pki_types::CertificateDer;
use serde::Deserialize;
use wire::tls::Fingerprint;
use x509_cert::Certificate;
use x509_cert::der::Decode;

use crate::error::{Error, Result};
use crate::users::Role;

/// Domain Admins, within a domain.
const DOMAIN_ADMINS: u32 = 512;

/// The certificate of a user: `[console.client.NAME]`.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ClientSettings {
    /// The SHA-256 of the certificate, in hexadecimal digits.
    pub fingerprint: String,
    /// Whether the user may look, but not act.
    #[serde(default)]
    pub view: bool,
}

/// Logins with tickets: `[console.kerberos]`.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct KerberosSettings {
    /// The file with the keys of the console.
    pub keytab: PathBuf,
    /// Its principal: `HTTP/host@REALM`.
    pub principal: String,
    /// Further groups and accounts that may act, by SID, besides Domain Admins of its domain.
    #[serde(default)]
    pub operate: Vec<String>,
    /// Groups and accounts that may look, by SID.
    #[serde(default)]
    pub view: Vec<String>,
}

/// Users by their certificates.
pub struct Certificates(HashMap<Fingerprint, (String, Role)>);

impl Certificates {
    /// From the configuration.
    ///
    /// # Errors
    /// If a fingerprint is none, or there twice.
    pub fn new(settings: &BTreeMap<String, ClientSettings>) -> Result<Self> {
        let mut known = HashMap::new();
        for (name, settings) in settings {
            let refused =
                |reason: String| Error::Refused(format!("[console.client.{name}]: {reason}"));
            let fingerprint: Fingerprint = (settings.fingerprint.parse())
                .map_err(|error| refused(format!("fingerprint: {error}")))?;
            let role = if settings.view {
                Role::View
            } else {
                Role::Operate
            };
            let before = known.insert(fingerprint, (name.clone(), role));
            if let Some((other, _)) = before {
                return Err(refused(format!("the certificate is that of {other}, too")));
            }
        }
        Ok(Self(known))
    }

    /// The user of a certificate that is valid now. The handshake has proven that its key is there.
    pub fn user(&self, certificate: &CertificateDer<'_>) -> Option<(&str, Role)> {
        let (name, role) = self.0.get(&Fingerprint::of_certificate(certificate))?;
        let parsed = Certificate::from_der(certificate).ok()?;
        let validity = &parsed.tbs_certificate.validity;
        let now = SystemTime::now();
        let is_valid = validity.not_before.to_system_time() <= now
            && now <= validity.not_after.to_system_time();
        is_valid.then_some((name.as_str(), *role))
    }
}

/// Users by their tickets.
pub struct Tickets {
    /// Reads them.
    pub acceptor: Acceptor,
    realm: String,
    operate: HashSet<Sid>,
    view: HashSet<Sid>,
}

impl Tickets {
    /// From the configuration.
    ///
    /// # Errors
    /// If the keytab cannot be used, or a SID is none.
    pub fn new(settings: &KerberosSettings) -> Result<Self> {
        let refused = |reason: String| Error::Refused(format!("[console.kerberos]: {reason}"));
        let sids = |texts: &[String]| -> Result<HashSet<Sid>> {
            let parsed = texts.iter().map(|text| {
                let parsed = text.parse::<Sid>();
                parsed.map_err(|error| refused(format!("{text}: {error}")))
            });
            parsed.collect()
        };
        let realm = settings.principal.rsplit_once('@').map(|(_, realm)| realm);
        let realm = realm.filter(|realm| !realm.is_empty()).ok_or_else(|| {
            refused(format!(
                "principal = {:?}: expected HTTP/host@REALM",
                settings.principal
            ))
        })?;
        Ok(Self {
            acceptor: Acceptor::new(Some(&settings.keytab), &settings.principal)
                .map_err(|error| refused(error.to_string()))?,
            realm: realm.to_owned(),
            operate: sids(&settings.operate)?,
            view: sids(&settings.view)?,
        })
    }

    /// The user of a ticket, and what they may do; `None` for one who may do nothing.
    pub fn user(&self, accepted: &Accepted) -> Option<(String, Role)> {
        let role = role(&self.realm, &self.operate, &self.view, accepted)?;
        Some((accepted.principal.clone(), role))
    }
}

/// What the account of a ticket may do.
fn role(
    realm: &str,
    operate: &HashSet<Sid>,
    view: &HashSet<Sid>,
    accepted: &Accepted,
) -> Option<Role> {
    let logon = &accepted.logon;
    let mut groups: HashSet<&Sid> = logon.groups.iter().collect();
    groups.insert(&logon.user);
    let own_realm = accepted.principal.rsplit_once('@').map(|(_, realm)| realm);
    let own = logon.user.to_string();
    let admins = own.rsplit_once('-');
    let admins = admins.map(|(domain, _)| format!("{domain}-{DOMAIN_ADMINS}"));
    let is_admin =
        own_realm == Some(realm) && groups.iter().any(|group| Some(group.to_string()) == admins);
    let is_in = |sids: &HashSet<Sid>| groups.iter().any(|group| sids.contains(*group));
    match (is_admin || is_in(operate), is_in(view)) {
        (true, _) => Some(Role::Operate),
        (false, true) => Some(Role::View),
        (false, false) => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use kerberos::LogonInfo;

    fn tickets(operate: &[&str], view: &[&str]) -> impl Fn(&str, &[&str]) -> Option<Role> {
        let sids = |texts: &[&str]| texts.iter().map(|text| text.parse().unwrap()).collect();
        let (operate, view): (HashSet<Sid>, HashSet<Sid>) = (sids(operate), sids(view));
        move |principal, all| {
            let sid = |text: &&str| text.parse::<Sid>().unwrap();
            let accepted = Accepted {
                principal: principal.to_owned(),
                logon: LogonInfo {
                    user: sid(&all[0]),
                    groups: all[1..].iter().map(sid).collect(),
                    deny_only: Vec::new(),
                },
            };
            role("CORP.EXAMPLE", &operate, &view, &accepted)
        }
    }

    #[test]
    fn domain_admins_act_and_groups_of_the_configuration_do_what_it_says() {
        let (user, admins) = ("S-1-5-21-1-2-3-1100", "S-1-5-21-1-2-3-512");
        let (operators, lookers) = ("S-1-5-21-1-2-3-2001", "S-1-5-21-1-2-3-2002");
        let groups = ([operators], [lookers]);
        let role = tickets(&groups.0, &groups.1);
        let anna = "anna@CORP.EXAMPLE";
        assert_eq!(role(anna, &[user]), None);
        assert_eq!(role(anna, &[user, admins]), Some(Role::Operate));
        assert_eq!(role(anna, &[user, lookers]), Some(Role::View));
        assert_eq!(role(anna, &[user, lookers, operators]), Some(Role::Operate));
        // Domain Admins of another domain are not those of ours.
        assert_eq!(role("eve@OTHER.EXAMPLE", &[user, admins]), None);
        assert_eq!(role(anna, &[user, "S-1-5-21-9-9-9-512"]), None);
    }
}
