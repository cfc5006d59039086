"""Random changes over LDAP: `dsbackup diff` finds all of them and nothing else, in copies and on the running server."""

import json
import os
import random
import shutil
import subprocess
import time

import ldapcmp
from dsbackup import PROGRAM, Dsbackup
from lab import Failed, HERE, LDAPI, PASSWORD, REALM, say

STEPS = 300
# Users in each of two large snapshots.
LARGE = 100_000
# What setting a password changes.
PASSWORDS = {"unicodePwd", "ntPwdHistory", "lmPwdHistory", "dBCSPwd", "supplementalCredentials", "pwdLastSet"}


def run(lab, backend, options):
    seed = getattr(options, "seed", None) or random.randrange(10**6)
    say(f"  seed {seed}")
    dc1 = lab.controller("dc1", 1)
    dc1.provision(backend)
    dc1.load_users(10_000 if options.full else 200)
    dc1.start()
    # The names under which clients ask for tickets; the service that makes them is off here.
    dc1.run(["samba_spnupdate"])
    model = lab.folder / "model.json"
    changes(dc1, "setup", model, seed)
    dsbackup = Dsbackup(dc1)
    before = copy(dc1, lab.folder / "before")
    expected = changes(dc1, "change", model, seed, STEPS).json()
    kinds = {kind: sum(1 for change in expected.values() if change["kind"] == kind) for kind in ("added", "deleted", "changed")}
    say(f"  {STEPS} steps: {kinds}")

    over_socket = compare(dsbackup, before, LDAPI)
    check("copy and socket", over_socket, expected)
    access = ["--ldap-pin", public_key(dc1)]
    for scheme, environment in (
        ("ldaps", {"DSBACKUP_LDAP_USER": f"Administrator@{REALM}", "DSBACKUP_LDAP_PASSWORD": PASSWORD}),
        ("ldap", {"DSBACKUP_LDAP_USER": f"Administrator@{REALM}", "DSBACKUP_LDAP_PASSWORD": PASSWORD}),
        ("ldap", tickets(dc1)),
    ):
        url = f"{scheme}://{dc1.name}.{REALM.lower()}"
        found = compare(dsbackup, before, url, *access, environment=environment)
        check(f"copy and {scheme}", found, expected)
    refused(dc1, before, access)

    after = copy(dc1, lab.folder / "after")
    copies = compare(dsbackup, before, after)
    check("two copies", copies, expected)
    check_stamps(copies)
    check("two copies, in reverse", compare(dsbackup, after, before), reverse(expected))
    ldapcmp.agree(
        dc1, compare(dsbackup, before, after, "--all"), [names(dsbackup, each) for each in (before, after)], before, after)
    begin = time.monotonic()
    check("copy and server without a change", compare(dsbackup, after, LDAPI), {})
    say(f"  copy and server compared in {time.monotonic() - begin:.1f} s")
    expect_same("server and itself", compare(dsbackup, LDAPI, LDAPI))


