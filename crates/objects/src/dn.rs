//! Distinguished names (RFC 4514).

/// The separator between the old name and the GUID in the name of a deleted object.
pub const DELETED_MARK: &str = "\nDEL:";

/// One part of a name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rdn {
    /// The naming attribute, for example `CN`.
    pub kind: String,
    /// Its value, without escapes.
    pub value: String,
}

/// The most parts of a name.
pub const MOST_PARTS: usize = 256;

/// The parts of a name, the object's own first. `None` for malformed text. The empty name has no
/// parts.
pub fn parse(text: &str) -> Option<Vec<Rdn>> {
    let mut parts = Vec::new();
    if text.trim().is_empty() {
        return Some(parts);
    }
    for part in split(text) {
        if parts.len() == MOST_PARTS {
            return None;
        }
        let (kind, value) = part.split_once('=')?;
        let kind = kind.trim();
        let is_kind = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'.';
        if kind.is_empty() || !kind.bytes().all(is_kind) {
            return None;
        }
        parts.push(Rdn {
            kind: kind.to_owned(),
            value: unescape(value)?,
        });
    }
    Some(parts)
}

/// The parts, still escaped.
fn split(text: &str) -> impl Iterator<Item = &str> {
    let mut is_escaped = false;
    text.split(move |character| {
        let separates = !is_escaped && (character == ',' || character == ';');
        is_escaped = !is_escaped && character == '\\';
        separates
    })
}

fn unescape(text: &str) -> Option<String> {
    let text = text.trim_start_matches(' ');
    let mut bytes = Vec::with_capacity(text.len());
    // Unescaped spaces at the end do not count.
    let mut end = 0;
    let mut rest = text.as_bytes();
    while let Some((first, after)) = rest.split_first() {
        rest = after;
        if *first != b'\\' {
            bytes.push(*first);
            if *first != b' ' {
                end = bytes.len();
            }
            continue;
        }
        let pair = rest
            .get(..2)
            .and_then(|pair| std::str::from_utf8(pair).ok());
        if let Some([byte]) = pair.and_then(ids::hex::decode_array::<1>) {
            bytes.push(byte);
            rest = rest.get(2..)?;
        } else {
            let (escaped, after) = rest.split_first()?;
            bytes.push(*escaped);
            rest = after;
        }
        end = bytes.len();
    }
    bytes.truncate(end);
    String::from_utf8(bytes).ok()
}

/// The value of a part, escaped.
pub fn escape(value: &str) -> String {
    let mut text = String::with_capacity(value.len());
    ntds::escape(value, &mut text);
    text
}

/// A form that is equal for all spellings of a name: lower case, uniform escapes. `None` for
/// malformed text.
pub fn fold(text: &str) -> Option<String> {
    let parts = parse(text)?;
    let mut folded = String::with_capacity(text.len());
    for part in parts {
        if !folded.is_empty() {
            folded.push(',');
        }
        folded.push_str(&part.kind.to_ascii_lowercase());
        folded.push('=');
        folded.push_str(&escape(&part.value.to_lowercase()));
    }
    Some(folded)
}

/// Whether two names are the same, however they are spelled. Malformed text is the same as none.
pub fn is_same(one: &str, other: &str) -> bool {
    match is_plain(one) && is_plain(other) {
        true => one.eq_ignore_ascii_case(other) && parse(one).is_some(),
        false => fold(one).is_some_and(|one| fold(other) == Some(one)),
    }
}

/// Whether a name can be spelled in this way only, apart from the case: without escapes and the
/// spaces that do not count.
fn is_plain(text: &str) -> bool {
    let is_spaced = || {
        text.as_bytes()
            .windows(2)
            .any(|pair| matches!(pair, b", " | b" ," | b"= " | b" ="))
    };
    text.is_ascii()
        && !text
            .bytes()
            .any(|byte| byte.is_ascii_control() || matches!(byte, b'\\' | b';'))
        && text.trim().len() == text.len()
        && !is_spaced()
}

/// The parent's name. `None` for a name of at most one part.
pub fn parent(text: &str) -> Option<&str> {
    let first = split(text).next()?;
    text.get(first.len() + 1..)
}

/// The object's own part of its name.
pub fn rdn(text: &str) -> &str {
    split(text).next().unwrap_or(text)
}

/// The value of the object's own part, without escapes. `None` for malformed text and the empty
/// name.
pub fn own_value(text: &str) -> Option<String> {
    Some(parse(text)?.into_iter().next()?.value)
}

