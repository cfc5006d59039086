"""Single objects are lost, and brought back into the running domain: by the socket and over LDAP."""

import base64
import time

from diff import public_key, tickets
from dsbackup import PROGRAM
from in_place import back_up, expect, one, two
from lab import BASE_DN, Failed, LDAPI, PASSWORD, REALM, SAM, say

USERS = f"CN=Users,{BASE_DN}"
SALES = f"OU=Sales,{BASE_DN}"
CROWD = f"OU=Crowd,{BASE_DN}"
SHELF = f"OU=Shelf,{BASE_DN}"
KEPT = f"OU=Kept,{SHELF}"
OLD = "Old-password-1"
# What differs from the backup all the same, because the server writes it: when a password was set.
STAMPS = {"unicodePwd", "ntPwdHistory", "lmPwdHistory", "dBCSPwd", "supplementalCredentials"}
# sAMAccountType of a user.
NORMAL_ACCOUNT = str(0x30000000)
# What a running controller changes without being asked.
SERVERS_OWN = {"rIDUsedPool", "rIDAvailablePool", "rIDAllocationPool", "dnsRecord"}


def run(lab, backend, options):
    dc1, dsbackup = backed_up(lab, backend)
    whole(dc1, dsbackup)
    crowd(dc1, dsbackup)
    over_network(dc1, dsbackup)
    refusals(dc1, dsbackup)
    expired(dc1, dsbackup)
    recycle_bin(dc1, dsbackup)


def run_two(lab, backend, options):
    """Two replicating controllers agree afterwards; what a partner has as deleted is not made anew."""
    dc1, dc2 = two(lab, backend)

    def replicate():
        dc2.replicate_from(dc1)
        dc1.replicate_from(dc2)

    make(dc1)
    replicate()
    errors = dbcheck(dc1)
    dsbackup = back_up(dc1)
    delete(dc1, SALES)
    replicate()
    in_place(dsbackup, SALES, "--subtree")
    same(dsbackup, "with a partner")
    replicate()
    agree(dc1, dc2)
    for controller in (dc1, dc2):
        expect(f"{controller.name} lets alice in", controller.accepts_password("alice", OLD), True)
        expect(f"dbcheck of {controller.name}", dbcheck(controller), errors)

    delete(dc1, f"CN=dave,{USERS}")
    replicate()
    expunge(dc1)
    access = ["--ldap-user", f"Administrator@{REALM}", "--ldap-pin", public_key(dc2)]
    arguments = ["latest", "dave", "--in-place", "--yes"]
    say("  " + dsbackup.refused("restore-objects", *arguments, because="cannot be asked"))
    password = {"DSBACKUP_LDAP_PASSWORD": PASSWORD}

    def refused(because):
        run = dc1.run([PROGRAM, "restore-objects", *arguments, *access],
                      env=dsbackup.environment() | password, check=False)
        if run.code != 4 or because not in run.err:
            raise Failed(f"expected a refusal that says {because!r}: {run}")

    refused("still has its tombstone")
    dc2.stop()
    refused("cannot be asked")
    dc2.start()
    expunge(dc2)
    journal = dc1.folder / "journal"
    made = dc1.run([PROGRAM, "restore-objects", *arguments, *access, "--journal", journal],
                   env=dsbackup.environment() | password, check=False)
    expect("the restore without a tombstone anywhere", made.code, 0)
    replicate()
    agree(dc1, dc2)
    say("  both controllers agree, without a tombstone and with one")
    partner_down(dc1, dc2, dsbackup, replicate, errors)


