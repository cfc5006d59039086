//! What an operation of a client does, and whether the client may do it.

use std::sync::atomic::AtomicBool;
use std::sync::{Arc, Mutex};

use objects::Wanted;
use objects::filter::{Filter, Matcher};
use rasn_ldap::{
    AddResponse, AuthenticationChoice, BindRequest, CompareRequest, CompareResponse, Control,
    DelResponse, ExtendedRequest, LdapMessage, ModifyDnResponse, ModifyResponse, ProtocolOp,
    ResultCode, SaslCredentials, SearchRequest, SearchRequestScope, SearchResultDone,
};

use crate::answer::{self, Refusal, START_TLS, WHO_AM_I};
use crate::request::Request;
use crate::sasl::{Bound, Exchange, Progress};
use crate::search::{Pages, Search, find};
use crate::served::Served;
use crate::{render, root, sasl};

/// A client's state.
pub struct Session {
    served: Arc<Served>,
    pages: Arc<Mutex<Pages>>,
    /// The client, once it has bound.
    who: Option<String>,
    /// A bind that needs further messages.
    exchange: Option<Exchange>,
    tls: Tls,
}

/// The encryption of a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Tls {
    /// The server has no certificate; passwords are taken only if `takes_passwords`.
    Absent {
        /// Whether the connection cannot leave this machine.
        takes_passwords: bool,
    },
    /// Not yet encrypted; passwords are taken only if `takes_passwords`.
    Possible {
        /// Whether the connection cannot leave this machine.
        takes_passwords: bool,
    },
    /// Encrypted, or sealed by an exchange of tickets.
    Active,
}

/// What a message leads to.
pub enum Effect {
    /// These bytes are sent.
    Answer(Vec<u8>),
    /// These bytes are sent, after a pause: the password was wrong.
    Delayed(Vec<u8>),
    /// A search runs.
    Search(Box<Search>),
    /// The operation with this number is abandoned.
    Abandon(u32),
    /// These bytes are sent, then TLS begins.
    StartTls(Vec<u8>),
    /// These bytes are sent, then all messages are sealed.
    Seal(Vec<u8>, Box<Bound>),
    /// These bytes are sent, then the connection ends.
    Close(Vec<u8>),
}

impl Session {
    /// A client that has not bound yet.
    pub fn new(served: Arc<Served>, tls: Tls) -> Self {
        Self {
            pages: Arc::new(Mutex::new(Pages::new(served.paged.clone()))),
            served,
            who: None,
            exchange: None,
            tls,
        }
    }

    /// Whether the client has bound with the password.
    pub fn is_bound(&self) -> bool {
        self.who.is_some()
    }

    /// Handles one message.
    pub fn take(&mut self, bytes: &[u8]) -> Effect {
        let Ok(message) = rasn::ber::decode::<LdapMessage>(bytes) else {
            return Effect::Close(answer::disconnection("the message is malformed"));
        };
        let id = message.message_id;
        let controls = message.controls.unwrap_or_default();
        let with = |op| Effect::Answer(answer::message(id, op, Vec::new()));
        let read_only = || {
            let reason = "this directory is a backup: it can only be read";
            Refusal::new(ResultCode::UnwillingToPerform, reason).result()
        };
        match message.protocol_op {
            ProtocolOp::BindRequest(request) => self.bind(id, &request),
            ProtocolOp::UnbindRequest(_) => Effect::Close(Vec::new()),
            ProtocolOp::AbandonRequest(request) => Effect::Abandon(request.0),
            ProtocolOp::SearchRequest(request) => match self.search(id, request, controls) {
                Ok(effect) => effect,
                Err(refusal) => with(ProtocolOp::SearchResDone(SearchResultDone(
                    refusal.result(),
                ))),
            },
            ProtocolOp::CompareRequest(request) => {
                let refusal = self
                    .compare(request, &controls)
                    .unwrap_or_else(|refusal| refusal);
                with(ProtocolOp::CompareResponse(CompareResponse(
                    refusal.result(),
                )))
            }
            ProtocolOp::ExtendedReq(request) => self.extended(id, &request),
            ProtocolOp::ModifyRequest(_) => {
                with(ProtocolOp::ModifyResponse(ModifyResponse(read_only())))
            }
            ProtocolOp::AddRequest(_) => with(ProtocolOp::AddResponse(AddResponse(read_only()))),
            ProtocolOp::DelRequest(_) => with(ProtocolOp::DelResponse(DelResponse(read_only()))),
            ProtocolOp::ModDnRequest(_) => {
                with(ProtocolOp::ModDnResponse(ModifyDnResponse(read_only())))
            }
            _ => Effect::Close(answer::disconnection("the message is no request")),
        }
    }

