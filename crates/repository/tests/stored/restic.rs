//! Debian's restic reads what this crate writes, and this crate reads what restic writes.

use std::io::Read;
use std::os::unix::fs::PermissionsExt;

use crate::common::*;
use repository::*;

#[test]
fn restic_lists_checks_and_restores_a_real_directory() {
    let place = tempfile::tempdir().unwrap();
    let path = place.path().join("repo");
    let repository = init(&path);
    for fixture in testkit::shipped().iter().take(4) {
        let folder = fixture.unpack();
        let mut source = FolderSource::new(folder.path());
        let backup = repository
            .backup(&shared(&repository), &request(), &mut source, &mut |_| {})
            .unwrap();

        let target = place.path().join("restored");
        let target_text = target.to_str().unwrap();
        restic_succeeds(
            &path,
            &[
                "restore",
                backup.snapshot.short_id(),
                "--target",
                target_text,
            ],
        );
        if target.exists() {
            same_files(folder.path(), &target);
            let manifest = std::fs::read_to_string(target.join("about/manifest")).unwrap();
            let sums = std::process::Command::new("sha256sum")
                .args(["--quiet", "--check", "about/manifest"])
                .current_dir(&target)
                .output()
                .unwrap();
            assert!(sums.status.success(), "{manifest}");
            std::fs::remove_dir_all(&target).unwrap();
        }
    }
    let listed = restic_succeeds(&path, &["snapshots"]);
    assert!(listed.is_empty() || listed.contains("dc1"), "{listed}");
    restic_succeeds(&path, &["check", "--read-data"]);
    assert_eq!(
        repository.check(true, &mut |_, _, _| ()).unwrap().problems,
        Vec::<String>::new()
    );
    assert_eq!(
        repository.check(true, &mut |_, _, _| ()).unwrap().notes,
        Vec::<String>::new()
    );
}

#[test]
fn a_snapshot_reads_back_as_it_was() {
    let place = tempfile::tempdir().unwrap();
    let repository = init(&place.path().join("repo"));
    let files = vec![
        noise("z/large", 1, (9 << 20) + 17),
        noise("a/exactly-a-batch", 2, 1 << 20),
        noise("a/exactly-a-chunk", 3, 32 << 10),
        file("empty", 0, std::io::empty()),
        noise("one", 4, 1),
        file("zeros", 3 << 20, std::io::repeat(0).take(3 << 20)),
    ];
    let mut seen = 0;
    let backup = repository
        .backup(
            &shared(&repository),
            &request(),
            &mut ListSource::new(files),
            &mut |bytes| seen = bytes,
        )
        .unwrap();
    assert_eq!(seen, backup.files.iter().map(|file| file.size).sum::<u64>());
    assert!(backup.new_bytes < seen - (2 << 20), "zeros are stored once");

    let again = open(&place.path().join("repo"));
    assert_eq!(again.snapshots().unwrap().len(), 1);
    let info = again.snapshot("latest").unwrap();
    assert_eq!(info.id, backup.snapshot.id);
    assert_eq!(again.snapshot(&info.id[..6]).unwrap().id, info.id);
    assert!(again.snapshot("ffffffffffff").is_err());
    let snapshot = again.open_snapshot(&info).unwrap();
    assert_eq!(snapshot.files().count(), 6);
    for (path, seed, size) in [
        ("z/large", 1, (9 << 20) + 17),
        ("a/exactly-a-batch", 2, 1 << 20),
        ("a/exactly-a-chunk", 3, 32 << 10),
        ("one", 4, 1),
    ] {
        let (mut expected, mut found) = (Vec::new(), Vec::new());
        Noise::new(seed, size).read_to_end(&mut expected).unwrap();
        snapshot
            .open(path)
            .unwrap()
            .read_to_end(&mut found)
            .unwrap();
        assert!(expected == found, "{path}");
    }
    assert_eq!(snapshot.read("empty", 10).unwrap(), b"");
    assert_eq!(snapshot.read("zeros", 4 << 20).unwrap(), vec![0; 3 << 20]);
    assert!(
        snapshot.read("zeros", 1 << 20).is_err(),
        "larger than expected"
    );
    assert!(matches!(
        snapshot.open("none"),
        Err(Error::NoSuchFile { .. })
    ));
}

