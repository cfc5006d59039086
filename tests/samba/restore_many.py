"""A unit of many objects comes back: how long that takes beside ldbmodify, and what kill -9 leaves behind."""

import base64
import os
import random
import resource
import signal
import subprocess
import time

from in_place import back_up, expect, one
from lab import BASE_DN, Failed, LDAPI, SAM, say
from restore_objects import add, agree, dbcheck, delete, differences, group, in_place, lets_in, same, user

MANY = f"OU=Many,{BASE_DN}"
HASHES = ["unicodePwd", "ntPwdHistory", "supplementalCredentials", "pwdLastSet"]
# What the hand-made LDIF puts back; a restore puts back all.
ATTRIBUTES = [
    "givenName", "telephoneNumber", "userPrincipalName", "title", "employeeID", "accountExpires", "nTSecurityDescriptor",
    *HASHES, "userAccountControl"]


def run(lab, backend, options):
    """500 objects, thirty kills."""
    seed = options.seed if options.seed is not None else random.randrange(10**6)
    say(f"  seed {seed}")
    dc1, dsbackup = backed_up(lab, backend, 500)
    speed(dc1, dsbackup)
    # From here on with a partner, which hears of all that the restores leave behind.
    dc2 = lab.controller("dc2", 2)
    dc2.join(dc1, backend)
    dc2.start()

    def replicate():
        dc2.replicate_from(dc1)
        dc1.replicate_from(dc2)

    replicate()
    known = dbcheck(dc1)
    dsbackup.run("backup", "--samba")
    kills(dc1, dsbackup, 30, random.Random(seed))
    vanishing(dc1, dsbackup)
    replicate()
    agree(dc1, dc2)
    for controller in (dc1, dc2):
        expect(f"dbcheck of {controller.name}", dbcheck(controller), known)
        expect(f"many007 at {controller.name} with the old password", lets_in(controller, "many007"), True)
    say("  both controllers agree, dbcheck finds nothing new")


def run_speed(lab, backend, options):
    """Only the time, for a quiet machine."""
    speed(*backed_up(lab, backend, 500), times=3)


def backed_up(lab, backend, count):
    dc1 = one(lab, backend)
    make(dc1, count)
    return dc1, back_up(dc1)


def make(dc1, count):
    """A unit with many objects: itself, users, and a tenth of them groups."""
    groups = count // 10
    users = count - groups - 1
    entries = [f"dn: {MANY}\nobjectClass: organizationalUnit"]
    for number in range(users):
        entries.append(user(f"many{number:03}", MANY, "title: One of many", f"employeeID: {number}"))
    for number in range(groups):
        members = [f"CN=many{member % users:03},{MANY}" for member in range(number * 9, number * 9 + 9)]
        entries.append(group(f"manygroup{number:02}", MANY, *members))
    add(dc1, *entries)


def speed(dc1, dsbackup, times=1):
    """A restore of all, and the same changes as prepared LDIF by ldbmodify."""
    found = dc1.search("(objectClass=*)", ["objectGUID", "objectClass", "member", *ATTRIBUTES], base=MANY)
    best, by_hand, at_once = [], [], []
    for _ in range(times):
        delete(dc1, MANY)
        before = processor(dc1)
        restored = in_place(dsbackup, MANY, "--subtree")
        best.append((restored.seconds, processor(dc1) - before))
        for figures, url in ((by_hand, LDAPI), (at_once, SAM)):
            delete(dc1, MANY)
            figures.append(with_ldbmodify(dc1, found, url))
    writes = restored.json()["writes"]
    delete(dc1, MANY)
    in_place(dsbackup, MANY, "--subtree")
    same(dsbackup, "after many objects came back")
    expect("many007 with the old password", lets_in(dc1, "many007"), True)
    (seconds, own), (by_hand, own_by_hand), (at_once, own_at_once) = min(best), min(by_hand), min(at_once)
    say(f"  {len(found)} objects came back in {seconds:.2f} s, {own:.1f} s of the processors ({writes} writes, plan, "
        f"journal and check); ldbmodify of prepared LDIF, nothing checked: {by_hand:.2f} s, {own_by_hand:.1f} s of the "
        f"processors by the socket, {at_once:.2f} s, {own_at_once:.1f} s in three transactions of the database; load "
        f"{os.getloadavg()[0]:.1f}; {fsync(dc1.folder):.1f} ms until the disk has a block")


