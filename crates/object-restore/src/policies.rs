//! What belongs to a group policy besides its own object: the containers in it, its WMI filter, and
//! the links to it, which are in a text of domains, units and sites.

use objects::{Entry, Lookup, Source, Value, Wanted};

use crate::error::Result;
use crate::local::policy_folder;
use crate::pair::Pair;
use crate::plan::{Action, ObjectPlan, PasswordPlan, Planned, PolicyFiles, ValuesChange};

/// The class of group policies, in lower case.
pub const POLICY: &str = "grouppolicycontainer";
/// The links to policies, `[LDAP://name;options]` one after another.
const LINKS: &str = "gPLink";
/// Where the files of a policy are.
const PATH: &str = "gPCFileSysPath";
/// The filter of a policy, `[domain;{GUID};0]`.
const FILTER: &str = "gPCWQLFilter";
/// The place of filters beneath the domain.
const FILTERS: &str = "CN=SOM,CN=WMIPolicy,CN=System";

/// Whether an object is a group policy.
pub fn is_policy(entry: &Entry) -> bool {
    let class = entry.class().unwrap_or_default();
    class.eq_ignore_ascii_case(POLICY)
}

/// The WMI filter of a policy in the backup, where the server has it no more.
pub fn lost_filter(pair: &Pair<'_>, policy: &Entry) -> Result<Option<Entry>> {
    let name = policy.text(FILTER).and_then(|text| text.split(';').nth(1));
    let domain = pair.source.facts().default_naming_context.as_ref();
    let (Some(name), Some(domain)) = (name, domain) else {
        return Ok(None);
    };
    let name = format!("CN={name},{FILTERS},{}", domain.dn);
    let wanted = Wanted {
        deleted: false,
        ..Wanted::everything()
    };
    for id in pair.source.find(&Lookup::Dn(&name))? {
        if let Some(filter) = pair.source.entry(id, &wanted)?
            && let Some(guid) = filter.guid
            && pair.living(guid)?.is_none()
        {
            return Ok(Some(filter));
        }
    }
    Ok(None)
}

/// The files of a policy that differ from the backup, or why they do not come back.
pub fn files(pair: &Pair<'_>, policy: &Entry) -> std::result::Result<Option<PolicyFiles>, String> {
    let path = policy.text(PATH).unwrap_or_default();
    let Some(folder) = policy_folder(path) else {
        return Err(format!("{path:?} leads to no folder of SYSVOL"));
    };
    let Some(local) = pair.local() else {
        return Err(
            "they come back only with --in-place, on a Samba domain controller; without them the \
             policy has no effect: dsbackup cat writes single ones"
                .into(),
        );
    };
    let count = local.differing_files(&folder)?;
    Ok((count > 0).then_some(PolicyFiles { folder, count }))
}

/// Plans for the living objects whose links to these policies are lost: those links come back at
/// their places, and all others stay.
pub fn links(pair: &Pair<'_>, policies: &[&Entry], selected: &[Planned]) -> Result<Vec<Planned>> {
    let names: Vec<String> = (policies.iter())
        .map(|policy| policy.dn.to_lowercase())
        .collect();
    let mut planned = Vec::new();
    if names.is_empty() || !pair.request.links || !pair.request.attributes.is_empty() {
        return Ok(planned);
    }
    let wanted = Wanted {
        deleted: false,
        ..Wanted::only([LINKS])
    };
    for entry in pair.source.all(&wanted)? {
        let entry = entry?;
        let (Some(before), Some(guid)) = (entry.text(LINKS), entry.guid) else {
            continue;
        };
        let is_selected = selected.iter().any(|one| one.plan.guid == guid);
        if is_selected || !links_of(before).any(|link| names.contains(&target_of(link))) {
            continue;
        }
        let Some(present) = pair.present(guid)? else {
            continue;
        };
        if present.state.is_deleted() {
            continue;
        }
        let now = present.text(LINKS).unwrap_or_default();
        let merged = merged(before, now, |name| names.contains(&name));
        let attribute = pair.live.schema().attribute(LINKS).cloned();
        if let Some(attribute) = attribute.filter(|_| merged != now) {
            planned.push(holder(&present, merged, attribute));
        }
    }
    Ok(planned)
}

/// The plan of an object of which only the links to policies change.
fn holder(
    present: &Entry,
    merged: String,
    attribute: std::sync::Arc<objects::schema::AttributeSchema>,
) -> Planned {
    let mut wanted = present.clone();
    let values = vec![Value::Text(merged)];
    wanted
        .attributes
        .retain(|held| !held.schema.name.eq_ignore_ascii_case(LINKS));
    wanted.attributes.push(objects::AttributeValues {
        schema: attribute.clone(),
        values: values.clone(),
    });
    Planned {
        plan: ObjectPlan {
            guid: present.guid.unwrap_or_default(),
            dn: present.dn.to_string(),
            class: present.class().unwrap_or_default().to_owned(),
            action: Action::Stay,
            comes_back: false,
            is_account: false,
            password: PasswordPlan::Untouched,
            values: vec![ValuesChange {
                attribute,
                removed: present.values(LINKS).to_vec(),
                added: values,
            }],
            left: Vec::new(),
            files: None,
            only: Some(LINKS.to_ascii_lowercase()),
        },
        wanted,
    }
}

/// The links of a text, without brackets.
fn links_of(text: &str) -> impl Iterator<Item = &str> {
    let parts = text.split('[').skip(1);
    parts.filter_map(|part| part.split(']').next())
}

/// The policy of a link, in lower case.
fn target_of(link: &str) -> String {
    let name = link.rsplit_once(';').map_or(link, |(name, _)| name);
    let name = name.to_lowercase();
    name.strip_prefix("ldap://").unwrap_or(&name).to_owned()
}

/// The links of now, and those of before that come back, each behind the one that it followed.
fn merged(before: &str, now: &str, comes_back: impl Fn(String) -> bool) -> String {
    let mut links: Vec<&str> = links_of(now).collect();
    let mut last = None;
    for link in links_of(before) {
        let target = target_of(link);
        let position = links.iter().position(|one| target_of(one) == target);
        match position {
            Some(_) => last = Some(target),
            None if comes_back(target.clone()) => {
                let after =
                    last.and_then(|last| links.iter().position(|one| target_of(one) == last));
                links.insert(after.map_or(0, |after| after + 1), link);
                last = Some(target);
            }
            None => {}
        }
    }
    links.iter().map(|link| format!("[{link}]")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_link_comes_back_to_its_place_and_others_stay() {
        let link =
            |name: &str, options: u32| format!("[LDAP://cn={{{name}}},CN=Policies;{options}]");
        let before = [link("A", 0), link("B", 2), link("C", 0)].concat();
        let is_b = |name: String| name == "cn={b},cn=policies";
        // The case of names does not count.
        let now = ["[ldap://CN={a},cn=policies;1]", &link("D", 0)].concat();
        let expected = [
            "[ldap://CN={a},cn=policies;1]",
            &link("B", 2),
            &link("D", 0),
        ]
        .concat();
        assert_eq!(merged(&before, &now, is_b), expected);
        assert_eq!(merged(&before, "", is_b), link("B", 2));
        assert_eq!(merged(&before, &before, is_b), before);
        let all = |_| true;
        assert_eq!(merged(&before, &link("C", 0), all), before);
        assert_eq!(merged(" ", " ", all), "");
    }
}
