"""From another computer, by Kerberos tickets alone: who may backs up a controller and restores it, nobody else does."""

import json

from dsbackup import PROGRAM, Dsbackup
from in_place import check_replication, expect, settings, two
from lab import DOMAIN, PASSWORD, REALM, SAM, Failed, say

PORT = 18390
USERS_PASSWORD = "Other-Secret-456"


class Remote(Dsbackup):
    """The service of a controller on the network, and clients of it among the files of another."""

    def __init__(self, controller, client):
        super().__init__(controller)
        self.client = client
        self.name = f"{controller.host}.{REALM.lower()}"
        self.folder = controller.folder / "remote"
        self.folder.mkdir()
        self.audit = self.folder / "audit.jsonl"
        self.tickets = self.folder / "tickets"
        self.configuration = self.folder / "dsbackup.toml"

    def configure(self, restore_group):
        key, certificate, keytab = (self.folder / name for name in ("key.pem", "certificate.pem", "keytab"))
        self.controller.run([
            "openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes",
            "-days", "30", "-subj", f"/CN={self.name}", "-keyout", key, "-out", certificate,
        ])
        key.chmod(0o600)
        self.pin = self.controller.run(["bash", "-c", f"openssl x509 -in {certificate} -noout -pubkey | "
                                        "openssl pkey -pubin -outform der | sha256sum"]).out[:64]
        # An account of its own, so a key of its own.
        self.controller.create_user("dsbackup-service")
        self.controller.run([
            "samba-tool", "spn", "add", f"dsbackup/{self.name}", "dsbackup-service", "-H", SAM])
        self.controller.samba_tool("domain", "exportkeytab", keytab, f"--principal=dsbackup/{self.name}")
        keytab.chmod(0o600)
        self.configuration.write_text(f"""
[samba]
smb_conf = "/etc/samba/smb.conf"
spool_folder = "{self.spool}"
[endpoint]
socket = "{self.socket}"
[audit]
file = "{self.audit}"
[remote]
listen = ["{self.controller.ip}:{PORT}"]
certificate = "{certificate}"
key = "{key}"
[remote.kerberos]
keytab = "{keytab}"
principal = "dsbackup/{self.name}@{REALM}"
directory = "ldapi://%2Fvar%2Flib%2Fsamba%2Fprivate%2Fldap_priv%2Fldapi"
# The controller whose directory would be asked is the one that is restored.
restore_without_directory = true
remember_groups = "{self.folder}/groups.json"
restore = ["{restore_group}"]
""")

    def serve_command(self, *arguments):
        return ["serve", "--config", self.configuration, *arguments]

    def log_on(self, user, password=USERS_PASSWORD):
        self.client.run(["kinit", f"{user}@{REALM}"], env=self.cache(), input=password + "\n")

    def cache(self):
        return {"KRB5CCNAME": f"FILE:{self.tickets}"}

    def over_network(self, *arguments, check=True):
        """A command on the other computer, which has nothing but its ticket, and the service's pin."""
        command = [PROGRAM, *arguments, "--server", f"{self.name}:{PORT}", "--pin", self.pin]
        return self.client.run(command, env={**self.environment(), **self.cache()}, check=check)

    def refused(self, user, *arguments):
        """A user's command is refused with ERROR_ACCESS_DENIED, and one line says so."""
        self.log_on(user)
        before = len(self.denied())
        run = self.over_network(*arguments, check=False)
        if run.code != 4 or "ERROR_ACCESS_DENIED" not in run.err:
            raise Failed(f"{user}: expected to be denied: {run}")
        lines = self.denied()[before:]
        if len(lines) != 1 or lines[0]["caller"] != f"{user}@{REALM}":
            raise Failed(f"{user}: expected one line in the audit log: {lines}")
        say(f"  {user}: {run.err.strip().splitlines()[-1]}")

    def lines(self):
        return [json.loads(line) for line in self.audit.read_text().splitlines()]

    def denied(self):
        return [line for line in self.lines() if line["code"] == "0x00000005"]

    def done_by(self, user, call):
        """How often a user's call went well."""
        return sum(line["caller"] == f"{user}@{REALM}" and line["call"] == call and line["code"] == "0x00000000"
                   for line in self.lines())


