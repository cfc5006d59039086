"""Objects as LDIF (RFC 2849): what ldapsearch and `dsbackup export` write."""

import base64


class Object:
    """Its values by attribute, sorted, and the attributes that were withheld."""

    def __init__(self):
        self.values, self.withheld = {}, set()

    def __eq__(self, other):
        return self.values == other.values


def read(text):
    """The objects by distinguished name."""
    found, own = {}, None
    for line in text.replace("\n ", "").splitlines():
        name, _, value = line.partition(":")
        if line.startswith("# ") and value == " withheld":
            own.withheld.add(name[2:])
            continue
        if not line or line.startswith("#") or name in ("version", "ref"):
            continue
        value = (
            base64.b64decode(value[1:])
            if value.startswith(":")
            else value.removeprefix(" ").encode()
        )
        if name == "dn":
            own = found[value.decode()] = Object()
        else:
            own.values.setdefault(name, []).append(value)
    for each in found.values():
        for values in each.values.values():
            values.sort()
    return found


def differences(one, other):
    """Each in words: objects and attributes that only one has, or with other values."""
    for dn in sorted(one.keys() | other.keys()):
        if dn not in one or dn not in other:
            yield f"{dn}: only in the {'second' if dn in other else 'first'}"
            continue
        values, others = one[dn].values, other[dn].values
        for name in sorted(values.keys() | others.keys()):
            if values.get(name) != others.get(name):
                yield (
                    f"{dn}: {name}: {str(values.get(name))[:300]} and {str(others.get(name))[:300]}"
                )


def count(objects):
    """The number of values."""
    return sum(len(values) for each in objects.values() for values in each.values.values())
