//! Programs that end with this process, however it ends: they are in a job, which the system ends when
//! its last handle is closed.
//!
//! Unsafe code as in `system`: what is passed lives longer than the call.
#![allow(unsafe_code)]

use std::io::{Error, ErrorKind, Result};
use std::os::windows::io::{AsRawHandle, FromRawHandle, OwnedHandle};
use std::process::Child;
use std::ptr::null;
use std::sync::{Mutex, PoisonError};

use windows_sys::Win32::System::JobObjects::{
    AssignProcessToJobObject, CreateJobObjectW, JOB_OBJECT_LIMIT_KILL_ON_JOB_CLOSE,
    JOBOBJECT_EXTENDED_LIMIT_INFORMATION, JobObjectExtendedLimitInformation,
    SetInformationJobObject, TerminateJobObject,
};

/// The job of this process, once it has one. Never closed but by the end of the process.
static JOB: Mutex<Job> = Mutex::new(Job {
    handle: None,
    has_ended: false,
});

struct Job {
    handle: Option<OwnedHandle>,
    /// Whether its programs were ended, and this process is about to end.
    has_ended: bool,
}

/// Has a program that was just started, and what it starts, end with this process, however that ends.
///
/// # Errors
/// `Interrupted` if this process is about to end; the system's.
pub fn bind(child: &Child) -> Result<()> {
    let mut held = JOB.lock().unwrap_or_else(PoisonError::into_inner);
    if held.has_ended {
        return Err(ErrorKind::Interrupted.into());
    }
    let job = match held.handle.take() {
        Some(job) => job,
        None => make()?,
    };
    // SAFETY: both handles are open.
    let assigned = unsafe { AssignProcessToJobObject(job.as_raw_handle(), child.as_raw_handle()) };
    let assigned = match assigned {
        0 => Err(Error::last_os_error()),
        _ => Ok(()),
    };
    held.handle = Some(job);
    assigned
}

/// Ends all bound programs: this process is about to end, and removes what they hold open.
pub fn end_bound() {
    let mut held = JOB.lock().unwrap_or_else(PoisonError::into_inner);
    held.has_ended = true;
    if let Some(job) = &held.handle {
        // SAFETY: the handle is open. If it fails, they end with this process all the same.
        unsafe { TerminateJobObject(job.as_raw_handle(), 1) };
    }
}

fn make() -> Result<OwnedHandle> {
    // SAFETY: neither attributes nor a name.
    let job = unsafe { CreateJobObjectW(null(), null()) };
    if job.is_null() {
        return Err(Error::last_os_error());
    }
    // SAFETY: the handle was just opened, and belongs to nobody else.
    let job = unsafe { OwnedHandle::from_raw_handle(job) };
    let mut limits = JOBOBJECT_EXTENDED_LIMIT_INFORMATION::default();
    limits.BasicLimitInformation.LimitFlags = JOB_OBJECT_LIMIT_KILL_ON_JOB_CLOSE;
    // SAFETY: the structure is the one of this class, with its length.
    let set = unsafe {
        SetInformationJobObject(
            job.as_raw_handle(),
            JobObjectExtendedLimitInformation,
            (&raw const limits).cast(),
            size_of_val(&limits) as u32,
        )
    };
    match set {
        0 => Err(Error::last_os_error()),
        _ => Ok(job),
    }
}
