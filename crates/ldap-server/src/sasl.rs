//! Binding by Kerberos tickets: SASL's GSSAPI (RFC 4752) and GSS-SPNEGO (\[MS-ADTS\] 5.1.1.1).
//! Afterwards all messages are sealed.

use std::path::Path;

use ids::Sid;
use kerberos::{Accepted, Accepting, Acceptor};

/// The mechanisms' names.
pub const MECHANISMS: [&str; 2] = ["GSSAPI", "GSS-SPNEGO"];
/// Domain Admins, within a domain.
const DOMAIN_ADMINS: u32 = 512;
/// The layer of RFC 4752 that seals messages.
const CONFIDENTIALITY: u8 = 4;
/// The largest piece that the server takes, in bytes.
pub const LARGEST: u32 = 1 << 20;
/// The smallest pieces that a client may ask for.
const SMALLEST: usize = 1 << 10;
/// By how much sealing makes a piece larger, at most.
const OVERHEAD: usize = 256;

/// The service's keys, and the accounts that may bind with tickets for it.
pub struct Tickets {
    acceptor: Acceptor,
    realm: String,
    allowed: Vec<Sid>,
}

impl Tickets {
    /// Tickets for `principal` (`ldap/host@REALM`), whose keys are in `keytab`. Besides the realm's
    /// Domain Admins, accounts and groups with the SIDs in `allowed` may bind.
    ///
    /// # Errors
    /// If the library is missing, or the keytab is unreadable or lacks the key.
    pub fn new(keytab: &Path, principal: &str, allowed: Vec<Sid>) -> kerberos::Result<Self> {
        let Some((_, realm)) = principal
            .rsplit_once('@')
            .filter(|(_, realm)| !realm.is_empty())
        else {
            let text = format!("{principal:?}: expected a principal such as ldap/host@REALM");
            return Err(kerberos::Error(text));
        };
        Ok(Self {
            acceptor: Acceptor::new(Some(keytab), principal)?,
            realm: realm.to_owned(),
            allowed,
        })
    }

    /// Begins an exchange. `None` for a mechanism that is unknown here.
    pub fn begin(&self, mechanism: &str) -> Option<kerberos::Result<Exchange>> {
        let position = MECHANISMS.iter().position(|name| *name == mechanism)?;
        let negotiates_layers = position == 0;
        Some(self.acceptor.begin_sealing().map(|accepting| Exchange {
            accepting,
            stage: Stage::Tokens,
            negotiates_layers,
            client: None,
        }))
    }

    /// Whether the account may read the directory.
    pub fn admits(&self, client: &Accepted) -> bool {
        let logon = &client.logon;
        let is_own = (client.principal.rsplit_once('@'))
            .is_some_and(|(_, realm)| realm.eq_ignore_ascii_case(&self.realm));
        let is_admins = |group: &Sid| {
            group.relative_in_domain() == Some(DOMAIN_ADMINS) && group.is_of_domain_of(&logon.user)
        };
        let mut own = logon.groups.iter().chain([&logon.user]);
        own.any(|sid| self.allowed.contains(sid) || is_own && is_admins(sid))
    }
}

/// An exchange with a client that binds.
pub struct Exchange {
    accepting: Accepting,
    stage: Stage,
    negotiates_layers: bool,
    client: Option<Accepted>,
}

/// What the client's next message holds.
enum Stage {
    /// A token.
    Tokens,
    /// Nothing: it asks for the layers.
    Asks,
    /// The layer that it chooses.
    Chooses,
}

/// The result of a client's message.
pub enum Progress {
    /// This is sent, and the client's next message is expected.
    More(Vec<u8>),
    /// This is sent, and the client has bound.
    Done(Vec<u8>, Box<Bound>),
}

/// A client that has bound, and the exchange that seals its messages.
pub struct Bound {
    /// The client.
    pub client: Accepted,
    /// The exchange.
    pub accepting: Accepting,
    /// The most bytes to seal at once.
    pub piece: usize,
}

impl Exchange {
    /// Processes the client's message, and returns the exchange if it goes on.
    ///
    /// # Errors
    /// If the client is not authenticated, or does not seal messages.
    pub fn step(mut self, message: &[u8]) -> kerberos::Result<(Progress, Option<Self>)> {
        let mut token = Vec::new();
        if matches!(self.stage, Stage::Tokens) {
            let step = self.accepting.step(message)?;
            token = step.token;
            self.client = step.accepted;
            if self.client.is_none() {
                return Ok((Progress::More(token), Some(self)));
            }
            if !self.negotiates_layers {
                return self.done(token, usize::MAX);
            }
            self.stage = Stage::Asks;
            if !token.is_empty() {
                return Ok((Progress::More(token), Some(self)));
            }
        }
        if matches!(self.stage, Stage::Asks) {
            let [_, size @ ..] = LARGEST.to_be_bytes();
            let offer = [&[CONFIDENTIALITY], &size[..]].concat();
            let offer = self.accepting.sign(&offer)?;
            self.stage = Stage::Chooses;
            return Ok((Progress::More([token, offer].concat()), Some(self)));
        }
        let chosen = self.accepting.verify(message)?;
        let Some(([CONFIDENTIALITY, size @ ..], _)) = chosen.split_first_chunk::<4>() else {
            return Err(kerberos::Error(
                "the client does not seal its messages".into(),
            ));
        };
        let size = size
            .iter()
            .fold(0, |size, byte| size << 8 | usize::from(*byte));
        self.done(token, size)
    }

    fn done(self, token: Vec<u8>, most: usize) -> kerberos::Result<(Progress, Option<Self>)> {
        let piece = most.saturating_sub(OVERHEAD);
        if piece < SMALLEST {
            let text = format!("the client takes pieces of at most {most} bytes");
            return Err(kerberos::Error(text));
        }
        let client = self
            .client
            .ok_or_else(|| kerberos::Error("nobody has bound".into()))?;
        let accepting = self.accepting;
        let bound = Box::new(Bound {
            client,
            accepting,
            piece,
        });
        Ok((Progress::Done(token, bound), None))
    }
}
