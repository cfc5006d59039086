//! Backup jobs: setup, run, status, configuration.

use std::path::Path;
use std::process::Stdio;

use crate::lab::jobs::JobLab;
use crate::lab::{Run, SmallDisk, write_secret};
use serde_json::Value;

/// A directory, and the folder of a configuration.
fn lab() -> JobLab {
    JobLab::new("sample-forest/clean")
}

fn json(lab: &JobLab, arguments: &[&str]) -> (Option<i32>, Value) {
    let run = lab.run(&[arguments, &["--json"]].concat());
    let value = serde_json::from_str(&run.stdout);
    (
        run.code,
        value.unwrap_or_else(|error| panic!("{error}: {run}")),
    )
}

fn write(lab: &JobLab, name: &str, text: &str) {
    let path = lab.path(name);
    std::fs::create_dir_all(path.parent().expect("a folder")).expect("make it");
    std::fs::write(path, text).expect("write");
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
    let done = lab.succeed(&setup);
    assert!(done.stdout.contains("(proven)"), "{done}");
    let password = lab.path("etc/local.password");
    for made in [&password, &lab.path("etc/dsbackup.toml")] {
        let mode = std::os::unix::fs::MetadataExt::mode(&made.metadata().expect("made"));
        assert_eq!(mode & 0o777, 0o600, "{}", made.display());
    }
    let secret = std::fs::read_to_string(&password).expect("read");
    assert!(secret.trim().len() >= 43, "256 bits");
    let configuration = std::fs::read_to_string(lab.path("etc/dsbackup.toml")).expect("read");
    assert!(
        !configuration.contains(secret.trim()),
        "no password in the configuration"
    );

    let checked = lab.succeed(&["config", "check"]);
    assert!(checked.stdout.contains("1 repository, 1 job"), "{checked}");
    let status = lab.succeed(&["status"]);
    assert!(
        status.stdout.starts_with("DSBACKUP OK - nightly/local: "),
        "{status}"
    );
    assert!(status.stdout.contains("'nightly/local age'="), "{status}");

    let full = std::fs::File::options().write(true).open("/dev/full");
    let mut unwritten = lab.command(&["status"]);
    let unwritten = Run::of(unwritten.stdout(full.expect("/dev/full")));
    assert_eq!(
        unwritten.code,
        Some(3),
        "unknown, not a warning: {unwritten}"
    );

    // The same again is refused, and changes nothing.
    let again = lab.run(&setup);
    assert_eq!(again.code, Some(4), "{again}");
    assert!(again.stderr.contains("--job"), "{again}");
    let second = [&setup[..], &["--job", "hourly", "--no-backup"]].concat();
    lab.succeed(&second);
    let now = std::fs::read_to_string(lab.path("etc/dsbackup.toml")).expect("read");
    assert!(
        now.starts_with(&configuration) && now.contains("[job.hourly]"),
        "{now}"
    );
    assert_eq!(std::fs::read_to_string(&password).expect("read"), secret);
}

#[test]
fn setup_refuses_a_password_that_others_can_read() {
    let lab = lab();
    let password = lab.path("known.password");
    write_secret(&password, "known to many\n");
    for mode in [0o644, 0o604, 0o602, 0o666] {
        let mode = std::os::unix::fs::PermissionsExt::from_mode(mode);
        std::fs::set_permissions(&password, mode).expect("its mode");
        let refused = lab.run(&[
            "setup",
            "--directory",
            lab.directory().to_str().expect("plain"),
            "--repository",
            lab.path("repository").to_str().expect("plain"),
            "--password-file",
            password.to_str().expect("plain"),
            "--no-timer",
        ]);
        assert_eq!(refused.code, Some(4), "{refused}");
        assert!(refused.stderr.contains("chmod 600"), "{refused}");
        for unmade in ["repository", "etc/dsbackup.toml"] {
            assert!(!lab.path(unmade).exists(), "{unmade}: {refused}");
        }
    }
}

