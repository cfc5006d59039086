"""A restore in place whose objects win over what a partner did to them since the backup."""

from dsbackup import Dsbackup
from in_place import expect, two
from lab import BASE_DN, say
from restore_objects import OLD, SALES, USERS, add, agree, dbcheck, delete, group, make, switch_on_recycle_bin, user


def run(lab, backend, options):
    dc1, dc2 = two(lab, backend)

    def replicate():
        for _ in range(2):
            dc1.replicate_from(dc2)
            dc2.replicate_from(dc1)

    make(dc1)
    dsbackup = Dsbackup(dc1)
    dsbackup.init()
    wins(dc1, dc2, dsbackup, replicate, "")
    say("  a unit that the partner had deleted lives on both; what was not named is as the partner had it")
    switch_on_recycle_bin(dc1)
    # A partner that does not know of the bin yet would empty it.
    replicate()
    wins(dc1, dc2, dsbackup, replicate, "-bin")
    say("  the same with the Recycle Bin on, in which the partner had the unit")


def wins(dc1, dc2, dsbackup, replicate, which):
    """A unit comes back on both, over what the partner did."""
    eve, since = (name + which for name in ("eve", "since"))
    add(dc1, user(eve, USERS, "title: Control"), group("control" + which, USERS, f"CN={eve},{USERS}"))
    replicate()
    dc2.modify(f"dn: CN=dave,{USERS}\nchangetype: modify\nreplace: title\ntitle: Clerk\n")
    replicate()
    known = dbcheck(dc2)
    before = facts(dc2)
    dsbackup.run("backup", "--samba")

    # The partner deletes a unit and a user, changes a member list often, and makes something new.
    delete(dc2, SALES)
    delete(dc2, f"CN={eve},{USERS}")
    for _ in range(3):
        for how in ("delete", "add"):
            dc2.modify(f"dn: CN=all,{USERS}\nchangetype: modify\n{how}: member\nmember: CN=dave,{USERS}\n")
    dc2.modify(f"dn: CN=dave,{USERS}\nchangetype: modify\nreplace: title\ntitle: Boss\n")
    dc2.create_user(since)
    replicate()
    expect("the unit, before the restore", [facts(controller) for controller in (dc1, dc2)], [{}, {}])

    dc1.kill()
    dsbackup.refused("restore", "latest", "--samba", "--authoritative", f"OU=Nowhere,{BASE_DN}",
                     because="no object of this name", code=1)
    dsbackup.refused("restore", "latest", "--samba", "--authoritative", BASE_DN, because="a whole partition")
    run = dsbackup.run("restore", "latest", "--samba", "--authoritative", SALES)
    say(f"  restored in {run.seconds:.1f} s")
    dc1.start()
    replicate()
    expect("what differs on the restored controller", unlike(before, facts(dc1)), {})
    expect("what differs on its partner", unlike(before, facts(dc2)), {})
    for controller in (dc1, dc2):
        name = controller.name
        expect(f"{name} lets alice in", controller.accepts_password("alice", OLD), True)
        expect(f"{eve}, who was not named, on {name}", controller.users(eve), {})
        expect(f"who came since, on {name}", list(controller.users(since)), [since])
        title = controller.search("(sAMAccountName=dave)", ["title"])[0]["title"]
        expect(f"dave's title, which was not named, on {name}", title, ["Boss"])
        expect(f"dbcheck of {name}", [error for error in dbcheck(controller) if error not in known], [])
    agree(dc1, dc2)
    dc1.create_user("new-life" + which)
    replicate()
    expect("what the partner accepts afterwards", list(dc2.users("new-life" + which)), ["new-life" + which])


# What people see of the unit, links in both directions included.
SHOWN = ["objectGUID", "objectSid", "title", "member", "memberOf", "manager", "managedBy", "directReports",
         "servicePrincipalName", "jpegPhoto", "nTSecurityDescriptor", "userAccountControl", "primaryGroupID", "mail",
         "sAMAccountType", "objectCategory"]


def facts(controller):
    """Attributes of the unit and all in it, by name; nothing where it does not live."""
    if not controller.search(f"(distinguishedName={SALES})"):
        return {}
    found = controller.search("(objectClass=*)", SHOWN, base=SALES)
    return {entry["dn"][0]: {name: sorted(values) for name, values in entry.items()} for entry in found}


def unlike(before, now):
    """What differs, by object and attribute."""
    found = {}
    for dn in before.keys() | now.keys():
        one, other = before.get(dn, {}), now.get(dn, {})
        for name in one.keys() | other.keys():
            if one.get(name) != other.get(name):
                found[f"{dn}: {name}"] = [str(value)[:300] for value in (one.get(name), other.get(name))]
    return found
