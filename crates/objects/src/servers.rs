//! The servers of a forest, by invocation id.

use std::collections::HashMap;

use ids::Guid;

use crate::{Lookup, Result, Scope, Source, Value, Wanted, dn};

/// The names of the servers by invocation id, to name the origin of a change.
///
/// # Errors
/// Fails if the directory is damaged.
pub fn names(source: &dyn Source) -> Result<HashMap<Guid, String>> {
    let mut servers = HashMap::new();
    let Some(configuration) = &source.facts().configuration else {
        return Ok(servers);
    };
    let sites = format!("CN=Sites,{}", configuration.dn);
    let wanted = Wanted::only(["invocationId"]);
    for base in source.find(&Lookup::Dn(&sites))? {
        for entry in source.scan(base, Scope::Subtree, &wanted)? {
            let entry = entry?;
            let Some(server) = dn::parent(&entry.dn).and_then(dn::own_value) else {
                continue;
            };
            if let Some(Value::Bytes(bytes)) = entry.value("invocationId")
                && let Ok(bytes) = bytes.as_slice().try_into()
            {
                servers.insert(Guid(bytes), server);
            }
        }
    }
    Ok(servers)
}
