"""Two replicating controllers: one is lost, and restored in place from its backup."""

from dsbackup import Dsbackup
from lab import CONTEXTS, Failed, LDAPI, say


def expect(what, found, expected):
    if found != expected:
        raise Failed(f"{what}: expected {expected}, found {found}")


def settings(controller):
    """The GUID of the controller, and the id of its database's life."""
    entry = controller.search("(objectClass=nTDSDSA)", ["objectGUID", "invocationId"], base=controller.server_dn())[0]
    return entry["objectGUID"][0], entry["invocationId"][0]


def check_replication(controller):
    """No partner, inbound or outbound, may report a failure."""
    run = controller.samba_tool("drs", "showrepl")
    neighbours = run.out.split("==== KCC CONNECTION OBJECTS")[0]
    if "failed" in neighbours or neighbours.count("0 consecutive failure(s)") < 2 * len(CONTEXTS):
        raise Failed(f"{controller.name}: showrepl: {run.out}")


def restore_on_a_new_machine(controller, dsbackup):
    """smb.conf from the snapshot, then everything else."""
    folder = controller.folder / "look"
    dsbackup.run("restore", "latest", "--target", folder)
    (controller.folder / "etc" / "smb.conf").write_text((folder / "etc" / "smb.conf").read_text())
    restored = dsbackup.restore_in_place()
    say(f"  restored in place in {restored.seconds:.1f} s")


def run(lab, backend, options):
    dc1 = lab.controller("dc1", 1)
    dc1.provision(backend)
    dc1.start()
    dc2 = lab.controller("dc2", 2)
    dc2.join(dc1, backend)
    dc2.start()

    def replicate():
        dc1.replicate_from(dc2)
        dc2.replicate_from(dc1)

    scripts = dc1.folder / "lib" / "sysvol" / "lab.example.com" / "scripts"
    (scripts / "logon.bat").write_text("echo hello\n")
    dc1.samba_tool("ntacl", "sysvolreset")
    dc1.create_user("before", "Old-password-1")
    dc1.create_user("changed-later", "Old-password-1")
    replicate()
    shares = dc1.share_attributes()
    guid, first_life = settings(dc1)

    with Dsbackup(dc1) as dsbackup:
        dsbackup.init()
        dsbackup.serve()
        snapshot = dsbackup.backup()
        dsbackup.stop_service()
        say(f"  backup: {snapshot['files']} files, {snapshot['bytes']} bytes, {snapshot['seconds']:.1f} s")

        # What the backup lacks: known to both, known to the partner only, lost with the controller.
        for number in range(5):
            dc1.create_user(f"on-dc1-{number}")
            dc2.create_user(f"on-dc2-{number}")
        dc1.set_password("changed-later", "New-password-2")
        dc1.samba_tool("user", "delete", "Guest", "-H", LDAPI, check=False)
        replicate()
        # Nobody but dc1 may know of this one, so its partner is away.
        dc2.stop()
        dc1.create_user("lost")
        lost_sid = dc1.users("lost")["lost"]
        dc1.kill()
        dc2.start()
        dc2.create_user("on-dc2-alone")
        dc1.wipe()
        say("  dc1 is killed and wiped")

        restore_on_a_new_machine(dc1, dsbackup)
    expect("access rights of sysvol before the start", dc1.share_attributes(), shares)

    dc1.start()
    replicate()
    replicate()
    expect("dc1 after its restore", settings(dc1)[0], guid)
    if settings(dc1)[1] == first_life:
        raise Failed("the restored directory has its former invocation id")
    expect("dc2's view of dc1's life", dc2.search(
        "(objectClass=nTDSDSA)", ["invocationId"], base=dc1.server_dn())[0]["invocationId"][0], settings(dc1)[1])
    missed = {f"on-dc{where}-{number}" for where in (1, 2) for number in range(5)} | {"on-dc2-alone"}
    expect("what dc1 receives that its backup lacked", set(dc1.users("on-dc*")), missed)
    expect("what was lost with dc1", dc1.users("lost"), {})

    # The pool of the former life is not used any more: no RID can be handed out twice.
    for number in range(5):
        dc1.create_user(f"new-life-{number}")
        dc2.create_user(f"beside-{number}")
    replicate()
    new = dc2.users("new-life-*")
    expect("what dc2 accepts of what dc1 creates next", set(new), {f"new-life-{number}" for number in range(5)})
    if lost_sid in new.values():
        raise Failed(f"{lost_sid} was handed out twice")
    for controller in (dc1, dc2):
        sids = [entry["objectSid"][0] for entry in controller.search("(objectSid=*)", ["objectSid"])]
        expect(f"{controller.name}: duplicate SIDs", len(sids), len(set(sids)))
        for name, password, expected in (
            ("before", "Old-password-1", True),
            ("changed-later", "New-password-2", True),
            ("changed-later", "Old-password-1", False),
        ):
            expect(f"{controller.name}: {name} with {password}", controller.accepts_password(name, password), expected)
        check_replication(controller)
        controller.dbcheck()
    expect("both controllers' users", dc1.users("*"), dc2.users("*"))
    dc1.samba_tool("ntacl", "sysvolcheck")
    say(f"  dc1 and dc2 agree on {len(dc1.users('*'))} accounts; showrepl, dbcheck and sysvolcheck are clean")
