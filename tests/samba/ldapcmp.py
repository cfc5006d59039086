"""What `samba-tool ldapcmp` says of two copies of a directory, and what `dsbackup diff` says of them: the same."""

import ast
import re

from lab import Failed, say

# What ldapcmp never compares (its `non_replicated_attributes`), in capital letters.
IGNORED = {
    name.upper()
    for name in (
        "badPasswordTime badPwdCount dSCorePropagationData lastLogoff lastLogon logonCount modifiedCount"
        " msDS-Cached-Membership msDS-Cached-Membership-Time-Stamp msDS-EnabledFeatureBL"
        " msDS-ExecuteScriptPassword msDS-NcType msDS-ReplicationEpoch msDS-RetiredReplNCSignatures"
        " msDS-USNLastSyncSuccess partialAttributeDeletionList partialAttributeSet pekList prefixMap"
        " replPropertyMetaData replUpToDateVector repsFrom repsTo rIDNextRID rIDPreviousAllocationPool"
        " schemaUpdate serverState subRefs uSNChanged uSNCreated uSNLastObjRem whenChanged"
        " msExchServer1HighestUSN"
    ).split()
}
# What it compares apart, with --sd.
DESCRIPTOR = "NTSECURITYDESCRIPTOR"
# Passwords and keys, which it does not see.
SECRETS = {"DBCSPWD", "LMPWDHISTORY", "NTPWDHISTORY", "SUPPLEMENTALCREDENTIALS", "UNICODEPWD"}
# What an object's name says as well: `diff` reports the new name.
OF_NAME = {"DISTINGUISHEDNAME", "NAME", "CN", "OU", "DC"}


class Report:
    """What ldapcmp printed of two `hosts`: the names that only one has, and for each other object that differs
    the attributes with their values, in capital letters. `None`: values were not told."""

    def __init__(self, text, hosts):
        self.only, self.attributes = ([], []), {}
        side = dn = None
        lines = iter(text.splitlines())
        for line in lines:
            if found := re.fullmatch(r"\* DNs found only in (.*):", line):
                side = self.only[hosts.index(found[1])]
            elif found := re.fullmatch(r"'(.*)' \[.*\]", line):
                dn, side = found[1].upper(), None
                self.attributes.setdefault(dn, {})
            elif dn and line.startswith("    Attributes found only in "):
                # The first of them is in the same line.
                for name in re.split(r":? {8}", line)[1:]:
                    self.attributes[dn][name.strip()] = None
            elif dn and (found := re.fullmatch(r" {8}(\S+) => ", line)):
                values = [ast.literal_eval(next(lines)) for _ in range(2)]
                self.attributes[dn][found[1].upper()] = [
                    {value if isinstance(value, bytes) else str(value).encode() for value in each} for each in values
                ]
            elif dn and re.fullmatch(r" {8}\S+", line):
                self.attributes[dn][line.strip()] = None
            elif side is not None and line.startswith("    "):
                side.append(line.strip().upper())
            elif line.startswith("* ") or line.startswith("SUMMARY"):
                side = dn = None


def agree(controller, dsbackup_diff, names, before, after):
    """`dsbackup_diff`: the changes that `dsbackup diff --all` found. `names`: the names of all living objects in each
    copy, by objectGUID."""
    report = run(controller, before, after)
    one, other = names
    for side, own, others in ((0, one, other), (1, other, one)):
        expected = sorted({dn.upper() for dn in own.values()} - {dn.upper() for dn in others.values()})
        same(f"names of copy {side + 1} only", sorted(report.only[side]), expected)
    # Objects whose names both copies have. A value that only follows a new name is no change.
    moved = {one[guid].upper(): other[guid].upper() for guid in one.keys() & other.keys() if one[guid] != other[guid]}
    theirs = {
        dn: {name for name, values in attributes.items() if name not in OF_NAME and not only_follows(values, moved)}
        for dn, attributes in report.attributes.items()
    }
    ours = {}
    for change in dsbackup_diff:
        guid = change["guid"]
        if change["kind"] == "changed" and one.get(guid, "").upper() == other.get(guid, "").upper():
            listed = {attribute["attribute"].upper() for attribute in change["attributes"]}
            ours[one[guid].upper()] = listed - IGNORED - SECRETS - OF_NAME - {DESCRIPTOR}
    theirs, ours = ({dn: sorted(listed) for dn, listed in each.items() if listed} for each in (theirs, ours))
    same("attributes", theirs, ours)
    say(
        f"  samba-tool ldapcmp: {sum(map(len, report.only))} names in one copy only,"
        f" {len(ours)} objects with {sum(map(len, ours.values()))} changed attributes: as diff says"
    )


# ldapcmp ends with a KeyError where only the first of two objects has an attribute: such an attribute is empty here.
SAMBA_TOOL = """
import collections, runpy, samba.netcmd.ldapcmp as ldapcmp
read = ldapcmp.LDAPBase.get_attributes
ldapcmp.LDAPBase.get_attributes = lambda self, dn: collections.defaultdict(list, read(self, dn))
runpy.run_path("/usr/bin/samba-tool", run_name="__main__")
"""


def run(controller, before, after):
    hosts = [f"{folder}/sam.ldb" for folder in (before, after)]
    done = controller.run(["/usr/bin/python3", "-c", SAMBA_TOOL, "ldapcmp", *hosts], check=False, timeout=900)
    if "Result for [DNSFOREST]" not in done.out:
        raise Failed(f"ldapcmp did not reach its end: {done}"[:4000])
    return Report(done.out, hosts)


def only_follows(values, moved):
    """Whether values differ only in the names of objects that have new ones."""
    if values is None:
        return False
    old, new = ({value.decode(errors="replace").upper() for value in each} for each in values)
    return {moved.get(value, value) for value in old} == new


def same(what, theirs, ours):
    if theirs != ours:
        differing = (
            [(dn, theirs.get(dn), ours.get(dn)) for dn in theirs.keys() | ours.keys() if theirs.get(dn) != ours.get(dn)]
            if isinstance(theirs, dict)
            else sorted(set(theirs) ^ set(ours))
        )
        raise Failed(f"ldapcmp and diff, {what}: {len(differing)}: {differing[:10]}")
