//! What is stored is found again: by us, by restic, on any place, despite faults.

mod bad_files;
mod common;
mod faults;
mod locks;
mod proof;
mod prune;
mod random_access;
#[cfg(feature = "remote")]
mod remote;
mod restic;
#[cfg(feature = "remote")]
mod rustic;
#[cfg(feature = "remote")]
mod sftp;
