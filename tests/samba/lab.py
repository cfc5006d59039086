"""Real Samba domain controllers on one machine, each in its own mount and UTS namespace.

Every controller sees the paths of an installed one (/etc/samba, /var/lib/samba, ...): they are folders of the lab,
mounted in the controller's namespace. The network is a loopback of the lab's own. `run` makes the outer namespaces, so
when it ends, however it ends, every process and every mount of the lab is gone.
"""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

# The scripts of the tests.
HERE = Path(__file__).parent

REALM = "LAB.EXAMPLE.COM"
DOMAIN = "LAB"
BASE_DN = "DC=lab,DC=example,DC=com"
PASSWORD = "Secret-123-Lab"

CONTEXTS = [
    BASE_DN,
    f"CN=Configuration,{BASE_DN}",
    f"CN=Schema,CN=Configuration,{BASE_DN}",
    f"DC=DomainDnsZones,{BASE_DN}",
    f"DC=ForestDnsZones,{BASE_DN}",
]

# The socket on which the system itself, without a password, is served.
LDAPI = "ldapi://%2Fvar%2Flib%2Fsamba%2Fprivate%2Fldap_priv%2Fldapi"

# The folders of an installed Samba: where they lie in the lab, and what they are mounted over.
PLACES = {
    "etc": "/etc/samba",
    "lib": "/var/lib/samba",
    "cache": "/var/cache/samba",
    "log": "/var/log/samba",
    "run": "/run/samba",
}

SMB_CONF = """
[global]
    netbios name = {name}
    realm = {realm}
    workgroup = {domain}
    interfaces = {ip}/8
    bind interfaces only = yes
    server services = s3fs, rpc, nbt, wrepl, ldap, cldap, kdc, drepl, winbindd, ntp_signd, kcc, dns
    load printers = no
    printing = bsd
    printcap name = /dev/null
    disable spoolss = yes
    server role = active directory domain controller
    # A former password would do for another hour.
    old password allowed period = 0

[sysvol]
    path = /var/lib/samba/sysvol
    read only = No

[netlogon]
    path = /var/lib/samba/sysvol/{dns_domain}/scripts
    read only = No
"""


# The database itself, whether the controller runs or not.
SAM = "/var/lib/samba/private/sam.ldb"


class Failed(Exception):
    """A command of the lab failed."""


def say(text):
    print(text, flush=True)


class Run:
    """How a command ended."""

    def __init__(self, code, out, err, seconds):
        self.code, self.out, self.err, self.seconds = code, out, err, seconds

    def __str__(self):
        return f"exit {self.code} after {self.seconds:.1f} s\n--- stdout\n{self.out}--- stderr\n{self.err}"

    def json(self):
        return json.loads(self.out)


class Lab:
    """A folder with controllers in it. Use it as a context: at its end all is stopped and removed."""

    def __init__(self, folder):
        self.folder = Path(folder)
        self.folder.mkdir(parents=True)
        self.controllers = {}

    def __enter__(self):
        return self

    def __exit__(self, *_):
        for controller in self.controllers.values():
            controller.close()
        shutil.rmtree(self.folder, ignore_errors=True)

    def controller(self, name, number, host=None):
        """A new machine. `host` is its host name, where that is not what the lab calls it."""
        controller = Controller(self, name, f"127.0.0.{number}0", host or name)
        self.controllers[name] = controller
        self._write_hosts()
        return controller

    def _write_hosts(self):
        lines = ["127.0.0.1 localhost"]
        for dc in self.controllers.values():
            lines.append(f"{dc.ip} {dc.host}.{REALM.lower()} {dc.host}")
        (self.folder / "hosts").write_text("\n".join(lines) + "\n")
        first = next(iter(self.controllers.values()))
        (self.folder / "resolv.conf").write_text(f"search {REALM.lower()}\nnameserver {first.ip}\n")
        (self.folder / "krb5.conf").write_text(
            f"[libdefaults]\n default_realm = {REALM}\n dns_lookup_kdc = false\n rdns = false\n"
            f"[realms]\n {REALM} = {{\n"
            + "".join(f"  kdc = {dc.ip}\n" for dc in self.controllers.values())
            + " }\n"
        )


