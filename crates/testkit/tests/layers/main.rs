//! Checks the layers of the project: which crate may use which, and that no two files use each
//! other.

mod circles;
mod crates;
