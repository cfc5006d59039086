"""Reads a whole directory with ldap3, and prints as JSON what it is like.

    ldap3_client.py URL USER    the password comes from LDAP_PASSWORD

{"schema": {attribute: ...}, "objects": {dn: {attribute: [base64, sorted]}}}
"""

import base64
import json
import os
import sys

import ldap3

# The descriptor without its SACL, deleted objects.
CONTROLS = [
    ("1.2.840.113556.1.4.801", True, b"\x30\x03\x02\x01\x07"),
    ("1.2.840.113556.1.4.2064", True, None),
]


def main():
    url, user = sys.argv[1:]
    server = ldap3.Server(url, get_info=ldap3.ALL)
    connection = ldap3.Connection(
        server, user, os.environ["LDAP_PASSWORD"], auto_bind=True, raise_exceptions=True
    )
    schema = server.schema
    objects = {}
    for context in server.info.naming_contexts:
        found = connection.extend.standard.paged_search(
            context,
            "(objectClass=*)",
            ldap3.SUBTREE,
            attributes=["*", "nTSecurityDescriptor"],
            controls=CONTROLS,
            paged_size=700,
            generator=True,
        )
        for entry in found:
            if entry["type"] == "searchResEntry":
                objects[entry["dn"]] = {
                    name: sorted(base64.b64encode(value).decode() for value in values)
                    for name, values in entry["raw_attributes"].items()
                    if values
                }
    json.dump(
        {
            "contexts": sorted(server.info.naming_contexts),
            "root": {
                name: server.info.other.get(name)
                for name in ("defaultNamingContext", "rootDomainNamingContext")
            },
            "schema": {
                "attributeTypes": {
                    name: [found.oid, found.syntax, found.single_value]
                    for name, found in schema.attribute_types.items()
                },
                "objectClasses": {
                    name: [
                        found.oid,
                        found.superior,
                        found.kind,
                        names(found.must_contain),
                        names(found.may_contain),
                    ]
                    for name, found in schema.object_classes.items()
                },
                "dITContentRules": {
                    name: [
                        found.oid,
                        names(found.auxiliary_classes),
                        names(found.must_contain),
                        names(found.may_contain),
                    ]
                    for name, found in (schema.dit_content_rules or {}).items()
                },
            },
            "objects": objects,
        },
        sys.stdout,
    )


def names(found):
    # Samba names an attribute once for each class that allows it.
    return sorted(set(found or []))


if __name__ == "__main__":
    main()
