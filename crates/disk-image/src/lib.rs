//! The disk in an image: raw, qcow2, VHD (fixed, dynamic, differencing), VHDX (fixed, dynamic) or
//! VMDK (monolithic, split, flat, stream-optimized), for reading at any position.
//!
//! ```text
//! file ─▶ format ─┬─ raw ──────────────────────────────▶ ReadAt
//!                 ├─ qcow2, VHD, VHDX, VMDK ─▶ blocks ─▶ ReadAt
//!                 └─ extents, parents (siblings) ─▶ file
//! ```
//!
//! Images come from anywhere. Tables stay in the file, so that no length in an image decides how much
//! memory is taken, and a name in an image only finds files beside it.
#![forbid(unsafe_code)]

mod blocks;
mod bytes;
mod checksum;
mod error;
pub mod fields;
mod format;
mod image;
mod inflate;
mod qcow2;
mod siblings;
mod vhd;
mod vhdx;
mod vmdk;

pub use bytes::{HostFile, Memory, Part, ReadAt, array, check_range, vector};
pub use checksum::{crc32, crc32c};
pub use error::{Error, Result};
pub use format::{Format, format_of};
pub use image::Image;
