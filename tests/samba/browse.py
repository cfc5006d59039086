"""`dsbackup browse` of a backup, beside the running controller: the same answers to clients."""

import json
import random
import shutil
import subprocess

import ldif
from diff import changes, compare, tickets
from dsbackup import Dsbackup
from lab import CONTEXTS, DOMAIN, Failed, HERE, PASSWORD, REALM, say
from objects import SECRETS

CLIENT = HERE / "ldap3_client.py"
JAVA = HERE.parent.parent / "crates/dsbackup/tests/command/clients/Read.java"
PORT = 3389


def run(lab, backend, options):
    dc1 = lab.controller("dc1", 1)
    dc1.provision(backend)
    dc1.load_users(10_000 if options.full else 200)
    dc1.start()
    dc1.run(["samba_spnupdate"])
    seed = options.seed or random.randrange(10**6)
    model = lab.folder / "model.json"
    changes(dc1, "setup", model, seed)
    changes(dc1, "change", model, seed, 200)
    environment = tickets(dc1)
    live_url = f"ldap://{dc1.name}.{REALM.lower()}"
    # A logon changes the account: the first of each kind comes before the backup.
    search(dc1, ["-Y", "GSSAPI", "-H", live_url], environment, ["-s", "base", "-b", CONTEXTS[0]])
    live_tls = f"ldaps://{dc1.name}.{REALM.lower()}"
    ldap3(dc1, live_tls, f"{DOMAIN}\\Administrator", PASSWORD)

    dsbackup = Dsbackup(dc1)
    dsbackup.init()
    with dsbackup:
        dsbackup.serve()
        dsbackup.backup()
    keytab = lab.folder / "keytab"
    dc1.samba_tool("domain", "exportkeytab", keytab, f"--principal=ldap/{dc1.name}.{REALM.lower()}")
    access = ["--keytab", keytab, "--principal", f"ldap/{dc1.name}.{REALM.lower()}@{REALM}"]
    with Browse(dsbackup, *access) as browse:
        ours = ["-x", "-D", "reader", "-w", browse.password, "-H", browse.url]
        theirs = ["-Y", "GSSAPI", "-H", live_url]
        by_ldapsearch(dc1, environment, theirs, ours)
        by_ldap3(
            ldap3(dc1, live_tls, f"{DOMAIN}\\Administrator", PASSWORD),
            ldap3(dc1, browse.url, "LAB\\reader", browse.password),
        )
        by_ldapdomaindump(
            dc1,
            (live_tls, f"{DOMAIN}\\Administrator", PASSWORD),
            (browse.url, "LAB\\reader", browse.password),
        )
        by_java(
            dc1,
            (live_tls, f"{DOMAIN}\\Administrator", PASSWORD),
            (browse.url, "reader", browse.password),
        )
        by_ticket(dsbackup, environment, browse)
    by_allowed_ticket(dsbackup, access)


class Browse:
    """The server, until the end of the context."""

    def __init__(self, dsbackup, *arguments):
        controller = dsbackup.controller
        self.process = dsbackup.spawn(
            "browse",
            "latest",
            "--json",
            "--quiet",
            "--listen",
            f"{controller.ip}:{PORT}",
            *arguments,
            stdout=subprocess.PIPE,
            text=True,
        )
        text = ""
        while not text.endswith("}\n"):
            line = self.process.stdout.readline()
            if not line:
                raise Failed(f"browse ended: {text}")
            text += line
        told = json.loads(text)
        self.url, self.password = (
            f"ldap://{controller.name}.{REALM.lower()}:{PORT}",
            told["password"],
        )

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.terminate()
        self.process.wait(10)


def search(controller, access, environment, arguments):
    run = controller.run(
        [
            "ldapsearch",
            "-Q" if "GSSAPI" in access else "-x",
            "-LLL",
            "-o",
            "ldif-wrap=no",
            *access,
            *arguments,
        ],
        env=environment,
        timeout=600,
    )
    found = ldif.read(run.out)
    for each in found.values():
        # A controller tells some of them to administrators.
        for name in SECRETS:
            each.values.pop(name, None)
    return found


