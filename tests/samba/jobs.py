"""A controller's nightly job: set up, run, with the controller stopped, restored offline, its repository gone."""

import re
import signal
import statistics
import subprocess
import time

from dsbackup import PROGRAM, Dsbackup
from faults import locks_of_ours
from in_place import expect
from lab import Failed, say

MAILBOX = "told"
# Kills of a backup: before its first step, from there to its end, and as soon as it holds a lock of Samba's.
BEFORE, AFTER, LOCKED = 4, 16, 5


def run(lab, backend, options):
    dc1 = lab.controller("dc1", 1)
    dc1.provision(backend)
    dc1.load_users(100)
    dc1.start()
    repository = lab.folder / "repository"
    told = lab.folder / MAILBOX
    jobs = Jobs(dc1, repository)

    done = jobs.run("setup", "--samba", "--repository", repository, "--no-timer")
    say("  " + done.out.strip().splitlines()[-1])
    if "(proven)" not in done.out:
        raise Failed(f"expected a proven snapshot: {done}")
    jobs.replace("deleted_users = 50", "deleted_users = 1")
    jobs.add(f"""
notify = ["admin"]
[notify.admin]
on = ["failure", "alarm"]
command = "cat >> {told}"
""")
    jobs.run("config", "check")
    jobs.run("run", "nightly")
    expect("told after a night without changes", told.exists(), False)
    say("  " + jobs.run("status").out.splitlines()[0])

    # Somebody becomes a domain administrator through a nested group, and krbtgt's key is changed.
    dc1.create_user("mallory")
    dc1.samba_tool("group", "add", "helpers")
    dc1.samba_tool("group", "addmembers", "Domain Admins", "helpers")
    for gone in "first-gone", "second-gone":
        dc1.create_user(gone)
    jobs.run("run", "nightly")
    for gone in "first-gone", "second-gone":
        dc1.samba_tool("user", "delete", gone)
    dc1.samba_tool("group", "addmembers", "helpers", "mallory")
    dc1.samba_tool("user", "setpassword", "krbtgt", "--newpassword=Another-Secret-456")
    jobs.run("run", "nightly")
    alarms = told.read_text()
    for words in ("helpers", "CN=mallory", "krbtgt changed", "pwdLastSet", "2 users were deleted"):
        if words not in alarms:
            raise Failed(f"no alarm tells of {words}: {alarms}")
    if "Another-Secret" in alarms:
        raise Failed("the alarm tells the password")
    status = jobs.run("status", check=False)
    expect("status after an alarm", status.code, 1)
    # One backup of a day is kept, so that the one before is of before all this: mallory and helpers came.
    for words in (" users (+1), ", " groups (+1), ", " deleted (+2), "):
        if words not in status.out:
            raise Failed(f"the status does not tell {words}: {status}")
    say("  alarms: a member of a group in Domain Admins, krbtgt")

    compare_with_service(dc1, repository, jobs)
    kill_all_over(dc1, jobs)

    # A stopped controller is backed up, and restored offline.
    dc1.stop()
    jobs.run("run", "nightly")
    expect("status with the controller stopped", jobs.run("status").code, 0)
    dc1.start()
    dc1.create_user("later")
    dc1.stop()
    restored = jobs.on_repository("restore", "latest", "--samba")
    last = restored.out.strip().splitlines()[-1]
    say("  " + last)
    if "start Samba" not in last:
        raise Failed(f"the restore does not say what to do next: {restored}")
    dc1.start()
    expect("mallory", len(dc1.users("mallory")), 1)
    expect("users of after the backup", dc1.users("later"), {})
    dc1.create_user("new-life")
    dc1.dbcheck()

    # The repository is gone.
    told.unlink(missing_ok=True)
    repository.rename(lab.folder / "away")
    expect("a run without its repository", jobs.run("run", "nightly", check=False).code, 1)
    status = jobs.run("status", check=False)
    expect("status without the repository", status.code, 2)
    say("  " + status.out.splitlines()[0][:100])
    if "What to do" in told.read_text() or '"event":"failure"' not in told.read_text():
        raise Failed(f"expected the failure as JSON: {told.read_text()}")


class Jobs:
    """dsbackup with a configuration and records of its own."""

    def __init__(self, controller, repository):
        self.controller = controller
        self.folder = controller.folder / "jobs"
        self.folder.mkdir()
        self.repository = repository

    def environment(self):
        return {
            "DSBACKUP_CONFIG": str(self.folder / "dsbackup.toml"),
            "DSBACKUP_STATE_FOLDER": str(self.folder / "state"),
            "DSBACKUP_SOCKET": str(self.folder / "no-service"),
        }

    def run(self, *arguments, check=True):
        return self.controller.run([PROGRAM, *arguments], env=self.environment(), check=check)

    def on_repository(self, *arguments, check=True):
        """A command that works on the job's repository by itself."""
        more = ["-r", self.repository, "--password-file", self.folder / "local.password"]
        return self.controller.run([PROGRAM, *arguments, *more], env=self.environment(), check=check)

    def replace(self, old, new):
        """Changes what setup wrote."""
        path = self.folder / "dsbackup.toml"
        text = path.read_text()
        expect(f"how often the configuration says {old}", text.count(old), 1)
        path.write_text(text.replace(old, new))

    def add(self, keys):
        """Adds keys to the table of the job."""
        path = self.folder / "dsbackup.toml"
        text = path.read_text()
        head, tables = text.split("max_age = \"26h\"\n", 1)
        own, receivers = keys.split("[notify", 1)
        path.write_text(f"{head}max_age = \"26h\"\n{own}{tables}\n[notify{receivers}")


