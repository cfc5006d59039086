//! Facts about a process, from the kernel.

/// A process, described by `/proc/PID/stat`.
pub(crate) struct Process {
    pub(crate) pid: u32,
    /// The name of its program, at most 15 bytes.
    pub(crate) name: String,
    state: char,
}

impl Process {
    /// Looks up a process. `None` if there is none.
    pub(crate) fn look(pid: u32) -> Option<Self> {
        // The number, the name in parentheses (any bytes), then the state.
        let stat = std::fs::read(format!("/proc/{pid}/stat")).ok()?;
        let stat = String::from_utf8_lossy(&stat);
        let (start, rest) = stat.rsplit_once(')')?;
        Some(Self {
            pid,
            name: start.split_once('(')?.1.to_owned(),
            state: rest.trim_start().chars().next()?,
        })
    }

    /// Whether it is stopped, by a signal or a debugger.
    pub(crate) fn is_stopped(&self) -> bool {
        matches!(self.state, 'T' | 't')
    }

    /// Whether it has ended and its parent has not collected its status: a zombie.
    pub(crate) fn has_ended(&self) -> bool {
        matches!(self.state, 'Z' | 'X' | 'x')
    }
}
