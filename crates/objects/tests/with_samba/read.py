"""What Samba itself reads from a directory: a JSON line for each object.

read.py SMB_CONF SAM_LDB"""

import json
import sys

from samba.auth import system_session
from samba.param import LoadParm
from samba.samdb import SamDB, dsdb_Dn

settings = LoadParm()
settings.load(sys.argv[1])
directory = SamDB(url=sys.argv[2], session_info=system_session(), lp=settings)
ALL = ["search_options:1:2", "show_recycled:1"]
NAMES = ["*", "nTSecurityDescriptor", "replPropertyMetaData"]
COMPONENTS = (
    "RMD_ADDTIME", "RMD_CHANGETIME", "RMD_FLAGS", "RMD_LOCAL_USN", "RMD_ORIGINATING_USN",
    "RMD_VERSION")

linked = {
    str(attribute["lDAPDisplayName"][0]): int(attribute["linkID"][0])
    for attribute in directory.search(
        directory.get_schema_basedn(), expression="(linkID=*)", attrs=["lDAPDisplayName", "linkID"])
}
links = {}
for found in directory.search(
        "", expression="(objectClass=*)", attrs=["*"],
        controls=ALL + ["reveal_internals:0", "extended_dn:1:1"]):
    own = links.setdefault(found["objectGUID"][0].hex(), [])
    for name in found.keys():
        if linked.get(name, 1) % 2 == 0:
            for value in found[name]:
                dn = dsdb_Dn(directory, value.decode()).dn
                parts = [dn.get_extended_component(part) for part in COMPONENTS]
                own.append(
                    [name, dn.get_extended_component("GUID").hex()]
                    + [part and int(part) for part in parts])
for found in directory.search("", expression="(objectClass=*)", attrs=NAMES, controls=ALL):
    values = {
        name: [bytes(value).hex() for value in found[name]]
        for name in found.keys() if name != "dn"}
    guid = found["objectGUID"][0].hex()
    print(json.dumps({
        "dn": str(found.dn), "guid": guid, "values": values, "links": links.get(guid, [])}))
