//! The files that smb.conf includes, directly and through each other.
//!
//! Samba reads their lines as if they were in smb.conf. It finds them as follows
//! (`source3/param/loadparm.c`): it skips a file that does not exist; `registry` is no file; `%`
//! begins a variable, whose value depends on a client or server; a relative path begins in the
//! folder where the process was started. The last two name no file that can be determined here.

use std::collections::BTreeSet;
use std::io::{ErrorKind, Read};
use std::path::{Path, PathBuf};

use crate::smb_conf::{self, Parameter};
use crate::system;

/// Samba's limit for nested includes.
const DEEPEST: usize = 100;
/// The most files that are followed.
const MOST: usize = 1000;
/// The most bytes of a file that are read.
const LARGEST: u64 = 4 << 20;
/// The most bytes of a line in a warning.
const SHOWN: usize = 300;
/// The most warnings; further ones are only counted.
const WARNINGS: usize = 50;

/// The included files.
#[derive(Debug, Default)]
pub struct Includes {
    /// The existing files, each once.
    pub files: Vec<IncludedFile>,
    /// Lines that name something else, and their effect on a snapshot.
    pub warnings: Vec<String>,
}

/// An included file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IncludedFile {
    /// Its path with all links resolved.
    pub path: PathBuf,
    /// Its path as named.
    pub named: PathBuf,
    /// The line that names it, with its file, for a warning.
    pub by: String,
}

impl Includes {
    /// Finds all files that a configuration includes. A file that cannot be found or read becomes a
    /// warning.
    pub fn of(smb_conf: &Path) -> Self {
        let mut includes = Self::default();
        let mut not_told = 0_usize;
        let mut seen = BTreeSet::new();
        seen.extend(smb_conf.canonicalize());
        let mut waiting = vec![(smb_conf.to_path_buf(), 0)];
        while let Some((file, depth)) = waiting.pop() {
            let mut warn = |warning: String| match includes.warnings.len() < WARNINGS {
                true => includes.warnings.push(warning),
                false => not_told += 1,
            };
            let text = match read(&file) {
                Ok(text) => text,
                Err(reason) => {
                    warn(format!(
                        "{}: {reason}, so the files that it includes are unknown",
                        file.display()
                    ));
                    continue;
                }
            };
            let mut found = Vec::new();
            for parameter in smb_conf::parameters(&text) {
                let by = line(&file, &parameter);
                match meant(&parameter) {
                    Meant::Nothing => {}
                    Meant::Registry => warn(format!(
                        "{by}: the registry is in the snapshot (registry.tdb), but not the files \
                         that it includes in turn"
                    )),
                    Meant::File(named, instead) => {
                        if instead {
                            warn(format!(
                                "{by}: smbd reads that file instead, but dsbackup reads {}: \
                                 folders and shares that differ there are not in the snapshot",
                                smb_conf.display()
                            ));
                        }
                        match locate(&named) {
                            Ok(path) => found.push(IncludedFile { path, named, by }),
                            Err(reason) => warn(format!("{by}: {reason}")),
                        }
                    }
                }
            }
            for file in found {
                if seen.contains(&file.path) {
                    continue;
                }
                if depth >= DEEPEST || includes.files.len() >= MOST {
                    warn(format!(
                        "{}: dsbackup follows at most {MOST} files and {DEEPEST} nested ones; this \
                         one may not be in the snapshot",
                        file.by
                    ));
                    continue;
                }
                seen.insert(file.path.clone());
                waiting.push((file.path.clone(), depth + 1));
                includes.files.push(file);
            }
        }
        if not_told > 0 {
            includes
                .warnings
                .push(format!("{not_told} more warnings of this kind"));
        }
        includes
    }
}

/// The meaning of a parameter for the files of a configuration.
enum Meant {
    Nothing,
    Registry,
    /// A file, and whether smbd reads it instead of smb.conf.
    File(PathBuf, bool),
}

fn meant(parameter: &Parameter) -> Meant {
    let value = parameter.value.as_slice();
    let is_registry = value.eq_ignore_ascii_case(b"registry");
    let file = || system::path_of(value);
    match parameter.name.as_slice() {
        b"include" | b"configfile" if value.is_empty() => Meant::Nothing,
        b"include" | b"configbackend" if is_registry => Meant::Registry,
        b"include" => Meant::File(file(), false),
        b"configfile" => Meant::File(file(), true),
        _ => Meant::Nothing,
    }
}

/// A line of a file, for a warning.
fn line(file: &Path, parameter: &Parameter) -> String {
    let words = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let name = match parameter.name.as_slice() {
        b"configfile" => "config file".to_owned(),
        b"configbackend" => "config backend".to_owned(),
        name => words(name),
    };
    format!(
        "{}, line {}: {name} = {}",
        file.display(),
        parameter.line,
        words(parameter.value.get(..SHOWN).unwrap_or(&parameter.value)).escape_debug()
    )
}

