//! A file from a service that sends anything: the reader's result does not depend on how the bytes
//! are divided, and equals that of gRPC libraries for messages as they write them.
#![no_main]

use libfuzzer_sys::fuzz_target;
use prost::Message;
use prost::bytes::{Buf, Bytes};
use wire::content::{Reader, parts};
use wire::v1::{FileContent, FileEnd};

/// The result of reading an answer: the file, its ends, and whether it was refused.
#[derive(Debug, Default, PartialEq)]
struct Outcome {
    data: Vec<u8>,
    ends: Vec<FileEnd>,
    whole: bool,
}

fn read(mut answer: Bytes, cut: usize) -> Outcome {
    let mut outcome = Outcome::default();
    let mut reader = Reader::default();
    while !answer.is_empty() {
        let mut part = answer.split_to(cut.min(answer.len()));
        loop {
            match reader.next(&mut part) {
                Ok(Some(content)) => {
                    outcome.data.extend_from_slice(&content.data);
                    outcome.ends.extend(content.end);
                }
                Ok(None) => break,
                Err(_) => return outcome,
            }
        }
        assert!(part.is_empty());
    }
    outcome.whole = reader.finish().is_ok();
    outcome
}

/// A general parser, for whole messages in the usual form: each field once, in order.
fn collect(mut answer: &[u8]) -> Option<Outcome> {
    let mut outcome = Outcome::default();
    while answer.len() >= 5 && answer.get_u8() == 0 {
        let length = answer.get_u32() as usize;
        let (message, rest) = answer.split_at_checked(length)?;
        let content = FileContent::decode(message).ok()?;
        if content.encode_to_vec() != message {
            return None;
        }
        outcome.data.extend_from_slice(&content.data);
        outcome.ends.extend(content.end);
        answer = rest;
    }
    outcome.whole = answer.is_empty();
    outcome.whole.then_some(outcome)
}

fuzz_target!(|input: &[u8]| {
    let Some((cut, answer)) = input.split_first() else {
        return;
    };
    let answer = Bytes::copy_from_slice(answer);
    let outcome = read(answer.clone(), usize::from(*cut).max(1));
    let at_once = read(answer.clone(), usize::MAX);
    assert_eq!(outcome.whole, at_once.whole);
    if let Some(collected) = collect(&answer) {
        assert_eq!(outcome, collected);
    }
    if outcome.whole {
        assert_eq!(outcome, at_once);
        // A message that was understood is sent again, and understood again.
        let end = outcome.ends.first().cloned();
        let data = Bytes::copy_from_slice(&outcome.data);
        let again: Vec<u8> = parts(FileContent {
            data,
            end: end.clone(),
        })
        .concat();
        let again = read(again.into(), usize::from(*cut).max(1));
        assert_eq!(again.data, outcome.data);
        assert_eq!(again.ends.first(), end.as_ref());
        assert!(again.whole);
    }
});
