//! Messages to and from a server.

use std::collections::{HashMap, VecDeque};
use std::io::{Read, Write};
use std::path::PathBuf;
use std::sync::Arc;

use rasn_ldap::{
    AuthenticationChoice, BindRequest, BindResponse, Control, ExtendedRequest, Filter, LdapMessage,
    ProtocolOp, ResultCode, SaslCredentials, SearchRequest, SearchRequestDerefAliases,
    SearchRequestScope,
};
use rustls::ClientConfig;
use wire::known_server::KnownServer;
use wire::tls::{self, Fingerprint};
use zeroize::Zeroizing;

use crate::stream::Stream;
use crate::{Address, Error, Result, controls, frame};

/// Entries in a page: servers refuse more than 1,000 in one answer.
const PAGE: i32 = 500;

/// The most bytes of values in a page.
const LARGEST_PAGE: usize = 256 << 20;

/// StartTLS (RFC 4511 4.14).
const START_TLS: &[u8] = b"1.3.6.1.4.1.1466.20037";

/// The most steps of an authentication.
const MOST_STEPS: usize = 10;

/// How server and client prove who they are.
#[derive(Clone, Default)]
pub struct Access {
    /// Who the client is.
    pub credentials: Credentials,
    /// With TLS: the certificates of the authority that signed the server's (PEM).
    pub ca_file: Option<PathBuf>,
    /// With TLS: the SHA-256 of the server's public key.
    pub pin: Option<Fingerprint>,
}

/// Who the client is. Without `Debug`, so that nothing shows the password.
#[derive(Clone, Default)]
pub enum Credentials {
    /// Nobody; on Samba's privileged socket the system itself.
    #[default]
    Anonymous,
    /// A user with a password.
    Simple {
        /// A distinguished name, `DOMAIN\user` or `user@domain`.
        user: String,
        /// The password.
        password: Zeroizing<String>,
    },
    /// Whom the socket says (SASL EXTERNAL).
    External,
    /// The owner of the tickets of this process's user (SASL GSS-SPNEGO). They authenticate the
    /// server as well and seal all messages: only for `ldap://`, without TLS.
    Kerberos,
}

/// A connection.
pub struct Connection {
    stream: Stream,
    server: String,
    last: u32,
    buffer: Vec<u8>,
    /// Answers to searches that were asked ahead, by the numbers of their requests.
    ahead: HashMap<u32, Ahead>,
}

/// What came of an answer that nobody has read yet.
#[derive(Default)]
struct Ahead {
    messages: VecDeque<LdapMessage>,
    bytes: usize,
    /// Nobody wants it any more.
    is_dropped: bool,
}

/// A page that was asked for.
pub struct Asked {
    id: u32,
    base: String,
}

/// An entry as it is sent.
#[derive(Debug)]
pub struct Sent {
    pub dn: String,
    pub attributes: Vec<(String, Vec<Vec<u8>>)>,
}

/// What is asked for.
#[derive(Debug, Clone)]
pub struct Search {
    pub base: String,
    pub scope: SearchRequestScope,
    pub filter: Filter,
    pub attributes: Vec<String>,
    pub controls: Vec<Control>,
}

/// Part of an answer.
pub struct Page {
    pub entries: Vec<Sent>,
    /// Where the next page begins; empty after the last one.
    pub cookie: Vec<u8>,
}

