"""Sets the account types of objects that came out of a running domain controller's Recycle Bin.

    account_types.py SMB_CONF PRIVATE_FOLDER GUID:TYPE...

Samba does not set sAMAccountType again, and takes it from nobody without a control that LDAP cannot
carry. Objects that have one are left alone. Prints how many were set, as JSON.
"""

import json

# DSDB_CONTROL_RESTORE_TOMBSTONE_OID
RESTORE = "local_oid:1.3.6.1.4.1.7165.4.3.24:0"


def main():
    smb_conf, private, *objects = sys.argv[1:]
    directory = opened(smb_conf, private)
    count = 0
    directory.transaction_start()
    try:
        for text in objects:
            guid, kind = text.split(":")
            dn = ldb.Dn(directory, "<GUID=%s>" % guid)
            entry = directory.search(dn, ldb.SCOPE_BASE, attrs=["sAMAccountType"])[0]
            if "sAMAccountType" in entry:
                continue
            message = ldb.Message(entry.dn)
            message["sAMAccountType"] = ldb.MessageElement(
                kind, ldb.FLAG_MOD_REPLACE, "sAMAccountType")
            directory.modify(message, controls=[RESTORE])
            count += 1
    except BaseException:
        directory.transaction_cancel()
        raise
    directory.transaction_commit()
    print(json.dumps(count))


main()
