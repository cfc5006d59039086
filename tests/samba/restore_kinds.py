"""Group policies with their files and links, and DNS zones and records, are lost and come back."""

import time

from diff import tickets
from dsbackup import PROGRAM
from in_place import back_up, expect, one
from lab import BASE_DN, Failed, PASSWORD, REALM, say
from restore_objects import add, delete, in_place

ZONE = REALM.lower()
DNS = f"CN=MicrosoftDNS,DC=DomainDnsZones,{BASE_DN}"
POLICIES = f"CN=Policies,CN=System,{BASE_DN}"
FILTER = "{11111111-2222-3333-4444-555555555555}"
UNIT = f"OU=Clients,{BASE_DN}"


def run(lab, backend, options):
    dc1 = one(lab, backend)
    records(dc1)
    policies = make_policies(dc1)
    dsbackup = back_up(dc1)
    dns(dc1, dsbackup)
    group_policies(dc1, dsbackup, policies)


def administrator(controller, *arguments, check=True):
    return controller.samba_tool(*arguments, "-U", f"Administrator%{PASSWORD}", check=check)


# DNS


def records(dc1):
    """Records of several kinds in the domain's zone, and a zone of its own."""
    administrator(dc1, "dns", "zonecreate", dc1.ip, "extra.example")
    for zone, name, kind, data in (
        (ZONE, "www", "A", "10.0.0.1"), (ZONE, "www", "A", "10.0.0.2"), (ZONE, "mail", "MX", "mx.example.org 10"),
        (ZONE, "text", "TXT", "one two"), (ZONE, "alias", "CNAME", f"www.{ZONE}"),
        ("extra.example", "host", "A", "10.0.0.3"), ("extra.example", "other", "AAAA", "fd00::1"),
    ):
        administrator(dc1, "dns", "add", dc1.ip, zone, name, kind, data)


def answer(dc1, name, kind):
    out = dc1.run(["dig", "+short", f"@{dc1.ip}", name, kind], check=False).out
    return sorted(line for line in out.split("\n") if line and not line.startswith(";"))


def asked(dc1):
    return {f"{name} {kind}": answer(dc1, name, kind) for name, kind in (
        (f"www.{ZONE}", "A"), (f"mail.{ZONE}", "MX"), (f"text.{ZONE}", "TXT"), (f"alias.{ZONE}", "CNAME"),
        ("host.extra.example", "A"), ("other.extra.example", "AAAA"))}


def dns(dc1, dsbackup):
    before = asked(dc1)
    expect("answers before anything is lost", [name for name, found in before.items() if not found], [])
    zone = f"DC={ZONE},{DNS}"

    # The last record of a name, and one of two.
    administrator(dc1, "dns", "delete", dc1.ip, ZONE, "text", "TXT", "one two")
    administrator(dc1, "dns", "delete", dc1.ip, ZONE, "www", "A", "10.0.0.2")
    administrator(dc1, "dns", "add", dc1.ip, ZONE, "mail", "MX", "wrong.example.org 5")
    in_place(dsbackup, *(f"DC={name},{zone}" for name in ("text", "www", "mail")))
    expect("answers after records came back by the socket", asked(dc1), before)

    administrator(dc1, "dns", "delete", dc1.ip, ZONE, "alias", "CNAME", f"www.{ZONE}")
    administrator(dc1, "dns", "delete", dc1.ip, ZONE, "mail", "MX", "mx.example.org 10")
    over_network(dc1, dsbackup, *(f"DC={name},{zone}" for name in ("alias", "mail")))
    expect("answers after records came back over LDAP", asked(dc1), before)

    administrator(dc1, "dns", "zonedelete", dc1.ip, "extra.example")
    run = in_place(dsbackup, f"DC=extra.example,{DNS}", "--subtree")
    expect("what the server refused of a zone", run.json()["refused"], [])
    served = asked(dc1) == before
    if not served:
        dc1.stop()
        dc1.start()
    expect("answers after a zone came back", asked(dc1), before)
    say(f"  DNS: records by the socket and over LDAP; a zone (answers {'at once' if served else 'after a restart'})")


def over_network(dc1, dsbackup, *arguments, code=0):
    journal = dc1.folder / f"{time.monotonic_ns()}.jsonl"
    run = dc1.run([PROGRAM, "restore-objects", "latest", *arguments, "--to", dc1.url(), "--yes", "--json", "--journal",
                   journal], env=dsbackup.environment() | tickets(dc1), check=False)
    if run.code != code:
        raise Failed(f"restore-objects {arguments}: expected exit code {code}: {run}")
    return run


# Group policies


