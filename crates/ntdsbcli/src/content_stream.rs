//! The answer to HrRBackupRead, read as it arrives. The generic gRPC decoder would copy every
//! message into a buffer of its own.

use http::HeaderMap;
use http_body_util::BodyExt;
use prost::Message;
use prost::bytes::Bytes;
use tonic::body::Body;
use tonic::transport::Channel;
use tonic::{Response, Status};
use tower::ServiceExt;
use wire::content::Reader;
use wire::v1::{ContextRequest, FileContent};

/// The stream of a file's content.
pub(crate) struct ContentStream {
    body: Body,
    reader: Reader,
    /// Bytes that have arrived and are not decoded yet.
    part: Bytes,
}

impl ContentStream {
    /// Calls HrRBackupRead.
    pub(crate) async fn begin(
        channel: Channel,
        request: &ContextRequest,
    ) -> Result<Response<Self>, Status> {
        let message = request.encode_to_vec();
        let length = (message.len() as u32).to_be_bytes();
        let message = [&[0], length.as_slice(), &message].concat();
        let body = Body::new(http_body_util::Full::new(Bytes::from(message)));
        let request = http::Request::post("/dsbackup.v1.ad_backup/HrRBackupRead")
            .header(http::header::TE, "trailers")
            .header(http::header::CONTENT_TYPE, "application/grpc")
            .body(body)
            .map_err(|error| Status::internal(error.to_string()))?;
        let broken = |error| Status::from_error(Box::new(error));
        let response = channel.oneshot(request).await.map_err(broken)?;
        if response.status() != http::StatusCode::OK {
            return Err(Status::unknown(format!(
                "HTTP status {}",
                response.status()
            )));
        }
        // A failed call has no body, and its status in the headers.
        if let Some(status) = Status::from_header_map(response.headers()) {
            return Err(status);
        }
        Ok(Response::new(Self {
            body: response.into_body(),
            reader: Reader::default(),
            part: Bytes::new(),
        }))
    }

    /// The next bytes of the file, or its end; `None` after that.
    pub(crate) async fn next(&mut self) -> Result<Option<FileContent>, Status> {
        loop {
            let content = self.reader.next(&mut self.part);
            if let Some(content) = content.map_err(|error| wire::to_status(&error))? {
                return Ok(Some(content));
            }
            let Some(frame) = self.body.frame().await else {
                return Err(Status::unknown("the answer broke off"));
            };
            match frame?.into_data() {
                Ok(data) => self.part = data,
                Err(frame) => {
                    let trailers = frame.into_trailers().unwrap_or_default();
                    return self.end(&trailers);
                }
            }
        }
    }

    fn end(&mut self, trailers: &HeaderMap) -> Result<Option<FileContent>, Status> {
        let status = Status::from_header_map(trailers)
            .unwrap_or_else(|| Status::unknown("the answer ended without a status"));
        if status.code() != tonic::Code::Ok {
            return Err(status);
        }
        let whole = self.reader.finish();
        whole
            .map(|()| None)
            .map_err(|error| wire::to_status(&error))
    }
}
