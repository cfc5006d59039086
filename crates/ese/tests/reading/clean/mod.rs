//! The fixtures' databases that need no recovery.

use std::path::Path;

use ese::Database;
use testkit::Fixture;

/// Calls `visit` with each fixture's databases that were shut down cleanly.
pub fn each(mut visit: impl FnMut(&Fixture, &Database)) {
    let mut visited = 0;
    for fixture in testkit::every() {
        let folder = fixture.unpack();
        let mut paths: Vec<_> = std::fs::read_dir(folder.path())
            .expect("list the folder")
            .map(|entry| entry.expect("folder entry").path())
            .filter(|path| is_database(path))
            .collect();
        paths.sort();
        for path in paths {
            let database = Database::open(&path).expect("open the database");
            if database.is_clean() {
                visit(&fixture, &database);
                visited += 1;
            }
        }
    }
    assert!(visited > 0, "there are clean databases");
}

fn is_database(path: &Path) -> bool {
    path.extension()
        .is_some_and(|kind| kind == "edb" || kind == "dit")
}
