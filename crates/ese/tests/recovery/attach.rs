//! A recovered database meets the engine's requirements for a file to attach: clean, without logs.
//!
//! The requirements are in its source: `ErrDBReadHeaderCheckConsistency`, `DBISetHeaderAfterAttach`
//! and `ErrDBSetLastPage` (`db.cxx`), `ErrLGSoftStart` (`logredo.cxx`), `ErrValidateFmHdr_`
//! (`flushmap.cxx`).

use std::path::Path;

use crate::common::{self, contents, database_in, dump, options, unpacked};
use ese::Database;
use ese::header::{DatabaseHeaders, DatabaseState, HeaderCopies, Lgpos, Signature};
use ese::page::PageView;
use ese::recovery::{Error, Options, Stop, recover};

#[test]
fn every_recovered_database_can_be_attached() {
    for fixture in testkit::every() {
        let folder = unpacked(&fixture);
        let out = tempfile::tempdir().unwrap();
        let before = DatabaseHeaders::read(&database_in(folder.path())).unwrap();
        let summary = recover(options(folder.path()).into_folder(out.path())).unwrap();
        let name = &fixture.name;
        if summary.was_clean {
            println!("{name}: was clean, copied as it was");
            continue;
        }
        let headers = DatabaseHeaders::read(&summary.database).unwrap();
        let header = &headers.header;
        assert_eq!(headers.copies, HeaderCopies::Identical, "{name}");
        // Any other state is JET_errDatabaseInconsistent, and with the mark of a backup
        // JET_errSoftRecoveryOnBackupDatabase.
        assert_eq!(header.state(), DatabaseState::CleanShutdown, "{name}");
        assert_eq!(header.current_full_backup.low, 0, "{name}");
        assert_eq!(header.current_shadow_copy.low, 0, "{name}");
        // A database file of the same page size and format.
        assert_eq!(header.attributes, before.header.attributes, "{name}");
        assert_eq!(header.file_type, before.header.file_type, "{name}");
        assert_eq!(header.page_size(), before.header.page_size(), "{name}");
        assert!(header.version >= before.header.version, "{name}");
        // No log is needed.
        for field in [
            header.min_required,
            header.max_required,
            header.max_committed,
            header.min_consistent,
            header.min_required_before_redo,
            header.min_consistent_before_redo,
            header.recovering,
        ] {
            assert_eq!(field, 0, "{name}");
        }
        // The size was last changed before the file became consistent.
        let resized = header.last_resize;
        assert!(
            resized == Lgpos::MIN || resized == header.last_consistent,
            "{name}: {resized}"
        );
        // New pages and objects get unused numbers.
        let database = Database::open(&summary.database).unwrap();
        let file = std::fs::read(&summary.database).unwrap();
        let size = database.page_size();
        let pages = size.pages_in(file.len() as u64);
        for number in 1..=pages {
            let start = size.offset_of(number) as usize;
            let page = PageView::new(&file[start..start + size.bytes()], number).unwrap();
            if page.is_blank() || page.header().dbtime >= 1 << 63 {
                continue;
            }
            assert!(
                page.header().dbtime <= header.dbtime.get(),
                "{name}: page {number}"
            );
            assert!(
                page.header().objid <= header.last_object_id.get(),
                "{name}: page {number}"
            );
        }
        assert!(
            header.dbtime.get() > 0 && header.last_object_id > 0,
            "{name}"
        );
        // A flush map is used only if one of two signatures matches and is set; these are not, so
        // the engine makes a new one.
        assert_eq!(
            header.header_flush_signature,
            Signature::default(),
            "{name}"
        );
        assert_eq!(
            header.flush_map_flush_signature,
            Signature::default(),
            "{name}"
        );

        let mut findings = Vec::new();
        let structure =
            ese::structure::verify_structure(&database, &mut |finding| findings.push(finding))
                .unwrap();
        assert_eq!(structure.damages, 0, "{name}: {findings:?}");
        assert_eq!(
            structure.pages_beyond_space, 0,
            "{name}: the file is as long as its space"
        );
        println!(
            "{name}: clean at {}, DBTIME {:#x}, {pages} pages; verify-db: {} trees, {} rows, {} \
             index entries sound, {} leaked pages",
            header.last_consistent,
            header.dbtime.get(),
            structure.trees,
            structure.rows,
            structure.index_entries,
            structure.leaked_pages
        );
    }
}

fn names(folder: &Path) -> Vec<String> {
    let paths = contents(folder).into_keys();
    paths
        .map(|path| path.file_name().unwrap().to_str().unwrap().to_owned())
        .collect()
}

fn is_of_logs(name: &str) -> bool {
    let name = name.to_ascii_lowercase();
    name.ends_with(".log") || name.ends_with(".chk")
}

