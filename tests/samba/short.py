"""What ./test runs: one controller is backed up under load, its snapshot proven, itself wiped and restored in place."""

import objects
from dsbackup import Dsbackup
from in_place import expect, restore_on_a_new_machine, settings
from lab import Failed, say
from under_load import Load, check_content, commits_waited, figures, list_steps


def run(lab, backend, options):
    dc1 = lab.controller("dc1", 1)
    dc1.provision(backend)
    dc1.load_users(300)
    included = include_from_elsewhere(dc1)
    dc1.start()
    (dc1.folder / "lib" / "sysvol" / "lab.example.com" / "scripts" / "logon.bat").write_text("echo hello\n")
    dc1.samba_tool("ntacl", "sysvolreset")
    shares = dc1.share_attributes()
    guid, first_life = settings(dc1)
    folder = lab.folder / "load"
    with Dsbackup(dc1) as dsbackup:
        dsbackup.init()
        alone = dsbackup.run("backup", "--samba")
        if "[9/9]" not in alone.err or dsbackup.answers():
            raise Failed(f"expected a backup without a service: {alone}")
        # Every policy has a file of this name.
        if "}/GPT.INI (" not in alone.err:
            raise Failed(f"the files of policies are not named with their folders: {alone}")
        dsbackup.serve()
        beside = dsbackup.run("backup", "--samba")
        if "a service hosts the directory already" not in beside.err:
            raise Failed(f"expected the running service to be used: {beside}")
        warned = dsbackup.run("backup").err
        if f"line {included[1]}: include = {included[0]}: " not in warned or "include-1" not in warned:
            raise Failed(f"the backup does not tell of the included file: {warned}")
        objects.agree(dsbackup)
        with Load(dc1, folder, writers=1, readers=1):
            snapshots = [dsbackup.backup() for _ in range(3)]
        dsbackup.stop_service()
        writes, reads = list_steps(folder, "writer"), list_steps(folder, "reader")
        expect("steps of the load that failed", [step for step in writes + reads if step[0] == "error"], [])
        say(f"  writes: {figures(writes)}; reads: {figures(reads)}")
        say(f"  commits waited for a backup: at most {max(commits_waited(dsbackup)):.1f} ms")
        check_content(lab, dsbackup, snapshots[-1:], writes)
        look_into(dc1, dsbackup)
        shown = dsbackup.on_a_terminal("check", "--drill", "--snapshot", "latest")
        say("  " + next(line for line in shown if "proven" in line))

        dsbackup.serve("--restore-mode")
        say("  " + dsbackup.refused("restore", "latest", because="online"))
        dsbackup.stop_service()
        dc1.create_user("later")
        dc1.kill()
        dc1.wipe()
        included[0].unlink()
        if dc1.tries_to_start():
            raise Failed("a controller started without its state")
        restore_on_a_new_machine(dc1, dsbackup)
        expect("the included file after a restore in place", included[0].exists(), False)
        included[0].write_text((dc1.folder / "look" / "include-1").read_text())
    expect("access rights of sysvol before the start", dc1.share_attributes(), shares)
    dc1.start()
    expect("dc1 after its restore", settings(dc1)[0], guid)
    if settings(dc1)[1] == first_life:
        raise Failed("the restored directory has its former invocation id")
    expect("the included share", "[elsewhere]" in dc1.run(["testparm", "-s"]).out, True)
    expect("users of after the backup", dc1.users("later"), {})
    dc1.create_user("new-life")
    dc1.dbcheck()
    dc1.samba_tool("ntacl", "sysvolcheck")
    say("  dc1 runs again, creates users; dbcheck and sysvolcheck are clean")


def include_from_elsewhere(controller):
    """Has smb.conf include a share from a file outside of all folders that are backed up; returns the file, and the line."""
    file = controller.folder / "shares.conf"
    file.write_text("[elsewhere]\npath = /var/lib/samba\n")
    conf = controller.folder / "etc" / "smb.conf"
    conf.write_text(f"{conf.read_text()}include = {file}\n")
    return file, len(conf.read_text().splitlines())


def look_into(controller, dsbackup):
    """The facts and files of the newest snapshot, and the facts of the running controller's own databases."""
    cache = ["--json", "--cache", str(controller.folder / "cache")]
    listed = dsbackup.run("snapshots", "--json").json()[-1]["directory"]
    facts = dsbackup.run("facts", "latest", *cache).json()
    running = dsbackup.run("facts", "/var/lib/samba/private", *cache).json()
    for name in ("domain", "users", "group_policies"):
        say(f"  {name}: {listed.get(name) or listed['classes'][name]}")
    expect("the domain in the manifest", listed["domain"], "lab.example.com")
    expect("the controller in the manifest", listed["dsa_guid"], facts["dsa_guid"])
    counts = facts["counts"]
    classes = {name: counts[name] for name in listed["classes"]}
    expect("the objects in the manifest", (listed["objects"], listed["classes"]), (counts["objects"], classes))
    expect("the domain of the running controller", running["domain"], facts["domain"])
    script = "sysvol/lab.example.com/scripts/logon.bat"
    expect("a file of the snapshot", dsbackup.run("cat", "latest", script).out, "echo hello\n")
    [file] = dsbackup.run("files", "latest", script, "--json").json()
    expect("its access rights", file["sddl"].startswith("O:"), True)
    refused = dsbackup.refused("cat", "latest", "private/secrets.ldb", because="not shown")
    say("  " + refused)
