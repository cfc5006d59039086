//! Keeps memory that backups use again and again. The only unsafe code of this crate.
//!
//! Pieces of files come and go by the quarter of a megabyte. Left to itself, the C library of GNU
//! gives such memory back to the kernel each time and has it cleared anew: a tenth of a backup's
//! processor time.
#![allow(unsafe_code)]

/// Freed memory up to this many bytes stays with the process.
#[cfg(all(target_os = "linux", target_env = "gnu"))]
const KEPT: i32 = 32 << 20;

/// Call it before any thread starts.
pub fn keep_freed_memory() {
    #[cfg(all(target_os = "linux", target_env = "gnu"))]
    // SAFETY: changes two numbers of the allocator's. A refusal leaves them as they were, which is
    // slower, not wrong.
    unsafe {
        libc::mallopt(libc::M_MMAP_THRESHOLD, KEPT);
        libc::mallopt(libc::M_TRIM_THRESHOLD, KEPT);
    }
}
