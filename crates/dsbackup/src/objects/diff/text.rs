//! Differences for people.

use std::borrow::Cow;
use std::io::{self, Write};

use documents::{Shown, Sign};

/// Characters that are shown of a long value; pages and JSON have all of it.
const MOST_SHOWN: usize = 200;

/// Writes a change.
pub fn write(out: &mut dyn Write, shown: &Shown) -> io::Result<()> {
    let when = |when: &Option<String>| match when {
        Some(when) => format!("  [{when}]"),
        None => String::new(),
    };
    writeln!(
        out,
        "{}: {} ({}){}",
        shown.what,
        shown.dn,
        shown.class,
        when(&shown.when)
    )?;
    if let Some(former) = &shown.former {
        writeln!(out, "    from {former}")?;
    }
    for line in &shown.lines {
        let sign = match line.sign {
            Sign::Removed => '-',
            Sign::Added => '+',
            Sign::Other => '*',
        };
        let value = cut(&line.value);
        let when = when(&line.when);
        writeln!(out, "  {sign} {}: {value}{when}", line.attribute)?;
    }
    writeln!(out)
}

fn cut(value: &str) -> Cow<'_, str> {
    match value.char_indices().nth(MOST_SHOWN) {
        Some((end, _)) => {
            let start = value.get(..end).unwrap_or_default();
            format!("{start}... ({} characters)", value.chars().count()).into()
        }
        None => value.into(),
    }
}