#[test]
fn the_same_files_again_store_nothing_new_but_are_read_in_full() {
    let place = tempfile::tempdir().unwrap();
    let repository = init(&place.path().join("repo"));
    let files = || ListSource::new(vec![noise("a", 7, 5 << 20), noise("b", 8, 3 << 20)]);
    let first = repository
        .backup(&shared(&repository), &request(), &mut files(), &mut |_| {})
        .unwrap();
    assert!(first.stored_bytes > 8 << 20);
    let mut read = 0;
    let second = repository
        .backup(
            &shared(&repository),
            &request(),
            &mut files(),
            &mut |bytes| read = bytes,
        )
        .unwrap();
    assert_eq!(read, 8 << 20);
    assert_eq!(second.new_bytes, 0);
    assert!(second.stored_bytes < 20_000, "{}", second.stored_bytes);
}

#[test]
fn a_repository_made_by_restic_is_read_and_written() {
    let place = tempfile::tempdir().unwrap();
    let path = place.path().join("repo");
    if restic(&path, &["init"]).is_none() {
        return;
    }
    let folder = place.path().join("folder");
    std::fs::create_dir(&folder).unwrap();
    std::fs::write(folder.join("file"), b"made by restic").unwrap();
    restic_succeeds(&path, &["backup", folder.to_str().unwrap()]);
    let repository = open(&path);
    let info = repository.snapshot("latest").unwrap();
    let snapshot = repository.open_snapshot(&info).unwrap();
    let inside = snapshot.files().next().unwrap().path;
    assert_eq!(snapshot.read(&inside, 100).unwrap(), b"made by restic");
    let mut source = FolderSource::new(&folder);
    repository
        .backup(&shared(&repository), &request(), &mut source, &mut |_| {})
        .unwrap();
    restic_succeeds(&path, &["check", "--read-data"]);
}

#[test]
fn a_finely_cut_file_is_stored_again_in_small_parts_only() {
    const SIZE: usize = (5 << 20) + 4096 + 17;
    let place = tempfile::tempdir().unwrap();
    let path = place.path().join("repo");
    let repository = init(&path);
    let mut content = Vec::new();
    Noise::new(5, SIZE as u64)
        .read_to_end(&mut content)
        .unwrap();
    let store = |content: &[u8], chunk_size| {
        let files = ["small", "twin"].map(|name| SourceFile {
            chunk_size,
            ..file(
                &format!("{chunk_size:?}/{name}"),
                SIZE as u64,
                std::io::Cursor::new(content.to_vec()),
            )
        });
        // Files with different chunk sizes follow each other.
        let files = files.into_iter().chain([noise("other", 6, 3 << 20)]);
        let mut source = ListSource::new(files.collect());
        repository
            .backup(&shared(&repository), &request(), &mut source, &mut |_| {})
            .unwrap()
    };
    // Content stored with the usual size, for example by an earlier version, is stored once more.
    let usual = store(&content, ChunkSize::Standard);
    assert_eq!(usual.new_bytes, SIZE as u64 + (3 << 20));
    let fine = store(&content, ChunkSize::Small);
    assert!((SIZE as u64 - 4096 - 17..=SIZE as u64).contains(&fine.new_bytes));
    for at in [0, 1 << 20, SIZE - 1] {
        content[at] ^= 1;
    }
    assert_eq!(
        store(&content, ChunkSize::Standard).new_bytes,
        2 * (64 << 10) + 4096 + 17
    );
    let fine = store(&content, ChunkSize::Small);
    assert!(fine.new_bytes <= 2 * (8 << 10) + 4096 + 17);

    let snapshot = repository.open_snapshot(&fine.snapshot).unwrap();
    assert!(snapshot.read("Small/twin", SIZE as u64).unwrap() == content);
    restic_succeeds(&path, &["check", "--read-data"]);
    let target = place.path().join("restored");
    let arguments = ["restore", "latest", "--target", target.to_str().unwrap()];
    restic_succeeds(&path, &arguments);
    if target.exists() {
        assert!(std::fs::read(target.join("Small/small")).unwrap() == content);
    }
}

