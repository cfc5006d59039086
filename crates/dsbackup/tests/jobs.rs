//! Backup jobs: setup, run, status, configuration.

mod lab;

use std::path::Path;
use std::process::Command;

use lab::{Lab, Run, write_secret};
use serde_json::Value;

/// A lab with a directory, and the folder of a configuration.
fn lab() -> Lab {
    Lab::with(&testkit::find("sample-forest/clean").expect("shipped"))
}

/// The command with the lab's configuration, records and no other settings.
fn command(lab: &Lab, arguments: &[&str]) -> Command {
    let mut command = lab.dsbackup(arguments);
    command
        .env_remove("DSBACKUP_REPOSITORY")
        .env_remove("DSBACKUP_PASSWORD")
        .env("DSBACKUP_CONFIG", lab.path("etc/dsbackup.toml"))
        .env("DSBACKUP_STATE_FOLDER", lab.path("state"))
        .env("DSBACKUP_SCRATCH", lab.path("scratch"));
    command
}

fn run(lab: &Lab, arguments: &[&str]) -> Run {
    Run::of(&mut command(lab, arguments))
}

fn succeed(lab: &Lab, arguments: &[&str]) -> Run {
    let run = run(lab, arguments);
    assert_eq!(run.code, Some(0), "{arguments:?}: {run}");
    run
}

fn json(lab: &Lab, arguments: &[&str]) -> (Option<i32>, Value) {
    let run = run(lab, &[arguments, &["--json"]].concat());
    let value = serde_json::from_str(&run.stdout);
    (
        run.code,
        value.unwrap_or_else(|error| panic!("{error}: {run}")),
    )
}

fn write(lab: &Lab, name: &str, text: &str) {
    let path = lab.path(name);
    std::fs::create_dir_all(path.parent().expect("a folder")).expect("make it");
    std::fs::write(path, text).expect("write");
}

/// A configuration with the repositories `names` and the job `nightly` with these further settings.
fn configure(lab: &Lab, names: &[&str], settings: &str) {
    let mut text = String::new();
    for name in names {
        text += &format!(
            "[repository.{name}]\nlocation = {:?}\npassword_file = {:?}\n",
            lab.path(name),
            lab.path("password")
        );
    }
    text += &format!(
        "[job.nightly]\nsource = {{ directory = {:?} }}\nrepositories = {names:?}\n{settings}\n",
        lab.directory()
    );
    write(lab, "etc/dsbackup.toml", &text);
    write_secret(&lab.path("password"), "secret\n");
}

fn init(lab: &Lab, name: &str) {
    let (repository, password) = (lab.path(name), lab.path("password"));
    let mut command = command(lab, &["init"]);
    command
        .arg("-r")
        .arg(repository)
        .arg("--password-file")
        .arg(password);
    let run = Run::of(&mut command);
    assert_eq!(run.code, Some(0), "{run}");
}

#[test]
fn one_command_sets_up_a_job_with_a_proven_snapshot() {
    let lab = lab();
    let (directory, repository) = (lab.directory(), lab.path("repository"));
    let setup = [
        "setup",
        "--directory",
        directory.to_str().expect("plain"),
        "--repository",
        repository.to_str().expect("plain"),
        "--no-timer",
    ];
    let done = succeed(&lab, &setup);
    assert!(done.stdout.contains("(proven)"), "{done}");
    let password = lab.path("etc/local.password");
    let mode = std::os::unix::fs::MetadataExt::mode(&password.metadata().expect("made"));
    assert_eq!(mode & 0o777, 0o600);
    let secret = std::fs::read_to_string(&password).expect("read");
    assert!(secret.trim().len() >= 43, "256 bits");
    let configuration = std::fs::read_to_string(lab.path("etc/dsbackup.toml")).expect("read");
    assert!(
        !configuration.contains(secret.trim()),
        "no password in the configuration"
    );

    let checked = succeed(&lab, &["config", "check"]);
    assert!(checked.stdout.contains("1 repository, 1 job"), "{checked}");
    let status = succeed(&lab, &["status"]);
    assert!(
        status.stdout.starts_with("DSBACKUP OK - nightly/local: "),
        "{status}"
    );
    assert!(status.stdout.contains("'nightly/local age'="), "{status}");

    let full = std::fs::File::options().write(true).open("/dev/full");
    let mut unwritten = command(&lab, &["status"]);
    let unwritten = Run::of(unwritten.stdout(full.expect("/dev/full")));
    assert_eq!(
        unwritten.code,
        Some(3),
        "unknown, not a warning: {unwritten}"
    );

    // The same again is refused, and changes nothing.
    let again = run(&lab, &setup);
    assert_eq!(again.code, Some(4), "{again}");
    assert!(again.stderr.contains("--job"), "{again}");
    let second = [&setup[..], &["--job", "hourly", "--no-backup"]].concat();
    succeed(&lab, &second);
    let now = std::fs::read_to_string(lab.path("etc/dsbackup.toml")).expect("read");
    assert!(
        now.starts_with(&configuration) && now.contains("[job.hourly]"),
        "{now}"
    );
    assert_eq!(std::fs::read_to_string(&password).expect("read"), secret);
}

