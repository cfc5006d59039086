"""Gives a restored domain controller's database a new life, with Samba's own libraries.

    new_life.py SMB_CONF PRIVATE_FOLDER

The database in PRIVATE_FOLDER is in the state of its backup, and no domain controller runs on it.
In one transaction:

1. The up-to-dateness vector of each partition covers only the changes of the former life that the
   database holds: partners send back later ones.
2. The invocation id is new: partners accept the changes of this life as new, although their USNs
   were used before.
3. The pool of RIDs is used up, so that RIDs assigned after the backup are not assigned again. A
   pool that the RID master may have assigned since must not come back by replication, so ours gets
   the higher version. A RID master continues as many pools higher as it raises the version:
   whichever version wins, it is the higher one and safe.

Prints the result as JSON.
"""

import json
import uuid

from samba.dcerpc import drsblobs, misc
from samba.dsdb import _dsdb_load_udv_v2
from samba.ndr import ndr_pack

# Higher than any version that a partner can have reached since the backup.
POOL_VERSIONS = 100000
# The number of pools of this size that a RID master may have assigned since the backup.
POOLS = 200
POOL_SIZE = 500


def text(message, name):
    return str(message[name][0]) if name in message else None


def main():
    smb_conf, private = sys.argv[1:]
    directory = opened(smb_conf, private)

    settings = ldb.Dn(directory, directory.get_dsServiceName())
    former_life = str(directory.get_invocation_id())
    new_life = str(uuid.uuid4())
    root = directory.search("", ldb.SCOPE_BASE, attrs=["namingContexts", "highestCommittedUSN"])[0]
    contexts = [str(name) for name in root["namingContexts"]]
    usn = int(str(root["highestCommittedUSN"][0]))

    directory.transaction_start()
    try:
        # All of them before the first change: a change raises the highest USN.
        vectors = [(name, vector(directory, name)) for name in contexts]
        for name, value in vectors:
            replace(directory, name, "replUpToDateVector", value)
        directory.set_invocation_id(new_life)
        message = ldb.Message(settings)
        message["invocationId"] = ldb.MessageElement(
            ndr_pack(misc.GUID(new_life)), ldb.FLAG_MOD_REPLACE, "invocationId")
        directory.modify(message, controls=["relax:0"])
        rids = discard_rids(directory, settings)
    except BaseException:
        directory.transaction_cancel()
        raise
    directory.transaction_commit()
    print(json.dumps({
        "former_invocation_id": former_life, "invocation_id": new_life, "former_usn": usn,
        "rids": rids,
    }))


def vector(directory, context):
    blob = drsblobs.replUpToDateVectorBlob()
    blob.version = 2
    blob.ctr.cursors = _dsdb_load_udv_v2(directory, context)
    blob.ctr.count = len(blob.ctr.cursors)
    return ndr_pack(blob)


def replace(directory, dn, name, value):
    message = ldb.Message(ldb.Dn(directory, str(dn)))
    message[name] = ldb.MessageElement(value, ldb.FLAG_MOD_REPLACE, name)
    directory.modify(message)


def discard_rids(directory, settings):
    server = directory.search(settings.parent(), ldb.SCOPE_BASE, attrs=["serverReference"])[0]
    account = directory.search(
        text(server, "serverReference"), ldb.SCOPE_BASE, attrs=["rIDSetReferences"])[0]
    done = {}
    if "rIDSetReferences" in account:
        rid_set = text(account, "rIDSetReferences")
        pools = directory.search(
            rid_set, ldb.SCOPE_BASE, attrs=["rIDAllocationPool", "rIDNextRID"])[0]
        pool = int(text(pools, "rIDAllocationPool"))
        done["discarded"] = [pool & 0xFFFFFFFF, pool >> 32]
        replace(directory, rid_set, "rIDPreviousAllocationPool", str(pool))
        replace(directory, rid_set, "rIDNextRID", str(pool >> 32))
        raise_version(directory, rid_set, "rIDAllocationPool", POOL_VERSIONS)
    domain = directory.search(
        directory.domain_dn(), ldb.SCOPE_BASE, attrs=["rIDManagerReference"])[0]
    manager = directory.search(
        text(domain, "rIDManagerReference"), ldb.SCOPE_BASE,
        attrs=["fSMORoleOwner", "rIDAvailablePool"])[0]
    if ldb.Dn(directory, text(manager, "fSMORoleOwner")) == settings:
        available = int(text(manager, "rIDAvailablePool"))
        raised = available + POOLS * POOL_SIZE
        if raised & 0xFFFFFFFF >= raised >> 32:
            raise Exception("the domain has too few RIDs left to skip those of %d pools" % POOLS)
        replace(directory, manager.dn, "rIDAvailablePool", str(raised))
        raise_version(directory, manager.dn, "rIDAvailablePool", POOLS - 1)
        done["available_from"] = [available & 0xFFFFFFFF, raised & 0xFFFFFFFF]
        # The RID master must assign itself a pool. Others get theirs when they come online.
        done["first"] = directory.allocate_rid()
    return done


def raise_version(directory, dn, name, by):
    version = directory.get_attribute_replmetadata_version(str(dn), name)
    directory.set_attribute_replmetadata_version(str(dn), name, version + by)


main()