# An attribute scoped query of `member`.
ASQ = "1.2.840.113556.1.4.1504=::MAgEBm1lbWJlcg=="
SEARCHES = {
    "everything": ["-E", "pr=900/noprompt", "*", "nTSecurityDescriptor", "replPropertyMetaData"],
    "deleted objects": [
        "-E",
        "pr=900/noprompt",
        "-E",
        "!1.2.840.113556.1.4.2064",
        "-E",
        "!1.2.840.113556.1.4.417",
        "(isDeleted=TRUE)",
    ],
    "owners": [
        "-E",
        "pr=900/noprompt",
        "-E",
        "!1.2.840.113556.1.4.801=::MAMCAQE=",
        "nTSecurityDescriptor",
    ],
    "sorted": ["-E", "pr=900/noprompt", "-E", "sss=sn", "(sn=*)", "sn"],
    # Flags: GUIDs and SIDs as text.
    "extended names": ["-E", "!1.2.840.113556.1.4.529=::MAMCAQE=", "(objectClass=group)", "member"],
    "parts of lists": ["(objectClass=group)", "member;range=1-2"],
    "groups of a group's members": [
        "(memberOf:1.2.840.113556.1.4.1941:=CN=Administrators,CN=Builtin,DC=lab,DC=example,DC=com)",
        "memberOf",
    ],
    "one account": ["(sAMAccountName=user00007)"],
    "wild cards": ["(&(objectCategory=person)(mail=user0000*)(!(sn=Surname5)))", "sn", "mail"],
    "enabled": [
        "-E",
        "pr=900/noprompt",
        "(&(objectClass=user)(!(userAccountControl:1.2.840.113556.1.4.803:=2)))",
        "1.1",
    ],
}


def by_ldapsearch(controller, environment, theirs, ours):
    for what, arguments in SEARCHES.items():
        one, other = {}, {}
        for context in CONTEXTS:
            live = search(controller, theirs, environment, ["-b", context, *arguments])
            backup = search(controller, ours, environment, ["-b", context, *arguments])
            if what == "sorted":
                # Objects with the same value may be in any order.
                orders = [[entry.values.get("sn") for entry in found.values()] for found in (live, backup)]
                same("the order", [] if orders[0] == orders[1] else [str(orders)])
            one |= live
            other |= backup
        same(f"ldapsearch, {what}", ldif.differences(one, other))
        say(f"  ldapsearch, {what}: {len(one)} objects, {ldif.count(one)} values, the same")
    members = ["-b", f"CN=Administrators,CN=Builtin,{CONTEXTS[0]}", "-s", "base", "-E", f"!{ASQ}",
               "(cn=*)", "cn"]
    one = search(controller, theirs, environment, members)
    same("members of a group", ldif.differences(one, search(controller, ours, environment, members)))
    say(f"  ldapsearch, members of a group by attribute scoped query: {len(one)} objects, the same")
    everything = ["-b", CONTEXTS[2], "(objectClass=*)", "1.1"]
    run = controller.run(["ldapsearch", "-LLL", *ours, *everything], check=False)
    if (run.code, run.out.count("dn: ")) != (4, 1000):
        raise Failed(f"expected 1,000 objects, and that there are more: {run}")
    say(
        "  ldapsearch, without pages: 1,000 objects of more, as from Windows; Samba knows no such"
        " limit"
    )


def ldap3(controller, url, user, password):
    return controller.run(
        ["/usr/bin/python3", "-B", CLIENT, url, user], env={"LDAP_PASSWORD": password}, timeout=600
    ).json()


def by_ldap3(live, ours):
    for kind, schema in live["schema"].items():
        problems = [
            f"{name}: {schema.get(name)} and {ours['schema'][kind].get(name)}"
            for name in sorted(schema.keys() | ours["schema"][kind].keys())
            if schema.get(name) != ours["schema"][kind].get(name)
        ]
        same(f"ldap3, {kind}", problems)
    for part in ("contexts", "root"):
        same(
            f"ldap3, {part}", [] if live[part] == ours[part] else [f"{live[part]} and {ours[part]}"]
        )
    one, other = live["objects"], ours["objects"]
    # Not even an administrator may read these; a backup shows all.
    for context in CONTEXTS:
        container = f"CN=Deleted Objects,{context}"
        if container in one and "nTSecurityDescriptor" not in one[container]:
            other[container].pop("nTSecurityDescriptor")
    unlike("ldap3", one, other)
    parts = ", ".join(f"{len(schema)} {kind}" for kind, schema in live["schema"].items())
    say(f"  ldap3: {len(one)} objects with their descriptors, {parts}: the same")


def by_ldapdomaindump(controller, live, ours):
    folders = []
    for name, (url, user, password) in (("live", live), ("backup", ours)):
        folder = controller.folder / f"ldapdomaindump-{name}"
        controller.run(
            [
                "ldapdomaindump",
                url,
                "-u",
                user,
                "-p",
                password,
                "-at",
                "SIMPLE",
                "--no-html",
                "--no-grep",
                "-o",
                folder,
            ],
            timeout=600,
        )
        folders.append({file.name: json.loads(file.read_text()) for file in folder.iterdir()})
    one, other = folders
    if one.keys() != other.keys() or not one["domain_users.json"]:
        raise Failed(f"ldapdomaindump: {sorted(one)} and {sorted(other)}")
    for name, entries in one.items():
        by_dn = [{entry["dn"]: entry for entry in each} for each in (entries, other[name])]
        same(
            f"ldapdomaindump, {name}",
            [
                f"{dn}: {by_dn[0].get(dn)} and {by_dn[1].get(dn)}"
                for dn in sorted(by_dn[0].keys() | by_dn[1].keys())
                if by_dn[0].get(dn) != by_dn[1].get(dn)
            ],
        )
    say(
        "  ldapdomaindump:"
        f" {', '.join(f'{len(entries)} in {name}' for name, entries in sorted(one.items()))}: the"
        " same"
    )


