"""The web console beside a controller, in a browser: what is lost is found, brought back, and taken back, by the socket
and over ldaps; a restore that is killed goes on; the whole controller comes back. Every page is looked at, also at
random, with objects whose names and values attack."""

import base64
import collections
import concurrent.futures
import random
import re
import signal
import socket
import time
import urllib.parse

from diff import public_key
from dsbackup import PROGRAM, Dsbackup
from in_place import expect
from jobs import Jobs
from lab import BASE_DN, HERE, PASSWORD, REALM, SAM, Failed, say
from web import LARGEST, Plain, browser, faults

PORT = 7480
HOST = f"console.{REALM.lower()}"
BASE = f"http://127.0.0.1:{PORT}/"
SECRET = "a password of the console"
GROUPS = {"red", "blue"}
# A unit whose restore is killed.
UNIT = f"OU=Sales,{BASE_DN}"
SELLERS = 200
# A unit with names and values that attack whoever looks at them: these, and as many made of the pieces.
HOSTILE_UNIT = f"OU=\\<b\\>Hostile,{BASE_DN}"
HOSTILE = [
    ("<img src=x onerror=alert(1)>", '"><script>alert(1)</script>'),
    ("\u202egnp.exe", "\u2066turned\u202e"),
    ("long", "<b>&" * (16 << 10)),
]
PIECES = [
    "<b>", "</td></table>", "<script>alert(1)</script>", "<img src=x onerror=alert(1)>", "' onmouseover='alert(1)", '"',
    "javascript:alert(1)", "&lt;", "%3Cscript%3E", "{{7*7}}", "${x}", "../..", "\u202e", "\u2066", "\u2069", "\u200b",
    "\ufeff", "\u200f", "\x1b[31m", "\x7f", "e\u0301", "\U0001f600", "\u05d0\u05d1", "a,b", "c=d", "+", ";", "\\", "#",
    "x"]
AT_RANDOM = 20
# The pages of a walk at random.
STEPS = 200
ATTEMPTS = 1000
# The pages whose pictures are in docs/console.md.
PICTURES = {"overview", "then-and-now", "compare-now", "plan"}
# Where the console's addresses are.
SITE = HERE.parent.parent / "crates" / "web-console" / "src" / "site.rs"
# Files and events among them.
NO_PAGE = {
    "/login/kerberos", "/snapshots/{repository}/{id}/manifest", "/directory/{repository}/{id}/ldif", "/compare/html",
    "/compare/csv", "/compare/ldif", "/jobs/{job}/events", "/work/{work}/events", "/assets/{asset}"}


class Beside:
    """The console and what is beside it."""

    def __init__(self, dc1, jobs, options):
        self.dc1, self.jobs = dc1, jobs
        self.pictures = getattr(options, "pictures", None)
        self.browser = getattr(options, "browser", None)
        self.service = Dsbackup(dc1, jobs.repository)
        self.console = None

    def start(self):
        log = open(self.jobs.folder / "console.log", "ab")
        self.console = self.dc1.spawn([PROGRAM, "console"], env=self.jobs.environment(), stdout=log, stderr=log)
        wait(self.console, self.jobs)

    def stop(self, how=signal.SIGTERM):
        self.console.send_signal(how)
        self.console.wait(30)

    def look(self, window, name):
        window.look(name, self.pictures if name in PICTURES else None)