impl Connection {
    /// Connects, authenticates the server and then the client.
    pub fn open(address: &Address, access: &Access) -> Result<Self> {
        let server = address.to_string();
        let connected = match address {
            Address::Tcp { host, port, .. } => Stream::tcp(host, *port),
            #[cfg(unix)]
            Address::Socket(path) => Stream::unix(path),
            #[cfg(not(unix))]
            Address::Socket(_) => Err(std::io::ErrorKind::Unsupported.into()),
        };
        let stream = connected.map_err(|error| Error::Connection {
            server: server.clone(),
            doing: "connect",
            error,
        })?;
        let mut connection = Self {
            stream,
            server,
            last: 0,
            buffer: Vec::new(),
            ahead: HashMap::new(),
        };
        let is_sealed = matches!(access.credentials, Credentials::Kerberos);
        if let Address::Tcp { host, is_tls, .. } = address
            && (*is_tls || !is_sealed)
        {
            let configuration = connection.tls_configuration(access)?;
            if !is_tls {
                connection.start_tls()?;
            }
            let begun = connection.stream.begin_tls(host, configuration);
            begun.map_err(connection.broken("begin TLS"))?;
        }
        match (&access.credentials, address) {
            (Credentials::Anonymous, _) => {}
            (Credentials::Simple { user, password }, _) => {
                // A server takes no password for no user.
                if password.is_empty() {
                    return Err(connection.unauthentic("the password is empty".into()));
                }
                let password = password.as_bytes().to_vec().into();
                connection.bind(user, AuthenticationChoice::Simple(password))?;
            }
            (Credentials::External, _) => {
                connection.bind("", sasl("EXTERNAL", None))?;
            }
            (Credentials::Kerberos, Address::Tcp { host, is_tls, .. }) if !is_tls => {
                connection.kerberos(host)?;
            }
            (Credentials::Kerberos, _) => {
                let reason = "tickets are for ldap://, whose messages they seal; name a user";
                return Err(connection.unauthentic(reason.into()));
            }
        }
        Ok(connection)
    }

    /// The server's address.
    pub fn server(&self) -> &str {
        &self.server
    }

    fn tls_configuration(&self, access: &Access) -> Result<Arc<ClientConfig>> {
        if access.ca_file.is_none() && access.pin.is_none() {
            return Err(self.unauthentic(
                "nothing authenticates the server: name the certificates of its authority \
                 (--ldap-ca-file), or the SHA-256 of its public key (--ldap-pin)"
                    .into(),
            ));
        }
        let unusable = |error: contract::Error| self.unauthentic(error.reason);
        let known = KnownServer::new(access.ca_file.as_deref(), access.pin).map_err(unusable)?;
        let builder = ClientConfig::builder_with_provider(tls::provider())
            .with_safe_default_protocol_versions()
            .map_err(|error| self.unauthentic(error.to_string()))?;
        let verified = builder
            .dangerous()
            .with_custom_certificate_verifier(Arc::new(known));
        Ok(Arc::new(verified.with_no_client_auth()))
    }

    fn start_tls(&mut self) -> Result<()> {
        let request = ExtendedRequest {
            request_name: START_TLS.to_vec().into(),
            request_value: None,
        };
        let id = self.send(ProtocolOp::ExtendedReq(request), Vec::new())?;
        match self.receive(id)?.protocol_op {
            ProtocolOp::ExtendedResp(answer) if answer.result_code == ResultCode::Success => {
                // What came in the clear behind the answer is nobody's.
                self.buffer.clear();
                Ok(())
            }
            ProtocolOp::ExtendedResp(answer) => {
                Err(self.refused("start TLS", answer.result_code, answer.diagnostic_message.0))
            }
            other => Err(self.unexpected("an answer to StartTLS", &other)),
        }
    }

    fn bind(&mut self, name: &str, authentication: AuthenticationChoice) -> Result<BindResponse> {
        let request = BindRequest::new(3, name.into(), authentication);
        let id = self.send(ProtocolOp::BindRequest(request), Vec::new())?;
        match self.receive(id)?.protocol_op {
            ProtocolOp::BindResponse(answer) => match answer.result_code {
                ResultCode::Success | ResultCode::SaslBindInProgress => Ok(answer),
                code => Err(self.refused("log on", code, answer.diagnostic_message.0)),
            },
            other => Err(self.unexpected("an answer to the bind", &other)),
        }
    }

    /// Logs on with tickets; from then on all messages are sealed.
    fn kerberos(&mut self, host: &str) -> Result<()> {
        let server = self.server.clone();
        let failed = |error: kerberos::Error| Error::Authentication {
            server: server.clone(),
            reason: error.to_string(),
        };
        let mut exchange = kerberos::Initiator::sealing("ldap", host).map_err(failed)?;
        let mut input = Vec::new();
        let mut is_over = false;
        for _ in 0..MOST_STEPS {
            let next = exchange.step(&input).map_err(failed)?;
            let mut is_done = next.done;
            if !is_over {
                let answer = self.bind("", sasl("GSS-SPNEGO", Some(next.token)))?;
                is_over = answer.result_code == ResultCode::Success;
                input = answer.server_sasl_creds.unwrap_or_default().to_vec();
                is_done &= input.is_empty();
            }
            if is_over && is_done {
                return self.stream.seal(exchange).map_err(self.broken("seal"));
            }
        }
        Err(self.unauthentic("the exchange of tickets does not end".into()))
    }

