"""Every object of a backup equals what LDAP returned at that moment, attribute by attribute."""

import json
import os
import random
import resource

import ldif
from diff import changes, compare, is_servers_own
from dsbackup import Dsbackup
from lab import CONTEXTS, Failed, LDAPI, say
from restore_many import processor

# Computed when they are asked for. This one is in every answer, and in every export.
STORED_NAME = "distinguishedName"
# Returned only if named, by controllers as by dsbackup.
BY_NAME = ["nTSecurityDescriptor", "replPropertyMetaData"]
# Passwords and keys (crates/ntds/src/secrets.rs): a controller tells them to the system itself,
# dsbackup to nobody.
SECRETS = [
    "unicodePwd",
    "dBCSPwd",
    "ntPwdHistory",
    "lmPwdHistory",
    "supplementalCredentials",
    "currentValue",
    "priorValue",
    "trustAuthIncoming",
    "trustAuthOutgoing",
    "initialAuthIncoming",
    "initialAuthOutgoing",
    "pekList",
    "msDS-ExecuteScriptPassword",
    "userPassword",
    "unixUserPassword",
    "msSFU30Password",
    "clearTextPassword",
    "ms-Mcs-AdmPwd",
    "msLAPS-Password",
    "msLAPS-EncryptedPassword",
    "msLAPS-EncryptedPasswordHistory",
    "msLAPS-EncryptedDSRMPassword",
    "msLAPS-EncryptedDSRMPasswordHistory",
    "msFVE-RecoveryPassword",
    "msFVE-KeyPackage",
    "msTPM-OwnerInformation",
    "msTPM-OwnerInformationTemp",
    "msKds-RootKeyData",
    "msPKIAccountCredentials",
    "msPKIDPAPIMasterKeys",
    "msDS-ManagedPassword",
]
# Recycled objects as well; the descriptor with all its parts.
CONTROLS = [
    "-E",
    "!1.2.840.113556.1.4.2064",
    "-E",
    "!1.2.840.113556.1.4.417",
    "-E",
    "!1.2.840.113556.1.4.801=::MAMCAQ8=",
]
# The objects that are shown at a time.
SHOWN = 1000


def run(lab, backend, options):
    dc1 = lab.controller("dc1", 1)
    dc1.provision(backend)
    dc1.load_users(10_000 if options.full else 300)
    dc1.start()
    seed = options.seed or random.randrange(10**6)
    model = lab.folder / "model.json"
    changes(dc1, "setup", model, seed)
    changes(dc1, "change", model, seed, 300)
    dsbackup = Dsbackup(dc1)
    dsbackup.init()
    with dsbackup:
        dsbackup.serve()
        found = agree(dsbackup)
    constructed(dc1, found)
    show(dsbackup)
    speed(dsbackup, options)


def agree(dsbackup):
    """Makes a backup of a controller, and returns its objects: they are those of LDAP."""
    controller = dsbackup.controller
    before, after = None, live(controller)
    for _ in range(5):
        before = after
        dsbackup.backup()
        after = live(controller)
        # A controller changes now and then without being asked.
        if before == after:
            break
    found = export(dsbackup)
    withheld = check(before, found)
    version = controller.run(["samba", "--version"]).out.strip()
    say(
        f"  {version}: {len(found)} objects, {ldif.count(found)} values as LDAP returned them; "
        f"{sum(withheld.values())} secrets withheld: {', '.join(sorted(withheld))}"
    )
    return found


def live(controller):
    """All objects of a running controller, as the system itself sees them."""
    found = {}
    for context in CONTEXTS:
        run = controller.run(
            [
                "ldapsearch",
                "-x",
                "-LLL",
                "-o",
                "ldif-wrap=no",
                "-H",
                LDAPI,
                "-E",
                "pr=1000/noprompt",
                *CONTROLS,
                "-b",
                context,
                "(objectClass=*)",
                "*",
                *BY_NAME,
                *SECRETS,
            ],
            timeout=600,
        )
        found |= ldif.read(run.out)
    return found


def export(dsbackup):
    """All objects of the newest backup."""
    arguments = ["export", "latest", "--ldif", "--deleted"]
    found = ldif.read(dsbackup.run(*arguments).out)
    for dn, more in ldif.read(dsbackup.run(*arguments, *BY_NAME).out).items():
        found[dn].values |= more.values
    return found


def check(before, found):
    """Nothing may differ but secrets, which are withheld. Returns how often each is."""
    withheld = {}
    for dn, own in before.items():
        secrets = {name for name in SECRETS if own.values.pop(name, None)}
        if dn in found and secrets != found[dn].withheld:
            raise Failed(f"{dn} has the secrets {secrets}, withheld are {found[dn].withheld}")
        for name in secrets:
            withheld[name] = withheld.get(name, 0) + 1
    problems = list(ldif.differences(before, found))
    if problems:
        raise Failed(
            f"LDAP (first) and backup (second): {len(problems)}: " + "\n".join(problems[:20])
        )
    return withheld


def constructed(controller, found):
    """What a controller computes when it is asked for it is in no backup."""
    schema = controller.search(
        "(&(objectClass=attributeSchema)(systemFlags:1.2.840.113556.1.4.803:=4))",
        ["lDAPDisplayName"],
        base=CONTEXTS[2],
    )
    names = {entry["lDAPDisplayName"][0] for entry in schema}
    if stored := {name for own in found.values() for name in own.values if name in names} - {
        STORED_NAME
    }:
        raise Failed(f"constructed, and in the backup: {stored}")
    say(f"  {len(names)} constructed attributes, none of them in the backup but {STORED_NAME}")


def show(dsbackup):
    """`show` prints of every object what `export` writes."""
    lines = dsbackup.run("export", "latest", "--jsonl", "--deleted").out.splitlines()
    exported = {entry["dn"]: entry for entry in map(json.loads, lines)}
    names = sorted(exported)
    for first in range(0, len(names), SHOWN):
        for shown in dsbackup.run("show", "latest", *names[first:first + SHOWN], "--json").json():
            attributes = {
                name: shown["attributes"][name] for name in shown["attributes"] if name not in BY_NAME
            }
            expected = exported.pop(shown["dn"])["attributes"]
            if attributes != expected:
                raise Failed(f"{shown['dn']}: shown {attributes}, exported {expected}")
    if exported:
        raise Failed(f"not shown: {sorted(exported)[:3]}")
    say(f"  {len(names)} objects are shown as they are exported")


def speed(dsbackup, options):
    """The backup beside the running controller, which has not changed."""
    # Once for the copy in the cache.
    found = [change for change in compare(dsbackup, "latest", LDAPI) if not is_servers_own(change)]
    if found:
        raise Failed(f"backup and controller differ: {found[:3]}")
    before, all_before = resource.getrusage(resource.RUSAGE_CHILDREN), processor(dsbackup.controller)
    run = dsbackup.run("diff", "latest", LDAPI, "--json")
    after, all_after = resource.getrusage(resource.RUSAGE_CHILDREN), processor(dsbackup.controller)
    own = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    say(
        f"  backup and controller compared in {run.seconds:.1f} s at a load of {os.getloadavg()[0]:.1f}; of the"
        f" processors {own:.1f} s dsbackup's, {all_after - all_before - own:.1f} s the controller's: no difference"
    )
    if options.full and run.seconds > 5:
        raise Failed("expected less than 5 s")
