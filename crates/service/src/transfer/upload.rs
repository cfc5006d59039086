//! Receives a file of a restore. Each piece is written before the next is taken, so that memory is
//! bounded and the client is slowed to the disk's speed.

use std::time::Duration;

use contract::{Error, Result, ResultCode};
use tonic::{Status, Streaming};
use wire::v1::RestoreFileContent;

use crate::audit::Visit;
use crate::calls::{Calls, blocking};
use crate::convert;

/// Receives one file and writes it to its destination.
///
/// # Errors
/// The errors of the context and the store; `hrCommunicationError` for a client that falls silent.
/// After an error the file does not exist.
pub(crate) async fn receive(
    calls: &Calls,
    visit: &mut Visit,
    mut messages: Streaming<RestoreFileContent>,
) -> Result<(), Status> {
    let patience = calls.piece_timeout;
    let first = next(&mut messages, patience).await?;
    let Some(RestoreFileContent {
        start: Some(start), ..
    }) = first
    else {
        return Err(wire::to_status(&Error::new(
            ResultCode::INVALID_PARAMETER,
            "the first message of a file must say which file it is",
        )));
    };
    visit.file(&start.name);
    // The client counts as alive while the call is under way.
    let call = calls.call(visit.caller(), &start.handle)?;
    let handle = start.handle.clone();
    let mut file = calls
        .restore(visit.caller(), &handle, move |restore, _| {
            restore.create_file(convert::restored_file(start)?)
        })
        .await?;
    let rate_limiter = calls.rate_limiter(visit.caller());
    let life = call.life();
    let mut received = 0;
    loop {
        let message = tokio::select! {
            message = next(&mut messages, patience) => message?,
            () = life.released().cancelled() => {
                let error = life.release().map(crate::sessions::life::Release::error);
                return Err(wire::to_status(&error.unwrap_or(ResultCode::INVALID_HANDLE.into())));
            }
        };
        let Some(message) = message else { break };
        life.work();
        let length = message.data.len();
        received += length as u64;
        visit.bytes(received);
        file = blocking(move || {
            file.write(&message.data)?;
            Ok(file)
        })
        .await?;
        if let Some(rate_limiter) = &rate_limiter {
            tokio::time::sleep(rate_limiter.delay_after(length)).await;
        }
    }
    blocking(move || file.finish()).await
}

async fn next(
    messages: &mut Streaming<RestoreFileContent>,
    patience: Duration,
) -> Result<Option<RestoreFileContent>, Status> {
    tokio::time::timeout(patience, messages.message())
        .await
        .unwrap_or_else(|_| {
            Err(wire::to_status(&Error::new(
                ResultCode::COMMUNICATION_ERROR,
                format!(
                    "the next piece of the file did not come within {patience:?} (piece_timeout_s)"
                ),
            )))
        })
}
