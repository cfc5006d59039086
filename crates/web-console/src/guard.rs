//! What every request passes: the name of the host, the login, the word of the form, the audit log,
//! the headers of the answer.

use std::fmt;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Instant;

use axum::body::{Body, Bytes, to_bytes};
use axum::extract::{Request, State};
use axum::http::header::{
    CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, COOKIE, HOST, HeaderName, HeaderValue,
    LOCATION, ORIGIN, REFERRER_POLICY, STRICT_TRANSPORT_SECURITY, X_CONTENT_TYPE_OPTIONS,
};
use axum::http::{HeaderMap, Method, StatusCode};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use rustls::pki_types::CertificateDer;

use crate::audit::Action;
use crate::console::Console;
use crate::problem::Problem;
use crate::random;
use crate::session::Session;
use crate::text::in_address;
use crate::users::Role;

/// The longest form, in bytes, also of somebody who is not logged in.
pub const LONGEST_FORM: usize = 64 << 10;

/// Nothing comes from elsewhere, and no page holds a script or a style of its own.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; \
     connect-src 'self'; form-action 'self'; frame-ancestors 'none'; base-uri 'none'";

/// Whoever sends a request, after the guard let it pass.
#[derive(Debug, Clone)]
pub struct Visitor {
    /// The login.
    pub session: Arc<Session>,
}

impl Visitor {
    /// Whether they may start work.
    pub fn may_operate(&self) -> bool {
        self.session.role == Role::Operate
    }
}

/// The other end of a connection. The listener adds it to each request.
#[derive(Debug, Clone)]
pub enum Peer {
    /// A computer.
    Address(IpAddr),
    /// A user of this computer, over the Unix socket.
    Local(u32),
}

impl fmt::Display for Peer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Address(address) => address.fmt(f),
            Self::Local(uid) => write!(f, "uid {uid}"),
        }
    }
}

/// The action that an answer reports, for the audit log. A `GET` is recorded only with this.
#[derive(Debug, Clone)]
pub struct Done(pub String);

/// The user that a login was tried for, for the audit log.
#[derive(Debug, Clone)]
pub struct Tried(pub String);

