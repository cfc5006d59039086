"""The web console beside a controller: a deleted user with two groups is found, brought back, and taken back."""

import re
import socket
import time

from dsbackup import PROGRAM
from in_place import expect
from jobs import Jobs
from lab import PASSWORD, REALM, SAM, Failed, say
from web import Plain, browser

PORT = 7480
HOST = f"console.{REALM.lower()}"
BASE = f"http://127.0.0.1:{PORT}/"
SECRET = "a password of the console"
GROUPS = {"red", "blue"}


def run(lab, backend, options):
    dc1 = lab.controller("dc1", 1)
    dc1.provision(backend)
    dc1.start()
    for name in ("erin", "frank"):
        dc1.create_user(name)
    for group in GROUPS:
        dc1.samba_tool("group", "add", group)
        dc1.samba_tool("group", "addmembers", group, "erin")
    jobs = Jobs(dc1, lab.folder / "repository")
    jobs.run("setup", "--samba", "--repository", jobs.repository, "--no-timer")
    dc1.create_user("console-service")
    dc1.samba_tool("spn", "add", f"HTTP/{HOST}", "console-service", "-H", SAM)
    dc1.samba_tool("domain", "exportkeytab", jobs.folder / "console.keytab", f"--principal=HTTP/{HOST}")
    configure(jobs)
    # The deletion is later than the backup, by the clock in seconds.
    time.sleep(2)
    dc1.samba_tool("user", "delete", "erin")
    modify(dc1, "frank", "title", "Clerk")
    log = open(jobs.folder / "console.log", "ab")
    console = dc1.spawn([PROGRAM, "console"], env=jobs.environment(), stdout=log, stderr=log)
    try:
        wait(console, jobs)
        with browser(BASE) as window:
            say(f"  with {type(window).__name__}")
            walk(dc1, window)
        refusals()
        by_tickets(dc1)
    finally:
        console.terminate()
        console.wait(30)
    audit = (jobs.folder / "console.audit").read_text()
    for words in ('"POST /restore/run"', '"restore ended"', '"undo ended"', '"POST /login"'):
        if words not in audit:
            raise Failed(f"the audit log has no {words}: {audit}")
    for secret in (SECRET, "Pass-word-1"):
        if secret in audit:
            raise Failed("the audit log tells a password")


def configure(jobs):
    """The console with two users; the controller is on this computer."""
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

[console.kerberos]
keytab = "{jobs.folder}/console.keytab"
principal = "HTTP/{HOST}@{REALM}"

[console.server.corp]
in_place = true
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


def walk(dc1, window):
    log_in(window, "anna", "not the password")
    shows(window, "User or password is wrong")
    log_in(window, "anna")
    shows(window, "Overview")
    window.go("/snapshots")
    shows(window, "1 snapshot", "The running directory of corp")
    snapshot = re.search(r"/snapshots/local/([0-9a-f]{64})", window.html())[1]
    here = f"/directory/local/{snapshot}"

    # She looks: search, attributes, groups.
    window.go(f"{here}/search?q=erin")
    key = re.search(rf"{here}\?object=([0-9a-f-]{{36}})", window.html())[1]
    window.go(f"{here}?object={key}")
    shows(window, "sAMAccountName", "withheld", "Then", "History")
    window.go(f"{here}/object/{key}/members")
    shows(window, *GROUPS)
    window.go(f"{here}?object={key}&view=now")
    shows(window, "isDeleted")
    window.go(f"{here}/object/{key}/history")
    shows(window, "first snapshot:")
    window.go(f"{here}/search?q=(displayName=Default%20Domain%20Policy)")
    policy = re.search(rf"{here}\?object=([0-9a-f-]{{36}})", window.html())[1]
    window.go(f"{here}/object/{policy}/files")
    shows(window, "GPT.INI")
    path = re.search(r'files\?path=([^"]*GPT\.INI)"', window.html())[1]
    window.go(f"{here}/object/{policy}/files?path={path}")
    shows(window, "[General]", "Version=")

    # What differs from now: the user is deleted, another one has a title.
    pair = f"before=local/{snapshot}&after=@now/corp"
    window.go(f"/compare?{pair}")
    shows(window, "1 deleted", "CN=erin", "CN=frank")
    window.go(f"/compare?{pair}&what=changed&class=user")
    shows(window, "title")

    # Back from among the deleted objects of now.
    window.go("/directory/@now/corp/deleted")
    shows(window, "erin")
    window.submit("/restore/add", ticks=[("object", key)])
    shows(window, "Basket", "CN=erin", "As they were in snapshot")
    window.submit("/restore/plan", {"server": "corp"})
    shows(window, "What would be done", "CN=erin", "Type corp to confirm", *(f"member of CN={name}" for name in GROUPS))
    window.submit("/restore/run", {"name": "corp"})
    shows(window, "all that was planned is as in the backup")
    expect("groups of erin", groups(dc1), GROUPS)
    expect("erin's old password", dc1.accepts_password("erin", "Pass-word-1"), True)
    window.go(f"/compare?{pair}&fresh=1")
    shows(window, "0 deleted")
    say("  found, compared, brought back with both groups and the password")

    window.go("/restore")
    journal = re.search(r"/restores/(restore-[0-9-]+)", window.html())[1]
    window.go(f"/restores/{journal}")
    shows(window, "came back", "Take back")
    window.submit(f"/restores/{journal}/undo", {"name": "corp"})
    shows(window, "1 object deleted again")
    expect("erin", dc1.users("erin"), {})
    window.go(f"/restores/{journal}")
    shows(window, "by anna")
    window.submit("/logout")
    shows(window, "Log in")
    say("  taken back")


def groups(dc1):
    [found] = dc1.search("(sAMAccountName=erin)", ["memberOf"])
    return {name.split(",")[0].removeprefix("CN=") for name in found.get("memberOf", [])}


def refusals():
    """Who may only look does nothing, and a form needs the word of its login."""
    window = Plain(BASE)
    log_in(window, "otto")
    window.go("/restore")
    word = re.search(r'name="csrf" value="([0-9a-f]+)"', window.html())[1]
    for path in ("/restore/add", "/restore/plan", "/restore/run", "/jobs/nightly/run"):
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


def last_status(headers):
    return [line.split()[1] for line in headers.splitlines() if line.startswith("HTTP/")][-1]