def run(lab, backend, options):
    dc1 = lab.controller("dc1", 1)
    dc1.provision(backend)
    dc1.start()
    for name in ("erin", "frank"):
        dc1.create_user(name)
    for group in GROUPS:
        dc1.samba_tool("group", "add", group)
        dc1.samba_tool("group", "addmembers", group, "erin")
    seed = options.seed or random.randrange(1 << 32)
    say(f"  --seed {seed}")
    attacks = HOSTILE + random_attacks(random.Random(seed))
    dc1.modify(sellers() + hostile(attacks))
    jobs = Jobs(dc1, lab.folder / "repository")
    # In the backup, so that tickets for it still count after a restore of the whole controller.
    dc1.create_user("console-service")
    dc1.samba_tool("spn", "add", f"HTTP/{HOST}", "console-service", "-H", SAM)
    dc1.samba_tool("domain", "exportkeytab", jobs.folder / "console.keytab", f"--principal=HTTP/{HOST}")
    jobs.run("setup", "--samba", "--repository", jobs.repository, "--no-timer")
    beside = Beside(dc1, jobs, options)
    configure(beside)
    # The deletion is later than the backup, by the clock in seconds.
    time.sleep(2)
    dc1.samba_tool("user", "delete", "erin")
    modify(dc1, "frank", "title", "Clerk")
    beside.start()
    try:
        with browser(BASE, beside.browser) as window:
            say(f"  with {type(window).__name__}")
            snapshot = walk(beside, window)
            attacked(beside, window, snapshot, attacks, seed)
            over_ldaps(beside, window, snapshot)
            goes_on(beside, window, snapshot)
            whole(beside, window, snapshot)
            all_seen(window.seen)
        refusals()
        by_tickets(dc1)
        many_attempts(beside)
    finally:
        beside.stop()
        beside.service.kill_service()
    audit = (jobs.folder / "console.audit").read_text()
    for words in ('"POST /restore/run"', '"restore ended"', '"undo ended"', '"resume ended"', '"whole restore ended"',
                  '"POST /login"'):
        if words not in audit:
            raise Failed(f"the audit log has no {words}: {audit[-4000:]}")
    for secret in (SECRET, PASSWORD, "Pass-word-1", "a guess"):
        if secret in audit:
            raise Failed("the audit log tells a password")


def sellers():
    units = f"dn: {UNIT}\nchangetype: add\nobjectClass: organizationalUnit\n\n"
    return units + "".join(
        f"dn: CN=seller{number:03},{UNIT}\nchangetype: add\nobjectClass: user\nsAMAccountName: seller{number:03}\n\n"
        for number in range(SELLERS))


def random_attacks(chance):
    """Names and values made of the pieces. A name has at most 64 characters."""
    def made(most):
        return "".join(chance.choices(PIECES, k=chance.randint(1, most)))

    return [(f"{made(6)[:56]}x{number}", made(chance.choice([3, 300, 8000]))) for number in range(AT_RANDOM)]


def hostile(attacks):
    """The unit as LDIF."""
    unit = f"dn:: {encoded(HOSTILE_UNIT)}\nchangetype: add\nobjectClass: organizationalUnit\n\n"
    return unit + "".join(
        f"dn:: {encoded(f'CN={escaped(name)},{HOSTILE_UNIT}')}\nchangetype: add\nobjectClass: contact\n"
        f"url:: {encoded(value)}\n\n" for name, value in attacks)


def encoded(text):
    return base64.b64encode(text.encode()).decode()


def escaped(name):
    return re.sub(r'([<>=,"+;\\]|^#)', r"\\\1", name)


def configure(beside):
    """The console with two users; the controller is on this computer, and reached over the network, too."""
    jobs, dc1 = beside.jobs, beside.dc1
    password = jobs.folder / "administrator"
    password.touch(mode=0o600)
    password.write_text(PASSWORD + "\n")
    secret = jobs.folder / "secret"
    secret.touch(mode=0o600)
    secret.write_text(SECRET + "\n")
    path = jobs.folder / "dsbackup.toml"
    path.write_text(path.read_text() + f"""
[console]
names = ["{HOST}"]
users = "{jobs.folder}/console.users"
audit = "{jobs.folder}/console.audit"
cache = "{jobs.folder}/console.cache"
service = "{beside.service.socket}"

[console.kerberos]
keytab = "{jobs.folder}/console.keytab"
principal = "HTTP/{HOST}@{REALM}"

[console.server.corp]
in_place = true

[console.server.network]
url = "ldaps://dc1.{REALM.lower()}"
user = "Administrator@{REALM}"
password_file = "{password}"
pin = "{public_key(dc1)}"
""")
    jobs.run("console", "--add-user", "anna", "--new-password-file", secret)
    jobs.run("console", "--add-user", "otto", "--view", "--new-password-file", secret)


