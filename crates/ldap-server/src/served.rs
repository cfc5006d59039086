//! What a server serves, and to whom.

use std::sync::Arc;

use objects::Source;
use tokio::sync::Semaphore;

use crate::limits::Limits;
use crate::password::Password;
use crate::sasl::Tickets;

/// A directory, the password that clients bind with, and what they may use.
pub struct Served {
    pub(crate) source: Arc<dyn Source>,
    pub(crate) password: Password,
    pub(crate) tickets: Option<Tickets>,
    pub(crate) limits: Limits,
    /// Searches that may begin.
    pub(crate) threads: Arc<Semaphore>,
    /// Objects that open paged searches may still keep.
    pub(crate) paged: Arc<Semaphore>,
}

impl Served {
    /// Serves `source` to clients that know the password.
    pub fn new(source: Arc<dyn Source>, password: Password, limits: Limits) -> Self {
        Self {
            source,
            password,
            threads: Arc::new(Semaphore::new(limits.all_searches)),
            paged: Arc::new(Semaphore::new(limits.paged)),
            tickets: None,
            limits,
        }
    }

    /// Serves it to clients with tickets, too.
    #[must_use]
    pub fn with_tickets(self, tickets: Option<Tickets>) -> Self {
        Self { tickets, ..self }
    }
}
