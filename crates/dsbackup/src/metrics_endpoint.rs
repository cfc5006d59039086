//! `/metrics` beside the service: the status of backup jobs for Prometheus, over HTTP.
//!
//! The status is determined in the background, so that no request waits for a repository. What is
//! served holds no secret; it tells its own time (`dsbackup_status_timestamp_seconds`).

use std::convert::Infallible;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use http_body_util::Full;
use hyper::body::{Bytes, Incoming};
use hyper::header::{CONTENT_TYPE, HeaderValue};
use hyper::service::service_fn;
use hyper::{Method, Request, Response, StatusCode};
use hyper_util::rt::{TokioIo, TokioTimer};
use jobs::record::StateFolder;
use service::MetricsConfiguration;
use tokio::net::TcpListener;
use tokio::sync::Semaphore;

/// The most requests at the same time. One Prometheus needs one.
const CONNECTIONS: usize = 8;

/// The longest request, in bytes.
const REQUEST: usize = 16 << 10;

/// How long a client may take for its request, and to read the answer.
const PATIENCE: Duration = Duration::from_secs(10);

/// The last status as text, or why there is none.
type Text = Arc<Mutex<Result<Bytes, String>>>;

/// Serves the metrics of the jobs in the configuration file `path`, for as long as the runtime
/// lives.
///
/// # Errors
/// If the address is not available.
pub async fn start(configuration: &MetricsConfiguration, path: PathBuf) -> std::io::Result<()> {
    let listener = TcpListener::bind(configuration.listen).await?;
    let address = listener.local_addr()?;
    tracing::info!(%address, "metrics of backup jobs are served over HTTP");
    let text: Text = Arc::new(Mutex::new(Err("not determined yet".into())));
    let state = StateFolder::at(&configuration.state_folder);
    let every = Duration::from_secs(configuration.every_s.into());
    tokio::spawn(renew(path, state, every, Arc::clone(&text)));
    tokio::spawn(accept(listener, text));
    Ok(())
}

/// Determines the status again and again.
async fn renew(path: PathBuf, state: StateFolder, every: Duration, text: Text) {
    loop {
        let (path, state) = (path.clone(), state.clone());
        let determined = tokio::task::spawn_blocking(move || determine(&path, &state)).await;
        let new = determined.unwrap_or_else(|error| Err(error.to_string()));
        if let Err(reason) = &new {
            tracing::warn!(reason, "the status of the backup jobs cannot be determined");
        }
        *text.lock().unwrap_or_else(PoisonError::into_inner) = new;
        tokio::time::sleep(every).await;
    }
}

fn determine(path: &std::path::Path, state: &StateFolder) -> Result<Bytes, String> {
    jobs::Configuration::read(path)
        .and_then(|configuration| jobs::status::status(&configuration, &[], state, &backup::Silent))
        .map(|status| jobs::metrics::text(&status).into())
        .map_err(|error| error.to_string())
}

async fn accept(listener: TcpListener, text: Text) {
    let places = Arc::new(Semaphore::new(CONNECTIONS));
    loop {
        let Ok(place) = Arc::clone(&places).acquire_owned().await else {
            return;
        };
        let Ok((stream, _)) = listener.accept().await else {
            // Too many open files, for example: others end.
            tokio::time::sleep(Duration::from_millis(100)).await;
            continue;
        };
        let text = Arc::clone(&text);
        tokio::spawn(async move {
            let answer = service_fn(move |request: Request<Incoming>| {
                let answer = answer(&request, &text);
                async move { Ok::<_, Infallible>(answer) }
            });
            let connection = hyper::server::conn::http1::Builder::new()
                .timer(TokioTimer::new())
                .header_read_timeout(PATIENCE)
                .max_buf_size(REQUEST)
                .keep_alive(false)
                .serve_connection(TokioIo::new(stream), answer);
            // A client that goes away, or talks nonsense, is nobody's concern.
            let _ = tokio::time::timeout(2 * PATIENCE, connection).await;
            drop(place);
        });
    }
}

fn answer(request: &Request<Incoming>, text: &Text) -> Response<Full<Bytes>> {
    let (status, body) = match (request.uri().path(), request.method()) {
        ("/metrics", &Method::GET | &Method::HEAD) => {
            let text = text.lock().unwrap_or_else(PoisonError::into_inner);
            match &*text {
                Ok(text) => (StatusCode::OK, text.clone()),
                Err(reason) => (
                    StatusCode::SERVICE_UNAVAILABLE,
                    format!("{reason}\n").into(),
                ),
            }
        }
        ("/metrics", _) => (StatusCode::METHOD_NOT_ALLOWED, Bytes::new()),
        _ => (StatusCode::NOT_FOUND, "only /metrics is here\n".into()),
    };
    let mut response = Response::new(Full::new(body));
    *response.status_mut() = status;
    let kind = HeaderValue::from_static("text/plain; version=0.0.4; charset=utf-8");
    response.headers_mut().insert(CONTENT_TYPE, kind);
    response
}
