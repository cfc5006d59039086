//! `dsbackup.toml`: repositories and jobs. `dsbackup.jobs.sample.toml` describes each key.
//!
//! The same file may hold the tables of the service, which are not read here. It never holds a
//! password: a repository names a file or a command that gives it.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use backup::hosting::Hosted;
use backup::retention::{Policy, Within};
use repository::{Location, Password, Repository};
use serde::Deserialize;
use serde::de::IgnoredAny;

use crate::error::{Error, Result};
use crate::notify::NotifyConfiguration;
use crate::record;
use crate::span::Span;

/// The documented sample file.
pub const SAMPLE: &str = include_str!("../dsbackup.jobs.sample.toml");

/// Where the file is if nothing else is named.
pub const DEFAULT_PATH: &str = "/etc/dsbackup/dsbackup.toml";

/// Repositories and jobs by name.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(from = "Tables")]
pub struct Configuration {
    /// The file that it was read from.
    pub path: PathBuf,
    /// The repositories.
    pub repositories: BTreeMap<String, RepositoryConfiguration>,
    /// The jobs.
    pub jobs: BTreeMap<String, JobConfiguration>,
    /// Who is notified.
    pub notify: BTreeMap<String, NotifyConfiguration>,
}

/// The form of the file.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Tables {
    #[serde(default)]
    repository: BTreeMap<String, RepositoryConfiguration>,
    #[serde(default)]
    job: BTreeMap<String, JobConfiguration>,
    #[serde(default)]
    notify: BTreeMap<String, NotifyConfiguration>,
    // The console's, and the service's.
    #[serde(rename = "console")]
    _console: Option<IgnoredAny>,
    #[serde(rename = "directory")]
    _directory: Option<IgnoredAny>,
    #[serde(rename = "samba")]
    _samba: Option<IgnoredAny>,
    #[serde(rename = "endpoint")]
    _endpoint: Option<IgnoredAny>,
    #[serde(rename = "remote")]
    _remote: Option<IgnoredAny>,
    #[serde(rename = "audit")]
    _audit: Option<IgnoredAny>,
    #[serde(rename = "metrics")]
    _metrics: Option<IgnoredAny>,
}

impl From<Tables> for Configuration {
    fn from(tables: Tables) -> Self {
        Self {
            path: PathBuf::new(),
            repositories: tables.repository,
            jobs: tables.job,
            notify: tables.notify,
        }
    }
}

/// A repository, and what opens it.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RepositoryConfiguration {
    /// A folder, `s3:`, `sftp:` or `rest:` location.
    pub location: String,
    /// The file whose first line is the password.
    pub password_file: Option<PathBuf>,
    /// The command that prints the password.
    pub password_command: Option<String>,
    /// Settings of a remote store.
    #[serde(default)]
    pub options: BTreeMap<String, String>,
}

/// A job: what is backed up, into which repositories, and what is done there afterwards.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct JobConfiguration {
    /// What is backed up.
    pub source: Source,
    /// The names of the repositories, in the order in which they are written.
    pub repositories: Vec<String>,
    /// Tags of the snapshots.
    #[serde(default)]
    pub tags: Vec<String>,
    /// Delete no logs on the server.
    #[serde(default)]
    pub keep_logs: bool,
    /// Delete logs although a store does not promise durability.
    #[serde(default)]
    pub trust_store: bool,
    /// The snapshots that stay; all if absent.
    pub keep: Option<Keep>,
    /// The check of the repository; none if absent.
    pub check: Option<CheckRule>,
    /// The drill of the newest snapshot; none if absent.
    pub drill: Option<DrillRule>,
    /// How logs are shipped between the runs; not at all if absent.
    pub ship: Option<ShipRule>,
    /// The age that the newest snapshot must not exceed.
    #[serde(default = "default_max_age")]
    pub max_age: Span,
    /// The wait for a locked repository.
    #[serde(default = "default_retry_lock")]
    pub retry_lock: Span,
    /// The command that runs before the backups; if it fails, the job does.
    pub before: Option<String>,
    /// The command that runs after them, whatever came of them.
    pub after: Option<String>,
    /// The names of those who are notified.
    #[serde(default)]
    pub notify: Vec<String>,
    /// The changes of the directory that are an alarm; none if absent.
    pub alarm: Option<AlarmRule>,
}

/// A day, and two hours for a backup that takes longer than the one before.
const fn default_max_age() -> Span {
    Span::hours(26)
}

const fn default_retry_lock() -> Span {
    Span(600)
}

/// What is backed up. Exactly one of `directory`, `samba`, `ifm`, `socket`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Source {
    /// The folder of a directory's database and logs.
    pub directory: Option<PathBuf>,
    /// With `directory`: the database's file name.
    pub database_name: Option<String>,
    /// The smb.conf of a Samba domain controller.
    pub samba: Option<PathBuf>,
    /// An IFM folder.
    pub ifm: Option<PathBuf>,
    /// The socket of a running service.
    pub socket: Option<PathBuf>,
}

