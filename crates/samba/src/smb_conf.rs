//! The lines of an smb.conf, read as Samba does. Source: Samba's `lib/util/tini.c` and
//! `lib/util/params.c`.
//!
//! testparm shows the effect of the lines, but not the files that contain them. Hence this reader.
//!
//! - White space at the start of a line is skipped, and lines that then begin with `#` or `;`.
//! - A run of white space counts as its first character.
//! - A line that ends with `\`, or with `\` and white space, continues in the next one, whatever
//!   that begins with.
//! - `name = value`: the first `=` divides. Case and white space in names do not count. A line
//!   without `=`, such as that of a section, is no parameter.
//! - A zero byte ends a line early.

/// A parameter, with its line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Parameter {
    /// The number of its first line, from 1.
    pub(crate) line: usize,
    /// In lower case, without white space.
    pub(crate) name: Vec<u8>,
    /// With white space and continuation lines resolved as by Samba.
    pub(crate) value: Vec<u8>,
}

/// The parameters of a file, in order.
pub(crate) fn parameters(text: &[u8]) -> impl Iterator<Item = Parameter> {
    Lines {
        rest: text,
        number: 1,
    }
    .filter_map(|(line, content)| parameter(line, &content))
}

fn parameter(line: usize, content: &[u8]) -> Option<Parameter> {
    let content = content.split(|byte| *byte == 0).next()?;
    if content.first() == Some(&b'[') {
        return None;
    }
    let divide = content.iter().position(|byte| *byte == b'=')?;
    let (name, value) = content.split_at_checked(divide)?;
    let name: Vec<u8> = name
        .iter()
        .filter(|byte| !is_space(**byte))
        .map(u8::to_ascii_lowercase)
        .collect();
    let value = value.get(1..)?;
    let start = value.iter().position(|byte| !is_space(*byte));
    let end = value.iter().rposition(|byte| !is_space(*byte));
    let value = match (start, end) {
        (Some(start), Some(end)) => value.get(start..=end)?.to_vec(),
        _ => Vec::new(),
    };
    (!name.is_empty()).then_some(Parameter { line, name, value })
}

/// White space by C's `isspace`.
fn is_space(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t'..=b'\r')
}

/// Logical lines, each with the number of its first line.
struct Lines<'a> {
    rest: &'a [u8],
    /// The number of the next line.
    number: usize,
}

impl<'a> Lines<'a> {
    /// The next physical line without its end, and whether it has one.
    fn physical(&mut self) -> Option<(&'a [u8], bool)> {
        if self.rest.is_empty() {
            return None;
        }
        self.number = self.number.saturating_add(1);
        let end = self.rest.iter().position(|byte| *byte == b'\n');
        let (line, rest) = match end {
            Some(end) => (self.rest.get(..end)?, self.rest.get(end + 1..)?),
            None => (self.rest, Default::default()),
        };
        self.rest = rest;
        Some((line, end.is_some()))
    }
}

