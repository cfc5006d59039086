//! The client's side.

use zeroize::Zeroizing;

use crate::library::{Context, Credential, Name, gss};
use crate::{Error, Result, SERVICE};

/// A user by name and password. Without `Debug`, so that nothing shows the password.
pub struct Password {
    /// The user's name.
    pub user: String,
    /// The realm, or a domain name that the Kerberos configuration maps to one; the default realm
    /// if empty.
    pub domain: String,
    /// The password. It is passed only to the library, which requests tickets from the domain with
    /// it.
    pub password: Zeroizing<String>,
}

/// The client's next step.
pub struct Next {
    /// For the service, unless it is empty.
    pub token: Vec<u8>,
    /// Whether the service is authenticated. It may still need the token.
    pub done: bool,
}

/// An exchange with a service.
pub struct Initiator {
    context: Context,
    credential: Option<Credential>,
    service: Name,
    /// None where the exchange seals its messages itself.
    channel: Option<Vec<u8>>,
}

impl Initiator {
    /// Prepares an exchange with the service on a host, over the channel with these bindings.
    /// Without a password the tickets of this process's user count: those in its cache, on Windows those
    /// of its logon.
    ///
    /// # Errors
    /// If the library is missing, or the domain refuses the password.
    pub fn new(host: &str, channel: &[u8], password: Option<&Password>) -> Result<Self> {
        let gss = gss()?;
        let credential = password
            .map(|of| gss.with_password(&of.user, &of.domain, &of.password))
            .transpose()?;
        Ok(Self {
            context: gss.context(),
            credential,
            service: gss.service(SERVICE, host)?,
            channel: Some(channel.to_vec()),
        })
    }

    /// Prepares an exchange with a service of another kind, such as `ldap`, with the tickets of
    /// this process's user. Its messages are sealed, so that it needs no other channel.
    ///
    /// # Errors
    /// If the library is missing.
    pub fn sealing(service: &str, host: &str) -> Result<Self> {
        let gss = gss()?;
        Ok(Self {
            context: gss.context(),
            credential: None,
            service: gss.service(service, host)?,
            channel: None,
        })
    }

    /// Seals a message for the service, once the exchange is done.
    ///
    /// # Errors
    /// If the exchange is not done, or was not to seal.
    pub fn seal(&mut self, message: &[u8]) -> Result<Vec<u8>> {
        self.context.seal(message)
    }

    /// Opens a message of the service.
    ///
    /// # Errors
    /// If the message is none of the service's, was changed, or is not sealed.
    pub fn open(&mut self, message: &[u8]) -> Result<Vec<u8>> {
        self.context.open(message)
    }

    /// Processes the service's last token (empty at first).
    ///
    /// # Errors
    /// If the domain issues no ticket, or the service fails to authenticate itself.
    pub fn step(&mut self, input: &[u8]) -> Result<Next> {
        let step = self.context.initiate(
            self.credential.as_ref(),
            &self.service,
            self.channel.as_deref(),
            input,
        )?;
        if step.done && !step.mutual {
            return Err(Error("the service has not proven who it is".into()));
        }
        Ok(Next {
            token: step.token,
            done: step.done,
        })
    }
}
