//! The commands that look into a directory: `ls`, `search`, `show`, `export`.

mod csv;
pub mod export;
mod json;
mod ldif;
pub mod ls;
pub mod search;
mod selection;
pub mod show;
mod source;
mod table;
mod words;