/// What a [`Source`] names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SourceKind {
    /// A directory for which no service is needed.
    Hosted(Hosted),
    /// A running service.
    Socket(PathBuf),
}

/// The snapshots of the job's server that stay, with the rules of `dsbackup forget`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Keep {
    /// The newest so many.
    pub last: u32,
    /// The newest of each of so many hours.
    pub hourly: u32,
    /// The newest of each of so many days.
    pub daily: u32,
    /// The newest of each of so many weeks.
    pub weekly: u32,
    /// The newest of each of so many months.
    pub monthly: u32,
    /// The newest of each of so many years.
    pub yearly: u32,
    /// All within this time before the newest, such as `1y6m14d12h`.
    pub within: Option<String>,
    /// All with one of these tags.
    pub tags: Vec<String>,
}

/// When a repository is checked.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CheckRule {
    /// The time between two checks.
    pub every: Span,
    /// Every byte of the content, not only the structure.
    #[serde(default)]
    pub read_data: bool,
}

/// When the newest snapshot is drilled.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DrillRule {
    /// The age that the newest proof of a snapshot must not exceed.
    pub every: Span,
    /// The folder of the scratch folders.
    pub scratch: Option<PathBuf>,
}

/// How finished logs are stored between the runs of a job.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ShipRule {
    /// The folder of the logs, if it is not that of the source.
    pub logs: Option<PathBuf>,
    /// The time between two looks into it.
    #[serde(default = "default_look")]
    pub every: Span,
    /// The time that a finished log may wait.
    #[serde(default = "default_max_lag")]
    pub max_lag: Span,
    /// Take a full backup if the logs do not continue what is stored, instead of waiting for one.
    #[serde(default)]
    pub full_after_gap: bool,
}

const fn default_look() -> Span {
    Span(5)
}

const fn default_max_lag() -> Span {
    Span(600)
}

/// Changes between two backups that are an alarm.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AlarmRule {
    /// More objects than this were deleted: the count of deleted ones grew, or that of the others
    /// shrank.
    pub deleted_objects: Option<u64>,
    /// More users than this, computers aside, were deleted.
    pub deleted_users: Option<u64>,
    /// Members of privileged groups, or of groups in these, changed.
    #[serde(default)]
    pub privileged_groups: bool,
    /// More groups that count as privileged, by SID or account name.
    #[serde(default)]
    pub groups: Vec<String>,
    /// The password of krbtgt changed.
    #[serde(default)]
    pub krbtgt: bool,
    /// The folder of copies of a database that cannot be read in the repository.
    pub scratch: Option<PathBuf>,
}

impl AlarmRule {
    /// Whether objects have to be compared.
    pub fn compares(&self) -> bool {
        self.deleted_users.is_some() || self.privileged_groups || self.krbtgt
    }
}

impl Configuration {
    /// Reads the file and checks that its parts fit together.
    ///
    /// # Errors
    /// If it cannot be read, is no TOML, has unknown or missing keys, or a job names a repository
    /// that it does not have.
    pub fn read(path: &Path) -> Result<Self> {
        let text = std::fs::read_to_string(path).map_err(Error::io("read", path))?;
        Self::parse(path, &text)
    }

    /// As [`Configuration::read`], from the text of the file.
    ///
    /// # Errors
    /// As [`Configuration::read`].
    pub fn parse(path: &Path, text: &str) -> Result<Self> {
        let wrong = |reason: String| Error::Configuration {
            path: path.to_path_buf(),
            reason,
        };
        let mut configuration: Self =
            toml::from_str(text).map_err(|error| wrong(error.to_string().trim_end().to_owned()))?;
        configuration.path = path.to_path_buf();
        for (name, repository) in &configuration.repositories {
            let check = check_name(name).and_then(|()| repository.check());
            check.map_err(|reason| wrong(format!("[repository.{name}]: {reason}")))?;
        }
        for (name, notify) in &configuration.notify {
            let check = check_name(name).and_then(|()| notify.check());
            check.map_err(|reason| wrong(format!("[notify.{name}]: {reason}")))?;
        }
        for (name, job) in &configuration.jobs {
            let check = check_name(name).and_then(|()| job.check(&configuration));
            check.map_err(|reason| wrong(format!("[job.{name}]: {reason}")))?;
        }
        Ok(configuration)
    }

