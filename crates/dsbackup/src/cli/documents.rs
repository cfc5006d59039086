//! A test: the commands that the documentation shows are understood, so that no page teaches an
//! option that is gone.

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use clap::Parser;

use super::Cli;
use crate::arguments::repository_options_behind;

/// The commands of the blocks of shell in a page, continued lines joined.
fn commands(page: &str) -> Vec<String> {
    let mut inside = false;
    let mut found = vec![String::new()];
    for line in page.lines() {
        if line.starts_with("```") {
            inside = line.starts_with("```sh");
        } else if inside {
            let last = found.last_mut().expect("never empty");
            match line.strip_suffix('\\') {
                Some(part) => *last += part,
                None => {
                    *last += line;
                    found.push(String::new());
                }
            }
        }
    }
    found
}

/// The words of a simple command, as a shell splits them: up to a comment, a pipe, a redirection or
/// the next command.
fn words(line: &str) -> Vec<String> {
    let mut words: Vec<String> = Vec::new();
    let (mut word, mut quote) = (None, None);
    for c in line.chars().chain([' ']) {
        match (quote, c) {
            (Some(open), c) if c == open => quote = None,
            (None, '\'' | '"') => {
                quote = Some(c);
                word.get_or_insert_with(String::new);
            }
            (None, ' ') => words.extend(word.take()),
            (None, '#') if word.is_none() => break,
            (None, '|' | '>' | '<' | ';' | '&') => break,
            (_, c) => word.get_or_insert_with(String::new).push(c),
        }
    }
    words.extend(word);
    words
}

fn understood(words: &[String]) -> Result<(), clap::Error> {
    let words = words.iter().map(OsString::from);
    match Cli::try_parse_from(repository_options_behind(words)) {
        Err(error) if error.use_stderr() => Err(error),
        _ => Ok(()),
    }
}

#[test]
fn the_documentation_shows_commands_that_exist() {
    let project = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let docs = std::fs::read_dir(project.join("docs")).expect("docs");
    let pages: Vec<PathBuf> = docs
        .map(|entry| entry.expect("an entry").path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "md"))
        .chain([project.join("README.md")])
        .collect();
    let mut count = 0;
    let mut wrong = String::new();
    for page in &pages {
        let text = std::fs::read_to_string(page).expect("a page");
        for line in commands(&text) {
            let mut words = words(&line);
            let before = |word: &String| word == "sudo" || word.starts_with("DSBACKUP_");
            words.drain(..words.iter().take_while(|word| before(word)).count());
            if words.first().is_none_or(|word| word != "dsbackup") {
                continue;
            }
            count += 1;
            // Pages name the repository once, or leave it out, and others of the options.
            words.retain(|word| word != "...");
            let with_repository = [&words[..], &["-r".into(), "/srv/backup".into()]].concat();
            if let Err(error) = understood(&words).or_else(|_| understood(&with_repository)) {
                wrong += &format!("{}: {line}\n{error}\n", page.display());
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong}");
    assert!(count > 50, "only {count} commands were found");
}
