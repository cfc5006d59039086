"""LDAP clients write and read while one backup follows the other; then the standard tool, in the same run."""

import json
import os
import re
import signal
import statistics
import subprocess
import time

from dsbackup import Dsbackup
from lab import Failed, REALM, say

WRITERS = 3
READERS = 2


class Load:
    """Clients of a controller. Use it as a context."""

    def __init__(self, controller, folder, writers=WRITERS, readers=READERS):
        self.controller, self.folder = controller, folder
        self.kinds = {"writer": writers, "reader": readers}
        folder.mkdir()
        self.clients = []

    def __enter__(self):
        url = f"ldap://{self.controller.name}.{REALM.lower()}"
        here = os.path.dirname(os.path.abspath(__file__))
        for kind, count in self.kinds.items():
            for number in range(count):
                log = self.folder / f"{kind}{number}"
                self.clients.append(self.controller.spawn(
                    ["/usr/bin/python3", f"{here}/load.py", kind, log, url, str(number)],
                    env={"PYTHONPATH": here}, stderr=subprocess.DEVNULL))
        deadline = time.monotonic() + 300
        while any(not list_steps(self.folder, kind) for kind in ("writer", "reader")):
            if time.monotonic() > deadline:
                raise Failed("the load does not begin")
            time.sleep(0.2)
        return self

    def __exit__(self, *_):
        for client in self.clients:
            client.send_signal(signal.SIGTERM)
        for client in self.clients:
            try:
                client.wait(60)
            except subprocess.TimeoutExpired:
                client.kill()
                client.wait()


def list_steps(folder, kind):
    """What the clients of a kind did: (what, name, begun, acknowledged)."""
    steps = []
    for log in folder.glob(f"{kind}*"):
        for line in log.read_text().splitlines():
            what, name, begun, done, *rest = line.split(" ", 4)
            steps.append((what, name, float(begun), float(done), *rest))
    return steps


def between(steps, begin, end):
    return [step for step in steps if step[3] >= begin and step[2] <= end]


def figures(steps):
    waits = sorted(1000 * (step[3] - step[2]) for step in steps if step[0] != "error")
    if not waits:
        return "no step"
    return f"{len(waits)} steps, median {statistics.median(waits):.0f} ms, max {waits[-1]:.0f} ms"


def run(lab, backend, options):
    users, backups, quiet = (10000, 20, 30) if options.full else (1000, 5, 10)
    dc1 = lab.controller("dc1", 1)
    dc1.provision(backend)
    dc1.load_users(users)
    dc1.start()
    folder = lab.folder / "load"
    phases = {}

    def phase(name, work):
        begin = time.time()
        result = work()
        phases[name] = (begin, time.time())
        return result

    with Dsbackup(dc1) as dsbackup:
        dsbackup.init()
        dsbackup.serve()
        with Load(dc1, folder):
            phase("no backup", lambda: time.sleep(quiet))
            snapshots = phase(f"{backups} backups of dsbackup", lambda: [dsbackup.backup() for _ in range(backups)])
            standard = phase("samba-tool domain backup offline", lambda: standard_backup(dc1))
            # Whatever the standard tool left locked must not be taken for ours.
            dc1.run(["bash", "-c", "pkill -9 -x mdb_copy; pkill -9 -x tdbbackup; true"])
        dsbackup.stop_service()
        writes, reads = list_steps(folder, "writer"), list_steps(folder, "reader")
        waited = commits_waited(dsbackup)
        seconds = [snapshot["seconds"] for snapshot in snapshots]
        say(f"  {users} users, {WRITERS} writers and {READERS} readers")
        for name, (begin, end) in phases.items():
            say(f"  {name} ({end - begin:.1f} s)")
            say(f"    writes: {figures(between(writes, begin, end))}")
            say(f"    reads:  {figures(between(reads, begin, end))}")
        say(f"  commits waited for dsbackup: median {statistics.median(waited):.1f} ms, max {max(waited):.1f} ms; "
            f"a backup took {statistics.median(seconds):.2f} s, max {max(seconds):.2f} s")
        say(f"  samba-tool: {standard}")
        end = phases[f"{backups} backups of dsbackup"][1]
        errors = [step for step in writes + reads if step[0] == "error" and step[2] <= end]
        if errors:
            raise Failed(f"{len(errors)} steps failed while dsbackup backed up: {errors[:3]}")
        if backend == "mdb" and max(waited) > 50:
            raise Failed(f"commits waited {max(waited):.1f} ms for a backup; at most 50 ms are allowed")
        check_content(lab, dsbackup, snapshots, writes)
    dc1.stop()


def commits_waited(dsbackup):
    """How long the service kept commits waiting, in milliseconds, as its log says of each backup."""
    return [float(wait) for wait in re.findall(r"commits_waited_ms=([0-9.e+-]+)", dsbackup.log.read_text())]


def standard_backup(dc1):
    """samba-tool's backup, which may hang on a busy controller."""
    target = dc1.folder / "standard"
    begin = time.monotonic()
    process = dc1.spawn(
        ["samba-tool", "domain", "backup", "offline", f"--targetdir={target}"],
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True)
    try:
        code = process.wait(120)
        return f"exit {code} after {time.monotonic() - begin:.1f} s"
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        return "hung; killed after 120 s"


def check_content(lab, dsbackup, snapshots, writes):
    """Every write that was acknowledged before the point in time is in the snapshot, none that began after it."""
    chosen = {0, len(snapshots) // 2, len(snapshots) - 1}
    for number in sorted(chosen):
        folder = lab.folder / f"look-{number}"
        dsbackup.run("restore", snapshots[number]["snapshot"], "--target", folder)
        listing = json.loads((folder / "samba-state.json").read_text())
        begin, end = listing["pinned_from_us"] / 1e6, listing["pinned_to_us"] / 1e6
        there = stored_users(dsbackup.controller, folder)
        added = [step for step in writes if step[0] == "add"]
        before = {step[1] for step in added if step[3] < begin}
        after = {step[1] for step in added if step[2] > end}
        missing, extra = before - there, after & there
        if missing or extra:
            raise Failed(f"snapshot {number}: lacks {sorted(missing)[:5]}, has {sorted(extra)[:5]} of later")
        dbcheck(dsbackup.controller, folder)
        say(f"  snapshot {number}: all {len(before)} users acknowledged before the point in time, none of {len(after)} later; "
            "dbcheck is clean")
        subprocess.run(["rm", "-rf", folder])


def conf(controller, folder):
    path = folder / "look.conf"
    path.write_text((controller.folder / "etc" / "smb.conf").read_text().replace(
        "[global]", f"[global]\n\tprivate dir = {folder}/private\n\tlock directory = {folder}/run\n"
        f"\tstate directory = {folder}/state\n\tcache directory = {folder}/run", 1))
    return path


def stored_users(controller, folder):
    run = controller.run(["ldbsearch", "-s", "sub", "-H", f"{folder}/private/sam.ldb", "--configfile",
                          conf(controller, folder), "(sAMAccountName=w*)", "sAMAccountName"])
    return {line.split(": ")[1] for line in run.out.splitlines() if line.startswith("sAMAccountName: ")}


def dbcheck(controller, folder):
    run = controller.samba_tool(
        "dbcheck", "--cross-ncs", "-H", f"{folder}/private/sam.ldb", f"--configfile={conf(controller, folder)}",
        check=False, timeout=900)
    if run.code != 0 or "(0 errors)" not in run.out:
        raise Failed(f"dbcheck of a restored copy: {run}")