impl Iterator for Lines<'_> {
    type Item = (usize, Vec<u8>);

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            let begin = self.number;
            let (line, mut has_end) = self.physical()?;
            let start = line.iter().position(|byte| !is_space(*byte));
            let mut line = match start.and_then(|start| line.get(start..)) {
                None | Some([b'#' | b';', ..]) => continue,
                Some(line) => line,
            };
            let mut content: Vec<u8> = Vec::new();
            loop {
                for byte in line {
                    let repeats = is_space(*byte) && content.last().copied().is_some_and(is_space);
                    if !repeats {
                        content.push(*byte);
                    }
                }
                let goes_on = match content.as_slice() {
                    [.., b'\\'] => 1,
                    [.., b'\\', last] if is_space(*last) => 2,
                    _ => 0,
                };
                if !has_end || goes_on == 0 {
                    return Some((begin, content));
                }
                content.truncate(content.len() - goes_on);
                match self.physical() {
                    Some(next) => (line, has_end) = next,
                    None => return Some((begin, content)),
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn all(text: &[u8]) -> Vec<(usize, String, String)> {
        let words = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        parameters(text)
            .map(|found| (found.line, words(&found.name), words(&found.value)))
            .collect()
    }

    #[test]
    fn lines_are_read_as_samba_reads_them() {
        for (text, line, name, value) in [
            ("include=/a", 1, "include", "/a"),
            ("[global]\n\t InClude \t =  /a b \r\n", 2, "include", "/a b"),
            ("in clude = /a", 1, "include", "/a"),
            (
                "\n\n# c\n; d\n  #e \\\nconfig  file = /a   b",
                6,
                "configfile",
                "/a b",
            ),
            ("inc\\\nlude = \\\n/a\\ \n/b\nx", 1, "include", "/a/b"),
            ("include = /a\\\n#b", 1, "include", "/a#b"),
            ("include = /a = b", 1, "include", "/a = b"),
            ("include = /a\0 = b", 1, "include", "/a"),
            ("include = \"/a\"", 1, "include", "\"/a\""),
            ("include =", 1, "include", ""),
            ("include = /a\\", 1, "include", "/a\\"),
        ] {
            assert_eq!(
                all(text.as_bytes()),
                [(line, name.to_owned(), value.to_owned())],
                "{text:?}"
            );
        }
        for text in [
            "#include = /a",
            "; include = /a",
            "include /a",
            "[include = /a]",
            " = /a",
            "\\\n",
            "",
        ] {
            assert_eq!(all(text.as_bytes()), [], "{text:?}");
        }
    }

    /// A line as an administrator may write it, and its value.
    fn written() -> impl Strategy<Value = (String, String)> {
        let space = || prop::sample::select(vec!["", " ", "\t", " \t ", "\\\n", " \\\n\t"]);
        let name = prop::sample::select(vec!["include", "INCLUDE", "In clude", "i\tNclude"]);
        let value = "[a-z/][a-z/;#=.]{0,12}[a-z]";
        (space(), name, space(), space(), value).prop_map(|(one, name, two, three, value)| {
            (format!("{one}{name}{two}={three}{value}"), value)
        })
    }

    proptest! {
        #[test]
        fn any_bytes_are_read_to_their_end(text in prop::collection::vec(
            prop_oneof![any::<u8>(), prop::sample::select(b"\n\\ =#;[]\0aI".to_vec())], 0..600))
        {
            let lines = text.iter().filter(|byte| **byte == b'\n').count() + 1;
            let (mut last, mut bytes) = (0, 0);
            for found in parameters(&text) {
                prop_assert!(found.line > last && found.line <= lines);
                last = found.line;
                bytes += found.name.len() + 1 + found.value.len();
                prop_assert!(!found.name.is_empty());
                for part in [&found.name, &found.value] {
                    prop_assert!(!part.contains(&b'\n') && !part.contains(&0));
                    prop_assert!(!part.first().copied().is_some_and(is_space));
                    prop_assert!(!part.last().copied().is_some_and(is_space));
                }
                prop_assert!(!found.name.contains(&b'='));
            }
            prop_assert!(bytes <= text.len());
        }

        #[test]
        fn every_include_is_found_where_it_stands(
            pieces in prop::collection::vec((prop::sample::select(vec![
                "", "\n", "# include = /no\n", "[share]\n", "path = /include\n", ";\\\n",
            ]), written()), 0..20))
        {
            let (mut text, mut expected) = (String::new(), Vec::new());
            for (before, (line, value)) in pieces {
                text += before;
                // The parameter begins in a line with nothing but white space before its `\\`.
                expected.push((text.matches('\n').count() + 1, "include".to_owned(), value));
                text += &line;
                text += "\n";
            }
            let mut found = all(text.as_bytes());
            found.retain(|(_, name, _)| name == "include");
            prop_assert_eq!(found, expected);
        }
    }
}
