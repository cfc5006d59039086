//! Values and schema as LDAP writes them: what Samba's databases and servers have in common; and what
//! clients and servers share of LDAP's messages.

pub mod frame;
pub mod oid;
pub mod prefix_map;
mod schema;
mod values;

pub use ::samba::ldb::ExtendedDn;

pub use schema::SchemaObject;
pub use values::{decode, stamp, unknown};