#[test]
fn the_failure_of_a_repository_does_not_stop_the_next() {
    let lab = lab();
    configure(&lab, &["gone", "local"], "keep = { last = 2 }");
    init(&lab, "local");
    for _ in 0..3 {
        let (code, done) = json(&lab, &["run", "nightly"]);
        assert_eq!(code, Some(1), "{done}");
        let runs = &done[0]["repositories"];
        assert_eq!(runs[0]["snapshot"], Value::Null, "{done}");
        assert_ne!(runs[0]["errors"][0], Value::Null, "{done}");
        assert_eq!(runs[1]["errors"], serde_json::json!([]), "{done}");
        assert_ne!(runs[1]["snapshot"], Value::Null, "{done}");
    }
    let (code, status) = json(&lab, &["status"]);
    assert_eq!(code, Some(2), "{status}");
    let jobs = status["jobs"].as_array().expect("a list");
    assert_eq!(jobs[0]["state"], "critical", "{status}");
    assert_eq!(jobs[1]["state"], "ok", "{status}");
    assert_eq!(jobs[1]["snapshots"], 2, "the rules keep two: {status}");
    let line = run(&lab, &["status"]).stdout;
    assert!(
        line.starts_with("DSBACKUP CRITICAL - nightly/gone: cannot be read"),
        "{line}"
    );

    // A repository that was there and is taken away.
    succeed_status_after_removal(&lab);
}

fn succeed_status_after_removal(lab: &Lab) {
    configure(lab, &["local"], "");
    succeed(lab, &["run", "--all"]);
    succeed(lab, &["status", "nightly"]);
    std::fs::rename(lab.path("local"), lab.path("away")).expect("take it away");
    let status = run(lab, &["status"]);
    assert_eq!(status.code, Some(2), "{status}");
    let failed = run(lab, &["run", "--all"]);
    assert_eq!(failed.code, Some(1), "{failed}");
    std::fs::rename(lab.path("away"), lab.path("local")).expect("bring it back");
    let status = run(lab, &["status"]);
    assert_eq!(
        status.code,
        Some(1),
        "a snapshot as promised, but a failed run: {status}"
    );
    assert!(status.stdout.contains("the last run failed"), "{status}");
}

#[test]
fn status_tells_old_snapshots_and_missing_proofs() {
    let lab = lab();
    configure(&lab, &["local"], "drill = { every = \"7d\" }");
    init(&lab, "local");
    let never = run(&lab, &["status"]);
    assert_eq!(never.code, Some(2), "{never}");
    assert!(
        never.stdout.contains("no snapshot without damage"),
        "{never}"
    );
    let first = succeed(&lab, &["run", "nightly"]);
    assert!(first.stdout.contains("(proven)"), "{first}");
    let second = succeed(&lab, &["run", "nightly"]);
    assert!(
        !second.stdout.contains("(proven)"),
        "the proof is fresh: {second}"
    );
    succeed(&lab, &["status"]);

    let metrics = lab.path("dsbackup.prom");
    let file = metrics.to_str().expect("plain");
    succeed(&lab, &["status", "--prometheus", file]);
    let text = std::fs::read_to_string(&metrics).expect("written");
    for line in text.lines().filter(|line| !line.starts_with('#')) {
        let (name, value) = line.rsplit_once(' ').expect("a value");
        value.parse::<f64>().unwrap_or_else(|_| panic!("{line}"));
        assert!(name.starts_with("dsbackup_"), "{line}");
    }
    for metric in jobs::metrics::METRICS {
        assert!(
            text.contains(&format!("\n{}{{", metric.name)),
            "{}: {text}",
            metric.name
        );
    }

    configure(&lab, &["local"], "max_age = \"0s\"");
    std::thread::sleep(std::time::Duration::from_millis(1100));
    let old = run(&lab, &["status"]);
    assert_eq!(old.code, Some(2), "{old}");
    assert!(old.stdout.contains("old, promised are 0s"), "{old}");
}

