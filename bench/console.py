"""Asks the console for pages of large directories, for bench/console: TOLD COUNT PID SNAPSHOT..."""

import json
import re
import statistics
import sys
import time

from web import Plain


def main(told, count, pid, snapshot, *others):
    console = json.load(open(told))
    window = Plain(console["address"])
    window.go("/login")
    window.submit("/login", {"user": console["user"], "password": console["password"]})
    here = f"/directory/local/{snapshot}"

    def timed(title, path):
        begin = time.monotonic()
        window.go(path)
        first = time.monotonic() - begin
        if "Failed" in window.text()[:200]:
            sys.exit(window.text())
        more = []
        for _ in range(10):
            begin = time.monotonic()
            window.go(path)
            more.append(time.monotonic() - begin)
        print(f"{title}: {first * 1000:.0f} ms at first, then {statistics.median(more) * 1000:.0f} ms "
              f"(at most {max(more) * 1000:.0f}), {len(window.html()) / 1024:.0f} KiB; {memory(pid)}", flush=True)

    timed("start", here)
    window.go(f"{here}/search?q=(distinguishedName=CN=Users,DC=lab,DC=example)")
    users = re.search(rf"{here}\?object=([0-9a-f-]{{36}})", window.html())[1]
    last = int(count) // 100 * 100 - 100
    timed("first page of the container", f"{here}?at={users}")
    timed("page in the middle", f"{here}?at={users}&from={last // 2}")
    timed("last page", f"{here}?at={users}&from={last}")
    window.go(f"{here}?at={users}")
    person = re.search(r'name="object" value="([0-9a-f-]{36})" aria-label="Choose person', window.html())[1]
    timed("an object among them", f"{here}?at={users}&object={person}")
    timed("search by name", f"{here}/search?q=person{int(count) - 1:06}")
    for number, other in enumerate(others, 2):
        timed(f"directory {number}", f"/directory/local/{other}?at={users}")
    timed("the first one again", f"{here}?at={users}")
    most = mebibytes(pid, "VmHWM")
    if most > 256:
        sys.exit(f"the console took {most} MiB, more than 256")


def memory(pid):
    return f"memory {mebibytes(pid, 'VmRSS')} MiB, at most {mebibytes(pid, 'VmHWM')} MiB"


def mebibytes(pid, name):
    status = open(f"/proc/{pid}/status").read()
    return int(re.search(rf"{name}:\s+(\d+)", status)[1]) // 1024


main(*sys.argv[1:])
