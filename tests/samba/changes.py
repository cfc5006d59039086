"""Random changes to a directory over LDAP, and what must be found to differ afterwards.

    changes.py setup MODEL SEED          makes units, users and groups, and notes them in MODEL
    changes.py change MODEL SEED COUNT   changes them; prints as JSON what differs, by objectGUID

The same seed makes the same changes. Runs on the controller, over its privileged socket.
"""

import copy
import json
import random
import sys

import ldb
from samba import credentials, param
from samba.dcerpc import misc, security
from samba.ndr import ndr_pack, ndr_unpack
from samba.samdb import SamDB

from lab import BASE_DN, LDAPI

SINGLE = ["description", "department", "title", "info", "telephoneNumber"]
MULTIPLE = ["otherTelephone", "url", "postalAddress"]
WORDS = ["north", "harbour", "Zürich", "<b>bold</b>", "a \"quoted\" & 'other'", "two\nlines", "naïve", "花子", " x "]


def connect():
    lp = param.LoadParm()
    lp.load("/etc/samba/smb.conf")
    anonymous = credentials.Credentials()
    anonymous.set_anonymous()
    return SamDB(url=LDAPI, credentials=anonymous, lp=lp)


class Directory:
    """The directory and the model of what it holds: {guid: {rdn, parent, kind, attributes: {name: [values]}}}."""

    def __init__(self, seed, objects):
        self.sam = connect()
        self.objects = objects
        self.number = 0
        self.prefix = f"{seed}-{len(objects)}"
        # The changes must not begin with the values of the setup: a value cannot be added twice.
        self.random = random.Random(self.prefix)

    def named(self, guid):
        return ldb.Dn(self.sam, f"<GUID={guid}>")

    def pick(self, *kinds):
        return self.random.choice([guid for guid, entry in self.objects.items() if entry["kind"] in kinds])

    def value(self):
        return f"{self.random.choice(WORDS)} {self.random.randrange(10**6)}"

    def guid_of(self, dn):
        found = self.sam.search(dn, ldb.SCOPE_BASE, attrs=["objectGUID"])
        return str(ndr_unpack(misc.GUID, found[0]["objectGUID"][0]))

    def dn_of(self, guid):
        return str(self.sam.search(self.named(guid), ldb.SCOPE_BASE, attrs=["cn"])[0].dn)

    def change(self, guid, name, values, flag):
        message = ldb.Message(self.named(guid))
        message[name] = ldb.MessageElement(values, flag, name)
        self.sam.modify(message)

    # What may happen

    def create(self, kind=None, parent=None):
        kind = kind or self.random.choice(["user", "user", "group", "organizationalUnit"])
        parent = parent or self.pick("organizationalUnit")
        self.number += 1
        name = f"{kind[:5]} {self.prefix}\\, {self.number}"
        rdn = f"{'OU' if kind == 'organizationalUnit' else 'CN'}={name}"
        dn = f"{rdn},{self.dn_of(parent)}"
        entry = {"dn": dn, "objectClass": kind}
        if kind != "organizationalUnit":
            entry["sAMAccountName"] = f"{kind[0]}{self.prefix}-{self.number}"
        self.sam.add(entry)
        guid = self.guid_of(dn)
        self.objects[guid] = {"rdn": rdn, "parent": parent, "kind": kind, "attributes": {}}
        return guid

    def delete(self):
        guid = self.pick("user", "group")
        self.sam.delete(self.named(guid))
        del self.objects[guid]
        for other in self.objects.values():
            for name in ("member", "manager"):
                values = other["attributes"].get(name, [])
                if guid in values:
                    values.remove(guid)

    def rename(self):
        guid = self.pick("user", "group", "organizationalUnit")
        entry = self.objects[guid]
        self.number += 1
        entry["rdn"] = f"{entry['rdn'][:2]}=renamed {self.prefix} {self.number}"
        self.place(guid)

    def move(self):
        guid = self.pick("user", "group")
        self.objects[guid]["parent"] = self.pick("organizationalUnit")
        self.place(guid)

    def place(self, guid):
        entry = self.objects[guid]
        self.sam.rename(self.dn_of(guid), f"{entry['rdn']},{self.dn_of(entry['parent'])}")

    def modify_single(self):
        guid, name = self.pick("user"), self.random.choice(SINGLE)
        value = self.value()
        self.objects[guid]["attributes"][name] = [value]
        self.change(guid, name, [value], ldb.FLAG_MOD_REPLACE)

    def remove_single(self):
        guid, name = self.pick("user"), self.random.choice(SINGLE)
        if self.objects[guid]["attributes"].pop(name, None):
            self.change(guid, name, [], ldb.FLAG_MOD_DELETE)

    def modify_multiple(self):
        guid, name = self.pick("user"), self.random.choice(MULTIPLE)
        values = self.objects[guid]["attributes"].setdefault(name, [])
        if values and self.random.random() < 0.5:
            value = self.random.choice(values)
            values.remove(value)
            self.change(guid, name, [value], ldb.FLAG_MOD_DELETE)
        else:
            value = self.value()
            values.append(value)
            self.change(guid, name, [value], ldb.FLAG_MOD_ADD)

    def modify_member(self):
        group, member = self.pick("group"), self.pick("user", "group")
        values = self.objects[group]["attributes"].setdefault("member", [])
        if group == member:
            return
        is_member = member in values
        (values.remove if is_member else values.append)(member)
        self.change(group, "member", [f"<GUID={member}>"], ldb.FLAG_MOD_DELETE if is_member else ldb.FLAG_MOD_ADD)

    def modify_manager(self):
        guid, manager = self.pick("user"), self.pick("user")
        self.objects[guid]["attributes"]["manager"] = [manager]
        self.change(guid, "manager", [self.dn_of(manager)], ldb.FLAG_MOD_REPLACE)

    def grant(self):
        """One more access control entry, half of them for what is beneath as well."""
        guid = self.pick("user", "group", "organizationalUnit")
        found = self.sam.search(self.named(guid), ldb.SCOPE_BASE, attrs=["nTSecurityDescriptor"])
        descriptor = ndr_unpack(security.descriptor, found[0]["nTSecurityDescriptor"][0])
        sid = f"S-1-5-21-1-2-3-{self.random.randrange(2000, 10**6)}"
        flags = self.random.choice(["", "CI"])
        entry = f"A;{flags};RPWP;;;{sid}"
        descriptor.dacl_add(security.descriptor.from_sddl(f"D:({entry})", security.dom_sid("S-1-5-21-1-2-3")).dacl.aces[0])
        self.change(guid, "nTSecurityDescriptor", [ndr_pack(descriptor)], ldb.FLAG_MOD_REPLACE)
        self.objects[guid]["attributes"].setdefault("nTSecurityDescriptor", []).append(entry)

    def set_password(self):
        guid = self.pick("user")
        self.number += 1
        password = f'"Pass-word-{self.number}"'.encode("utf-16-le")
        self.change(guid, "unicodePwd", [password], ldb.FLAG_MOD_REPLACE)
        self.objects[guid]["attributes"]["unicodePwd"] = [f"{self.prefix} {self.number}"]

    def noise(self):
        """What changes by itself: a time of a logon."""
        guid = self.pick("user")
        self.change(guid, "lastLogon", [str(134000000000000000 + self.random.randrange(10**12))], ldb.FLAG_MOD_REPLACE)

    def step(self):
        self.random.choice([
            self.create, self.create, self.delete, self.rename, self.move, self.modify_single, self.modify_single,
            self.remove_single, self.modify_multiple, self.modify_multiple, self.modify_member, self.modify_member,
            self.modify_manager, self.grant, self.set_password, self.noise,
        ])()