def partner_down(dc1, dc2, dsbackup, replicate, errors):
    """A partner that is down from before the loss until after the restore, and knows of neither."""
    dc2.stop()
    delete(dc1, SALES)
    dc1.modify(f"dn: CN=carol,{USERS}\nchangetype: modify\nreplace: title\ntitle: Boss\n-\nreplace: manager\n")
    in_place(dsbackup, SALES, "--subtree")
    in_place(dsbackup, "carol", "--replace")
    same(dsbackup, "while the partner is down")
    # Another one is lost where the partner has it, and its deletion has been forgotten since.
    delete(dc1, f"CN=dave,{USERS}")
    expunge(dc1)
    access = ["--ldap-user", f"Administrator@{REALM}", "--ldap-pin", public_key(dc2)]
    command = [PROGRAM, "restore-objects", "latest", "dave", "--in-place", "--yes", *access]
    environment = dsbackup.environment() | {"DSBACKUP_LDAP_PASSWORD": PASSWORD}

    def refused(because):
        run = dc1.run(command, env=environment, check=False)
        if run.code != 4 or because not in run.err or dc1.search("(sAMAccountName=dave)"):
            raise Failed(f"expected a refusal that says {because!r}: {run}")

    refused("cannot be asked")
    dc2.start()
    refused("it lives on")
    dc1.samba_tool("drs", "replicate", dc1.name, dc2.name, BASE_DN, "--full-sync", "-U", f"Administrator%{PASSWORD}")
    replicate()
    agree(dc1, dc2)
    for controller in (dc1, dc2):
        for name in ("alice", "dave"):
            expect(f"{controller.name} lets {name} in", controller.accepts_password(name, OLD), True)
        expect(f"dbcheck of {controller.name}", dbcheck(controller), errors)
    say("  a partner that was down takes what came back; what it alone still has comes from there")


def run_short(lab, backend, options):
    """What ./test runs."""
    dc1, dsbackup = backed_up(lab, backend)
    whole(dc1, dsbackup)
    crowd(dc1, dsbackup)
    refusals(dc1, dsbackup)
    expired(dc1, dsbackup)


def backed_up(lab, backend):
    """A controller with the objects of the tests, and a backup of it."""
    dc1 = one(lab, backend)
    make(dc1)
    members = [f"CN=crowd{number},{CROWD}" for number in range(40)]
    add(dc1, f"dn: {CROWD}\nobjectClass: organizationalUnit",
        *(user(f"crowd{number}", CROWD) for number in range(40)), group("crowd", CROWD, *members))
    return dc1, back_up(dc1)


# What is lost


def add(controller, *entries):
    controller.run(["ldbadd", "-H", LDAPI], input="\n\n".join(entries) + "\n")


def quoted(password):
    return base64.b64encode(f'"{password}"'.encode("utf-16-le")).decode()


def user(name, parent, *lines):
    return "\n".join([
        f"dn: CN={name},{parent}", "objectClass: user", f"sAMAccountName: {name}", f"givenName: {name.title()}",
        f"userPrincipalName: {name}@{REALM.lower()}", "telephoneNumber: +49 30 1234", "userAccountControl: 512",
        f"unicodePwd:: {quoted(OLD)}", *lines])


def group(name, parent, *members):
    return "\n".join([
        f"dn: CN={name},{parent}", "objectClass: group", f"sAMAccountName: {name}",
        *(f"member: {member}" for member in members)])


def make(dc1):
    """Users, groups in groups, managers, a photo, names of services, access rights, two levels of units."""
    inner = f"OU=Inner,{SALES}"
    photo = base64.b64encode(bytes(range(256)) * 20).decode()
    add(dc1,
        f"dn: {SALES}\nobjectClass: organizationalUnit\ndescription: those who sell",
        f"dn: {inner}\nobjectClass: organizationalUnit",
        f"dn: {SHELF}\nobjectClass: organizationalUnit",
        f"dn: {KEPT}\nobjectClass: organizationalUnit",
        user("alice", SALES, f"jpegPhoto:: {photo}", "title: Lead", "description: of the backup",
             "otherTelephone: 1", "otherTelephone: 2", "servicePrincipalName: HTTP/alice.lab.example.com",
             "accountExpires: 9223372036854775807"),
        user("bob", inner, f"manager: CN=alice,{SALES}", "description:: WsO8cmljaA=="),
        user("carol", USERS, f"manager: CN=alice,{SALES}", "title: Clerk"),
        user("dave", USERS, "title: Guard"),
        f"dn: CN=partner,{inner}\nobjectClass: contact\nmail: partner@example.org",
        group("team", SALES, f"CN=alice,{SALES}", f"CN=bob,{inner}"),
        group("all", USERS, f"CN=team,{SALES}", f"CN=carol,{USERS}", f"CN=dave,{USERS}"),
        group("outside", USERS, f"CN=alice,{SALES}", f"CN=partner,{inner}", f"CN=carol,{USERS}"))
    dc1.modify(f"dn: {SALES}\nchangetype: modify\nreplace: managedBy\nmanagedBy: CN=carol,{USERS}\n\n"
               f"dn: CN=bob,{inner}\nchangetype: modify\nreplace: primaryGroupID\n"
               f"primaryGroupID: {rid(dc1, 'team')}\n\n"
               # In no group of everybody, as guests are: a server puts back into it whom it makes anew.
               f"dn: CN=Domain Users,{USERS}\nchangetype: modify\ndelete: member\nmember: CN=bob,{inner}\n")
    for name in (f"CN=alice,{SALES}", SALES, f"CN=carol,{USERS}"):
        dc1.samba_tool("dsacl", "set", "-H", SAM, f"--objectdn={name}", "--sddl=(A;;RPWP;;;S-1-5-21-1-2-3-4711)")
    # As "Protect object from accidental deletion" does it.
    dc1.samba_tool("dsacl", "set", "-H", SAM, f"--objectdn={KEPT}", "--sddl=(D;;SDDT;;;WD)")
    dc1.samba_tool("dsacl", "set", "-H", SAM, f"--objectdn={SHELF}", "--sddl=(D;;DC;;;WD)")


