//! The 28 functions of `ntdsbcli.dll` for C and C++, on top of the safe Rust API (`ntdsbcli`).
//!
//! A call travels in one direction: an exported function of [`backup`], [`restore`] or
//! [`process_wide`] - [`boundary`] (panics are caught, reasons kept) - [`pointers`] and [`text`]
//! (NULL, alignment, A and W strings) - [`handles`] (the context of an HBC) - the Rust API.
//! Returned buffers come from [`memory`].
//!
//! The only module that follows a caller's pointer is [`pointers`], and the only one that owns raw
//! memory is [`memory`].
#![deny(unsafe_code)]

mod backup;
mod boundary;
mod handles;
mod log;
mod memory;
mod pointers;
mod process_wide;
mod reason;
mod restore;
mod text;
#[cfg(windows)]
mod windows;
