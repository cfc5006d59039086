"""Reads a whole directory with ldap3: read.py URL; the password comes from LDAP_PASSWORD.

Prints {"root": the domain, "schema": {name: identifier}, "objects": {dn: {attribute: [values]}}},
values in hexadecimal digits, sorted.
"""

import json
import os
import sys

import ldap3

server = ldap3.Server(sys.argv[1], get_info=ldap3.ALL)
connection = ldap3.Connection(
    server, "reader", os.environ["LDAP_PASSWORD"], auto_bind=True, raise_exceptions=True
)
objects = {}
for context in server.info.naming_contexts:
    found = connection.extend.standard.paged_search(
        context, "(objectClass=*)", ldap3.SUBTREE, attributes=["*"], paged_size=123, generator=True
    )
    for entry in found:
        attributes = entry["raw_attributes"].items()
        objects[entry["dn"]] = {
            name: sorted(value.hex() for value in values) for name, values in attributes
        }
schema = server.schema
json.dump(
    {
        "root": server.info.other["defaultNamingContext"][0],
        "schema": {
            name: found.oid
            for kind in (schema.attribute_types, schema.object_classes)
            for name, found in kind.items()
        },
        "objects": objects,
    },
    sys.stdout,
)
