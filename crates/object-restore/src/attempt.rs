//! The requests of a step: made, and tried part by part where the server refuses them together.

use std::time::{Duration, Instant};

use live::{Control, How, Live, Operation};

use crate::error::Result;
use crate::local::Change;
use crate::writes::{Kept, Part, PartKind, Requests, together};

/// LDAP's result codes for a value that is there already.
const VALUE_EXISTS: [u32; 2] = [20, 68];

/// The requests of a step in a transaction, which has no second try.
pub fn in_one(requests: &Requests) -> Vec<Change> {
    match requests {
        Requests::All(requests) => requests.clone(),
        Requests::FirstOf(requests) => requests.first().cloned().into_iter().collect(),
        Requests::Add {
            dn,
            least,
            more,
            keeps_identity,
        } => {
            vec![(addition(dn, least, more), of_addition(*keeps_identity))]
        }
        Requests::Parts(object, parts) => vec![together(object, parts)],
    }
}

/// An object is made with all that it has.
fn addition(dn: &str, least: &[(String, Vec<Kept>)], more: &[(String, Vec<Kept>)]) -> Operation {
    Operation::Add {
        dn: dn.to_owned(),
        attributes: least.iter().chain(more).cloned().collect(),
    }
}

fn of_addition(keeps_identity: bool) -> Vec<Control> {
    match keeps_identity {
        true => vec![Control::Relax],
        false => Vec::new(),
    }
}

/// Makes the requests of a step. Returns what the server refused, in its words.
pub fn attempt(live: &Live, requests: Requests) -> Result<Option<String>> {
    match requests {
        Requests::All(requests) => {
            for (operation, with) in requests {
                if let Some(reason) = written(live, operation, &with)? {
                    return Ok(Some(reason));
                }
            }
            Ok(None)
        }
        Requests::FirstOf(requests) => {
            let mut reason = None;
            for (operation, with) in requests {
                reason = written(live, operation, &with)?;
                if reason.is_none() {
                    break;
                }
            }
            Ok(reason)
        }
        Requests::Add {
            dn,
            least,
            more,
            keeps_identity,
        } => {
            let with = of_addition(keeps_identity);
            let whole = addition(&dn, &least, &more);
            if written(live, whole, &with)?.is_none() {
                return Ok(None);
            }
            // What is missing is written value by value afterwards.
            let attributes = least;
            written(live, Operation::Add { dn, attributes }, &with)
        }
        Requests::Parts(object, parts) => {
            let (whole, with) = together(&object, &parts);
            let Some(reason) = written(live, whole, &with)? else {
                return Ok(None);
            };
            match parts.len() {
                1 if live_has(&parts) && exists(&reason) => Ok(None),
                1 => {
                    let reason = access_list(live, &object, &parts, reason)?;
                    Ok(Some(name(&parts, reason)))
                }
                _ => one_by_one(live, &object, parts),
            }
        }
    }
}

fn one_by_one(live: &Live, object: &str, parts: Vec<Part>) -> Result<Option<String>> {
    let mut reasons = Vec::new();
    let mut lacks_password = false;
    for part in parts {
        if part.kind == PartKind::Enable && lacks_password {
            let reason = "without its password the account stays disabled, or expired";
            reasons.push(name(&[part], reason.to_owned()));
            continue;
        }
        let parts = [part];
        let (alone, with) = together(object, &parts);
        if let Some(reason) = written(live, alone, &with)? {
            if live_has(&parts) && exists(&reason) {
                continue;
            }
            let reason = access_list(live, object, &parts, reason)?;
            lacks_password |= parts.iter().any(|part| part.kind != PartKind::Plain);
            reasons.push(name(&parts, reason));
        }
    }
    Ok((!reasons.is_empty()).then(|| reasons.join("; ")))
}

/// Writes of a descriptor that is refused what counts most, who may do what: its owner and its list for
/// auditing take rights of their own, even where they do not change. Returns what is refused.
fn access_list(live: &Live, object: &str, parts: &[Part], reason: String) -> Result<String> {
    let [part] = parts else { return Ok(reason) };
    if !part.with.contains(&Control::WholeDescriptor) {
        return Ok(reason);
    }
    let (operation, _) = together(object, parts);
    Ok(match written(live, operation, &[Control::AccessList])? {
        None => format!("only its access list, not owner, group and auditing: {reason}"),
        Some(_) => reason,
    })
}

/// Whether only values are added, which may be there already.
fn live_has(parts: &[Part]) -> bool {
    let mut changes = parts.iter().flat_map(|part| &part.changes);
    changes.all(|(how, _)| *how == How::Add)
}

fn exists(reason: &str) -> bool {
    VALUE_EXISTS
        .iter()
        .any(|code| reason.contains(&format!("({code})")))
}

fn name(parts: &[Part], reason: String) -> String {
    let attribute = parts.first().map_or("", |part| part.attribute.as_str());
    format!("{attribute}: {reason}")
}

/// Makes a request. A server that still works on the links of a large group is busy, and is asked again.
fn written(live: &Live, operation: Operation, with: &[Control]) -> Result<Option<String>> {
    const BUSY: u32 = 51;
    const PATIENCE: Duration = Duration::from_secs(120);
    const PAUSE: Duration = Duration::from_secs(2);
    let begin = Instant::now();
    loop {
        match live.write(operation.clone(), with) {
            Err(live::Error::Refused { code, .. })
                if code as u32 == BUSY && begin.elapsed() < PATIENCE =>
            {
                std::thread::sleep(PAUSE);
            }
            answer => return refusal(answer),
        }
    }
}

/// The server's words where it refused a change.
pub fn refusal(result: live::Result<()>) -> Result<Option<String>> {
    match result {
        Ok(()) => Ok(None),
        Err(live::Error::Refused { code, message, .. }) => {
            Ok(Some(format!("{code:?} ({}): {message}", code as u32)))
        }
        Err(error) => Err(error.into()),
    }
}
