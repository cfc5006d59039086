//! Contexts of clients: a handle stands for a context, a context for one backup or one restore.
//!
//! `contexts` knows the owner of each handle, `life` whether its client lives. `backup_context` and
//! `restore_context` check the order of calls.

pub(crate) mod backup_context;
pub(crate) mod contexts;
pub(crate) mod life;
pub(crate) mod restore_context;