def compare_with_service(dc1, repository, jobs):
    """A backup without a service takes no longer than one with it."""
    alone, served = [], []
    with Dsbackup(dc1, repository) as dsbackup:
        more = ["-r", repository, "--password-file", jobs.folder / "local.password", "--quiet"]
        # In turns, so that what else the machine does meets both.
        for _ in range(7):
            alone.append(jobs.on_repository("backup", "--samba", "--quiet").seconds)
            dsbackup.serve()
            served.append(dsbackup.run("backup", *more).seconds)
            dsbackup.stop_service()
    alone, served = statistics.median(alone), statistics.median(served)
    say(f"  a backup takes {alone:.2f} s without a service, {served:.2f} s with it (medians of seven)")
    # The machine is shared: less than a tenth and a fifth of a second is no difference.
    most = served * 1.1 + 0.2
    if alone > most:
        raise Failed(f"a backup without a service takes {alone:.2f} s, expected at most {most:.2f} s")


def kill_all_over(dc1, jobs):
    """kill -9 of a backup without a service, at points all over it: no lock is left, the controller commits at once."""
    # The shortest: on a machine that does other work some of them may take very long.
    first, whole = min((OneShot(dc1, jobs).measure() for _ in range(4)), key=lambda measured: measured[1])
    told, waits = [], []

    def kill(backup):
        told.append(backup.kill())
        expect(f"locks left behind by kill -9 number {len(told)}", locks_of_ours(dc1), [])
        waits.append(dc1.create_user(f"after-kill-{len(told)}").seconds)
        if waits[-1] > 10:
            raise Failed(f"a user after kill -9 number {len(told)}: expected within 10 s, created in {waits[-1]:.1f} s")

    for point in range(BEFORE):
        backup = OneShot(dc1, jobs)
        time.sleep(first * (point + 1) / (BEFORE + 1))
        kill(backup)
    for point in range(AFTER):
        backup = OneShot(dc1, jobs)
        # From there on, however long the start took this time.
        backup.wait_for_first_step()
        time.sleep((whole - first) * point / AFTER)
        kill(backup)
    spread = [step for step in told if step is not None]
    late = sum(step >= 1 for step in spread)
    if len(spread) < 10 or late < len(spread) / 2:
        raise Failed(f"expected ten kills, half of them after the first step: {len(spread)}, {late} after it; {told}")
    say(f"  kill -9 at {len(spread)} points of a backup of {whole:.2f} s, {late} of them after its first step at "
        f"{first:.2f} s; last steps told: {' '.join(map(str, spread))}")

    # Some milliseconds, which this process may miss on a machine that does other work. The backup shall not be what
    # keeps it from looking.
    held = []
    for _ in range(LOCKED * 10):
        backup = OneShot(dc1, jobs, "nice", "-n", "19")
        backup.wait_for_first_step()
        while backup.child.poll() is None and not locks_of_ours(dc1):
            pass
        kill(backup)
        # The release of all locks is told as the second step.
        held.append(told[-1] == 1)
        if sum(held) == LOCKED:
            break
    expect("kills of a backup that held a lock", sum(held), LOCKED)
    jobs.on_repository("backup", "--samba", "--quiet")
    say(f"  {LOCKED} times at once when it held a lock of Samba's, in {len(held)} attempts")
    say(f"  after each kill no lock is left, and a user is created within {max(waits):.1f} s; the next backup works")


class OneShot:
    """A backup without a service, just begun."""

    def __init__(self, controller, jobs, *before):
        password = jobs.folder / "local.password"
        command = [*before, PROGRAM, "backup", "--samba", "-r", jobs.repository, "--password-file", password]
        self.begin = time.monotonic()
        self.child = controller.spawn(
            command, env=jobs.environment(), stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
        self.told = ""

    def wait_for_first_step(self):
        """Returns the seconds from the begin to the first step."""
        for line in self.child.stderr:
            self.told += line
            if line.startswith("[1/9]"):
                return time.monotonic() - self.begin
        raise Failed(f"expected the first step of a backup: {self.told}")

    def measure(self):
        """Waits for its end. Returns the seconds from the begin to the first step, and to the end."""
        first = self.wait_for_first_step()
        self.told += self.child.stderr.read()
        if self.child.wait() != 0:
            raise Failed(f"a backup: exit {self.child.returncode}, expected 0: {self.told}")
        return first, time.monotonic() - self.begin

    def kill(self):
        """kill -9. Returns the number of the last step that it told, 0 for none; None if it ended before."""
        # nsenter, and nice, became the command, and this is its process.
        self.child.kill()
        code = self.child.wait()
        self.told += self.child.stderr.read()
        if code == 0:
            return None
        if code != -signal.SIGKILL:
            raise Failed(f"a killed backup: exit {code}, expected {-signal.SIGKILL}: {self.told}")
        return max(map(int, re.findall(r"^\[(\d)/9\]", self.told, re.MULTILINE)), default=0)
