//! The service's side.

use std::path::Path;
use std::sync::Arc;

use crate::library::{Context, Credential, gss};
use crate::{Error, LogonInfo, Result};

/// A service's keys.
#[derive(Clone)]
pub struct Acceptor {
    credential: Arc<Credential>,
}

/// An exchange with one client.
pub struct Accepting {
    context: Context,
    credential: Arc<Credential>,
    channel: Vec<u8>,
}

/// The result of a client's token.
pub struct Step {
    /// For the client; may be empty.
    pub token: Vec<u8>,
    /// Set when the exchange is done.
    pub accepted: Option<Accepted>,
}

/// An authenticated client.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Accepted {
    /// The principal, such as `user@REALM`.
    pub principal: String,
    /// The account's SIDs from the ticket, signed for this service.
    pub logon: LogonInfo,
}

impl Acceptor {
    /// Reads the keys of a principal (`dsbackup/host@REALM`) from a keytab. Tickets for any other
    /// are refused.
    ///
    /// # Errors
    /// If the library is missing, or the keytab is unreadable or lacks the key.
    pub fn new(keytab: &Path, principal: &str) -> Result<Self> {
        let gss = gss()?;
        let name = gss.principal(principal)?;
        let keytab = keytab
            .to_str()
            .ok_or_else(|| Error("the keytab's path is no UTF-8".into()))?;
        let credential = gss
            .with_keytab(&name, &format!("FILE:{keytab}"))
            .map_err(|error| Error(format!("{keytab}: {principal}: {error}")))?;
        Ok(Self {
            credential: Arc::new(credential),
        })
    }

    /// Begins an exchange over the channel with these bindings.
    ///
    /// # Errors
    /// If the library is missing.
    pub fn begin(&self, channel: &[u8]) -> Result<Accepting> {
        Ok(Accepting {
            context: gss()?.context(),
            credential: self.credential.clone(),
            channel: channel.to_vec(),
        })
    }
}

impl Accepting {
    /// Processes a client's token.
    ///
    /// # Errors
    /// If the token does not authenticate the client: to this service, over this channel, by
    /// Kerberos, in a domain.
    pub fn step(&mut self, token: &[u8]) -> Result<Step> {
        let step = self
            .context
            .accept(&self.credential, &self.channel, token)?;
        let accepted = step
            .client
            .map(|client| {
                let principal = client.text()?;
                if !step.kerberos {
                    return Err(Error(format!("{principal}: not proven by Kerberos")));
                }
                if !step.bound {
                    return Err(Error(format!(
                        "{principal}: the ticket is not bound to this channel"
                    )));
                }
                let logon = client.verified_attribute("urn:mspac:logon-info")?;
                Ok(Accepted {
                    principal,
                    logon: LogonInfo::from_bytes(&logon)?,
                })
            })
            .transpose()?;
        Ok(Step {
            token: step.token,
            accepted,
        })
    }
}