def rid(controller, account):
    return controller.search(f"(sAMAccountName={account})", ["objectSid"])[0]["objectSid"][0].rsplit("-", 1)[1]


def delete(controller, name):
    controller.run(["ldbdel", "-r", "-H", LDAPI, name])


def rename(controller, old, new):
    controller.run(["ldbrename", "-H", LDAPI, old, new])


def expunge(controller):
    time.sleep(2)
    controller.samba_tool("domain", "tombstones", "expunge", "--tombstone-lifetime=0")


def dbcheck(controller):
    """What Samba's own check says; some of it stays from what users did."""
    out = controller.samba_tool("dbcheck", "--cross-ncs", check=False, timeout=600).out
    return sorted(line for line in out.splitlines() if line.startswith("ERROR"))


def agree(dc1, dc2):
    for context in ("domain", "configuration", "dnsdomain", "dnsforest"):
        dc1.samba_tool("ldapcmp", dc1.url(), dc2.url(), context, "-U", f"Administrator%{PASSWORD}",
                       "--filter=whenChanged,dNSHostName,dSCorePropagationData,lastLogon,logonCount,"
                       "badPasswordTime,badPwdCount,msDS-RevealedDSAs")


# How it comes back


def in_place(dsbackup, *arguments, code=0):
    journal = dsbackup.controller.folder / f"{time.monotonic_ns()}.jsonl"
    run = dsbackup.run("restore-objects", "latest", *arguments, "--in-place", "--yes", "--json", "--journal", journal,
                       check=False)
    if run.code != code:
        raise Failed(f"restore-objects {arguments}: expected exit code {code}: {run}")
    return run


def differences(dsbackup):
    """What differs between the backup and the running server, in attributes that people see."""
    found = {}
    for change in dsbackup.run("diff", "latest", LDAPI, "--json").json()["changes"]:
        # Which partner gets changes from which, a controller finds out by itself, at any moment.
        if ",CN=NTDS Settings," in change["dn"]:
            continue
        names = {attribute["attribute"] for attribute in change["attributes"]} - STAMPS - SERVERS_OWN
        if change["kind"] != "changed" or change["moved"] or change["renamed"] or names:
            found[change["dn"]] = (change["kind"], sorted(names))
    return found


def same(dsbackup, what, but=()):
    """All is as in the backup, but for a list that is part of the promise."""
    expect(f"what differs from the backup {what}", differences(dsbackup), dict(but))


def lets_in(controller, name, password=OLD):
    return controller.accepts_password(name, password)


