//! A read-only LDAP v3 server over a source of directory objects.
//!
//! ```text
//! socket ─▶ server ─▶ connection ─▶ session ─┬─▶ search ─▶ filter ─▶ render ─▶ answer
//!           TLS       frame         bind     └─▶ root ─────────────▶
//! ```
//!
//! | module | content |
//! | --- | --- |
//! | `frame` | one message from a stream of bytes, of bounded size |
//! | [`Served`] | the directory, the password, the limits |
//! | `connection` | one client: reading, writing, time limits, StartTLS |
//! | `session` | what an operation does, and whether the client may do it |
//! | `request` | controls and attribute lists of a search |
//! | `filter` | filters of LDAP messages as [`objects::filter::Filter`] |
//! | `search` | the objects of a search, in order, page by page |
//! | `render` | an object as a search result: ranges, extended names, parts of descriptors |
//! | `descriptor` | parts of a security descriptor |
//! | `sasl` | binding with Kerberos tickets |
//! | `sealed` | a connection whose messages are sealed |
//! | `tls` | the certificate and its key |
//! | `root` | the rootDSE |
//! | `subschema` | attribute types and object classes |
//! | `answer` | messages to the client |
//!
//! Passwords and keys are absent from results, and match no filter.
#![forbid(unsafe_code)]

mod answer;
mod connection;
mod descriptor;
mod filter;
mod frame;
mod limits;
mod password;
mod render;
mod request;
mod root;
mod sasl;
mod sealed;
mod search;
mod served;
mod server;
mod session;
mod subschema;
mod tls;

pub use frame::{Framed, frame};
pub use limits::Limits;
pub use password::Password;
pub use sasl::{Bound, Tickets};
pub use search::Search;
pub use served::Served;
pub use server::serve;
pub use session::{Effect, Session, Tls};
pub use tls::{TlsError, tls};
