//! A running directory server as a source of objects, over LDAP (RFC 4511).
//!
//! ```no_run
//! use live::{Access, Credentials, Live};
//! use objects::{Source, Wanted};
//!
//! let access = Access {
//!     credentials: Credentials::Kerberos,
//!     ca_file: Some("ca.pem".into()),
//!     pin: None,
//! };
//! let server = Live::open(&"ldap://dc1.corp.example".parse()?, &access)?;
//! let wanted = Wanted::everything();
//! for entry in server.all(&wanted)? {
//!     println!("{}", entry?.dn);
//! }
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! | module | what it knows |
//! | --- | --- |
//! | [`Address`] | `ldap://`, `ldaps://` and `ldapi://` |
//! | `stream` | the connection's bytes: TCP with TLS or sealed, or a socket of this computer |
//! | `connection` | messages: bind, StartTLS, searches page by page |
//! | `controls` | how Active Directory is asked for deleted objects, descriptors, GUIDs in names |
//! | [`Live`] | the directory, as [`objects::Source`] |
//! | [`Operation`] | a change of the directory: add, modify, rename, delete |
//!
//! A connection over TCP is always protected: by TLS (`ldap://` begins with StartTLS), or by the
//! exchange of Kerberos tickets. Either authenticates the server. What a server sends is limited and
//! checked; it can make a command fail, nothing else.
#![forbid(unsafe_code)]

mod address;
mod attributes;
mod connection;
mod controls;
mod directory;
mod entry;
mod error;
mod facts;
mod frame;
mod known;
mod schema;
mod sealed;
mod stream;
mod writing;

pub use address::Address;
pub use connection::{Access, Credentials};
pub use directory::Live;
pub use error::{Error, Result};
pub use writing::{Control, How, Modification, Operation};

#[doc(hidden)]
pub use frame::message as parse_message;
