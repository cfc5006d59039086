//! A transfer as the body of a response. The generic gRPC encoder copies every message into a
//! buffer of its own. The pieces of a file bypass it: they go from the memory that they were read
//! into to the connection.
//!
//! The response is generic except for its body: [`answer`] attaches the transfer to a response with
//! an empty body, and [`put_in`] swaps them on the way out.

use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, ready};

use http::HeaderMap;
use http_body::Frame;
use tokio_stream::Stream;
use tonic::body::Body;
use tonic::codegen::Bytes;
use tonic::{Response, Status};
use wire::v1::FileContent;

use crate::transfer::download::Transfer;

/// The message stream of a response whose body is put in later: empty.
pub(crate) type Elsewhere = tokio_stream::Empty<Result<FileContent, Status>>;

/// A transfer attached to a response.
#[derive(Clone)]
struct Beside(Arc<Mutex<Option<Transfer>>>);

/// A response that [`put_in`] completes.
pub(crate) fn answer(transfer: Transfer) -> Response<Elsewhere> {
    let mut response = Response::new(tokio_stream::empty());
    let beside = Beside(Arc::new(Mutex::new(Some(transfer))));
    response.extensions_mut().insert(beside);
    response
}

/// Makes an attached transfer the body of its response. Other responses stay as they are.
pub(crate) fn put_in(mut response: http::Response<Body>) -> http::Response<Body> {
    if let Some(Beside(transfer)) = response.extensions_mut().remove()
        && let Some(transfer) = transfer
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .take()
    {
        *response.body_mut() = Body::new(TransferBody {
            transfer,
            parts: Default::default(),
            over: false,
        });
    }
    response
}

struct TransferBody {
    transfer: Transfer,
    /// The rest of the current message.
    parts: std::array::IntoIter<Bytes, 3>,
    over: bool,
}

impl http_body::Body for TransferBody {
    type Data = Bytes;
    type Error = Status;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        task: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Status>>> {
        loop {
            if let Some(part) = self.parts.find(|part| !part.is_empty()) {
                return Poll::Ready(Some(Ok(Frame::data(part))));
            }
            if self.over {
                return Poll::Ready(None);
            }
            let status = match ready!(Pin::new(&mut self.transfer).poll_next(task)) {
                Some(Ok(content)) => {
                    self.parts = wire::content::parts(content).into_iter();
                    continue;
                }
                Some(Err(status)) => status,
                None => Status::ok(""),
            };
            self.over = true;
            let mut trailers = HeaderMap::new();
            let said = status.add_header(&mut trailers);
            return Poll::Ready(Some(said.map(|()| Frame::trailers(trailers))));
        }
    }
}
