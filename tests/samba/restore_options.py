"""Options and kinds of restores that no other scenario has, read on the running controller afterwards."""

import subprocess
import time

from diff import tickets
from dsbackup import PROGRAM
from in_place import back_up, expect, one
from lab import BASE_DN, Failed, LDAPI, PASSWORD, REALM, say
from restore_many import deleted_objects, server_goes_away
from restore_objects import OLD, USERS, add, delete, group, in_place, lets_in, user

UNIT = f"OU=Options,{BASE_DN}"
OTHER = f"OU=Other,{BASE_DN}"
LOST = f"OU=Lost,{BASE_DN}"
SIXTY = f"OU=Sixty,{BASE_DN}"
COMPUTER = f"CN=pc1,CN=Computers,{BASE_DN}"
ADMINS = f"CN=Domain Admins,{USERS}"
SERVICE = f"CN=Directory Service,CN=Windows NT,CN=Services,CN=Configuration,{BASE_DN}"
DISABLED = 2
# What each write, each logon and each controller changes.
CHANGING = {
    "uSNChanged", "uSNCreated", "whenChanged", "lastLogon", "lastLogonTimestamp", "logonCount", "badPwdCount",
    "badPasswordTime", "dSCorePropagationData", "lockoutTime"}
# What an account has of a password.
OF_PASSWORDS = {"unicodePwd", "ntPwdHistory", "supplementalCredentials", "pwdLastSet", "userAccountControl"}


def run(lab, backend, options):
    dc1, dsbackup = backed_up(lab, backend)
    for part in (computer, into, without_links, password_none, clashes, configuration, protected, server_killed):
        part(dc1, dsbackup)


def backed_up(lab, backend):
    dc1 = one(lab, backend)
    make(dc1)
    return dc1, back_up(dc1)


def make(dc1):
    host = f"pc1.{REALM.lower()}"
    dc1.samba_tool("computer", "create", "pc1", "-H", LDAPI, f"--service-principal-name=HOST/{host}",
                   "--service-principal-name=HOST/PC1", f"--service-principal-name=HTTP/{host}")
    dc1.samba_tool("user", "setpassword", "pc1$", f"--newpassword={OLD}", "-H", dc1.url(),
                   "-U", f"Administrator%{PASSWORD}")
    add(dc1, *(f"dn: {unit}\nobjectClass: organizationalUnit" for unit in (UNIT, OTHER, LOST, SIXTY)),
        user("chief", UNIT),
        user("erin", UNIT, f"manager: CN=chief,{UNIT}", f"servicePrincipalName: HTTP/erin.{REALM.lower()}"),
        user("frank", UNIT),
        user("gina", LOST),
        user("root", UNIT, "adminCount: 1"),
        group("crew", UNIT, f"CN=erin,{UNIT}", f"CN=chief,{UNIT}"),
        *(user(f"sixty{number:02}", SIXTY, f"employeeID: {number}") for number in range(60)))
    dc1.modify(f"dn: {ADMINS}\nchangetype: modify\nadd: member\nmember: CN=root,{UNIT}\n\n"
               f"dn: {SERVICE}\nchangetype: modify\nreplace: description\ndescription: of before\n-\n"
               f"replace: tombstoneLifetime\ntombstoneLifetime: 200\n")
    # As of an account that was migrated from another domain.
    dc1.run(["ldbmodify", "-H", LDAPI, "--relax"], input=f"dn: CN=frank,{UNIT}\nchangetype: modify\nadd: sIDHistory\n"
            "sIDHistory: S-1-5-21-1-2-3-4711\n")


# What the controller says


def read(controller, name, attributes=("*", "memberOf", "nTSecurityDescriptor")):
    """What an object has, secrets included, without what changes by itself; nothing if it does not live."""
    if not controller.search(f"(distinguishedName={name})", base=name.split(",", 1)[1]):
        return {}
    wanted = [*attributes, *OF_PASSWORDS] if "*" in attributes else attributes
    entry = controller.search("(objectClass=*)", wanted, base=name, scope="base")[0]
    return {attribute: sorted(values) for attribute, values in entry.items() if attribute not in CHANGING}


