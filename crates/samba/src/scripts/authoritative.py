"""Makes objects of a restored domain controller win over what its partners did to them since.

    authoritative.py SMB_CONF PRIVATE_FOLDER NAME...

The database in PRIVATE_FOLDER has begun its new life (new_life.py), and no domain controller runs on
it. For each NAME, and all beneath it, in one transaction:

1. Every link to or from it is removed and made again, some times, because versions of links are not
   in the object's metadata and only rise so.
2. Every attribute's version is raised, with a new USN, as a change of this server and this moment.
   So is that of every attribute that the object may have and lacks: what a partner added goes, and
   "not deleted" wins. A partner that deleted the object makes it alive again.

Accounts of domain controllers, krbtgt and RID pools are left out: they must not go back in time.

Prints the result as JSON.
"""

import json
import time

from samba import unix2nttime
from samba.dcerpc import drsblobs, misc
from samba.ndr import ndr_pack, ndr_unpack

# Higher than any version that a partner can have reached since the backup.
RAISED_BY = 100000
# How often links are made again; each time their versions rise by two.
ROUNDS = 10
# The highest number of values in a change.
VALUES = 1000
# DSDB_CONTROL_CHANGEREPLMETADATA_OID
CHANGE_METADATA = "local_oid:1.3.6.1.4.1.7165.4.3.14:0"
# Attributes that a deletion sets.
OF_DELETED = {"isDeleted", "isRecycled", "lastKnownParent", "msDS-LastKnownRDN"}
# Bits of systemFlags: attributes that do not replicate, and constructed ones.
NOT_REPLICATED = 0x1 | 0x4
# Bits of userAccountControl: accounts of domain controllers, writable and read-only.
DOMAIN_CONTROLLER = 0x2000 | 0x04000000
# Classes that must not go back in time.
OWN_CLASSES = {"ridset", "ridmanager", "ntdsdsa", "server", "infrastructureupdate", "crossref"}


def main():
    smb_conf, private, *names = sys.argv[1:]
    directory = opened(smb_conf, private)
    attributes = linked_attributes(directory)
    directory.transaction_start()
    try:
        objects, left_out = chosen(directory, names)
        links = links_of(directory, objects, attributes)
        for (holder, attribute), values in links.items():
            make_again(directory, holder, attribute, sorted(values))
        # Partners get objects in the order of their last changes, and move those to LostAndFound
        # whose unit they still have as deleted: units come first.
        numbers = attribute_numbers(directory)
        for dn in sorted(objects.values(), key=len):
            raise_versions(directory, dn, numbers)
    except BaseException:
        directory.transaction_cancel()
        raise
    directory.transaction_commit()
    print(json.dumps({
        "objects": len(objects), "links": sum(len(values) for values in links.values()),
        "left_out": left_out,
    }))


def guid_of(message):
    return str(ndr_unpack(misc.GUID, message["objectGUID"][0]))


def chosen(directory, names):
    """The objects by GUID, and the names of those that are left out."""
    heads = [ldb.Dn(directory, str(name)) for name in directory.search(
        "", ldb.SCOPE_BASE, attrs=["namingContexts"])[0]["namingContexts"]]
    objects, left_out = {}, []
    for name in names:
        dn = ldb.Dn(directory, name)
        if dn in heads:
            raise Exception("%s is a whole partition: name what is to win in it" % name)
        found = directory.search(
            dn, ldb.SCOPE_SUBTREE,
            attrs=["objectGUID", "objectClass", "userAccountControl", "sAMAccountName"])
        for entry in found:
            if is_left_out(entry):
                left_out.append(str(entry.dn))
            else:
                objects[guid_of(entry)] = entry.dn
    return objects, sorted(left_out)


def is_left_out(entry):
    classes = {str(name).lower() for name in entry["objectClass"]}
    control = int(str(entry["userAccountControl"][0])) if "userAccountControl" in entry else 0
    account = str(entry["sAMAccountName"][0]).lower() if "sAMAccountName" in entry else ""
    return bool(
        classes & OWN_CLASSES or control & DOMAIN_CONTROLLER or account.startswith("krbtgt"))