    /// The job of this name.
    ///
    /// # Errors
    /// [`Error::NoSuchJob`].
    pub fn job(&self, name: &str) -> Result<&JobConfiguration> {
        self.jobs.get(name).ok_or_else(|| {
            let names: Vec<&str> = self.jobs.keys().map(String::as_str).collect();
            Error::NoSuchJob {
                path: self.path.clone(),
                name: name.to_owned(),
                known: match names.is_empty() {
                    true => "none".into(),
                    false => names.join(", "),
                },
            }
        })
    }
}

impl Configuration {
    /// The repository of this name.
    ///
    /// # Errors
    /// If there is none.
    pub fn repository(&self, name: &str) -> Result<&RepositoryConfiguration> {
        self.repositories
            .get(name)
            .ok_or_else(|| Error::Configuration {
                path: self.path.clone(),
                reason: format!("there is no [repository.{name}]"),
            })
    }
}

/// Replaces the file, or makes it, readable by its owner alone: it may name addresses of web hooks
/// that are secrets.
///
/// # Errors
/// If it cannot be written; then the one before is still there.
pub fn write(path: &Path, text: &str) -> Result<()> {
    record::replace(path, text.as_bytes(), 0o600).map_err(Error::io("write", path))
}

/// Names become file names, labels of metrics and words in messages.
fn check_name(name: &str) -> Result<(), String> {
    let fits = |c: char| c.is_ascii_alphanumeric() || "-_.".contains(c);
    match !name.is_empty() && name.len() <= 64 && !name.starts_with('.') && name.chars().all(fits) {
        true => Ok(()),
        false => Err("a name has letters, digits, - _ and . (not first), at most 64".into()),
    }
}

impl RepositoryConfiguration {
    fn check(&self) -> Result<(), String> {
        Location::parse(&self.location).map_err(|error| error.to_string())?;
        match (&self.password_file, &self.password_command) {
            (Some(_), None) | (None, Some(_)) => Ok(()),
            (None, None) => Err("neither password_file nor password_command".into()),
            (Some(_), Some(_)) => {
                Err("password_file and password_command exclude each other".into())
            }
        }
    }

    /// The password, from its file or command.
    ///
    /// # Errors
    /// If there is none, or others can read the file.
    pub fn password(&self) -> Result<Password> {
        Ok(match (&self.password_file, &self.password_command) {
            (Some(file), _) => backup::password::from_file(file)?,
            (None, command) => {
                backup::password::from_command(command.as_deref().unwrap_or_default(), &[])?
            }
        })
    }

    /// Opens the repository.
    ///
    /// # Errors
    /// If there is no password, or it cannot be opened.
    pub fn open(&self) -> Result<Repository> {
        let location = Location::parse(&self.location)?;
        Ok(Repository::open(
            &location,
            &self.password()?,
            &self.options,
        )?)
    }
}

impl JobConfiguration {
    fn check(&self, configuration: &Configuration) -> Result<(), String> {
        self.source.kind()?;
        if self.repositories.is_empty() {
            return Err("repositories is empty".into());
        }
        for (index, name) in self.repositories.iter().enumerate() {
            if !configuration.repositories.contains_key(name) {
                return Err(format!("there is no [repository.{name}]"));
            }
            if self.repositories[..index].contains(name) {
                return Err(format!("the repository {name} is named twice"));
            }
        }
        for name in &self.notify {
            if !configuration.notify.contains_key(name) {
                return Err(format!("there is no [notify.{name}]"));
            }
        }
        if let Some(alarm) = &self.alarm {
            if alarm.deleted_objects.is_none() && !alarm.compares() {
                return Err(
                    "alarm: one at least of deleted_objects, privileged_groups and krbtgt".into(),
                );
            }
            if !alarm.groups.is_empty() && !alarm.privileged_groups {
                return Err("alarm: groups belong to privileged_groups = true".into());
            }
        }
        if self.ship.is_some() {
            self.logs()?;
        }
        if let Some(keep) = &self.keep {
            let policy = keep.policy()?;
            if policy.is_empty() {
                return Err("keep keeps nothing: give a rule, or leave it out to keep all".into());
            }
        }
        Ok(())
    }
}

impl JobConfiguration {
    /// The folder whose logs are shipped.
    ///
    /// # Errors
    /// If no folder is known, or the source has no logs.
    pub fn logs(&self) -> Result<&Path, String> {
        let logs = self.ship.as_ref().and_then(|rule| rule.logs.as_deref());
        match (&self.source, logs) {
            (Source { samba: Some(_), .. } | Source { ifm: Some(_), .. }, _) => {
                Err("ship: only a directory with transaction logs has any to ship".into())
            }
            (_, Some(logs)) => Ok(logs),
            (source, None) => (source.directory.as_deref())
                .ok_or_else(|| "ship: name the folder of the logs with logs = DIR".into()),
        }
    }
}