#[test]
fn replayed_logs_and_checkpoint_are_set_aside() {
    let fixture = testkit::find("sample-forest/dirty").unwrap();
    let folder = fixture.unpack();
    let before = contents(folder.path());
    let summary = recover(Options::new(folder.path()).archive_logs(true)).unwrap();
    let aside = summary.logs_archived.unwrap();
    assert_eq!(
        names(folder.path()),
        ["ntds.dit"],
        "the engine begins new logs"
    );
    for (path, content) in before {
        if is_of_logs(path.to_str().unwrap()) {
            let moved = aside.join(path.file_name().unwrap());
            assert_eq!(contents(&aside)[&moved], content, "nothing is lost");
        }
    }
    // The database is clean and has no logs: there is nothing to do.
    let again = recover(Options::new(folder.path()).archive_logs(true)).unwrap();
    assert!(again.was_clean && again.logs_archived.is_none());
}

#[cfg(unix)]
#[test]
fn a_copy_of_read_only_evidence_can_be_written() {
    use std::os::unix::fs::PermissionsExt;
    let fixture = testkit::find("sample-forest/dirty").unwrap();
    let folder = fixture.unpack();
    for path in contents(folder.path()).into_keys() {
        std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o444)).unwrap();
    }
    let out = tempfile::tempdir().unwrap();
    let summary = recover(Options::new(folder.path()).into_folder(out.path())).unwrap();
    let mode = summary.database.metadata().unwrap().permissions().mode();
    assert_eq!(mode & 0o200, 0o200);
}

#[test]
fn logs_in_two_folders_are_set_aside_in_each() {
    let fixture = testkit::find("sample-forest/dirty").unwrap();
    let folder = fixture.unpack();
    let (logs, system) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    for name in names(folder.path()) {
        let to = match name.rsplit_once('.').unwrap().1 {
            "log" => logs.path(),
            "chk" => system.path(),
            _ => continue,
        };
        std::fs::copy(folder.path().join(&name), to.join(&name)).unwrap();
        std::fs::remove_file(folder.path().join(&name)).unwrap();
    }
    let options = Options::new(folder.path())
        .logs_in(logs.path())
        .checkpoint_in(system.path())
        .archive_logs(true);
    recover(options).unwrap();
    assert!(names(logs.path()).is_empty() && names(system.path()).is_empty());
    assert_eq!(names(&system.path().join("replayed-logs")), ["edb.chk"]);
    let moved = names(&logs.path().join("replayed-logs"));
    assert!(moved.contains(&"edb.log".to_owned()) && !moved.contains(&"edb.chk".to_owned()));
}

#[test]
fn logs_stay_while_another_database_needs_them() {
    let fixture = testkit::find("sample-forest/dirty").unwrap();
    let folder = fixture.unpack();
    let second = folder.path().join("second.dit");
    std::fs::copy(folder.path().join("ntds.dit"), &second).unwrap();
    let recover = |name: &str| {
        let options = Options::new(folder.path()).database(name);
        recover(options.archive_logs(true)).unwrap()
    };
    let first = recover("ntds.dit");
    assert_eq!(first.logs_kept_for.as_ref(), Some(&second));
    assert!(first.logs_archived.is_none());
    let last = recover("second.dit");
    assert!(last.logs_kept_for.is_none() && last.logs_archived.is_some());
    assert!(dump(&first.database) == dump(&last.database));
    assert!(!names(folder.path()).iter().any(|name| is_of_logs(name)));
}

/// Copies files of one set to those of another.
fn copy(from: &Path, to: &Path, which: impl Fn(&str) -> bool) {
    for name in names(from).iter().filter(|name| which(name)) {
        std::fs::copy(from.join(name), to.join(name)).unwrap();
    }
}

#[test]
fn a_clean_shutdown_of_the_engine_is_left_alone() {
    for fixture in testkit::every() {
        let folder = unpacked(&fixture);
        let database = database_in(folder.path());
        let header = DatabaseHeaders::read(&database).unwrap().header;
        if !header.is_clean() {
            continue;
        }
        let before = contents(folder.path());
        let summary = recover(options(folder.path()).archive_logs(true)).unwrap();
        let name = &fixture.name;
        assert!(
            summary.was_clean && summary.logs_archived.is_none(),
            "{name}"
        );
        assert_eq!(contents(folder.path()), before, "{name}");
        println!(
            "{name}: database, {} other files untouched",
            before.len() - 1
        );
    }
}

