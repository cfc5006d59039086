//! Who did not prove who it is: one line in the audit log for each attempt, and a strike against its address.

use std::net::SocketAddr;
use std::sync::Arc;

use super::strikes::Strikes;
use crate::audit::Audit;

/// Where refusals are noted.
pub(crate) struct Refusals {
    audit: Arc<Audit>,
    strikes: Arc<Strikes>,
}

impl Refusals {
    pub(super) fn new(audit: Arc<Audit>, strikes: Arc<Strikes>) -> Arc<Self> {
        Arc::new(Self { audit, strikes })
    }

    /// Notes somebody who did not prove who it is.
    pub(crate) fn note(&self, name: &str, address: SocketAddr, what: &'static str, reason: &str) {
        tracing::warn!(%address, name, reason, "refused a caller");
        let from = address.to_string();
        self.audit.connection(name, &from, what, reason);
        if self.strikes.strike(address.ip()) {
            let reason = "too many failures: connections from there are refused for up to a minute";
            self.audit.connection(name, &from, "ShutOut", reason);
        }
    }
}

/// A connection whose other end has not proven who it is, and of which nothing is noted yet. Its first denied call is
/// noted with the reason; if it makes none, its end is.
pub(crate) struct Unproven {
    refusals: Arc<Refusals>,
    name: String,
    address: SocketAddr,
    reason: String,
    settled: bool,
}

impl Unproven {
    pub(super) fn new(
        refusals: Arc<Refusals>,
        name: String,
        address: SocketAddr,
        reason: String,
    ) -> Self {
        Self {
            refusals,
            name,
            address,
            reason,
            settled: false,
        }
    }

    /// A call was denied.
    pub(crate) fn denied(mut self, call: &'static str) {
        self.note(call);
    }

    /// Something else says what became of it.
    pub(crate) fn settle(mut self) {
        self.settled = true;
    }

    fn note(&mut self, what: &'static str) {
        self.settled = true;
        let reason = &self.reason;
        self.refusals.note(&self.name, self.address, what, reason);
    }
}

impl Drop for Unproven {
    fn drop(&mut self) {
        if !self.settled {
            self.note("Disconnect");
        }
    }
}
