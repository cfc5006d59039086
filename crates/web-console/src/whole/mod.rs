//! A whole domain controller: the steps of its restore, and the restore itself where a service waits
//! for it.
//!
//! ```text
//! snapshot ─▶ steps (names, paths, commands) ─▶ page ◀─ readiness (what the service says)
//!                                                 └─▶ run ─▶ backup::restore ─▶ the service
//! ```

pub mod page;
mod readiness;
pub mod run;
mod steps;
