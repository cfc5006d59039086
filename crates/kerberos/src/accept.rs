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
    protection: Protection,
}

/// What protects the messages that follow an exchange.
enum Protection {
    /// A channel, to which the ticket must be bound.
    Channel(Vec<u8>),
    /// The exchange seals them itself.
    Sealing,
    /// Something else, of which the ticket knows nothing.
    Apart,
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
    /// The keys of a principal (`dsbackup/host@REALM`): on Unix those in a keytab, and tickets for any
    /// other principal are refused; on Windows those of this process's account, without a keytab. Clients
    /// may negotiate (SPNEGO), or send Kerberos's own tokens.
    ///
    /// # Errors
    /// If the library is missing, or the keytab is unreadable or lacks the key.
    pub fn new(keytab: Option<&Path>, principal: &str) -> Result<Self> {
        Ok(Self {
            credential: Arc::new(gss()?.with_keys(keytab, principal)?),
        })
    }

    /// Begins an exchange over the channel with these bindings.
    ///
    /// # Errors
    /// If the library is missing.
    pub fn begin(&self, channel: &[u8]) -> Result<Accepting> {
        self.exchange(Protection::Channel(channel.to_vec()))
    }

    /// Begins an exchange whose messages are sealed, so that it needs no other channel.
    ///
    /// # Errors
    /// If the library is missing.
    pub fn begin_sealing(&self) -> Result<Accepting> {
        self.exchange(Protection::Sealing)
    }

    /// Begins an exchange with a browser (RFC 4559), which binds its ticket to no channel: TLS, or
    /// that it stays on this computer, must protect what follows.
    ///
    /// # Errors
    /// If the library is missing.
    pub fn begin_apart(&self) -> Result<Accepting> {
        self.exchange(Protection::Apart)
    }

    fn exchange(&self, protection: Protection) -> Result<Accepting> {
        Ok(Accepting {
            context: gss()?.context(),
            credential: self.credential.clone(),
            protection,
        })
    }
}

impl Accepting {
    /// Seals a message for the client, once the exchange is done.
    ///
    /// # Errors
    /// If the exchange is not done, or was not to seal.
    pub fn seal(&mut self, message: &[u8]) -> Result<Vec<u8>> {
        self.context.seal(message)
    }

    /// Opens a message of the client.
    ///
    /// # Errors
    /// If the message is none of the client's, was changed, or is not sealed.
    pub fn open(&mut self, message: &[u8]) -> Result<Vec<u8>> {
        self.context.open(message)
    }

    /// Signs a message for the client without sealing it.
    ///
    /// # Errors
    /// If the exchange is not done.
    pub fn sign(&mut self, message: &[u8]) -> Result<Vec<u8>> {
        self.context.wrap(message, false).map(|(bytes, _)| bytes)
    }

    /// The content of a signed message of the client.
    ///
    /// # Errors
    /// If the message is none of the client's, or was changed.
    pub fn verify(&mut self, message: &[u8]) -> Result<Vec<u8>> {
        self.context.unwrap(message).map(|(bytes, _)| bytes)
    }

    /// Processes a client's token.
    ///
    /// # Errors
    /// If the token does not authenticate the client: to this service, over this channel, by
    /// Kerberos, in a domain.
    pub fn step(&mut self, token: &[u8]) -> Result<Step> {
        let channel = match &self.protection {
            Protection::Channel(bindings) => Some(bindings.as_slice()),
            Protection::Sealing | Protection::Apart => None,
        };
        let step = self.context.accept(&self.credential, channel, token)?;
        let accepted = step
            .client
            .map(|client| {
                let principal = client.text()?;
                if !step.kerberos {
                    return Err(Error(format!("{principal}: not proven by Kerberos")));
                }
                match self.protection {
                    Protection::Channel(_) if !step.bound => {
                        let reason = "the ticket is not bound to this channel";
                        return Err(Error(format!("{principal}: {reason}")));
                    }
                    Protection::Sealing if !step.sealing => {
                        let reason = "the client does not ask for sealed messages";
                        return Err(Error(format!("{principal}: {reason}")));
                    }
                    _ => {}
                }
                let logon = client.logon()?;
                Ok(Accepted { principal, logon })
            })
            .transpose()?;
        Ok(Step {
            token: step.token,
            accepted,
        })
    }
}
