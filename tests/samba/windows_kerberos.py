"""dsbackup.exe in Wine beside a controller: its logon's tickets by SSPI, and running servers over LDAP.

Wine's Kerberos binds no ticket to a channel, cannot seal messages with today's keys, and tells a service nothing of
its client, so that no exchange can succeed with it. What is shown is how far each side gets, and that the service
refuses what is not bound.
"""

import os
import time
from pathlib import Path

from dsbackup import PROGRAM
from lab import BASE_DN, Failed, HERE, PASSWORD, REALM, say
from remote import PORT, Remote

WINE = "/usr/lib/wine/wine64"
EXE = Path(os.environ.get("DSBACKUP_WINDOWS", HERE.parent.parent / "target/windows/dsbackup.exe"))
ADMINISTRATORS = "S-1-5-32-544"


def run(lab, backend, options):
    if backend == "mdb":
        say("  dsbackup.exe reads no LMDB databases: see tdb")
        return
    if not EXE.exists() or not Path(WINE).exists():
        raise Failed(f"{EXE} or {WINE} is missing: scripts/build-windows")
    dc1 = lab.controller("dc1", 1)
    dc1.provision(backend)
    conf = dc1.folder / "etc" / "smb.conf"
    conf.write_text(conf.read_text().replace("[global]", "[global]\n    log level = 1 auth_audit:4"))
    dc1.start()
    dc1.run(["samba_spnupdate"])
    for name in ("alice", "bob"):
        dc1.create_user(name)
    with Remote(dc1, dc1) as remote:
        windows = Windows(remote)
        remote.configure(ADMINISTRATORS)
        remote.init()
        remote.serve()
        remote.log_on("Administrator", PASSWORD)
        remote.over_network("backup", "--quiet")
        by_ldap(dc1, windows, remote)
        by_ticket_to_service(windows, remote)
        by_ticket_to_ldap(dc1, windows)
        by_ticket_of_linux(windows, remote)
        remote.stop_service()
        windows.end()


class Windows:
    """The program in Wine, among the controller's files and with its user's tickets."""

    def __init__(self, remote):
        self.remote = remote
        self.controller = remote.controller
        self.environment = {
            **remote.environment(),
            **remote.cache(),
            # Of copies that Wine made Linux would say that others may read them.
            "DSBACKUP_CACHE": str(self.controller.folder / "copies-in-wine"),
            "WINEPREFIX": str(self.controller.folder / "wine"),
            "WINEDEBUG": "-all",
            "WINEDLLOVERRIDES": "mscoree,mshtml=",
            "DSBACKUP_LDAP_PASSWORD": PASSWORD,
        }

    def run(self, *arguments, without=(), check=False):
        environment = {name: value for name, value in self.environment.items() if name not in without}
        for name in without:
            environment[name] = "FILE:/nonexistent"
        return self.controller.run([WINE, EXE, *arguments], env=environment, check=check)

    def end(self):
        self.controller.run(["/usr/lib/wine/wineserver64", "-k"], env=self.environment, check=False)


def by_ldap(dc1, windows, remote):
    """Wine and Linux see the same of a running server, over TLS and with a password."""
    dc1.samba_tool("user", "delete", "alice")
    url = f"ldaps://{dc1.name}.{REALM.lower()}"
    pin = dc1.run(["bash", "-c", "openssl x509 -in /var/lib/samba/private/tls/cert.pem -noout -pubkey | "
                   "openssl pkey -pubin -outform der | sha256sum"]).out[:64]
    access = ["--ldap-user", f"Administrator@{REALM}", "--ldap-pin", pin, "--json"]
    for what, arguments in (
        ("diff", ["diff", "latest", url, *access]),
        ("restore-objects --dry-run",
         ["restore-objects", "latest", f"CN=alice,CN=Users,{BASE_DN}", "--to", url, "--dry-run", *access]),
    ):
        ours = windows.run(*arguments, check=True)
        native = dc1.run([PROGRAM, *arguments], env={**windows.environment, **remote.environment()})
        if "alice" not in ours.out or ours.json() != native.json():
            raise Failed(f"{what}: in Wine {ours}, on Linux {native}")
        say(f"  {what}: the same in Wine ({ours.seconds:.1f} s) and on Linux ({native.seconds:.1f} s)")
    users = lambda: dc1.samba_tool("user", "list").out.split()
    journal = dc1.folder / "journal-in-wine"
    back = windows.run("restore-objects", "latest", "--to", url, "--yes", "--journal", journal, *access, "--", "alice")
    if back.code != 0 or "alice" not in users():
        raise Failed(f"restore-objects: {back}, {users()}")
    taken_back = windows.run("undo", journal, "--to", url, "--yes", *access)
    if taken_back.code != 0 or "alice" in users():
        raise Failed(f"undo: {taken_back}, {users()}")
    say(f"  restore-objects from Wine brings alice back ({back.seconds:.1f} s), undo takes her back")


