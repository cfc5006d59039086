//! Signals to end while copies of a directory are made.
//!
//! On a signal a thread of its own removes the copies that are not complete, and ends the process
//! by that same signal.

use std::sync::Once;

use backup::leftover;

use crate::failure::{Failure, Result};
use crate::report;
use crate::signals::{self, Signal};

/// Starts to wait for signals, once; before a copy is begun.
///
/// # Errors
/// When the process cannot wait for signals.
pub fn watch() -> Result<()> {
    static STARTED: Once = Once::new();
    let mut failed = None;
    STARTED.call_once(|| failed = start().err());
    match failed {
        None => Ok(()),
        Some(error) => Err(Failure::io("wait for signals", "this process")(error)),
    }
}

/// Calls `halt` at a signal instead of ending the process: for work that ends by itself soon, and
/// well.
///
/// # Errors
/// When the process cannot wait for signals.
#[cfg_attr(windows, allow(dead_code, reason = "jobs need Unix"))]
pub fn halt_with(halt: impl Fn() + Send + 'static) -> Result<()> {
    signals::on_each(move |_| halt()).map_err(Failure::io("wait for signals", "this process"))
}

fn start() -> std::io::Result<()> {
    signals::on_each(stop)
}

/// Ends the process, unless it is about to end by itself.
fn stop(signal: Signal) {
    let Some(not_removed) = leftover::remove_all() else {
        return;
    };
    not_removed.iter().for_each(report::warn);
    signals::end_process(signal)
}
