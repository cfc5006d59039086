//! A provisioned Samba domain.

use std::process::Command;

use super::Lab;

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