/// The domain or application partition that a name ends with, for example `["corp", "example"]`: its
/// last parts of the kind DC, in lower case. `None` for malformed text and a name without.
pub fn domain(text: &str) -> Option<Vec<String>> {
    let parts = parse(text)?;
    let (_, domain) = split_domain(&parts);
    let labels: Vec<String> = domain
        .iter()
        .map(|part| part.value.to_lowercase())
        .collect();
    (!labels.is_empty()).then_some(labels)
}

/// The parts before those of the domain, and these.
fn split_domain(parts: &[Rdn]) -> (&[Rdn], &[Rdn]) {
    let is_domain = |part: &&Rdn| part.kind.eq_ignore_ascii_case("dc");
    let domain = parts.iter().rev().take_while(is_domain).count();
    parts.split_at(parts.len() - domain)
}

/// The canonical form, for example `corp.example/Users/Alice`. `None` for malformed text.
pub fn canonical(text: &str) -> Option<String> {
    let parts = parse(text)?;
    let (path, domain) = split_domain(&parts);
    let labels: Vec<&str> = domain.iter().map(|part| part.value.as_str()).collect();
    let mut name = labels.join(".");
    name.push('/');
    let path = path.iter().rev().map(|part| {
        part.value
            .replace('\\', "\\\\")
            .replace('/', "\\/")
            .replace('\n', "\\\n")
    });
    name.push_str(&path.collect::<Vec<_>>().join("/"));
    Some(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_domain_of_a_name() {
        let domain = |text| domain(text).map(|labels| labels.join("."));
        assert_eq!(
            domain("CN=A,OU=B,DC=Corp,DC=example").as_deref(),
            Some("corp.example")
        );
        assert_eq!(
            domain("DC=@,DC=zone,CN=MicrosoftDNS,DC=DomainDnsZones,DC=corp").as_deref(),
            Some("domaindnszones.corp")
        );
        assert_eq!(domain("CN=A"), None);
        assert_eq!(domain("nonsense"), None);
    }

    #[test]
    fn names_are_parsed() {
        let text = r"CN=Smith\, J.\0ADEL:1 , OU=\ x\ ,DC=corp;DC=example";
        let parts = parse(text).unwrap();
        let pairs: Vec<(&str, &str)> = (parts.iter())
            .map(|part| (part.kind.as_str(), part.value.as_str()))
            .collect();
        assert_eq!(
            pairs,
            [
                ("CN", "Smith, J.\nDEL:1"),
                ("OU", " x "),
                ("DC", "corp"),
                ("DC", "example")
            ]
        );
        assert_eq!(
            fold(text).as_deref(),
            Some(r"cn=smith\, j.\0Adel:1,ou=\ x\ ,dc=corp,dc=example")
        );
        assert_eq!(parent("CN=a\\,b,DC=c"), Some("DC=c"));
        assert_eq!(rdn("CN=a\\,b,DC=c"), "CN=a\\,b");
        assert_eq!(own_value("CN=a\\,b,DC=c").as_deref(), Some("a,b"));
        assert_eq!(own_value(""), None);
        assert_eq!(parent("DC=c"), None);
        assert_eq!(
            canonical("CN=a/b,OU=x,DC=corp,DC=example").as_deref(),
            Some("corp.example/x/a\\/b")
        );
        assert_eq!(
            canonical("DC=corp,DC=example").as_deref(),
            Some("corp.example/")
        );
        for wrong in ["CN", "=x", "CN=a,", "C N=a", r"CN=a\"] {
            assert_eq!(parse(wrong), None, "{wrong}");
        }
    }

    proptest::proptest! {
        #[test]
        fn escaped_values_lead_back(value: String, next: String) {
            let text = format!("CN={},OU={}", escape(&value), escape(&next));
            let parts = parse(&text).unwrap();
            proptest::prop_assert_eq!(&parts[0].value, &value);
            proptest::prop_assert_eq!(&parts[1].value, &next);
        }

        #[test]
        fn names_are_the_same_if_their_uniform_forms_are(
            one in "[cC]n? ?= ?[aAß, ;+\"\\\\\t]{0,4}",
            other in "[cC]n? ?= ?[aAß, ;+\"\\\\\t]{0,4}",
        ) {
            for (one, other) in [(&one, &other), (&one, &one), (&one, &one.to_uppercase())] {
                let same = fold(one).is_some() && fold(one) == fold(other);
                proptest::prop_assert_eq!(is_same(one, other), same);
            }
        }

        #[test]
        fn any_text_is_a_name_or_none(text in ".{0,60}") {
            let _ = (parse(&text), fold(&text), parent(&text), canonical(&text));
        }
    }
}