def wait(console, jobs):
    deadline = time.monotonic() + 30
    while True:
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", PORT)) == 0:
                return
        if console.poll() is not None or time.monotonic() > deadline:
            raise Failed(f"the console does not listen: {(jobs.folder / 'console.log').read_text()}")
        time.sleep(0.05)


def modify(controller, account, attribute, value):
    dn = controller.search(f"(sAMAccountName={account})")[0]["dn"][0]
    controller.modify(f"dn: {dn}\nchangetype: modify\nreplace: {attribute}\n{attribute}: {value}\n")


def log_in(window, user, password=SECRET):
    window.go("/login")
    window.submit("/login", {"user": user, "password": password})


def shows(window, *texts):
    """Waits until the page shows these texts."""
    deadline = time.monotonic() + 60
    for text in texts:
        while text not in window.text():
            if time.monotonic() > deadline:
                raise Failed(f"the page does not show {text!r}: {window.text()[:4000]}")
            time.sleep(0.2)
            if isinstance(window, Plain):
                window.reload()


def walk(beside, window):
    """Log in, look, search, compare, bring back, take back."""
    dc1, look = beside.dc1, lambda name: beside.look(window, name)
    window.go("/login")
    look("login")
    log_in(window, "anna", "not the password")
    shows(window, "User or password is wrong")
    log_in(window, "anna")
    shows(window, "Overview")
    look("overview")
    window.go("/snapshots")
    shows(window, "1 snapshot", "The running directory of corp")
    look("snapshots")
    snapshot = re.search(r"/snapshots/local/([0-9a-f]{64})", window.html())[1]
    window.go(f"/snapshots/local/{snapshot}")
    look("snapshot")
    window.go(f"/snapshots/local/{snapshot}/forget")
    look("forget")
    here = f"/directory/local/{snapshot}"

    # She looks: tree, search, attributes, groups, permissions.
    window.go(here)
    look("directory")
    window.go(f"{here}/search?q=erin")
    look("search")
    key = key_of(window, here)
    window.go(f"{here}?object={key}")
    shows(window, "sAMAccountName", "withheld", "Then", "History")
    look("object")
    window.go(f"{here}/object/{key}/acl")
    shows(window, "Permissions of")
    look("permissions")
    window.go(f"{here}/object/{key}/members")
    shows(window, *GROUPS)
    look("memberships")
    window.go(f"{here}?object={key}&view=now")
    shows(window, "isDeleted")
    look("now")
    window.go(f"{here}/object/{key}/history")
    shows(window, "first snapshot:")
    look("history")
    window.go(f"{here}/search?q=frank")
    frank = key_of(window, here)
    window.go(f"{here}?object={frank}&view=difference")
    shows(window, "title", "Clerk")
    look("then-and-now")
    window.go(f"{here}/search?q=(displayName=Default%20Domain%20Policy)")
    policy = key_of(window, here)
    window.go(f"{here}/object/{policy}/files")
    shows(window, "GPT.INI")
    path = re.search(r'files\?path=([^"]*GPT\.INI)"', window.html())[1]
    window.go(f"{here}/object/{policy}/files?path={path}")
    shows(window, "[General]", "Version=")
    look("files")

    # What differs from now: the user is deleted, another one has a title.
    pair = f"before=local/{snapshot}&after=@now/corp"
    window.go(f"/compare?{pair}")
    shows(window, "1 deleted", "CN=erin", "CN=frank")
    look("compare-now")
    window.go(f"/compare?{pair}&what=changed&class=user")
    shows(window, "title")
    window.go(f"/compare/object/{key}?{pair}")
    shows(window, "It lives only in the first directory.")
    look("difference")

    # Back from among the deleted objects of now.
    window.go("/directory/@now/corp/deleted")
    shows(window, "erin")
    look("deleted")
    window.submit("/restore/add", ticks=[("object", key)])
    shows(window, "Basket", "CN=erin", "As they were in snapshot")
    look("basket")
    window.submit("/restore/plan", {"server": "corp"})
    shows(window, "What would be done", "CN=erin", "Type corp to confirm", *(f"member of CN={name}" for name in GROUPS))
    look("plan")
    window.submit("/restore/run", {"name": "corp"})
    shows(window, "all that was planned is as in the backup")
    look("work")
    expect("groups of erin", groups(dc1), GROUPS)
    expect("erin's old password", dc1.accepts_password("erin", "Pass-word-1"), True)
    window.go(f"/compare?{pair}&fresh=1")
    shows(window, "0 deleted")
    say("  found, compared, brought back with both groups and the password")

    take_back(beside, window, "corp")
    expect("erin", dc1.users("erin"), {})
    window.submit("/logout")
    shows(window, "Log in")
    say("  taken back")
    return snapshot


