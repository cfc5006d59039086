//! The commands that look into a directory: `ls`, `search`, `show`, `export`, `diff`, `browse`.

pub mod browse;
mod csv;
pub mod diff;
pub mod export;
mod history;
mod json;
mod ldif;
mod live;
pub mod ls;
pub mod search;
mod selection;
pub mod show;
mod source;
mod table;
mod words;