def differences(before, after):
    """What a comparison must find, by objectGUID."""
    found = {}
    for guid in before.keys() | after.keys():
        if guid not in before:
            found[guid] = {"kind": "added"}
        elif guid not in after:
            found[guid] = {"kind": "deleted"}
        else:
            one, other = before[guid], after[guid]
            attributes = {}
            for name in one["attributes"].keys() | other["attributes"].keys():
                old, new = (set(entry["attributes"].get(name, [])) for entry in (one, other))
                if old != new:
                    attributes[name] = {"removed": sorted(old - new), "added": sorted(new - old)}
            change = {
                "kind": "changed",
                "renamed": one["rdn"] != other["rdn"],
                "moved": one["parent"] != other["parent"],
                "attributes": attributes,
            }
            if attributes or change["renamed"] or change["moved"]:
                found[guid] = change
    return found


def main():
    what, model, seed, *count = sys.argv[1:]
    if what == "setup":
        directory = Directory(int(seed), {})
        root = directory.guid_of(BASE_DN)
        for _ in range(5):
            directory.create("organizationalUnit", root)
        for _ in range(60):
            directory.create("user")
        for _ in range(12):
            directory.create("group")
        for _ in range(150):
            directory.random.choice([directory.modify_single, directory.modify_multiple, directory.modify_member])()
        with open(model, "w") as file:
            json.dump(directory.objects, file)
    else:
        with open(model) as file:
            before = json.load(file)
        directory = Directory(int(seed), copy.deepcopy(before))
        for _ in range(int(count[0])):
            directory.step()
        json.dump(differences(before, directory.objects), sys.stdout)


if __name__ == "__main__":
    main()
