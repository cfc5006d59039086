//! Messages to the client.

use rasn::types::OctetString;
use rasn_ldap::{
    BindResponse, Control, ExtendedResponse, LdapMessage, LdapResult, ProtocolOp, ResultCode,
};

/// StartTLS (RFC 4511, 4.14).
pub const START_TLS: &[u8] = b"1.3.6.1.4.1.1466.20037";
/// "Who am I?" (RFC 4532).
pub const WHO_AM_I: &[u8] = b"1.3.6.1.4.1.4203.1.11.3";
const DISCONNECTION: &[u8] = b"1.3.6.1.4.1.1466.20036";

/// The end of an operation, with a reason if it failed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal(pub ResultCode, pub String);

impl Refusal {
    /// A refusal for this reason.
    pub fn new(code: ResultCode, reason: impl Into<String>) -> Self {
        Self(code, reason.into())
    }

    /// Success.
    pub fn none() -> Self {
        Self(ResultCode::Success, String::new())
    }

    /// The result of an operation.
    pub fn result(self) -> LdapResult {
        LdapResult::new(self.0, "".into(), self.1.into())
    }
}

/// A search or compare failed because the directory is damaged.
impl From<objects::Error> for Refusal {
    fn from(error: objects::Error) -> Self {
        Self(ResultCode::Other, error.to_string())
    }
}

/// The bytes of a message.
pub fn message(id: u32, op: ProtocolOp, controls: Vec<Control>) -> Vec<u8> {
    let mut message = LdapMessage::new(id, op);
    message.controls = (!controls.is_empty()).then_some(controls);
    // Strings and octets can always be written.
    rasn::ber::encode(&message).unwrap_or_default()
}

/// The answer to a bind.
pub fn bind(refusal: Refusal, token: Option<Vec<u8>>) -> ProtocolOp {
    let Refusal(code, reason) = refusal;
    ProtocolOp::BindResponse(BindResponse::new(
        code,
        "".into(),
        reason.into(),
        None,
        token.map(OctetString::from),
    ))
}

/// The answer to an extended operation.
pub fn extended(refusal: Refusal, name: Option<&[u8]>, value: Option<Vec<u8>>) -> ProtocolOp {
    let Refusal(result_code, reason) = refusal;
    ProtocolOp::ExtendedResp(ExtendedResponse {
        result_code,
        matched_dn: "".into(),
        diagnostic_message: reason.into(),
        referral: None,
        response_name: name.map(|name| OctetString::from(name.to_vec())),
        response_value: value.map(OctetString::from),
    })
}

/// The notice before the server closes a connection.
pub fn disconnection(reason: &str) -> Vec<u8> {
    let refusal = Refusal::new(ResultCode::ProtocolError, reason);
    message(0, extended(refusal, Some(DISCONNECTION), None), Vec::new())
}