#[test]
fn setup_asks_on_a_terminal_for_what_is_open() {
    let lab = lab();
    let open = lab.run(&["setup", "--no-timer"]);
    assert_eq!(open.code, Some(2), "nobody can be asked: {open}");
    assert!(open.stderr.contains("--repository"), "{open}");

    // A terminal of its own: answers that are not understood are asked for again.
    let mut terminal = lab.command(&[]);
    let program = terminal.get_program().to_str().expect("plain").to_owned();
    let environment: Vec<_> = terminal
        .get_envs()
        .map(|(name, value)| (name.to_owned(), value.map(ToOwned::to_owned)))
        .collect();
    terminal = std::process::Command::new("script");
    for (name, value) in environment {
        match value {
            Some(value) => terminal.env(name, value),
            None => terminal.env_remove(name),
        };
    }
    let asked = format!("{program} setup --no-timer");
    terminal.args(["-qec", &asked, "/dev/null"]);
    terminal
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    let mut child = terminal.spawn().expect("start script (bsdutils)");
    let answers = format!(
        "/no/such/folder\n{}\n{}\n",
        lab.directory().display(),
        lab.path("asked").display()
    );
    let mut input = child.stdin.take().expect("piped");
    std::io::Write::write_all(&mut input, answers.as_bytes()).expect("answer");
    let done = Run::from(child.wait_with_output().expect("its end"));
    drop(input);
    assert_eq!(done.code, Some(0), "{done}");
    assert!(done.stdout.contains("What is backed up"), "{done}");
    assert!(
        done.stdout
            .contains("there is no file or folder of this name"),
        "{done}"
    );
    assert!(done.stdout.contains("(proven)"), "{done}");
    assert!(lab.path("asked/config").exists(), "the repository");
}

#[test]
fn the_failure_of_a_repository_does_not_stop_the_next() {
    let lab = lab();
    lab.configure(&["gone", "local"], "keep = { last = 2 }");
    lab.init("local");
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
    let line = lab.run(&["status"]).stdout;
    assert!(
        line.starts_with("DSBACKUP CRITICAL - nightly/gone: cannot be read"),
        "{line}"
    );

    // A repository that was there and is taken away.
    succeed_status_after_removal(&lab);
}

fn succeed_status_after_removal(lab: &JobLab) {
    lab.configure(&["local"], "");
    lab.succeed(&["run", "--all"]);
    lab.succeed(&["status", "nightly"]);
    std::fs::rename(lab.path("local"), lab.path("away")).expect("take it away");
    let status = lab.run(&["status"]);
    assert_eq!(status.code, Some(2), "{status}");
    let failed = lab.run(&["run", "--all"]);
    assert_eq!(failed.code, Some(1), "{failed}");
    std::fs::rename(lab.path("away"), lab.path("local")).expect("bring it back");
    let status = lab.run(&["status"]);
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
    lab.configure(&["local"], "drill = { every = \"7d\" }");
    lab.init("local");
    let never = lab.run(&["status"]);
    assert_eq!(never.code, Some(2), "{never}");
    assert!(
        never.stdout.contains("no snapshot without damage"),
        "{never}"
    );
    let first = lab.succeed(&["run", "nightly"]);
    assert!(first.stdout.contains("(proven)"), "{first}");
    let second = lab.succeed(&["run", "nightly"]);
    assert!(
        !second.stdout.contains("(proven)"),
        "the proof is fresh: {second}"
    );
    lab.succeed(&["status"]);

    let metrics = lab.path("dsbackup.prom");
    let file = metrics.to_str().expect("plain");
    lab.succeed(&["status", "--prometheus", file]);
    let text = std::fs::read_to_string(&metrics).expect("written");
    for line in text.lines().filter(|line| !line.starts_with('#')) {
        let (name, value) = line.rsplit_once(' ').expect("a value");
        value.parse::<f64>().unwrap_or_else(|_| panic!("{line}"));
        assert!(name.starts_with("dsbackup_"), "{line}");
    }
    for metric in jobs::metrics::METRICS {
        // No logs are shipped here, and no objects compared.
        let is_of_comparison = |name: &str| name.ends_with("_added") || name.ends_with("_deleted");
        let is_there = !metric.name.starts_with("dsbackup_ship_") && !is_of_comparison(metric.name);
        assert!(
            is_there == text.contains(&format!("\n{}{{", metric.name)),
            "{}: {text}",
            metric.name
        );
    }

    lab.configure(&["local"], "max_age = \"0s\"");
    std::thread::sleep(std::time::Duration::from_millis(1100));
    let old = lab.run(&["status"]);
    assert_eq!(old.code, Some(2), "{old}");
    assert!(old.stdout.contains("old, promised are 0s"), "{old}");
}

