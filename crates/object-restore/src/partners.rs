//! Other servers of the domain, which must not know an object as deleted that is made again.

use live::Live;
use objects::{Source, Wanted};

use crate::error::Result;
use crate::pair::Pair;
use crate::plan::{Action, Obstacle, Planned};

/// Asks every other server for the objects that are made again under their old GUIDs. `open`
/// connects to a server by its DNS name.
///
/// # Errors
/// Where the server that is written to does not answer.
pub fn check(
    pair: &Pair<'_>,
    planned: &[Planned],
    open: &dyn Fn(&str) -> Result<Live, String>,
) -> Result<Vec<Obstacle>> {
    let again = Action::Create {
        keeps_identity: true,
    };
    let again: Vec<&Planned> = (planned.iter())
        .filter(|planned| planned.plan.action == again)
        .collect();
    let mut obstacles = Vec::new();
    if again.is_empty() {
        return Ok(obstacles);
    }
    for host in hosts(pair)? {
        let mut stand = |dn: &str, reason: String| {
            obstacles.push(Obstacle {
                dn: dn.to_owned(),
                reason,
                yields_to_force: true,
            });
        };
        let partner = match open(&host) {
            Ok(partner) => partner,
            Err(error) => {
                for planned in &again {
                    stand(
                        &planned.plan.dn,
                        format!(
                            "{host} cannot be asked whether it still has its tombstone, which would \
                             split the domain ({error}): name an account with --ldap-user or kinit"
                        ),
                    );
                }
                continue;
            }
        };
        for planned in &again {
            let Some(found) = partner.by_guid(planned.plan.guid, &Wanted::names())? else {
                continue;
            };
            let reason = match found.state.is_deleted() {
                true => format!("{host} still has its tombstone: bring it back there instead"),
                false => format!(
                    "it lives on {host}, which never heard of its deletion: let this server get it \
                     from there (samba-tool drs replicate THIS {host} PARTITION --full-sync)"
                ),
            };
            stand(&planned.plan.dn, reason);
        }
    }
    Ok(obstacles)
}

/// The DNS names of the domain's other servers.
fn hosts(pair: &Pair<'_>) -> Result<Vec<String>> {
    let live = pair.live;
    let own = live.facts().service.as_ref().and_then(|own| own.guid);
    let mut hosts = Vec::new();
    for settings in live.holders("objectClass", &["nTDSDSA"], &Wanted::names())? {
        if settings.guid == own || settings.state.is_deleted() {
            continue;
        }
        let Some(server) = settings.parent else {
            continue;
        };
        let server = live.entry(server, &Wanted::only(["dNSHostName"]))?;
        let name = server
            .as_ref()
            .and_then(|server| server.text("dNSHostName"));
        // A server without a name has gone.
        hosts.extend(name.map(str::to_owned));
    }
    Ok(hosts)
}
