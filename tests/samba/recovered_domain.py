"""All controllers are lost: the first one of the recovered domain comes from a snapshot, which a drill has proven."""

import shlex

from dsbackup import Dsbackup
from lab import BASE_DN, Failed, PASSWORD, say


def run(lab, backend, options):
    dc1 = lab.controller("dc1", 1)
    dc1.provision(backend)
    dc1.start()
    dc2 = lab.controller("dc2", 2)
    dc2.join(dc1, backend)
    dc1.create_user("before", "Old-password-1")
    (dc1.folder / "lib" / "sysvol" / "lab.example.com" / "scripts" / "logon.bat").write_text("echo hello\n")
    keys, last_rid = krbtgt_version(dc1), rid(dc1, "before")

    target = lab.folder / "recovered"
    with Dsbackup(dc1) as dsbackup:
        dsbackup.init()
        dsbackup.serve()
        dsbackup.backup()
        dsbackup.stop_service()
        drill = dsbackup.run("check", "--drill", timeout=900)
        say(f"  drill in {drill.seconds:.1f} s: {drill.out.strip().splitlines()[-1]}")
        command = planned_restore(dsbackup, target)
        dc1.kill()
        dc2.kill()
        refused = dsbackup.refused(
            "restore", "latest", "--target", target, "--first-domain-controller", "DC1", because="new name")
        say(f"  {refused}")
        run = dsbackup.run(*command, "--host-ip", "127.0.0.90", timeout=900)
        say(f"  recovered in {run.seconds:.1f} s")

    dc9 = lab.controller("dc9", 9)
    dc9.adopt(target)
    dc9.start()
    servers = dc9.search("(objectClass=server)", ["cn"], base=f"CN=Configuration,{BASE_DN}")
    names = [entry["cn"][0] for entry in servers]
    if names != ["DC9"]:
        raise Failed(f"the recovered domain has the servers {names}")
    roles = dc9.samba_tool("fsmo", "show", "-H", "/var/lib/samba/private/sam.ldb").out.splitlines()
    if not all("CN=DC9," in line for line in roles) or len(roles) != 7:
        raise Failed(f"roles: {roles}")
    if krbtgt_version(dc9) < keys + 2:
        raise Failed("the password of krbtgt was not changed twice")
    if not dc9.accepts_password("before", "Old-password-1") or not dc9.accepts_password("Administrator", PASSWORD):
        raise Failed("an old password does not work any more")
    dc9.create_user("after")
    # What the lost controllers handed out since the backup is not handed out again.
    if rid(dc9, "after") < last_rid + 100000:
        raise Failed(f"the pool of RIDs was not raised: {last_rid}, then {rid(dc9, 'after')}")
    dc9.dbcheck()
    dc9.samba_tool("ntacl", "sysvolcheck")
    scripts = dc9.folder / "lib" / "sysvol" / "lab.example.com" / "scripts"
    if (scripts / "logon.bat").read_text() != "echo hello\n":
        raise Failed("the content of sysvol is not that of the backup")
    account = int(dc9.search("(sAMAccountName=DC9$)", ["objectSid"])[0]["objectSid"][0].rsplit("-", 1)[1])
    if account < last_rid + 100000:
        raise Failed(f"DC9's own RID may have been handed out before: {account}")
    say(f"  DC9 is alone, has all roles, lets users in; RIDs go on at {rid(dc9, 'after')} after {last_rid}; "
        "dbcheck and sysvolcheck are clean")


def planned_restore(dsbackup, target):
    """The command of the recovery plan that restores the first controller, here as DC9."""
    plan = dsbackup.run("recovery-plan", "--no-cache", "--json", dsbackup.repository).json()
    [choice] = plan["domains"]
    forest = plan["forest"]
    if choice["controller"] != "DC1" or not choice["snapshot"]["proven"] or forest["kind"] != "samba":
        raise Failed(f"the plan's choice: {choice}")
    if [one["name"] for one in forest["controllers"]] != ["DC1", "DC2"] or forest["schema_master"] != "DC1":
        raise Failed(f"the plan's forest: {forest}")
    details = forest["domains"][0]["details"]
    if details["pdc"] != "DC1" or details["rid_master"] != "DC1" or not details["krbtgt_changed"]:
        raise Failed(f"the plan's domain: {details}")
    if not any("Never start DC2 again" in step["text"] for step in plan["phases"][-1]["steps"]):
        raise Failed(f"the plan's last steps: {plan['phases'][-1]}")
    [command] = [
        command for step in plan["phases"][1]["steps"] for command in step["commands"]
        if command.startswith("dsbackup restore ")]
    for placeholder, value in [
        (" --password-file FILE", ""), ("/srv/recovered", str(target)), ("DCNEW", "DC9"),
    ]:
        if placeholder not in command:
            raise Failed(f"{placeholder} is not in: {command}")
        command = command.replace(placeholder, value)
    return shlex.split(command)[1:]


def rid(controller, name):
    return int(controller.users(name)[name].rsplit("-", 1)[1])


def krbtgt_version(controller):
    entry = controller.search("(sAMAccountName=krbtgt)", ["msDS-KeyVersionNumber"])[0]
    return int(entry["msDS-KeyVersionNumber"][0])
