"""Random users, groups, units and contacts, for restores of objects: made, lost, and compared.

`Model(seed)` knows what it makes. What people do to it afterwards (`lose`) is random as well. The comparison reads the
whole of every object by its own means, so that it does not trust what it tests.
"""

import base64
import random

from lab import BASE_DN, LDAPI, REALM

ROOT = f"OU=Model,{BASE_DN}"
# What a server keeps by itself: never the same after a restore, and never meant to be.
SERVERS_OWN = {
    "whenchanged", "usnchanged", "usncreated", "dscorepropagationdata", "lastlogon", "lastlogontimestamp", "logoncount",
    "badpwdcount", "badpasswordtime", "lastlogoff", "msds-lastknownrdn", "lockouttime"}
NORMAL, DISABLED, NEVER_EXPIRES, NO_PREAUTH, TRUSTED = 512, 514, 66048, 4194816, 524800
GLOBAL, UNIVERSAL, LOCAL, MAIL_GLOBAL, MAIL_UNIVERSAL = -2147483646, -2147483640, -2147483644, 2, 8
# Names that need care: in distinguished names, in filters, beyond ASCII.
ODD = ["Smith\\, J", "a\\+b", "x (y) *", "\\#first", "Zoë", "名前", "o'neil", "semi\\3bcolon", "eq\\3dual", "back\\\\slash"]


def line(name, value):
    """A line of LDIF."""
    value = value if isinstance(value, bytes) else str(value).encode()
    return f"{name}:: {base64.b64encode(value).decode()}"


