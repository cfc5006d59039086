//! The messages between the directory backup service and its clients (`proto/dsbackup.proto`), and
//! the encoding of the documented codes: a code is a trailer of the gRPC status, and the status
//! message is the reason in words.
#![forbid(unsafe_code)]

pub mod content;
pub mod known_server;
pub mod tls;

use contract::{Error, ResultCode};
use tonic::{Code, Status, metadata::MetadataValue};

/// The generated messages, clients and servers.
#[allow(missing_docs, clippy::all)]
pub mod v1 {
    tonic::include_proto!("dsbackup.v1");
}

/// The trailer that carries a [`ResultCode`] as a decimal number.
const CODE_TRAILER: &str = "dsbackup-code";

/// The largest piece of a file in one message, in bytes. Larger ones leave the processor's cache
/// before they are sent.
pub const PIECE: usize = 512 << 10;

/// The status that carries a documented error to the client.
pub fn to_status(error: &Error) -> Status {
    let code = match error.code {
        ResultCode::ACCESS_DENIED => Code::PermissionDenied,
        ResultCode::INVALID_HANDLE | ResultCode::FILE_NOT_FOUND => Code::NotFound,
        ResultCode::INVALID_PARAM | ResultCode::INVALID_PARAMETER => Code::InvalidArgument,
        ResultCode::READ_VERIFY_FAILURE | ResultCode::LOG_FILE_CORRUPT => Code::DataLoss,
        _ => Code::FailedPrecondition,
    };
    let mut status = Status::new(code, &error.reason);
    status
        .metadata_mut()
        .insert(CODE_TRAILER, MetadataValue::from(error.code.0));
    status
}

/// The documented error behind a status. A status without our trailer comes from the connection
/// itself: `hrCommunicationError`.
pub fn from_status(status: &Status) -> Error {
    let code = status
        .metadata()
        .get(CODE_TRAILER)
        .and_then(|value| value.to_str().ok())
        .and_then(|text| text.parse().ok());
    match code {
        Some(code) => Error::new(ResultCode(code), status.message()),
        None => Error::new(
            ResultCode::COMMUNICATION_ERROR,
            format!(
                "the connection to the backup service broke: {}",
                status.message()
            ),
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn documented_codes_survive_the_journey() {
        let error = Error::new(
            ResultCode::CONTENTS_EXPIRED,
            "too old: naïve – use a newer one",
        );
        assert_eq!(from_status(&to_status(&error)), error);
    }

    #[test]
    fn a_broken_connection_is_a_communication_error() {
        let error = from_status(&Status::unavailable("transport error"));
        assert_eq!(error.code, ResultCode::COMMUNICATION_ERROR);
    }
}
