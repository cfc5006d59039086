"""Reads lines of hexadecimal digits and SDDL, and says where the text does not give the bytes.

descriptors.py DOMAIN_SID < LINES"""

import sys

from samba.dcerpc import security
from samba.ndr import ndr_pack, ndr_unpack

domain = security.dom_sid(sys.argv[1])
for line in sys.stdin:
    digits, text = line.rstrip("\n").split(" ", 1)
    expected = ndr_unpack(security.descriptor, bytes.fromhex(digits))
    try:
        found = security.descriptor.from_sddl(text, domain)
    except Exception as error:
        print(f"{text}: {error}")
        continue
    # The text has no place for the marks of what was given by default.
    found.type |= expected.type & 0x2B
    for acl, same in (found.dacl, expected.dacl), (found.sacl, expected.sacl):
        if acl and same:
            acl.revision = same.revision
    if ndr_pack(found) != ndr_pack(expected):
        print(
            f"{text}: Samba makes {found.as_sddl(domain)} of it, "
            f"and {expected.as_sddl(domain)} of the bytes")
