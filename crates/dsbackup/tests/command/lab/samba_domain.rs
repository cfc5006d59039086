//! A Samba domain, provisioned by Samba's own tool, and a snapshot of it.

use std::path::Path;
use std::process::Command;
use std::time::SystemTime;

use super::Lab;
use super::made_snapshot::MadeSnapshot;

/// A provisioned domain. `None`, with a note, if Samba is missing or this is not root.
pub fn provision(lab: &Lab, backend: &str) -> Option<()> {
    if !rustix::process::geteuid().is_root() {
        eprintln!("note: a domain can only be provisioned by root: not tested");
        return None;
    }
    let output = Command::new("samba-tool")
        .args(["domain", "provision", "--quiet", "--server-role=dc"])
        .args(["--realm=LAB.EXAMPLE", "--domain=LAB", "--host-name=dc1"])
        .args(["--host-ip=127.0.0.1", "--adminpass=Passw0rd-lab"])
        .arg(format!("--backend-store={backend}"))
        .arg(format!("--targetdir={}", lab.path("samba").display()))
        .output();
    let Ok(output) = output else {
        eprintln!("note: samba-tool (package samba) is not installed: not tested");
        return None;
    };
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{said}");
    Some(())
}

/// Stores the databases of a provisioned domain controller, as a backup of a running one does.
pub fn store(lab: &Lab, private: &Path) {
    let mut paths = vec!["sam.ldb".to_owned(), "secrets.ldb".into()];
    let partitions = std::fs::read_dir(private.join("sam.ldb.d")).expect("readable");
    let partitions = partitions.map(|entry| {
        let name = entry.expect("readable").file_name();
        name.into_string().expect("plain")
    });
    let partitions = partitions.filter(|name| !name.ends_with("-lock"));
    paths.extend(partitions.map(|name| format!("sam.ldb.d/{name}")));
    let mut made = vec![("samba-state.json".to_owned(), "listing", b"{}".to_vec())];
    for path in paths {
        let content = std::fs::read(private.join(&path)).expect("readable");
        made.push((format!("private/{path}"), "database", content));
    }
    let snapshot = MadeSnapshot {
        server: "dc1.lab.example",
        tool: "dsbackup 0.1.0",
        time: SystemTime::now(),
        token: b"none".to_vec(),
        files: made,
    };
    snapshot.store(lab);
}
