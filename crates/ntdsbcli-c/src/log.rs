//! The log of failures and their reasons, for programs that print only a code.

use std::sync::Once;

use ntdsbcli::contract::{Error, ResultCode};
use tracing_subscriber::Layer;
use tracing_subscriber::filter::{LevelFilter, Targets};
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;

/// The environment variable that enables the log on standard error: a level such as `warn` or
/// `debug`.
const VARIABLE: &str = "NTDSBCLI_LOG";

/// Logs the failure of a call.
pub(crate) fn failure(function: &'static str, error: &Error) {
    static START: Once = Once::new();
    START.call_once(start);
    if error.code == ResultCode::HANDLE_EOF {
        tracing::debug!("{function}: {error}");
    } else {
        tracing::warn!("{function}: {error}");
    }
}

fn start() {
    let Some(level) = std::env::var(VARIABLE)
        .ok()
        .filter(|level| !level.is_empty())
    else {
        return;
    };
    let levels = level
        .parse()
        .unwrap_or_else(|_| Targets::new().with_default(LevelFilter::WARN));
    let log = tracing_subscriber::fmt::layer()
        .with_writer(std::io::stderr)
        .with_ansi(false)
        .with_filter(levels);
    let started = tracing_subscriber::registry().with(log).try_init();
    // This fails only if a subscriber is set already, and then there is a log.
    drop(started);
}