#[test]
fn every_metric_is_documented_with_an_alert_rule() {
    let documentation = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/monitoring.md");
    let text = std::fs::read_to_string(documentation).expect("docs/monitoring.md");
    let (_, rules) = text.split_once("\ngroups:").expect("alert rules");
    let names = jobs::metrics::METRICS.iter().map(|metric| metric.name);
    for name in names.chain([jobs::metrics::WRITTEN]) {
        assert!(text.contains(&format!("`{name}`")), "{name}");
        assert!(rules.contains(name), "no rule uses {name}");
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
    lab.configure(&["local"], &settings);
    lab.init("local");
    lab.succeed(&["run", "nightly"]);
    assert_eq!(
        std::fs::read_to_string(&log).expect("written"),
        "before nightly\nafter success\n"
    );
    std::fs::remove_file(&log).expect("remove it");
    lab.configure(
        &["local"],
        &settings.replace("before = \"", "before = \"false && "),
    );
    let failed = lab.run(&["run", "nightly"]);
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
fn a_backup_that_could_not_be_proven_is_neither_a_success_nor_a_failure() {
    let lab = lab();
    let Some(_full) = SmallDisk::mount(lab.path("scratch"), 512) else {
        return;
    };
    let (told, result) = (lab.path("told"), lab.path("result"));
    let settings = format!(
        "drill = {{ every = \"1d\", scratch = {:?} }}\n\
         after = \"echo $DSBACKUP_RESULT > {}\"\n\
         notify = [\"admin\"]\n[notify.admin]\ncommand = \"cat >> {}\"",
        lab.path("scratch"),
        result.display(),
        told.display()
    );
    lab.configure(&["local"], &settings);
    lab.init("local");
    let (code, done) = json(&lab, &["run", "nightly"]);
    assert_eq!(code, Some(5), "{done:#}");
    assert_eq!(done[0]["result"], "warning", "{done:#}");
    assert_eq!(
        std::fs::read_to_string(&result).expect("the hook ran"),
        "warning\n"
    );
    let message: Value =
        serde_json::from_slice(&std::fs::read(&told).expect("told")).expect("one message");
    assert_eq!(message["event"], "warning", "{message:#}");
    let title = message["title"].as_str().expect("a title");
    assert!(title.contains("NOT PROVEN"), "{title}");

    let (code, status) = json(&lab, &["status"]);
    assert_eq!(code, Some(1), "{status:#}");
    let job = &status["jobs"][0];
    assert_eq!(job["last_result"], "warning", "{status:#}");
    assert_eq!(job["last_success"], Value::Null, "{status:#}");
    let problems = job["problems"].to_string();
    assert!(problems.contains("could not prove"), "{problems}");
}

#[test]
fn what_is_wrong_with_the_configuration_is_named() {
    let lab = lab();
    let missing = lab.run(&["status"]);
    assert_eq!(missing.code, Some(3), "{missing}");
    assert!(
        missing.stdout.starts_with("DSBACKUP UNKNOWN - "),
        "{missing}"
    );

    lab.configure(&["local"], "");
    lab.succeed(&["config", "check"]);
    let unknown = lab.run(&["run", "weekly"]);
    assert_eq!(unknown.code, Some(1), "{unknown}");
    assert!(unknown.stderr.contains("it has nightly"), "{unknown}");

    std::fs::set_permissions(
        lab.path("password"),
        std::os::unix::fs::PermissionsExt::from_mode(0o644),
    )
    .expect("chmod");
    for arguments in [&["config", "check"][..], &["run", "nightly"]] {
        let open = lab.run(arguments);
        assert_ne!(open.code, Some(0), "{open}");
        assert!(open.stderr.contains("chmod 600"), "{open}");
    }

    write(&lab, "etc/dsbackup.toml", "[job.nightly]\nsources = 1\n");
    let wrong = lab.run(&["config", "check"]);
    assert_eq!(wrong.code, Some(1), "{wrong}");
    assert!(wrong.stderr.contains("sources"), "{wrong}");
    let sample = lab.succeed(&["config", "sample"]);
    write(&lab, "etc/dsbackup.toml", &sample.stdout);
    let sample = lab.run(&["config", "check"]);
    assert!(
        sample.stderr.contains(".password"),
        "only passwords are missing: {sample}"
    );
}

#[test]
fn the_record_survives_kill_and_two_runs_exclude_each_other() {
    let lab = lab();
    lab.grow(64 << 20);
    lab.configure(&["local"], "");
    lab.init("local");
    lab.succeed(&["run", "nightly"]);
    let record = std::fs::read(lab.path("state/nightly.json")).expect("a record");
    for milliseconds in [20, 100, 300] {
        lab.touch_pages(2000);
        let mut first = (lab.command(&["run", "nightly"]).stderr(Stdio::null()))
            .stdout(Stdio::null())
            .spawn()
            .expect("start");
        std::thread::sleep(std::time::Duration::from_millis(milliseconds));
        first.kill().expect("kill it");
        first.wait().expect("its end");
        let now = std::fs::read(lab.path("state/nightly.json")).expect("a record");
        serde_json::from_slice::<Value>(&now).expect("a whole record");
        assert!(now.len() >= record.len());
    }
    lab.succeed(&["run", "nightly"]);
    lab.succeed(&["status"]);

    let lock = std::fs::File::options();
    let lock = { lock }
        .write(true)
        .open(lab.path("state/nightly.lock"))
        .expect("the lock");
    lock.try_lock().expect("free");
    let second = lab.run(&["run", "nightly"]);
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
        lab.configure(&["local"], &settings);
    };
    // No repository yet: the failure is told, and the command hears of the begin alone.
    let (address, hook) = web_hook("200 OK");
    with("\"failure\"", &address, "slack");
    let failed = lab.run(&["run", "nightly"]);
    assert_eq!(failed.code, Some(1), "{failed}");
    let request = hook.join().expect("told");
    assert!(request.starts_with("POST /hook/token "), "{request}");
    assert!(
        request.contains("job nightly on") && request.contains("FAILED"),
        "{request}"
    );
    let body = |request: &str| -> Value {
        let (_, body) = request.split_once("\r\n\r\n").expect("a body");
        serde_json::from_str(body).unwrap_or_else(|error| panic!("{error}: {request}"))
    };
    let text = body(&request)["text"].as_str().map(str::to_owned);
    assert!(text.is_some_and(|text| text.starts_with('*')), "{request}");
    let begin: Value =
        serde_json::from_slice(&std::fs::read(&told).expect("told")).expect("one message");
    assert_eq!(begin["event"], "start", "{begin}");

    lab.init("local");
    lab.succeed(&["run", "nightly"]);
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
    lab.succeed(&["run", "nightly"]);
    let request = hook.join().expect("told");
    assert!(request.contains("1000 fewer are there"), "{request}");
    assert!(
        request.to_lowercase().contains("priority: high"),
        "{request}"
    );
    let status = lab.run(&["status"]);
    assert_eq!(status.code, Some(1), "{status}");
    assert!(status.stdout.contains("mass deletion"), "{status}");

    // A web hook that refuses is a failure, and its address stays secret.
    let (address, hook) = web_hook("403 Forbidden");
    with("\"success\"", &address, "teams");
    let refused = lab.run(&["run", "nightly"]);
    let card = body(&hook.join().expect("told"));
    assert_eq!(card["type"], "message", "{card}");
    let kind = "application/vnd.microsoft.card.adaptive";
    assert_eq!(card["attachments"][0]["contentType"], kind, "{card}");
    assert_eq!(refused.code, Some(1), "{refused}");
    assert!(refused.stderr.contains("notification of chat"), "{refused}");
    assert!(refused.stderr.contains("403"), "{refused}");
    let (address, hook) = web_hook("200 OK");
    with("\"success\"", &address, "json");
    lab.succeed(&["run", "nightly"]);
    let event = body(&hook.join().expect("told"));
    let told = ["event", "job"].map(|name| event[name].as_str().unwrap_or_default().to_owned());
    assert_eq!(told, ["success", "nightly"], "{event}");
    with("\"success\"", "http://127.0.0.1:1/token", "json");
    let unreachable = lab.run(&["run", "nightly"]);
    assert_eq!(unreachable.code, Some(1), "{unreachable}");
    assert!(!unreachable.stderr.contains("/token"), "{unreachable}");
}
