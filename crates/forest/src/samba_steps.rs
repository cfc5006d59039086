//! The steps for a Samba domain. `tests/samba` runs them on real controllers.

use crate::model::Trust;
use backup::words::quoted;

use crate::steps::{First, Phase, Step, listed};

/// Recovers the domain's first controller.
pub fn first(first: &First<'_>) -> Phase {
    let (domain, name) = (&first.domain.name, &first.controller.name);
    let snapshot = first.snapshot;
    let mut steps = vec![
        Step::new(format!(
            "Take a new machine with the same release of Samba or a later one, on an isolated \
             network. Give it another name than any controller had, here DCNEW. The snapshot of \
             {name} becomes this new controller: all roles move to it, all other controllers are \
             removed from the directory, the RID pool is raised by 100,000, the password of krbtgt \
             is changed twice."
        ))
        .command(format!(
            "dsbackup restore {} --repository {} --password-file FILE --target \
             /srv/recovered --first-domain-controller DCNEW",
            snapshot.short_id(),
            quoted(&snapshot.repository)
        )),
        Step::new(
            "Review the restored smb.conf (interfaces, paths, shares), then put it and the \
             restored folders in place, or start Samba with them.",
        )
        .command("samba --configfile=/srv/recovered/etc/smb.conf"),
        Step::new("Compare what the new controller says of itself with this plan.")
            .command("samba-tool dbcheck --cross-ncs")
            .command("samba-tool fsmo show")
            .command("samba-tool ntacl sysvolcheck"),
        Step::new(format!(
            "Make the new controller the DNS server of the isolated network. Its own records in \
             the zone {domain} are added at its start; remove those of the lost controllers."
        ))
        .command("samba_dnsupdate --all-names --verbose")
        .command(format!(
            "samba-tool dns query localhost {} @ ALL -U Administrator",
            quoted(domain)
        )),
    ];
    let trusts = first
        .domain
        .details
        .as_ref()
        .map_or(&[][..], |details| &details.trusts);
    steps.extend(trusts.iter().map(trust));
    Phase {
        title: format!("Recover the domain {domain} from {name}"),
        steps,
    }
}

fn trust(trust: &Trust) -> Step {
    let partner = quoted(&trust.partner);
    Step::new(format!(
        "The trust with {}: its password may have changed since the backup. Check it; if it fails, \
         delete it on both sides and create it again.",
        trust.partner
    ))
    .command(format!("samba-tool domain trust validate {partner}"))
    .untried()
}

/// Adds the other controllers again.
pub fn others(first: &First<'_>) -> Phase {
    let domain = &first.domain.name;
    let names: Vec<&str> = (first.others())
        .map(|controller| controller.name.as_str())
        .collect();
    let mut steps = vec![Step::new(
        "Make a backup of the new controller at once, and prove it: the old snapshots must not be \
         restored into the recovered domain any more.",
    )
    .command("dsbackup setup --samba --repository LOCATION")];
    if !names.is_empty() {
        steps.push(
            Step::new(format!(
                "Never start {} again with their old databases. Empty each, and join it as a new \
                 controller.",
                listed(names)
            ))
            .command(format!(
                "samba-tool domain join {} DC -U Administrator",
                quoted(domain)
            )),
        );
    }
    steps.push(
        Step::new(
            "Copy idmap.ldb and SYSVOL to each joined controller, as Samba does not replicate \
             them, and reset the rights of the copy.",
        )
        .command("samba-tool ntacl sysvolreset")
        .command("samba-tool drs showrepl"),
    );
    Phase {
        title: format!("Rebuild the other controllers of {domain}"),
        steps,
    }
}
