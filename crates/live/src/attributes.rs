//! Attributes as a server is asked for them, and as it names them.

use objects::Wanted;

/// What the state of an object depends on.
const MARKS: [&str; 4] = ["isDeleted", "isRecycled", "msDS-LastKnownRDN", "name"];

/// What to ask for.
pub fn attributes(wanted: &Wanted) -> Vec<String> {
    let mut names: Vec<String> = match &wanted.attributes {
        Some(names) => names
            .iter()
            .cloned()
            .chain(MARKS.map(str::to_owned))
            .collect(),
        None => vec!["*".to_owned()],
    };
    if wanted.descriptor && wanted.attributes.is_none() {
        names.push("nTSecurityDescriptor".into());
    }
    if wanted.metadata || wanted.attributes.is_none() {
        names.push("replPropertyMetaData".into());
    }
    names
}

/// The part of a multi-valued attribute that was sent.
#[derive(Debug, PartialEq, Eq)]
pub struct Range<'n> {
    /// The attribute.
    pub name: &'n str,
    /// Where the next part begins; `None` after the last one.
    pub next: Option<u64>,
}

/// Reads an attribute's name with its options, such as `member;range=0-1499`. Source: \[MS-ADTS\]
/// 3.1.1.3.1.3.3.
pub fn range(description: &str) -> Range<'_> {
    let (name, options) = description.split_once(';').unwrap_or((description, ""));
    let range = options.split(';').find_map(|option| {
        let start = option.get(..6)?;
        start
            .eq_ignore_ascii_case("range=")
            .then(|| option.get(6..))
            .flatten()
    });
    let last = range
        .and_then(|range| range.split_once('-'))
        .map(|(_, last)| last);
    let last: Option<u64> = last.and_then(|last| last.parse().ok());
    Range {
        name,
        next: last.and_then(|last| last.checked_add(1)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_of_values() {
        let range = |text| {
            let range = range(text);
            (range.name, range.next)
        };
        assert_eq!(range("member"), ("member", None));
        assert_eq!(range("member;range=0-1499"), ("member", Some(1500)));
        assert_eq!(
            range("member;binary;Range=1500-2999"),
            ("member", Some(3000))
        );
        assert_eq!(range("member;range=3000-*"), ("member", None));
        for odd in [
            "member;range=",
            "member;range=0-",
            "member;range=0-18446744073709551615",
        ] {
            assert_eq!(range(odd), ("member", None), "{odd}");
        }
    }
}
