//! This process, its user and its computer.

use std::os::windows::process::CommandExt;
use std::path::PathBuf;
use std::process::Command;

use winapi_util::sysinfo::{ComputerNameKind, get_computer_name};
use windows_sys::Win32::System::Threading::CREATE_NEW_PROCESS_GROUP;

use crate::{system, token};

pub use crate::job::{bind, end_bound};
pub use crate::system::{console_text, transferred};

/// The name of this computer.
pub fn computer() -> String {
    match get_computer_name(ComputerNameKind::PhysicalDnsHostname) {
        Ok(name) if !name.is_empty() => name.to_string_lossy().into_owned(),
        _ => std::env::var("COMPUTERNAME").unwrap_or_default(),
    }
}

/// The number of this process's effective user, where users have numbers.
pub fn own_number() -> Option<u32> {
    None
}

/// The number of this process's user, as in the format of restic: Windows has none.
pub fn user_number() -> u32 {
    0
}

/// The number of this process's group, as in the format of restic: Windows has none.
pub fn group_number() -> u32 {
    0
}

/// The name of this process's user; the number of one without a name.
pub fn user_name() -> String {
    let name = std::env::var("USERNAME")
        .ok()
        .filter(|name| !name.is_empty());
    name.or_else(|| token::own_account().ok())
        .unwrap_or_default()
}

/// Whether this process may give files to other users: on Windows that is never needed.
pub fn is_root() -> bool {
    false
}

/// Whether a process of this computer lives.
pub fn lives(process: i64) -> bool {
    u32::try_from(process).map_or(true, system::lives)
}

/// Raises the limit of open files as far as the system lets it: Windows has none.
pub fn raise_open_files_limit() {}

/// Where this user's programs keep what they can make again. What one makes as an administrator the
/// same user's others may not read.
pub fn cache_folder() -> PathBuf {
    let name = match token::is_administrator() {
        Ok(true) => "dsbackup-elevated",
        _ => "dsbackup",
    };
    let local = std::env::var_os("LOCALAPPDATA").map(PathBuf::from);
    let local = local.filter(|path| path.is_absolute());
    local.unwrap_or_else(std::env::temp_dir).join(name)
}

/// Ends this thread's work, while another thread ends the process. That one can remove no folder in
/// which a file is open: so all that this thread has open is closed, by unwinding it.
pub fn halt_thread() -> ! {
    std::panic::resume_unwind(Box::new("the process is about to end"))
}

/// The system's shell, to run a command line of the user's.
pub fn shell(command: &str) -> Command {
    let mut shell = Command::new("cmd.exe");
    // cmd takes the line as it is, between the outermost quotation marks.
    shell
        .args(["/d", "/s", "/c"])
        .raw_arg(format!("\"{command}\""));
    shell
}

/// Keeps interrupts from the console away from a process that is about to be started.
pub fn shield_from_interrupts(command: &mut Command) {
    command.creation_flags(CREATE_NEW_PROCESS_GROUP);
}