def whole(dc1, dsbackup):
    same(dsbackup, "before anything is lost")
    before = dc1.search("(sAMAccountName=alice)", ["objectSid", "objectGUID"])
    delete(dc1, SALES)
    plan = dsbackup.run("restore-objects", "latest", SALES, "--subtree", "--in-place", "--dry-run", "--json").json()
    actions = [entry["action"] for entry in plan["plan"]["objects"]]
    expect("the plan of six deleted objects", actions, ["reanimate"] * 6)
    if dc1.search("(sAMAccountName=alice)"):
        raise Failed("a dry run wrote something")
    run = in_place(dsbackup, SALES, "--subtree")
    expect("what the server refused", run.json()["refused"], [])
    same(dsbackup, "after a unit came back")
    expect("identity of alice", dc1.search("(sAMAccountName=alice)", ["objectSid", "objectGUID"]), before)
    expect("alice with her old password", lets_in(dc1, "alice"), True)
    expect("bob with his old password", lets_in(dc1, "bob"), True)
    again = in_place(dsbackup, SALES, "--subtree").json()
    expect("writes of a second run", again["writes"], 0)
    say(f"  a unit of 6 objects came back in {run.seconds:.1f} s, with passwords, links and access rights")

    # Changed, moved and renamed; somebody new in a group stays.
    dc1.modify(
        f"dn: CN=alice,{SALES}\nchangetype: modify\nreplace: title\ntitle: Boss\n-\ndelete: jpegPhoto\n-\n"
        # Of which an account has one, though the schema allows several.
        "replace: description\ndescription: newer\n-\n"
        "add: otherTelephone\notherTelephone: 3\n-\ndelete: otherTelephone\notherTelephone: 1\n\n"
        f"dn: CN=outside,{USERS}\nchangetype: modify\ndelete: member\nmember: CN=alice,{SALES}\n-\n"
        f"add: member\nmember: CN=dave,{USERS}\n\n"
        f"dn: CN=carol,{USERS}\nchangetype: modify\ndelete: manager\n")
    rename(dc1, f"CN=alice,{SALES}", f"CN=alice b,{USERS}")
    run = in_place(dsbackup, "alice")
    same(dsbackup, "after a merge", {
        f"CN=alice,{SALES}": ("changed", ["otherTelephone"]), f"CN=outside,{USERS}": ("changed", ["member"])})
    run = in_place(dsbackup, "alice", "--replace", "--attributes", "otherTelephone")
    journal = run.json()["journal"]
    same(dsbackup, "after a replacement", {f"CN=outside,{USERS}": ("changed", ["member"])})
    dsbackup.run("undo", journal, "--in-place", "--yes")
    same(dsbackup, "after the replacement was taken back", {
        f"CN=alice,{SALES}": ("changed", ["otherTelephone"]), f"CN=outside,{USERS}": ("changed", ["member"])})
    in_place(dsbackup, "alice", "outside", "--replace")
    same(dsbackup, "after all was replaced")
    say("  a changed and moved user came back, what is newer as well or not; one attribute; undone")


def crowd(dc1, dsbackup):
    """Many objects come back in transactions of the database, beside the server."""
    delete(dc1, CROWD)
    run = dsbackup.run("restore-objects", "latest", CROWD, "--subtree", "--in-place", "--yes")
    if "one by one" in run.err:
        raise Failed(f"there were no transactions: {run}")
    same(dsbackup, "after a crowd came back")
    expect("one of the crowd with the old password", lets_in(dc1, "crowd7"), True)
    say(f"  42 objects came back in transactions ({run.seconds:.1f} s)")

    delete(dc1, CROWD)
    journal = dc1.folder / "crowd.jsonl"
    back = ["restore-objects", "latest", CROWD, "--subtree", "--in-place", "--yes", "--journal", journal]
    for command in (back, ["undo", journal, "--in-place", "--yes"]):
        dsbackup.on_a_terminal(*command)
    dsbackup.run(*back[:-1], dc1.folder / "crowd-again.jsonl")
    same(dsbackup, "after the crowd came back, went, and came back")


def over_network(dc1, dsbackup):
    url = dc1.url()
    environment = dsbackup.environment() | tickets(dc1)

    def restore(*arguments, code=0, more=None):
        journal = dc1.folder / f"{time.monotonic_ns()}.jsonl"
        run = dc1.run([PROGRAM, "restore-objects", "latest", *arguments, "--to", url, "--yes", "--json",
                       "--journal", journal],
                      env=environment | (more or {}), check=False)
        if run.code != code:
            raise Failed(f"restore-objects {arguments}: expected exit code {code}: {run}")
        return run

    delete(dc1, f"CN=carol,{USERS}")
    plan = restore("carol").json()["plan"]["objects"][0]
    expect("what the plan says of the password", plan["password"], "lost")
    same(dsbackup, "over LDAP", {f"CN=carol,{USERS}": ("changed", ["pwdLastSet", "userAccountControl"])})
    expect("carol without a password", lets_in(dc1, "carol"), False)
    delete(dc1, f"CN=carol,{USERS}")
    restore("carol", "--password", "set", more={"DSBACKUP_NEW_PASSWORD": "New-password-9"})
    same(dsbackup, "with a new password", {f"CN=carol,{USERS}": ("changed", ["pwdLastSet"])})
    in_place(dsbackup, "carol", "--password", "keep")
    same(dsbackup, "with the old password again")
    expect("carol with her old password", lets_in(dc1, "carol"), True)
    run = dc1.run([PROGRAM, "restore-objects", "latest", "carol", "--to", url, "--password", "keep", "--yes"],
                  env=environment, check=False)
    expect("a password kept over the network", run.code, 4)
    say("  over LDAP an account comes back disabled, or with a new password")

    # Its protection comes back, and goes again before the unit is deleted again.
    delete(dc1, KEPT)
    journal = restore(KEPT).json()["journal"]
    same(dsbackup, "with a unit that is protected from deletion")
    undone = dc1.run([PROGRAM, "undo", journal, "--to", url, "--yes"], env=environment, check=False)
    if undone.code != 0 or dc1.search("(ou=Kept)"):
        raise Failed(f"a unit that is protected from deletion was not taken back: {undone}")
    in_place(dsbackup, KEPT)
    same(dsbackup, "after that was taken back")
    say("  a unit that is protected from deletion came back over LDAP, and was taken back")


