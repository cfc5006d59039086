//! What an NTDS database says of its directory.

mod facts;
mod objects;
mod secrets;
