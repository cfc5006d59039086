//! NTFS, for reading: files and folders by path, with the allocation that the volume shows.
//!
//! ```text
//! volume ─▶ record (fixed up) ─▶ attribute ─▶ runs ─▶ stream (bytes of a file)
//!    └────▶ index (entries of a folder)
//! ```
//!
//! Sources: the documentation of the Linux-NTFS project, and the behaviour of ntfs-3g, against which
//! it is tested. The journal ($LogFile) is not replayed.

mod attribute;
mod index;
mod record;
mod runs;
mod stream;
mod volume;

pub use index::Entry;
pub use stream::Stream;
pub use volume::{ROOT, Volume};