#[test]
fn only_the_owner_may_look_into_a_local_repository() {
    let place = tempfile::tempdir().unwrap();
    let path = place.path().join("repo");
    let repository = init(&path);
    let mut source = ListSource::new(vec![noise("a", 7, 100_000)]);
    repository
        .backup(&shared(&repository), &request(), &mut source, &mut |_| {})
        .unwrap();
    let mut folders = vec![path];
    while let Some(folder) = folders.pop() {
        assert_eq!(
            folder.metadata().unwrap().permissions().mode() & 0o777,
            0o700
        );
        for entry in std::fs::read_dir(folder).unwrap() {
            let entry = entry.unwrap().path();
            if entry.is_dir() {
                folders.push(entry);
            } else {
                assert_eq!(
                    entry.metadata().unwrap().permissions().mode() & 0o777,
                    0o600
                );
            }
        }
    }
}

#[test]
fn a_folder_in_use_is_not_made_a_repository() {
    let place = tempfile::tempdir().unwrap();
    let path = place.path().join("repo");
    init(&path);
    let again = |path| {
        let options = InitOptions::default();
        Repository::init(
            &location(path),
            &Password::new("x"),
            &options,
            &Default::default(),
        )
        .err()
    };
    assert!(matches!(again(&path), Some(Error::Exists { .. })));
    let other = place.path().join("other");
    std::fs::create_dir(&other).unwrap();
    std::fs::write(other.join("precious"), b"").unwrap();
    assert!(matches!(again(&other), Some(Error::Exists { .. })));
}

#[test]
fn a_wrong_password_is_said_to_be_wrong_and_never_shown() {
    let place = tempfile::tempdir().unwrap();
    let path = place.path().join("repo");
    init(&path);
    let password = Password::new("not the secret\n");
    let error = Repository::open(&location(&path), &password, &Default::default()).err();
    assert!(
        matches!(error, Some(Error::WrongPassword { .. })),
        "{error:?}"
    );
    assert_eq!(format!("{password:?}"), "Password(hidden)");
    let missing = Repository::open(
        &location(&place.path().join("none")),
        &password,
        &Default::default(),
    );
    assert!(matches!(missing.err(), Some(Error::Missing { .. })));
}

#[test]
fn chunk_size_level_and_verification_are_the_repositorys() {
    let place = tempfile::tempdir().unwrap();
    for (chunk_size, level, verify) in [
        (4 << 10, -3, true),
        (8 << 20, 9, true),
        (128 << 10, 3, false),
    ] {
        let path = place.path().join(chunk_size.to_string());
        let options = InitOptions {
            chunk_size,
            level,
            verify,
        };
        let password = Password::new(PASSWORD);
        Repository::init(&location(&path), &password, &options, &Default::default()).unwrap();
        let repository = open(&path);
        for files in [ChunkSize::Standard, ChunkSize::Small] {
            assert_eq!(repository.chunk_bytes(files), chunk_size as usize);
        }
        let files = vec![
            noise("noise", 1, 20 << 20),
            file("text", 9 << 20, std::io::repeat(b'x').take(9 << 20)),
        ];
        let backup = repository
            .backup(
                &shared(&repository),
                &request(),
                &mut ListSource::new(files),
                &mut |_| {},
            )
            .unwrap();
        let snapshot = repository.open_snapshot(&backup.snapshot).unwrap();
        assert_eq!(snapshot.read("text", 9 << 20).unwrap(), vec![b'x'; 9 << 20]);
        restic_succeeds(&path, &["check", "--read-data"]);
    }
    for chunk_size in [0, 1000, 2 << 10, 16 << 20] {
        let options = InitOptions {
            chunk_size,
            ..InitOptions::default()
        };
        let at = location(&place.path().join("never"));
        let error = Repository::init(&at, &Password::new("x"), &options, &Default::default()).err();
        assert!(
            matches!(error, Some(Error::Unsupported { .. })),
            "{chunk_size}"
        );
    }
    assert!(!place.path().join("never").exists());
}