def refusals(dc1, dsbackup):
    delete(dc1, f"CN=dave,{USERS}")
    dc1.create_user("thief")
    dc1.modify(f"dn: CN=thief,{USERS}\nchangetype: modify\nreplace: sAMAccountName\nsAMAccountName: dave\n")
    dsbackup.refused("restore-objects", "latest", "dave", "--in-place", "--yes", because="has its sAMAccountName")
    dc1.modify(f"dn: CN=thief,{USERS}\nchangetype: modify\nreplace: sAMAccountName\nsAMAccountName: thief\n")
    rename(dc1, f"CN=thief,{USERS}", f"CN=dave,{USERS}")
    dsbackup.refused("restore-objects", "latest", "dave", "--in-place", "--yes", because="has this name now")
    in_place(dsbackup, "dave", "--rename-on-conflict")
    if not dc1.search("(cn=dave \\28restored\\29)"):
        raise Failed("no other name for an object whose name is taken")
    delete(dc1, f"CN=dave,{USERS}")
    in_place(dsbackup, "dave")
    same(dsbackup, "after clashes of names")
    dsbackup.refused("restore-objects", "latest", "krbtgt", "--in-place", "--yes", because="system's own")
    delete(dc1, SALES)
    dsbackup.refused("restore-objects", "latest", "alice", "--in-place", "--yes", because="does not live any more")
    dsbackup.refused("restore-objects", "latest", SALES, "--in-place", because="no terminal")
    in_place(dsbackup, SALES, "--subtree")
    dc1.create_user("reader", OLD)
    run = dc1.run(
        [PROGRAM, "restore-objects", "latest", "alice", "--to", dc1.url(), "--yes", "--ldap-pin", public_key(dc1)],
        env=dsbackup.environment() | {
            "DSBACKUP_LDAP_USER": f"reader@{REALM}", "DSBACKUP_LDAP_PASSWORD": OLD}, check=False)
    if run.code == 0 or "security descriptors" not in run.err:
        raise Failed(f"an account without rights was not refused: {run}")
    delete(dc1, f"CN=reader,{USERS}")
    denied(dc1, dsbackup)
    same(dsbackup, "after refusals")
    say("  taken names, missing parents, objects of the system, callers without rights: nothing is written")


def denied(dc1, dsbackup):
    """An administrator who may read all, but not write here: refused before anything is written."""
    dc1.create_user("helper", OLD)
    dc1.modify(f"dn: CN=Domain Admins,{USERS}\nchangetype: modify\nadd: member\nmember: CN=helper,{USERS}\n")
    sid = dc1.users("helper")["helper"]
    places = {f"CN=alice,{SALES}": f"(D;;WP;;;{sid})", USERS: f"(D;;CC;;;{sid})", f"CN=all,{USERS}": f"(D;;WP;;;{sid})"}
    before = {name: dc1.search("(objectClass=*)", ["nTSecurityDescriptor"], base=name, scope="base")[0] for name in places}
    for name, ace in places.items():
        dc1.samba_tool("dsacl", "set", "-H", SAM, f"--objectdn={name}", f"--sddl={ace}")
    dc1.modify(f"dn: CN=alice,{SALES}\nchangetype: modify\nreplace: title\ntitle: Boss\n")
    delete(dc1, f"CN=dave,{USERS}")
    environment = dsbackup.environment() | {"DSBACKUP_LDAP_USER": f"helper@{REALM}", "DSBACKUP_LDAP_PASSWORD": OLD}
    dc1.modify(f"dn: CN=all,{USERS}\nchangetype: modify\ndelete: member\nmember: CN=carol,{USERS}\n")
    for name, options, because in (("alice", ["--attributes", "title"], "may not write its title"),
                                   ("carol", [], "may not write its member"),
                                   ("dave", [], "may not make objects")):
        journal = dc1.folder / f"journal-denied-{name}"
        run = dc1.run([PROGRAM, "restore-objects", "latest", name, *options, "--to", dc1.url(), "--yes", "--journal",
                       journal, "--ldap-pin", public_key(dc1)], env=environment, check=False)
        if run.code != 4 or because not in run.err or journal.exists():
            raise Failed(f"an account that may not write was not refused: {run}")
    for name, found in before.items():
        dc1.modify(f"dn: {name}\nchangetype: modify\nreplace: nTSecurityDescriptor\n"
                   f"nTSecurityDescriptor: {found['nTSecurityDescriptor'][0]}\n")
    delete(dc1, f"CN=helper,{USERS}")
    in_place(dsbackup, "alice", "carol", "dave")