class Controller:
    """One domain controller: its folders, its namespaces, its processes."""

    def __init__(self, lab, name, ip, host):
        self.lab, self.name, self.ip, self.host = lab, name, ip, host
        self.folder = lab.folder / name
        for place in PLACES:
            (self.folder / place).mkdir(parents=True)
        self.server = None
        self._enter()

    def _enter(self):
        """Makes the namespaces, held by a process that only waits."""
        for file in ("hosts", "resolv.conf", "krb5.conf"):
            (self.lab.folder / file).touch()
        mounts = [f"mkdir -p {path}; mount --bind {self.folder / place} {path}" for place, path in PLACES.items()]
        mounts += [
            f"mount --bind {self.lab.folder / 'hosts'} /etc/hosts",
            f"mount --bind {self.lab.folder / 'resolv.conf'} /etc/resolv.conf",
            f"hostname {self.host}",
            "echo ready",
            "exec sleep infinity",
        ]
        self.holder = subprocess.Popen(
            ["unshare", "--mount", "--uts", "bash", "-ec", "\n".join(mounts)],
            stdout=subprocess.PIPE,
            stdin=subprocess.DEVNULL,
            text=True,
        )
        if self.holder.stdout.readline() != "ready\n":
            raise Failed(f"{self.name}: cannot make its namespaces")

    # Commands

    def _inside(self, command):
        return ["nsenter", "-t", str(self.holder.pid), "--mount", "--uts", "--"] + [str(part) for part in command]

    def environment(self, more=None):
        environment = dict(os.environ, KRB5_CONFIG=str(self.lab.folder / "krb5.conf"), PYTHONUNBUFFERED="1")
        environment.update(more or {})
        return environment

    def spawn(self, command, env=None, **how):
        """Starts a command among the controller's files."""
        how.setdefault("stdin", subprocess.DEVNULL)
        return subprocess.Popen(self._inside(command), env=self.environment(env), **how)

    def run(self, command, timeout=300, env=None, check=True, input=None):
        """Runs a command to its end."""
        begin = time.monotonic()
        try:
            done = subprocess.run(
                self._inside(command),
                capture_output=True,
                text=True,
                timeout=timeout,
                env=self.environment(env),
                input=input,
                stdin=subprocess.DEVNULL if input is None else None,
            )
        except subprocess.TimeoutExpired as expired:
            raise Failed(f"{self.name}: {' '.join(map(str, command))}: no end after {timeout} s") from expired
        run = Run(done.returncode, done.stdout, done.stderr, time.monotonic() - begin)
        if check and run.code != 0:
            raise Failed(f"{self.name}: {' '.join(map(str, command))}: {run}")
        return run

    def samba_tool(self, *arguments, **how):
        return self.run(["samba-tool", *arguments], **how)

    # The controller's life

    def provision(self, backend):
        """Makes the first controller of the lab's domain."""
        conf = self.folder / "etc" / "smb.conf"
        conf.write_text(self._smb_conf())
        self.samba_tool(
            "domain", "provision", f"--realm={REALM}", f"--domain={DOMAIN}", f"--host-name={self.host}",
            f"--host-ip={self.ip}", "--server-role=dc", "--dns-backend=SAMBA_INTERNAL",
            f"--adminpass={PASSWORD}", f"--backend-store={backend}",
        )
        self._finish_smb_conf()

    def join(self, other, backend):
        """Joins the lab's domain as one more controller. `other` must run."""
        (self.folder / "etc" / "smb.conf").write_text(self._smb_conf())
        self.samba_tool(
            "domain", "join", REALM, "DC", "-U", f"Administrator%{PASSWORD}",
            f"--server={other.name}.{REALM.lower()}", "--dns-backend=SAMBA_INTERNAL",
            f"--backend-store={backend}",
        )
        self._finish_smb_conf()
        # What the service `dnsupdate`, which is off here, would have done: the names under which partners ask for tickets.
        other.run(["samba_spnupdate"])
        # The join leaves loopback addresses out of the DNS, and the partners look for each other there.
        settings = self.search("(objectClass=nTDSDSA)", ["objectGUID"], base=self.server_dn(), url=SAM)
        zone = REALM.lower()
        for where, name, kind, data in (
            (zone, self.name, "A", self.ip),
            (f"_msdcs.{zone}", settings[0]["objectGUID"][0], "CNAME", f"{self.name}.{zone}"),
        ):
            other.samba_tool(
                "dns", "add", other.ip, where, name, kind, data, "-U", f"Administrator%{PASSWORD}", check=False)

    def server_dn(self):
        return f"CN={self.host.upper()},CN=Servers,CN=Default-First-Site-Name,CN=Sites,CN=Configuration,{BASE_DN}"

    def _smb_conf(self):
        return SMB_CONF.format(name=self.host.upper(), realm=REALM, dns_domain=REALM.lower(), domain=DOMAIN, ip=self.ip)

    def _finish_smb_conf(self):
        conf = self.folder / "etc" / "smb.conf"
        lines = [line for line in conf.read_text().splitlines() if "dns forwarder" not in line]
        conf.write_text("\n".join(lines) + "\n")

    def start(self):
        """Starts the controller and waits until LDAP answers and it is synchronized."""
        log = open(self.folder / "log" / "samba.stdout", "ab")
        self.server = self.spawn(
            ["setsid", "samba", "-F", "--no-process-group", "-M", "prefork"], stdout=log, stderr=log,
        )
        deadline = time.monotonic() + 300
        while not self._is_synchronized():
            if self.server.poll() is not None:
                raise Failed(f"{self.name}: samba ended: " + (self.folder / "log" / "samba.stdout").read_text()[-2000:])
            if time.monotonic() > deadline:
                raise Failed(f"{self.name}: samba does not answer")
            time.sleep(0.1)

    def _is_synchronized(self):
        query = ["ldbsearch", "-H", LDAPI, "-s", "base", "-b", "", "isSynchronized"]
        return "isSynchronized: TRUE" in self.run(query, check=False).out

    def processes(self):
        """The process ids of everything that runs among this controller's files, its holder apart."""
        here = os.readlink(f"/proc/{self.holder.pid}/ns/mnt")
        found = []
        for entry in os.listdir("/proc"):
            if entry.isdigit() and int(entry) != self.holder.pid:
                try:
                    if os.readlink(f"/proc/{entry}/ns/mnt") == here:
                        found.append(int(entry))
                except OSError:
                    pass
        return found

    def stop(self):
        """SIGTERM, and waits until no process of the controller is left."""
        self._end(signal.SIGTERM)

    def kill(self):
        """kill -9 of every process of the controller."""
        self._end(signal.SIGKILL)

    def _end(self, how):
        if self.server is None:
            return
        if how == signal.SIGTERM:
            self.server.terminate()
        deadline = time.monotonic() + 20
        while True:
            rest = self.processes()
            if not rest:
                break
            if how == signal.SIGKILL or time.monotonic() > deadline:
                for process in rest:
                    try:
                        os.kill(process, signal.SIGKILL)
                    except ProcessLookupError:
                        pass
            time.sleep(0.05)
        self.server.wait()
        self.server = None

    def tries_to_start(self):
        """Whether samba starts where it should not: whether it answers, or has not ended after 120 s."""
        server = self.spawn(
            ["samba", "-F", "--no-process-group"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        deadline = time.monotonic() + 120
        while server.poll() is None and time.monotonic() < deadline and not self._is_synchronized():
            time.sleep(0.1)
        if server.poll() is not None:
            return False
        self.server = server
        self.kill()
        return True

    def adopt(self, folder):
        """Takes over a folder that samba-tool restored to, with its private, state and etc."""
        self.run(["cp", "-a", f"{folder}/state/.", "/var/lib/samba"])
        self.run(["cp", "-a", f"{folder}/private", "/var/lib/samba"])
        (self.folder / "etc" / "smb.conf").write_text(self._smb_conf())

    def wipe(self, keep=()):
        """Loses the controller's disk: everything but the package's own empty folders."""
        for place in set(PLACES) - set(keep):
            for entry in (self.folder / place).iterdir():
                shutil.rmtree(entry) if entry.is_dir() and not entry.is_symlink() else entry.unlink()

    def close(self):
        self.kill()
        self.holder.kill()
        self.holder.wait()

    # What is in it

    def load_users(self, count, first=0):
        """Adds users in bulk, straight into the database. The controller must not run."""
        lines = []
        for number in range(first, first + count):
            name = f"user{number:05}"
            lines.append(
                f"dn: CN={name},CN=Users,{BASE_DN}\nobjectClass: user\nsAMAccountName: {name}\n"
                f"givenName: Given{number}\nsn: Surname{number}\ndisplayName: Given{number} Surname{number}\n"
                f"mail: {name}@{REALM.lower()}\ntelephoneNumber: +49 30 {number:08}\n"
                f"description: user {number} of the lab\n"
            )
        ldif = self.folder / "users.ldif"
        ldif.write_text("\n".join(lines))
        self.run(["ldbadd", "-o", "batch_mode:1", "-H", "/var/lib/samba/private/sam.ldb", ldif], timeout=600)
        ldif.unlink()

    def search(self, expression, attributes=("dn",), base=BASE_DN, scope="sub", url=None):
        """Searches the controller's own database, or a URL; returns a list of {attribute: [values]}."""
        url = url or LDAPI
        run = self.run(["ldbsearch", "-H", url, "-b", base, "-s", scope, expression, *attributes])
        found, entry = [], None
        text = run.out.replace("\n ", "")
        for line in text.splitlines():
            if line.startswith("dn: "):
                entry = {"dn": [line[4:]]}
                found.append(entry)
            elif entry is not None and ": " in line and not line.startswith("#"):
                name, value = line.split(": ", 1)
                entry.setdefault(name.rstrip(":"), []).append(value)
            elif not line:
                entry = None
        return found

    def modify(self, ldif, url=None):
        return self.run(["ldbmodify", "-H", url or LDAPI], input=ldif)

    def replicate_from(self, other):
        """Pulls every partition from a partner, and waits until that works."""
        deadline = time.monotonic() + 90
        for context in CONTEXTS:
            while True:
                run = self.samba_tool(
                    "drs", "replicate", self.name, other.name, context, "-U", f"Administrator%{PASSWORD}", check=False)
                if run.code == 0:
                    break
                if time.monotonic() > deadline:
                    raise Failed(f"{self.name} does not replicate {context} from {other.name}: {run}")
                for controller in (self, other):
                    controller.samba_tool(
                        "drs", "kcc", controller.name, "-U", f"Administrator%{PASSWORD}", check=False)
                time.sleep(1)

    def create_user(self, name, password="Pass-word-1", check=True):
        return self.samba_tool("user", "create", name, password, "-H", LDAPI, check=check)

    def set_password(self, name, password):
        # As the system itself samba-tool would be asked for a password here.
        self.samba_tool("user", "setpassword", name, f"--newpassword={password}", "-H", self.url(),
                        "-U", f"Administrator%{PASSWORD}")

    def url(self):
        return f"ldap://{self.name}.{REALM.lower()}"

    def accepts_password(self, name, password):
        """Whether the controller lets a user in."""
        return self.run(
            ["ldbsearch", "-H", self.url(), "-U", f"{DOMAIN}\\{name}%{password}", "-s", "base", "-b", BASE_DN, "dn"],
            check=False).code == 0

    def users(self, pattern):
        """The users whose account names match, with their SIDs."""
        found = self.search(f"(&(objectClass=user)(sAMAccountName={pattern}))", ["sAMAccountName", "objectSid"])
        return {entry["sAMAccountName"][0]: entry["objectSid"][0] for entry in found}

    def dbcheck(self):
        """Samba's own check of all partitions must find nothing."""
        run = self.samba_tool("dbcheck", "--cross-ncs", check=False, timeout=600)
        if run.code != 0 or "(0 errors)" not in run.out:
            raise Failed(f"{self.name}: dbcheck: {run}")

    def share_attributes(self):
        """Owners, modes, access rights and content of everything in sysvol."""
        return self.run(["bash", "-c", "cd /var/lib/samba/sysvol && getfattr --absolute-names -R -d -m - . && "
                         "find . -printf '%p %u %g %m %y\\n' | sort && find . -type f -exec md5sum {} + | sort"]).out