/// The certificate that a browser showed in its handshake. The listener adds it to each request.
#[derive(Debug, Clone)]
pub struct Certificate(pub Arc<CertificateDer<'static>>);

/// Whether a page is shown to those who are not logged in.
fn is_public(path: &str) -> bool {
    is_login(path) || path.starts_with("/assets/")
}

/// Whether a page is there to log in. Its form has a word of its own.
fn is_login(path: &str) -> bool {
    matches!(path, "/login" | "/login/certificate" | "/login/kerberos")
}

/// A request, as the audit log names it.
struct Call {
    method: Method,
    path: String,
    /// The other end of the connection.
    from: String,
    session: Option<Arc<Session>>,
}

/// Lets a request pass to the pages, or refuses it. An action leaves a line either way.
pub async fn guard(State(console): State<Arc<Console>>, request: Request, next: Next) -> Response {
    let peer = request.extensions().get::<Peer>();
    let call = Call {
        method: request.method().clone(),
        path: request.uri().path().to_owned(),
        from: peer.map_or_else(String::new, ToString::to_string),
        session: cookie(request.headers(), cookie_name(&console))
            .and_then(|cookie| console.sessions.find(cookie, Instant::now())),
    };
    let mut response = match checked(&console, request, &call, next).await {
        Ok(response) => response,
        Err(problem) => problem.into_response(),
    };
    record(&console, &call, &response);
    add_headers(&console, response.headers_mut());
    response
}

async fn checked(
    console: &Console,
    mut request: Request,
    call: &Call,
    next: Next,
) -> Result<Response, Problem> {
    check_host(console, request.headers())?;
    let is_action = match call.method {
        Method::GET | Method::HEAD => false,
        Method::POST => true,
        _ => {
            return Err(Problem {
                status: StatusCode::METHOD_NOT_ALLOWED,
                text: "only GET and POST are understood".into(),
            });
        }
    };
    if is_action {
        check_origin(request.headers())?;
        if !console.audit.works() {
            return Err(Problem {
                status: StatusCode::SERVICE_UNAVAILABLE,
                text: "the audit log cannot be written, and what cannot be recorded is refused; \
                       see the console's own log"
                    .into(),
            });
        }
    }
    match &call.session {
        None if is_public(&call.path) => {}
        None => return Ok(to_login(&request)),
        Some(session) => {
            if is_action && !is_login(&call.path) {
                request = with_word(request, session).await?;
                if session.role == Role::View && call.path != "/logout" {
                    return Err(Problem::refused(
                        "this user may look, but not act: the file of users says view",
                    ));
                }
            }
            let session = Arc::clone(session);
            request.extensions_mut().insert(Visitor { session });
        }
    }
    Ok(next.run(request).await)
}

/// Writes the line of an action, whatever came of it.
fn record(console: &Console, call: &Call, response: &Response) {
    let done = response.extensions().get::<Done>();
    if call.method != Method::POST && done.is_none() {
        return;
    }
    let tried = response.extensions().get::<Tried>();
    let known = call.session.as_ref().map(|session| session.user.as_str());
    let user = tried.map(|tried| tried.0.as_str()).or(known);
    let status = response.status();
    let failed = status.is_client_error() || status.is_server_error();
    console.audit.write(Action {
        user: user.unwrap_or(""),
        from: &call.from,
        call: &format!("{} {}", call.method, call.path),
        what: done.map_or("", |done| &done.0),
        result: match failed {
            true => status.canonical_reason().unwrap_or("failed"),
            false => "ok",
        },
    });
}

/// Refuses names that are not ours: a foreign page whose name was made to lead here (DNS
/// rebinding) has such a one.
fn check_host(console: &Console, headers: &HeaderMap) -> Result<(), Problem> {
    let mut hosts = headers.get_all(HOST).iter();
    let host = match (hosts.next(), hosts.next()) {
        (Some(host), None) => host.to_str().unwrap_or(""),
        _ => "",
    };
    let name = without_port(host).to_ascii_lowercase();
    let own = console.settings.listen.map(|address| address.ip());
    let parsed = name.trim_matches(['[', ']']).parse::<IpAddr>().ok();
    let known = name == "localhost"
        || parsed.is_some_and(|address| address.is_loopback() || Some(address) == own)
        || (console.settings.names.iter()).any(|known| known.eq_ignore_ascii_case(&name));
    match known {
        true => Ok(()),
        false => Err(Problem {
            status: StatusCode::MISDIRECTED_REQUEST,
            text: format!(
                "this console is not {name:?}: if it is, add it to names in [console] of the \
                 configuration"
            ),
        }),
    }
}

fn without_port(host: &str) -> &str {
    let port_at = match host.rfind(']') {
        Some(end) => host[end..].find(':').map(|at| end + at),
        None => host.rfind(':'),
    };
    &host[..port_at.unwrap_or(host.len())]
}

/// Refuses forms of other sites, as far as the browser names them.
fn check_origin(headers: &HeaderMap) -> Result<(), Problem> {
    let text = |name: HeaderName| headers.get(name).map(|value| value.to_str().unwrap_or("?"));
    let site = text(HeaderName::from_static("sec-fetch-site"));
    let foreign_site = site.is_some_and(|site| !matches!(site, "same-origin" | "none"));
    let host = text(HOST).unwrap_or("");
    let foreign_origin = text(ORIGIN).is_some_and(|origin| {
        origin.split_once("://").map(|(_, authority)| authority) != Some(host)
    });
    match foreign_site || foreign_origin {
        true => Err(Problem::refused("the form is of another site")),
        false => Ok(()),
    }
}

/// Checks the word that a form repeats, in a header or in its field `csrf`.
async fn with_word(request: Request, session: &Session) -> Result<Request, Problem> {
    let (parts, body) = request.into_parts();
    let body: Bytes = to_bytes(body, LONGEST_FORM).await.map_err(|_| Problem {
        status: StatusCode::PAYLOAD_TOO_LARGE,
        text: format!("a form has at most {LONGEST_FORM} bytes"),
    })?;
    let header = parts.headers.get("x-csrf-token");
    let word = match header.map(|value| value.to_str().unwrap_or("")) {
        Some(word) => word.to_owned(),
        None => field(&body, "csrf").unwrap_or_default(),
    };
    match random::equal(&word, &session.csrf) {
        true => Ok(Request::from_parts(parts, Body::from(body))),
        false => Err(Problem::refused(
            "the form is not of this login: load the page again, and send it once more",
        )),
    }
}

/// A field of a form without characters that are escaped.
fn field(body: &[u8], name: &str) -> Option<String> {
    let text = std::str::from_utf8(body).ok()?;
    let mut fields = text.split('&').filter_map(|field| field.split_once('='));
    let (_, value) = fields.find(|(key, _)| *key == name)?;
    Some(value.to_owned())
}

/// The cookie of a login. With TLS the prefix binds it to this host and to TLS.
pub fn cookie_name(console: &Console) -> &'static str {
    match console.settings.has_tls() {
        true => "__Host-dsbackup",
        false => "dsbackup",
    }
}

