//! The plan: which controller comes first in each domain, and the steps in order.

use serde::Serialize;

use crate::evidence::{ServerBackups, Usable};
use crate::model::{Controller, Domain, Forest, Kind};
use crate::steps::{First, Phase, Step, listed};
use crate::{samba_steps, windows_steps};

/// The plan of a forest's recovery.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Plan {
    /// The forest.
    pub forest: Forest,
    /// The first controller of each domain, in the order of recovery.
    pub domains: Vec<Choice>,
    /// The backups of each server.
    pub servers: Vec<ServerBackups>,
    /// What a recovery would lack today, in words. Empty if nothing.
    pub missing: Vec<String>,
    /// What to do, in order.
    pub phases: Vec<Phase>,
}

/// The controller of a domain that is recovered first.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Choice {
    /// The domain's DNS name.
    pub domain: String,
    /// The controller's name; `None` if no backup can be restored.
    pub controller: Option<String>,
    /// The server, as its snapshots name it.
    pub server: Option<String>,
    /// The snapshot to restore.
    pub snapshot: Option<Usable>,
    /// The reason of the choice.
    pub why: String,
    /// The other controllers with a snapshot that can be restored, best first.
    pub alternatives: Vec<String>,
}

impl Plan {
    /// Whether each domain can be recovered from a proven snapshot.
    pub fn is_complete(&self) -> bool {
        self.domains.iter().all(|choice| {
            (choice.snapshot.as_ref()).is_some_and(|snapshot| snapshot.proven.is_some())
        })
    }
}

/// Chooses the first controller of each domain: writable, with the newest proven snapshot; if none
/// is proven, with the newest. Of snapshots of the same day, that of the PDC emulator.
pub fn choices(forest: &Forest, servers: &[ServerBackups]) -> Vec<Choice> {
    (forest.domains.iter())
        .map(|domain| choice(forest, domain, servers))
        .collect()
}

fn choice(forest: &Forest, domain: &Domain, servers: &[ServerBackups]) -> Choice {
    let mut candidates: Vec<(&Controller, &ServerBackups, &Usable)> = (servers.iter())
        .filter_map(|server| {
            let controller = forest.controller(&server.controller)?;
            let is_of_domain = (controller.domain.as_deref())
                .is_some_and(|dn| dn.eq_ignore_ascii_case(&domain.dn));
            (is_of_domain && !controller.is_read_only).then_some((
                controller,
                server,
                server.best()?,
            ))
        })
        .collect();
    let pdc = domain
        .details
        .as_ref()
        .and_then(|details| details.pdc.as_deref());
    candidates.sort_by_key(|(controller, _, snapshot)| {
        let day = snapshot.time.get(..10).unwrap_or_default().to_owned();
        let is_pdc = pdc.is_some_and(|pdc| pdc.eq_ignore_ascii_case(&controller.name));
        std::cmp::Reverse((
            snapshot.proven.is_some(),
            day,
            is_pdc,
            snapshot.time.clone(),
        ))
    });
    let alternatives = candidates
        .iter()
        .skip(1)
        .map(|(controller, _, snapshot)| format!("{} ({})", controller.name, described(snapshot)));
    let alternatives = alternatives.collect();
    let Some((controller, server, snapshot)) = candidates.first() else {
        return Choice {
            domain: domain.name.clone(),
            controller: None,
            server: None,
            snapshot: None,
            why: "no writable controller of the domain has a snapshot that can be restored".into(),
            alternatives,
        };
    };
    let why = match &snapshot.proven {
        Some(time) => format!("its newest snapshot that a drill proved ({time})"),
        None => "no snapshot of the domain is proven; this is the newest".into(),
    };
    Choice {
        domain: domain.name.clone(),
        controller: Some(controller.name.clone()),
        server: Some(server.server.clone()),
        snapshot: Some((*snapshot).clone()),
        why,
        alternatives,
    }
}

/// Makes the plan. `domains` are the [`choices`]; the details of each domain in `forest` are those
/// of the chosen snapshot.
pub fn plan(forest: Forest, servers: Vec<ServerBackups>, domains: Vec<Choice>) -> Plan {
    let missing = missing(&forest, &servers, &domains);
    let phases = phases(&forest, &domains);
    Plan {
        forest,
        domains,
        servers,
        missing,
        phases,
    }
}

fn described(snapshot: &Usable) -> String {
    let proven = match snapshot.proven {
        Some(_) => "proven",
        None => "not proven",
    };
    format!(
        "snapshot {} of {}, {proven}",
        snapshot.short_id(),
        snapshot.time
    )
}