def run_large(lab, backend, options):
    """Two snapshots of 100,000 objects, 1,000 of which differ."""
    dc1 = lab.controller("dc1", 1)
    dc1.provision(backend)
    dsbackup = Dsbackup(dc1)
    dsbackup.init()
    snapshots = []
    for changed in (0, LARGE // 100):
        dc1.run(["/usr/bin/python3", "-B", HERE / "many_objects.py", "/var/lib/samba/private", LARGE, changed])
        dc1.start()
        with dsbackup:
            dsbackup.serve()
            snapshots.append(dsbackup.backup()["snapshot"])
        dc1.stop()
    for what in ("the first time", "again"):
        begin = time.monotonic()
        process = dsbackup.spawn("diff", *snapshots, "--json", "--quiet", stdout=subprocess.PIPE, text=True)
        found = json.loads(process.stdout.read())["changes"]
        _, status, usage = os.wait4(process.pid, 0)
        seconds = time.monotonic() - begin
        changed = [change for change in found if "person" in change["dn"]]
        if status != 0 or len(changed) != LARGE // 100:
            raise Failed(f"{len(changed)} changes, status {status}")
        own = usage.ru_utime + usage.ru_stime
        say(
            f"  two snapshots of {LARGE} users compared {what}: {seconds:.1f} s, {own:.1f} s of the processor,"
            f" {usage.ru_maxrss // 1024} MiB at most; {len(found)} differ"
        )
        if seconds > 10 or usage.ru_maxrss > 256 << 10:
            raise Failed("expected at most 10 s and 256 MiB")


def changes(controller, *arguments):
    return controller.run(["/usr/bin/python3", "-B", HERE / "changes.py", *arguments], env={"PYTHONPATH": str(HERE)})


def copy(controller, folder):
    """A copy of the databases, made while nothing writes to them."""
    controller.stop()
    folder.mkdir()
    private = controller.folder / "lib" / "private"
    shutil.copy(private / "sam.ldb", folder)
    shutil.copytree(private / "sam.ldb.d", folder / "sam.ldb.d")
    # For samba-tool: without it, Samba's library does not open them.
    if (key := private / "encrypted_secrets.key").exists():
        shutil.copy(key, folder)
    controller.start()
    return folder


def names(dsbackup, source):
    """The names of all living objects, by objectGUID."""
    found = dsbackup.run("search", str(source), "(objectClass=*)", "objectGUID", "--json").json()
    return {entry["guid"]: entry["dn"] for entry in found}


def public_key(controller):
    """The SHA-256 of the public key of the controller's certificate."""
    certificate = "/var/lib/samba/private/tls/cert.pem"
    pipe = f"openssl x509 -in {certificate} -noout -pubkey | openssl pkey -pubin -outform der | sha256sum"
    return controller.run(["bash", "-c", pipe]).out.split()[0]


def tickets(controller):
    environment = {"KRB5CCNAME": f"FILE:{controller.folder}/tickets"}
    controller.run(["kinit", f"Administrator@{REALM}"], input=f"{PASSWORD}\n", env=environment)
    return environment


def compare(dsbackup, before, after, *arguments, environment=None):
    environment = dsbackup.environment() | (environment or {})
    run = dsbackup.controller.run(
        [PROGRAM, "diff", str(before), str(after), "--json", *arguments], env=environment)
    return run.json()["changes"]


def check(what, changes, expected):
    """All and only the expected differences."""
    found = {change["guid"]: change for change in changes}
    problems = []
    for guid, change in expected.items():
        if guid not in found:
            problems.append(f"not found: {guid} {change}")
        elif wrong := unlike(found[guid], change):
            problems.append(f"{found[guid]['dn']}: {wrong}")
    for guid, change in found.items():
        if guid not in expected and not is_servers_own(change):
            problems.append(f"too much: {change}")
    if problems:
        raise Failed(f"{what}: {len(problems)} of {len(expected)}: " + "\n".join(problems[:10]))
    say(f"  {what}: {len(expected)} differences, all and only those")


def is_servers_own(change):
    """What a running controller changes without being asked."""
    names = {attribute["attribute"] for attribute in change["attributes"]}
    return change["kind"] == "changed" and names <= {"rIDUsedPool", "rIDAvailablePool", "rIDAllocationPool", "dnsRecord"}


def unlike(found, expected):
    if found["kind"] != expected["kind"]:
        return f"{found['kind']} instead of {expected['kind']}"
    if expected["kind"] != "changed":
        return None
    for flag in ("renamed", "moved"):
        if found[flag] != expected[flag]:
            return f"{flag}: {found[flag]}"
    attributes = {attribute["attribute"]: attribute for attribute in found["attributes"]}
    wanted = dict(expected["attributes"])
    is_set = wanted.pop("unicodePwd", None) is not None
    passwords = {name: attributes.pop(name) for name in PASSWORDS & attributes.keys()}
    if is_set != ("unicodePwd" in passwords) or not is_set and passwords:
        return f"passwords: {sorted(passwords)}"
    if attributes.keys() != wanted.keys():
        return f"{sorted(attributes)} instead of {sorted(wanted)}"
    for name, values in wanted.items():
        for side in ("removed", "added"):
            if listed(attributes[name], side) != values[side]:
                return f"{name}: {side} {listed(attributes[name], side)} instead of {values[side]}"
    return None


def listed(attribute, side):
    if "descriptor" in attribute:
        if set(attribute["descriptor"]) != {"dacl"}:
            return attribute["descriptor"]
        return sorted(attribute["descriptor"]["dacl"][side])
    return sorted(value.get("guid", value["value"]) for value in attribute[side])


def reverse(expected):
    kinds = {"added": "deleted", "deleted": "restored", "changed": "changed"}
    mirrored = {}
    for guid, change in expected.items():
        mirrored[guid] = dict(change, kind=kinds[change["kind"]])
        if "attributes" in change:
            mirrored[guid]["attributes"] = {
                name: {"removed": values["added"], "added": values["removed"]}
                for name, values in change["attributes"].items()
            }
    return mirrored


def check_stamps(changes):
    """Every change of an attribute or a link names its time and server."""
    count = 0
    for change in changes:
        if change["kind"] != "changed":
            continue
        for attribute in change["attributes"]:
            is_link = attribute["attribute"] in ("member", "manager")
            stamped = [*attribute["added"]] if is_link else [attribute]
            for stamp in stamped:
                if stamp.get("server") != "DC1" or not stamp.get("changed"):
                    raise Failed(f"{change['dn']}: no time and server: {stamp}")
                count += 1
    say(f"  {count} changes with time and server")


def expect_same(what, changes):
    if changes:
        raise Failed(f"{what}: {changes[:3]}")


def refused(controller, before, access):
    """Without the right password, key or account there is no comparison."""
    url = f"ldaps://{controller.name}.{REALM.lower()}"
    user = {"DSBACKUP_LDAP_USER": f"Administrator@{REALM}", "DSBACKUP_LDAP_PASSWORD": PASSWORD}
    controller.create_user("reader")
    for because, arguments, environment in (
        ("InvalidCredentials", access, user | {"DSBACKUP_LDAP_PASSWORD": "wrong"}),
        ("not the pinned one", ["--ldap-pin", "00" * 32], user),
        ("nothing authenticates the server", [], user),
        ("whole security descriptors", access, {
            "DSBACKUP_LDAP_USER": f"reader@{REALM}", "DSBACKUP_LDAP_PASSWORD": "Pass-word-1"}),
    ):
        run = controller.run(
            [PROGRAM, "diff", str(before), url, *arguments], env=environment, check=False)
        if run.code != 1 or because not in run.err:
            raise Failed(f"expected a failure that says {because!r}: {run}")
    controller.samba_tool("user", "delete", "reader", "-H", controller.url(), "-U", f"Administrator%{PASSWORD}")
    say("  wrong passwords, keys and accounts are refused")
