//! What clients hold: a handle stands for a context, a context for one backup or one restore.
//!
//! `contexts` knows whose each handle is, `life` whether its client lives; `backup_context` and
//! `restore_context` know whether a call is in order.

pub(crate) mod backup_context;
pub(crate) mod contexts;
pub(crate) mod life;
pub(crate) mod restore_context;
