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
    # Two repositories: as they are made without a word, and with the same chunks for every file.
    usual = Dsbackup(dc1)
    coarse = Dsbackup(dc1, lab.folder / "coarse-repository")
    usual.init()
    coarse.init("--chunk-size", "32")
    with usual:
        usual.serve()
        # All read the same files, none of them from the disk.
        full, coarse_full = Backup(usual), Backup(coarse)
        target = dc1.folder / "standard"
        standard = dc1.samba_tool("domain", "backup", "offline", f"--targetdir={target}", timeout=600)
        standard_bytes = size(target)
        shutil.rmtree(target)

        changes = "\n".join(
            f"dn: CN=user{number:05},CN=Users,{BASE_DN}\nchangetype: modify\nreplace: description\n"
            f"description: changed\n" for number in range(0, users, users // 100))
        dc1.modify(changes)
        second, coarse_second = Backup(usual), Backup(coarse)
        nothing = Backup(usual)
        usual.stop_service()
    dc1.stop()
    say(f"  {users} users, {full.read / 1e6:.0f} MB of files")
    say(f"  {'samba-tool domain backup offline':46} {standard.seconds:6.2f} s {standard_bytes / 1e6:8.2f} MB")
    for name, backup in (
        ("dsbackup, the first backup", full),
        ("dsbackup, after 100 changed users", second),
        ("dsbackup, after no change", nothing),
        ("dsbackup, chunks of 32 KiB, the first backup", coarse_full),
        ("dsbackup, chunks of 32 KiB, after 100 changes", coarse_second),
    ):
        say(f"  {name:46} {backup.seconds:6.2f} s {backup.grown / 1e6:8.2f} MB")
    faster = standard.seconds / full.seconds
    smaller = full.grown / second.grown
    say(f"  {faster:.1f} x faster than samba-tool; the second backup is {smaller:.1f} x smaller than the first, "
        f"with chunks of 32 KiB {coarse_full.grown / coarse_second.grown:.1f} x")
    if options.full and faster < 5:
        raise Failed("expected at least 5 x faster than samba-tool")
    if options.full and smaller < 20:
        raise Failed("expected a second backup at least 20 x smaller than the first")


class Backup:
    """A backup: how long the whole command took, from its start to its end, and by how much the repository grew."""

    def __init__(self, dsbackup):
        before = size(dsbackup.repository)
        run = dsbackup.run("backup", "--json", "--quiet")
        self.seconds, self.read = run.seconds, run.json()["bytes"]
        self.grown = size(dsbackup.repository) - before


def size(folder):
    """Bytes of all files of a folder."""
    return sum(file.stat().st_size for file in folder.rglob("*") if file.is_file())