def key_of(window, here):
    """The key of the first object in a list."""
    return re.search(rf"{here}\?object=([0-9a-f-]{{36}})", window.html())[1]


def choose(window, snapshot, server, name):
    """Puts an object that is deleted now into the basket."""
    window.go(f"/compare?before=local/{snapshot}&after=@now/{server}&what=deleted&fresh=1")
    shows(window, name)
    [row] = [row for row in re.findall(r"(?s)<tr>.*?</tr>", window.html()) if f">{name}" in row]
    window.submit("/restore/add", ticks=[("object", re.search(r'name="object" value="([0-9a-f-]+)"', row)[1])])
    shows(window, "Basket", name)


def take_back(beside, window, server):
    """Takes the newest restore back."""
    window.go("/restore")
    journal = re.search(r"/restores/(restore-[0-9-]+)", window.html())[1]
    window.go(f"/restores/{journal}")
    shows(window, "came back", "Take back")
    if "Plan the rest" in window.text():
        raise Failed("a restore that has ended can go on")
    beside.look(window, "journal")
    window.submit(f"/restores/{journal}/undo", {"name": server})
    shows(window, "1 object deleted again")
    window.go(f"/restores/{journal}")
    shows(window, "by anna")


def attacked(beside, window, snapshot, attacks, seed):
    """Names and values of objects are text, wherever they are shown: in directories, comparisons and restores."""
    dc1, here = beside.dc1, f"/directory/local/{snapshot}"
    now = f"before=local/{snapshot}&after=@now/corp"
    log_in(window, "anna")
    search = f"{here}/search?q=(objectClass=contact)"
    window.go(search)
    shows(window, "<img src=x onerror=alert(1)>", "U+202E")
    keys = re.findall(rf"{here}\?object=([0-9a-f-]{{36}})", window.html())
    expect("hostile objects", len(set(keys)), len(attacks))
    for number, key in enumerate(keys[:len(HOSTILE)]):
        dn = encoded(f"<GUID={key}>")
        dc1.modify(f"dn:: {dn}\nchangetype: modify\nreplace: url\nurl:: {encoded(attacks[number - 1][1])}\n")
    objects = keys[:len(HOSTILE)]
    for page in [
            search, f"/compare?{now}&what=changed&class=contact&fresh=1", *(f"{here}?object={key}" for key in objects),
            *(f"{here}?object={key}&view={view}" for key in objects for view in ("now", "difference")),
            *(f"{here}/object/{key}/{part}" for key in objects for part in ("acl", "members", "history")),
            *(f"/compare/object/{key}?{now}" for key in objects)]:
        window.go(page)
        window.look(page)

    # They are lost, and come back.
    dc1.run(["ldbdel", "-r", "-H", SAM, HOSTILE_UNIT])
    window.go("/directory/@now/corp/deleted")
    shows(window, "<img src=x onerror=alert(1)>")
    window.look("hostile deleted objects")
    window.go(f"/compare?{now}&what=deleted&name=Hostile&fresh=1")
    shows(window, "U+202E")
    window.look("a comparison with hostile objects")
    wander(seed, snapshot)
    lost = re.findall(r'name="object" value="([0-9a-f-]+)"', window.html())
    expect("what is lost", len(lost), len(attacks) + 1)
    window.submit("/restore/add", ticks=[("object", key) for key in lost])
    shows(window, "Basket", "U+202E")
    window.look("a basket of hostile objects")
    window.submit("/restore/plan", {"server": "corp"})
    shows(window, "Type corp to confirm")
    window.look("a plan for hostile objects")
    window.submit("/restore/run", {"name": "corp"})
    shows(window, "all that was planned is as in the backup")
    window.look("the return of hostile objects")
    window.go("/work")
    window.look("works")
    window.go("/restore")
    window.go(re.search(r"/restores/(restore-[0-9-]+)", window.html())[0])
    shows(window, "came back")
    window.look("a journal of hostile objects")
    window.go(f"/compare?{now}&what=deleted&name=Hostile&fresh=1")
    shows(window, "There is no such object.")
    window.submit("/logout")
    say(f"  {len(attacks)} objects with hostile names and values are text everywhere, and came back")


