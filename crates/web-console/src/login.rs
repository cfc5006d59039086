//! Login and logout.

use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::extract::{Extension, Form, Query, State};
use axum::http::header::{LOCATION, RETRY_AFTER, SET_COOKIE};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use maud::html;
use ring::hmac;
use serde::Deserialize;
use zeroize::Zeroizing;

use crate::console::Console;
use crate::guard::{Certificate, Peer, Tried, cookie, cookie_name};
use crate::page;
use crate::problem::Problem;
use crate::random;
use crate::text::in_address;
use crate::users::Role;

/// The cookie that belongs to the login form.
const FORM_COOKIE: &str = "dsbackup-form";

/// The page that was wanted before the login.
#[derive(Deserialize)]
pub struct Wanted {
    /// Its address.
    pub next: Option<String>,
}

/// The login form.
#[derive(Deserialize)]
pub struct Login {
    user: String,
    password: String,
    next: Option<String>,
    word: String,
}

/// Shows the form.
///
/// # Errors
/// If the system has no random bits.
pub async fn form(
    State(console): State<Arc<Console>>,
    shown: Option<Extension<Certificate>>,
    Query(wanted): Query<Wanted>,
) -> Result<Response, Problem> {
    let user = shown.and_then(|shown| user_of(&console, &shown.0));
    let user = user.as_ref().map(|(name, _)| name.as_str());
    show(&console, StatusCode::OK, wanted.next.as_deref(), user, None)
}

/// The user of a certificate, and what they may do.
fn user_of(console: &Console, shown: &Certificate) -> Option<(String, Role)> {
    let (name, role) = console.certificates.user(&shown.0)?;
    Some((name.to_owned(), role))
}

/// The form repeats a word that only this console can make for the cookie that comes with it:
/// nobody can log somebody else's browser in.
fn show(
    console: &Console,
    status: StatusCode,
    next: Option<&str>,
    user: Option<&str>,
    problem: Option<&str>,
) -> Result<Response, Problem> {
    let nonce = random::word().map_err(Problem::failed)?;
    let word = word_of(console, &nonce);
    let mut response = page::plain(
        status,
        "Log in",
        html! {
            h1 { "Log in" }
            @if let Some(problem) = problem {
                p.problem role="alert" { (problem) }
            }
            @if let Some(user) = user {
                form.login method="post" action="/login/certificate" {
                    input type="hidden" name="word" value=(word);
                    input type="hidden" name="next" value=(safe(next));
                    button.primary { "Log in as " (user) ", by certificate" }
                }
            }
            @if console.tickets.is_some() {
                p {
                    a href=(format!("/login/kerberos?next={}", in_address(safe(next)))) {
                        "Log in with Kerberos"
                    }
                }
            }
            form.login method="post" action="/login" {
                input type="hidden" name="word" value=(word);
                input type="hidden" name="next" value=(safe(next));
                label for="user" { "User" }
                input #user name="user" autocomplete="username" required autofocus;
                label for="password" { "Password" }
                input #password name="password" type="password"
                    autocomplete="current-password" required;
                button.primary { "Log in" }
            }
        },
    );
    let cookie = set_cookie(console, FORM_COOKIE, &nonce, "; Max-Age=1800");
    add(&mut response, &cookie)?;
    Ok(response)
}

fn word_of(console: &Console, nonce: &str) -> String {
    ids::hex::encode(hmac::sign(&console.form_key, nonce.as_bytes()).as_ref())
}

/// Logs in.
///
/// # Errors
/// If the form is not of this browser, and while there are too many attempts.
pub async fn log_in(
    State(console): State<Arc<Console>>,
    peer: Option<Extension<Peer>>,
    headers: HeaderMap,
    Form(mut login): Form<Login>,
) -> Result<Response, Problem> {
    let password = Zeroizing::new(std::mem::take(&mut login.password));
    let nonce = cookie(&headers, FORM_COOKIE).unwrap_or("");
    if nonce.is_empty() || !random::equal(&word_of(&console, nonce), &login.word) {
        return Err(Problem::refused(
            "the form is not of this browser: load the login page again",
        ));
    }
    let from = peer.map_or_else(String::new, |peer| peer.0.to_string());
    let user: String = login.user.chars().take(64).collect();
    let whose = [format!("user {user}"), format!("from {from}")];
    let mut response = match attempt(&console, &login.user, password, &whose).await? {
        Attempt::Wait(wait) => {
            let text = format!("Too many attempts: try again in {} s.", wait.as_secs() + 1);
            let status = StatusCode::TOO_MANY_REQUESTS;
            let mut response = show(&console, status, login.next.as_deref(), None, Some(&text))?;
            let seconds = (wait.as_secs() + 1).into();
            response.headers_mut().insert(RETRY_AFTER, seconds);
            response
        }
        Attempt::Wrong => show(
            &console,
            StatusCode::FORBIDDEN,
            login.next.as_deref(),
            None,
            Some("User or password is wrong."),
        )?,
        Attempt::Right(new) => begun(&console, &headers, &new, login.next.as_deref())?,
    };
    response.extensions_mut().insert(Tried(user));
    Ok(response)
}

