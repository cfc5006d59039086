//! The steps for a Windows domain. Sources: Microsoft's "AD Forest Recovery" guide, \[MS-ADTS\]
//! 6.1.5.3 (RID pools). Steps outside dsbackup were not tried by its authors.

use crate::model::{RidPool, Sysvol, Trust};
use backup::words::quoted;

use crate::steps::{First, Phase, Step, listed};

/// RIDs to skip: more than the lost controllers can have assigned since the backup.
const SKIPPED_RIDS: u32 = 100_000;

/// Recovers the domain's first controller.
pub fn first(first: &First<'_>) -> Phase {
    let (domain, name) = (&first.domain.name, &first.controller.name);
    let mut steps = restore(first);
    steps.extend(sysvol(first));
    steps.push(
        Step::new(format!(
            "Start {name} normally, still isolated, with itself as its only DNS server. Look for \
             event 1109 in the Directory Service log: a new invocation id. Check that the data is \
             that of before the failure."
        ))
        .command("dcdiag /test:sysvolcheck /test:advertising")
        .command(format!("repadmin /showrepl {name}"))
        .untried(),
    );
    if first.controller.is_global_catalog && first.forest.domains.len() > 1 {
        steps.push(
            Step::new(format!(
                "{name} holds the global catalog, whose copies of the other domains may be newer \
                 than their own backups. Remove it until all domains are recovered."
            ))
            .command(format!("repadmin /options {name} -IS_GC"))
            .untried(),
        );
    }
    steps.push(roles(first));
    steps.extend(rid_pool(first));
    steps.extend(metadata_cleanup(first));
    steps.push(
        Step::new(format!(
            "Change the password of {name}'s own account twice."
        ))
        .command("netdom resetpwd /server:localhost /userd:Administrator /passwordd:*")
        .command("netdom resetpwd /server:localhost /userd:Administrator /passwordd:*")
        .untried(),
    );
    steps.push(krbtgt(first));
    let trusts = first
        .domain
        .details
        .as_ref()
        .map_or(&[][..], |details| &details.trusts);
    steps.extend(trusts.iter().map(|one| trust(domain, one)));
    Phase {
        title: format!("Recover the domain {domain} from {name}"),
        steps,
    }
}

fn restore(first: &First<'_>) -> Vec<Step> {
    let (name, snapshot) = (&first.controller.name, first.snapshot);
    vec![
        Step::new(format!(
            "Bring {name} up on an isolated network, in directory services restore mode. A snapshot \
             holds the database and its logs, not the system: the machine must be {name} itself, or \
             its system state from elsewhere, because the registry holds the key to the database's \
             passwords."
        ))
        .command("bcdedit /set safeboot dsrepair")
        .command("shutdown /r /t 0")
        .untried(),
        Step::new("Restore the snapshot to a folder on a computer with dsbackup, and replay its logs.")
            .command(format!(
                "dsbackup restore {} --repository {} --password-file FILE --server-name {} \
                 --target /srv/recovered --new-invocation-id by-registry",
                snapshot.short_id(),
                quoted(&snapshot.repository),
                quoted(first.server)
            ))
            .command("dsbackup recover /srv/recovered")
            .command("dsbackup facts /srv/recovered"),
        Step::new(format!(
            "Copy ntds.dit into the folder of {name}'s database, remove the logs and the \
             checkpoint there, and import the registry value by which NTDS takes a new invocation \
             id: dsbackup.restored-from-backup.txt beside the database explains it."
        ))
        .command("reg import dsbackup.restored-from-backup.reg")
        .untried(),
    ]
}

fn sysvol(first: &First<'_>) -> Option<Step> {
    let name = &first.controller.name;
    let kind = first.domain.details.as_ref()?.sysvol?;
    let missing = "Snapshots of an NTDS hold no SYSVOL: take it from another backup, or from any \
                   controller's disk.";
    Some(match kind {
        Sysvol::Dfsr => Step::new(format!(
            "Make the SYSVOL of {name} authoritative: set msDFSR-Options to 1 on its subscription. \
             {missing}"
        ))
        .command(format!(
            "Set-ADObject \"CN=SYSVOL Subscription,CN=Domain System \
             Volume,CN=DFSR-LocalSettings,CN={name},OU=Domain Controllers,{}\" -Replace \
             @{{'msDFSR-Options'=1}}",
            first.domain.dn
        )),
        Sysvol::Frs => Step::new(format!(
            "Make the SYSVOL of {name} authoritative: BurFlags D4 for the File Replication \
             Service. {missing}"
        ))
        .command(
            r#"reg add "HKLM\SYSTEM\CurrentControlSet\Services\NtFrs\Parameters\Backup/Restore\Process at Startup" /v BurFlags /t REG_DWORD /d 0xD4 /f"#,
        ),
    }
    .untried())
}

