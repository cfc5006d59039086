//! What other crates rely on, whatever the system.

use std::io::{ErrorKind, Write};

use platform::lock::FolderLock;
use platform::{access, disk, file, private, process};

#[test]
fn nobody_else_may_read_or_write_private_files_and_folders() {
    let scene = tempfile::tempdir().unwrap();
    let (inner, path) = (scene.path().join("a/b"), scene.path().join("a/b/file"));
    private::make_folders(&inner).unwrap();
    private::make_folders(&inner).unwrap();
    assert_eq!(
        private::make_folder(&inner).unwrap_err().kind(),
        ErrorKind::AlreadyExists
    );
    private::create_new(&path)
        .unwrap()
        .write_all(b"secret")
        .unwrap();
    assert_eq!(
        private::create_new(&path).unwrap_err().kind(),
        ErrorKind::AlreadyExists
    );
    for made in [&scene.path().join("a"), &inner, &path] {
        let access = access::of(made).unwrap();
        assert!(access.is_private && access.owner_is_trusted, "{access:?}");
        assert_eq!(access.others_write, None);
        assert!(!access.others_may_write);
    }
    let opened = std::fs::File::open(&path).unwrap();
    assert_eq!(access::too_open_for_a_secret(&opened, &path).unwrap(), None);
    private::create(&path).unwrap();
    assert_eq!(path.metadata().unwrap().len(), 0);
}

#[test]
fn a_lock_is_exclusive_or_shared_and_follows_its_folder() {
    let scene = tempfile::tempdir().unwrap();
    let (one, other) = (scene.path().join("one"), scene.path().join("other"));
    std::fs::create_dir(&one).unwrap();
    let held = FolderLock::exclusive(&one).unwrap().unwrap();
    std::fs::rename(&one, &other).unwrap();
    assert!(FolderLock::exclusive(&other).unwrap().is_none());
    assert!(FolderLock::shared(&other).unwrap().is_none());
    drop(held);
    let shared = [FolderLock::shared(&other), FolderLock::shared(&other)];
    assert!(shared.iter().all(|lock| lock.as_ref().unwrap().is_some()));
    assert!(FolderLock::exclusive(&other).unwrap().is_none());
    drop(shared);
    drop(FolderLock::wait(&other).unwrap());
    assert!(
        FolderLock::exclusive(&one).is_err(),
        "there is no such folder"
    );
    let file = scene.path().join("file");
    std::fs::write(&file, "").unwrap();
    assert!(FolderLock::exclusive(&file).is_err(), "it is no folder");
    assert_eq!(std::fs::read_dir(&other).unwrap().count(), 0);
}

#[test]
fn bytes_are_read_and_written_at_positions() {
    let scene = tempfile::tempdir().unwrap();
    let path = scene.path().join("file");
    let mut options = std::fs::File::options();
    let opened = private::open(options.read(true).write(true).create(true), &path).unwrap();
    file::write_all_at(&opened, b"content", 3).unwrap();
    assert_eq!(file::read_at(&opened, 2, 4).unwrap(), b"\0con");
    assert_eq!(file::read_at(&opened, 8, 100).unwrap(), b"nt");
    let mut buffer = [0; 4];
    let past_the_end = file::read_exact_at(&opened, &mut buffer, 8).unwrap_err();
    assert_eq!(past_the_end.kind(), ErrorKind::UnexpectedEof);
    file::sync_folder(scene.path()).unwrap();
    file::touch_folder(scene.path()).unwrap();

    let identity = file::Identity::of(&opened).unwrap();
    let renamed = scene.path().join("renamed");
    std::fs::rename(&path, &renamed).unwrap();
    assert_eq!(file::Identity::at(&renamed).unwrap(), identity);
    std::fs::write(&path, "").unwrap();
    assert_ne!(file::Identity::of_entry(&path).unwrap(), identity);
    assert_eq!(disk::of(&path).unwrap(), disk::of(scene.path()).unwrap());
    assert!(disk::free(scene.path()).unwrap() > 0);
}

#[test]
fn this_process_lives_and_its_shell_runs_commands() {
    assert!(process::lives(std::process::id().into()));
    assert!(!process::lives(1 << 30));
    assert!(!process::computer().is_empty() && !process::user_name().is_empty());
    let output = process::shell("echo one two").output().unwrap();
    assert_eq!(String::from_utf8_lossy(&output.stdout).trim(), "one two");
}