/// Leads to the page that was wanted, with the cookie of a new login.
///
/// # Errors
/// If the answer cannot be made.
pub fn begun(
    console: &Console,
    headers: &HeaderMap,
    new: &str,
    next: Option<&str>,
) -> Result<Response, Problem> {
    let name = cookie_name(console);
    // Whoever had this browser before is logged out.
    if let Some(old) = cookie(headers, name) {
        console.sessions.end(old);
    }
    let next = safe(next).to_owned();
    let mut response = (StatusCode::SEE_OTHER, [(LOCATION, next)]).into_response();
    add(&mut response, &set_cookie(console, name, new, ""))?;
    Ok(response)
}

/// The form of somebody whom the browser's certificate names.
#[derive(Deserialize)]
pub struct ByCertificate {
    next: Option<String>,
    word: String,
}

/// Logs in whom the browser's certificate names.
///
/// # Errors
/// If the form is not of this browser, or nobody has the certificate.
pub async fn by_certificate(
    State(console): State<Arc<Console>>,
    shown: Option<Extension<Certificate>>,
    headers: HeaderMap,
    Form(login): Form<ByCertificate>,
) -> Result<Response, Problem> {
    let nonce = cookie(&headers, FORM_COOKIE).unwrap_or("");
    if nonce.is_empty() || !random::equal(&word_of(&console, nonce), &login.word) {
        return Err(Problem::refused(
            "the form is not of this browser: load the login page again",
        ));
    }
    let user = shown.and_then(|shown| user_of(&console, &shown.0));
    let (user, role) = user.ok_or_else(|| {
        Problem::refused("the browser shows no certificate of a user, or its time is over")
    })?;
    let new = console.sessions.begin(&user, role, Instant::now());
    let new = new.map_err(Problem::failed)?;
    let mut response = begun(&console, &headers, &new, login.next.as_deref())?;
    response.extensions_mut().insert(Tried(user));
    Ok(response)
}

enum Attempt {
    Wait(Duration),
    Wrong,
    Right(String),
}

async fn attempt(
    console: &Arc<Console>,
    user: &str,
    password: Zeroizing<String>,
    whose: &[String],
) -> Result<Attempt, Problem> {
    let wait = || console.throttle.wait(whose, Instant::now());
    if let Some(wait) = wait() {
        return Ok(Attempt::Wait(wait));
    }
    let _room = console.hashers.acquire().await.map_err(Problem::failed)?;
    // Others may have failed while this one waited.
    if let Some(wait) = wait() {
        return Ok(Attempt::Wait(wait));
    }
    let (shared, name) = (Arc::clone(console), user.to_owned());
    let check = tokio::task::spawn_blocking(move || shared.users.check(&name, &password));
    let now = Instant::now();
    match check.await.map_err(Problem::failed)? {
        None => {
            console.throttle.failed(whose, now);
            Ok(Attempt::Wrong)
        }
        Some(role) => {
            console.throttle.succeeded(whose);
            let cookie = console.sessions.begin(user, role, now);
            Ok(Attempt::Right(cookie.map_err(Problem::failed)?))
        }
    }
}

/// Logs out.
///
/// # Errors
/// If the answer cannot be made.
pub async fn log_out(
    State(console): State<Arc<Console>>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let name = cookie_name(&console);
    if let Some(cookie) = cookie(&headers, name) {
        console.sessions.end(cookie);
    }
    let mut response = (StatusCode::SEE_OTHER, [(LOCATION, "/login")]).into_response();
    add(
        &mut response,
        &set_cookie(&console, name, "", "; Max-Age=0"),
    )?;
    Ok(response)
}

/// A cookie that no script reads and no other site causes to be sent.
fn set_cookie(console: &Console, name: &str, value: &str, more: &str) -> String {
    let secure = if console.settings.has_tls() {
        "; Secure"
    } else {
        ""
    };
    format!("{name}={value}; Path=/; HttpOnly; SameSite=Strict{secure}{more}")
}

fn add(response: &mut Response, cookie: &str) -> Result<(), Problem> {
    let value = cookie.parse().map_err(Problem::failed)?;
    response.headers_mut().append(SET_COOKIE, value);
    Ok(())
}

/// A page of this console, not of another.
fn safe(next: Option<&str>) -> &str {
    let is_own = |next: &&str| {
        next.starts_with('/')
            && !next.starts_with("//")
            && next
                .bytes()
                .all(|byte| byte.is_ascii_graphic() && byte != b'\\')
    };
    next.filter(is_own).unwrap_or("/")
}

#[cfg(test)]
mod tests {
    use super::safe;

    #[test]
    fn after_the_login_comes_a_page_of_this_console() {
        assert_eq!(safe(Some("/snapshots?server=DC1")), "/snapshots?server=DC1");
        for foreign in [
            "",
            "//evil.example",
            "https://evil.example",
            "/\\evil",
            "/a\r\nb: c",
        ] {
            assert_eq!(safe(Some(foreign)), "/", "{foreign:?}");
        }
        assert_eq!(safe(None), "/");
    }
}
