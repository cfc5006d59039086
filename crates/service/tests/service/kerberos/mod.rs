//! Tickets of a real domain: who is admitted, and who is not. The test creates a Samba domain
//! controller on loopback addresses of its own. If samba or the Kerberos commands are missing, the
//! tests print that they were skipped.

mod domain;
mod password;
mod restores;
mod scene;
mod tickets;

use std::process::Command;

use domain::{Domain, make_domain};
use scene::Scene;

/// The folder of the domain, for the processes that are parts of the test.
const DOMAIN_FOLDER: &str = "DSBACKUP_TEST_DOMAIN";

#[test]
fn tickets_of_a_real_domain() {
    let folder = tempfile::tempdir().unwrap();
    let Some(_controller) = make_domain(folder.path()) else {
        eprintln!(
            "note: no Samba domain controller can be made here (samba, krb5-user, root?); skipped"
        );
        return;
    };
    // The library reads its configuration from the environment, so the rest runs in a process of
    // its own.
    let output = Command::new(std::env::current_exe().unwrap())
        .args([
            "--exact",
            "kerberos::part_tickets",
            "--nocapture",
            "--ignored",
        ])
        .env("KRB5_CONFIG", folder.path().join("krb5.conf"))
        .env(
            "KRB5CCNAME",
            format!("FILE:{}", folder.path().join("tickets").display()),
        )
        .env(DOMAIN_FOLDER, folder.path())
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(
        output.status.success() && said.contains("1 passed"),
        "{said}{}",
        String::from_utf8_lossy(&output.stderr)
    );
}

/// Not a test of its own: the work of the process in the domain.
#[test]
#[ignore = "a part of tickets_of_a_real_domain"]
fn part_tickets() {
    let folder = std::env::var_os(DOMAIN_FOLDER).expect("set by the test whose part this is");
    let scene = Scene::new(Domain {
        folder: folder.into(),
    });
    let host = scene.host();
    let server = scene.server(&host);
    tickets::by_password(&scene, &server);
    tickets::by_cache(&scene, &server);
    tickets::refusals(&scene, &server);
    tickets::stolen_tokens(&scene, &host);
    tickets::sealed_messages(&scene);
    tickets::disabled_since(&scene, &server);
    drop(host);
    password::password_in_a_process(&scene);
    restores::restores(&scene);
    restores::without_directory(&scene);
    restores::remembered_operator(&scene);
}
