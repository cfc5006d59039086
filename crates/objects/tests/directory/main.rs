//! A directory as objects, from either kind of database.

mod filter;
mod indices;
mod membership;
mod ntds;
mod samba;
mod source;
