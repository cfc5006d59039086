//! SIGINT, SIGTERM and SIGHUP. One that was ignored when the process began, as with nohup, stays
//! ignored.

use std::io::Result;
use std::sync::Once;

use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
use signal_hook::iterator::Signals;
use tokio::runtime::Builder;
use tokio::signal::unix::{SignalKind, signal};

/// A signal.
pub type Signal = i32;

/// Calls `heed` at each signal, in a thread of its own.
///
/// # Errors
/// The system's.
pub fn on_each(heed: impl Fn(Signal) + Send + 'static) -> Result<()> {
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

/// Ends the process by a signal.
pub fn end_process(signal: Signal) -> ! {
    // Whoever started this process, such as a shell, learns that it ended by the signal.
    let _ = signal_hook::low_level::emulate_default_handler(signal);
    std::process::exit(128 + signal)
}

/// Resolves at SIGTERM or SIGINT. To be called within a runtime.
///
/// # Errors
/// The system's.
pub fn end() -> Result<impl Future<Output = ()> + Send + 'static> {
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    Ok(async move {
        tokio::select! {
            _ = terminate.recv() => (),
            _ = interrupt.recv() => (),
        }
    })
}

/// `restic unlock` sends SIGHUP to the processes that locks name, to see which of them live. It
/// must not end them.
pub fn survive_questions() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let runtime = Builder::new_current_thread().enable_io().build();
        if let Ok(runtime) = runtime {
            let _entered = runtime.enter();
            // What is registered stays so, and does nothing.
            let _ = signal(SignalKind::hangup());
        }
    });
}