def fsync(folder, times=50):
    """The milliseconds until the disk has a block."""
    with open(folder / "block", "wb") as file:
        begin = time.monotonic()
        for _ in range(times):
            file.write(bytes(4096))
            file.flush()
            os.fsync(file.fileno())
        return (time.monotonic() - begin) / times * 1000


def processor(controller):
    """The seconds of the processors that the controller has used, and all commands until now."""
    ticks = 0
    for pid in controller.processes():
        try:
            with open(f"/proc/{pid}/stat") as file:
                ticks += sum(int(field) for field in file.read().rsplit(")", 1)[1].split()[11:13])
        except OSError:
            pass
    commands = resource.getrusage(resource.RUSAGE_CHILDREN)
    return ticks / os.sysconf("SC_CLK_TCK") + commands.ru_utime + commands.ru_stime


def with_ldbmodify(dc1, found, url):
    """The seconds of the same by hand, and those of the processors: tombstones, attributes and hashes, members."""
    deleted = {entry["objectGUID"][0]: entry["dn"][0] for entry in deleted_objects(dc1)}
    first, second, third = [], [], []
    # A unit before what is in it.
    for entry in sorted(found, key=lambda entry: len(entry["dn"][0])):
        guid, dn = entry["objectGUID"][0], entry["dn"][0]
        first.append(f"dn: {deleted[guid]}\nchangetype: modify\ndelete: isDeleted\n-\nreplace: distinguishedName\n"
                     f"distinguishedName: {dn}\n")
        lines = [f"dn: {dn}", "changetype: modify"]
        for name in ATTRIBUTES:
            if name in entry:
                sign = "::" if name in BINARY else ":"
                lines += [f"replace: {name}", f"{name}{sign} {entry[name][0]}", "-"]
        if len(lines) > 2:
            second.append("\n".join(lines) + "\n")
        if "member" in entry:
            third.append("\n".join([f"dn: {dn}", "changetype: modify", "replace: member",
                                    *(f"member: {one}" for one in entry["member"])]) + "\n")
    begin, before = time.monotonic(), processor(dc1)
    for part in (first, second, third):
        dc1.run(["ldbmodify", "-H", url, "--controls=show_deleted:1", "--controls=show_recycled:1",
                 "--controls=local_oid:1.3.6.1.4.1.7165.4.3.12:1"], input="\n".join(part) + "\n")
    return time.monotonic() - begin, processor(dc1) - before


BINARY = {"unicodePwd", "ntPwdHistory", "supplementalCredentials"}


def deleted_objects(dc1):
    out = dc1.run(["ldbsearch", "-H", LDAPI, "-b", f"CN=Deleted Objects,{BASE_DN}", "--controls=show_deleted:1",
                   "--controls=show_recycled:1", "(isDeleted=TRUE)", "objectGUID"]).out
    entry, found = {}, []
    for line in out.replace("\n ", "").splitlines():
        if line.startswith("dn:: "):
            entry = {"dn": [base64.b64decode(line[5:]).decode()]}
        elif line.startswith("dn: "):
            entry = {"dn": [line[4:]]}
        elif line.startswith("objectGUID: "):
            entry["objectGUID"] = [line[12:]]
            found.append(entry)
    return found


def unsafe(dc1):
    """Accounts that are enabled, and have not expired, without a password."""
    found = dc1.search("(&(objectClass=user)(cn=many*))", ["userAccountControl", "unicodePwd", "accountExpires"])
    return [entry["dn"][0] for entry in found
            if not int(entry["userAccountControl"][0]) & 2 and entry["accountExpires"][0] != "1"
            and "unicodePwd" not in entry]


