//! Files that use each other, directly or in a circle, other than a module and its submodules.
//!
//! An import is any path that begins with `crate` or `super` and leads to another file of the
//! crate, in a `use` or in the middle of the code. A name that a module re-exports counts as an
//! import of the file that it comes from. Code under `#[cfg(test)]` does not count.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use proc_macro2::{Delimiter, TokenStream, TokenTree};

use super::crates::workspace;

/// A module's path in its crate: `["log", "reader"]`; empty for the crate's own file.
type Module = Vec<String>;

/// A crate's files, each with the paths in it and the names that it re-exports.
#[derive(Default)]
struct Files(BTreeMap<Module, File>);

#[derive(Default)]
struct File {
    /// Paths in code and imports, from the crate's root on.
    paths: BTreeSet<Vec<String>>,
    /// The paths behind re-exported names.
    exports: BTreeMap<String, Vec<String>>,
}

fn read(folder: &Path, module: &Module, files: &mut Files) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let stem = path.file_stem().unwrap().to_str().unwrap().to_owned();
        let mut inner = module.clone();
        if path.is_dir() {
            inner.push(stem);
            read(&path, &inner, files);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            if !["mod", "lib", "main"].contains(&stem.as_str()) {
                inner.push(stem);
            }
            let text = std::fs::read_to_string(&path).unwrap();
            let tokens: TokenStream = (text.parse()).unwrap_or_else(|error| {
                panic!("{}: {error}", path.display());
            });
            let mut file = File::default();
            scan(tokens, &inner, &mut file);
            files.0.insert(inner, file);
        }
    }
}

/// Collects the paths of a file.
fn scan(tokens: TokenStream, module: &Module, file: &mut File) {
    let tokens: Vec<TokenTree> = tokens.into_iter().collect();
    let mut at = 0;
    while at < tokens.len() {
        if is_test_only(&tokens, at) {
            at = end_of_item(&tokens, at + 2);
            continue;
        }
        match &tokens[at] {
            TokenTree::Ident(word) if word == "use" => {
                let end = end_of_item(&tokens, at);
                let is_exported = at > 0 && !is_punctuation(&tokens[at - 1], ';') && {
                    let before = &tokens[at.saturating_sub(2)..at];
                    before.iter().any(|token| token.to_string() == "pub")
                };
                for (path, name) in tree(&tokens[at + 1..end], &[]) {
                    let Some(path) = from_root(&path, module) else {
                        continue;
                    };
                    if is_exported {
                        file.exports.insert(name, path.clone());
                    }
                    file.paths.insert(path);
                }
                at = end;
            }
            TokenTree::Ident(word) if word == "crate" || word == "super" => {
                let (path, end) = path_at(&tokens, at);
                file.paths.extend(from_root(&path, module));
                at = end;
            }
            TokenTree::Group(group) => {
                scan(group.stream(), module, file);
                at += 1;
            }
            _ => at += 1,
        }
    }
}

fn is_punctuation(token: &TokenTree, wanted: char) -> bool {
    matches!(token, TokenTree::Punct(found) if found.as_char() == wanted)
}

/// Whether an attribute here limits the item to tests, such as `#[cfg(test)]`.
fn is_test_only(tokens: &[TokenTree], at: usize) -> bool {
    let [hash, TokenTree::Group(attribute), ..] = &tokens[at..] else {
        return false;
    };
    let text = attribute.stream().to_string().replace(' ', "");
    is_punctuation(hash, '#') && (text == "cfg(test)" || text.starts_with("cfg(all(test"))
}

/// The index after the semicolon or the braces that end an item.
fn end_of_item(tokens: &[TokenTree], from: usize) -> usize {
    let is_use = tokens[from..]
        .first()
        .is_some_and(|word| word.to_string() == "use");
    let ends = |token: &TokenTree| match token {
        TokenTree::Group(group) => !is_use && group.delimiter() == Delimiter::Brace,
        token => is_punctuation(token, ';'),
    };
    let end = tokens[from..].iter().position(ends);
    end.map_or(tokens.len(), |end| from + end + 1)
}

/// The path that begins here, and the index of its end.
fn path_at(tokens: &[TokenTree], mut at: usize) -> (Vec<String>, usize) {
    let mut path = Vec::new();
    while let Some(TokenTree::Ident(word)) = tokens.get(at) {
        path.push(word.to_string());
        at += 1;
        let colons = tokens.get(at..at + 2);
        if !colons.is_some_and(|colons| colons.iter().all(|colon| is_punctuation(colon, ':'))) {
            break;
        }
        at += 2;
    }
    (path, at)
}

