//! The web console: the state of all backups in a browser.
//!
//! A request travels in one direction:
//!
//! ```text
//! Server ─▶ guard ─▶ site ─▶ a page ─▶ Console ─▶ jobs, backup
//!   TCP,     host,             rendered on          what is shown
//!   TLS,     login, word of    the server
//!   socket   the form, audit
//! ```
//!
//! Pages are whole without scripts. htmx, one vendored file, exchanges parts of them; the policy
//! that goes with each page allows no other script or style than those of this crate.
//!
//! | module | content |
//! | --- | --- |
//! | [`Settings`] | the table `[console]` of dsbackup.toml |
//! | [`users`] | the file of users |
//! | [`Console`] | what all pages share |
//! | [`site()`] | the pages, as one service of HTTP |
//! | [`Server`] | the listener |
#![forbid(unsafe_code)]

mod assets;
#[cfg(test)]
mod attacks;
mod audit;
mod basket;
mod choosing;
mod compare;
mod console;
mod differences;
mod directories;
mod directory;
mod download;
mod elsewhere;
mod error;
mod guard;
mod kept;
mod known;
mod library;
mod live;
mod login;
mod login_ticket;
mod overview;
mod page;
mod problem;
mod random;
mod recent;
mod restore;
mod running;
mod seen;
mod server;
mod session;
mod settings;
mod site;
mod snapshots;
mod text;
mod throttle;
pub mod users;
mod whole;
mod work;
mod work_page;

pub use console::Console;
pub use error::{Error, Result};
pub use guard::Peer;
pub use known::{ClientSettings, KerberosSettings};
pub use server::Server;
pub use settings::{Listen, ServerSettings, Settings};
pub use site::{Addresses, site};
pub use users::Users;
