//! Any bytes in a log give a result or an error, never a panic.

use ese::header::Lgpos;
use ese::log::record::Record;
use ese::log::{ListedRecord, LogKind, LogStream};
use proptest::prelude::*;

proptest! {
    #[test]
    fn any_bytes_parse_or_are_refused(mut bytes: Vec<u8>, kind in 0u8..110) {
        if let Some(first) = bytes.first_mut() {
            *first = kind;
        }
        if let Ok((record, kind, size)) = Record::parse(&bytes) {
            prop_assert!(size <= bytes.len());
            let listed = ListedRecord { position: Lgpos::default(), kind, record: &record };
            prop_assert!(!listed.to_string().is_empty());
            let json = listed.to_json();
            prop_assert_eq!(json.chars().next(), Some('{'));
        }
    }

    #[test]
    fn a_record_cut_short_is_refused(
        bytes in proptest::collection::vec(any::<u8>(), 1..900),
        kind in 0u8..110
    ) {
        let mut bytes = bytes;
        bytes[0] = kind;
        if let Ok((_, kind, size)) = Record::parse(&bytes) {
            let (_, again, same) = Record::parse(&bytes[..size]).unwrap();
            prop_assert_eq!((again, same), (kind, size));
            if size > 1 {
                prop_assert!(Record::parse(&bytes[..size - 1]).is_err());
            }
        }
    }

    #[test]
    fn any_blocks_verify_or_are_refused(blocks: Vec<Vec<u8>>) {
        let mut stream = LogStream::new("edb.log", LogKind::Current);
        if blocks.iter().try_for_each(|block| stream.feed(block)).is_ok() {
            prop_assert!(stream.finish().is_err());
        }
    }
}