    /// A page of an answer. With an empty cookie, the first one.
    pub fn page(&mut self, search: &Search, cookie: &[u8]) -> Result<Page> {
        let asked = self.ask_page(search, cookie)?;
        self.answer_to(asked)
    }

    /// Asks for a page, so that the server makes it while the last one is read. Its answer must be
    /// read by [`Self::answer_to`], or dropped by [`Self::forget`].
    pub fn ask_page(&mut self, search: &Search, cookie: &[u8]) -> Result<Asked> {
        let mut controls = search.controls.clone();
        if search.scope != SearchRequestScope::BaseObject {
            controls.push(controls::page(PAGE, cookie));
        }
        let attributes = search.attributes.iter().map(|name| name.as_str().into());
        let request = SearchRequest::new(
            search.base.as_str().into(),
            search.scope,
            SearchRequestDerefAliases::NeverDerefAliases,
            0,
            0,
            false,
            search.filter.clone(),
            attributes.collect(),
        );
        let id = self.send(ProtocolOp::SearchRequest(request), controls)?;
        self.ahead.insert(id, Ahead::default());
        let base = search.base.clone();
        Ok(Asked { id, base })
    }

    /// Drops the answer to a page that was asked for.
    pub fn forget(&mut self, asked: &Asked) {
        if let Some(ahead) = self.ahead.get_mut(&asked.id) {
            ahead.messages.clear();
            ahead.is_dropped = true;
        }
    }

    /// The page that was asked for.
    pub fn answer_to(&mut self, asked: Asked) -> Result<Page> {
        let page = self.read_page(&asked);
        self.ahead.remove(&asked.id);
        page
    }