def differs(before, after):
    return {name for name in before.keys() | after.keys() if before.get(name) != after.get(name)}


def alone(entry, name):
    """The only value of an attribute."""
    found = entry.get(name, [])
    expect(f"the number of values of {name}", len(found), 1)
    return found[0]


def ticket(controller, name, password=OLD):
    """Whether an account gets a ticket. A computer may not log on as lets_in does."""
    environment = {"KRB5CCNAME": f"FILE:{controller.folder}/another"}
    return controller.run(["kinit", f"{name}@{REALM}"], input=f"{password}\n", env=environment, check=False).code == 0


def tombstone(controller, guid):
    """All that a deleted object still has, its number of change included."""
    return controller.run(["ldbsearch", "-H", LDAPI, "-b", BASE_DN, "--controls=show_deleted:1",
                           f"(&(isDeleted=TRUE)(objectGUID={guid}))", "*", "uSNChanged"]).out


def over_network(dc1, dsbackup, *arguments):
    journal = dc1.folder / f"{time.monotonic_ns()}.jsonl"
    return dc1.run([PROGRAM, "restore-objects", *arguments, "--to", dc1.url(), "--yes", "--json", "--journal", journal],
                   env=dsbackup.environment() | tickets(dc1))


# What comes back


def computer(dc1, dsbackup):
    before = read(dc1, COMPUTER)
    expect("the number of its service names", len(before["servicePrincipalName"]), 3)
    expect("a ticket of the computer before it is lost", ticket(dc1, "pc1$"), True)
    delete(dc1, COMPUTER)
    expect("the computer after its loss", read(dc1, COMPUTER), {})
    in_place(dsbackup, "pc1$")
    after = read(dc1, COMPUTER)
    for name in ("objectGUID", "objectSid", "servicePrincipalName", "pwdLastSet", "userAccountControl", "unicodePwd"):
        expect(f"{name} of the computer", after.get(name), before[name])
    # Samba made it with FALSE, and only the system sets it; the plan says so.
    expect("what else differs of the computer", differs(before, after) - {"isCriticalSystemObject"}, set())
    expect("a ticket of the computer with its old password", ticket(dc1, "pc1$"), True)
    say("  a computer came back with its identity, service names and password")


def into(dc1, dsbackup):
    """Beneath another unit: the former one lives, or is gone as well. One account has the SID of another domain."""
    expect("former SIDs", len(read(dc1, f"CN=frank,{UNIT}").get("sIDHistory", [])), 1)
    for name, unit, lost in (("frank", UNIT, f"CN=frank,{UNIT}"), ("gina", LOST, LOST)):
        old, new = f"CN={name},{unit}", f"CN={name},{OTHER}"
        before = read(dc1, old)
        delete(dc1, lost)
        in_place(dsbackup, name, "--into", OTHER)
        expect(f"{name} where it was", dc1.search(f"(distinguishedName={old})"), [])
        after = read(dc1, new)
        expect(f"GUID and SID of {name}", [after.get("objectGUID"), after.get("objectSid")],
               [before["objectGUID"], before["objectSid"]])
        expect(f"what differs of {name}", differs(before, after) - {"lastKnownParent", "nTSecurityDescriptor"},
               {"dn", "distinguishedName"})
        expect(f"{name} with the old password", lets_in(dc1, name), True)
    expect("the unit that is gone", dc1.search(f"(distinguishedName={LOST})"), [])
    say("  users came back beneath another unit, with their identity, password and former SID")


