//! Differences as a page of its own: without scripts, and without anything from elsewhere.

use std::fs::File;
use std::io::{self, BufWriter, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use super::shown::{Shown, Sign};
use crate::failure::{Failure, Result};
use crate::html::escaped;

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

/// Bytes that are kept for the totals, which are known at the end.
const TOTALS: usize = 240;

/// A page that is being written.
pub struct Page {
    file: PathBuf,
    out: BufWriter<File>,
    totals: u64,
}

impl Page {
    /// Begins the page in a new file; one of that name is replaced.
    ///
    /// # Errors
    /// Where the file cannot be written.
    pub fn begin(file: &Path, names: &[String; 2]) -> Result<Self> {
        let created = File::create(file).map_err(Failure::io("create", file))?;
        let mut page = Self {
            file: file.to_path_buf(),
            out: BufWriter::new(created),
            totals: 0,
        };
        let [before, after] = names.each_ref().map(|name| escaped(name));
        page.write(&format!(
            "<!DOCTYPE html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">\n\
             <meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; \
             style-src 'unsafe-inline'\">\n\
             <title>Differences between directories</title>\n<style>\n{STYLE}\n</style></head>\n\
             <body><h1>Differences between directories</h1>\n\
             <p>before: {before}</p>\n<p>after: {after}</p>\n"
        ))?;
        let place = page.out.stream_position();
        page.totals = place.map_err(Failure::io("write", file))?;
        page.write(&" ".repeat(TOTALS))?;
        page.write("\n")?;
        Ok(page)
    }

    /// Adds a change.
    ///
    /// # Errors
    /// Where the file cannot be written.
    pub fn add(&mut self, shown: &Shown) -> Result<()> {
        self.write(&section(shown))
    }

    /// Ends the page.
    ///
    /// # Errors
    /// Where the file cannot be written.
    pub fn end(mut self, totals: &str) -> Result<()> {
        self.write("</body></html>\n")?;
        let totals = format!("<p><strong>{}</strong></p>", escaped(totals));
        let write = |out: &mut BufWriter<File>| -> io::Result<()> {
            out.seek(SeekFrom::Start(self.totals))?;
            out.write_all(totals.as_bytes().get(..TOTALS).unwrap_or(totals.as_bytes()))?;
            out.flush()
        };
        write(&mut self.out).map_err(Failure::io("write", &self.file))
    }

    fn write(&mut self, text: &str) -> Result<()> {
        let written = self.out.write_all(text.as_bytes());
        written.map_err(Failure::io("write", &self.file))
    }
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
    use super::super::shown::Line;
    use super::*;

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