/// The path of a named file, with links resolved.
fn locate(named: &Path) -> Result<PathBuf, String> {
    let unknown = "it is in the snapshot only if it is in one of the backed-up folders";
    if named.as_os_str().as_encoded_bytes().contains(&b'%') {
        return Err(format!(
            "the name has a variable, so the files that Samba reads are unknown; each: {unknown}"
        ));
    }
    if !named.is_absolute() {
        return Err(format!(
            "a relative path, which Samba resolves in the folder where it was started; {unknown}. \
             Use an absolute path"
        ));
    }
    let path = named.canonicalize().map_err(|error| match error.kind() {
        ErrorKind::NotFound | ErrorKind::NotADirectory => {
            "there is no such file, and Samba skips it".to_owned()
        }
        _ => format!("its attributes are unreadable ({error}), and it may not be in the snapshot"),
    })?;
    if path.to_str().is_none() {
        return Err("its name is not Unicode: it is not in the snapshot".to_owned());
    }
    look(&path)
        .map(|()| path)
        .map_err(|reason| format!("{reason}; it is not read, and may not be in the snapshot"))
}

/// Whether a path can be a configuration file. Does not open it: that could block, or have side
/// effects.
fn look(path: &Path) -> Result<(), String> {
    let metadata = path
        .metadata()
        .map_err(|error| format!("its attributes are unreadable: {error}"))?;
    match metadata.is_file() {
        false => Err("it is no file".to_owned()),
        true if metadata.len() > LARGEST => Err(format!(
            "it has {} bytes, more than a configuration's {LARGEST}",
            metadata.len()
        )),
        true => Ok(()),
    }
}

fn read(path: &Path) -> Result<Vec<u8>, String> {
    look(path)?;
    let mut text = Vec::new();
    std::fs::File::open(path)
        .and_then(|file| file.take(LARGEST).read_to_end(&mut text))
        .map_err(|error| format!("it cannot be read: {error}"))?;
    Ok(text)
}

#[cfg(test)]
mod tests {
    use std::process::Command;

    use proptest::prelude::*;

    use super::*;

    struct Lab(tempfile::TempDir);

    impl Lab {
        fn new() -> Self {
            Self(tempfile::tempdir().unwrap())
        }

        fn path(&self, name: &str) -> PathBuf {
            self.0.path().canonicalize().unwrap().join(name)
        }

        /// Writes a file, in which `@` is the lab's folder.
        fn write(&self, name: &str, text: &str) {
            let path = self.path(name);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            let folder = self.path("");
            std::fs::write(path, text.replace("@", folder.to_str().unwrap())).unwrap();
        }

        fn includes(&self) -> (Vec<String>, Vec<String>) {
            let includes = Includes::of(&self.path("etc/smb.conf"));
            let folder = self.path("").display().to_string();
            let names = includes.files.iter().map(|file| {
                assert_eq!(file.path, file.path.canonicalize().unwrap());
                file.path.display().to_string().replace(&folder, "")
            });
            let warnings = includes.warnings.iter();
            (
                names.collect(),
                warnings.map(|words| words.replace(&folder, "@")).collect(),
            )
        }
    }

    #[test]
    fn files_are_followed_each_once_and_loops_end() {
        let lab = Lab::new();
        lab.write(
            "etc/smb.conf",
            "[global]\ninclude = @etc/a.conf\n#include = @etc/no.conf\n[sysvol]\nIn Clude = \
             \\\n@b/../b/b.conf\n",
        );
        lab.write(
            "etc/a.conf",
            "include = @b/b.conf\ninclude = @etc/smb.conf\n",
        );
        lab.write(
            "b/b.conf",
            "path = /x\ninclude = @etc/a.conf\ninclude = @b/link.conf",
        );
        lab.write("etc/no.conf", "");
        lab.write("c/c.conf", "include = @b/b.conf");
        std::os::unix::fs::symlink(lab.path("c/c.conf"), lab.path("b/link.conf")).unwrap();
        let (mut files, warnings) = lab.includes();
        files.sort();
        assert_eq!(files, ["b/b.conf", "c/c.conf", "etc/a.conf"]);
        assert_eq!(warnings, Vec::<String>::new());
    }

    #[test]
    fn what_cannot_be_followed_is_told_with_file_and_line() {
        let lab = Lab::new();
        std::fs::create_dir_all(lab.path("folder")).unwrap();
        for (line, said) in [
            ("include = @none.conf", "there is no such file"),
            ("include = @etc/smb.conf/x", "there is no such file"),
            ("include = @etc/smb.conf.%m", "variable"),
            ("include = etc/a.conf", "relative path"),
            ("include = Registry", "registry.tdb"),
            ("config backend = registry", "registry.tdb"),
            ("include = @folder", "no file"),
            ("include = /dev/zero", "no file"),
            ("include = @large", "bytes"),
            ("include = @\\xff", "not Unicode"),
            ("config file = @none.conf", "instead"),
        ] {
            lab.write("etc/smb.conf", "[global]\ninclude = @etc/a.conf\n");
            lab.write("etc/a.conf", &format!("# comment\n\n\n{line}\ninclude =\n"));
            let name = system::path_of(b"\xff");
            std::fs::write(lab.path("").join(name), "").unwrap();
            if line.contains("xff") {
                let mut text = std::fs::read(lab.path("etc/a.conf")).unwrap();
                let at = text
                    .windows(4)
                    .position(|window| window == b"\\xff")
                    .unwrap();
                text.splice(at..at + 4, [0xff]);
                std::fs::write(lab.path("etc/a.conf"), text).unwrap();
            }
            let large = std::fs::File::create(lab.path("large")).unwrap();
            large.set_len(LARGEST + 1).unwrap();
            let (files, warnings) = lab.includes();
            assert_eq!(files, ["etc/a.conf"], "{line}");
            let first = warnings.first().expect(line);
            assert!(
                first.starts_with("@etc/a.conf, line 4: ") && first.contains(said),
                "{line}: {first}"
            );
        }
    }

