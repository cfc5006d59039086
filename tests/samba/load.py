"""Work for a domain controller: LDAP clients that write and read, each in a process of its own, and note every step.

    load.py writer LOG URL NUMBER        adds and changes users, as fast as the controller acknowledges
    load.py reader LOG URL NUMBER        searches users

Every acknowledged step is one line of LOG: kind, name, when it began and when it was acknowledged (seconds since 1970).
Ends at SIGTERM, after the step under way.
"""

import random
import signal
import sys
import time

import ldb
from samba import credentials, param
from samba.samdb import SamDB

from lab import BASE_DN, DOMAIN, PASSWORD, REALM

going = True


def end(*_):
    global going
    going = False


def connect(url):
    lp = param.LoadParm()
    lp.load("/etc/samba/smb.conf")
    credential = credentials.Credentials()
    credential.guess(lp)
    credential.set_username("Administrator")
    credential.set_password(PASSWORD)
    credential.set_domain(DOMAIN)
    credential.set_realm(REALM)
    credential.set_kerberos_state(credentials.DONT_USE_KERBEROS)
    return SamDB(url=url, credentials=credential, lp=lp)


def write(directory, number, note):
    step = 0
    stamp = f"{int(time.time()) % 100000:05}"
    while going:
        step += 1
        name = f"w{number}-{stamp}-{step:05}"
        note("add", name, lambda: directory.add({
            "dn": f"CN={name},CN=Users,{BASE_DN}", "objectClass": "user", "sAMAccountName": name,
            "description": "written under load",
        }))
        dn = ldb.Dn(directory, f"CN={name},CN=Users,{BASE_DN}")
        change = ldb.Message(dn)
        change["description"] = ldb.MessageElement(f"changed {step}", ldb.FLAG_MOD_REPLACE, "description")
        note("change", name, lambda: directory.modify(change))


def read(directory, number, note):
    while going:
        name = f"user{random.randrange(1000):05}"
        note("search", name, lambda: directory.search(
            BASE_DN, ldb.SCOPE_SUBTREE, f"(sAMAccountName={name})", attrs=["displayName", "mail"]))


def main():
    what, log, url, number = sys.argv[1:]
    signal.signal(signal.SIGTERM, end)
    directory = connect(url)
    with open(log, "w", buffering=1) as lines:
        def note(kind, name, step):
            begin = time.time()
            try:
                step()
                lines.write(f"{kind} {name} {begin:.6f} {time.time():.6f}\n")
            except ldb.LdbError as error:
                lines.write(f"error {name} {begin:.6f} {time.time():.6f} {kind}: {error}\n")
        {"writer": write, "reader": read}[what](directory, number, note)


if __name__ == "__main__":
    main()