fn missing(forest: &Forest, servers: &[ServerBackups], choices: &[Choice]) -> Vec<String> {
    let mut missing = Vec::new();
    for (domain, choice) in forest.domains.iter().zip(choices) {
        let Some(snapshot) = &choice.snapshot else {
            missing.push(format!(
                "the domain {} cannot be recovered: {}. Back up one of {}",
                choice.domain,
                choice.why,
                listed(
                    forest
                        .controllers_of(&domain.dn)
                        .map(|found| found.name.as_str())
                )
            ));
            continue;
        };
        if snapshot.proven.is_none() {
            missing.push(format!(
                "no snapshot of the domain {} is proven: run dsbackup check --drill --snapshot {} \
                 --repository {}",
                choice.domain,
                snapshot.short_id(),
                backup::words::quoted(&snapshot.repository)
            ));
        }
        if domain.details.is_none() {
            missing.push(format!(
                "the roles, RID pool and trusts of {} are not known: its snapshot could not be read",
                choice.domain
            ));
        }
        if forest.kind == Kind::Windows {
            missing.push(format!(
                "SYSVOL and system state of {}: snapshots of an NTDS do not hold them; keep another \
                 backup of them",
                choice.controller.as_deref().unwrap_or_default()
            ));
        }
    }
    for server in servers {
        if let Some(reason) = &server.unusable {
            missing.push(format!(
                "the newest snapshot of {} cannot be used: {reason}",
                server.server
            ));
        }
        if forest.controller(&server.controller).is_none() {
            missing.push(format!(
                "{} is no controller of this forest today: its snapshots are of another forest, or \
                 of a controller that was removed",
                server.server
            ));
        }
    }
    missing
}

fn phases(forest: &Forest, choices: &[Choice]) -> Vec<Phase> {
    let mut phases = vec![prepare(forest)];
    let firsts: Vec<First<'_>> = (forest.domains.iter().zip(choices))
        .filter_map(|(domain, choice)| {
            Some(First {
                forest,
                domain,
                controller: forest.controller(choice.controller.as_deref()?)?,
                snapshot: choice.snapshot.as_ref()?,
                server: choice.server.as_deref()?,
            })
        })
        .collect();
    for first in &firsts {
        phases.push(match forest.kind {
            Kind::Windows => windows_steps::first(first),
            Kind::Samba => samba_steps::first(first),
        });
    }
    if firsts.len() > 1 {
        phases.push(together(&firsts));
    }
    for first in &firsts {
        phases.push(match forest.kind {
            Kind::Windows => windows_steps::others(first),
            Kind::Samba => samba_steps::others(first),
        });
    }
    phases
}

fn prepare(forest: &Forest) -> Phase {
    let names = listed(
        forest
            .controllers
            .iter()
            .map(|controller| controller.name.as_str()),
    );
    Phase {
        title: "Stop the damage".into(),
        steps: vec![
            Step::new(format!(
                "Switch off every controller of the forest, or take all of them off the network: \
                 {names}. One that still runs replicates the damage into the recovered domain."
            )),
            Step::new(
                "Have at hand: this plan, the repository and its password, the passwords of the \
                 built-in administrators at the time of the backup, an isolated network.",
            ),
            Step::new(
                "Find out when the damage began. If the snapshots below are newer than that, take \
                 older ones: dsbackup diff SNAPSHOT SNAPSHOT shows what changed between them.",
            ),
        ],
    }
}