def kills(dc1, dsbackup, count, chance, at_once=5):
    """kill -9 at points of restores, each of which is killed several times on its way: it goes on each time, or is
    taken back in the end."""
    def spawn(*arguments):
        command = ["restore-objects", *arguments, "--in-place", "--yes", "--quiet"]
        return dsbackup.spawn(*command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)

    def begin(journal):
        return spawn("latest", MANY, "--subtree", "--journal", str(journal))

    def size(journal):
        return journal.stat().st_size if journal.exists() else 0

    delete(dc1, MANY)
    whole = dc1.folder / "journal-whole"
    begin(whole).wait()
    points, undone = [], 0
    for number in range(count // at_once):
        if dc1.search(f"(distinguishedName={MANY})"):
            delete(dc1, MANY)
        journal = dc1.folder / f"journal-{number}"
        process = begin(journal)
        for end in sorted(chance.randrange(size(whole)) for _ in range(at_once)):
            # Something is written before it is killed again.
            end = max(end, size(journal) + 1)
            while process.poll() is None and size(journal) < end:
                time.sleep(0.0005)
            time.sleep(chance.random() * 0.01)
            if process.poll() is None:
                points.append(journal.read_text().count('"done"'))
            process.send_signal(signal.SIGKILL)
            process.wait()
            expect("accounts enabled without a password", unsafe(dc1), [])
            process = spawn("--resume", str(journal))
        if number % 3 == 2:
            process.send_signal(signal.SIGKILL)
            process.wait()
            dsbackup.run("undo", str(journal), "--in-place", "--yes")
            expect("objects that stay when a restore is taken back", dc1.search("(cn=many*)"), [])
            undone += 1
            gone = {kind for kind, _ in differences(dsbackup).values()}
            expect("what differs beside the unit that is gone again", gone, {"deleted"})
        else:
            expect("how the last run ends", process.wait(), 0)
            same(dsbackup, f"after kills at writes {points[-at_once:]}")
    if not dc1.search(f"(distinguishedName={MANY})"):
        in_place(dsbackup, MANY, "--subtree")
    same(dsbackup, "after all kills")
    say(f"  killed {len(points)} times, after these numbers of writes: {points}; {undone} of {count // at_once} restores "
        "were taken back, the others went on after each kill; no account was enabled without its password")


def vanishing(dc1, dsbackup):
    """The server goes away in the middle."""
    delete(dc1, MANY)
    journal, said = dc1.folder / "journal-vanishing", dc1.folder / "said-vanishing"
    with open(said, "w") as file:
        process = dsbackup.spawn("restore-objects", "latest", MANY, "--subtree", "--in-place", "--yes", "--journal",
                                 str(journal), stdout=subprocess.DEVNULL, stderr=file)
    server_goes_away(dc1, process, journal, said, 20)
    expect("accounts enabled without a password", unsafe(dc1), [])
    dsbackup.run("restore-objects", "--resume", str(journal), "--in-place", "--yes")
    same(dsbackup, "after the server went away and came again")
    say("  the server went away in the middle; the restore went on afterwards")


def server_goes_away(dc1, process, journal, said, writes):
    """Kills the server, and nothing else, when a restore has made so many writes, and starts it again. The restore
    tells how to go on."""
    while not journal.exists() or journal.read_text().count('"done"') < writes:
        if process.poll() is not None:
            raise Failed(f"the restore ended before the server could: {said.read_text()[-2000:]}")
        time.sleep(0.005)
    # dc1.kill() would also kill the restore.
    for pid in dc1.processes():
        if pid != process.pid and "samba" in command_of(pid):
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                pass
    code, err = process.wait(150), said.read_text()
    if code != 1 or "--resume" not in err:
        raise Failed(f"the restore does not tell how to go on: {code} {err[-2000:]}")
    dc1.kill()
    dc1.start()


def command_of(pid):
    try:
        with open(f"/proc/{pid}/cmdline") as file:
            return file.read()
    except OSError:
        return ""
