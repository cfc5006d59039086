"""Converts a snapshot with ADExplorerSnapshot.py and compares it with dsbackup's own search.

compare.py DSBACKUP SOURCE SNAPSHOT FOLDER"""

import glob
import json
import subprocess
import sys

import adexpsnapshot


def search(program, source, expression, *attributes):
    command = [program, "search", source, expression, *attributes, "--json", "--base", base(program, source)]
    return json.loads(subprocess.run(command, check=True, capture_output=True).stdout)


def base(program, source):
    facts = subprocess.run([program, "facts", source, "--json"], check=True, capture_output=True)
    return json.loads(facts.stdout)["domain"]["name"]


def converted(folder, kind):
    [file] = glob.glob(f"{folder}/*_{kind}.json")
    with open(file, encoding="utf-8") as lines:
        return {entry["ObjectIdentifier"]: entry for entry in json.load(lines)["data"]}


def same(what, found, expected):
    if found != expected:
        only = [sorted(map(str, set(one) - set(other)))[:5] for one, other in ((found, expected), (expected, found))]
        sys.exit(f"{what}: only in BloodHound's: {only[0]}; only in ours: {only[1]}")
    print(f"{what}: {len(expected)} equal")


def members(entry, sids):
    """The SIDs of the members that are users, groups or computers."""
    return sorted(sids[name.lower()] for name in entry["attributes"].get("member", []) if name.lower() in sids)


program, source, snapshot, folder = sys.argv[1:]
with open(snapshot, "rb") as file:
    tool = adexpsnapshot.ADExplorerSnapshot(file, folder)
    tool.outputBloodHound()

domain = base(program, source)
groups = search(program, source, "(objectClass=group)", "member", "sAMAccountName")
accounts = search(program, source, "(objectClass=user)", "sAMAccountType", "objectCategory", "primaryGroupID", "sAMAccountName")
sids = {entry["dn"].lower(): entry["sid"] for entry in groups + accounts}
users = {entry["sid"] for entry in accounts if entry["attributes"]["sAMAccountType"] == [805306368]
         and entry["attributes"]["objectCategory"][0].lower().startswith("cn=person,")}
computers = {entry["sid"] for entry in accounts if entry["attributes"]["sAMAccountType"] == [805306369]}

found = {sid for sid in converted(folder, "users") if sid and sid.startswith("S-1-5-21-")}
same("users", found, users)
same("computers", set(converted(folder, "computers")), computers)
ours = {entry["sid"]: entry for entry in groups if entry["sid"].startswith("S-1-5-21-")}
theirs = {sid: entry for sid, entry in converted(folder, "groups").items() if sid.startswith("S-1-5-21-")}
same("groups", set(theirs), set(ours))
pairs = {(sid, member) for sid, entry in ours.items() for member in members(entry, sids)}
known = set(sids.values())
found = {(sid, member["ObjectIdentifier"]) for sid, entry in theirs.items() for member in entry["Members"]}
same("memberships", {(group, member) for group, member in found if member in known}, pairs)
