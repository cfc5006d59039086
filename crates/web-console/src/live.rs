//! Live progress: a part of a page, and the events that fill it.

use std::convert::Infallible;
use std::future::Future;
use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::http::HeaderValue;
use axum::http::header::CACHE_CONTROL;
use axum::response::sse::{Event, KeepAlive, Sse};
use axum::response::{IntoResponse, Response};
use maud::{Markup, html};
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;

use crate::console::Console;
use crate::guard::Visitor;
use crate::session::Session;
use crate::text::{label, plain};

/// The time between two looks whether a login's time is over.
const LOOK: Duration = Duration::from_secs(5);

/// The part of a page that follows `events`, which are about `what`. At their end the page is loaded again; `title`
/// stands above.
pub fn section(what: &str, events: &str, title: Markup) -> Markup {
    html! {
        section.panel aria-label=(format!("Progress of {}", label(what))) data-events=(events) {
            (title)
            progress aria-label="Bytes done" max="1" hidden {}
            noscript { p { a href="" { "Look again" } } }
            ol.lines data-lines tabindex="0" aria-label="Steps" {}
        }
    }
}

/// A browser that goes away.
pub struct Gone;

/// Whoever follows.
pub struct Follower(mpsc::Sender<Result<Event, Infallible>>);

impl Follower {
    async fn send(&self, kind: &str, data: &str) -> Result<(), Gone> {
        // Line breaks would be fields of their own.
        let data = data.replace(['\r', '\n'], " ");
        let event = Event::default().event(kind).data(data);
        self.0.send(Ok(event)).await.map_err(|_| Gone)
    }

    /// A line that was said.
    pub async fn line(&self, text: &str) -> Result<(), Gone> {
        self.send("line", &plain(text)).await
    }

    /// The bytes done, where the total is known.
    pub async fn progress(&self, done: u64, total: u64) -> Result<(), Gone> {
        match total {
            0 => Ok(()),
            _ => self.send("progress", &format!("{done} {total}")).await,
        }
    }

    /// The end. Browsers drop an event without data.
    pub async fn end(&self) -> Result<(), Gone> {
        self.send("end", "ended").await
    }

    /// Returns when the browser has gone away.
    pub async fn gone(&self) {
        self.0.closed().await;
    }
}

/// Answers with server-sent events: `line` for each line, `progress` with the bytes done and in total, `end`. They end
/// when the browser goes away, `tell` has told everything, or the login ends.
pub fn events<F>(
    console: Arc<Console>,
    visitor: Visitor,
    tell: impl FnOnce(Follower) -> F,
) -> Response
where
    F: Future<Output = Result<(), Gone>> + Send + 'static,
{
    let (send, receive) = mpsc::channel(16);
    let told = tell(Follower(send));
    tokio::spawn(async move {
        tokio::select! {
            _ = told => (),
            () = logged_out(&console, &visitor.session) => (),
        }
    });
    let events = Sse::new(ReceiverStream::new(receive));
    let mut response = events.keep_alive(KeepAlive::default()).into_response();
    // As every page: no browser keeps it.
    let headers = response.headers_mut();
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

/// Returns when a login has ended, or its time is over.
async fn logged_out(console: &Console, session: &Session) {
    while console.sessions.is_open(session, Instant::now()) {
        tokio::select! {
            () = session.over() => return,
            () = tokio::time::sleep(LOOK) => (),
        }
    }
}
