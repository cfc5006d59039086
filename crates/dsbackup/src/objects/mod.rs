//! The commands that look into a directory: `ls`, `search`, `show`, `export`, `diff`, `browse`,
//! `files`, `cat`; and those that write single objects into a running one: `restore-objects`, `undo`.

pub mod browse;
mod csv;
pub mod diff;
pub mod export;
pub mod file;
mod history;
mod in_order;
mod json;
mod live;
pub mod ls;
mod nested;
pub mod restore;
pub mod search;
pub mod selection;
pub mod show;
pub mod source;
pub mod table;
pub mod words;
