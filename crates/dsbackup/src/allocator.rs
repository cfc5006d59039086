//! Keeps memory that backups use again and again, or gives it back. The only unsafe code of this crate.
//!
//! Pieces of files come and go by the quarter of a megabyte. Left to itself, the C library of GNU
//! gives such memory back to the kernel each time and has it cleared anew: a tenth of a backup's
//! processor time.
#![allow(unsafe_code)]

/// Freed memory up to this many bytes stays with the process.
#[cfg(all(target_os = "linux", target_env = "gnu"))]
const KEPT: i32 = 32 << 20;

/// The same of a program that runs for days: indexes of directories that are closed go back to the system.
#[cfg(all(target_os = "linux", target_env = "gnu"))]
const KEPT_FOR_DAYS: i32 = 1 << 20;

/// Call it before any thread starts.
pub fn keep_freed_memory() {
    #[cfg(all(target_os = "linux", target_env = "gnu"))]
    set(KEPT);
}

/// Takes that back. Call it before any thread starts.
#[cfg(unix)]
pub fn return_freed_memory() {
    #[cfg(all(target_os = "linux", target_env = "gnu"))]
    set(KEPT_FOR_DAYS);
}

#[cfg(all(target_os = "linux", target_env = "gnu"))]
fn set(kept: i32) {
    // SAFETY: changes two numbers of the allocator's. A refusal leaves them as they were, which is
    // slower or takes more memory, not wrong.
    unsafe {
        libc::mallopt(libc::M_MMAP_THRESHOLD, kept);
        libc::mallopt(libc::M_TRIM_THRESHOLD, kept);
    }
}
