//! Questions whose answers are not shown.

use std::fs::File;
use std::io::{BufRead, BufReader, Read, Result, Write};

use rustix::termios::{LocalModes, OptionalActions, tcgetattr, tcsetattr};

/// Asks on the terminal, and reads a line of at most `limit` bytes into `answer`.
///
/// # Errors
/// If there is no terminal; the system's.
pub fn ask_unseen(question: &str, limit: u64, answer: &mut String) -> Result<()> {
    let mut terminal = File::options().read(true).write(true).open("/dev/tty")?;
    let before = tcgetattr(&terminal)?;
    let mut silent = before.clone();
    silent.local_modes.remove(LocalModes::ECHO);
    write!(terminal, "{question}")?;
    tcsetattr(&terminal, OptionalActions::Flush, &silent)?;
    let reader = terminal.try_clone().map(BufReader::new);
    let read = reader.and_then(|reader| reader.take(limit).read_line(answer));
    tcsetattr(&terminal, OptionalActions::Flush, &before)?;
    writeln!(terminal)?;
    read.map(drop)
}