#[test]
fn every_metric_is_documented() {
    let documentation = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/monitoring.md");
    let text = std::fs::read_to_string(documentation).expect("docs/monitoring.md");
    let names = jobs::metrics::METRICS.iter().map(|metric| metric.name);
    for name in names.chain([jobs::metrics::WRITTEN]) {
        assert!(text.contains(&format!("`{name}`")), "{name}");
    }
}

#[test]
fn hooks_run_before_and_after() {
    let lab = lab();
    let log = lab.path("log");
    let settings = format!(
        "before = \"echo before $DSBACKUP_JOB >> {0}\"\n\
         after = \"echo after $DSBACKUP_RESULT >> {0}\"",
        log.display()
    );
    configure(&lab, &["local"], &settings);
    init(&lab, "local");
    succeed(&lab, &["run", "nightly"]);
    assert_eq!(
        std::fs::read_to_string(&log).expect("written"),
        "before nightly\nafter success\n"
    );
    std::fs::remove_file(&log).expect("remove it");
    configure(
        &lab,
        &["local"],
        &settings.replace("before = \"", "before = \"false && "),
    );
    let failed = run(&lab, &["run", "nightly"]);
    assert_eq!(failed.code, Some(1), "{failed}");
    assert_eq!(
        std::fs::read_to_string(&log).expect("written"),
        "after failure\n"
    );
    let (_, status) = json(&lab, &["status"]);
    assert_eq!(
        status["jobs"][0]["snapshots"], 1,
        "no backup without the hook: {status}"
    );
}

#[test]
fn what_is_wrong_with_the_configuration_is_named() {
    let lab = lab();
    let missing = run(&lab, &["status"]);
    assert_eq!(missing.code, Some(3), "{missing}");
    assert!(
        missing.stdout.starts_with("DSBACKUP UNKNOWN - "),
        "{missing}"
    );

    configure(&lab, &["local"], "");
    succeed(&lab, &["config", "check"]);
    let unknown = run(&lab, &["run", "weekly"]);
    assert_eq!(unknown.code, Some(1), "{unknown}");
    assert!(unknown.stderr.contains("it has nightly"), "{unknown}");

    std::fs::set_permissions(
        lab.path("password"),
        std::os::unix::fs::PermissionsExt::from_mode(0o644),
    )
    .expect("chmod");
    for arguments in [&["config", "check"][..], &["run", "nightly"]] {
        let open = run(&lab, arguments);
        assert_ne!(open.code, Some(0), "{open}");
        assert!(open.stderr.contains("chmod 600"), "{open}");
    }

    write(&lab, "etc/dsbackup.toml", "[job.nightly]\nsources = 1\n");
    let wrong = run(&lab, &["config", "check"]);
    assert_eq!(wrong.code, Some(1), "{wrong}");
    assert!(wrong.stderr.contains("sources"), "{wrong}");
    let sample = succeed(&lab, &["config", "sample"]);
    write(&lab, "etc/dsbackup.toml", &sample.stdout);
    let sample = run(&lab, &["config", "check"]);
    assert!(
        sample.stderr.contains(".password"),
        "only passwords are missing: {sample}"
    );
}

#[test]
fn the_record_survives_kill_and_two_runs_exclude_each_other() {
    let lab = lab();
    lab.grow(64 << 20);
    configure(&lab, &["local"], "");
    init(&lab, "local");
    succeed(&lab, &["run", "nightly"]);
    let record = std::fs::read(lab.path("state/nightly.json")).expect("a record");
    for milliseconds in [20, 100, 300] {
        lab.touch_pages(2000);
        let mut first = (command(&lab, &["run", "nightly"]).stderr(std::process::Stdio::null()))
            .stdout(std::process::Stdio::null())
            .spawn()
            .expect("start");
        std::thread::sleep(std::time::Duration::from_millis(milliseconds));
        first.kill().expect("kill it");
        first.wait().expect("its end");
        let now = std::fs::read(lab.path("state/nightly.json")).expect("a record");
        serde_json::from_slice::<Value>(&now).expect("a whole record");
        assert!(now.len() >= record.len());
    }
    succeed(&lab, &["run", "nightly"]);
    succeed(&lab, &["status"]);

    let lock = std::fs::File::options();
    let lock = { lock }
        .write(true)
        .open(lab.path("state/nightly.lock"))
        .expect("the lock");
    lock.try_lock().expect("free");
    let second = run(&lab, &["run", "nightly"]);
    assert_eq!(second.code, Some(1), "{second}");
    assert!(second.stderr.contains("runs already"), "{second}");
}

