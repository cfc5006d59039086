//! Objects and differences as documents, for the command line and for the web console alike.
//!
//! ```text
//! Entry ─────────────────────▶ ldif
//! ObjectChange ─▶ Describe ─▶ Shown ─▶ Page (HTML), text of a terminal
//! Comparison ───▶ places ───────────▶ changes (LDIF)
//! ```
//!
//! | module | what it writes |
//! | --- | --- |
//! | [`ldif`] | objects as LDIF (RFC 2849) |
//! | [`changes`] | differences as LDIF change records |
//! | [`Describe`], [`Shown`] | a change of an object in words |
//! | [`Servers`] | who made a change when |
//! | [`Page`] | differences as a page of HTML of its own |
//! | [`html`] | text that is no markup |
//! | [`text`] | the text in the bytes of a file |
#![forbid(unsafe_code)]

pub mod changes;
pub mod html;
pub mod ldif;
mod page;
mod places;
mod servers;
mod shown;
pub mod text;

pub use page::Page;
pub use servers::Servers;
pub use shown::{Describe, Line, Shown, Sign};
