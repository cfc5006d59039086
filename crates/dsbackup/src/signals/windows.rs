//! What ends a program of the console: Ctrl-C, Ctrl-Break, the end of its window, of the session or
//! of the system. Of the last three Windows waits for some seconds before it ends the process itself.

use std::io::Result;

use tokio::runtime::Builder;
use tokio::signal::windows::{ctrl_break, ctrl_c, ctrl_close, ctrl_logoff, ctrl_shutdown};

/// The exit code of programs that Ctrl-C ended (STATUS_CONTROL_C_EXIT).
const ENDED: u32 = 0xc000_013a;

/// Why the process is to end.
pub type Signal = ();

/// Calls `heed` at each of them, in a thread of its own.
///
/// # Errors
/// The system's.
pub fn on_each(heed: impl Fn(Signal) + Send + 'static) -> Result<()> {
    let runtime = Builder::new_current_thread().build()?;
    // Heeded from here on, whenever the thread gets its turn.
    let mut signals = {
        let _entered = runtime.enter();
        Signals::new()?
    };
    let wait = move || {
        runtime.block_on(async {
            loop {
                signals.next().await;
                heed(());
            }
        });
    };
    std::thread::Builder::new()
        .name("signals".into())
        .spawn(wait)
        .map(drop)
}

/// Ends the process as one of them would.
pub fn end_process((): Signal) -> ! {
    std::process::exit(ENDED as i32)
}

/// Resolves at any of them. To be called within a runtime.
///
/// # Errors
/// The system's.
pub fn end() -> Result<impl Future<Output = ()> + Send + 'static> {
    let mut signals = Signals::new()?;
    Ok(async move { signals.next().await })
}

/// Nobody asks by a signal here whether the process lives.
pub fn survive_questions() {}

struct Signals {
    interrupt: tokio::signal::windows::CtrlC,
    other: tokio::signal::windows::CtrlBreak,
    close: tokio::signal::windows::CtrlClose,
    logoff: tokio::signal::windows::CtrlLogoff,
    shutdown: tokio::signal::windows::CtrlShutdown,
}

impl Signals {
    fn new() -> Result<Self> {
        Ok(Self {
            interrupt: ctrl_c()?,
            other: ctrl_break()?,
            close: ctrl_close()?,
            logoff: ctrl_logoff()?,
            shutdown: ctrl_shutdown()?,
        })
    }

    async fn next(&mut self) {
        tokio::select! {
            _ = self.interrupt.recv() => (),
            _ = self.other.recv() => (),
            _ = self.close.recv() => (),
            _ = self.logoff.recv() => (),
            _ = self.shutdown.recv() => (),
        }
    }
}
