//! Parses filters.

use std::str::FromStr;

use super::{Filter, MatchingRule, Substrings};

/// The most nested filters, so that no text exhausts the stack.
const MOST_NESTED: usize = 64;

/// The error for a malformed filter.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("filter, at byte {offset}: expected {expected}")]
pub struct ParseError {
    /// Its offset in the text.
    pub offset: usize,
    /// What should stand there.
    pub expected: &'static str,
}

/// Parses `(attribute=value)` and combinations; the outermost parentheses are optional.
impl FromStr for Filter {
    type Err = ParseError;

    fn from_str(text: &str) -> Result<Self, ParseError> {
        let start = text.len() - text.trim_start().len();
        let mut parser = Parser {
            text: text.trim_end(),
            at: start,
        };
        let filter = match parser.peek() {
            Some(b'(') => parser.filter(0)?,
            Some(_) => parser.item()?,
            None => return Err(parser.wrong("a filter such as (objectClass=user)")),
        };
        match parser.peek() {
            None => Ok(filter),
            Some(_) => Err(parser.wrong("the end of the filter")),
        }
    }
}

struct Parser<'t> {
    text: &'t str,
    at: usize,
}

impl Parser<'_> {
    fn peek(&self) -> Option<u8> {
        self.text.as_bytes().get(self.at).copied()
    }

    fn skip_spaces(&mut self) {
        while self.peek().is_some_and(|byte| byte.is_ascii_whitespace()) {
            self.at += 1;
        }
    }

    fn take(&mut self, byte: u8, expected: &'static str) -> Result<(), ParseError> {
        if self.peek() != Some(byte) {
            return Err(self.wrong(expected));
        }
        self.at += 1;
        Ok(())
    }

    fn wrong(&self, expected: &'static str) -> ParseError {
        ParseError {
            offset: self.at,
            expected,
        }
    }

    fn filter(&mut self, depth: usize) -> Result<Filter, ParseError> {
        if depth > MOST_NESTED {
            return Err(self.wrong("no more than 64 filters inside of each other"));
        }
        self.take(b'(', "an opening parenthesis")?;
        self.skip_spaces();
        let filter = match self.peek() {
            Some(b'&') => Filter::And(self.list(depth)?),
            Some(b'|') => Filter::Or(self.list(depth)?),
            Some(b'!') => {
                self.at += 1;
                self.skip_spaces();
                let filter = self.filter(depth + 1)?;
                self.skip_spaces();
                Filter::Not(Box::new(filter))
            }
            _ => self.item()?,
        };
        self.take(b')', "a closing parenthesis")?;
        Ok(filter)
    }

    fn list(&mut self, depth: usize) -> Result<Vec<Filter>, ParseError> {
        self.at += 1;
        let mut filters = Vec::new();
        loop {
            self.skip_spaces();
            match self.peek() {
                Some(b'(') => filters.push(self.filter(depth + 1)?),
                _ => return Ok(filters),
            }
        }
    }

    /// An item in parentheses that does not begin with `&`, `|` or `!`.
    fn item(&mut self) -> Result<Filter, ParseError> {
        let attribute = self.name();
        match self.peek() {
            Some(b':') => self.extensible(attribute),
            _ if attribute.is_empty() => Err(self.wrong("the name of an attribute")),
            Some(b'=') => {
                self.at += 1;
                self.equal_or_parts(attribute)
            }
            Some(sign @ (b'>' | b'<' | b'~')) => {
                self.at += 1;
                self.take(b'=', "an equals sign")?;
                let value = self.value()?;
                Ok(match sign {
                    b'>' => Filter::GreaterOrEqual(attribute, value),
                    b'<' => Filter::LessOrEqual(attribute, value),
                    _ => Filter::Approximate(attribute, value),
                })
            }
            _ => Err(self.wrong("=, >=, <=, ~= or :")),
        }
    }

    fn name(&mut self) -> String {
        let start = self.at;
        let is_name = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b';');
        while self.peek().is_some_and(is_name) {
            self.at += 1;
        }
        self.text.get(start..self.at).unwrap_or_default().to_owned()
    }

    /// `attribute:rule:=value`, or `attribute:dn:rule:=value`: servers of Active Directory match no
    /// parts of names, and leave `dn` out of account (\[MS-ADTS\] 3.1.1.3.1.3.1).
    fn extensible(&mut self, attribute: String) -> Result<Filter, ParseError> {
        self.at += 1;
        let mut start = self.at;
        let mut name = self.name();
        if name.eq_ignore_ascii_case("dn") && self.peek() == Some(b':') {
            self.at += 1;
            start = self.at;
            name = self.name();
        }
        let rule = match name.as_str() {
            "1.2.840.113556.1.4.803" => Some(MatchingRule::BitAnd),
            "1.2.840.113556.1.4.804" => Some(MatchingRule::BitOr),
            "1.2.840.113556.1.4.1941" => Some(MatchingRule::InChain),
            // `attribute:=value` means the same as `attribute=value`.
            "" if !attribute.is_empty() => None,
            _ => {
                self.at = start;
                return Err(self.wrong("one of the rules 1.2.840.113556.1.4.803, .804 and .1941"));
            }
        };
        if rule.is_some() {
            self.take(b':', "a colon")?;
        }
        self.take(b'=', "an equals sign")?;
        if attribute.is_empty() {
            return Err(self.wrong("the name of an attribute before the rule"));
        }
        let value = self.value()?;
        Ok(match rule {
            Some(rule) => Filter::Extensible {
                attribute,
                rule,
                value,
            },
            None => Filter::Equal(attribute, value),
        })
    }

    fn equal_or_parts(&mut self, attribute: String) -> Result<Filter, ParseError> {
        let mut parts = vec![self.value()?];
        while self.peek() == Some(b'*') {
            self.at += 1;
            parts.push(self.value()?);
        }
        let last = match parts.len() {
            0 | 1 => return Ok(Filter::Equal(attribute, parts.pop().unwrap_or_default())),
            _ => parts.pop(),
        };
        let mut parts = parts.into_iter();
        let some = |part: Option<Vec<u8>>| part.filter(|part| !part.is_empty());
        let substrings = Substrings {
            first: some(parts.next()),
            middle: parts.filter(|part| !part.is_empty()).collect(),
            last: some(last),
        };
        Ok(match substrings == Substrings::default() {
            true => Filter::Present(attribute),
            false => Filter::Substrings(attribute, substrings),
        })
    }

    /// Up to an asterisk or a parenthesis.
    fn value(&mut self) -> Result<Vec<u8>, ParseError> {
        let mut value = Vec::new();
        while let Some(byte) = self.peek() {
            match byte {
                b'*' | b')' => break,
                b'(' => return Err(self.wrong("\\28 for a parenthesis in a value")),
                b'\\' => {
                    let digits = self.text.get(self.at + 1..self.at + 3);
                    let Some([byte]) = digits.and_then(ids::hex::decode_array::<1>) else {
                        return Err(self.wrong("two hexadecimal digits after a backslash"));
                    };
                    value.push(byte);
                    self.at += 3;
                }
                byte => {
                    value.push(byte);
                    self.at += 1;
                }
            }
        }
        Ok(value)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn equal(name: &str, value: &str) -> Filter {
        Filter::Equal(name.into(), value.into())
    }

    #[test]
    fn filters_are_parsed() {
        let parse = |text: &str| text.parse::<Filter>().unwrap();
        assert_eq!(parse("cn=a b"), equal("cn", "a b"));
        assert_eq!(parse(" ( cn=a) "), equal("cn", "a"));
        assert_eq!(parse("(cn=\\2a\\28)"), equal("cn", "*("));
        assert_eq!(parse("(cn=)"), equal("cn", ""));
        assert_eq!(parse("(cn=*)"), Filter::Present("cn".into()));
        assert_eq!(parse("(&)"), Filter::And(vec![]));
        assert_eq!(
            parse("(|(cn=a)(!(sn=b)) )"),
            Filter::Or(vec![equal("cn", "a"), Filter::Not(equal("sn", "b").into())])
        );
        assert_eq!(
            parse("(cn=a*b**c)"),
            Filter::Substrings(
                "cn".into(),
                Substrings {
                    first: Some(b"a".into()),
                    middle: vec![b"b".into()],
                    last: Some(b"c".into()),
                }
            )
        );
        assert_eq!(
            parse("(groupType:1.2.840.113556.1.4.803:=2147483648)"),
            Filter::Extensible {
                attribute: "groupType".into(),
                rule: MatchingRule::BitAnd,
                value: b"2147483648".into(),
            }
        );
        for same in ["(cn:=a)", "(cn:dn:=a)", "(cn:DN:=a)"] {
            assert_eq!(parse(same), equal("cn", "a"));
        }
        assert_eq!(
            parse("(member:dn:1.2.840.113556.1.4.1941:=CN=a)"),
            parse("(member:1.2.840.113556.1.4.1941:=CN=a)")
        );
        assert_eq!(
            parse("(uSNChanged>=5)"),
            Filter::GreaterOrEqual("uSNChanged".into(), b"5".into())
        );
        for (wrong, offset) in [
            ("", 0),
            ("(", 1),
            ("(cn)", 3),
            ("(cn=a", 5),
            ("(cn=a))", 6),
            ("(cn=\\2)", 4),
            ("(cn=(a)", 4),
            ("(=a)", 1),
            ("(!cn=a)", 2),
            ("(cn:1.2.3:=a)", 4),
            ("(cn:dn:1.2.3:=a)", 7),
            ("(cn>a)", 4),
        ] {
            let error = wrong.parse::<Filter>().expect_err(wrong);
            assert_eq!(error.offset, offset, "{wrong}");
        }
        let deep = "(!".repeat(100_000);
        assert!(deep.parse::<Filter>().is_err());
    }

    proptest::proptest! {
        #[test]
        fn any_text_is_a_filter_or_an_error(text: String, like in "[(&|!cn=*:<>~\\\\0-9 )]{0,60}") {
            let _ = (text.parse::<Filter>(), like.parse::<Filter>());
        }
    }
}
