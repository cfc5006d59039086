//! Differences as a page of its own: without scripts, and without anything from elsewhere.

use std::io::{self, Seek, SeekFrom, Write};

use crate::html::escaped;
use crate::shown::{Shown, Sign};

const STYLE: &str = "\
body{font:14px/1.4 sans-serif;margin:2em;color:#222;background:#fff}
h1{font-size:1.4em}
section{border-top:1px solid #bbb;padding:.6em 0;break-inside:avoid-page}
h2{font-size:1em;margin:0;overflow-wrap:anywhere}
p{margin:.1em 0;color:#555;overflow-wrap:anywhere}
.what{font-weight:normal;border:1px solid #888;border-radius:3px;padding:0 .4em}
table{border-collapse:collapse;margin:.4em 0 0 1em;width:95%}
td{vertical-align:top;padding:.1em .6em .1em 0;overflow-wrap:anywhere}
td.v{font-family:monospace;white-space:pre-wrap;width:50%}
tr.r td.v::before{content:\"\\2212  \"}
tr.a td.v::before{content:\"+ \"}
tr.r td.v{color:#a00}
tr.a td.v{color:#060}
td.w{color:#555;font-size:.9em}
@media print{body{margin:0;font-size:10px}td.v{color:#000!important}}";

/// Bytes that are kept for the totals where they are known only at the end.
const TOTALS: usize = 240;

/// A page that is being written.
pub struct Page<W> {
    out: W,
    /// Where the totals go.
    totals: u64,
}

impl<W: Write> Page<W> {
    /// Begins the page of differences between two directories with these names, whose totals are
    /// known.
    ///
    /// # Errors
    /// Those of `out`.
    pub fn with_totals(out: W, names: &[String; 2], totals: &str) -> io::Result<Self> {
        let mut page = Self { out, totals: 0 };
        page.head(names)?;
        writeln!(page.out, "{}", paragraph(totals))?;
        Ok(page)
    }

    /// Adds a change.
    ///
    /// # Errors
    /// Those of `out`.
    pub fn add(&mut self, shown: &Shown) -> io::Result<()> {
        self.out.write_all(section(shown).as_bytes())
    }

    /// Ends a page whose totals were known.
    ///
    /// # Errors
    /// Those of `out`.
    pub fn end(mut self) -> io::Result<()> {
        self.tail()
    }

    fn head(&mut self, names: &[String; 2]) -> io::Result<()> {
        let [before, after] = names.each_ref().map(|name| escaped(name));
        write!(
            self.out,
            "<!DOCTYPE html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">\n\
             <meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; \
             style-src 'unsafe-inline'\">\n\
             <title>Differences between directories</title>\n<style>\n{STYLE}\n</style></head>\n\
             <body><h1>Differences between directories</h1>\n\
             <p>before: {before}</p>\n<p>after: {after}</p>\n"
        )
    }

    fn tail(&mut self) -> io::Result<()> {
        self.out.write_all(b"</body></html>\n")?;
        self.out.flush()
    }
}

impl<W: Write + Seek> Page<W> {
    /// Begins a page whose totals are known at its end.
    ///
    /// # Errors
    /// Those of `out`.
    pub fn begin(out: W, names: &[String; 2]) -> io::Result<Self> {
        let mut page = Self { out, totals: 0 };
        page.head(names)?;
        page.totals = page.out.stream_position()?;
        writeln!(page.out, "{}", " ".repeat(TOTALS))?;
        Ok(page)
    }

    /// Ends such a page.
    ///
    /// # Errors
    /// Those of `out`.
    pub fn end_with(mut self, totals: &str) -> io::Result<()> {
        self.tail()?;
        let totals = paragraph(totals);
        self.out.seek(SeekFrom::Start(self.totals))?;
        let shown = totals.as_bytes().get(..TOTALS);
        self.out.write_all(shown.unwrap_or(totals.as_bytes()))?;
        self.out.flush()
    }
}

fn paragraph(totals: &str) -> String {
    format!("<p><strong>{}</strong></p>", escaped(totals))
}

fn section(shown: &Shown) -> String {
    let mut text = format!(
        "<section><h2><span class=\"what\">{}</span> {}</h2>\n<p>{}",
        escaped(&shown.what),
        escaped(&shown.dn),
        escaped(&shown.class)
    );
    if let Some(when) = &shown.when {
        text += &format!(", {}", escaped(when));
    }
    text += "</p>\n";
    if let Some(former) = &shown.former {
        text += &format!("<p>from {}</p>\n", escaped(former));
    }
    if !shown.lines.is_empty() {
        text += "<table>\n";
        for line in &shown.lines {
            let class = match line.sign {
                Sign::Removed => "r",
                Sign::Added => "a",
                Sign::Other => "o",
            };
            text += &format!(
                "<tr class=\"{class}\"><td>{}</td><td class=\"v\">{}</td><td class=\"w\">{}</td></tr>\n",
                escaped(&line.attribute),
                escaped(&line.value),
                escaped(line.when.as_deref().unwrap_or_default())
            );
        }
        text += "</table>\n";
    }
    text + "</section>\n"
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::shown::Line;

    /// The elements and attributes of a page, as a browser finds them: what stands between `<` and
    /// `>`.
    fn tags(text: &str) -> Vec<&str> {
        let parts = text.split('<').skip(1);
        parts.map(|part| part.split('>').next().unwrap()).collect()
    }

    proptest::proptest! {
        #[test]
        fn values_are_no_markup(value in "[<>&\"'a-z/= \u{0}\u{202e}\n]{0,40}", name: String) {
            let shown = |value: &str, name: &str| Shown {
                what: name.into(),
                dn: value.into(),
                class: name.into(),
                former: Some(value.into()),
                when: Some(name.into()),
                lines: vec![Line {
                    sign: Sign::Added,
                    attribute: name.into(),
                    value: value.into(),
                    when: Some(value.into()),
                }],
            };
            let hostile = section(&shown(&value, &name));
            let harmless = section(&shown("x", "y"));
            proptest::prop_assert_eq!(tags(&hostile), tags(&harmless));
            let turns_or_ends = hostile.contains(['\u{202e}', '\u{0}']);
            proptest::prop_assert!(!turns_or_ends);
        }
    }
}