impl Source {
    /// The one thing that it names.
    ///
    /// # Errors
    /// If it names none, or several.
    pub fn kind(&self) -> Result<SourceKind, String> {
        if self.database_name.is_some() && self.directory.is_none() {
            return Err("source: database_name belongs to directory".into());
        }
        match (&self.directory, &self.samba, &self.ifm, &self.socket) {
            (Some(folder), None, None, None) => Ok(SourceKind::Hosted(Hosted::Folder {
                folder: folder.clone(),
                database_name: self.database_name.clone(),
            })),
            (None, Some(smb_conf), None, None) => {
                Ok(SourceKind::Hosted(Hosted::Samba(smb_conf.clone())))
            }
            (None, None, Some(folder), None) => Ok(SourceKind::Hosted(Hosted::Ifm(folder.clone()))),
            (None, None, None, Some(socket)) => Ok(SourceKind::Socket(socket.clone())),
            _ => Err("source: exactly one of directory, samba, ifm and socket".into()),
        }
    }
}

impl Keep {
    /// The policy of `dsbackup forget`.
    ///
    /// # Errors
    /// If `within` is no span of time.
    pub fn policy(&self) -> Result<Policy, String> {
        let within = (self.within.as_deref())
            .map(|text| text.parse::<Within>())
            .transpose()
            .map_err(|error| format!("keep.within: {error}"))?;
        Ok(Policy {
            last: self.last,
            hourly: self.hourly,
            daily: self.daily,
            weekly: self.weekly,
            monthly: self.monthly,
            yearly: self.yearly,
            within,
            tags: self.tags.iter().map(|tag| vec![tag.clone()]).collect(),
        })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn parse(text: &str) -> Result<Configuration> {
        Configuration::parse(Path::new("dsbackup.toml"), text)
    }

    const SMALL: &str = "\
[repository.local]
location = \"/srv/backup\"
password_file = \"/etc/dsbackup/local.password\"
[job.nightly]
source = { directory = \"/var/lib/ntds\" }
repositories = [\"local\"]
";

    #[test]
    fn the_sample_is_a_configuration() {
        let sample = parse(SAMPLE).expect("the sample");
        assert!(!sample.jobs.is_empty());
        // Every line that is commented out with one # is a setting.
        let all: String = SAMPLE
            .lines()
            .map(|line| {
                line.strip_prefix('#')
                    .filter(|rest| !rest.starts_with(' '))
                    .unwrap_or(line)
            })
            .map(|line| format!("{line}\n"))
            .collect();
        parse(&all).expect("the sample with all settings");
    }

    #[test]
    fn what_does_not_fit_together_is_refused_with_its_name() {
        parse(SMALL).expect("fits");
        parse(&format!("{SMALL}[endpoint]\nsocket = \"/run/x\"\n")).expect("the service's");
        for (from, to, words) in [
            ("[\"local\"]", "[\"other\"]", "no [repository.other]"),
            ("[\"local\"]", "[]", "repositories is empty"),
            ("[\"local\"]", "[\"local\", \"local\"]", "named twice"),
            ("password_file", "password", "unknown field `password`"),
            ("source = {", "source = { samba = \"/a\",", "exactly one of"),
            ("job.nightly", "job.\"a/b\"", "a name has"),
            (
                "repositories",
                "max_age = \"soon\"\nrepositories",
                "span of time",
            ),
            ("repositories", "keep = {}\nrepositories", "keeps nothing"),
            ("[job", "[jobs", "unknown field `jobs`"),
        ] {
            let error = parse(&SMALL.replacen(from, to, 1))
                .expect_err(to)
                .to_string();
            assert!(error.contains(words), "{to}: {error}");
            assert!(error.starts_with("dsbackup.toml: "), "{error}");
        }
    }

    proptest! {
        #[test]
        fn any_text_is_a_configuration_or_refused(text: String) {
            let _ = parse(&text);
        }

        /// Random text is hardly ever TOML; the sample with some lines gone or repeated often is.
        #[test]
        fn any_lines_of_the_sample_fit_together_or_are_refused(
            choices in proptest::collection::vec(0_u8..20, 1..400),
        ) {
            let mut choices = choices.iter().cycle();
            let mut text = String::new();
            for line in SAMPLE.lines() {
                let line = line.strip_prefix('#').filter(|rest| !rest.starts_with(' ')).unwrap_or(line);
                let times = match choices.next() {
                    Some(0) => 0,
                    Some(1) => 2,
                    _ => 1,
                };
                text.extend(std::iter::repeat_n(format!("{line}\n"), times));
            }
            if let Ok(configuration) = parse(&text) {
                for (name, job) in &configuration.jobs {
                    prop_assert!(job.check(&configuration).is_ok(), "{name}");
                    for repository in &job.repositories {
                        prop_assert!(configuration.repository(repository).is_ok());
                    }
                }
            }
        }
    }
}