/// Takes one request on loopback, and returns it after an answer with this status.
fn web_hook(status: &'static str) -> (String, std::thread::JoinHandle<String>) {
    use std::io::{Read, Write};
    let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = format!(
        "http://{}/hook/token",
        listener.local_addr().expect("bound")
    );
    let served = std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().expect("a client");
        let mut request = Vec::new();
        let mut piece = [0; 4096];
        loop {
            let text = String::from_utf8_lossy(&request).into_owned();
            if let Some((head, body)) = text.split_once("\r\n\r\n") {
                let length = (head.lines()).find_map(|line| {
                    line.to_lowercase()
                        .strip_prefix("content-length: ")?
                        .parse()
                        .ok()
                });
                if body.len() >= length.unwrap_or(0usize) {
                    break;
                }
            }
            let count = stream.read(&mut piece).expect("read");
            assert_ne!(count, 0, "a whole request: {text}");
            request.extend_from_slice(&piece[..count]);
        }
        write!(stream, "HTTP/1.1 {status}\r\nContent-Length: 0\r\n\r\n").expect("answer");
        String::from_utf8_lossy(&request).into_owned()
    });
    (address, served)
}

#[test]
fn web_hooks_and_commands_hear_of_failures_and_mass_deletions() {
    let lab = lab();
    let told = lab.path("told");
    let with = |events: &str, address: &str, format: &str| {
        write_secret(&lab.path("hook"), &format!("{address}\n"));
        let settings = format!(
            "notify = [\"chat\", \"admin\"]\nalarm = {{ deleted_objects = 100 }}\n\
             [notify.chat]\non = [{events}]\nwebhook_file = {:?}\nformat = \"{format}\"\n\
             [notify.admin]\non = [\"start\", \"success\"]\ncommand = \"cat >> {}\"",
            lab.path("hook"),
            told.display()
        );
        configure(&lab, &["local"], &settings);
    };
    // No repository yet: the failure is told, and the command hears of the begin alone.
    let (address, hook) = web_hook("200 OK");
    with("\"failure\"", &address, "slack");
    let failed = run(&lab, &["run", "nightly"]);
    assert_eq!(failed.code, Some(1), "{failed}");
    let request = hook.join().expect("told");
    assert!(request.starts_with("POST /hook/token "), "{request}");
    assert!(
        request.contains("job nightly on") && request.contains("FAILED"),
        "{request}"
    );
    let begin: Value =
        serde_json::from_slice(&std::fs::read(&told).expect("told")).expect("one message");
    assert_eq!(begin["event"], "start", "{begin}");

    init(&lab, "local");
    succeed(&lab, &["run", "nightly"]);
    // As if the backup before had found a thousand objects more.
    let path = lab.path("state/nightly.json");
    let mut record: Value =
        serde_json::from_slice(&std::fs::read(&path).expect("a record")).expect("a record");
    let runs = record["repositories"]["local"]["runs"]
        .as_array_mut()
        .expect("runs");
    let objects = &mut runs.last_mut().expect("a run")["objects"]["objects"];
    *objects = (objects.as_u64().expect("counted") + 1000).into();
    std::fs::write(&path, record.to_string()).expect("write");
    let (address, hook) = web_hook("204 No Content");
    with("\"alarm\"", &address, "ntfy");
    succeed(&lab, &["run", "nightly"]);
    let request = hook.join().expect("told");
    assert!(request.contains("1000 fewer are there"), "{request}");
    assert!(
        request.to_lowercase().contains("priority: high"),
        "{request}"
    );
    let status = run(&lab, &["status"]);
    assert_eq!(status.code, Some(1), "{status}");
    assert!(status.stdout.contains("mass deletion"), "{status}");

    // A web hook that refuses is a failure, and its address stays secret.
    let (address, hook) = web_hook("403 Forbidden");
    with("\"success\"", &address, "teams");
    let refused = run(&lab, &["run", "nightly"]);
    hook.join().expect("told");
    assert_eq!(refused.code, Some(1), "{refused}");
    assert!(refused.stderr.contains("notification of chat"), "{refused}");
    assert!(refused.stderr.contains("403"), "{refused}");
    with("\"success\"", "http://127.0.0.1:1/token", "json");
    let unreachable = run(&lab, &["run", "nightly"]);
    assert_eq!(unreachable.code, Some(1), "{unreachable}");
    assert!(!unreachable.stderr.contains("/token"), "{unreachable}");
}