    fn bind(&mut self, id: u32, request: &BindRequest) -> Effect {
        let with = |refusal, token| answer::message(id, answer::bind(refusal, token), Vec::new());
        // A bind that fails leaves the client anonymous (RFC 4511, 4.2.1).
        self.who = None;
        let exchange = self.exchange.take();
        let refusal = match &request.authentication {
            _ if request.version != 3 => {
                let reason = "this server speaks LDAP version 3";
                Refusal::new(ResultCode::ProtocolError, reason)
            }
            AuthenticationChoice::Simple(password) => self.simple_bind(request, password),
            AuthenticationChoice::Sasl(sasl) => match self.sasl_bind(sasl, exchange) {
                Ok(Progress::More(token)) => {
                    let more = Refusal(ResultCode::SaslBindInProgress, String::new());
                    return Effect::Answer(with(more, Some(token)));
                }
                Ok(Progress::Done(token, bound)) => {
                    let token = (!token.is_empty()).then_some(token);
                    return Effect::Seal(with(Refusal::none(), token), bound);
                }
                Err(refusal) => refusal,
            },
            _ => {
                let reason = "this server knows no such bind";
                Refusal::new(ResultCode::AuthMethodNotSupported, reason)
            }
        };
        match refusal.0 {
            ResultCode::InvalidCredentials => Effect::Delayed(with(refusal, None)),
            _ => Effect::Answer(with(refusal, None)),
        }
    }

    fn simple_bind(&mut self, request: &BindRequest, password: &[u8]) -> Refusal {
        if password.is_empty() {
            return match request.name.is_empty() {
                true => Refusal::none(),
                // RFC 4513, 5.1.2: a client that meant to give a password.
                false => Refusal::new(ResultCode::UnwillingToPerform, "the password is empty"),
            };
        }
        let takes_passwords = match self.tls {
            Tls::Active => true,
            Tls::Absent { takes_passwords } | Tls::Possible { takes_passwords } => takes_passwords,
        };
        if !takes_passwords {
            let reason = "use TLS (ldaps:// or StartTLS) to send a password";
            return Refusal::new(ResultCode::ConfidentialityRequired, reason);
        }
        if !self.served.password.is(password) {
            return Refusal::new(ResultCode::InvalidCredentials, "the password is wrong");
        }
        self.who = Some("reader".into());
        Refusal::none()
    }

    fn sasl_bind(
        &mut self,
        sasl: &SaslCredentials,
        exchange: Option<Exchange>,
    ) -> Result<Progress, Refusal> {
        let unknown = |reason| Refusal::new(ResultCode::AuthMethodNotSupported, reason);
        let failed = |error: kerberos::Error| {
            Refusal::new(ResultCode::InvalidCredentials, error.to_string())
        };
        let tickets = self.served.tickets.as_ref();
        let tickets = tickets.ok_or_else(|| unknown("this server knows simple bind only"))?;
        if self.tls == Tls::Active {
            let reason = "the connection is encrypted already: bind with the password";
            return Err(unknown(reason));
        }
        let exchange = match exchange {
            Some(exchange) => exchange,
            None => {
                let exchange = tickets.begin(&sasl.mechanism.0);
                let exchange = exchange.ok_or_else(|| unknown("the mechanism is unknown here"))?;
                exchange.map_err(failed)?
            }
        };
        let message = sasl.credentials.as_deref().unwrap_or_default();
        let (progress, exchange) = exchange.step(message).map_err(failed)?;
        self.exchange = exchange;
        if let Progress::Done(_, bound) = &progress {
            let who = &bound.client.principal;
            if !tickets.admits(&bound.client) {
                let reason = format!("{who} may not read this directory: see --allow");
                return Err(Refusal::new(ResultCode::InvalidCredentials, reason));
            }
            self.who = Some(who.clone());
            self.tls = Tls::Active;
        }
        Ok(progress)
    }

