//! What an operation of a client does, and whether the client may do it.

use std::sync::atomic::AtomicBool;
use std::sync::{Arc, Mutex};

use objects::filter::{Filter, Matcher};
use objects::{Source, State, Wanted};
use rasn_ldap::{
    AddResponse, AuthenticationChoice, BindRequest, CompareRequest, CompareResponse, Control,
    DelResponse, ExtendedRequest, LdapMessage, ModifyDnResponse, ModifyResponse, ProtocolOp,
    ResultCode, SearchRequest, SearchRequestScope, SearchResultDone,
};

use crate::answer::{self, Refusal, START_TLS, WHO_AM_I};
use crate::limits::Limits;
use crate::password::Password;
use crate::request::Request;
use crate::search::{Pages, Search, find};
use crate::{render, root};

/// A client's state.
pub struct Session {
    source: Arc<dyn Source>,
    password: Arc<Password>,
    limits: Arc<Limits>,
    pages: Arc<Mutex<Pages>>,
    is_bound: bool,
    tls: Tls,
}

/// The encryption of a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Tls {
    /// The server has no certificate.
    Absent,
    /// Not yet encrypted; passwords are taken only if `takes_passwords`.
    Possible {
        /// Whether the connection cannot leave this machine.
        takes_passwords: bool,
    },
    /// Encrypted.
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
    /// These bytes are sent, then the connection ends.
    Close(Vec<u8>),
}

impl Session {
    /// A client that has not bound yet.
    pub fn new(
        source: Arc<dyn Source>,
        password: Arc<Password>,
        limits: Arc<Limits>,
        tls: Tls,
    ) -> Self {
        Self {
            source,
            password,
            limits,
            pages: Arc::default(),
            is_bound: false,
            tls,
        }
    }

    /// Whether the client has bound with the password.
    pub fn is_bound(&self) -> bool {
        self.is_bound
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
            ProtocolOp::BindRequest(request) => {
                let refusal = self.bind(&request);
                let is_wrong = refusal.0 == ResultCode::InvalidCredentials;
                let bytes = answer::message(id, answer::bind(refusal), Vec::new());
                match is_wrong {
                    true => Effect::Delayed(bytes),
                    false => Effect::Answer(bytes),
                }
            }
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

    fn bind(&mut self, request: &BindRequest) -> Refusal {
        // A bind that fails leaves the client anonymous (RFC 4511, 4.2.1).
        self.is_bound = false;
        if request.version != 3 {
            return Refusal::new(
                ResultCode::ProtocolError,
                "this server speaks LDAP version 3",
            );
        }
        let AuthenticationChoice::Simple(password) = &request.authentication else {
            let reason = "this server knows simple bind only";
            return Refusal::new(ResultCode::AuthMethodNotSupported, reason);
        };
        if password.is_empty() {
            return match request.name.is_empty() {
                true => Refusal::none(),
                // RFC 4513, 5.1.2: a client that meant to give a password.
                false => Refusal::new(ResultCode::UnwillingToPerform, "the password is empty"),
            };
        }
        let takes_passwords = match self.tls {
            Tls::Absent | Tls::Active => true,
            Tls::Possible { takes_passwords } => takes_passwords,
        };
        if !takes_passwords {
            let reason = "use TLS (ldaps:// or StartTLS) to send a password";
            return Refusal::new(ResultCode::ConfidentialityRequired, reason);
        }
        self.is_bound = self.password.is(password);
        match self.is_bound {
            true => Refusal::none(),
            false => Refusal::new(ResultCode::InvalidCredentials, "the password is wrong"),
        }
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
        let request = Request::new(request, controls, self.source.schema())?;
        if is_root {
            let attributes = root::attributes(&*self.source, &request, self.tls != Tls::Absent)?;
            let mut bytes = render::message(id, "", attributes);
            let done = ProtocolOp::SearchResDone(SearchResultDone(Refusal::none().result()));
            bytes.extend(answer::message(id, done, Vec::new()));
            return Ok(Effect::Answer(bytes));
        }
        Ok(Effect::Search(Box::new(Search {
            id,
            is_abandoned: Arc::new(AtomicBool::new(false)),
            source: self.source.clone(),
            request,
            pages: self.pages.clone(),
            limits: self.limits.clone(),
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
        let mut entry = match find(&*self.source, &request.entry)? {
            Some(id) => self.source.entry(id, &Wanted::only([name.as_str()]))?,
            None => None,
        };
        let Some(entry) = entry.as_mut().filter(|entry| entry.state == State::Live) else {
            return Err(Refusal::new(
                ResultCode::NoSuchObject,
                "there is no such object",
            ));
        };
        render::without_secrets(entry);
        let is_equal = Matcher::new(&*self.source).matches(&filter, entry)?;
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
                    let refusal = Refusal::new(ResultCode::OperationsError, "TLS is active");
                    Effect::Answer(with(refusal, Some(START_TLS), None))
                }
                Tls::Absent => {
                    let reason = "this server has no certificate";
                    let refusal = Refusal::new(ResultCode::Unavailable, reason);
                    Effect::Answer(with(refusal, Some(START_TLS), None))
                }
            };
        }
        if name == WHO_AM_I {
            let who: &[u8] = if self.is_bound { b"u:reader" } else { b"" };
            return Effect::Answer(with(Refusal::none(), None, Some(who.to_vec())));
        }
        // Password changes among them.
        let reason = "this server only reads";
        let refusal = Refusal::new(ResultCode::UnwillingToPerform, reason);
        Effect::Answer(with(refusal, None, None))
    }

    fn check_bound(&self) -> Result<(), Refusal> {
        match self.is_bound {
            true => Ok(()),
            // As Active Directory answers.
            false => Err(Refusal::new(
                ResultCode::OperationsError,
                "bind first: without the password only the rootDSE can be read",
            )),
        }
    }
}
