"""A drill tells damage of a snapshot from what its source has too, and from what the machine that drills lacks."""

import os
import time

from dsbackup import PROGRAM, Dsbackup
from in_place import expect
from lab import BASE_DN, Failed, SAM, say

USERS = f"CN=Users,{BASE_DN}"


def run(lab, backend, options):
    dc1 = lab.controller("dc1", 1)
    dc1.provision(backend)
    database = f"{backend}://{SAM}.d/{BASE_DN.upper()}.ldb"
    leave_a_deleted_member(dc1, database)
    # What nobody would call everyday.
    change(dc1, database, "odd", "replace: instanceType\ninstanceType: 5\n")
    dc1.start()
    with Dsbackup(dc1) as dsbackup:
        dsbackup.init()
        dsbackup.serve()
        before = dsbackup.backup()["snapshot"]
        wait_for_dbcheck(dsbackup)
        after = dsbackup.backup()["snapshot"]
        dsbackup.stop_service()

        verdicts = drill(dsbackup, [], code=5)
        known = verdicts[after]
        expect("the snapshot that knows its source", (known["proven"], known["findings"]), (True, []))
        expect("its notes", len(known["notes"]), 2)
        unknown = verdicts[before]
        expect("the one that does not", (unknown["proven"], unknown["findings"]), (False, []))
        if "instanceType" not in unknown["not_proven"] or "deleted" in unknown["not_proven"]:
            raise Failed(f"not proven because of {unknown['not_proven']}")
        say(f"  with the source's own findings: proven, {known['notes']}")
        say(f"  without: not proven, {unknown['not_proven']}")

        # A machine without Samba's tools, and one without its modules for Python.
        for path in ("/nowhere", f"{without_modules(lab)}:{os.environ['PATH']}"):
            verdict = drill(dsbackup, ["--snapshot", after], code=5, path=path)[after]
            expect("findings where tools are missing", verdict["findings"], [])
            if "needs Samba's packages" not in verdict["not_proven"]:
                raise Failed(f"not proven because of {verdict['not_proven']}")
        say(f"  without Samba's tools: {verdict['not_proven']}")

        # The source's record is fresh, and has nothing of this.
        dc1.stop()
        change(dc1, database, "odd", "delete: name\n")
        dc1.start()
        dsbackup.serve()
        damaged = dsbackup.backup()["snapshot"]
        dsbackup.stop_service()
        verdict = drill(dsbackup, ["--snapshot", damaged], code=3)[damaged]
        if verdict["proven"] or not verdict["findings"]:
            raise Failed(f"what the source had not: {verdict}")
        say(f"  what the source had not: FAILED, {verdict['findings']}")


def drill(dsbackup, arguments, code, path=None):
    """The verdicts by snapshot; the exit code is the expected one. `path` is where the drill finds tools."""
    command = ["env", f"PATH={path}"] if path else []
    command += [os.path.abspath(PROGRAM), "check", "--drill", "--json", *arguments]
    run = dsbackup.controller.run(command, env=dsbackup.environment(), check=False, timeout=900)
    if run.code != code:
        raise Failed(f"a drill: expected exit {code}: {run}")
    return {verdict["snapshot"]: verdict for verdict in run.json()["drills"]}


def without_modules(lab):
    """A folder with a samba-tool that does not find its modules."""
    folder = lab.folder / "without-modules"
    folder.mkdir()
    tool = folder / "samba-tool"
    tool.write_text("#!/usr/bin/python3 -IS\nimport samba.netcmd\n")
    tool.chmod(0o755)
    return folder


def wait_for_dbcheck(dsbackup):
    deadline = time.monotonic() + 300
    while not (dsbackup.spool / "dbcheck.json").exists():
        if time.monotonic() > deadline:
            raise Failed("the service did not run dbcheck")
        time.sleep(0.2)


def change(controller, database, user, what):
    """Changes a user behind the back of Samba's modules."""
    modify(controller, database, f"dn: CN={user},{USERS}\nchangetype: modify\n{what}")


def modify(controller, database, ldif):
    controller.run(["ldbmodify", "-H", database], input=ldif)


def leave_a_deleted_member(controller, database):
    """What deletions beside each other leave: a link to a member that is deleted."""
    tool = controller.samba_tool
    for name in ("odd", "member"):
        tool("user", "create", name, "--random-password", "-H", SAM)
    tool("group", "add", "team", "-H", SAM)
    tool("group", "addmembers", "team", "member", "-H", SAM)
    found = controller.run(["ldbsearch", "-H", database, "(sAMAccountName=team)", "member"]).out
    # Long lines of LDIF go on after a line break and a space.
    lines = found.replace("\n ", "").splitlines()
    link = next(line for line in lines if line.startswith("member: "))
    tool("user", "delete", "member", "-H", SAM)
    modify(controller, database, f"dn: CN=team,{USERS}\nchangetype: modify\nadd: member\n{link}\n")