    fn search(
        &self,
        id: u32,
        request: SearchRequest,
        controls: Vec<Control>,
    ) -> Result<Effect, Refusal> {
        let is_root =
            request.base_object.is_empty() && request.scope == SearchRequestScope::BaseObject;
        if !is_root {
            self.check_bound()?;
        }
        let request = Request::new(request, controls, self.served.source.schema())?;
        if is_root {
            let has_tls = !matches!(self.tls, Tls::Absent { .. });
            let mechanisms: &[&str] = match (&self.served.tickets, self.tls) {
                (None, _) | (_, Tls::Active) => &[],
                _ => &sasl::MECHANISMS,
            };
            let source = &*self.served.source;
            let attributes = root::attributes(source, &request, has_tls, mechanisms)?;
            let mut bytes = render::message(id, "", attributes);
            let done = ProtocolOp::SearchResDone(SearchResultDone(Refusal::none().result()));
            bytes.extend(answer::message(id, done, Vec::new()));
            return Ok(Effect::Answer(bytes));
        }
        Ok(Effect::Search(Box::new(Search {
            id,
            is_abandoned: Arc::new(AtomicBool::new(false)),
            request,
            pages: self.pages.clone(),
            served: self.served.clone(),
        })))
    }

    fn compare(&self, request: CompareRequest, controls: &[Control]) -> Result<Refusal, Refusal> {
        self.check_bound()?;
        if controls.iter().any(|control| control.criticality) {
            let reason = "this server knows no critical controls of compare";
            return Err(Refusal::new(
                ResultCode::UnavailableCriticalExtension,
                reason,
            ));
        }
        let name = request.ava.attribute_desc.0;
        let filter = Filter::Equal(name.clone(), request.ava.assertion_value.to_vec());
        let mut entry = match find(&*self.served.source, &request.entry)? {
            Some(id) => self
                .served
                .source
                .entry(id, &Wanted::only([name.as_str()]))?,
            None => None,
        };
        let Some(entry) = entry.as_mut().filter(|entry| !entry.is_hidden) else {
            return Err(Refusal::new(
                ResultCode::NoSuchObject,
                "there is no such object",
            ));
        };
        render::without_secrets(entry);
        let is_equal = Matcher::new(&*self.served.source).matches(&filter, entry)?;
        let code = match is_equal {
            true => ResultCode::CompareTrue,
            false => ResultCode::CompareFalse,
        };
        Ok(Refusal::new(code, ""))
    }

    fn extended(&self, id: u32, request: &ExtendedRequest) -> Effect {
        let name = &*request.request_name;
        let with = |refusal, name, value| {
            answer::message(id, answer::extended(refusal, name, value), Vec::new())
        };
        if name == START_TLS {
            return match self.tls {
                Tls::Possible { .. } => {
                    Effect::StartTls(with(Refusal::none(), Some(START_TLS), None))
                }
                Tls::Active => {
                    let reason = "the connection is encrypted already";
                    let refusal = Refusal::new(ResultCode::OperationsError, reason);
                    Effect::Answer(with(refusal, Some(START_TLS), None))
                }
                Tls::Absent { .. } => {
                    let reason = "this server has no certificate";
                    let refusal = Refusal::new(ResultCode::Unavailable, reason);
                    Effect::Answer(with(refusal, Some(START_TLS), None))
                }
            };
        }
        if name == WHO_AM_I {
            let who = self
                .who
                .iter()
                .map(|who| format!("u:{who}"))
                .collect::<String>();
            return Effect::Answer(with(Refusal::none(), None, Some(who.into_bytes())));
        }
        // Password changes among them.
        let reason = "this server only reads";
        let refusal = Refusal::new(ResultCode::UnwillingToPerform, reason);
        Effect::Answer(with(refusal, None, None))
    }

    fn check_bound(&self) -> Result<(), Refusal> {
        match self.who {
            Some(_) => Ok(()),
            // As Active Directory answers.
            None => Err(Refusal::new(
                ResultCode::OperationsError,
                "bind first: without the password only the rootDSE can be read",
            )),
        }
    }
}