def by_java(controller, live, ours):
    if not JAVA.exists() or shutil.which("javac") is None:
        say("  Java: not tested here (it needs a JDK, such as default-jdk-headless, and the sources)")
        return
    # The certification authority that Samba made for itself.
    trusted = controller.folder / "trusted"
    authority = "/var/lib/samba/private/tls/ca.pem"
    store = ["-keystore", trusted, "-storepass", "changeit"]
    controller.run(["keytool", "-importcert", "-noprompt", "-alias", "lab", "-file", authority, *store])
    found = []
    for url, user, password in (live, ours):
        run = controller.run(
            [
                "java",
                f"-Djavax.net.ssl.trustStore={trusted}",
                "-Djavax.net.ssl.trustStorePassword=changeit",
                "-Dcom.sun.jndi.ldap.object.disableEndpointIdentification=true",
                JAVA,
                url,
                user,
            ],
            env={"LDAP_PASSWORD": password},
            timeout=600,
        )
        found.append(run.json()["objects"])
    one, other = found
    count = unlike("Java", one, other)
    say(f"  Java: {len(one)} objects, {count} values: the same")


def unlike(what, one, other):
    """Compares objects, but for secrets; returns the number of their values."""
    for attributes in one.values():
        for name in SECRETS:
            attributes.pop(name, None)
    problems = [
        f"{dn}: {name}: {one.get(dn, {}).get(name)} and {other.get(dn, {}).get(name)}"
        for dn in sorted(one.keys() | other.keys())
        for name in sorted(one.get(dn, {}).keys() | other.get(dn, {}).keys())
        if one.get(dn, {}).get(name) != other.get(dn, {}).get(name)
    ]
    same(f"{what}, objects", problems)
    return sum(len(values) for attributes in one.values() for values in attributes.values())


def by_ticket(dsbackup, environment, browse):
    controller = dsbackup.controller
    base = ["-LLL", "-b", CONTEXTS[0], "-s", "base", "1.1"]
    for mechanism in ("GSSAPI", "GSS-SPNEGO"):
        run = controller.run(
            ["ldapsearch", "-Y", mechanism, "-H", browse.url, *base], env=environment
        )
        # 56 bits are all that DES had; MIT's library names no more for stronger ciphers.
        if run.out != f"dn: {CONTEXTS[0]}\n\n" or "SASL SSF: 0" in run.err:
            raise Failed(f"{mechanism}: {run}")
        who = controller.run(
            ["ldapwhoami", "-Q", "-Y", mechanism, "-H", browse.url], env=environment
        )
        if who.out != f"u:Administrator@{REALM}\n":
            raise Failed(f"{mechanism}: {who}")
    unsealed = controller.run(
        ["ldapsearch", "-Q", "-Y", "GSSAPI", "-O", "maxssf=0", "-H", browse.url, *base],
        env=environment,
        check=False,
    )
    if unsealed.code == 0:
        raise Failed(f"a bind without sealed messages: {unsealed}")
    found = compare(dsbackup, "latest", browse.url, environment=environment)
    if found:
        raise Failed(f"the backup and itself, over LDAP: {found[:3]}")
    say(
        "  tickets: GSSAPI and GSS-SPNEGO, sealed; diff of the backup with itself over LDAP: no"
        " difference"
    )


def by_allowed_ticket(dsbackup, access):
    """An ordinary user's ticket counts only if the user is named."""
    controller = dsbackup.controller
    controller.create_user("reader")
    environment = {"KRB5CCNAME": f"FILE:{controller.folder}/tickets-of-reader"}
    controller.run(["kinit", f"reader@{REALM}"], input="Pass-word-1\n", env=environment)
    sid = controller.users("reader")["reader"]
    for more, code in (([], 49), (["--allow", sid], 0)):
        with Browse(dsbackup, *access, *more) as browse:
            run = controller.run(
                [
                    "ldapsearch",
                    "-Q",
                    "-Y",
                    "GSSAPI",
                    "-LLL",
                    "-H",
                    browse.url,
                    "-b",
                    CONTEXTS[0],
                    "-s",
                    "base",
                    "1.1",
                ],
                env=environment,
                check=False,
            )
            if run.code != code:
                raise Failed(f"expected {code}: {run}")
    say("  an ordinary user's ticket: refused, and accepted with --allow")


def same(what, problems):
    problems = list(problems)
    if problems:
        raise Failed(
            f"{what}: controller and backup: {len(problems)} differences: "
            + "\n".join(problems[:20])[:8000]
        )
