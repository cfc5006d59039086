//! `dsbackup.toml`: repositories and jobs, and the tables of the service in the same file.
#![no_main]

use std::path::Path;

use jobs::Configuration;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    let Ok(text) = std::str::from_utf8(data) else {
        return;
    };
    let _ = service::Configuration::from_toml(text);
    let Ok(configuration) = Configuration::parse(Path::new("dsbackup.toml"), text) else {
        return;
    };
    for (name, job) in &configuration.jobs {
        // Names become file names.
        assert!(!name.contains('/') && !name.starts_with('.'));
        job.source.kind().expect("one source");
        assert!(job.ship.is_none() || job.logs().is_ok());
        for repository in &job.repositories {
            configuration.repository(repository).expect("its table");
        }
        for name in &job.notify {
            assert!(configuration.notify.contains_key(name));
        }
        if let Some(keep) = &job.keep {
            assert!(!keep.policy().expect("rules").is_empty());
        }
        assert_eq!(job.max_age.to_string().parse(), Ok(job.max_age));
    }
});