def wander(seed, snapshot):
    """Follows links at random, rather to addresses of a kind not seen yet: every page is small, and only text."""
    chance, seen = random.Random(seed), collections.Counter()
    window = Plain(BASE)
    log_in(window, "anna")
    for _ in range(STEPS):
        links = [link for link in window.links() if "kerberos" not in link]
        # Away from where nothing leads on.
        if not links or chance.random() < 0.05:
            links = ["/", f"/snapshots/local/{snapshot}", f"/compare?before=local/{snapshot}&after=@now/corp"]
        links = sorted(set(links))
        chance.shuffle(links)
        link = min(links, key=lambda link: seen[kind(link)])
        seen[kind(link)] += 1
        window.go(link)
        found = faults(window.page) if window.kind == "text/html" else []
        size = len(window.page.encode())
        if window.status >= 500 or size > LARGEST or found:
            raise Failed(f"{link}: {window.status}, {size} bytes, {found}: {window.text()[:500]}")
    say(f"  {STEPS} pages at random, of {len(seen)} kinds")


def kind(link):
    """An address without what differs between objects, and the names of its fields."""
    parts = urllib.parse.urlsplit(link)
    fields = "&".join(sorted(name for name, _ in urllib.parse.parse_qsl(parts.query)))
    return re.sub(r"[0-9a-f]{64}|[0-9a-f-]{36}|~\d+|restore-[0-9-]+|(?<=/work/)\w+", "*", parts.path) + "?" + fields


def all_seen(seen):
    """No page of the console was left out."""
    addresses = re.findall(r'\(\s*"(/[^"]*)",\s*get\(', SITE.read_text())
    if len(addresses) < 20:
        raise Failed(f"{SITE} has other words now: {addresses}")
    for address in set(addresses) - NO_PAGE:
        form = re.compile(re.sub(r"\{\w+\}", "[^/]+", address))
        if not any(form.fullmatch(page) for page in seen):
            raise Failed(f"{address} was not looked at")
    say(f"  all {len(set(addresses) - NO_PAGE)} pages were looked at")


def over_ldaps(beside, window, snapshot):
    """The same user comes back over the network, without the password, and is taken back."""
    dc1 = beside.dc1
    log_in(window, "anna")
    choose(window, snapshot, "network", "CN=erin")
    window.submit("/restore/plan", {"server": "network"})
    shows(window, "What would be done", "CN=erin", "ldaps://dc1")
    window.submit("/restore/run", {"name": "network"})
    shows(window, "as in the backup")
    expect("groups of erin", groups(dc1), GROUPS)
    expect("erin's old password", dc1.accepts_password("erin", "Pass-word-1"), False)
    take_back(beside, window, "network")
    expect("erin", dc1.users("erin"), {})
    window.submit("/logout")
    say("  brought back and taken back over ldaps")