/// The paths of a `use`, each with its local name.
fn tree(tokens: &[TokenTree], before: &[String]) -> Vec<(Vec<String>, String)> {
    let (mut path, at) = path_at(tokens, 0);
    path.splice(0..0, before.iter().cloned());
    match &tokens[at..] {
        [TokenTree::Group(group), ..] => {
            let inner: Vec<TokenTree> = group.stream().into_iter().collect();
            (inner.split(|token| is_punctuation(token, ',')))
                .filter(|branch| !branch.is_empty())
                .flat_map(|branch| tree(branch, &path))
                .collect()
        }
        rest => {
            if path.last().is_some_and(|word| word == "self") {
                path.pop();
            }
            let renamed = matches!(rest, [TokenTree::Ident(word), _, ..] if word == "as");
            let name = match (renamed, rest) {
                (true, [_, name, ..]) => name.to_string(),
                _ => path.last().cloned().unwrap_or_default(),
            };
            vec![(path, name)]
        }
    }
}

/// A path from the crate's root on; `None` if there is none.
fn from_root(path: &[String], module: &Module) -> Option<Vec<String>> {
    let (first, rest) = path.split_first()?;
    match first.as_str() {
        "crate" => Some(rest.to_vec()),
        "self" => Some([module, rest].concat()),
        "super" => {
            let (_, parent) = module.split_last()?;
            let mut root = parent.to_vec();
            let mut rest = rest;
            while let [word, more @ ..] = rest {
                if word != "super" {
                    break;
                }
                root.pop();
                rest = more;
            }
            root.extend(rest.iter().cloned());
            Some(root)
        }
        // Of a submodule; or of another crate, and then no file of this one has the longer path.
        _ => Some([module, path].concat()),
    }
}

impl Files {
    /// The file that a path leads to, through re-exports.
    fn target(&self, path: &[String], patience: u32) -> Option<&Module> {
        let longest = (0..=path.len()).rev();
        let (module, file) = longest
            .filter_map(|length| self.0.get_key_value(&path[..length]))
            .next()?;
        match path
            .get(module.len())
            .and_then(|name| file.exports.get(name))
        {
            Some(further) if patience > 0 && !further.starts_with(path) => {
                self.target(further, patience - 1)
            }
            _ => Some(module),
        }
    }

    fn imports(&self, module: &Module) -> BTreeSet<&Module> {
        let is_family = |other: &Module| other.starts_with(module) || module.starts_with(other);
        (self.0[module].paths.iter())
            .filter_map(|path| self.target(path, 8))
            .filter(|other| !is_family(other))
            .collect()
    }

    /// The circles: each a set of files that reach each other.
    fn circles(&self) -> Vec<Vec<String>> {
        let reach: BTreeMap<&Module, BTreeSet<&Module>> = (self.0.keys())
            .map(|module| {
                let mut reached = BTreeSet::new();
                let mut next: Vec<&Module> = self.imports(module).into_iter().collect();
                while let Some(other) = next.pop() {
                    if reached.insert(other) {
                        next.extend(self.imports(other));
                    }
                }
                (module, reached)
            })
            .collect();
        let mut circles = BTreeSet::new();
        for (module, reached) in &reach {
            let circle: Vec<String> = (reached.iter())
                .filter(|other| reach[**other].contains(module))
                .map(|other| other.join("::"))
                .collect();
            if !circle.is_empty() {
                circles.insert(circle);
            }
        }
        circles.into_iter().collect()
    }
}

#[test]
fn no_two_files_use_each_other() {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(workspace().join("crates")).unwrap() {
        let folder = entry.unwrap().path();
        let name = folder.file_name().unwrap().to_str().unwrap().to_owned();
        let mut files = Files::default();
        read(&folder.join("src"), &Module::new(), &mut files);
        let circles = files.circles();
        found.extend((circles.iter()).map(|circle| format!("{name}: {}", circle.join(" <-> "))));
    }
    assert!(found.is_empty(), "{}", found.join("\n"));
}

#[test]
fn a_circle_is_found_and_a_module_with_its_submodules_is_none() {
    let files = |texts: &[(&str, &str)]| {
        let mut files = Files::default();
        for (module, text) in texts {
            let module: Module = (module.split("::"))
                .filter(|part| !part.is_empty())
                .map(str::to_owned)
                .collect();
            let mut file = File::default();
            scan(text.parse().unwrap(), &module, &mut file);
            files.0.insert(module, file);
        }
        files.circles()
    };
    let root = ("", "mod a; mod b; pub use b::B;");
    let circle = vec![vec!["a".to_owned(), "b".to_owned()]];
    assert_eq!(
        files(&[
            root,
            ("a", "use crate::b::B;"),
            ("b", "use super::a::{self, A};")
        ]),
        circle
    );
    // By a name that the crate re-exports, and in the middle of the code.
    assert_eq!(
        files(&[
            root,
            ("a", "use crate::B;"),
            ("b", "fn b() { crate::a::f() }")
        ]),
        circle
    );
    let nothing: Vec<Vec<String>> = Vec::new();
    assert_eq!(
        files(&[
            root,
            ("a", "use crate::b::B;"),
            ("b", "#[cfg(test)] mod tests { use crate::a::A; }")
        ]),
        nothing
    );
    assert_eq!(
        files(&[
            root,
            ("a", "use crate::a::c::C;"),
            ("a::c", "use super::A;"),
            ("b", "")
        ]),
        nothing
    );
}
