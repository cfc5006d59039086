//! A Windows domain controller. The system's own tools make a consistent copy of its directory while
//! it runs; it is restored while NTDS does not run.
//!
//! ```text
//!                 ntdsutil ──▶ IFM folder ─────┐
//! NTDS, running ─┤                              ├─▶ copied_set ─▶ the files of a backup
//!                 diskshadow ─▶ shadow copy ───┘      (store-ese: database and logs, verified)
//!
//! the files of a backup ─▶ store-ese: registered places, checked ─▶ registry ─▶ NTDS can start
//! ```
//!
//! What depends on nothing but files and text is on every system, so that its tests are; what asks
//! Windows is in `system` and the store itself.
#![deny(unsafe_code)]

pub mod configuration;
pub mod copied_set;
pub mod diskshadow;
pub mod ifm_folder;
pub mod ntdsutil;

pub mod places;
pub mod state_file;
pub mod tool;

#[cfg(windows)]
mod controller;
#[cfg(windows)]
mod registration;
#[cfg(windows)]
mod shadow_copy;
#[cfg(windows)]
mod system;

pub use configuration::{NtdsConfiguration, Way};
#[cfg(windows)]
pub use controller::{NtdsServer, database_folder};

/// The name of this kind of store in a backup's facts.
pub const STORE_KIND: &str = "ntds";
