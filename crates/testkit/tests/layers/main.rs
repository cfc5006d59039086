//! The order of the house, held against the code: which crate may use which, and that no two files
//! use each other.

mod circles;
mod crates;