#[test]
fn logs_that_the_engine_ended_with_a_shutdown_stay() {
    for name in ["sample-forest/clean", "ese/p8192-clean", "ese/p4096-timer"] {
        let Some(fixture) = testkit::find(name) else {
            continue;
        };
        let folder = fixture.unpack();
        let expected = DatabaseHeaders::read(&database_in(folder.path())).unwrap();
        let newest = expected.header.last_consistent.generation();
        let (database, header) = common::back_to_creation(folder.path(), newest).unwrap();
        let mut file = std::fs::read(&database).unwrap();
        file[..header.len()].copy_from_slice(&header);
        file[header.len()..2 * header.len()].copy_from_slice(&header);
        std::fs::write(&database, file).unwrap();
        let logs = names(folder.path());
        let summary = recover(Options::new(folder.path()).archive_logs(true)).unwrap();
        assert!(
            !summary.was_clean && summary.logs_archived.is_none(),
            "{name}"
        );
        assert_eq!(names(folder.path()), logs, "{name}");
        // The file is in the state of the engine's own shutdown.
        let header = DatabaseHeaders::read(&database).unwrap().header;
        assert_eq!(
            header.last_consistent, expected.header.last_consistent,
            "{name}"
        );
        assert_eq!(header.dbtime, expected.header.dbtime, "{name}");
    }
}

#[test]
fn logs_in_the_way_of_a_clean_database_are_set_aside() {
    let fixture = testkit::find("sample-forest/dirty").unwrap();
    let folder = fixture.unpack();
    // As after the restore of a backup that was taken after the replay of the logs.
    let summary = recover(Options::new(folder.path())).unwrap();
    assert!(summary.logs_archived.is_none());
    let before = contents(folder.path());
    let summary = recover(Options::new(folder.path()).archive_logs(true)).unwrap();
    assert!(summary.was_clean);
    let aside = summary.logs_archived.unwrap();
    assert_eq!(names(folder.path()), ["ntds.dit"]);
    let database = folder.path().join("ntds.dit");
    assert_eq!(contents(folder.path())[&database], before[&database]);
    assert_eq!(names(&aside).len(), before.len() - 1);
}

#[test]
fn logs_beyond_the_place_to_stop_are_set_aside() {
    // The engine would replay them.
    let clean = testkit::find("sample-forest/clean").unwrap().unpack();
    let dirty = testkit::find("sample-forest/dirty").unwrap().unpack();
    copy(dirty.path(), clean.path(), is_of_logs);
    let before = contents(clean.path());
    let until = |generation| {
        let options = Options::new(clean.path()).archive_logs(true);
        recover(options.until(Stop::Generation(generation)))
    };
    let error = until(4).unwrap_err();
    assert!(matches!(error, Error::StopTooEarly { .. }), "{error}");
    assert_eq!(contents(clean.path()), before);
    let summary = until(5).unwrap();
    assert!(
        !summary.was_clean,
        "generation 5 goes on after the shutdown"
    );
    assert_eq!(summary.lost, [6..=7]);
    assert!(summary.logs_archived.is_some());
    assert_eq!(names(clean.path()), ["ntds.dit"]);
}

#[test]
fn a_clean_copy_goes_on_with_the_logs_that_attach_it_again() {
    let dirty = testkit::find("sample-forest/dirty").unwrap();
    let expected = dirty.companion("expected.jsonl.zst").unwrap();
    let dirty = dirty.unpack();
    let clean = testkit::find("sample-forest/clean").unwrap().unpack();
    copy(dirty.path(), clean.path(), is_of_logs);
    let summary = recover(Options::new(clean.path()).archive_logs(true)).unwrap();
    assert!(!summary.was_clean && summary.logs_archived.is_some());
    assert!(dump(&summary.database) == expected);
}

#[test]
fn an_old_clean_copy_beside_newer_logs_is_refused() {
    let clean = testkit::find("sample-forest/clean").unwrap().unpack();
    let dirty = testkit::find("sample-forest/dirty").unwrap().unpack();
    copy(dirty.path(), clean.path(), is_of_logs);
    // It was attached again in the missing log.
    std::fs::remove_file(clean.path().join("edb00005.log")).unwrap();
    let before = contents(clean.path());
    let out = tempfile::tempdir().unwrap();
    let error = recover(Options::new(clean.path()).archive_logs(true)).unwrap_err();
    assert!(matches!(error, Error::OlderThanLogs { .. }), "{error}");
    let error = recover(Options::new(clean.path()).into_folder(out.path())).unwrap_err();
    assert!(matches!(error, Error::OlderThanLogs { .. }), "{error}");
    assert_eq!(contents(clean.path()), before);
    let options = Options::new(clean.path()).archive_logs(true);
    let summary = recover(options.allow_loss(true)).unwrap();
    assert!(summary.was_clean && summary.logs_archived.is_some());
    assert_eq!(summary.lost, [5..=7]);
    assert_eq!(names(clean.path()), ["ntds.dit"]);
}
