//! The event log "Application".

use std::io::{Error, Result};
use std::ptr::{null, null_mut};

use windows_sys::Win32::Foundation::HANDLE;
use windows_sys::Win32::System::EventLog::{
    DeregisterEventSource, EVENTLOG_ERROR_TYPE, EVENTLOG_WARNING_TYPE, RegisterEventSourceW,
    ReportEventW,
};

use crate::wide;

/// The number of every event: its text is in the event.
const EVENT: u32 = 1;

/// A source of events.
#[derive(Debug)]
pub struct EventLog(HANDLE);

// SAFETY: the system takes events of any thread through such a handle.
unsafe impl Send for EventLog {}
// SAFETY: as above; nothing is changed through a reference.
unsafe impl Sync for EventLog {}

impl EventLog {
    /// Opens the log for events of this source.
    ///
    /// # Errors
    /// The system's.
    pub fn of(source: &str) -> Result<Self> {
        let source = wide(source);
        // SAFETY: the text ends with a zero.
        let handle = unsafe { RegisterEventSourceW(null(), source.as_ptr()) };
        match handle.is_null() {
            true => Err(Error::last_os_error()),
            false => Ok(Self(handle)),
        }
    }

    /// Writes an event: an error, or a warning.
    ///
    /// # Errors
    /// The system's.
    pub fn write(&self, is_error: bool, text: &str) -> Result<()> {
        let kind = match is_error {
            true => EVENTLOG_ERROR_TYPE,
            false => EVENTLOG_WARNING_TYPE,
        };
        let text = wide(text);
        let texts = [text.as_ptr()];
        // SAFETY: the handle is open, and there is one text, which ends with a zero.
        let written = unsafe {
            ReportEventW(
                self.0,
                kind,
                0,
                EVENT,
                null_mut(),
                1,
                0,
                texts.as_ptr(),
                null(),
            )
        };
        match written {
            0 => Err(Error::last_os_error()),
            _ => Ok(()),
        }
    }
}

impl Drop for EventLog {
    fn drop(&mut self) {
        // SAFETY: the handle was opened by RegisterEventSourceW, and is closed once.
        unsafe { DeregisterEventSource(self.0) };
    }
}
