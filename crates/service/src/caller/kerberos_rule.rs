//! Maps Kerberos tickets to callers and their privileges.
//!
//! Backup Operators, Administrators and Domain Admins of the service's own domain hold both, as on
//! a domain controller. The configuration adds groups and accounts, and denies some; a denial
//! outweighs everything else.

use std::collections::HashSet;
use std::fmt::Display;
use std::path::PathBuf;

use contract::{Error, Result, ResultCode};
use ids::Sid;
use kerberos::{Accepted, Accepting, Acceptor};
use serde::Deserialize;
use store::Mode;

use super::identity::{Identity, Privileges};
use super::remembered_groups::RememberedGroups;
use super::token_groups::{self, Failure};

/// BUILTIN\Administrators and BUILTIN\Backup Operators.
const BUILTIN: [&str; 2] = ["S-1-5-32-544", "S-1-5-32-551"];

/// Domain Admins, within a domain.
const DOMAIN_ADMINS: u32 = 512;

/// The section `[remote.kerberos]` of the configuration.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct KerberosConfiguration {
    /// The file with the service's keys. On Windows there is none: they are those of the service's account.
    #[serde(default)]
    pub keytab: Option<PathBuf>,
    /// The service's principal: `dsbackup/host@REALM`.
    pub principal: String,
    /// The LDAP URL of the directory that is asked for the groups of accounts. Without it the
    /// groups of the ticket count, which lack the built-in ones.
    #[serde(default)]
    pub directory: Option<String>,
    /// Whether the groups of the ticket count in restore mode while that directory does not listen:
    /// it may be the one that is to be restored.
    #[serde(default)]
    pub restore_without_directory: bool,
    /// The file that keeps the directory's last answers for `restore_without_directory`: then those
    /// of the last 30 days count, too.
    #[serde(default)]
    pub remember_groups: Option<PathBuf>,
    /// Further groups and accounts that hold SE_BACKUP_NAME, by SID.
    #[serde(default)]
    pub backup: Vec<String>,
    /// Further groups and accounts that hold SE_RESTORE_NAME, by SID.
    #[serde(default)]
    pub restore: Vec<String>,
    /// Groups and accounts that hold nothing, by SID.
    #[serde(default)]
    pub deny: Vec<String>,
}

/// The rule, fixed when the service starts.
pub(crate) struct KerberosRule {
    acceptor: Acceptor,
    realm: String,
    directory: Option<String>,
    directory_may_be_down: bool,
    remembered: Option<RememberedGroups>,
    backup: HashSet<Sid>,
    restore: HashSet<Sid>,
    deny: HashSet<Sid>,
}

impl KerberosRule {
    /// Reads the keys.
    ///
    /// # Errors
    /// `hrInvalidParam` for an unusable value.
    pub(crate) fn new(configuration: &KerberosConfiguration, mode: Mode) -> Result<Self> {
        let unusable = |error: &dyn Display| {
            Error::new(ResultCode::INVALID_PARAM, format!("kerberos: {error}"))
        };
        let sids = |texts: &[String]| -> Result<HashSet<Sid>> {
            texts
                .iter()
                .map(|text| {
                    text.parse()
                        .map_err(|error: ids::ParseError| unusable(&error))
                })
                .collect()
        };
        let principal = &configuration.principal;
        let realm = match principal.rsplit_once('@') {
            Some((_, realm)) if !realm.is_empty() => realm.to_owned(),
            _ => {
                return Err(Error::new(
                    ResultCode::INVALID_PARAM,
                    format!("kerberos: principal = {principal:?}: expected dsbackup/host@REALM"),
                ));
            }
        };
        if configuration.remember_groups.is_some()
            && (configuration.directory.is_none() || !configuration.restore_without_directory)
        {
            return Err(Error::new(
                ResultCode::INVALID_PARAM,
                "kerberos: remember_groups requires directory and \
                 restore_without_directory = true",
            ));
        }
        let remembered = configuration.remember_groups.as_deref();
        Ok(Self {
            remembered: remembered.map(RememberedGroups::new).transpose()?,
            acceptor: Acceptor::new(configuration.keytab.as_deref(), principal)
                .map_err(|error| unusable(&error))?,
            realm,
            directory: configuration.directory.clone(),
            directory_may_be_down: configuration.restore_without_directory && mode == Mode::Restore,
            backup: sids(&configuration.backup)?,
            restore: sids(&configuration.restore)?,
            deny: sids(&configuration.deny)?,
        })
    }

    /// Begins an exchange over the channel with these bindings.
    pub(crate) fn begin(&self, channel: &[u8]) -> kerberos::Result<Accepting> {
        self.acceptor.begin(channel)
    }

    /// The identity of an accepted client. May query the directory, and so blocks.
    ///
    /// # Errors
    /// The reason, if the directory does not vouch for the account.
    pub(crate) fn identify(&self, accepted: &Accepted) -> Result<Identity, String> {
        let logon = &accepted.logon;
        let mut groups: HashSet<Sid> = logon.groups.iter().cloned().collect();
        groups.insert(logon.user.clone());
        let mut counted = None;
        if let Some(directory) = &self.directory {
            match token_groups::look_up(directory, &logon.user) {
                Ok(said) => counted = Some(HashSet::from_iter(said)),
                Err(Failure::Down(reason)) if self.directory_may_be_down => {
                    groups.extend(self.recall(&logon.user, &reason));
                }
                Err(Failure::Refused(reason)) => {
                    self.remembered
                        .iter()
                        .for_each(|file| file.forget(&logon.user));
                    return Err(reason);
                }
                Err(Failure::Down(reason) | Failure::Unclear(reason)) => return Err(reason),
            }
        }
        groups.extend(counted.iter().flatten().cloned());
        let denied = groups.iter().chain(&logon.deny_only);
        let privileges = if denied.into_iter().any(|sid| self.deny.contains(sid)) {
            Privileges::NONE
        } else {
            let operator = self.is_operator(accepted, &groups);
            Privileges {
                backup: operator || !groups.is_disjoint(&self.backup),
                restore: operator || !groups.is_disjoint(&self.restore),
            }
        };
        if let (Some(counted), Some(file)) = (&counted, &self.remembered) {
            match privileges {
                Privileges::NONE => file.forget(&logon.user),
                _ => file.remember(&logon.user, counted),
            }
        }
        Ok(Identity {
            name: accepted.principal.clone(),
            privileges,
        })
    }

    /// The directory's last known groups of an account.
    fn recall(&self, account: &Sid, reason: &str) -> HashSet<Sid> {
        let recalled = self.remembered.as_ref().map(|file| file.recall(account));
        let groups = match recalled.transpose() {
            Ok(groups) => groups.unwrap_or_default(),
            Err(unusable) => {
                tracing::error!(unusable, "no groups are remembered");
                HashSet::new()
            }
        };
        let remembered = groups.len();
        tracing::warn!(
            reason,
            remembered,
            "the groups of the ticket count, and those that are remembered"
        );
        groups
    }

    /// Whether one of the groups holds both privileges on every domain controller. Groups of other
    /// domains do not.
    fn is_operator(&self, accepted: &Accepted, groups: &HashSet<Sid>) -> bool {
        let own_realm = accepted
            .principal
            .rsplit_once('@')
            .is_some_and(|(_, realm)| realm.eq_ignore_ascii_case(&self.realm));
        own_realm
            && groups.iter().any(|group| {
                BUILTIN.contains(&group.to_string().as_str())
                    || (group.relative_in_domain() == Some(DOMAIN_ADMINS)
                        && group.is_of_domain_of(&accepted.logon.user))
            })
    }
}
