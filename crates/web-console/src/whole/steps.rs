//! The steps of a whole restore, in words and commands.

use std::path::Path;

use backup::words::quoted;
use jobs::configuration::RepositoryConfiguration;
use model::Manifest;

/// A way to bring a controller back.
#[derive(Debug, PartialEq, Eq)]
pub struct Way {
    /// When it is the right one.
    pub title: String,
    /// What is done, in order.
    pub steps: Vec<Step>,
}

/// A step.
#[derive(Debug, PartialEq, Eq)]
pub struct Step {
    /// In words.
    pub text: String,
    /// Commands, to be typed as they are.
    pub commands: Vec<String>,
}

/// What the steps name.
pub struct Facts<'f> {
    /// The whole id of the snapshot.
    pub snapshot: &'f str,
    /// The server that was backed up.
    pub server: &'f str,
    /// The snapshot's files.
    pub manifest: &'f Manifest,
    /// The repository.
    pub repository: &'f RepositoryConfiguration,
    /// The configuration of Samba there.
    pub smb_conf: &'f Path,
}

/// The ways to bring the server back.
pub fn ways(facts: &Facts<'_>) -> Vec<Way> {
    match facts.manifest.is_tree() {
        true => vec![samba(facts), new_samba(facts), all_lost(facts)],
        false => vec![folder(facts), all_lost(facts)],
    }
}

fn step(text: impl Into<String>, commands: impl IntoIterator<Item = String>) -> Step {
    Step {
        text: text.into(),
        commands: commands.into_iter().collect(),
    }
}

fn samba(facts: &Facts<'_>) -> Way {
    let smb_conf = facts.smb_conf.display().to_string();
    let restore = format!("{} --samba {}", restore(facts), quoted(&smb_conf));
    Way {
        title: format!("On {}, whose computer still stands", facts.server),
        steps: vec![
            step(
                "As root: stop Samba.",
                ["systemctl stop samba-ad-dc".into()],
            ),
            step(
                format!(
                    "Restore. All files of the snapshot take the place of those there; {smb_conf} \
                     and the files that it includes stay. The server gets a new invocation id and a \
                     new RID pool before Samba can start."
                ),
                [restore],
            ),
            step(
                "Start Samba, and look whether its partners replicate with it.",
                [
                    "systemctl start samba-ad-dc".into(),
                    "samba-tool drs showrepl".into(),
                ],
            ),
        ],
    }
}

fn new_samba(facts: &Facts<'_>) -> Way {
    let smb_conf = facts.smb_conf.display().to_string();
    let target = "/srv/dsbackup-restored";
    let mut steps = vec![
        step(
            format!(
                "Install Samba (samba-ad-dc) and dsbackup on a computer with the name and the \
                 address of {}, and do not start Samba.",
                facts.server
            ),
            [],
        ),
        step(
            "Take smb.conf from the snapshot: it says where everything else goes. Files that it \
             includes are beside it, as include-1, include-2 and so on.",
            [
                format!("{} --target {target}", restore(facts)),
                format!("cp {target}/etc/smb.conf {}", quoted(&smb_conf)),
            ],
        ),
    ];
    steps.extend(samba(facts).steps.into_iter().skip(1));
    Way {
        title: "On a new computer of the same name".into(),
        steps,
    }
}

fn folder(facts: &Facts<'_>) -> Way {
    let database = facts.manifest.databases().next();
    let database = database.map_or("ntds.dit", |file| file.original.as_str());
    let folder = match database.rfind(['/', '\\']) {
        Some(end) => &database[..end],
        None => ".",
    };
    Way {
        title: format!("On {}, with the directory in {folder}", facts.server),
        steps: vec![
            step(
                "Stop the directory service, so that nothing uses its files.",
                [],
            ),
            step(
                format!(
                    "Restore. The database is {database}; the files there are replaced, and the \
                     directory cannot start until all of them are whole. The directory service must \
                     take a new invocation id when it starts."
                ),
                [format!(
                    "{} --directory {} --new-invocation-id by-registry",
                    restore(facts),
                    quoted(folder)
                )],
            ),
            step(
                format!(
                    "Do what {folder}/dsbackup.restored-from-backup.txt says before the directory \
                     service starts: it imports dsbackup.restored-from-backup.reg there."
                ),
                [],
            ),
            step("Start the directory service.", []),
        ],
    }
}

fn all_lost(facts: &Facts<'_>) -> Way {
    Way {
        title: "All controllers of the domain are lost".into(),
        steps: vec![step(
            "The order decides then. The plan names the controller that comes first, and each step \
             after it, with names, roles and RID pools filled in.",
            [format!(
                "dsbackup recovery-plan {}",
                quoted(&facts.repository.location)
            )],
        )],
    }
}

/// What of the repository's settings no command has: it may be secret.
pub fn kept_back(repository: &RepositoryConfiguration) -> Vec<String> {
    let command = repository.password_command.as_ref();
    let command = command.map(|_| "--password-command".to_owned());
    let options = repository.options.keys();
    let options = options.map(|key| format!("--store-option {key}=..."));
    command.into_iter().chain(options).collect()
}

/// The command so far.
fn restore(facts: &Facts<'_>) -> String {
    let repository = facts.repository;
    let mut command = format!(
        "dsbackup restore {} -r {}",
        quoted(facts.snapshot),
        quoted(&repository.location)
    );
    if let Some(file) = &repository.password_file {
        command += &format!(" --password-file {}", quoted(&file.display().to_string()));
    }
    command
}