def goes_on(beside, window, snapshot):
    """A restore that kill -9 cuts off goes on from its journal."""
    dc1 = beside.dc1
    dc1.run(["ldbdel", "-r", "-H", SAM, UNIT])
    expect("sellers", dc1.users("seller*"), {})
    log_in(window, "anna")
    choose(window, snapshot, "corp", UNIT)
    window.submit("/restore/plan", {"server": "corp"}, ticks=[("subtree", "1")])
    shows(window, "Type corp to confirm")
    folder = beside.jobs.folder / "state" / "restored-objects"
    known = set(folder.glob("*.jsonl"))
    window.submit("/restore/run", {"name": "corp"})
    deadline = time.monotonic() + 60
    while True:
        new = set(folder.glob("*.jsonl")) - known
        if new and new.copy().pop().read_text().count("\n") > 40:
            break
        if time.monotonic() > deadline:
            raise Failed("the restore does not begin")
        time.sleep(0.002)
    beside.stop(signal.SIGKILL)
    left = len(dc1.users("seller*"))
    if left == SELLERS:
        raise Failed("the restore was not cut off")
    beside.start()
    log_in(window, "anna")
    # That the progress of the work broke off is no fault of a page.
    window.complaints()
    window.go("/restore")
    shows(window, "not ended")
    journal = new.pop().stem
    window.go(f"/restores/{journal}")
    shows(window, "It did not come to its end")
    beside.look(window, "cut-off")
    window.submit(f"/restores/{journal}/plan")
    shows(window, "Type corp to confirm")
    window.submit(f"/restores/{journal}/resume", {"name": "corp"})
    shows(window, "all that was planned is as in the backup")
    expect("sellers", len(dc1.users("seller*")), SELLERS)
    window.go(f"/restores/{journal}")
    shows(window, "Take back")
    if "Plan the rest" in window.text():
        raise Failed("a restore that has ended can go on")
    window.submit("/logout")
    say(f"  killed with {left} of {SELLERS} objects back, gone on to the end")


def whole(beside, window, snapshot):
    """The page says how. The service does it once it waits beside a stopped controller, and only then."""
    dc1 = beside.dc1
    here = f"/snapshots/local/{snapshot}/whole"
    modify(dc1, "frank", "title", "Chief")
    dc1.create_user("later")
    log_in(window, "anna")
    window.go(here)
    shows(window, "systemctl stop samba-ad-dc", f"dsbackup restore {snapshot}", "does not answer")
    server = re.search(r"Restore of (\S+)", window.text())[1]
    for mode in ((), ("--restore-mode",)):
        beside.service.serve(*mode)
        window.go(here)
        shows(window, "is online")
        expect("the form beside a running controller", f'action="{here}"' in window.html(), False)
        not_restored(here, server, "no service waits in restore mode")
        beside.service.kill_service()
    expect("frank's title", title(dc1), ["Chief"])

    # All that runs among the controller's files ends with it.
    beside.stop()
    dc1.stop()
    beside.service.serve("--restore-mode")
    beside.start()
    log_in(window, "anna")
    window.complaints()
    window.go(here)
    shows(window, f"Type {server} to confirm")
    beside.look(window, "controller")
    not_restored(here, "another", f"{server} was to be typed")
    window.submit(here, {"name": server})
    shows(window, "every file has the SHA-256 of the backup")
    beside.look(window, "controller restored")
    beside.service.kill_service()
    left = [str(path) for path in (dc1.folder / "lib").rglob("dsbackup.*")]
    expect("what is left of the restore", left, [])
    dc1.start()
    expect("groups of erin", groups(dc1), GROUPS)
    expect("erin's password", dc1.accepts_password("erin", "Pass-word-1"), True)
    expect("frank's title", title(dc1), [])
    expect("who came after the backup", dc1.users("later"), {})
    pair = f"before=local/{snapshot}&after=@now/corp"
    window.go(f"/compare?{pair}&fresh=1")
    shows(window, "0 added, 0 deleted")
    for name in ("erin", "frank", "Hostile", "Sales"):
        window.go(f"/compare?{pair}&name={name}")
        shows(window, "There is no such object.")
    dc1.dbcheck()
    window.submit("/logout")
    say("  the whole controller came back through the service in restore mode, dbcheck clean")


