//! This process, its user and its computer.

use std::os::unix::process::CommandExt;
use std::path::PathBuf;

use rustix::io::Errno;
use rustix::process::{Pid, Resource, getrlimit, setrlimit};

/// The name of this computer.
pub fn computer() -> String {
    let system = rustix::system::uname();
    system.nodename().to_string_lossy().into_owned()
}

/// The number of this process's effective user, where users have numbers.
pub fn own_number() -> Option<u32> {
    Some(rustix::process::geteuid().as_raw())
}

/// The number of this process's user, as in the format of restic.
pub fn user_number() -> u32 {
    rustix::process::getuid().as_raw()
}

/// The number of this process's group, as in the format of restic.
pub fn group_number() -> u32 {
    rustix::process::getgid().as_raw()
}

/// The name of this process's user; the number of one without a name.
pub fn user_name() -> String {
    let number = user_number();
    let user = nix::unistd::User::from_uid(nix::unistd::Uid::from_raw(number));
    (user.ok().flatten()).map_or_else(|| number.to_string(), |user| user.name)
}

/// Whether this process may give files to other users.
pub fn is_root() -> bool {
    rustix::process::geteuid().is_root()
}

/// Whether a process of this computer lives.
pub fn lives(process: i64) -> bool {
    match i32::try_from(process).ok().and_then(Pid::from_raw) {
        // It may belong to another user and reject the signal, but it exists.
        Some(process) => rustix::process::test_kill_process(process) != Err(Errno::SRCH),
        None => true,
    }
}

/// Raises the limit of open files as far as the system lets it.
pub fn raise_open_files_limit() {
    let mut limit = getrlimit(Resource::Nofile);
    limit.current = limit.maximum;
    // If that is refused, opening too many files fails and reports the limit.
    let _ = setrlimit(Resource::Nofile, limit);
}

/// Where this user's programs keep what they can make again: systemd's cache folder where it gives
/// one, root's in /var/cache, another user's in the cache of that user.
pub fn cache_folder() -> PathBuf {
    let folder = |variable: &str| {
        let value = std::env::var_os(variable).map(PathBuf::from);
        value.filter(|path| path.is_absolute())
    };
    if let Some(cache) = folder("CACHE_DIRECTORY") {
        return cache;
    }
    if is_root() {
        return "/var/cache/dsbackup".into();
    }
    let cache = folder("XDG_CACHE_HOME").or_else(|| Some(folder("HOME")?.join(".cache")));
    // A user without a home: a folder that survives what /tmp may not have room for.
    let cache = cache.unwrap_or_else(|| {
        let user = rustix::process::geteuid().as_raw();
        format!("/var/tmp/dsbackup-{user}").into()
    });
    cache.join("dsbackup")
}

/// Ends this thread's work, while another thread ends the process.
pub fn halt_thread() -> ! {
    loop {
        std::thread::park();
    }
}

/// The system's shell, to run a command line of the user's.
pub fn shell(command: &str) -> std::process::Command {
    let mut shell = std::process::Command::new("/bin/sh");
    shell.args(["-c", command]);
    shell
}

/// Has a program that was just started end with this process, where the system can do that.
///
/// # Errors
/// `Interrupted` after [`end_bound`]; the system's.
pub fn bind(_: &std::process::Child) -> std::io::Result<()> {
    Ok(())
}

/// Ends all bound programs, since this process is about to end.
pub fn end_bound() {}

/// The bytes that a program has read and written so far: a sign that it works. 0 where the system does
/// not tell.
pub fn transferred(_: &std::process::Child) -> u64 {
    0
}

/// What a program of the console printed.
pub fn console_text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// Keeps interrupts from the terminal away from a process that is about to be started.
pub fn shield_from_interrupts(command: &mut std::process::Command) {
    command.process_group(0);
}
