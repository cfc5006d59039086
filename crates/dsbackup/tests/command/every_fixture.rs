//! Every directory at hand goes through the service into a repository and comes back byte for byte:
//! through the restore walk-through, and into a plain folder.

use crate::lab::{Lab, assert_same, content, database_name};

#[test]
fn every_directory_comes_back_byte_identical() {
    let mut tested = 0;
    for fixture in testkit::every() {
        let lab = Lab::with(&fixture);
        if !lab
            .directory()
            .join(database_name(&lab.directory()))
            .exists()
        {
            println!("{:32} logs only: no directory to host", fixture.name);
            continue;
        }
        if lab.directory().join("two.edb").exists() {
            println!("{:32} two databases: no directory", fixture.name);
            continue;
        }
        let original = lab.content();
        lab.succeed(&["init"]);

        let service = lab.serve(&[]);
        let backup = lab.json(&["backup", "--keep-logs"]);
        service.stop();
        assert_same(
            &lab.content(),
            &original,
            "the backup changed the directory",
        );

        // The directory is lost and replaced by something else.
        for name in original.keys() {
            let path = lab.directory().join(name);
            if name.ends_with(".log") {
                std::fs::remove_file(path).expect("lose a log");
            } else {
                std::fs::write(path, b"not what it was").expect("overwrite a file");
            }
        }
        let service = lab.serve(&["--restore-mode"]);
        lab.succeed(&["restore", "latest"]);
        service.stop();
        assert_same(
            &lab.content(),
            &original,
            &format!("{}: restored", fixture.name),
        );

        let folder = lab.path("plain");
        let target = folder.to_str().expect("a plain path");
        lab.succeed(&["restore", "latest", "--target", target]);
        assert_same(
            &content(&folder),
            &original,
            &format!("{}: plain folder", fixture.name),
        );

        println!(
            "{:32} {:>3} files, {:>9} bytes: identical ({})",
            fixture.name,
            original.len(),
            original.values().map(Vec::len).sum::<usize>(),
            backup["state"].as_str().unwrap_or("?")
        );
        tested += 1;
    }
    assert!(tested > 0, "no fixture was tested");
}

#[test]
fn three_folders_come_back_to_their_places() {
    let fixture = testkit::find("sample-forest/dirty").expect("shipped");
    let lab = Lab::with(&fixture);
    for folder in ["logs", "checkpoint"] {
        std::fs::create_dir(lab.path(folder)).expect("a folder");
    }
    for name in lab.content().keys() {
        let place = match name.rsplit('.').next() {
            Some("log") => "logs",
            Some("chk") => "checkpoint",
            _ => continue,
        };
        std::fs::rename(lab.directory().join(name), lab.path(place).join(name)).expect("move");
    }
    let all = || ["directory", "logs", "checkpoint"].map(|folder| content(&lab.path(folder)));
    let original = all();
    let logs = lab.path("logs");
    let checkpoint = lab.path("checkpoint");
    let mut places = vec!["--logs", logs.to_str().expect("plain")];
    places.extend(["--checkpoint", checkpoint.to_str().expect("plain")]);

    lab.succeed(&["init"]);
    let service = lab.serve(&places);
    lab.succeed(&["backup", "--keep-logs"]);
    service.stop();
    for folder in ["directory", "logs", "checkpoint"] {
        for name in content(&lab.path(folder)).keys() {
            std::fs::remove_file(lab.path(folder).join(name)).expect("lose a file");
        }
    }
    places.push("--restore-mode");
    let service = lab.serve(&places);
    lab.succeed(&["restore", "latest"]);
    service.stop();
    for (found, expected) in all().iter().zip(&original) {
        assert_same(found, expected, "three folders");
    }
}
