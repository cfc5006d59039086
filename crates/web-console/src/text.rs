//! Text from directories, repositories and users in pages.
//!
//! Markup is escaped by maud. Here characters become visible that a browser would not show, or that
//! turn the direction of what follows, and long text is cut.

use maud::{Markup, Render, html};

/// The characters of a text that a page shows, and that a list shows.
const LONGEST: usize = 1_000;
const LONGEST_IN_LIST: usize = 120;

/// The hidden characters of a text that are shown; it is cut at the next one.
const MOST_HIDDEN: usize = 40;

/// Text of any origin.
pub struct Shown<'t>(pub &'t str);

/// Text of any origin in a list, where much of it stands on one page.
pub struct Brief<'t>(pub &'t str);

impl Render for Shown<'_> {
    fn render(&self) -> Markup {
        render(self.0, LONGEST)
    }
}

impl Render for Brief<'_> {
    fn render(&self) -> Markup {
        render(self.0, LONGEST_IN_LIST)
    }
}

fn render(text: &str, longest: usize) -> Markup {
    let cut = end(text, longest);
    let visible = &text[..cut.unwrap_or(text.len())];
    html! {
        bdi {
            @for part in visible.split_inclusive(is_hidden) {
                @let (plain, hidden) = split(part);
                (plain)
                @if let Some(character) = hidden {
                    span.hidden-character { (format!("U+{:04X}", u32::from(character))) }
                }
            }
        }
        @if cut.is_some() {
            span.cut { " … (" (text.len()) " bytes)" }
        }
    }
}

/// Where a text is cut that is too long, or hides too much.
fn end(text: &str, longest: usize) -> Option<usize> {
    let mut hidden = 0;
    for (number, (at, character)) in text.char_indices().enumerate() {
        hidden += usize::from(is_hidden(character));
        if number == longest || hidden > MOST_HIDDEN {
            return Some(at);
        }
    }
    None
}

/// Text of any origin for an attribute of a page: short, and without hidden characters.
pub fn label(text: &str) -> String {
    let characters = text.chars().take(LONGEST_IN_LIST);
    let visible = characters.map(
        |character| match is_hidden(character) || character == '\n' {
            true => char::REPLACEMENT_CHARACTER,
            false => character,
        },
    );
    visible.collect()
}

/// Text of any origin where there is no markup: hidden characters as their numbers, long text cut.
pub fn plain(text: &str) -> String {
    let cut = end(text, LONGEST);
    let mut plain = String::new();
    for character in text[..cut.unwrap_or(text.len())].chars() {
        match is_hidden(character) {
            true => plain += &format!("[U+{:04X}]", u32::from(character)),
            false => plain.push(character),
        }
    }
    if cut.is_some() {
        plain += &format!(" … ({} bytes)", text.len());
    }
    plain
}

/// The text before a hidden character at the end.
fn split(part: &str) -> (&str, Option<char>) {
    match part.chars().next_back().filter(|last| is_hidden(*last)) {
        Some(last) => (&part[..part.len() - last.len_utf8()], Some(last)),
        None => (part, None),
    }
}

/// Whether a browser would show nothing of a character, or change the direction of text at it.
pub fn is_hidden(character: char) -> bool {
    character.is_control() && character != '\n' || turns(character) || is_invisible(character)
}

/// Whether a character changes the direction in which text is written.
pub fn turns(character: char) -> bool {
    matches!(character, '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

fn is_invisible(character: char) -> bool {
    matches!(
        character,
        '\u{ad}' | '\u{200b}'..='\u{200d}' | '\u{2028}' | '\u{2029}' | '\u{2060}' | '\u{feff}'
            | '\u{e0000}'..='\u{e007f}'
    )
}

/// A part of an address: everything but letters, digits and `-_.~` is escaped.
pub fn in_address(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for byte in text.bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'_' | b'.' | b'~' => {
                escaped.push(char::from(byte));
            }
            _ => escaped += &format!("%{byte:02X}"),
        }
    }
    escaped
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(text: &str) -> String {
        Shown(text).render().into_string()
    }

    #[test]
    fn hostile_text_is_shown_and_does_nothing() {
        assert_eq!(shown("plain"), "<bdi>plain</bdi>");
        let script = shown("<script>alert(1)</script>\"'");
        assert!(!script.contains("<script"), "{script}");
        let turned = shown("exe.\u{202e}txt\u{0}");
        assert!(!turned.contains(['\u{202e}', '\u{0}']), "{turned}");
        assert!(
            turned.contains("U+202E") && turned.contains("U+0000"),
            "{turned}"
        );
        let long = shown(&"<".repeat(64 << 10));
        assert!(
            long.len() < 10_000 && long.contains("(65536 bytes)"),
            "{}",
            long.len()
        );
        let marks = shown(&"\u{202e}".repeat(64 << 10));
        assert!(marks.len() < 5_000, "{}", marks.len());
    }

    #[test]
    fn hostile_text_is_plain_where_there_is_no_markup() {
        assert_eq!(plain("a\nb <c>"), "a\nb <c>");
        assert_eq!(plain("exe.\u{202e}txt"), "exe.[U+202E]txt");
        assert!(plain(&"\u{202e}".repeat(64 << 10)).len() < 1_000);
        assert!(plain(&"x".repeat(64 << 10)).ends_with(" … (65536 bytes)"));
    }

    #[test]
    fn an_address_holds_any_text() {
        assert_eq!(
            in_address("OU=a&b,DC=c d/%"),
            "OU%3Da%26b%2CDC%3Dc%20d%2F%25"
        );
        assert_eq!(in_address("\u{e9}"), "%C3%A9");
    }
}
