"""Random DNS records and group policies, beside the accounts of `restore_model`: made, lost, and compared."""

import random

from lab import BASE_DN, PASSWORD, REALM
from restore_model import line, objects_of

ZONE = REALM.lower()
ZONE_DN = f"DC={ZONE},CN=MicrosoftDNS,DC=DomainDnsZones,{BASE_DN}"
POLICIES = f"CN=Policies,CN=System,{BASE_DN}"


class Others:
    """Names with records, and policies with files and links. `units` are what policies are linked to."""

    def __init__(self, seed, units, names=14, policies=4):
        self.chance = random.Random(seed + 1)
        self.units = units
        self.records = {f"modelhost{number}": self._records(number) for number in range(names)}
        self.count = policies
        # The names of the policies, once they are made.
        self.policies = []

    def _records(self, number):
        """Records of a name: of several kinds, or an alias."""
        chance = self.chance
        if chance.random() < 0.2:
            return [("CNAME", f"modelhost{number + 1}.{ZONE}")]
        found = [("A", f"10.{number}.0.{last}") for last in chance.sample(range(1, 250), chance.randrange(1, 4))]
        if chance.random() < 0.4:
            found.append(("AAAA", f"fd00::{number}:{chance.randrange(1, 999)}"))
        if chance.random() < 0.3:
            found.append(("MX", f"mx{number}.example.org {chance.randrange(1, 50)}"))
        if chance.random() < 0.3:
            found.append(("TXT", f"one{number} two"))
        if chance.random() < 0.2:
            found.append(("SRV", f"modelhost1.{ZONE} 389 0 {chance.randrange(1, 100)}"))
        return found

    def names(self):
        """What a restore of all of them names."""
        return [f"DC={name},{ZONE_DN}" for name in self.records] + [f"CN={guid},{POLICIES}" for guid in self.policies]

    # What is made

    def make(self, controller):
        self.controller = controller
        for name, records in self.records.items():
            for kind, data in records:
                self._dns("add", name, kind, data)
        for number in range(self.count):
            out = self._tool("gpo", "create", f"model policy {number}", "-H", controller.url()).out
            guid = out[out.index("{"):out.index("}") + 1]
            self.policies.append(guid)
            machine = self._folder(guid) / "Machine" / "Scripts"
            machine.mkdir(parents=True)
            for file in range(self.chance.randrange(1, 5)):
                (machine / f"é {file}.bat").write_bytes(self.chance.randbytes(self.chance.randrange(0, 70000)))
            controller.modify("\n".join([
                f"dn: CN={guid},{POLICIES}", "changetype: modify", "replace: versionNumber",
                f"versionNumber: {self.chance.randrange(1, 99) << 16 | 5}", "-", "replace: flags",
                f"flags: {self.chance.randrange(0, 4)}", ""]))
        for unit in self.chance.sample(self.units, len(self.units) // 2):
            self._link(unit, self.chance.sample(self.policies, self.chance.randrange(1, self.count + 1)))
        controller.samba_tool("ntacl", "sysvolreset")

    def _link(self, unit, policies):
        text = "".join(f"[LDAP://cn={guid},{POLICIES.lower()};{self.chance.randrange(0, 4)}]" for guid in policies)
        self.controller.modify("\n".join([
            line("dn", unit), "changetype: modify", "replace: gPLink", f"gPLink: {text}", ""]))

    def _folder(self, guid):
        return self.controller.folder / "lib" / "sysvol" / ZONE / "Policies" / guid

    def _dns(self, what, name, kind, data):
        self._tool("dns", what, self.controller.ip, ZONE, name, kind, data)

    def _tool(self, *arguments):
        return self.controller.samba_tool(*arguments, "-U", f"Administrator%{PASSWORD}")

    # What is lost

    def lose(self):
        """Deletes and changes a third of all. Returns what was done."""
        done = []
        for name in self.chance.sample(sorted(self.records), len(self.records) // 3):
            records = self.records[name]
            how = self.chance.choice(["all", "one", "more"])
            gone = {"all": records, "one": records[:1], "more": []}[how]
            for kind, data in gone:
                self._dns("delete", name, kind, data)
            if how == "more" and records[0][0] != "CNAME":
                self._dns("add", name, "A", "10.99.99.99")
            done.append(f"{name}: {how}")
        for guid in self.chance.sample(self.policies, 2):
            how = self.chance.choice(["deleted", "changed"])
            if how == "deleted":
                self._tool("gpo", "del", guid, "-H", self.controller.url())
            else:
                self.controller.modify(
                    f"dn: CN={guid},{POLICIES}\nchangetype: modify\nreplace: displayName\ndisplayName: another\n-\n"
                    "replace: versionNumber\nversionNumber: 7\n")
                folder = self._folder(guid)
                (folder / "Machine" / "new.txt").write_text("new")
                next((folder / "Machine" / "Scripts").iterdir()).unlink()
            done.append(f"policy {how}")
        return done

    # What is seen

    def objects(self, controller):
        """All attributes of names and policies, by distinguished name in lower case."""
        own = tuple(f"dc={name},".lower() for name in self.records)
        nodes = objects_of(controller, ZONE_DN)
        found = {dn: node for dn, node in nodes.items() if dn.startswith(own)}
        policies = objects_of(controller, POLICIES)
        own = tuple(guid.lower() for guid in self.policies)
        return found | {dn: policy for dn, policy in policies.items() if any(guid in dn for guid in own)}

    def files(self):
        """Owners, modes, access rights and content of the files of the policies, and what aclcheck says."""
        folders = " ".join(f"'{guid}'" for guid in self.policies)
        files = self.controller.run(["bash", "-c", f"cd /var/lib/samba/sysvol/{ZONE}/Policies && "
                                     f"getfattr --absolute-names -R -d -m - {folders}; "
                                     f"find {folders} -printf '%p %u %g %m %y\\n' | sort; "
                                     f"find {folders} -type f -exec md5sum {{}} + | sort"], check=False)
        return files.out, self.controller.samba_tool(
            "gpo", "aclcheck", "-H", self.controller.url(), "-U", f"Administrator%{PASSWORD}", check=False).out

    def answers(self):
        """What the controller's DNS server says of all names."""
        found = {}
        for name, records in self.records.items():
            for kind in sorted({kind for kind, _ in records}):
                out = self.controller.run(["dig", "+short", f"@{self.controller.ip}", f"{name}.{ZONE}", kind]).out
                found[f"{name} {kind}"] = sorted(out.splitlines())
        return found