def expired(dc1, dsbackup):
    """No tombstone any more."""
    before = dc1.search("(sAMAccountName=dave)", ["objectSid", "objectGUID"])
    delete(dc1, f"CN=dave,{USERS}")
    expunge(dc1)
    plan = in_place(dsbackup, "dave").json()["plan"]["objects"][0]
    expect("how dave comes back", (plan["action"], plan["keeps_identity"]), ("create", True))
    expect("identity of dave", dc1.search("(sAMAccountName=dave)", ["objectSid", "objectGUID"]), before)
    expect("dave with his old password", lets_in(dc1, "dave"), True)
    same(dsbackup, "without a tombstone")
    say("  a user without a tombstone came back under GUID, SID and password")


def switch_on_recycle_bin(dc1):
    feature = "766ddcd8-acd0-445e-f3b9-a7f9b6744f2a"
    dc1.modify(f"dn:\nchangetype: modify\nadd: enableOptionalFeature\n"
               f"enableOptionalFeature: CN=Partitions,CN=Configuration,{BASE_DN}:{feature}\n", url=SAM)


def recycle_bin(dc1, dsbackup):
    """With the Recycle Bin, from which Samba's own undelete fails."""
    switch_on_recycle_bin(dc1)
    # What the feature itself changes.
    switched_on = differences(dsbackup)
    attributes = {name for _, names in switched_on.values() for name in names}
    if not attributes <= {"msDS-EnabledFeature", "msDS-EnabledFeatureBL"}:
        raise Failed(f"what differs when the Recycle Bin is on: {switched_on}")

    def back(*names):
        # The name that an object had in the bin stays on it, as on Windows.
        return switched_on | {name: ("changed", ["msDS-LastKnownRDN"]) for name in names}

    carol = f"CN=carol,{USERS}"
    delete(dc1, carol)
    url, environment = dc1.url(), dsbackup.environment() | tickets(dc1)
    run = dc1.run([PROGRAM, "restore-objects", "latest", "carol", "--to", url, "--yes"], env=environment, check=False)
    if run.code != 4 or "Recycle Bin" not in run.err:
        raise Failed(f"expected a refusal over the network: {run}")
    in_place(dsbackup, "carol")
    same(dsbackup, "after a user came out of the Recycle Bin", back(carol))
    kinds = dc1.search("(|(cn=carol)(cn=dave))", ["sAMAccountType"])
    expect("account types", [entry.get("sAMAccountType") for entry in kinds], [[NORMAL_ACCOUNT]] * 2)
    expect("carol with her old password", lets_in(dc1, "carol"), True)
    before = dbcheck(dc1)
    delete(dc1, SALES)
    in_place(dsbackup, SALES, "--subtree")
    inner = [f"CN={name},OU=Inner,{SALES}" for name in ("bob", "partner")]
    unit = [SALES, f"OU=Inner,{SALES}", *inner, *(f"CN={name},{SALES}" for name in ("alice", "team"))]
    same(dsbackup, "after a unit came out of the Recycle Bin", back(carol, *unit))
    expect("alice with her old password", lets_in(dc1, "alice"), True)
    expect("dbcheck after a unit came out of the Recycle Bin", dbcheck(dc1), before)
    expect("writes of a second run", in_place(dsbackup, SALES, "--subtree").json()["writes"], 0)
    say("  from the Recycle Bin: a user and a unit, with passwords, links and account types; dbcheck finds nothing new")
