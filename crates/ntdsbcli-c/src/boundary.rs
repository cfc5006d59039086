//! The frame of every exported function: it catches panics and keeps the reason of a failure.

use std::panic::{AssertUnwindSafe, catch_unwind};

use ntdsbcli::contract::{Error, Result, ResultCode};

use crate::{log, reason};

/// HRESULT of the published header: `S_OK`, an hr code, or a plain Win32 code.
pub(crate) type Hresult = i32;

/// Runs an exported function's work and turns its result into an HRESULT.
pub(crate) fn call(function: &'static str, work: impl FnOnce() -> Result<()>) -> Hresult {
    match guarded(function, work) {
        Ok(()) => {
            reason::forget();
            ResultCode::OK.0.cast_signed()
        }
        Err(error) => {
            log::failure(function, &error);
            let code = error.code.0.cast_signed();
            reason::keep(error.reason);
            code
        }
    }
}

/// Runs work, and turns a panic into an error, so that it does not end the calling program.
fn guarded(function: &'static str, work: impl FnOnce() -> Result<()>) -> Result<()> {
    #[cfg(windows)]
    crate::windows::pin();
    // Only the handle's own state can be left half changed, and `handles` refuses a handle after a
    // panic in one of its calls.
    catch_unwind(AssertUnwindSafe(work)).unwrap_or_else(|panic| {
        let what = panic
            .downcast_ref::<&str>()
            .map(ToString::to_string)
            .or_else(|| panic.downcast_ref::<String>().cloned())
            .unwrap_or_default();
        Err(Error::new(
            ResultCode::ERROR,
            format!("{function} failed inside the library: {what}; please report it"),
        ))
    })
}

/// `ERROR_INVALID_PARAMETER` for a parameter by its published name.
pub(crate) fn invalid_parameter(parameter: &str, what: impl std::fmt::Display) -> Error {
    Error::new(ResultCode::INVALID_PARAMETER, format!("{parameter} {what}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_panic_becomes_a_code_with_its_reason() {
        let code = call("DsTest", || panic!("index {} out of range", 7));
        assert_eq!(code.cast_unsigned(), ResultCode::ERROR.0);
        let reason = reason::current();
        assert!(
            reason.contains("DsTest") && reason.contains("index 7"),
            "{reason}"
        );
    }

    #[test]
    fn success_forgets_the_reason_of_an_earlier_failure() {
        let code = call("DsTest", || Err(invalid_parameter("phbc", "is NULL")));
        assert_eq!(code, 87);
        assert_eq!(reason::current(), "phbc is NULL");
        assert_eq!(call("DsTest", || Ok(())), 0);
        assert_eq!(reason::current(), "");
    }
}