/// A cookie of a request.
pub fn cookie<'h>(headers: &'h HeaderMap, name: &str) -> Option<&'h str> {
    let lines = headers.get_all(COOKIE).iter();
    let pairs = lines.flat_map(|line| line.to_str().unwrap_or("").split(';'));
    let mut named = pairs.filter_map(|pair| pair.trim().split_once('='));
    named.find(|(key, _)| *key == name).map(|(_, value)| value)
}

/// Sends somebody who is not logged in to the login.
fn to_login(request: &Request) -> Response {
    if request.headers().contains_key("hx-request") {
        return (
            StatusCode::UNAUTHORIZED,
            [(HeaderName::from_static("hx-redirect"), "/login")],
        )
            .into_response();
    }
    if request.method() == Method::POST {
        return Problem {
            status: StatusCode::UNAUTHORIZED,
            text: "nobody is logged in: the login has ended, or never began".into(),
        }
        .into_response();
    }
    let wanted = request.uri().path_and_query();
    let wanted = wanted.map_or("/", |wanted| wanted.as_str());
    let address = format!("/login?next={}", in_address(wanted));
    (StatusCode::SEE_OTHER, [(LOCATION, address)]).into_response()
}

fn add_headers(console: &Console, headers: &mut HeaderMap) {
    let mut set = |name: HeaderName, value: &'static str| {
        headers.insert(name, HeaderValue::from_static(value));
    };
    set(CONTENT_SECURITY_POLICY, POLICY);
    set(X_CONTENT_TYPE_OPTIONS, "nosniff");
    set(REFERRER_POLICY, "same-origin");
    set(
        HeaderName::from_static("cross-origin-opener-policy"),
        "same-origin",
    );
    set(
        HeaderName::from_static("cross-origin-resource-policy"),
        "same-origin",
    );
    if console.settings.has_tls() {
        set(STRICT_TRANSPORT_SECURITY, "max-age=31536000");
    }
    if !headers.contains_key(CACHE_CONTROL) {
        headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    }
    if !headers.contains_key(CONTENT_TYPE) {
        let plain = HeaderValue::from_static("text/plain; charset=utf-8");
        headers.insert(CONTENT_TYPE, plain);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_host_is_named_with_or_without_port() {
        for (host, name) in [
            ("localhost", "localhost"),
            ("localhost:7480", "localhost"),
            ("[::1]:7480", "[::1]"),
            ("[::1]", "[::1]"),
            ("127.0.0.1:1", "127.0.0.1"),
            ("", ""),
        ] {
            assert_eq!(without_port(host), name);
        }
    }

    #[test]
    fn a_cookie_is_found_among_others() {
        let mut headers = HeaderMap::new();
        headers.append(COOKIE, HeaderValue::from_static("a=1; dsbackup=2"));
        headers.append(COOKIE, HeaderValue::from_static("b=3"));
        assert_eq!(cookie(&headers, "dsbackup"), Some("2"));
        assert_eq!(cookie(&headers, "b"), Some("3"));
        assert_eq!(cookie(&headers, "backup"), None);
    }
}