fn roles(first: &First<'_>) -> Step {
    let (forest, name) = (first.forest, &first.controller.name);
    let mut holders = Vec::new();
    if let Some(details) = &first.domain.details {
        holders.push(("PDCEmulator", &details.pdc));
        holders.push(("RIDMaster", &details.rid_master));
        holders.push(("InfrastructureMaster", &details.infrastructure_master));
    } else {
        let roles = ["PDCEmulator", "RIDMaster", "InfrastructureMaster"];
        holders.extend(roles.map(|role| (role, &None)));
    }
    if forest.domains.first() == Some(first.domain) {
        holders.push(("SchemaMaster", &forest.schema_master));
        holders.push(("DomainNamingMaster", &forest.naming_master));
    }
    let is_held = |owner: &Option<String>| {
        (owner.as_deref()).is_some_and(|owner| owner.eq_ignore_ascii_case(name))
    };
    holders.retain(|(_, owner)| !is_held(owner));
    if holders.is_empty() {
        return Step::new(format!(
            "{name} held all roles at the time of the backup: seize none."
        ));
    }
    let lost: Vec<String> = (holders.iter())
        .map(|(role, owner)| format!("{role} from {}", owner.as_deref().unwrap_or("unknown")))
        .collect();
    let roles: Vec<&str> = holders.iter().map(|(role, _)| *role).collect();
    Step::new(format!(
        "Seize the roles that others held: {}.",
        listed(lost.iter().map(String::as_str))
    ))
    .command(format!(
        "Move-ADDirectoryServerOperationMasterRole -Identity {name} -OperationMasterRole {} -Force",
        roles.join(",")
    ))
    .untried()
}

fn rid_pool(first: &First<'_>) -> Vec<Step> {
    let dn = format!("CN=RID Manager$,CN=System,{}", first.domain.dn);
    let pool = first
        .domain
        .details
        .as_ref()
        .and_then(|details| details.rid_pool);
    let raised = pool.and_then(|pool: RidPool| Some((pool, pool.raised_by(SKIPPED_RIDS)?)));
    let raise = match raised {
        Some((pool, value)) => Step::new(format!(
            "Raise the RID pool by {SKIPPED_RIDS}, so that no RID assigned after the backup is \
             assigned once more. The backup's next RID is {}; if the value is higher now, add \
             {SKIPPED_RIDS} to that.",
            pool.next
        ))
        .command(format!(
            "Set-ADObject \"{dn}\" -Replace @{{rIDAvailablePool={value}}}"
        )),
        None => Step::new(format!(
            "Raise rIDAvailablePool of {dn} by {SKIPPED_RIDS}. The backup does not show its value."
        )),
    };
    let invalidate = Step::new(format!(
        "Discard the RIDs that {} still holds. The first new account fails once (event 16654); the \
         next gets a RID of the raised pool.",
        first.controller.name
    ))
    .command("$domain = New-Object System.DirectoryServices.DirectoryEntry")
    .command(
        "$sid = New-Object System.Security.Principal.SecurityIdentifier \
         ($domain.objectSid[0], 0)",
    )
    .command("$root = New-Object System.DirectoryServices.DirectoryEntry(\"LDAP://RootDSE\")")
    .command("$root.UsePropertyCache = $false")
    .command("$root.Put(\"invalidateRidPool\", $sid.Value); $root.SetInfo()");
    vec![raise.untried(), invalidate.untried()]
}

fn metadata_cleanup(first: &First<'_>) -> Option<Step> {
    let names: Vec<&str> = (first.others())
        .map(|controller| controller.name.as_str())
        .collect();
    if names.is_empty() {
        return None;
    }
    let step = Step::new(format!(
        "Remove the other controllers of the domain from the directory: {}. They are never started \
         again with their old databases.",
        listed(names)
    ));
    let commands = first.others().map(|controller| {
        format!(
            "ntdsutil \"metadata cleanup\" \"remove selected server {}\" quit quit",
            controller.dn
        )
    });
    Some(step.commands(commands).untried())
}

fn krbtgt(first: &First<'_>) -> Step {
    let changed = first
        .domain
        .details
        .as_ref()
        .and_then(|details| details.krbtgt_changed.as_ref());
    let changed = match changed {
        Some(time) => format!(" It was changed last at {time}."),
        None => String::new(),
    };
    let mut step = Step::new(format!(
        "Change the password of krbtgt twice, so that no ticket of before is valid.{changed}"
    ));
    if first.others().any(|controller| controller.is_read_only) {
        step.text += " Read-only controllers have krbtgt accounts of their own (krbtgt_N): they go \
                      with their controllers.";
    }
    let command = "Set-ADAccountPassword krbtgt -Reset -NewPassword (Read-Host -AsSecureString)";
    step.command(command).command(command).untried()
}

fn trust(domain: &str, trust: &Trust) -> Step {
    let (trusting, trusted) = match trust.outbound {
        true => (domain, trust.partner.as_str()),
        false => (trust.partner.as_str(), domain),
    };
    let place = match trust.within_forest {
        true => ", of the same forest, once both are recovered",
        false => ", together with its administrators",
    };
    Step::new(format!(
        "Set a new password for the trust with {}{place}, on each side by itself.",
        trust.partner
    ))
    .command(format!(
        "netdom trust {trusting} /domain:{trusted} /resetOneSide /passwordT:NEW \
         /userO:Administrator /passwordO:*"
    ))
    .untried()
}

/// Adds the other controllers again.
pub fn others(first: &First<'_>) -> Phase {
    let names: Vec<&str> = (first.others())
        .map(|controller| controller.name.as_str())
        .collect();
    let mut steps = vec![Step::new(format!(
        "Make a backup of {} at once, and prove it: the old snapshots must not be restored into \
         the recovered domain any more.",
        first.controller.name
    ))
    .command("dsbackup backup --directory FOLDER --repository LOCATION")];
    if !names.is_empty() {
        steps.push(
            Step::new(format!("Install {} anew, and promote them.", listed(names)))
                .command(format!(
                    "Install-ADDSDomainController -DomainName {} -Credential (Get-Credential)",
                    first.domain.name
                ))
                .untried(),
        );
    }
    Phase {
        title: format!("Rebuild the other controllers of {}", first.domain.name),
        steps,
    }
}
