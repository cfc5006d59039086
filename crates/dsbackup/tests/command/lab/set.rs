//! A fixture's files, for the commands that read them.

use std::path::Path;
use std::process::{Command, Stdio};

use serde_json::Value;
use testkit::Fixture;

use super::Run;

pub fn dsbackup(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_dsbackup"));
    command.args(arguments).stdin(Stdio::null());
    command
}

pub fn run(arguments: &[&str]) -> Run {
    Run::of(&mut dsbackup(arguments))
}

pub fn succeed(arguments: &[&str]) -> Run {
    let run = run(arguments);
    assert_eq!(run.code, Some(0), "{arguments:?}: {run}");
    run
}

pub fn json(run: &Run) -> Value {
    serde_json::from_str(&run.stdout).unwrap_or_else(|error| panic!("{error}: {run}"))
}

/// A fixture's files, and its database.
pub struct Set {
    pub folder: tempfile::TempDir,
    pub database: String,
}

impl Set {
    pub fn of(fixture: &Fixture) -> Option<Self> {
        let folder = fixture.unpack();
        let names = ["ntds.dit", "test.edb"];
        let database = names.into_iter().map(|name| folder.path().join(name));
        let database = database.into_iter().find(|path| path.exists())?;
        Some(Self {
            database: text(&database),
            folder,
        })
    }

    pub fn shipped(name: &str) -> Self {
        Self::of(&testkit::find(name).expect("it ships")).expect("a database")
    }

    pub fn path(&self, name: &str) -> String {
        text(&self.folder.path().join(name))
    }
}

pub fn text(path: &Path) -> String {
    path.to_str().expect("a plain path").to_owned()
}

/// Every fixture with a database.
pub fn every() -> impl Iterator<Item = (Fixture, Set)> {
    testkit::every()
        .into_iter()
        .filter_map(|fixture| Set::of(&fixture).map(|set| (fixture, set)))
}

/// Changes the header of a database, and seals it again.
pub fn edit_header(database: &str, change: impl Fn(&mut ese::header::DatabaseHeader)) {
    let path = Path::new(database);
    let mut header = ese::header::DatabaseHeaders::read(path)
        .expect("a header")
        .header;
    change(&mut header);
    let page = header.to_page();
    let mut bytes = std::fs::read(path).expect("read");
    let shadow = page.len();
    bytes[..shadow].copy_from_slice(&page);
    bytes[shadow..2 * shadow].copy_from_slice(&page);
    std::fs::write(path, bytes).expect("write");
}

/// Flips a bit in the middle of a page.
pub fn damage_page(database: &str, number: u32) {
    let offset = {
        let database = ese::Database::open(database).expect("open");
        database.page_size().offset_of(number) + database.page_size().bytes() as u64 / 2
    };
    super::flip_bit(Path::new(database), offset);
}