def by_ticket_to_service(windows, remote):
    """The service knows the ticket that SSPI gave, and refuses it, because it is not bound to TLS."""
    command = ["backup", "--server", f"{remote.name}:{PORT}", "--pin", remote.pin]
    without = windows.run(*command, without=["KRB5CCNAME"])
    if without.code == 0 or "has no tickets" not in without.err:
        raise Failed(f"without a ticket: {without}")
    say(f"  without a ticket: {without.err.strip().splitlines()[-1]}")
    before = len(remote.denied())
    unbound = windows.run(*command)
    lines = remote.denied()[before:]
    if unbound.code != 4 or len(lines) != 1 or "not bound to this channel" not in lines[0]["result"]:
        raise Failed(f"a ticket that is not bound: {unbound}, {lines}")
    if f"Administrator@{REALM}" not in lines[0]["result"]:
        raise Failed(f"the service does not know whose ticket it refuses: {lines}")
    say(f"  the service about a ticket of Wine's: {lines[0]['result']}")


def by_ticket_to_ldap(dc1, windows):
    """The controller accepts the ticket."""
    log = dc1.folder / "log"
    accepted = lambda: sum("Successful AuthZ: [LDAP" in line and "krb5" in line and "[Administrator]" in line
                           for file in log.iterdir() if file.is_file()
                           for line in file.read_text(errors="replace").splitlines())
    before = accepted()
    found = windows.run("diff", "latest", f"ldap://{dc1.name}.{REALM.lower()}", "--json")
    deadline = time.monotonic() + 10
    while accepted() == before and time.monotonic() < deadline:
        time.sleep(0.1)
    if accepted() == before:
        raise Failed(f"the controller accepted no ticket: {found}")
    say(f"  the controller accepts Wine's ticket; after that: {(found.err.strip().splitlines() or ['sealed messages, too'])[-1]}")


def by_ticket_of_linux(windows, remote):
    """The service in Wine takes the ticket of a client on Linux, but Wine does not tell it whose it is."""
    folder = windows.controller.folder / "in-wine"
    directory = folder / "directory"
    directory.mkdir(parents=True)
    forest = HERE.parent.parent / "fixtures/sample-forest/clean/directory.tar.zst"
    windows.controller.run(["tar", "--use-compress-program=zstd -d --long=27", "-C", directory, "-xf", forest])
    in_wine = lambda path: "Z:" + str(path).replace("/", "\\")
    configuration = folder / "service.toml"
    configuration.write_text(f"""
[directory]
database_folder = '{in_wine(directory)}'
[audit]
file = '{in_wine(folder / "audit.jsonl")}'
[remote]
listen = ["{windows.controller.ip}:{PORT + 1}"]
certificate = '{in_wine(remote.folder / "certificate.pem")}'
key = '{in_wine(remote.folder / "key.pem")}'
[remote.kerberos]
principal = "dsbackup/{remote.name}@{REALM}"
""")
    log = open(folder / "log", "wb")
    service = windows.controller.spawn(
        [WINE, EXE, "service", "run", "--config", in_wine(configuration)],
        env={**windows.environment, "KRB5_KTNAME": str(remote.folder / "keytab")}, stdout=log, stderr=log)
    try:
        deadline = time.monotonic() + 60
        while f":{PORT + 1}" not in windows.controller.run(["ss", "-ltn"]).out:
            if service.poll() is not None or time.monotonic() > deadline:
                raise Failed(f"the service in Wine does not listen: {(folder / 'log').read_text()}")
            time.sleep(0.2)
        run = windows.controller.run(
            [PROGRAM, "backup", "--server", f"{remote.name}:{PORT + 1}", "--pin", remote.pin],
            env={**remote.environment(), **remote.cache()}, check=False)
        lines = [line for line in (folder / "audit.jsonl").read_text().splitlines() if "Authenticate" in line]
        if run.code != 4 or len(lines) != 1:
            raise Failed(f"a ticket for the service in Wine: {run}, {lines}, {(folder / 'log').read_text()}")
        say(f"  the service in Wine about a ticket of Linux's: {lines[0]}")
    finally:
        service.kill()
        service.wait()
