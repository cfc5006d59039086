"""Writes many users into the domain of a Samba domain controller: into a TDB as records without entries of indices, into an
LMDB file by Samba's library.

many_objects.py PRIVATE COUNT [CHANGED]

CHANGED: of so many of the users the description differs, with other replication metadata."""

import hashlib
import struct
import sys
from pathlib import Path

import ldb
import tdb

INVOCATION = hashlib.md5(b"invocation").digest()


def text(value):
    encoded = value if isinstance(value, bytes) else value.encode()
    return struct.pack("<I", len(encoded)) + encoded + b"\0"


def pack(dn, attributes):
    """The packed form 0x26011968 of a record."""
    descriptions, values = b"", b""
    for name, own in attributes:
        own = [value if isinstance(value, bytes) else value.encode() for value in own]
        descriptions += text(name) + struct.pack("<IB", len(own), 4)
        for value in own:
            descriptions += struct.pack("<I", len(value))
            values += value + b"\0"
    start = struct.pack("<II", 0x26011968, len(attributes)) + text(dn) + text(f"{dns_name(dn)}/Users")
    return start + struct.pack("<I", len(descriptions) + 4) + descriptions + values


def dns_name(dn):
    return ".".join(part[3:] for part in dn.split(",") if part.startswith("DC="))


def metadata(usn, version):
    numbers = [0, 3, 4, 13, 42, 131073, 131353, 589970, 589825, 590032, 590045, 590126, 590480]
    entries = b"".join(
        struct.pack("<IIq", number, version if number == 13 else 1, 13_400_000_000 + usn)
        + INVOCATION + struct.pack("<qq", usn, usn) for number in numbers)
    return struct.pack("<IIII", 1, 0, len(numbers), 0) + entries


def user(domain, number, domain_sid, descriptor, is_changed):
    name = f"person{number:06}"
    guid = hashlib.md5(name.encode()).digest()
    sid = domain_sid + struct.pack("<I", 10_000 + number)
    dn = f"CN={name},CN=Users,{domain}"
    usn = 1_000_000 + number + (500_000 if is_changed else 0)
    return guid, dn, [
        ("objectClass", ["top", "person", "organizationalPerson", "user"]),
        ("cn", [name]), ("sn", [f"Surname {number}"]), ("givenName", ["Given"]), ("name", [name]),
        ("description", [f"Text {number}{' that changed' if is_changed else ''} " + "x" * 60]),
        ("instanceType", ["4"]), ("whenCreated", ["20250901073001.0Z"]),
        ("whenChanged", ["20250901073001.0Z"]), ("uSNCreated", [str(usn)]), ("uSNChanged", [str(usn)]),
        ("objectGUID", [guid]), ("objectSid", [sid]), ("sAMAccountName", [name]),
        ("userPrincipalName", [f"{name}@{dns_name(domain)}"]), ("userAccountControl", ["512"]),
        ("sAMAccountType", ["805306368"]), ("primaryGroupID", ["513"]), ("accountExpires", ["0"]),
        ("mail", [f"{name}@{dns_name(domain)}"]), ("displayName", [f"Given Surname {number}"]),
        ("objectCategory", [f"CN=Person,CN=Schema,CN=Configuration,{domain}"]),
        ("nTSecurityDescriptor", [descriptor]), ("replPropertyMetaData", [metadata(usn, 2 if is_changed else 1)]),
    ]


class Tdb:
    """A partition in a TDB."""

    def __init__(self, path):
        self.file = tdb.open(str(path))
        self.file.transaction_start()

    def domain_sid(self):
        """The domain's SID in the form of an account's, without the last number."""
        for key in self.file:
            value = self.file.get(key)
            at = value.find(b"\x01\x05\0\0\0\0\0\x05\x15\0\0\0")
            if key.startswith(b"GUID=") and at >= 0:
                return value[at:at + 24]
        raise SystemExit("no account in this partition")

    def put(self, guid, dn, attributes):
        self.file.store(b"GUID=" + guid, pack(dn, attributes))

    def close(self):
        self.file.transaction_commit()
        self.file.close()


class Lmdb:
    """A partition in an LMDB file."""

    def __init__(self, path):
        self.file = ldb.Ldb(f"mdb://{path}")
        # A second call replaces what the first one wrote.
        self.is_filled = bool(self.file.search(expression="(sAMAccountName=person000000)", attrs=["cn"]))
        self.file.transaction_start()

    def domain_sid(self):
        [account] = self.file.search(expression="(sAMAccountName=Administrator)", attrs=["objectSid"])
        return bytes(account["objectSid"][0])[:24]

    def put(self, guid, dn, attributes):
        record = ldb.Message(ldb.Dn(self.file, dn))
        if self.is_filled:
            self.file.delete(record.dn)
        for name, values in attributes:
            record[name] = ldb.MessageElement(values, ldb.FLAG_MOD_ADD, name)
        self.file.add(record)

    def close(self):
        self.file.transaction_commit()


def main(private, count, changed="0"):
    # The other partitions' names are longer.
    partition = min(Path(private, "sam.ldb.d").glob("DC=*.ldb"), key=lambda path: len(path.name))
    domain = ",".join(f"DC={part[3:].lower()}" for part in partition.stem.split(","))
    with partition.open("rb") as start:
        backend = Tdb if start.read(3) == b"TDB" else Lmdb
    file = backend(partition)
    sid = file.domain_sid()
    # Owner and group Domain Admins, a list of thirty entries.
    entry = struct.pack("<BBHI", 0, 0, 36, 0x20094) + sid + struct.pack("<I", 512)
    rights = struct.pack("<BBHHH", 4, 0, 8 + 30 * 36, 30, 0) + entry * 30
    owner = sid + struct.pack("<I", 512)
    descriptor = struct.pack("<BBHIIII", 1, 0, 0x8004, 20, 48, 0, 76) + owner + owner + rights
    for number in range(int(count)):
        file.put(*user(domain, number, sid, descriptor, number < int(changed)))
    file.close()


main(*sys.argv[1:])