class Model:
    """200 objects, and what is known of them."""

    def __init__(self, seed, users=120, groups=54, units=14, contacts=12):
        self.chance = random.Random(seed)
        self.units, self.users, self.groups, self.contacts = [ROOT], {}, {}, []
        # Groups that are primary groups, with their members.
        self.primary = {}
        self.entries = [self._entry(ROOT, "organizationalUnit", [])]
        self.later = []
        for number in range(units - 1):
            self._unit(number)
        for number in range(users):
            self._user(number)
        for number in range(contacts):
            self._contact(number)
        for number in range(groups):
            self._group(number)
        self._links()

    # What is made

    def _entry(self, dn, kind, lines):
        return "\n".join([line("dn", dn), f"objectClass: {kind}", *lines])

    def _name(self, kind, number):
        odd = self.chance.random() < 0.15
        return f"{self.chance.choice(ODD)} {kind}{number}" if odd else f"{kind}{number:03}"

    def _rights(self):
        """A security descriptor of its own, in a fifth of the objects."""
        if self.chance.random() > 0.2:
            return []
        stranger = f"S-1-5-21-1-2-3-{self.chance.randrange(2000, 9000)}"
        flags = self.chance.choice(["", "P", "AI"])
        rights = self.chance.choice(["RPWP", "CCDC", "CR", "RPWPCCDCLCSWRCWDWOGA"])
        inherit = self.chance.choice(["", "CI", "CIIO"])
        sddl = f"D:{flags}(A;;GA;;;SY)(A;;GA;;;BA)(A;;RPLCRC;;;AU)(A;{inherit};{rights};;;{stranger})"
        if self.chance.random() < 0.3:
            sddl += "S:(AU;SA;WPWD;;;WD)"
        return [f"nTSecurityDescriptor: {sddl}"]

    def _some(self, choices):
        """A random part of attributes, each with one of its values."""
        lines = []
        for name, make in choices.items():
            if self.chance.random() < 0.4:
                values = make()
                lines += [line(name, value) for value in (values if isinstance(values, list) else [values])]
        return lines

    def _text(self):
        words = ["Lead", "Clerk", "größer", "第二", "a; b", "tail  x", "<&>", "line\nbreak", "O\u2019Neil"]
        return " ".join(self.chance.sample(words, self.chance.randrange(1, 4)))

    def _numbers(self):
        return [f"+49 30 {number}" for number in self.chance.sample(range(1000, 9999), self.chance.randrange(1, 4))]

    def _bytes(self, least, most):
        return self.chance.randbytes(self.chance.randrange(least, most))

    def _unit(self, number):
        parent = self.chance.choice(self.units)
        dn = f"OU={self._name('unit', number)},{parent}"
        self.units.append(dn)
        self.entries.append(self._entry(dn, "organizationalUnit", self._rights() + self._some({
            "description": self._text, "street": self._text, "l": self._text,
            "gPOptions": lambda: self.chance.choice(["0", "1"])})))

    def _user(self, number):
        account = f"model{number}"
        dn = f"CN={self._name('user', number)},{self.chance.choice(self.units)}"
        control = self.chance.choice([NORMAL] * 6 + [DISABLED, NEVER_EXPIRES, NO_PREAUTH, TRUSTED])
        expires = self.chance.choice(["0", "9223372036854775807", "9223372036854775807", "140000000000000000"])
        password = f"Old-password-{number}-{self.chance.randrange(10**6)}"
        lines = self._rights() + [
            f"sAMAccountName: {account}", f"userAccountControl: {control}", f"accountExpires: {expires}",
            line("unicodePwd", f'"{password}"'.encode("utf-16-le"))]
        lines += self._some({
            "userPrincipalName": lambda: f"{account}.upn@{REALM.lower()}", "displayName": self._text,
            "givenName": self._text, "sn": self._text, "title": self._text, "description": self._text,
            "mail": lambda: f"{account}@example.org", "telephoneNumber": lambda: "+49 30 1",
            "otherTelephone": self._numbers, "info": self._text,
            "proxyAddresses": lambda: [f"smtp:{account}.{one}@example.org" for one in "abc"],
            "jpegPhoto": lambda: self._bytes(1000, 20000), "thumbnailPhoto": lambda: self._bytes(100, 5000),
            "logonHours": lambda: self._bytes(21, 22), "uidNumber": lambda: str(20000 + number),
            "gidNumber": lambda: "20000", "loginShell": lambda: "/bin/sh", "scriptPath": lambda: "logon.bat",
            "homeDirectory": lambda: f"\\\\server\\{account}", "homeDrive": lambda: "H:",
            "employeeID": lambda: str(number), "userWorkstations": lambda: "PC1,PC2",
            "servicePrincipalName": lambda: [f"{kind}/{account}.example.org" for kind in ("HTTP", "MSSQLSvc")],
            "msDS-SupportedEncryptionTypes": lambda: "24", "wWWHomePage": lambda: "https://example.org/é",
            "altSecurityIdentities": lambda: f"X509:<I>CN=CA<S>CN={account}",
            "extensionName": lambda: ["one", "two"],
            "userCertificate": lambda: self._bytes(300, 900), "unixHomeDirectory": lambda: f"/home/{account}"})
        # Some may not log on now, or not from everywhere.
        limited = any(text.startswith(("logonHours", "userWorkstations")) for text in lines)
        works = control != DISABLED and expires != "140000000000000000" and not limited
        self.users[dn] = {"account": account, "password": password, "works": works, "preauth": control != NO_PREAUTH}
        self.entries.append(self._entry(dn, "user", lines))

    def _contact(self, number):
        dn = f"CN={self._name('contact', number)},{self.chance.choice(self.units)}"
        self.contacts.append(dn)
        self.entries.append(self._entry(dn, "contact", self._rights() + self._some({
            "mail": lambda: f"contact{number}@example.org", "displayName": self._text, "company": self._text})))

    def _group(self, number):
        dn = f"CN={self._name('group', number)},{self.chance.choice(self.units)}"
        kind = self.chance.choice([GLOBAL, GLOBAL, UNIVERSAL, UNIVERSAL, LOCAL, MAIL_GLOBAL, MAIL_UNIVERSAL])
        self.groups[dn] = {"account": f"modelgroup{number}", "kind": kind}
        self.entries.append(self._entry(dn, "group", self._rights() + [
            f"sAMAccountName: modelgroup{number}", f"groupType: {kind}"] + self._some({
                "description": self._text, "mail": lambda: f"group{number}@example.org", "info": self._text})))

    def _links(self):
        """Members (groups in groups, in circles too), managers, assistants, who manages units and groups."""
        users, groups, contacts = list(self.users), list(self.groups), self.contacts
        for group in groups:
            members = self.chance.sample(users, self.chance.randrange(0, 12))
            members += self.chance.sample(contacts, self.chance.randrange(0, 3))
            members += [other for other in self.chance.sample(groups, self.chance.randrange(0, 4)) if other != group]
            self._add_links(group, "member", members)
            if self.chance.random() < 0.3:
                self._add_links(group, "managedBy", [self.chance.choice(users + groups)])
        for user in users:
            if self.chance.random() < 0.5:
                self._add_links(user, "manager", [self.chance.choice(users + contacts)])
            if self.chance.random() < 0.1:
                self._add_links(user, "secretary", self.chance.sample(users, 2))
        for unit in self.units:
            if self.chance.random() < 0.3:
                self._add_links(unit, "managedBy", [self.chance.choice(users + groups)])

    def _add_links(self, dn, attribute, values):
        if values:
            self.later.append("\n".join([
                line("dn", dn), "changetype: modify", f"add: {attribute}", *(line(attribute, value) for value in values)]))

    def make(self, controller):
        """Adds all, then links, then primary groups."""
        controller.run(["ldbadd", "-H", LDAPI], input="\n\n".join(self.entries) + "\n")
        controller.modify("\n\n".join(self.later) + "\n")
        groups = [dn for dn, group in self.groups.items() if group["kind"] in (GLOBAL, UNIVERSAL)]
        changes = []
        for user in self.chance.sample(list(self.users), 12):
            group = self.chance.choice(groups)
            sid = controller.search(f"(sAMAccountName={self.groups[group]['account']})", ["objectSid"])[0]["objectSid"][0]
            self.primary.setdefault(group, set()).add(user)
            changes.append("\n".join([
                line("dn", group), "changetype: modify", "add: member", line("member", user)]))
            changes.append("\n".join([
                line("dn", user), "changetype: modify", "replace: primaryGroupID",
                f"primaryGroupID: {sid.rsplit('-', 1)[1]}"]))
        # A user that is a member already needs no further value.
        controller.run(["ldbmodify", "-H", LDAPI, "--controls=permissive_modify:1"],
                       input="\n\n".join(changes) + "\n", check=False)
        return len(self.entries)

    # What is lost

    def choose(self, share, but=()):
        """Objects to delete, lowest first: with a unit all in it, and no primary group of somebody who stays."""
        but = set(but)
        units = [dn for dn in self.units[1:] if dn not in but]
        leaves = [dn for dn in [*self.users, *self.groups, *self.contacts] if dn not in but]
        everything = leaves + units
        gone = set(self.chance.sample(leaves, int(len(leaves) * share)))
        gone |= set(self.chance.sample(units, min(len(units), round(share * 5))))
        gone |= {dn for dn in everything for unit in self.units[1:] if unit in gone and dn.endswith("," + unit)}
        while True:
            stays = {group for group, users in self.primary.items() if group in gone and users - gone - but}
            kept = [dn for dn in everything if dn not in gone or dn in stays]
            stays |= {unit for unit in self.units if unit in gone and any(dn.endswith("," + unit) for dn in kept)}
            if not stays:
                break
            gone -= stays
        ordered = [dn for dn in self.users if dn in gone]
        ordered += [dn for dn in [*self.groups, *self.contacts] if dn in gone]
        return ordered + sorted((dn for dn in self.units if dn in gone), key=lambda dn: -dn.count(",OU="))

    def change(self, controller, but, passwords):
        """Changes of a third of those that are not in `but`: values, links, names, places, rights, passwords."""
        left = [dn for dn in [*self.users, *self.groups] if dn not in but]
        units = [unit for unit in self.units if unit not in but]
        changes, renames = [], []
        chosen = self.chance.sample(left, len(left) // 3)
        for dn in chosen:
            lines = [line("dn", dn), "changetype: modify"]
            for attribute in self.chance.sample(["title", "description", "info", "mail"], 2):
                if attribute == "title" and dn in self.groups:
                    continue
                how = self.chance.choice(["replace", "remove"])
                lines += [f"replace: {attribute}", *([line(attribute, self._text())] if how == "replace" else []), "-"]
            if dn in self.groups:
                lines += ["replace: member", *(line("member", one) for one in self.chance.sample(
                    [user for user in self.users if user not in but and user not in self._primary_of(dn)], 3)), "-"]
            else:
                lines += ["replace: manager", "-", "replace: servicePrincipalName", "-",
                          "replace: userAccountControl", f"userAccountControl: {DISABLED}", "-"]
                if passwords and self.chance.random() < 0.5:
                    lines += ["replace: unicodePwd",
                              line("unicodePwd", '"Other-password-77"'.encode("utf-16-le")), "-"]
            changes.append("\n".join(lines))
            if self.chance.random() < 0.4:
                name, parent = dn.split(",OU=", 1)
                name = self.chance.choice([name, f"{name} changed"])
                renames.append((dn, f"{name},{self.chance.choice(units)}"))
        controller.modify("\n\n".join(changes) + "\n")
        for old, new in renames:
            if old != new:
                controller.run(["ldbrename", "-H", LDAPI, old, new])
        return len(changes)

    def _primary_of(self, group):
        return self.primary.get(group, set())


# What is seen


def objects_of(controller, base=ROOT, url=LDAPI):
    """All attributes of all objects, by distinguished name in lower case."""
    out = controller.run(["ldbsearch", "-H", url, "-b", base, "(objectClass=*)", "*", "nTSecurityDescriptor"]).out
    found, entry = {}, None
    for text in out.replace("\n ", "").splitlines():
        if text.startswith(("dn: ", "dn:: ")):
            entry = found.setdefault(plain(text[2:]).lower(), {})
        elif not text or text.startswith("#"):
            entry = None if not text else entry
        elif entry is not None:
            name, value = text.split(":", 1)
            if name.lower() not in SERVERS_OWN:
                entry.setdefault(name.lower(), []).append(plain(":" + value))
    return {dn: {name: sorted(values) for name, values in entry.items()} for dn, entry in found.items()}


def plain(text):
    """The value after `: ` or `:: `."""
    if text.startswith(":: "):
        value = base64.b64decode(text[3:])
        try:
            return value.decode()
        except UnicodeDecodeError:
            return text[3:]
    return text[2:]


def differences(before, after):
    """What differs, by object: names of attributes, or that it is gone or new."""
    found = {}
    for dn in before.keys() | after.keys():
        if dn not in after or dn not in before:
            found[dn] = {"gone" if dn not in after else "new"}
            continue
        names = before[dn].keys() | after[dn].keys()
        names = {name for name in names if before[dn].get(name) != after[dn].get(name)}
        if names:
            found[dn] = names
    return found
