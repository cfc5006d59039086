"""Prints what the databases of a domain controller say of it as JSON, with Samba's own libraries. Changes nothing.

    stopped.py SMB_CONF PRIVATE_FOLDER
"""

import json


def main():
    smb_conf, private = sys.argv[1:]
    directory = opened(smb_conf, private)
    root = directory.search(
        "", ldb.SCOPE_BASE, attrs=["namingContexts", "highestCommittedUSN", "dnsHostName", "serverName"])[0]
    settings = directory.search(
        f"CN=Directory Service,CN=Windows NT,CN=Services,{directory.get_config_basedn()}", ldb.SCOPE_BASE,
        attrs=["tombstoneLifetime"])[0]
    print(json.dumps({
        "server": str(root["serverName"][0]),
        "dns_name": str(root["dnsHostName"][0]),
        "domain_sid": str(directory.get_domain_sid()),
        "dsa_guid": str(directory.get_ntds_GUID()),
        "invocation_id": str(directory.get_invocation_id()),
        "highest_usn": int(str(root["highestCommittedUSN"][0])),
        "tombstone_lifetime_days":
            int(str(settings["tombstoneLifetime"][0])) if "tombstoneLifetime" in settings else None,
        "naming_contexts": [str(name) for name in root["namingContexts"]],
    }))


main()
