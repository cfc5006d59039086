//! A lab with the configuration and the records of jobs.

use std::ops::Deref;
use std::path::PathBuf;
use std::process::Command;

use super::{Lab, Run, write_secret};

/// The lab.
pub struct JobLab {
    lab: Lab,
}

impl Deref for JobLab {
    type Target = Lab;

    fn deref(&self) -> &Lab {
        &self.lab
    }
}

impl JobLab {
    /// With the directory of a fixture.
    pub fn new(fixture: &str) -> Self {
        let lab = Lab::with(&testkit::find(fixture).expect("shipped"));
        Self { lab }
    }

    /// With an empty folder as directory.
    pub fn empty() -> Self {
        Self { lab: Lab::empty() }
    }

    /// The configuration.
    pub fn configuration(&self) -> PathBuf {
        self.lab.path("etc/dsbackup.toml")
    }

    /// The command with the lab's configuration, records and no other settings.
    pub fn command(&self, arguments: &[&str]) -> Command {
        let mut command = self.lab.dsbackup(arguments);
        command
            .env_remove("DSBACKUP_REPOSITORY")
            .env_remove("DSBACKUP_PASSWORD")
            .env("DSBACKUP_CONFIG", self.configuration())
            .env("DSBACKUP_STATE_FOLDER", self.lab.path("state"))
            .env("DSBACKUP_SCRATCH", self.lab.path("scratch"));
        command
    }

    /// Runs a command to its end.
    pub fn run(&self, arguments: &[&str]) -> Run {
        Run::of(&mut self.command(arguments))
    }

    /// Runs a command that must succeed.
    pub fn succeed(&self, arguments: &[&str]) -> Run {
        let run = self.run(arguments);
        assert_eq!(run.code, Some(0), "{arguments:?}: {run}");
        run
    }

    /// A configuration with the repositories `names` and the job `nightly` with these further
    /// settings.
    pub fn configure(&self, names: &[&str], settings: &str) {
        let password = self.lab.path("password");
        let mut text = String::new();
        for name in names {
            let location = self.lab.path(name);
            text += &format!(
                "[repository.{name}]\nlocation = {location:?}\npassword_file = {password:?}\n"
            );
        }
        text += &format!(
            "[job.nightly]\nsource = {{ directory = {:?} }}\nrepositories = {names:?}\n{settings}\n",
            self.lab.directory()
        );
        let path = self.configuration();
        std::fs::create_dir_all(path.parent().expect("a folder")).expect("make it");
        std::fs::write(path, text).expect("write");
        write_secret(&password, "secret\n");
    }

    /// Makes the repository of this name.
    pub fn init(&self, name: &str) {
        let mut command = self.command(&["init"]);
        command.arg("-r").arg(self.lab.path(name));
        command
            .arg("--password-file")
            .arg(self.lab.path("password"));
        let run = Run::of(&mut command);
        assert_eq!(run.code, Some(0), "{run}");
        testkit::cheap_key::replace_key(&self.lab.path(name), "secret");
    }
}
