//! What a service on Windows and its clients need of the system and no safe library offers: named pipes
//! with an access list (`pipe`), the privileges of who calls through one (`caller`), the event log
//! (`event_log`). Empty on other systems.
//!
//! Every pointer that is passed points to a value that lives longer
//! than the call, and what a call allocates is freed by the function that its documentation names.

#[cfg(windows)]
pub mod caller;
#[cfg(windows)]
pub mod event_log;
#[cfg(windows)]
pub mod pipe;

/// A text for a call: UTF-16 with a zero at its end.
#[cfg(windows)]
fn wide(text: &str) -> Vec<u16> {
    text.encode_utf16().chain([0]).collect()
}