    fn read_page(&mut self, asked: &Asked) -> Result<Page> {
        let Asked { id, base } = asked;
        let mut entries = Vec::new();
        let mut bytes = 0;
        loop {
            let message = self.receive(*id)?;
            match message.protocol_op {
                ProtocolOp::SearchResEntry(entry) => {
                    let values = entry
                        .attributes
                        .iter()
                        .flat_map(|attribute| attribute.vals.iter());
                    bytes += values.map(|value| value.len()).sum::<usize>();
                    if entries.len() > PAGE as usize || bytes > LARGEST_PAGE {
                        let found = format!("{} entries, {bytes} bytes", entries.len() + 1);
                        return Err(self.answer("a page", found));
                    }
                    entries.push(Sent {
                        dn: entry.object_name.0,
                        attributes: (entry.attributes.into_iter())
                            .map(|attribute| {
                                let values = attribute.vals.into_vec().into_iter();
                                let values = values.map(|value| value.to_vec());
                                (attribute.r#type.0, values.collect())
                            })
                            .collect(),
                    });
                }
                ProtocolOp::SearchResRef(_) => {}
                ProtocolOp::SearchResDone(done) if done.0.result_code == ResultCode::Success => {
                    let cookie = controls::cookie(message.controls.as_deref())
                        .map_err(|found| self.answer("a page", found))?;
                    return Ok(Page { entries, cookie });
                }
                ProtocolOp::SearchResDone(done) => {
                    let doing = format!("search {base:?}");
                    let message = done.0.diagnostic_message.0;
                    return Err(self.refused(&doing, done.0.result_code, message));
                }
                other => return Err(self.unexpected("an answer to the search", &other)),
            }
        }
    }

    /// Sends a request with one answer, and returns that.
    pub fn ask(&mut self, operation: ProtocolOp, controls: Vec<Control>) -> Result<ProtocolOp> {
        let id = self.send(operation, controls)?;
        Ok(self.receive(id)?.protocol_op)
    }

    fn send(&mut self, operation: ProtocolOp, controls: Vec<Control>) -> Result<u32> {
        self.last = self.last.checked_add(1).unwrap_or(1);
        let mut message = LdapMessage::new(self.last, operation);
        message.controls = (!controls.is_empty()).then_some(controls);
        let bytes = rasn::ber::encode(&message)
            .map(Zeroizing::new)
            .map_err(|error| self.answer("a request", error.to_string()))?;
        let sent = self
            .stream
            .write_all(&bytes)
            .and_then(|()| self.stream.flush());
        sent.map_err(self.broken("send a request"))?;
        Ok(self.last)
    }

    /// The next message that answers the request of this number.
    fn receive(&mut self, id: u32) -> Result<LdapMessage> {
        let early = self.ahead.get_mut(&id);
        if let Some(message) = early.and_then(|ahead| ahead.messages.pop_front()) {
            return Ok(message);
        }
        loop {
            let (message, length) = self.next_message()?;
            match message.message_id {
                number if number == id => return Ok(message),
                number => self.keep(number, message, length)?,
            }
        }
    }

    /// Keeps a message of another answer.
    fn keep(&mut self, number: u32, message: LdapMessage, length: usize) -> Result<()> {
        let Some(ahead) = self.ahead.get_mut(&number) else {
            return Err(self.answer("an answer to a request", format!("one to {number}")));
        };
        ahead.bytes += length;
        let is_last = matches!(message.protocol_op, ProtocolOp::SearchResDone(_));
        match ahead.is_dropped {
            true if is_last => {
                self.ahead.remove(&number);
            }
            true => {}
            false if ahead.bytes > LARGEST_PAGE => {
                let found = format!("{} bytes", ahead.bytes);
                return Err(self.answer("a page", found));
            }
            false => ahead.messages.push_back(message),
        }
        Ok(())
    }

    /// The next message, and how many bytes it had.
    fn next_message(&mut self) -> Result<(LdapMessage, usize)> {
        let length = loop {
            let length = frame::length(&self.buffer)
                .map_err(|found| self.answer("an LDAP message", found))?;
            match length {
                Some(length) if self.buffer.len() >= length => break length,
                _ => self.fill()?,
            }
        };
        let message = frame::message(self.buffer.get(..length).unwrap_or_default())
            .map_err(|found| self.answer("an LDAP message", found))?;
        self.buffer.drain(..length);
        match message.message_id {
            // The server's own word, such as that it ends the connection.
            0 => match message.protocol_op {
                ProtocolOp::ExtendedResp(notice) => Err(self.refused(
                    "notice of disconnection",
                    notice.result_code,
                    notice.diagnostic_message.0,
                )),
                other => Err(self.unexpected("a notice", &other)),
            },
            _ => Ok((message, length)),
        }
    }

    fn fill(&mut self) -> Result<()> {
        const PIECE: usize = 64 << 10;
        let old = self.buffer.len();
        self.buffer.resize(old + PIECE, 0);
        let read = self
            .stream
            .read(self.buffer.get_mut(old..).unwrap_or_default());
        self.buffer
            .truncate(old + read.as_ref().copied().unwrap_or(0));
        match read {
            Ok(0) => Err(self.broken("read the answer")(
                std::io::ErrorKind::UnexpectedEof.into(),
            )),
            Ok(_) => Ok(()),
            Err(error) => Err(self.broken("read the answer")(error)),
        }
    }

    fn broken(&self, doing: &'static str) -> impl FnOnce(std::io::Error) -> Error + use<> {
        let server = self.server.clone();
        move |error| Error::Connection {
            server,
            doing,
            error,
        }
    }

    fn unauthentic(&self, reason: String) -> Error {
        Error::Authentication {
            server: self.server.clone(),
            reason,
        }
    }

    pub(crate) fn refused(&self, doing: &str, code: ResultCode, message: String) -> Error {
        Error::Refused {
            server: self.server.clone(),
            doing: doing.to_owned(),
            code,
            // Servers end their words with a zero byte.
            message: message.trim_end_matches(['\0', '\n']).to_owned(),
        }
    }

    fn answer(&self, expected: &'static str, found: String) -> Error {
        Error::Answer {
            server: self.server.clone(),
            expected,
            found,
        }
    }

    pub(crate) fn unexpected(&self, expected: &'static str, found: &ProtocolOp) -> Error {
        let text = format!("{found:?}");
        let kind = text.split('(').next().unwrap_or_default();
        self.answer(expected, kind.to_owned())
    }
}

fn sasl(mechanism: &str, token: Option<Vec<u8>>) -> AuthenticationChoice {
    let token = token.map(Into::into);
    AuthenticationChoice::Sasl(SaslCredentials::new(mechanism.into(), token))
}
