//! The client's side.

use zeroize::Zeroizing;

use crate::library::{Context, Credential, Name, gss};
use crate::{Error, Result, SERVICE};

/// A user by name and password. It has no `Debug`: the password is shown nowhere.
pub struct Password {
    /// The user's name.
    pub user: String,
    /// The realm, or a name of the domain that the Kerberos configuration knows as one; the default
    /// realm when empty.
    pub domain: String,
    /// The password, which goes no further than into the library that asks the domain for tickets
    /// with it.
    pub password: Zeroizing<String>,
}

/// What the client's side does next.
pub struct Next {
    /// For the service, unless it is empty.
    pub token: Vec<u8>,
    /// Whether the service is known by now; it may still want the token.
    pub done: bool,
}

/// An exchange with a service.
pub struct Initiator {
    context: Context,
    credential: Option<Credential>,
    service: Name,
    channel: Vec<u8>,
}

impl Initiator {
    /// Prepares an exchange with the service on a host, over the channel with these bindings.
    /// Without a password the tickets of the process's own cache count.
    ///
    /// # Errors
    /// When the library is missing, or the domain refuses the password.
    pub fn new(host: &str, channel: &[u8], password: Option<&Password>) -> Result<Self> {
        let gss = gss()?;
        let credential = password
            .map(|password| {
                let principal = if password.domain.is_empty() {
                    password.user.clone()
                } else {
                    format!("{}@{}", password.user, password.domain.to_uppercase())
                };
                let user = gss.principal(&principal)?;
                gss.with_password(&user, password.password.as_bytes())
            })
            .transpose()?;
        Ok(Self {
            context: gss.context(),
            credential,
            service: gss.service(SERVICE, host)?,
            channel: channel.to_vec(),
        })
    }

    /// Takes the service's last token (empty at first).
    ///
    /// # Errors
    /// When the domain gives no ticket, or the service does not prove who it is.
    pub fn step(&mut self, input: &[u8]) -> Result<Next> {
        let step = self.context.initiate(
            self.credential.as_ref(),
            &self.service,
            &self.channel,
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
