//! SIGINT, SIGTERM and SIGHUP while copies of a directory are made.
//!
//! On a signal a thread of its own removes the copies that are not complete, and ends the process
//! by that same signal. A signal that was ignored when the process began, as with nohup, stays
//! ignored.

use std::sync::Once;

use backup::leftover;
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
use signal_hook::iterator::Signals;

use crate::failure::{Failure, Result};
use crate::report;

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
pub fn halt_with(halt: impl Fn() + Send + 'static) -> Result<()> {
    wait_for_each(move |_| halt()).map_err(Failure::io("wait for signals", "this process"))
}

fn start() -> std::io::Result<()> {
    wait_for_each(stop)
}

fn wait_for_each(heed: impl Fn(i32) + Send + 'static) -> std::io::Result<()> {
    let ignored = ignored_signals();
    let heeded = [SIGHUP, SIGINT, SIGTERM].into_iter();
    let heeded: Vec<i32> = heeded
        .filter(|signal| ignored & (1 << (signal - 1)) == 0)
        .collect();
    let mut signals = Signals::new(heeded)?;
    let wait = move || {
        for signal in signals.forever() {
            heed(signal);
        }
    };
    std::thread::Builder::new()
        .name("signals".into())
        .spawn(wait)
        .map(drop)
}

/// The signals that were ignored when the process began, bit 0 for signal 1.
fn ignored_signals() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let mask = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    mask.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok())
        .unwrap_or(0)
}

/// Ends the process, unless it is about to end by itself.
fn stop(signal: i32) {
    let Some(not_removed) = leftover::remove_all() else {
        return;
    };
    not_removed.iter().for_each(report::warn);
    // Whoever started this process, such as a shell, learns that it ended by the signal.
    let _ = signal_hook::low_level::emulate_default_handler(signal);
    std::process::exit(128 + signal)
}
