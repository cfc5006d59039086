"""dsbackup beside a controller of the lab: its service, its commands, its repository."""

import os
import re
import shlex
import signal
import socket
import time

from lab import Failed

PROGRAM = os.environ.get("DSBACKUP", "dsbackup")
REPOSITORY_PASSWORD = "correct horse battery staple"


class Dsbackup:
    """Use it as a context: at its end the service is stopped."""

    def __init__(self, controller, repository=None):
        self.controller = controller
        self.repository = repository or controller.lab.folder / "repository"
        self.spool = controller.folder / "spool"
        self.socket = controller.folder / "dsbackup.sock"
        self.log = controller.folder / "dsbackup.log"
        self.service = None

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.kill_service()

    def environment(self):
        return {
            "DSBACKUP_SOCKET": str(self.socket),
            "DSBACKUP_REPOSITORY": str(self.repository),
            "DSBACKUP_PASSWORD": REPOSITORY_PASSWORD,
            "DSBACKUP_CACHE": str(self.controller.folder / "copies"),
        }

    def run(self, *arguments, check=True, timeout=300):
        return self.controller.run([PROGRAM, *arguments], env=self.environment(), check=check, timeout=timeout)

    def spawn(self, *arguments, **how):
        return self.controller.spawn([PROGRAM, *arguments], env=self.environment(), **how)

    def on_a_terminal(self, *arguments):
        """Runs long work for which everything is a terminal; returns what it shows there, as lines. One of them must be a
        bar with counts, a rate and the time left."""
        line = shlex.join([PROGRAM, *map(str, arguments)])
        run = self.controller.run(
            ["script", "--quiet", "--return", "--command", line, "/dev/null"], env=self.environment() | {"TERM": "xterm"})
        shown = re.split(r"(?:[\r\n]|\x1b\[\d*[A-Za-z])+", run.out)
        if not any(re.search(r" / [\d,]+ +[\d,]+/s +\d+[smhd]\s*$", line) for line in shown):
            raise Failed(f"{arguments[0]} shows no bar with rate and time left: {shown}")
        return shown

    def init(self, *arguments):
        self.run("init", *arguments)

    def backup(self):
        """Makes a snapshot; returns what `--json` says of it."""
        return self.run("backup", "--json", "--quiet").json()

    def refused(self, *arguments, because, code=4):
        """Runs a command that must be refused, and say why."""
        run = self.run(*arguments, check=False)
        if run.code != code or because not in run.err:
            raise Failed(f"expected a refusal (exit {code}) that says {because!r}: {run}")
        return run.err.strip().splitlines()[-1]

    # The service

    def serve_command(self, *arguments):
        return ["serve", "--samba", "/etc/samba/smb.conf", "--spool", str(self.spool), *arguments]

    def serve(self, *arguments):
        """Starts the service and waits until it answers."""
        if self.answers():
            raise Failed("another service still runs")
        log = open(self.log, "ab")
        self.service = self.spawn(*self.serve_command(*arguments), stdout=log, stderr=log)
        deadline = time.monotonic() + 120
        while not self.answers():
            if self.service.poll() is not None:
                raise Failed(f"the service ended: {self.log.read_text()[-2000:]}")
            if time.monotonic() > deadline:
                raise Failed("the service does not answer")
            time.sleep(0.02)

    def answers(self):
        with socket.socket(socket.AF_UNIX) as probe:
            try:
                probe.connect(str(self.socket))
                return True
            except OSError:
                return False

    def serve_refused(self, *arguments):
        """Starts the service where it must refuse; returns what it said."""
        run = self.run(*self.serve_command(*arguments), check=False)
        if run.code == 0:
            raise Failed(f"the service should have refused: {run}")
        return run.err

    def stop_service(self):
        self.service.send_signal(signal.SIGTERM)
        self.service.wait(60)
        self.service = None

    def kill_service(self):
        if self.service is not None:
            self.service.kill()
            self.service.wait()
            self.service = None

    def restore_in_place(self, snapshot="latest"):
        """The whole restore of a stopped controller: restore mode, restore, out of restore mode."""
        self.serve("--restore-mode")
        run = self.run("restore", snapshot)
        self.stop_service()
        return run
