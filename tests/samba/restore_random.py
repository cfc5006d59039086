"""200 random objects, DNS records and policies are deleted, changed and expired, and come back: by the socket, and
over LDAP."""

import random
import re
import time

from diff import public_key, tickets
from dsbackup import PROGRAM
from in_place import back_up, expect, two
from lab import Failed, LDAPI, PASSWORD, REALM, say
from restore_model import ROOT, Model, differences, objects_of
from restore_objects import agree, dbcheck, expunge
from restore_others import Others

# What differs by design where an account comes back over LDAP: it has no password, and is disabled.
WITHOUT_PASSWORD = {"pwdlastset", "useraccountcontrol"}
# And where its tombstone had expired.
MADE_ANEW = WITHOUT_PASSWORD | {"objectguid", "objectsid", "whencreated"}
# Seeds that found something, for --seed:
# 533430, tdb: users that came back to their unit stayed marked as if they had rights from above.


def run(lab, backend, options):
    seed = options.seed if options.seed is not None else random.randrange(10**6)
    say(f"  seed {seed}")
    dc1, dc2 = two(lab, backend)

    def replicate():
        dc2.replicate_from(dc1)
        dc1.replicate_from(dc2)

    model = Model(seed)
    others = Others(seed, model.units)
    made = model.make(dc1)
    others.make(dc1)
    replicate()

    def everything():
        return objects_of(dc1) | others.objects(dc1)

    expect("objects that were made", len(objects_of(dc1)), made)
    before, known = everything(), dbcheck(dc1)
    files, answers = others.files(), others.answers()
    expect("names without an answer", [name for name, found in answers.items() if not found], [])
    dsbackup = back_up(dc1)
    works = {user["account"]: user["password"] for user in model.users.values() if user["works"]}
    expect("who gets no ticket before anything is lost", without_ticket(dc1, works), [])

    def lose(expired, deleted, passwords):
        """Deletes, some so that no tombstone stays, and changes others."""
        gone = model.choose(expired)
        if gone:
            dc1.run(["ldbdel", "-H", LDAPI, *gone])
            replicate()
            expunge(dc1)
            expunge(dc2)
        more = model.choose(deleted, but=gone)
        if more:
            dc1.run(["ldbdel", "-H", LDAPI, *more])
        changed = model.change(dc1, {*gone, *more}, passwords)
        lost = others.lose()
        replicate()
        say(f"  {len(gone)} expired, {len(more)} deleted, {changed} changed; {', '.join(lost)}")
        return gone, more

    def back(what, *arguments, code=0):
        run = restore(dc1, dc2, dsbackup, ROOT, *others.names(), "--subtree", "--replace", *arguments, code=code)
        refused = run.json()["refused"] if run.out else []
        expect(f"what the server refused {what}", refused, [])
        say(f"  {what}: {run.json()['writes']} writes in {run.seconds:.1f} s")

    def check(what, allowed):
        """Only what is allowed differs, on neither controller, and both agree."""
        now = everything()
        found = differences(before, now)
        wrong = {dn: {name: (before.get(dn, {}).get(name), now.get(dn, {}).get(name)) for name in names}
                 for dn, names in found.items() if not names <= allowed.get(dn, set())}
        expect(f"what differs {what}", wrong, {})
        replicate()
        agree(dc1, dc2)
        expect(f"what DNS answers {what}", others.answers(), answers)
        for controller in (dc1, dc2):
            errors = [error for error in dbcheck(controller) if error not in known]
            errors = [error for error in errors if not is_hidden(controller, error)]
            expect(f"dbcheck of {controller.name} {what}", errors, [])
        return found

    lose(0.1, 0.3, passwords=True)
    back("by the socket", "--in-place", "--password", "keep")
    check("after a restore by the socket", {})
    expect("files of policies after a restore by the socket", others.files(), files)
    expect("who gets no ticket with the old password", without_ticket(dc1, works), [])

    _, gone = lose(0, 0.3, passwords=False)
    back("over LDAP", "--to", dc1.url())
    lost = {dn.lower(): WITHOUT_PASSWORD for dn in gone if dn in model.users}
    found = check("after a restore over LDAP", lost)
    expect("accounts without a password", set(found), set(lost))
    refused = {user["account"] for dn, user in model.users.items() if dn in gone and user["works"]}
    expect("who gets no ticket", set(without_ticket(dc1, works)), refused)
    back("passwords by the socket", "--in-place", "--password", "keep")
    check("after the passwords came back too", {})
    expect("files of policies that came back with the passwords", others.files(), files)
    expect("who gets no ticket with the old password", without_ticket(dc1, works), [])

    gone, _ = lose(0.08, 0, passwords=False)
    back("over LDAP without tombstones", "--to", dc1.url())
    anew = {dn.lower(): MADE_ANEW for dn in gone}
    found = check("after objects were made anew over LDAP", anew)
    expect("objects with another identity", {dn for dn, names in found.items() if "objectguid" in names}, set(anew))
    say("  each time nothing else differed; both controllers agree, dbcheck finds nothing new")


# What dbcheck says of a link to an object that is gone.
OF_LINK = re.compile(
    r"ERROR: (?:no target object found for GUID component for link|target DN is deleted for) (\S+) in object (.*) - "
    r"(<GUID=[^>]*>)")


def is_hidden(controller, error):
    """Whether the error is of a value that names an object which has expired, and that the controller shows to nobody:
    Samba itself leaves such in attributes without back links (secretary)."""
    found = OF_LINK.match(error)
    if not found:
        return False
    attribute, holder, target = found.groups()
    run = controller.run(["ldbsearch", "-H", LDAPI, "-b", holder, "-s", "base", "--controls=extended_dn:1:1",
                          "(objectClass=*)", attribute])
    return target not in run.out.replace("\n ", "")


def restore(dc1, dc2, dsbackup, *arguments, code=0):
    """Brings objects back, with an account that the partner takes too."""
    environment = dsbackup.environment()
    if "--in-place" in arguments:
        arguments += ("--ldap-user", f"Administrator@{REALM}", "--ldap-pin", public_key(dc2))
        environment |= {"DSBACKUP_LDAP_PASSWORD": PASSWORD}
    else:
        environment |= tickets(dc1)
    journal = dc1.folder / f"{time.monotonic_ns()}.jsonl"
    run = dc1.run([PROGRAM, "restore-objects", "latest", *arguments, "--yes", "--json", "--journal", journal],
                  env=environment, check=False)
    if run.code != code:
        # The plan of so many objects is too long to be read.
        found = run.json() if run.out else {}
        raise Failed(f"restore-objects {arguments}: expected exit code {code}, found {run.code}: {run.err[-3000:]} "
                     f"refused {found.get('refused')}, differing {found.get('differing')}")
    return run


def without_ticket(controller, accounts):
    """The accounts that Kerberos does not know with these passwords."""
    cache = f"FILE:{controller.folder}/ticket"
    failed = []
    for account, password in accounts.items():
        run = controller.run(["kinit", "-c", cache, f"{account}@{REALM}"], input=f"{password}\n", check=False)
        if run.code != 0:
            failed.append(account)
    return failed
