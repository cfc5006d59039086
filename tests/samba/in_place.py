"""Two replicating controllers: one is lost, and restored in place from its backup."""

import time

from dsbackup import Dsbackup
from lab import CONTEXTS, Failed, say


def expect(what, found, expected):
    if found != expected:
        raise Failed(f"{what}: expected {expected}, found {found}")


def settings(controller):
    """The GUID of the controller, and the id of its database's life."""
    entry = controller.search("(objectClass=nTDSDSA)", ["objectGUID", "invocationId"], base=controller.server_dn())[0]
    return entry["objectGUID"][0], entry["invocationId"][0]


def check_replication(controller):
    """No partner, inbound or outbound, may report a failure.

    A controller that was restarted asks its partner some time later to be told of changes; until then it is missing
    among the partner's outbound neighbours."""
    deadline = time.monotonic() + 120
    while True:
        run = controller.samba_tool("drs", "showrepl")
        neighbours = run.out.split("==== KCC CONNECTION OBJECTS")[0]
        if "failed" not in neighbours and neighbours.count("0 consecutive failure(s)") >= 2 * len(CONTEXTS):
            return
        if time.monotonic() > deadline:
            raise Failed(f"{controller.name}: showrepl: {run.out}")
        time.sleep(2)


def restore_on_a_new_machine(controller, dsbackup):
    """smb.conf from the snapshot, then everything else."""
    folder = controller.folder / "look"
    dsbackup.run("restore", "latest", "--target", folder)
    (controller.folder / "etc" / "smb.conf").write_text((folder / "etc" / "smb.conf").read_text())
    restored = dsbackup.restore_in_place()
    say(f"  restored in place in {restored.seconds:.1f} s")


def run(lab, backend, options):
    """The first controller is lost: it has all roles, and assigns the pools of RIDs."""
    dc1, dc2 = two(lab, backend)
    scripts = dc1.folder / "lib" / "sysvol" / "lab.example.com" / "scripts"
    (scripts / "logon.bat").write_text("echo hello\n")
    dc1.samba_tool("ntacl", "sysvolreset")
    lose(lost=dc1, partner=dc2)
    dc1.samba_tool("ntacl", "sysvolcheck")
    say("  sysvolcheck is clean")


def run_second(lab, backend, options):
    """The other one is lost: it is assigned its RIDs by its partner."""
    dc1, dc2 = two(lab, backend)
    lose(lost=dc2, partner=dc1)


def one(lab, backend):
    """A controller whose names of services are registered."""
    dc1 = lab.controller("dc1", 1)
    dc1.provision(backend)
    dc1.start()
    dc1.run(["samba_spnupdate"])
    return dc1


def back_up(controller):
    """A repository with one backup of a controller."""
    dsbackup = Dsbackup(controller)
    dsbackup.init()
    dsbackup.run("backup", "--samba")
    return dsbackup


def two(lab, backend):
    dc1 = lab.controller("dc1", 1)
    dc1.provision(backend)
    dc1.start()
    dc2 = lab.controller("dc2", 2)
    dc2.join(dc1, backend)
    dc2.start()
    return dc1, dc2


def lose(lost, partner):
    def replicate():
        lost.replicate_from(partner)
        partner.replicate_from(lost)

    create_when_possible(lost, "before", "Old-password-1")
    lost.create_user("changed-later", "Old-password-1")
    create_when_possible(partner, "partner-before")
    replicate()
    shares = lost.share_attributes()
    guid, first_life = settings(lost)

    with Dsbackup(lost) as dsbackup:
        dsbackup.init()
        dsbackup.serve()
        snapshot = dsbackup.backup()
        dsbackup.stop_service()
        say(f"  backup: {snapshot['files']} files, {snapshot['bytes']} bytes, {snapshot['seconds']:.1f} s")

        # What the backup lacks: known to both, known to the partner only, lost with the controller.
        for number in range(5):
            lost.create_user(f"since-lost-{number}")
            partner.create_user(f"since-partner-{number}")
        lost.set_password("changed-later", "New-password-2")
        replicate()
        # Nobody but the controller itself may know of this one, so its partner is away.
        partner.stop()
        lost.create_user("gone")
        gone_sid = lost.users("gone")["gone"]
        lost.kill()
        partner.start()
        partner.create_user("since-partner-alone")

        lost.wipe()
        say(f"  {lost.name} is killed and wiped")
        restore_on_a_new_machine(lost, dsbackup)
    expect("owners, access rights and content of sysvol before the start", lost.share_attributes(), shares)

    lost.start()
    replicate()
    replicate()
    expect("the restored controller's GUID", settings(lost)[0], guid)
    if settings(lost)[1] == first_life:
        raise Failed("the restored directory has its former invocation id")
    expect("its life as its partner sees it", partner.search(
        "(objectClass=nTDSDSA)", ["invocationId"], base=lost.server_dn())[0]["invocationId"][0], settings(lost)[1])
    missed = {f"since-{where}-{number}" for where in ("lost", "partner") for number in range(5)}
    expect("what it receives that its backup lacked", set(lost.users("since-*")), missed | {"since-partner-alone"})
    expect("what was lost with it", lost.users("gone"), {})

    # The pool of the former life is not used any more: no RID can be handed out twice.
    for number in range(5):
        create_when_possible(lost, f"new-life-{number}")
        partner.create_user(f"beside-{number}")
    replicate()
    new = partner.users("new-life-*")
    expect("what its partner accepts of what it creates next", set(new), {f"new-life-{number}" for number in range(5)})
    if gone_sid in new.values():
        raise Failed(f"{gone_sid} was handed out twice")
    for controller in (lost, partner):
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
    expect("both controllers' users", lost.users("*"), partner.users("*"))
    say(f"  both agree on {len(lost.users('*'))} accounts; showrepl and dbcheck are clean")


def create_when_possible(controller, name, password="Pass-word-1"):
    """A controller without RIDs asks for some, and gets them within seconds."""
    deadline = time.monotonic() + 90
    while True:
        run = controller.create_user(name, password, check=False)
        if run.code == 0:
            return
        if time.monotonic() > deadline:
            raise Failed(f"{controller.name} creates no user: {run}")
        time.sleep(1)
