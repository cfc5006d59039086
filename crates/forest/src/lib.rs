//! A forest as its backups describe it, and the plan of its recovery.
//!
//! ```text
//! snapshots of all repositories ─▶ evidence ──┐
//! the newest of each domain ─▶ read ─▶ Forest ┴─▶ plan (which controller first) ─▶ steps
//! ```
//!
//! The order of the steps is that of Microsoft's "AD Forest Recovery" guide and, for Samba, of its
//! `samba-tool domain backup restore`. The crate prints nothing.
#![forbid(unsafe_code)]

pub mod evidence;
mod model;
mod plan;
mod read;
mod samba_steps;
mod steps;
mod windows_steps;

pub use evidence::{Evidence, ServerBackups, Usable};
pub use model::{Controller, Domain, Forest, Kind, RidPool, Sysvol, Trust};
pub use plan::{Choice, Plan, choices, plan};
pub use read::{domains, read};
pub use steps::{Phase, Step};
