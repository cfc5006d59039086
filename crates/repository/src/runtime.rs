//! The threads for requests to other computers.

use std::io;
use std::sync::OnceLock;

use tokio::runtime::{Builder, Runtime};

/// The runtime with these threads, started on first use.
pub(crate) fn runtime() -> io::Result<&'static Runtime> {
    static RUNTIME: OnceLock<Runtime> = OnceLock::new();
    if RUNTIME.get().is_none() {
        let runtime = Builder::new_multi_thread()
            .worker_threads(2)
            .enable_all()
            .build()?;
        // If another thread was faster, this runtime is dropped.
        let _ = RUNTIME.set(runtime);
    }
    (RUNTIME.get()).ok_or_else(|| io::Error::other("cannot start threads"))
}
