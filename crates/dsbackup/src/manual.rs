//! `dsbackup manual`: man pages and shell completions, for packages.

use std::fs::File;
use std::io::{self, Write};
use std::path::Path;

use clap::CommandFactory;
use clap_complete::Shell;
use clap_mangen::Man;
use clap_mangen::roff::{Roff, roman};
use serde::Serialize;

use crate::cli::{Cli, ManualOptions};
use crate::failure::{Failure, Outcome, Result};
use crate::report::{Report, count};

/// The shells that get completions, each with the name under which it looks for them.
const SHELLS: [(Shell, &str); 3] = [
    (Shell::Bash, "dsbackup"),
    (Shell::Zsh, "_dsbackup"),
    (Shell::Fish, "dsbackup.fish"),
];

/// What was written.
#[derive(Serialize)]
struct Written {
    pages: usize,
    completions: usize,
}

/// Writes a man page for each command below `man1`, and completions below `bash`, `zsh`, `fish`.
///
/// # Errors
/// If a file cannot be written.
pub fn run(options: &ManualOptions, report: Report) -> Result<Outcome> {
    let folder = &options.folder;
    let mut root = Cli::command().disable_help_subcommand(true);
    root.build();
    let mut pages = Vec::new();
    collect(&root, &mut pages);
    for page in &pages {
        let version = concat!("dsbackup ", env!("CARGO_PKG_VERSION"));
        let man = Man::new(page.clone()).source(version);
        let path = folder.join("man1").join(man.get_filename());
        write(&path, |file| render(&man, page, file))?;
    }
    for (shell, name) in SHELLS {
        let path = folder.join(shell.to_string()).join(name);
        // It would panic where a file takes no more.
        let mut script = Vec::new();
        clap_complete::generate(shell, &mut Cli::command(), "dsbackup", &mut script);
        write(&path, |file| file.write_all(&script))?;
    }
    let written = Written {
        pages: pages.len(),
        completions: SHELLS.len(),
    };
    report.result(&written, || {
        format!(
            "{}: {} and completions for bash, zsh and fish were written",
            folder.display(),
            count(written.pages, "man page")
        )
    })?;
    Ok(Outcome::Done)
}

/// The command and all below it, except those that help does not show.
fn collect(command: &clap::Command, into: &mut Vec<clap::Command>) {
    into.push(command.clone());
    for sub in command.get_subcommands().filter(|sub| !sub.is_hide_set()) {
        collect(sub, into);
    }
}

/// A page. The text behind the options keeps its lines, other than in [`Man::render`], which would
/// fill examples and tables.
fn render(man: &Man, command: &clap::Command, file: &mut dyn Write) -> io::Result<()> {
    man.render_title(file)?;
    // Names of options are not hyphenated, nor are lines spread.
    file.write_all(b".nh\n.ad l\n")?;
    man.render_name_section(file)?;
    let mut synopsis = Vec::new();
    man.render_synopsis_section(&mut synopsis)?;
    // A line may end between alternatives: there are more than fit in one.
    let synopsis = String::from_utf8_lossy(&synopsis).replace('|', "|\\:");
    file.write_all(synopsis.as_bytes())?;
    man.render_description_section(file)?;
    man.render_options_section(file)?;
    if command.get_subcommands().any(|sub| !sub.is_hide_set()) {
        man.render_subcommands_section(file)?;
    }
    let behind = command.get_after_help().map(ToString::to_string);
    sections(&behind.unwrap_or_default()).to_writer(file)
}

/// Sections from paragraphs: lines below "Examples:" are a section EXAMPLES, line by line; running
/// text is filled, and belongs to NOTES unless it stands below such lines.
fn sections(text: &str) -> Roff {
    let mut roff = Roff::new();
    let mut in_notes = false;
    for paragraph in text.split("\n\n").filter(|text| !text.trim().is_empty()) {
        let (first, rest) = paragraph.split_once('\n').unwrap_or((paragraph, ""));
        match first.strip_suffix(':') {
            Some(heading) if rest.starts_with("  ") => {
                in_notes = false;
                roff.control("SH", [heading.to_uppercase().as_str()]);
                roff.control("nf", []);
                for line in rest.lines() {
                    roff.text([roman(line.strip_prefix("  ").unwrap_or(line))]);
                }
                roff.control("fi", []);
            }
            _ => {
                match in_notes {
                    true => roff.control("PP", []),
                    false => roff.control("SH", ["NOTES"]),
                };
                in_notes = true;
                roff.text([roman(paragraph)]);
            }
        }
    }
    roff
}

/// Writes a file, and its folder where it is missing.
fn write(path: &Path, content: impl FnOnce(&mut File) -> io::Result<()>) -> Result<()> {
    let failed = Failure::io("write", path);
    let made = path.parent().map_or(Ok(()), std::fs::create_dir_all);
    made.and_then(|()| File::create(path))
        .and_then(|mut file| content(&mut file))
        .map_err(failed)
}