fn together(firsts: &[First<'_>]) -> Phase {
    let hosts = listed(firsts.iter().map(First::host));
    let catalogs: Vec<String> = (firsts.iter())
        .filter(|first| first.controller.is_global_catalog)
        .map(|first| format!("repadmin /options {} +IS_GC", first.controller.name))
        .collect();
    let mut steps = vec![
        Step::new(format!(
            "Connect the recovered controllers with each other: {hosts}."
        ))
        .command("repadmin /syncall /e /d /A /P /q")
        .command("repadmin /replsum")
        .untried(),
    ];
    if !catalogs.is_empty() {
        let step = Step::new("Once all replicate without errors, add the global catalog again.");
        steps.push(step.commands(catalogs).untried());
    }
    Phase {
        title: "Join the recovered domains".into(),
        steps,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::evidence::tests::{drilled, snapshot};
    use crate::evidence::{Evidence, by_server};

    fn domain(name: &str) -> Domain {
        let labels: Vec<String> = name.split('.').map(|label| format!("DC={label}")).collect();
        let dn = labels.join(",");
        Domain {
            name: name.into(),
            netbios_name: name.to_uppercase(),
            parent: None,
            details: None,
            dn,
        }
    }

    fn controller(name: &str, domain: &Domain, is_read_only: bool) -> Controller {
        Controller {
            name: name.into(),
            dns_name: Some(format!("{}.{}", name.to_lowercase(), domain.name)),
            site: "Default-First-Site-Name".into(),
            dn: format!(
                "CN={name},CN=Servers,CN=Default-First-Site-Name,CN=Sites,CN=Configuration"
            ),
            domain: Some(domain.dn.clone()),
            is_global_catalog: true,
            is_read_only,
        }
    }

    fn forest(kind: Kind) -> Forest {
        let (root, child) = (domain("corp.example"), domain("sales.corp.example"));
        Forest {
            kind,
            name: root.name.clone(),
            configuration: "CN=Configuration,DC=corp,DC=example".into(),
            tombstone_lifetime_days: 180,
            recycle_bin_enabled: true,
            schema_master: Some("DC1".into()),
            naming_master: Some("DC2".into()),
            controllers: vec![
                controller("DC1", &root, false),
                controller("DC2", &root, false),
                controller("BRANCH", &root, true),
                controller("S1", &child, false),
            ],
            domains: vec![root, child],
        }
    }

    fn planned(kind: Kind, snapshots: Vec<backup::list::Listed>) -> Plan {
        let forest = forest(kind);
        let repository = "/srv/backup".into();
        let servers = by_server(&[Evidence {
            repository,
            snapshots,
        }]);
        let domains = choices(&forest, &servers);
        plan(forest, servers, domains)
    }

    #[test]
    fn the_root_comes_first_and_each_domain_from_its_newest_proven_writable_controller() {
        for kind in [Kind::Windows, Kind::Samba] {
            let plan = planned(
                kind,
                vec![
                    snapshot("dc1", "2026-11-05T00:00:00Z"),
                    drilled(snapshot("dc2.corp.example", "2026-11-04T00:00:00Z"), true),
                    drilled(snapshot("branch", "2026-11-06T00:00:00Z"), true),
                    drilled(snapshot("s1", "2026-11-03T00:00:00Z"), true),
                ],
            );
            let chosen: Vec<_> = plan
                .domains
                .iter()
                .map(|choice| choice.controller.as_deref())
                .collect();
            assert_eq!(chosen, [Some("DC2"), Some("S1")]);
            assert_eq!(
                plan.domains[0].alternatives.len(),
                1,
                "{:?}",
                plan.domains[0]
            );
            assert!(plan.is_complete());
            let titles: Vec<&str> = plan
                .phases
                .iter()
                .map(|phase| phase.title.as_str())
                .collect();
            assert_eq!(titles[0], "Stop the damage");
            assert_eq!(titles[1], "Recover the domain corp.example from DC2");
            assert_eq!(titles[2], "Recover the domain sales.corp.example from S1");
            assert_eq!(titles.len(), 6);
        }
    }

    #[test]
    fn a_domain_without_a_backup_is_missing_and_not_planned() {
        let plan = planned(
            Kind::Windows,
            vec![
                snapshot("dc1", "2026-11-05T00:00:00Z"),
                snapshot("elsewhere", "2026-11-05T00:00:00Z"),
            ],
        );
        assert!(!plan.is_complete());
        assert!(
            plan.phases
                .iter()
                .all(|phase| !phase.title.contains("sales."))
        );
        let missing = plan.missing.join("\n");
        for expected in [
            "the domain sales.corp.example cannot be recovered",
            "no snapshot of the domain corp.example is proven: run dsbackup check --drill",
            "elsewhere is no controller of this forest",
        ] {
            assert!(missing.contains(expected), "{expected}: {missing}");
        }
    }

    #[test]
    fn every_lost_controller_is_removed_and_every_lost_role_seized() {
        let plan = planned(Kind::Windows, vec![snapshot("dc1", "2026-11-05T00:00:00Z")]);
        let commands: Vec<&str> = (plan.phases[1].steps.iter())
            .flat_map(|step| step.commands.iter().map(String::as_str))
            .collect();
        let commands = commands.join("\n");
        for other in ["CN=DC2,", "CN=BRANCH,"] {
            assert!(
                commands.contains(&format!("remove selected server {other}")),
                "{commands}"
            );
        }
        assert!(
            !commands.contains("remove selected server CN=DC1,"),
            "{commands}"
        );
        assert!(commands.contains("DomainNamingMaster"), "{commands}");
        assert!(!commands.contains("SchemaMaster"), "{commands}");
    }
}
