//! Questions whose answers are not shown.

use std::fs::File;
use std::io::{Error, ErrorKind, Result, Write};

use windows_sys::Win32::System::Console::{
    ENABLE_ECHO_INPUT, ENABLE_LINE_INPUT, ENABLE_PROCESSED_INPUT,
};

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
    let unseen = before & !ENABLE_ECHO_INPUT | ENABLE_LINE_INPUT | ENABLE_PROCESSED_INPUT;
    system::set_console_mode(&input, unseen)?;
    let read = read_line(&input, limit, answer);
    system::set_console_mode(&input, before)?;
    writeln!(output)?;
    read
}

/// The line with its end, as a file would give it.
fn read_line(input: &File, limit: u64, answer: &mut String) -> Result<()> {
    const NEW_LINE: u16 = b'\n' as u16;
    // A secret: the buffers are emptied afterwards, and the second one does not move before.
    let mut units = [0_u16; 512];
    let mut line: Vec<u16> = Vec::with_capacity(usize::try_from(limit).unwrap_or(0) + units.len());
    let read = loop {
        match system::read_console(input, &mut units) {
            // Ctrl-C.
            Ok(0) => break Err(ErrorKind::Interrupted.into()),
            Ok(length) => line.extend(units.get(..length).unwrap_or_default()),
            Err(error) => break Err(error),
        }
        if line.last() == Some(&NEW_LINE) || line.len() as u64 >= limit {
            break Ok(());
        }
    };
    // Grown at once, so that no part of the secret stays where it was before.
    answer.reserve(3 * line.len());
    let told = read.and_then(|()| {
        char::decode_utf16(line.iter().copied()).try_for_each(|letter| {
            let no_text = |_| Error::new(ErrorKind::InvalidData, "what was typed is no Unicode");
            answer.push(letter.map_err(no_text)?);
            Ok(())
        })
    });
    for unit in units.iter_mut().chain(&mut line) {
        *unit = 0;
    }
    std::hint::black_box((&units, &line));
    told
}