def not_restored(here, name, because):
    """Whoever sends the form where the page has none, or with another name, is refused."""
    window = Plain(BASE)
    log_in(window, "anna")
    window.go("/restore")
    word = re.search(r'name="csrf" value="([0-9a-f]+)"', window.html())[1]
    window.page = f'<form action="{here}"><input name="csrf" value="{word}"></form>'
    window.submit(here, {"name": name})
    if because not in window.text():
        raise Failed(f"the restore was not refused: {window.text()}")


def title(dc1):
    [found] = dc1.search("(sAMAccountName=frank)", ["title"])
    return found.get("title", [])


def groups(dc1):
    [found] = dc1.search("(sAMAccountName=erin)", ["memberOf"])
    return {name.split(",")[0].removeprefix("CN=") for name in found.get("memberOf", [])}


def refusals():
    """Who may only look does nothing, and a form needs the word of its login."""
    window = Plain(BASE)
    log_in(window, "otto")
    window.go("/restore")
    word = re.search(r'name="csrf" value="([0-9a-f]+)"', window.html())[1]
    for path in ("/restore/add", "/restore/plan", "/restore/run", "/jobs/nightly/run", "/restores/restore-1/plan",
                 "/restores/restore-1/resume", "/restores/restore-1/undo"):
        for csrf in (word, "0"):
            window.page = f'<form action="{path}"><input name="csrf" value="{csrf}"></form>'
            window.submit(path)
            if "Refused" not in window.text():
                raise Failed(f"{path} was not refused: {window.text()}")


def by_tickets(dc1):
    """A domain administrator logs in with a ticket; an ordinary user does not, and nobody without."""
    for user, password, expected in [
            ("Administrator", PASSWORD, "303"), ("frank", "Pass-word-1", "403"), (None, None, "401")]:
        environment = {"KRB5CCNAME": f"FILE:{dc1.folder}/tickets-of-{user}"}
        if user:
            dc1.run(["kinit", f"{user}@{REALM}"], input=f"{password}\n", env=environment)
        answer = dc1.run([
            "curl", "-s", "-o", "/dev/null", "-D", "-", "--negotiate", "-u", ":", "--connect-to",
            f"{HOST}:{PORT}:127.0.0.1:{PORT}", f"http://{HOST}:{PORT}/login/kerberos"], env=environment)
        expect(f"the login of {user}", last_status(answer.out), expected)
        if (expected == "303") != ("set-cookie: dsbackup=" in answer.out.lower()):
            raise Failed(f"cookies of {user}: {answer.out}")
    say("  logins with tickets: a domain administrator, and nobody else")


def many_attempts(beside):
    """A thousand attempts: few are looked at, the memory is bounded, and the right password works after the pause."""
    def attempt(number):
        window = Plain(BASE)
        log_in(window, ("anna", "otto", f"nobody{number}")[number % 3], f"a guess {number}")
        return "Too many" if "Too many attempts" in window.text() else "wrong"

    begin = time.monotonic()
    with concurrent.futures.ThreadPoolExecutor(50) as threads:
        answers = collections.Counter(threads.map(attempt, range(ATTEMPTS)))
    seconds = time.monotonic() - begin
    # Four cost nothing; each further one doubles the wait, and what is under way already counts.
    if answers["wrong"] > 16:
        raise Failed(f"{answers} in {seconds:.0f} s")
    status = open(f"/proc/{beside.console.pid}/status").read()
    most = int(re.search(r"VmHWM:\s+(\d+)", status)[1]) >> 10
    if most > 256:
        raise Failed(f"{most} MiB")
    window, begin = Plain(BASE), time.monotonic()
    while True:
        log_in(window, "anna")
        if "Overview" in window.text():
            break
        if time.monotonic() > begin + 330:
            raise Failed(f"the right password does not work: {window.text()[:500]}")
        time.sleep(1)
    say(f"  {ATTEMPTS} attempts in {seconds:.0f} s: {answers['wrong']} looked at; the right password after another "
        f"{time.monotonic() - begin:.0f} s; at most {most} MiB")


def last_status(headers):
    return [line.split()[1] for line in headers.splitlines() if line.startswith("HTTP/")][-1]