def attribute_numbers(directory):
    """The numbers of the attributes that a partner may have changed, by name in lower case."""
    found = directory.search(
        directory.get_schema_basedn(), ldb.SCOPE_ONELEVEL, expression="(objectClass=attributeSchema)",
        attrs=["lDAPDisplayName", "linkID", "systemFlags", "systemOnly", "isDefunct"])
    numbers = {}
    for entry in found:
        name = str(entry["lDAPDisplayName"][0])
        flags = int(str(entry["systemFlags"][0])) if "systemFlags" in entry else 0
        is_own = text(entry, "systemOnly") == "TRUE" and name not in OF_DELETED
        is_defunct = text(entry, "isDefunct") == "TRUE"
        if not (flags & NOT_REPLICATED or "linkID" in entry or is_own or is_defunct):
            numbers[name.lower()] = directory.get_attid_from_lDAPDisplayName(name)
    return numbers


def text(message, name):
    return str(message[name][0]) if name in message else None


def raise_versions(directory, dn, numbers):
    entry = directory.search(
        dn, ldb.SCOPE_BASE, attrs=["replPropertyMetaData", "allowedAttributes"])[0]
    blob = ndr_unpack(drsblobs.replPropertyMetaDataBlob, entry["replPropertyMetaData"][0])
    usn = directory.sequence_number(ldb.SEQ_NEXT)
    life = misc.GUID(str(directory.get_invocation_id()))
    now = unix2nttime(int(time.time()))
    stamps = list(blob.ctr.array)
    present = {stamp.attid & 0xFFFFFFFF for stamp in stamps}
    possible = {str(name).lower() for name in entry["allowedAttributes"]}
    possible |= {name.lower() for name in OF_DELETED}
    for attribute in sorted(numbers[name] for name in possible if name in numbers):
        if attribute not in present:
            stamp = drsblobs.replPropertyMetaData1()
            stamp.attid = attribute
            stamp.version = 0
            stamps.append(stamp)
    for stamp in stamps:
        stamp.version += RAISED_BY
        stamp.originating_change_time = now
        stamp.originating_invocation_id = life
        stamp.originating_usn = stamp.local_usn = usn
    blob.ctr.array = sorted(stamps, key=lambda stamp: stamp.attid & 0xFFFFFFFF)
    blob.ctr.count = len(stamps)
    message = ldb.Message(dn)
    message["replPropertyMetaData"] = ldb.MessageElement(
        ndr_pack(blob), ldb.FLAG_MOD_REPLACE, "replPropertyMetaData")
    directory.modify(message, controls=[CHANGE_METADATA])


def linked_attributes(directory):
    """Forward links by name, with whether they hold nothing but a name; back links by name, with
    those forward ones of which they are the other end. Names in lower case."""
    found = directory.search(
        directory.get_schema_basedn(), ldb.SCOPE_ONELEVEL, expression="(linkID=*)",
        attrs=["lDAPDisplayName", "linkID", "attributeSyntax"])
    numbers = {int(str(entry["linkID"][0])): entry for entry in found}
    forward, back = {}, {}
    for number, entry in numbers.items():
        name = str(entry["lDAPDisplayName"][0])
        if number % 2 == 0:
            forward[name.lower()] = name
            continue
        other = numbers.get(number - 1)
        if other is not None and str(other["attributeSyntax"][0]) == "2.5.5.1":
            back[name.lower()] = str(other["lDAPDisplayName"][0])
    return forward, back


def links_of(directory, objects, attributes):
    """Values by holder and attribute. Each names the other end by its GUID."""
    forward, back = attributes
    links = {}
    for guid, dn in objects.items():
        entry = directory.search(
            dn, ldb.SCOPE_BASE, attrs=["*"], controls=["extended_dn:1:1"])[0]
        for name in entry.keys():
            if name.lower() in forward:
                key = ("<GUID=%s>" % guid, forward[name.lower()])
                links.setdefault(key, set()).update(by_guid(str(value)) for value in entry[name])
            elif name.lower() in back:
                for value in entry[name]:
                    key = (by_guid(str(value)), back[name.lower()])
                    links.setdefault(key, set()).add("<GUID=%s>" % guid)
    return links


def by_guid(value):
    """`<GUID=...>;<SID=...>;name` without all but the GUID; data before the name stays."""
    start = value.find("<GUID=")
    end = value.find(">", start)
    return value[:end + 1] if start >= 0 else value


def make_again(directory, holder, attribute, values):
    for first in range(0, len(values), VALUES):
        part = values[first:first + VALUES]
        for _ in range(ROUNDS):
            for flag in (ldb.FLAG_MOD_DELETE, ldb.FLAG_MOD_ADD):
                message = ldb.Message(ldb.Dn(directory, holder))
                message[attribute] = ldb.MessageElement(part, flag, attribute)
                directory.modify(message)


main()
