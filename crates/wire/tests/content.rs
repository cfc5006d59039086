//! The messages of a file: the output of the generic gRPC codec is read, and the other way round,
//! however the network cuts the bytes. Anything else is refused.

use proptest::prelude::*;
use prost::Message;
use prost::bytes::Bytes;
use wire::content::{Reader, parts};
use wire::v1::{FileContent, FileEnd};

/// A message as the generic gRPC codec sends it.
fn general(content: &FileContent) -> Vec<u8> {
    let message = content.encode_to_vec();
    let length = (message.len() as u32).to_be_bytes();
    [&[0], length.as_slice(), &message].concat()
}

/// Reads an answer that arrives in parts of `cut` bytes: the data, and the ends.
fn read(answer: &[u8], cut: usize) -> contract::Result<(Vec<u8>, Vec<FileEnd>)> {
    let (mut data, mut ends) = (Vec::new(), Vec::new());
    let mut reader = Reader::default();
    for part in answer.chunks(cut) {
        let mut part = Bytes::copy_from_slice(part);
        while let Some(content) = reader.next(&mut part)? {
            data.extend_from_slice(&content.data);
            ends.extend(content.end);
        }
    }
    reader.finish().map(|()| (data, ends))
}

fn messages() -> impl Strategy<Value = Vec<FileContent>> {
    let end = (any::<u64>(), prop::collection::vec(".{0,40}", 0..3))
        .prop_map(|(damaged, damage)| FileEnd { damaged, damage });
    let data = prop::collection::vec(any::<u8>(), 0..300);
    let content = (data, prop::option::of(end)).prop_map(|(data, end)| FileContent {
        data: data.into(),
        end,
    });
    prop::collection::vec(content, 0..5)
}

proptest! {
    #[test]
    fn parts_are_what_the_general_way_makes(messages in messages()) {
        for message in messages {
            prop_assert_eq!(parts(message.clone()).concat(), general(&message));
        }
    }

    #[test]
    fn messages_are_read_however_they_are_cut(messages in messages(), cut in 1usize..400) {
        let answer: Vec<u8> = messages.iter().flat_map(general).collect();
        let (data, ends) = read(&answer, cut).unwrap();
        let expected: Vec<u8> = messages.iter().flat_map(|message| message.data.to_vec()).collect();
        prop_assert_eq!(data, expected);
        let expected: Vec<FileEnd> =
            messages.into_iter().filter_map(|message| message.end).collect();
        prop_assert_eq!(ends, expected);
    }

    #[test]
    fn half_an_answer_is_never_taken_for_a_whole_one(
        messages in messages().prop_filter("not empty", |messages| !messages.is_empty()),
        cut in 1usize..400,
        short in 1usize..5,
    ) {
        let mut answer: Vec<u8> = messages.iter().flat_map(general).collect();
        // Every message has a header of five bytes, so the rest ends within one.
        let last = general(messages.last().unwrap());
        answer.truncate(answer.len() - short.min(last.len() - 1));
        prop_assert!(read(&answer, cut).is_err());
    }

    #[test]
    fn any_bytes_are_read_or_refused(
        answer in prop::collection::vec(any::<u8>(), 0..200),
        cut in 1usize..40,
    ) {
        let outcome = |cut| read(&answer, cut).map_err(|error| error.reason);
        prop_assert_eq!(outcome(cut), outcome(usize::MAX));
    }
}

#[test]
fn what_is_no_message_of_a_file_is_refused_with_its_position() {
    let refused = |answer: &[u8]| read(answer, usize::MAX).unwrap_err().reason;
    let cases: [(&[u8], &str); 7] = [
        (
            &[1, 0, 0, 0, 0],
            "byte 5: expected a message that is not compressed",
        ),
        (
            &[0, 5, 0, 0, 0],
            "byte 5: expected a message of at most 64 MiB, found one of 83886080",
        ),
        (
            &[0, 0, 0, 0, 3, 10, 2, 7],
            "byte 7: expected data of at most 1 bytes, found 2",
        ),
        (
            &[0, 1, 0, 0, 0, 10, 0x80, 0x80, 0x80, 0x80, 0x80],
            "byte 11: expected the length of the data, found a number that does not end",
        ),
        (
            &[0, 0, 0, 0, 1, 10, 0],
            "byte 7: expected the length of the data",
        ),
        (
            &[0, 0, 0, 0, 5, 18, 3, 255, 255, 255],
            "byte 10: expected the end of a file",
        ),
        (
            &[0, 1, 0, 0, 0, 18],
            "byte 5: expected at most 1 MiB beside the data, found 16777216",
        ),
    ];
    for (answer, expected) in cases {
        let reason = refused(answer);
        assert!(reason.contains(expected), "{reason}");
    }
    // No gRPC library sends data after other fields.
    let twice = [0, 0, 0, 0, 6, 10, 1, 7, 10, 1, 8];
    assert!(refused(&twice).contains("expected fields behind the data, found data"));
}

/// Empty messages do not end the wait for the file, which is limited.
#[test]
fn messages_that_say_nothing_are_passed_over() {
    let later_version = [0, 0, 0, 0, 2, 15 << 3, 1];
    let mut part = Bytes::from(
        [&[0, 0, 0, 0, 0], later_version.as_slice()]
            .concat()
            .repeat(100),
    );
    let mut reader = Reader::default();
    assert_eq!(reader.next(&mut part), Ok(None));
    assert!(part.is_empty());
    reader.finish().unwrap();
}