def run(lab, backend, options):
    dc1, dc2 = two(lab, backend)
    scripts = dc1.folder / "lib" / "sysvol" / "lab.example.com" / "scripts"
    (scripts / "logon.bat").write_text("echo hello\n")
    dc1.samba_tool("ntacl", "sysvolreset")
    for user in ("operator", "only-operator", "new-operator", "ordinary"):
        dc1.create_user(user, USERS_PASSWORD)
    dc1.samba_tool("group", "add", "restore-team", "-H", SAM)
    dc1.samba_tool("group", "addmembers", "Backup Operators", "operator,only-operator,new-operator", "-H", SAM)
    dc1.samba_tool("group", "addmembers", "restore-team", "operator", "-H", SAM)
    team = dc1.search("(sAMAccountName=restore-team)", ["objectSid"])[0]["objectSid"][0]
    with Remote(dc1, dc2) as remote:
        remote.configure(team)
        dc2.replicate_from(dc1)
        dc1.replicate_from(dc2)
        shares, (guid, first_life) = dc1.share_attributes(), settings(dc1)
        remote.init()
        remote.serve()
        for user, password in (("Administrator", PASSWORD), ("only-operator", USERS_PASSWORD), ("operator", USERS_PASSWORD)):
            remote.log_on(user, password)
            remote.over_network("backup", "--quiet")
            if not remote.done_by(user, "HrRBackupEnd"):
                raise Failed(f"{user}: the audit log does not tell of the backup")
        remote.refused("ordinary", "backup")
        # What the backup lacks comes from the partner.
        dc1.create_user("since")
        dc2.replicate_from(dc1)
        remote.stop_service()

        dc1.kill()
        dc1.wipe()
        look = dc1.folder / "look"
        remote.run("restore", "latest", "--target", look)
        (dc1.folder / "etc" / "smb.conf").write_text((look / "etc" / "smb.conf").read_text())
        remote.serve("--restore-mode")
        # Nobody answers for the built-in groups there, nor ever did for this one.
        remote.refused("new-operator", "restore", "latest")
        remote.refused("ordinary", "restore", "latest")
        # The tickets are of the partner's domain controller. One restore after the other.
        for user, password in (("Administrator", PASSWORD), ("operator", USERS_PASSWORD), ("only-operator", USERS_PASSWORD)):
            remote.log_on(user, password)
            restored = remote.over_network("restore", "latest")
            say(f"  {user} restored in {restored.seconds:.1f} s")
            if not remote.done_by(user, "HrRRestoreWriteFile") or not remote.done_by(user, "HrRRestoreRegisterComplete"):
                raise Failed(f"{user}: the audit log does not tell of the restore")
        remote.stop_service()
        for text in (remote.audit.read_text(), remote.log.read_text()):
            if PASSWORD in text or USERS_PASSWORD in text:
                raise Failed("a log holds a password")
    expect("owners, access rights and content of sysvol before the start", dc1.share_attributes(), shares)

    dc1.start()
    for _ in range(2):
        dc1.replicate_from(dc2)
        dc2.replicate_from(dc1)
    expect("the restored controller's GUID", settings(dc1)[0], guid)
    if settings(dc1)[1] == first_life:
        raise Failed("the restored directory has its former invocation id")
    expect("what it receives that its backup lacked", set(dc1.users("since")), {"since"})
    for controller in (dc1, dc2):
        expect(f"{controller.name}: the operator's password",
               controller.accepts_password("operator", USERS_PASSWORD), True)
        check_replication(controller)
        controller.dbcheck()
    dc1.samba_tool("ntacl", "sysvolcheck")
    say(f"  both agree on the domain {DOMAIN}; showrepl, dbcheck and sysvolcheck are clean")
