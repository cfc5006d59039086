//! The threads on which requests to other computers run.

use std::io;
use std::sync::OnceLock;

use tokio::runtime::{Builder, Runtime};

/// Those threads, started when they are needed first.
pub(crate) fn runtime() -> io::Result<&'static Runtime> {
    static RUNTIME: OnceLock<Runtime> = OnceLock::new();
    if RUNTIME.get().is_none() {
        let runtime = Builder::new_multi_thread()
            .worker_threads(2)
            .enable_all()
            .build()?;
        // Another thread may have been faster; one of the two is dropped.
        let _ = RUNTIME.set(runtime);
    }
    (RUNTIME.get()).ok_or_else(|| io::Error::other("cannot start threads"))
}
