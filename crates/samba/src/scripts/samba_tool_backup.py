"""Makes a backup in samba-tool's format from an unpacked snapshot, with Samba's own libraries.

    samba_tool_backup.py SMB_CONF PRIVATE_FOLDER SNAPSHOT_FOLDER ARCHIVE

samba-tool expects of an "offline" backup: the folders private, state and etc; the shares with their
access rights in sysvol.tar.gz; in the database the time and kind of the backup, and an unused SID
for the account of the new server.

The lost servers may have assigned further RIDs after the backup. samba-tool would assign them
again, and their new owners would inherit rights of the former ones. So the pools of the recovered
domain begin further on. Prints JSON.
"""

import datetime
import json
import os
import tarfile

from samba import Ldb
from samba.dcerpc import security
from samba.ntacls import backup_offline


# The number of pools of this size that the lost servers may have got since the backup.
POOLS = 200
POOL_SIZE = 500


def main():
    smb_conf, private, snapshot, archive = sys.argv[1:]
    directory = opened(smb_conf, private)
    domain = directory.get_domain_sid()
    sid = "%s-%d" % (domain, raise_pool(directory))
    del directory

    # Without modules: these are attributes of the file, not of the directory.
    file = Ldb(
        url=private + "/sam.ldb", session_info=system_session(),
        lp=configuration(smb_conf, private), options=["modules:"], flags=ldb.FLG_DONT_CREATE_DB)
    stamp = datetime.datetime.now().isoformat().replace(":", "-")
    for name, value in (("backupDate", stamp), ("sidForRestore", sid), ("backupType", "offline")):
        message = ldb.Message(ldb.Dn(file, "@SAMBA_DSDB"))
        message[name] = ldb.MessageElement(value, ldb.FLAG_MOD_REPLACE, name)
        file.modify(message)
    del file

    shares = os.path.join(snapshot, "dsbackup.sysvol.tar.gz")
    backup_offline(os.path.join(snapshot, "sysvol"), shares, smb_conf, security.dom_sid(domain))
    note = os.path.join(snapshot, "dsbackup.backup.txt")
    with open(note, "w") as text:
        text.write("Made by dsbackup of a snapshot, %s\n" % stamp)
    with tarfile.open(archive, "w") as tar:
        for folder in ("private", "state", "etc"):
            tar.add(os.path.join(snapshot, folder), arcname=folder, filter=without_locks)
        tar.add(shares, arcname="sysvol.tar.gz")
        tar.add(note, arcname="backup.txt")
    os.remove(shares)
    os.remove(note)
    print(json.dumps({"sid": sid}))


def raise_pool(directory):
    """Raises the pool of the whole domain, and returns a RID that nobody else gets."""
    reference = directory.search(
        directory.domain_dn(), ldb.SCOPE_BASE, attrs=["rIDManagerReference"])[0]
    manager = ldb.Dn(directory, str(reference["rIDManagerReference"][0]))
    pool = int(str(directory.search(
        manager, ldb.SCOPE_BASE, attrs=["rIDAvailablePool"])[0]["rIDAvailablePool"][0]))
    low, high = pool & 0xFFFFFFFF, pool >> 32
    free = low + POOLS * POOL_SIZE
    if free + POOL_SIZE >= high:
        raise Exception("the domain has too few RIDs left to skip those of %d pools" % POOLS)
    message = ldb.Message(manager)
    message["rIDAvailablePool"] = ldb.MessageElement(
        str(high << 32 | (free + POOL_SIZE)), ldb.FLAG_MOD_REPLACE, "rIDAvailablePool")
    directory.modify(message)
    return free


def without_locks(entry):
    return None if entry.name.endswith("-lock") else entry


main()
