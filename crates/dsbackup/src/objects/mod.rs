//! The commands that look into a directory: `ls`, `search`, `show`, `export`, `diff`, `browse`, `files`,
//! `cat`.

pub mod browse;
mod csv;
pub mod diff;
pub mod export;
pub mod file;
mod history;
mod json;
mod ldif;
mod live;
pub mod ls;
mod nested;
pub mod search;
mod selection;
pub mod show;
pub mod source;
pub mod table;
pub mod words;
