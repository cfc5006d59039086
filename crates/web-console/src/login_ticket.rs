//! The login with a Kerberos ticket (SPNEGO, RFC 4559).

use std::sync::Arc;
use std::time::Instant;

use axum::extract::{Query, State};
use axum::http::header::{AUTHORIZATION, HeaderName, HeaderValue, WWW_AUTHENTICATE};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use kerberos::Accepted;

use crate::console::Console;
use crate::guard::{Done, Tried};
use crate::login::{Wanted, begun};
use crate::problem::Problem;

/// The scheme, as headers name it.
const SCHEME: &str = "Negotiate";

/// The longest token, in characters: a ticket with thousands of groups.
const LONGEST: usize = 48 << 10;

/// Logs in the account of a ticket.
///
/// # Errors
/// If the browser has none, or the account may do nothing here.
pub async fn by_ticket(
    State(console): State<Arc<Console>>,
    Query(wanted): Query<Wanted>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    if console.tickets.is_none() {
        return Err(Problem::not_found("this console takes no tickets"));
    }
    let site = headers.get(HeaderName::from_static("sec-fetch-site"));
    if site.is_some_and(|site| site != "same-origin" && site != "none") {
        return Err(Problem::refused("another site sent the browser here"));
    }
    if !console.audit.works() {
        return Err(Problem {
            status: StatusCode::SERVICE_UNAVAILABLE,
            text: "the audit log cannot be written, and what cannot be recorded is refused".into(),
        });
    }
    let header = headers
        .get(AUTHORIZATION)
        .and_then(|value| value.to_str().ok());
    let token = header.and_then(|text| text.strip_prefix(SCHEME));
    let Some(token) = token.map(str::trim).filter(|token| !token.is_empty()) else {
        let mut response = Problem {
            status: StatusCode::UNAUTHORIZED,
            text: "the browser sent no ticket: it needs one (kinit), and must trust this address \
                   with it"
                .into(),
        }
        .into_response();
        let scheme = HeaderValue::from_static(SCHEME);
        response.headers_mut().insert(WWW_AUTHENTICATE, scheme);
        return Ok(response);
    };
    if token.len() > LONGEST {
        return Err(Problem::wrong("the token is too long"));
    }
    let token = STANDARD.decode(token);
    let token = token.map_err(|_| Problem::wrong("the token is not base64"))?;
    let shared = Arc::clone(&console);
    let step = tokio::task::spawn_blocking(move || accept(&shared, &token));
    let (accepted, answer) = step.await.map_err(Problem::failed)??;
    let tickets = console.tickets.as_ref();
    let user = tickets.and_then(|tickets| tickets.user(&accepted));
    let mut response = match user {
        None => Problem::refused(format!(
            "{}: this account may neither look nor act here: [console.kerberos] names who may",
            accepted.principal
        ))
        .into_response(),
        Some((user, role)) => {
            let new = console.sessions.begin(&user, role, Instant::now());
            let new = new.map_err(Problem::failed)?;
            begun(&console, &headers, &new, wanted.next.as_deref())?
        }
    };
    if !answer.is_empty() {
        let answer = format!("{SCHEME} {}", STANDARD.encode(answer));
        let answer = HeaderValue::from_str(&answer).map_err(Problem::failed)?;
        response.headers_mut().insert(WWW_AUTHENTICATE, answer);
    }
    response.extensions_mut().insert(Tried(accepted.principal));
    response.extensions_mut().insert(Done("Kerberos".into()));
    Ok(response)
}

/// The account of a ticket, and the answer to it. One step is all that Kerberos needs.
fn accept(console: &Console, token: &[u8]) -> Result<(Accepted, Vec<u8>), Problem> {
    let refused = |error: kerberos::Error| {
        tracing::info!(%error, "a ticket was refused");
        Problem::refused(format!("the ticket is refused: {error}"))
    };
    let tickets = console.tickets.as_ref();
    let tickets = tickets.ok_or_else(|| Problem::not_found("this console takes no tickets"))?;
    let mut exchange = tickets.acceptor.begin_apart().map_err(refused)?;
    let step = exchange.step(token).map_err(refused)?;
    let accepted = step.accepted.ok_or_else(|| {
        Problem::refused("the ticket is refused: it takes more than one step to prove it")
    })?;
    Ok((accepted, step.token))
}
