//! Questions whose answers are not shown.

use std::fs::File;
use std::io::{BufRead, BufReader, Read, Result, Write};

use windows_sys::Win32::System::Console::{ENABLE_ECHO_INPUT, ENABLE_LINE_INPUT};

use crate::system;

/// Asks on the console, and reads a line of at most `limit` bytes into `answer`.
///
/// # Errors
/// If there is no console; the system's.
pub fn ask_unseen(question: &str, limit: u64, answer: &mut String) -> Result<()> {
    let input = File::options().read(true).write(true).open("CONIN$")?;
    let mut output = File::options().write(true).open("CONOUT$")?;
    let before = system::console_mode(&input)?;
    write!(output, "{question}")?;
    system::set_console_mode(&input, before & !ENABLE_ECHO_INPUT | ENABLE_LINE_INPUT)?;
    let reader = input.try_clone().map(BufReader::new);
    let read = reader.and_then(|reader| reader.take(limit).read_line(answer));
    system::set_console_mode(&input, before)?;
    writeln!(output)?;
    read.map(drop)
}
