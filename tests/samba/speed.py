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
    # Two repositories: chunks of the usual size, and of 8 KiB.
    usual = Dsbackup(dc1)
    fine = Dsbackup(dc1, lab.folder / "fine-repository")
    usual.init()
    fine.init("--chunk-size", "8")
    with usual:
        usual.serve()
        # All read the same files, none of them from the disk.
        full, fine_full = timed(usual), timed(fine)
        target = dc1.folder / "standard"
        standard = dc1.samba_tool("domain", "backup", "offline", f"--targetdir={target}", timeout=600)
        standard_bytes = sum(file.stat().st_size for file in target.iterdir())
        shutil.rmtree(target)

        changes = "\n".join(
            f"dn: CN=user{number:05},CN=Users,{BASE_DN}\nchangetype: modify\nreplace: description\n"
            f"description: changed\n" for number in range(0, users, users // 100))
        dc1.modify(changes)
        second, fine_second = timed(usual), timed(fine)
        nothing = timed(usual)
        usual.stop_service()
    dc1.stop()
    say(f"  {users} users, {full[0]['bytes'] / 1e6:.0f} MB of files")
    say(f"  {'samba-tool domain backup offline':44} {standard.seconds:6.2f} s {standard_bytes / 1e6:8.2f} MB")
    for name, (result, seconds) in (
        ("dsbackup, the first backup", full),
        ("dsbackup, after 100 changed users", second),
        ("dsbackup, after no change", nothing),
        ("dsbackup, chunks of 8 KiB, the first backup", fine_full),
        ("dsbackup, chunks of 8 KiB, after 100 changes", fine_second),
    ):
        say(f"  {name:44} {seconds:6.2f} s {result['stored_bytes'] / 1e6:8.2f} MB")
    faster = standard.seconds / full[1]
    smaller, fine_smaller = (
        first[0]["stored_bytes"] / next[0]["stored_bytes"] for first, next in ((full, second), (fine_full, fine_second)))
    say(f"  {faster:.1f} x faster than samba-tool; the second backup is {smaller:.1f} x smaller than the first, "
        f"with chunks of 8 KiB {fine_smaller:.1f} x")
    if options.full and faster < 5:
        raise Failed("expected at least 5 x faster than samba-tool")
    if options.full and fine_smaller < 20:
        raise Failed("expected a second backup at least 20 x smaller than the first, with chunks of 8 KiB")


def timed(dsbackup):
    """The whole command, from its start to its end."""
    run = dsbackup.run("backup", "--json", "--quiet")
    return run.json(), run.seconds
