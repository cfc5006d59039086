//! Snapshots that would have root change files outside of the restore: into a folder, in a drill,
//! and over the network into a service.

use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use crate::lab::hostile::{self, Outside};
use crate::lab::{self, Lab, Run};

#[test]
fn no_listing_leads_a_restore_or_a_drill_out_of_its_folder() {
    let lab = Lab::empty();
    lab.succeed(&["init"]);
    let outside = Outside::new(&lab);
    let scratch = lab.path("scratch");
    let scratch = scratch.to_str().expect("plain");
    for (what, entries) in hostile::listings(outside.path()) {
        hostile::store(&lab, &entries);
        let target = lab.path("target");
        let run = lab.run(&[
            "restore",
            "latest",
            "--target",
            target.to_str().expect("plain"),
        ]);
        assert_ne!(run.code, Some(0), "{what}: {run}");
        outside.assert_untouched(what);
        std::fs::remove_dir_all(&target).expect("remove what is left");

        let drill = [
            "check",
            "--drill",
            "--snapshot",
            "latest",
            "--scratch",
            scratch,
        ];
        let run = lab.run(&drill);
        assert_eq!(run.code, Some(3), "{what}: {run}");
        outside.assert_untouched(what);
        assert_eq!(std::fs::read_dir(scratch).expect("scratch").count(), 0);
    }
}

#[test]
fn no_listing_leads_a_restore_over_the_network_out_of_its_folder() {
    if Command::new("testparm").arg("--version").output().is_err() {
        eprintln!("note: Samba is not installed, so no service can host its files; skipped");
        return;
    }
    let lab = Lab::empty();
    lab.succeed(&["init"]);
    let outside = Outside::new(&lab);
    let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    let port = listener.local_addr().expect("its number").port();
    drop(listener);
    let (_, pin) = lab::certificate(&lab, "service");
    let (client, _) = lab::certificate(&lab, "client");
    let at = |name: &str| lab.path(name).display().to_string();
    for folder in ["etc", "state/sysvol/scripts", "cache", "lock", "pid"] {
        std::fs::create_dir_all(lab.path("samba").join(folder)).expect("make");
    }
    let smb_conf = format!(
        "[global]\nnetbios name = DC1\nrealm = LAB.EXAMPLE.COM\nworkgroup = LAB\n\
         server role = active directory domain controller\nprivate dir = {0}/private\nstate \
         directory = {0}/state\n\
         cache directory = {0}/cache\nlock directory = {0}/lock\npid directory = {0}/pid\nbinddns \
         dir = {0}/dns\n\
         ncalrpc dir = {0}/ncalrpc\n[sysvol]\npath = {0}/state/sysvol\n[netlogon]\npath = \
         {0}/state/sysvol/scripts\n",
        at("samba")
    );
    std::fs::write(lab.path("samba/etc/smb.conf"), smb_conf).expect("write");
    let configuration = format!(
        "[samba]\nsmb_conf = {:?}\n[remote]\nlisten = [\"127.0.0.1:{port}\"]\ncertificate = \
         {:?}\nkey = {:?}\n\
         [[remote.client]]\nname = \"backup-host\"\nfingerprint = \"{client}\"\nbackup = \
         true\nrestore = true\n",
        at("samba/etc/smb.conf"),
        at("service.pem"),
        at("service.key")
    );
    std::fs::write(lab.path("service.toml"), configuration).expect("write");
    let log = std::fs::File::create(lab.path("service.log")).expect("a log");
    let mut service = lab
        .dsbackup(&["serve", "--restore-mode", "--config", &at("service.toml")])
        .stdout(Stdio::null())
        .stderr(log)
        .spawn()
        .expect("start the service");
    let deadline = Instant::now() + Duration::from_secs(60);
    while std::net::TcpStream::connect(("127.0.0.1", port)).is_err() {
        assert_eq!(
            service.try_wait().expect("state"),
            None,
            "{}",
            lab.service_log()
        );
        assert!(Instant::now() < deadline, "{}", lab.service_log());
        std::thread::sleep(Duration::from_millis(20));
    }
    for (what, entries) in hostile::listings(outside.path()) {
        hostile::store(&lab, &entries);
        let mut restore = lab.dsbackup(&["restore", "latest", "--pin", &pin]);
        restore
            .args(["--server", &format!("localhost:{port}")])
            .args(["--client-certificate", &at("client.pem")])
            .args(["--client-key", &at("client.key")]);
        let run = Run::of(&mut restore);
        assert_ne!(run.code, Some(0), "{what}: {run}");
        assert!(
            run.stderr.contains("DsRestoreRegisterComplete"),
            "{what}: {run}"
        );
        outside.assert_untouched(what);
    }
    service.kill().expect("kill it");
    service.wait().expect("its end");
}