def without_links(dc1, dsbackup):
    erin, crew, chief = (f"CN={name},{UNIT}" for name in ("erin", "crew", "chief"))
    before, team = read(dc1, erin), read(dc1, crew)
    expect("groups of erin before its loss", before["memberOf"], [crew])
    delete(dc1, erin)
    in_place(dsbackup, "erin", "--without-links")
    expect("what differs without links", differs(before, read(dc1, erin)), {"memberOf", "manager"})
    expect("groups and manager without links", differs({}, read(dc1, erin, ["memberOf", "manager"])), {"dn"})
    expect("members of the group without links", read(dc1, crew)["member"], [chief])
    in_place(dsbackup, "erin")
    expect("what differs with links", differs(before, read(dc1, erin)), set())
    expect("what differs of the group", differs(team, read(dc1, crew)), set())
    say("  a member came back without links, and got them from a second restore")


def password_none(dc1, dsbackup):
    """By the socket, where the password would come back, and over LDAP."""
    erin = f"CN=erin,{UNIT}"
    before = read(dc1, erin)
    expect("erin before its loss", lets_in(dc1, "erin"), True)
    for how in ("by the socket", "over LDAP"):
        delete(dc1, erin)
        if how == "over LDAP":
            over_network(dc1, dsbackup, "latest", "erin", "--password", "none")
        else:
            in_place(dsbackup, "erin", "--password", "none")
        after = read(dc1, erin)
        expect(f"GUID of erin {how}", after.get("objectGUID"), before["objectGUID"])
        expect(f"whether erin is disabled {how}", int(alone(after, "userAccountControl")) & DISABLED, DISABLED)
        expect(f"the hash of erin {how}", after.get("unicodePwd"), None)
        expect(f"erin with the old password {how}", (lets_in(dc1, "erin"), ticket(dc1, "erin")), (False, False))
        expect(f"what differs beside passwords {how}", differs(before, after) - OF_PASSWORDS, set())
    in_place(dsbackup, "erin", "--password", "keep")
    expect("what differs with the password", differs(before, read(dc1, erin)), set())
    expect("erin with the old password again", lets_in(dc1, "erin"), True)
    say("  without passwords an account comes back disabled, by the socket and over LDAP")


def clashes(dc1, dsbackup):
    """Somebody else has an address or a service name of the deleted user."""
    erin, thief = f"CN=erin,{UNIT}", f"CN=thief,{UNIT}"
    before = read(dc1, erin)
    guid = alone(before, "objectGUID")
    delete(dc1, erin)
    add(dc1, f"dn: {thief}\nobjectClass: user\nsAMAccountName: thief")
    for attribute in ("userPrincipalName", "servicePrincipalName"):
        # The case of letters does not tell them apart.
        value = alone(before, attribute).replace("erin", "ERIN")
        dc1.modify(f"dn: {thief}\nchangetype: modify\nreplace: {attribute}\n{attribute}: {value}\n")
        deleted, taken = tombstone(dc1, guid), read(dc1, thief)
        if "isDeleted: TRUE" not in deleted:
            raise Failed(f"there is no tombstone: {deleted}")
        for way in (["--in-place"], ["--to", dc1.url()]):
            journal = dc1.folder / f"journal-{attribute}{way[0]}"
            run = dc1.run([PROGRAM, "restore-objects", "latest", "erin", *way, "--yes", "--journal", journal],
                          env=dsbackup.environment() | tickets(dc1), check=False)
            if run.code != 4 or f"has its {attribute}" not in run.err:
                raise Failed(f"expected a refusal that names {attribute}: {run}")
            expect(f"a journal after a clash of {attribute}", journal.exists(), False)
            expect(f"erin after a clash of {attribute}", dc1.search("(sAMAccountName=erin)"), [])
            expect(f"the tombstone after a clash of {attribute}", tombstone(dc1, guid), deleted)
            expect(f"the other user after a clash of {attribute}", read(dc1, thief), taken)
        dc1.modify(f"dn: {thief}\nchangetype: modify\ndelete: {attribute}\n")
    delete(dc1, thief)
    in_place(dsbackup, "erin")
    expect("what differs after clashes", differs(before, read(dc1, erin)), set())
    say("  taken userPrincipalName and servicePrincipalName: nothing is written")


