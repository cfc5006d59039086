"""Prints the identity of a directory as JSON, with Samba's own libraries. Changes nothing.

    identity.py SMB_CONF PRIVATE_FOLDER
"""

import json

ALL = ["show_deleted:1", "show_recycled:1"]


def main():
    smb_conf, private = sys.argv[1:]
    directory = opened(smb_conf, private)
    root = directory.search("", ldb.SCOPE_BASE, attrs=["namingContexts", "highestCommittedUSN"])[0]
    highest = int(str(root["highestCommittedUSN"][0]))
    entries = beyond = 0
    for name in root["namingContexts"]:
        found = directory.search(
            str(name), ldb.SCOPE_SUBTREE, "(objectClass=*)", attrs=["uSNChanged"], controls=ALL)
        entries += len(found)
        beyond += sum(
            1 for entry in found
            if "uSNChanged" in entry and int(str(entry["uSNChanged"][0])) > highest)
    print(json.dumps({
        "domain_sid": str(directory.get_domain_sid()),
        "dsa_guid": str(directory.get_ntds_GUID()),
        "invocation_id": str(directory.get_invocation_id()),
        "highest_usn": highest,
        "naming_contexts": [str(name) for name in root["namingContexts"]],
        "entries": entries,
        "beyond": beyond,
    }))


main()