def make_policies(dc1):
    """Two policies with settings and a WMI filter, linked beside another one; returns their GUIDs."""
    add(dc1, f"dn: {UNIT}\nobjectClass: organizationalUnit")
    system = f"CN=System,{BASE_DN}"
    for place in (f"CN=WMIPolicy,{system}", f"CN=SOM,CN=WMIPolicy,{system}"):
        if not dc1.search(f"(distinguishedName={place})"):
            add(dc1, f"dn: {place}\nobjectClass: container")
    add(dc1, f"dn: CN={FILTER},CN=SOM,CN=WMIPolicy,{system}\nobjectClass: msWMI-Som\nmsWMI-ID: {FILTER}\n"
             f"msWMI-Name: only clients\nmsWMI-Author: lab\nmsWMI-Parm1: all clients\n"
             f"msWMI-Parm2: 1;3;10;61;WQL;root\\CIMv2;SELECT * FROM Win32_OperatingSystem;\n"
             f"msWMI-ChangeDate: 20260101000000.000000-000\nmsWMI-CreationDate: 20260101000000.000000-000")
    found = {}
    for name in ("first", "second"):
        out = administrator(dc1, "gpo", "create", name, "-H", dc1.url()).out
        guid = out[out.index("{"):out.index("}") + 1]
        found[name] = guid
        folder = sysvol(dc1, guid)
        scripts = folder / "Machine" / "Scripts"
        scripts.mkdir(parents=True)
        (scripts / "start.bat").write_text(f"echo {name}\n")
        (folder / "GPT.INI").write_text("[General]\r\nVersion=65537\r\n")
        dc1.modify(f"dn: CN={guid},{POLICIES}\nchangetype: modify\nreplace: versionNumber\nversionNumber: 65537\n-\n"
                   f"replace: gPCWQLFilter\ngPCWQLFilter: [{ZONE};{FILTER};0]\n")
    default = "{31B2F340-016D-11D2-945F-00C04FB984F9}"
    links = [(default, 0), (found["first"], 2), (found["second"], 0)]
    text = "".join(f"[LDAP://cn={guid},{POLICIES.lower()};{options}]" for guid, options in links)
    for holder in (UNIT, BASE_DN):
        dc1.modify(f"dn: {holder}\nchangetype: modify\nreplace: gPLink\ngPLink: {text}\n")
    dc1.samba_tool("ntacl", "sysvolreset")
    return found


def sysvol(dc1, guid):
    return dc1.folder / "lib" / "sysvol" / ZONE / "Policies" / guid


def state(dc1, guid):
    """The policy's objects, its links, its files with all that belongs to them."""
    objects = {}
    names = ["objectClass", "objectGUID", "displayName", "gPCFileSysPath", "versionNumber", "flags", "gPCWQLFilter",
             "nTSecurityDescriptor", "gPCFunctionalityVersion"]
    if dc1.search(f"(distinguishedName=CN={guid},{POLICIES})"):
        for entry in dc1.search("(objectClass=*)", names, base=f"CN={guid},{POLICIES}"):
            objects[entry["dn"][0]] = entry
    links = {holder: dc1.search("(objectClass=*)", ["gPLink"], base=holder, scope="base")[0]["gPLink"]
             for holder in (UNIT, BASE_DN)}
    folder = f"/var/lib/samba/sysvol/{ZONE}/Policies/{guid}"
    files = dc1.run(["bash", "-c", f"cd {folder} 2>/dev/null && getfattr --absolute-names -R -d -m - . && "
                     "find . -printf '%p %u %g %m %y\\n' | sort && find . -type f -exec md5sum {} + | sort"],
                    check=False).out
    return objects, links, files


def group_policies(dc1, dsbackup, policies):
    first = policies["first"]
    name = f"CN={first},{POLICIES}"
    clean = aclcheck(dc1)
    before = state(dc1, first)
    expect("what aclcheck says before anything is lost", clean, "")

    administrator(dc1, "gpo", "del", first, "-H", dc1.url())
    delete(dc1, f"CN={FILTER},CN=SOM,CN=WMIPolicy,CN=System,{BASE_DN}")
    if state(dc1, first) == before or sysvol(dc1, first).exists():
        raise Failed("the policy was not deleted")
    run = in_place(dsbackup, name)
    expect("what the server refused of a policy", run.json()["refused"], [])
    expect("a policy that came back", state(dc1, first), before)
    expect("its filter", len(dc1.search(f"(cn={FILTER})")), 1)
    expect("what aclcheck says afterwards", aclcheck(dc1), clean)
    sysvolcheck = dc1.samba_tool("ntacl", "sysvolcheck", check=False)
    expect("sysvolcheck", (sysvolcheck.code, sysvolcheck.out), (0, ""))
    expect("writes of a second run", in_place(dsbackup, name).json()["writes"], 0)

    # Changed settings: the files of before come back, and undo takes that back.
    script = sysvol(dc1, first) / "Machine" / "Scripts" / "start.bat"
    script.write_text("echo changed\n")
    (sysvol(dc1, first) / "Machine" / "new.txt").write_text("new\n")
    run = in_place(dsbackup, name)
    expect("the script", script.read_text(), "echo first\n")
    expect("a policy whose files were changed", state(dc1, first), before)
    dsbackup.run("undo", run.json()["journal"], "--in-place", "--yes")
    expect("the script after undo", script.read_text(), "echo changed\n")
    in_place(dsbackup, name)
    expect("a policy whose files were changed, again", state(dc1, first), before)

    administrator(dc1, "gpo", "del", first, "-H", dc1.url())
    run = over_network(dc1, dsbackup, name)
    left = [left["what"] for left in run.json()["plan"]["objects"][0]["left"]]
    expect("what the plan leaves out over the network", "files in SYSVOL" in left, True)
    in_place(dsbackup, name)
    expect("a policy whose files came later", state(dc1, first), before)
    say("  group policies: container, links, filter, files with access rights; aclcheck and sysvolcheck are clean")


def aclcheck(dc1):
    return administrator(dc1, "gpo", "aclcheck", "-H", dc1.url(), check=False).out
