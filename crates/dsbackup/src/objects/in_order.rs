//! Work of all processors, whose results come in the order of what was given.
//!
//! ```text
//! caller ─▶ batches ─▶ workers ─▶ texts, in the order of their batches ─▶ writer
//! ```

use std::io::ErrorKind;
use std::thread;

use crossbeam_channel::{Receiver, Sender, bounded};

use crate::failure::{Failure, Result};

/// How many things a worker gets at a time.
const BATCH: usize = 32;

/// The most workers: each holds the text of some batches.
const MOST_WORKERS: usize = 8;

/// What a worker made of a batch: the text of what succeeded, and what failed then.
type Made = (Vec<u8>, Result<()>);

/// Gives what `produce` sends to the workers on all processors, each made by `worker`, and their
/// texts to `write`, in order.
///
/// # Errors
/// The first error in that order; all texts before it were written.
pub fn in_order<T: Send, W: FnMut(T, &mut Vec<u8>) -> Result<()>>(
    produce: impl FnOnce(&mut dyn FnMut(T) -> Result<()>) -> Result<()>,
    worker: impl Fn() -> W + Sync,
    mut write: impl FnMut(&[u8]) -> Result<()> + Send,
) -> Result<()> {
    let processors = thread::available_parallelism().map_or(1, usize::from);
    let workers = processors.min(MOST_WORKERS);
    let (to_workers, batches) = bounded::<(Vec<T>, Sender<Made>)>(workers);
    let (to_writer, results) = bounded::<Receiver<Made>>(2 * workers);
    thread::scope(|scope| {
        for _ in 0..workers {
            let (batches, worker) = (batches.clone(), &worker);
            scope.spawn(move || {
                let mut work = worker();
                for (batch, done) in batches {
                    let mut text = Vec::new();
                    let mut things = batch.into_iter();
                    let result = things.try_for_each(|thing| work(thing, &mut text));
                    // Nobody waits for it once the writer has failed.
                    let _ = done.send((text, result));
                }
            });
        }
        drop(batches);
        let writer = scope.spawn(move || -> Result<()> {
            for result in results {
                // A worker that panicked sends nothing, and the scope passes its panic on.
                let Ok((text, result)) = result.recv() else {
                    break;
                };
                write(&text)?;
                result?;
            }
            Ok(())
        });
        let send = |batch: Vec<T>| {
            let (done, result) = bounded(1);
            let sent = to_writer.send(result).is_ok() && to_workers.send((batch, done)).is_ok();
            // What failed, the writer says.
            sent.then_some(())
                .ok_or_else(|| Failure::Output(ErrorKind::BrokenPipe.into()))
        };
        let mut batch = Vec::with_capacity(BATCH);
        let produced = produce(&mut |thing| {
            batch.push(thing);
            match batch.len() < BATCH {
                true => Ok(()),
                false => send(std::mem::replace(&mut batch, Vec::with_capacity(BATCH))),
            }
        });
        let produced = match batch.is_empty() {
            true => produced,
            false => send(batch).and(produced),
        };
        drop((to_writer, to_workers));
        match writer.join() {
            Ok(written) => written.and(produced),
            Err(panic) => std::panic::resume_unwind(panic),
        }
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Numbers as text, until one fails.
    fn texts(numbers: &[u8], failing: u8, produced: Result<()>) -> (String, Result<()>) {
        let mut written = Vec::new();
        let result = in_order(
            |send| {
                numbers.iter().try_for_each(&mut *send)?;
                produced
            },
            || {
                |number: &u8, text: &mut Vec<u8>| {
                    if *number == failing {
                        return Err(Failure::NotFound(number.to_string()));
                    }
                    text.extend(format!("{number} ").into_bytes());
                    Ok(())
                }
            },
            |text| {
                written.extend_from_slice(text);
                Ok(())
            },
        );
        (String::from_utf8(written).expect("digits"), result)
    }

    proptest! {
        #[test]
        fn texts_come_in_order_up_to_the_first_error(
            numbers in proptest::collection::vec(1_u8.., 0..500),
            failing: u8,
        ) {
            let expected: String = (numbers.iter())
                .take_while(|number| **number != failing)
                .map(|number| format!("{number} "))
                .collect();
            let (text, result) = texts(&numbers, failing, Ok(()));
            prop_assert_eq!(text, expected);
            prop_assert_eq!(result.is_err(), numbers.contains(&failing));
        }
    }

    #[test]
    fn what_was_given_before_an_error_is_written() {
        let (text, result) = texts(&[1, 2, 3], 0, Err(Failure::NotFound("damaged".into())));
        assert_eq!(text, "1 2 3 ");
        assert_eq!(result.expect_err("failed").to_string(), "damaged");
    }

    #[test]
    fn a_writer_that_fails_ends_it() {
        let mut given = 0_u32;
        let result = in_order(
            |send| loop {
                send(())?;
                given += 1;
                assert!(given < 1_000_000, "nobody stopped it");
            },
            || {
                |(), text: &mut Vec<u8>| {
                    text.push(b'x');
                    Ok(())
                }
            },
            |_| Err(Failure::NotFound("full".into())),
        );
        assert_eq!(result.expect_err("failed").to_string(), "full");
    }
}