    #[test]
    fn chains_and_crowds_have_an_end() {
        let lab = Lab::new();
        lab.write("etc/smb.conf", "include = @0");
        for number in 0..DEEPEST + 20 {
            lab.write(&number.to_string(), &format!("include = @{}", number + 1));
        }
        let (files, warnings) = lab.includes();
        assert_eq!(files.len(), DEEPEST);
        assert!(
            matches!(warnings.as_slice(), [one] if one.starts_with("@99, line 1: ")),
            "{warnings:?}"
        );

        let lab = Lab::new();
        let names = 0..MOST + 80;
        lab.write(
            "etc/smb.conf",
            &names
                .clone()
                .map(|name| format!("include = @{name}\n"))
                .collect::<String>(),
        );
        names.for_each(|name| lab.write(&name.to_string(), ""));
        let (files, warnings) = lab.includes();
        assert_eq!(files.len(), MOST);
        assert_eq!(warnings.len(), WARNINGS + 1);
        assert_eq!(warnings.last().unwrap(), "30 more warnings of this kind");
    }

    /// We find the same lines as Samba's own reader: every included file that it uses.
    #[test]
    fn samba_includes_the_same_files() {
        let lab = Lab::new();
        lab.write("a b.conf", "workgroup = INCLUDED");
        for (line, included) in [
            ("include = @a b.conf", true),
            ("  iNcLuDe=@a   b.conf  ", true),
            ("in clude = @a \\\n  b.conf", true),
            ("include = \\\n@a b.conf", true),
            ("include = @a b\\ \n.conf", true),
            ("x = y\\\ninclude = @a b.conf", false),
            ("# x\\\ninclude = @a b.conf", true),
            ("include = \"@a b.conf\"", false),
            ("include : @a b.conf", false),
            ("; include = @a b.conf", false),
            ("include = @a b.conf # x", false),
        ] {
            lab.write("etc/smb.conf", &format!("[global]\n{line}\n"));
            let testparm = Command::new("testparm")
                .args(["--suppress-prompt", "--parameter-name=workgroup"])
                .arg(lab.path("etc/smb.conf"))
                .output();
            let Ok(output) = testparm else {
                eprintln!("note: testparm (package samba-common-bin) is not installed: not tested");
                return;
            };
            let samba = String::from_utf8_lossy(&output.stdout);
            assert_eq!(samba.contains("INCLUDED"), included, "{line:?}: {samba}");
            let (files, _) = lab.includes();
            assert_eq!(files == ["a b.conf"], included, "{line:?}: {files:?}");
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]

        /// Files that include each other at random, among garbage in any spelling: the search ends,
        /// and finds the files within reach and no others.
        #[test]
        fn any_web_of_files_is_followed_to_its_ends(
            web in prop::collection::vec(prop::collection::vec(0..12_usize, 0..4), 12),
            garbage in prop::collection::vec(any::<u8>(), 0..80))
        {
            let lab = Lab::new();
            for (number, includes) in web.iter().enumerate() {
                let name = if number == 0 { "etc/smb.conf".to_owned() } else { number.to_string() };
                let lines = includes.iter().filter(|other| **other > 0);
                lab.write(&name, &lines.map(|other| format!("include = \
                                                             @{other}\n")).collect::<String>());
                let mut text = std::fs::read(lab.path(&name)).unwrap();
                // A comment of random bytes.
                text.push(b'#');
                text.extend(garbage.iter().filter(|byte| **byte != b'\n'));
                std::fs::write(lab.path(&name), text).unwrap();
            }
            let mut reached = BTreeSet::new();
            let mut waiting = vec![0];
            while let Some(number) = waiting.pop() {
                for other in web[number].iter().filter(|other| **other > 0) {
                    if reached.insert(other.to_string()) {
                        waiting.push(*other);
                    }
                }
            }
            let (files, warnings) = lab.includes();
            prop_assert_eq!(files.len(), reached.len());
            prop_assert_eq!(files.into_iter().collect::<BTreeSet<_>>(), reached);
            prop_assert_eq!(warnings, Vec::<String>::new());
        }

        /// Any bytes in a file: a value or a warning, never a panic.
        #[test]
        fn any_configuration_is_read(text in prop::collection::vec(any::<u8>(), 0..300)) {
            let lab = Lab::new();
            lab.write("etc/smb.conf", "");
            let text = [b"include = ".as_slice(), &text].concat();
            std::fs::write(lab.path("etc/smb.conf"), text).unwrap();
            lab.includes();
        }
    }
}
