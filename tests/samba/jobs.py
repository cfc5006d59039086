"""A controller's nightly job: set up, run, with the controller stopped, restored offline, its repository gone."""

import statistics
import time

from dsbackup import PROGRAM, Dsbackup
from in_place import expect
from lab import Failed, say

MAILBOX = "told"


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
    """A backup without a service takes no longer than one with it, and holds no lock after kill -9."""
    command = ["backup", "--samba", "--quiet"]
    alone, served = [], []
    with Dsbackup(dc1, repository) as dsbackup:
        more = ["-r", repository, "--password-file", jobs.folder / "local.password", "--quiet"]
        # In turns, so that what else the machine does meets both.
        for _ in range(7):
            alone.append(jobs.on_repository(*command).seconds)
            dsbackup.serve()
            served.append(dsbackup.run("backup", *more).seconds)
            dsbackup.stop_service()
    alone, served = statistics.median(alone), statistics.median(served)
    say(f"  a backup takes {alone:.2f} s without a service, {served:.2f} s with it (medians of seven)")
    # The machine is shared: less than a quarter and half a second is no difference.
    if alone > served * 1.25 + 0.5:
        raise Failed("a backup without a service takes longer")
    for delay in (0.05, 0.2, 0.4):
        more = ["-r", repository, "--password-file", jobs.folder / "local.password"]
        child = dc1.spawn([PROGRAM, *command, *more], env=jobs.environment())
        time.sleep(delay)
        # That of nsenter, which became the command.
        child.kill()
        child.wait()
        begin = time.monotonic()
        dc1.create_user(f"after-kill-{int(delay * 100)}")
        if time.monotonic() - begin > 10:
            raise Failed("the killed backup still holds a lock of Samba's")
    jobs.on_repository(*command)
    say("  no lock after kill -9: users are created, and backed up")
