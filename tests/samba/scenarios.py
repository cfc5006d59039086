"""Runs scenarios on real domain controllers. Started by `run`, in namespaces of its own."""

import argparse
import sys
import time
import traceback
from pathlib import Path

import authoritative
import browse
import console
import diff
import drill
import faults
import in_place
import objects
import jobs
import recovered_domain
import remote
import restore_kinds
import restore_many
import restore_objects
import restore_options
import restore_random
import short
import speed
import under_load
import windows_kerberos
from lab import Lab, say

SCENARIOS = {
    "under-load": under_load.run,
    "in-place": in_place.run,
    "in-place-second": in_place.run_second,
    "drill": drill.run,
    "faults": faults.run,
    "recovered-domain": recovered_domain.run,
    "remote": remote.run,
    "diff": diff.run,
    "diff-large": diff.run_large,
    "restore-objects": restore_objects.run,
    "restore-objects-two": restore_objects.run_two,
    "restore-kinds": restore_kinds.run,
    "restore-options": restore_options.run,
    "restore-many": restore_many.run,
    "restore-random": restore_random.run,
    "authoritative": authoritative.run,
    "objects": objects.run,
    "browse": browse.run,
    "jobs": jobs.run,
    "console": console.run,
    "speed": speed.run,
}
# On their own demand only: what ./test runs, which the others hold all, and what needs dsbackup.exe.
SHORT = {"short": short.run, "windows-kerberos": windows_kerberos.run, "restore-objects-short": restore_objects.run_short,
         "restore-objects-speed": restore_many.run_speed}
BACKENDS = ["mdb", "tdb"]


def main():
    parser = argparse.ArgumentParser(prog="tests/samba/run", description=__doc__)
    parser.add_argument("--folder", required=True, help=argparse.SUPPRESS)
    parser.add_argument("--full", action="store_true", help="10,000 users and twenty backups in a row, as in the README")
    parser.add_argument("--backend", choices=BACKENDS, action="append", help="only this one (default: both)")
    parser.add_argument("--seed", type=int, help="of the random changes of diff (default: another one each time)")
    parser.add_argument("--browser", choices=["chromium", "firefox", "plain"],
        help="of console (default: chromium where chromedriver is installed)")
    parser.add_argument("--pictures", type=Path, help="the folder for pictures of console")
    parser.add_argument("scenario", nargs="*", metavar="SCENARIO", 
        help=f"of {', '.join([*SCENARIOS, *SHORT])} (default: all but short)")
    options = parser.parse_args()
    unknown = set(options.scenario) - set(SCENARIOS | SHORT)
    if unknown:
        parser.error(f"unknown scenario: {', '.join(unknown)}")
    failed = []
    for name in options.scenario or SCENARIOS:
        for backend in options.backend or BACKENDS:
            say(f"== {name}, {backend}")
            begin = time.monotonic()
            try:
                with Lab(f"{options.folder}/{name}-{backend}") as lab:
                    (SCENARIOS | SHORT)[name](lab, backend, options)
                say(f"   passed in {time.monotonic() - begin:.0f} s")
            except Exception:
                traceback.print_exc()
                say(f"   FAILED after {time.monotonic() - begin:.0f} s")
                failed.append(f"{name}, {backend}")
    if failed:
        sys.exit(f"failed: {'; '.join(failed)}")


if __name__ == "__main__":
    main()
