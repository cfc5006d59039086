"""Faults, by doing them, on a controller that clients write to. Each ends with a clear error, no lock left behind, and
nothing that could start half-restored; and the next run works."""

import os
import signal
import subprocess
import time

from dsbackup import Dsbackup
from in_place import expect
from lab import REALM, Failed, say
from under_load import Load, list_steps

POINTS = 20


def run(lab, backend, options):
    dc1 = lab.controller("dc1", 1)
    dc1.provision(backend)
    dc1.load_users(10000 if options.full else 1000)
    dc1.start()
    with Dsbackup(dc1) as dsbackup:
        dsbackup.init()
        killed_under_load(lab, dc1, dsbackup)
        full_disks(dc1, dsbackup, backend)
        locked_out(dc1, dsbackup)
        dsbackup.serve()
        dsbackup.backup()
        dsbackup.stop_service()

        dsbackup.serve("--restore-mode")
        say("  running: " + dsbackup.refused("restore", "latest", because="online"))
        dsbackup.stop_service()
        dc1.stop()
        dsbackup.serve("--restore-mode")
        say("  stopped, but a backup is wanted: " + dsbackup.refused("backup", because="offline"))
        dsbackup.stop_service()
        expired(dc1, dsbackup)
        others(lab, backend, dsbackup)
        interrupted_restores(dc1, dsbackup)


def locks_of_ours(controller):
    """Open-file-description locks on the database that stops all commits: Samba's own are classic ones.

    A line with an arrow is no lock: it is somebody in line, who leaves when it is his turn."""
    metadata = controller.folder / "lib" / "private" / "sam.ldb.d" / "metadata.tdb"
    inode = f":{metadata.stat().st_ino} "
    return [line for line in open("/proc/locks") if "OFDLCK" in line and "->" not in line and inode in line]


