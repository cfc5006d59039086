//! Single objects of a backup, brought back into a running directory.
//!
//! ```text
//! backup ─┐
//!         ├─▶ comparison ─▶ Plan ─▶ people say yes ─▶ run (journal, server) ─▶ comparison ─▶ Outcome
//! server ─┘
//! ```
//!
//! | module | what it knows |
//! | --- | --- |
//! | [`Request`] | which objects, and how |
//! | [`Pair`] | the backup and the server side by side: what an object lacks |
//! | [`plan`] | all that would be done, what cannot be, and what stands in the way |
//! | [`Journal`] | every write, durable before it is made |
//! | [`run()`] | the plan, carried out and checked |
//! | [`undo()`] | a restore, taken back |
//! | [`words`] | a plan in words |
//!
//! The plan is the difference of the two directories, and so is the check afterwards. A run that was
//! cut off goes on by making a new plan: what is done already differs no more.
#![forbid(unsafe_code)]

mod attempt;
mod attributes;
mod check;
mod clash;
mod error;
pub mod journal;
mod local;
mod order;
mod pair;
pub mod partners;
pub mod plan;
mod planning;
mod policies;
mod request;
mod rights;
mod run;
mod undo;
mod watch;
mod wire;
pub mod words;
mod writer;
mod writes;

pub use error::{Error, Result};
pub use journal::{Journal, Records};
pub use local::{Change, Failed, Local, Transactions, policy_folder};
pub use pair::{History, Pair};
pub use planning::plan as make_plan;
pub use request::{Newer, Password, Request};
pub use run::{Means, Outcome, run};
pub use undo::{Undone, undo, undo_beside};
pub use watch::{Unwatched, Watch};
pub use writes::Secrets;
