//! The handles (HBC) and the contexts behind them.
//!
//! The value of a handle is not an address but a serial number, used once in the life of the
//! process. Looking it up tells a valid handle from one that never existed, that was ended, or that
//! belongs to the other kind of context. A value from a program is never followed as a pointer.
//!
//! Calls on one handle from several threads wait for one another. A call that waits while another
//! thread ends the handle fails like a later call: the handle is no longer valid.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use ntdsbcli::contract::{Error, Result, ResultCode};
use ntdsbcli::{BackupContext, RestoreContext};

use crate::boundary::invalid_parameter;

/// The value of an HBC.
pub(crate) type Handle = usize;

/// Empty once the context has ended.
type Slot<C> = Arc<Mutex<Option<C>>>;

/// The living handles of one kind.
pub(crate) struct Handles<C> {
    kind: &'static str,
    living: Mutex<Option<HashMap<Handle, Slot<C>>>>,
}

/// Handles of DsBackupPrepare.
pub(crate) static BACKUPS: Handles<BackupContext> = Handles::new("a backup");

/// Handles of DsRestorePrepare.
pub(crate) static RESTORES: Handles<RestoreContext> = Handles::new("a restore");

impl<C> Handles<C> {
    const fn new(kind: &'static str) -> Self {
        Self {
            kind,
            living: Mutex::new(None),
        }
    }

    /// Gives a context a handle.
    pub(crate) fn add(&self, context: C) -> Handle {
        let handle = serial_number();
        let mut living = self.living.lock().unwrap_or_else(PoisonError::into_inner);
        living
            .get_or_insert_default()
            .insert(handle, Arc::new(Mutex::new(Some(context))));
        handle
    }

    /// Makes a call on a context, after pending calls of other threads.
    ///
    /// # Errors
    /// `ERROR_INVALID_PARAMETER` for a value that is no living handle of this kind; `hrError` for
    /// one on which an earlier call has failed inside this library.
    pub(crate) fn with<T>(
        &self,
        handle: Handle,
        call: impl FnOnce(&mut C) -> Result<T>,
    ) -> Result<T> {
        let slot = self.slot(handle)?;
        let mut context = slot.lock().map_err(|_| {
            Error::new(
                ResultCode::ERROR,
                "an earlier call on hbc has failed inside the library, so that its state is not \
                 known: end it and begin again",
            )
        })?;
        call(context.as_mut().ok_or_else(|| self.no_handle(handle))?)
    }

    /// Removes a handle and returns its context.
    ///
    /// # Errors
    /// `ERROR_INVALID_PARAMETER` for a value that is no living handle of this kind.
    pub(crate) fn remove(&self, handle: Handle) -> Result<C> {
        let slot = self.slot(handle)?;
        let context = slot.lock().unwrap_or_else(PoisonError::into_inner).take();
        let mut living = self.living.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(living) = living.as_mut() {
            living.remove(&handle);
        }
        context.ok_or_else(|| self.no_handle(handle))
    }

    fn slot(&self, handle: Handle) -> Result<Slot<C>> {
        let living = self.living.lock().unwrap_or_else(PoisonError::into_inner);
        living
            .as_ref()
            .and_then(|living| living.get(&handle).cloned())
            .ok_or_else(|| self.no_handle(handle))
    }

    fn no_handle(&self, handle: Handle) -> Error {
        let kind = self.kind;
        invalid_parameter(
            "hbc",
            format_args!(
                "{handle:#x} is not the handle of {kind}: never given, ended, or of another kind"
            ),
        )
    }
}

/// A value that no handle of this process has had. It is odd, so that it is no aligned pointer, and
/// the values beside it are no handles.
fn serial_number() -> Handle {
    static LAST: Mutex<Handle> = Mutex::new(0);
    let mut last = LAST.lock().unwrap_or_else(PoisonError::into_inner);
    *last += 1;
    (*last << 8) | 0xB5
}

#[cfg(test)]
mod tests {
    use std::sync::Barrier;
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::thread;

    use super::*;

    fn code<T>(result: Result<T>) -> ResultCode {
        result.map(|_| ()).unwrap_err().code
    }

    #[test]
    fn only_living_handles_of_the_right_kind_are_taken() {
        let (numbers, words) = (Handles::new("a number"), Handles::new("a word"));
        let number = numbers.add(1);
        let word = words.add("one");
        assert_eq!(numbers.with(number, |number| Ok(*number)), Ok(1));
        let mut wrong: Vec<Handle> = vec![0, usize::MAX, word, &raw const numbers as usize];
        wrong.extend((0..usize::BITS).map(|bit| number ^ (1 << bit)));
        for value in wrong {
            assert_eq!(
                code(numbers.with(value, |_| Ok(()))),
                ResultCode::INVALID_PARAMETER,
                "{value:#x}"
            );
            assert_eq!(
                code(numbers.remove(value)),
                ResultCode::INVALID_PARAMETER,
                "{value:#x}"
            );
        }
        assert_eq!(numbers.remove(number), Ok(1));
        assert_eq!(
            code(numbers.with(number, |_| Ok(()))),
            ResultCode::INVALID_PARAMETER
        );
        assert_ne!(numbers.add(2), number, "a value is given once");
    }

    #[test]
    fn calls_of_several_threads_wait_for_one_another() {
        let handles = Handles::new("a counter");
        let handle = handles.add(0);
        let (inside, barrier) = (AtomicUsize::new(0), Barrier::new(8));
        thread::scope(|scope| {
            for _ in 0..8 {
                scope.spawn(|| {
                    barrier.wait();
                    for _ in 0..1000 {
                        let counted = handles.with(handle, |counter| {
                            assert_eq!(inside.fetch_add(1, Ordering::SeqCst), 0);
                            *counter += 1;
                            inside.fetch_sub(1, Ordering::SeqCst);
                            Ok(())
                        });
                        assert_eq!(counted, Ok(()));
                    }
                });
            }
        });
        assert_eq!(handles.remove(handle), Ok(8000));
    }

    #[test]
    fn who_waited_for_the_end_finds_no_handle() {
        let handles = Handles::new("a value");
        let handle = handles.add(());
        let (entered, left) = (Barrier::new(2), Barrier::new(2));
        thread::scope(|scope| {
            scope.spawn(|| {
                handles.with(handle, |()| {
                    entered.wait();
                    left.wait();
                    Ok(())
                })
            });
            entered.wait();
            let slot = handles.slot(handle).expect("alive");
            let ends = scope.spawn(|| handles.remove(handle));
            left.wait();
            assert_eq!(ends.join().expect("no panic"), Ok(()));
            assert_eq!(*slot.lock().expect("not poisoned"), None);
        });
        assert_eq!(
            code(handles.with(handle, |()| Ok(()))),
            ResultCode::INVALID_PARAMETER
        );
    }

    #[test]
    fn after_a_panic_a_handle_can_only_be_ended() {
        let handles = Handles::new("a value");
        let handle = handles.add(());
        let panicked = thread::scope(|scope| {
            scope
                .spawn(|| handles.with(handle, |()| -> Result<()> { panic!("on purpose") }))
                .join()
        });
        assert!(panicked.is_err());
        assert_eq!(code(handles.with(handle, |()| Ok(()))), ResultCode::ERROR);
        assert_eq!(handles.remove(handle), Ok(()));
    }
}
