//! The interface ad_identity: authenticates callers by Kerberos tickets.

use std::sync::{Arc, PoisonError};

use tonic::{Request, Response, Status};
use wire::v1::ad_identity_server::AdIdentity;
use wire::v1::{AuthenticateRequest, AuthenticateResponse};

use crate::audit::Audit;
use crate::caller::kerberos_rule::KerberosRule;
use crate::caller::refusals::Refusals;
use crate::caller::{self, Caller, Identity, Origin, Peer};

/// Serves ad_identity.
pub(crate) struct IdentityService {
    pub(crate) rule: Option<Arc<KerberosRule>>,
    pub(crate) audit: Arc<Audit>,
    /// Records failed authentications over the network.
    pub(crate) refusals: Option<Arc<Refusals>>,
}

#[tonic::async_trait]
impl AdIdentity for IdentityService {
    async fn authenticate(
        &self,
        request: Request<AuthenticateRequest>,
    ) -> Result<Response<AuthenticateResponse>, Status> {
        let denied = || wire::to_status(&caller::denied());
        let caller: Caller = request
            .extensions()
            .get::<Caller>()
            .cloned()
            .ok_or_else(denied)?;
        let token = request.into_inner().token;
        let rule = self.rule.clone();
        let peer = caller.clone();
        // Blocks: the library reads files, and the directory may be slow.
        let step = tokio::task::spawn_blocking(move || match &rule {
            Some(rule) => step(rule, &peer, &token),
            None => Err("this service accepts no tickets".to_owned()),
        })
        .await
        .unwrap_or_else(|error| Err(error.to_string()));
        match step {
            Ok((answer, identity)) => {
                if let Some(identity) = identity {
                    caller.settle();
                    self.audit.authenticated(&identity.name, &caller.origin);
                    caller.identify(identity);
                }
                Ok(Response::new(answer))
            }
            Err(reason) => {
                caller.settle();
                let name = &caller.identity().name;
                match (&self.refusals, caller.origin) {
                    (Some(refusals), Origin::Network(address)) => {
                        refusals.note(name, address, "Authenticate", &reason);
                    }
                    (_, from) => {
                        let from = from.to_string();
                        self.audit.connection(name, &from, "Authenticate", &reason);
                    }
                }
                caller.note_denied();
                Err(denied())
            }
        }
    }
}

/// Processes one token of the caller's exchange.
fn step(
    rule: &KerberosRule,
    caller: &Peer,
    token: &[u8],
) -> Result<(AuthenticateResponse, Option<Identity>), String> {
    let channel = caller
        .channel()
        .ok_or("on this computer the system says who calls")?;
    // The library would answer an empty token with a hint at its mechanisms.
    if token.is_empty() {
        return Err("an empty token".into());
    }
    let mut exchange = caller
        .exchange
        .lock()
        .unwrap_or_else(PoisonError::into_inner);
    let words = |error: kerberos::Error| error.to_string();
    let mut accepting = match exchange.take() {
        Some(accepting) => accepting,
        None => rule.begin(channel).map_err(words)?,
    };
    let step = accepting.step(token).map_err(words)?;
    let identity = step
        .accepted
        .map(|accepted| rule.identify(&accepted))
        .transpose()?;
    if identity.is_none() {
        *exchange = Some(accepting);
    }
    Ok((
        AuthenticateResponse {
            token: step.token,
            done: identity.is_some(),
        },
        identity,
    ))
}
