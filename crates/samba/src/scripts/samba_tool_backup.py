"""Makes a backup in samba-tool's own format of an unpacked snapshot, on Samba's own libraries.

    samba_tool_backup.py SMB_CONF PRIVATE_FOLDER SNAPSHOT_FOLDER ARCHIVE

What samba-tool expects of a backup of the kind "offline": the folders private, state and etc, the shares with their
access rights in sysvol.tar.gz, and in the database when it was made, of which kind it is, and a SID that is free for the
account of the new server. Prints JSON.
"""

import datetime
import json
import os
import sys
import tarfile

import ldb
from samba import Ldb
from samba.auth import system_session
from samba.dcerpc import security
from samba.ntacls import backup_offline
from samba.param import LoadParm
from samba.samdb import SamDB


def main():
    smb_conf, private, snapshot, archive = sys.argv[1:]
    lp = LoadParm()
    lp.load(smb_conf)
    lp.set("private dir", private)
    url = private + "/sam.ldb"
    directory = SamDB(url=url, session_info=system_session(), lp=lp, flags=ldb.FLG_DONT_CREATE_DB)
    domain = directory.get_domain_sid()
    sid = "%s-%d" % (domain, directory.next_free_rid())
    del directory

    # Without modules: these attributes are of the file, not of the directory.
    file = Ldb(url=url, session_info=system_session(), lp=lp, options=["modules:"], flags=ldb.FLG_DONT_CREATE_DB)
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


def without_locks(entry):
    return None if entry.name.endswith("-lock") else entry


main()