def configuration(dc1, dsbackup):
    """One attribute comes back, another one that was changed stays."""
    before = read(dc1, SERVICE)
    dc1.modify(f"dn: {SERVICE}\nchangetype: modify\nreplace: description\ndescription: changed\n-\n"
               f"replace: tombstoneLifetime\ntombstoneLifetime: 300\n")
    expect("what was changed", differs(before, read(dc1, SERVICE)), {"description", "tombstoneLifetime"})
    in_place(dsbackup, SERVICE, "--attributes", "description", "--replace")
    after = read(dc1, SERVICE)
    expect("what differs after one attribute came back", differs(before, after), {"tombstoneLifetime"})
    expect("the attribute that was not named", after["tombstoneLifetime"], ["300"])
    dc1.modify(f"dn: {SERVICE}\nchangetype: modify\nreplace: description\ndescription: changed\n")
    over_network(dc1, dsbackup, "latest", SERVICE, "--attributes", "tombstoneLifetime", "--replace")
    expect("what differs after another one came back over LDAP", differs(before, read(dc1, SERVICE)), {"description"})
    in_place(dsbackup, SERVICE, "--attributes", "description", "--replace")
    expect("what differs after both came back", differs(before, read(dc1, SERVICE)), set())
    say("  single attributes of the configuration partition, and no others")


def protected(dc1, dsbackup):
    root = f"CN=root,{UNIT}"
    before, members = read(dc1, root), read(dc1, ADMINS)
    expect("groups and mark of root before its loss", (before["memberOf"], before["adminCount"]), ([ADMINS], ["1"]))
    delete(dc1, root)
    expect("root among the members after its loss", root in read(dc1, ADMINS)["member"], False)
    in_place(dsbackup, "root")
    after = read(dc1, root)
    expect("groups and mark of root", (after.get("memberOf"), after.get("adminCount")), ([ADMINS], ["1"]))
    expect("what else differs of root", differs(before, after), set())
    expect("what differs of Domain Admins", differs(members, read(dc1, ADMINS)), set())
    expect("root with the old password", lets_in(dc1, "root"), True)
    say("  a member of Domain Admins came back as one")


def server_killed(dc1, dsbackup):
    """Over LDAP the server is killed in the middle of a restore."""
    names = [SIXTY, *(f"CN=sixty{number:02},{SIXTY}" for number in range(60))]
    wanted = ["*", "nTSecurityDescriptor"]

    def unit():
        found = dc1.search("(objectClass=*)", wanted, base=SIXTY)
        return {entry["dn"][0]: {name: sorted(values) for name, values in entry.items() if name not in CHANGING}
                for entry in found}

    before = unit()
    expect("the objects before their loss", sorted(before), sorted(names))
    delete(dc1, SIXTY)
    journal, said = dc1.folder / "journal-killed", dc1.folder / "said-killed"
    environment = dsbackup.environment() | tickets(dc1)
    with open(said, "w") as file:
        process = dc1.spawn(
            [PROGRAM, "restore-objects", "latest", SIXTY, "--subtree", "--to", dc1.url(), "--yes", "--journal",
             journal], env=environment, stdout=subprocess.DEVNULL, stderr=file)
    server_goes_away(dc1, process, journal, said, 50)
    lost = {entry["objectGUID"][0] for entry in deleted_objects(dc1)}
    missing = [name for name, entry in before.items() if alone(entry, "objectGUID") in lost]
    done = journal.read_text().count('"done"')
    dc1.run([PROGRAM, "restore-objects", "--resume", journal, "--to", dc1.url(), "--yes"],
            env=dsbackup.environment() | tickets(dc1))
    after = unit()
    expect("the objects afterwards", sorted(after), sorted(names))
    for name in names:
        expect(f"what differs of {name}", differs(before[name], after[name]) - OF_PASSWORDS, set())
    enabled = [name for name in names[1:] if not int(alone(after[name], "userAccountControl")) & DISABLED]
    expect("accounts enabled without a password", enabled, [])
    say(f"  the server was killed after {done} writes, {len(missing)} of {len(names)} objects still deleted; the "
        "restore over LDAP went on")
