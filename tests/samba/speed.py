"""Speed and size beside the standard tool, in one run."""

import shutil

from dsbackup import Dsbackup
from lab import BASE_DN, Failed, say


def run(lab, backend, options):
    users = 10000 if options.full else 2000
    dc1 = lab.controller("dc1", 1)
    dc1.provision(backend)
    dc1.load_users(users)
    dc1.start()
    with Dsbackup(dc1) as dsbackup:
        dsbackup.init()
        dsbackup.serve()
        # Both read the same files, neither from the disk.
        full, full_seconds = timed(dsbackup)
        target = dc1.folder / "standard"
        standard = dc1.samba_tool("domain", "backup", "offline", f"--targetdir={target}", timeout=600)
        standard_bytes = sum(file.stat().st_size for file in target.iterdir())
        shutil.rmtree(target)

        changes = "\n".join(
            f"dn: CN=user{number:05},CN=Users,{BASE_DN}\nchangetype: modify\nreplace: description\n"
            f"description: changed\n" for number in range(0, users, users // 100))
        dc1.modify(changes)
        second, second_seconds = timed(dsbackup)
        nothing, nothing_seconds = timed(dsbackup)
        dsbackup.stop_service()
    dc1.stop()
    say(f"  {users} users, {full['bytes'] / 1e6:.0f} MB of files")
    for name, seconds, size in (
        ("samba-tool domain backup offline", standard.seconds, standard_bytes),
        ("dsbackup, the first backup", full_seconds, full["stored_bytes"]),
        ("dsbackup, after 100 changed users", second_seconds, second["stored_bytes"]),
        ("dsbackup, after no change", nothing_seconds, nothing["stored_bytes"]),
    ):
        say(f"  {name:36} {seconds:6.2f} s {size / 1e6:8.2f} MB")
    faster = standard.seconds / full_seconds
    smaller = full["stored_bytes"] / second["stored_bytes"]
    say(f"  {faster:.1f} x faster than samba-tool; the second backup is {smaller:.0f} x smaller than the first")
    if options.full and (faster < 5 or smaller < 20):
        raise Failed("expected at least 5 x faster and 20 x smaller")


def timed(dsbackup):
    """The whole command, from its start to its end."""
    run = dsbackup.run("backup", "--json", "--quiet")
    return run.json(), run.seconds
