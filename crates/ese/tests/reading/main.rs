//! Pages, trees, tables and logs as they are read and verified.

mod clean;
mod exactness;
mod flush_map;
mod headers;
mod keys;
mod log_hostile;
mod log_records;
mod log_set;
mod log_verify;
mod pages;
mod source;
mod traps;
mod verify_pages;
