//! Objects of a snapshot, brought back into a running directory.
//!
//! ```text
//! pages ─▶ choose ─▶ basket (of the login) ─▶ overview: how? ─▶ plan ─▶ run ─▶ journals ─┬─▶ undo
//!                                                                                          └─▶ resume
//! ```
//!
//! The plan is that of crate object-restore, and so are its words. What is carried out is what was
//! shown: a plan that has become another one is refused.

pub mod choose;
pub mod journals;
pub mod overview;
pub mod plan;
pub mod prepare;
pub mod resume;
pub mod run;
pub mod undo;
