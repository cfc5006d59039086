//! Snapshots and their rules.

mod as_restic;
mod one_program;