def killed_under_load(lab, dc1, dsbackup):
    """kill -9 of the service or of the client, at points all over a backup."""
    dsbackup.serve()
    whole = min(dsbackup.run("backup").seconds for _ in range(2))
    folder = lab.folder / "load"
    with Load(dc1, folder):
        for point in range(POINTS):
            if dsbackup.service is None:
                dsbackup.serve()
            client = dsbackup.spawn("backup", stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
            time.sleep(1.5 * whole * point / POINTS)
            if point % 2:
                client.kill()
            else:
                dsbackup.kill_service()
            begin = time.time()
            error = client.communicate(timeout=60)[1]
            if point % 2 == 0 and client.returncode not in (0, -9) and "error:" not in error:
                raise Failed(f"the client did not say what happened: {error}")
            # The controller goes on committing at once.
            while not any(step[2] > begin and step[0] != "error" for step in list_steps(folder, "writer")):
                if time.time() > begin + 10:
                    raise Failed(f"no commit within 10 s after kill -9 at point {point}; locks: {locks_of_ours(dc1)}")
                time.sleep(0.05)
            if dsbackup.service is None and locks_of_ours(dc1):
                raise Failed(f"a lock was left behind: {locks_of_ours(dc1)}")
        if dsbackup.service is None:
            dsbackup.serve()
        dsbackup.backup()
    dsbackup.stop_service()
    expect("locks left behind", locks_of_ours(dc1), [])
    errors = [step for kind in ("writer", "reader") for step in list_steps(folder, kind) if step[0] == "error"]
    expect("steps of the load that failed", errors, [])
    dsbackup.run("check", "--read-data")
    say(f"  kill -9 of service and client at {POINTS} points of a backup under load: the controller goes on, "
        f"no lock is left, {len(list_steps(folder, 'writer'))} writes without error")


def full_disks(dc1, dsbackup, backend):
    """The spool folder's disk, then the repository's."""
    dsbackup.spool.mkdir(exist_ok=True)
    with SmallDisk(dc1, dsbackup.spool, "3m"):
        dsbackup.serve()
        say("  spool folder full: " + dsbackup.refused("backup", because="No space left", code=1))
        expect("locks left behind", locks_of_ours(dc1), [])
        dsbackup.stop_service()
    small = Dsbackup(dc1, dc1.folder / "small-repository")
    small.repository.mkdir()
    with SmallDisk(dc1, small.repository, "1m"), small:
        small.init()
        small.serve()
        say("  repository full: " + small.refused("backup", because="No space left", code=1))
        listed = small.run("snapshots", "--json", check=False)
        expect("snapshots in the full repository", (listed.code, listed.json()), (3, []))
        small.stop_service()
    dc1.create_user(f"after-full-disks-{backend}")


TRANSACTION = """
import sys, time
from samba.auth import system_session
from samba.param import LoadParm
from samba.samdb import SamDB
lp = LoadParm()
lp.load("/etc/samba/smb.conf")
directory = SamDB(url="/var/lib/samba/private/sam.ldb", session_info=system_session(), lp=lp)
directory.transaction_start()
print("begun", flush=True)
time.sleep(300)
"""


def locked_out(dc1, dsbackup):
    """Somebody holds a transaction open and does not go on: a backup gives up, and takes nothing with it."""
    holder = dc1.spawn(["/usr/bin/python3", "-c", TRANSACTION], stdout=subprocess.PIPE, text=True)
    try:
        expect("the transaction", holder.stdout.readline(), "begun\n")
        dsbackup.serve()
        begin = time.monotonic()
        said = dsbackup.refused("backup", because="hrDatabaseInUse", code=1)
        say(f"  locked out: after {time.monotonic() - begin:.0f} s: {said}")
        expect("locks left behind", locks_of_ours(dc1), [])
    finally:
        holder.kill()
        holder.wait()
    dc1.create_user("after-the-lock")
    dsbackup.backup()
    dsbackup.stop_service()


class SmallDisk:
    """A small file system in the controller's namespace. Use it as a context."""

    def __init__(self, controller, folder, size):
        self.controller, self.folder, self.size = controller, folder, size

    def __enter__(self):
        self.controller.run(["mount", "-t", "tmpfs", "-o", f"size={self.size}", "tmpfs", self.folder])

    def __exit__(self, *_):
        self.controller.run(["umount", "-l", self.folder], check=False)


def expired(dc1, dsbackup):
    """A clock beyond the tombstone lifetime."""
    later = ["faketime", "+400 days"]
    service = dc1.spawn(
        [*later, os.environ["DSBACKUP"], *dsbackup.serve_command("--restore-mode")], env=dsbackup.environment(),
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True)
    try:
        while not dsbackup.answers():
            time.sleep(0.05)
        say("  expired: " + dsbackup.refused("restore", "latest", because="hrContentsExpired"))
    finally:
        # faketime waits for the service as for a child.
        os.killpg(service.pid, signal.SIGKILL)
        service.wait()


def others(lab, backend, dsbackup):
    """The snapshot of one controller is offered to another: of the same names in another domain, and of another name."""
    restore = ["restore", "latest", "--server-name", f"dc1.{REALM.lower()}"]
    for name, number in (("dc1", 3), ("dc4", 4)):
        other = lab.controller(f"{name}-other", number, host=name)
        other.provision(backend)
        with Dsbackup(other, dsbackup.repository) as service:
            service.serve("--restore-mode")
            if name != "dc1":
                say("  not named: " + service.refused("restore", "latest", because="--server-name"))
            said = service.refused(*restore, because="hrBadDbSignature")
            service.stop_service()
            say(f"  offered to another {name.upper()}: {said}")
        # It was refused before anything was touched.
        other.start()
        other.stop()
        # With its database gone only the configuration can tell.
        if name == "dc4":
            other.wipe(keep=["etc"])
            with Dsbackup(other, dsbackup.repository) as service:
                service.serve("--restore-mode")
                said = service.refused(*restore, because="hrBadDbSignature")
                say(f"  offered to a wiped {name.upper()}: {said}")
                service.stop_service()


def interrupted_restores(dc1, dsbackup):
    """kill -9 of the service or of the client at points all over a restore."""
    # The shorter of two: on a machine that does other work one of them may take very long.
    whole = min(dsbackup.restore_in_place().seconds for _ in range(2))
    started = 0
    for point in range(POINTS):
        dsbackup.serve("--restore-mode")
        client = dsbackup.spawn("restore", "latest", stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        time.sleep(1.1 * whole * point / POINTS)
        if point % 2:
            client.kill()
        else:
            dsbackup.kill_service()
        client.wait(120)
        dsbackup.kill_service()
        # Before the first rename the server is untouched, after the last one it is restored.
        if (dc1.folder / "lib" / "private" / "sam.ldb").exists():
            expect("whether a whole controller starts", dc1.tries_to_start(), True)
            dsbackup.serve()
            dsbackup.stop_service()
            dc1.samba_tool("dbcheck", "--cross-ncs")
            started += 1
        else:
            said = dsbackup.serve_refused()
            if "restore" not in said:
                raise Failed(f"expected a refusal because of the restore: {said}")
            expect("whether a controller starts without its sam.ldb", dc1.tries_to_start(), False)
            dsbackup.restore_in_place()
    dc1.start()
    dc1.create_user("after-restores")
    dc1.dbcheck()
    dc1.stop()
    leftovers = [str(path) for path in (dc1.folder / "lib").rglob("dsbackup.*")]
    expect("leftovers of restores", leftovers, [])
    expect("whether any point was within the restore", started < POINTS, True)
    say(f"  kill -9 of service and client at {POINTS} points of a restore: {started} times untouched or complete, "
        f"{POINTS - started} times locked: samba does not start until the next restore is complete")
