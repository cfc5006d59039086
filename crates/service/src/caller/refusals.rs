//! Failed authentications: each is a line in the audit log, and a failure of its address.

use std::net::SocketAddr;
use std::sync::Arc;

use super::Unproven;
use super::failure_limiter::FailureLimiter;
use crate::audit::Audit;

/// Records refusals.
pub(crate) struct Refusals {
    audit: Arc<Audit>,
    limiter: Arc<FailureLimiter>,
}

impl Refusals {
    pub(crate) fn new(audit: Arc<Audit>, limiter: Arc<FailureLimiter>) -> Arc<Self> {
        Arc::new(Self { audit, limiter })
    }

    /// Records a failed authentication.
    pub(crate) fn note(&self, name: &str, address: SocketAddr, what: &'static str, reason: &str) {
        tracing::warn!(%address, name, reason, "refused a caller");
        let from = address.to_string();
        self.audit.connection(name, &from, what, reason);
        if self.limiter.count_failure(address.ip()) {
            let reason = "too many failures: connections from there are refused for up to a minute";
            self.audit.connection(name, &from, "ShutOut", reason);
        }
    }
}

/// A connection whose peer has not authenticated, without a record yet. Its first denied call is
/// recorded with the reason; without such a call, its end.
pub(crate) struct UnprovenPeer {
    refusals: Arc<Refusals>,
    name: String,
    address: SocketAddr,
    reason: String,
    settled: bool,
}

impl UnprovenPeer {
    pub(crate) fn new(
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

    fn note(&mut self, what: &'static str) {
        self.settled = true;
        let reason = &self.reason;
        self.refusals.note(&self.name, self.address, what, reason);
    }
}

impl Unproven for UnprovenPeer {
    fn denied(mut self: Box<Self>, call: &'static str) {
        self.note(call);
    }

    fn settle(mut self: Box<Self>) {
        self.settled = true;
    }
}

impl Drop for UnprovenPeer {
    fn drop(&mut self) {
        if !self.settled {
            self.note("Disconnect");
        }
    }
}
