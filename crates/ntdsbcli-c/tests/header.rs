//! Our headers beside the public-domain ones of mingw-w64: the same names, values, sizes and
//! offsets, and the same exported functions.

#[path = "lab/mod.rs"]
mod lab;

use std::collections::BTreeSet;
use std::fmt::Write;
use std::path::{Path, PathBuf};
use std::process::Command;

use lab::{crate_path, need, succeed};

const MINGW: &str = "x86_64-w64-mingw32-gcc";
const MINGW_CPP: &str = "x86_64-w64-mingw32-g++";
const MINGW_HEADERS: &str = "/usr/share/mingw-w64/include";
const MINGW_LIBRARY: &str = "/usr/x86_64-w64-mingw32/lib/libntdsbcli.a";

/// Names that the public headers define for their own purposes.
const THEIR_OWN: [&str; 6] = [
    "_NTDSBCLI_H_",
    "_NTDSBMSG_",
    "__WCHAR_DEFINED",
    "_HRESULT_DEFINED",
    "NTDSBCLI_API",
    "xRPC_STRING",
];

/// Names that our header defines without windows.h, with the values of the public windows.h.
const OF_WINDOWS: [&str; 8] = [
    "FALSE",
    "TRUE",
    "S_OK",
    "ERROR_ACCESS_DENIED",
    "ERROR_NOT_ENOUGH_MEMORY",
    "ERROR_HANDLE_EOF",
    "ERROR_INVALID_PARAMETER",
    "RPC_S_INVALID_BINDING",
];

const TYPES: [&str; 23] = [
    "CHAR",
    "WCHAR",
    "LONG",
    "ULONG",
    "DWORD",
    "LONGLONG",
    "BOOL",
    "WINBOOL",
    "HRESULT",
    "PVOID",
    "PDWORD",
    "LPDWORD",
    "LPSTR",
    "LPCSTR",
    "LPWSTR",
    "LPCWSTR",
    "LARGE_INTEGER",
    "BFT",
    "HBC",
    "EDB_RSTMAPA",
    "PEDB_RSTMAPA",
    "EDB_RSTMAPW",
    "PEDB_RSTMAPW",
];

const MEMBERS: [(&str, &str); 7] = [
    ("EDB_RSTMAPA", "szDatabaseName"),
    ("EDB_RSTMAPA", "szNewDatabaseName"),
    ("EDB_RSTMAPW", "wszDatabaseName"),
    ("EDB_RSTMAPW", "wszNewDatabaseName"),
    ("LARGE_INTEGER", "u.LowPart"),
    ("LARGE_INTEGER", "u.HighPart"),
    ("LARGE_INTEGER", "QuadPart"),
];

fn mingw() {
    need(&[
        "x86_64-w64-mingw32-gcc:gcc-mingw-w64-x86-64-win32",
        "x86_64-w64-mingw32-g++:g++-mingw-w64-x86-64-win32",
        "gcc:gcc",
        "g++:g++",
    ]);
}

/// The names that a header's `#define` lines define.
fn defined(header: &Path) -> BTreeSet<String> {
    std::fs::read_to_string(header)
        .expect("the header")
        .lines()
        .filter_map(|line| line.trim_start().strip_prefix("#define "))
        .filter_map(|rest| rest.split([' ', '(']).next())
        .map(str::to_owned)
        .collect()
}

fn of_headers(folder: &Path) -> BTreeSet<String> {
    ["ntdsbcli.h", "ntdsbmsg.h"]
        .iter()
        .flat_map(|name| defined(&folder.join(name)))
        .collect()
}

fn is_function_or_type(name: &str) -> bool {
    name.starts_with("Ds") || name.ends_with("EDB_RSTMAP")
}

fn is_string(name: &str) -> bool {
    name.starts_with("g_")
}

/// The numeric constants of the public headers.
fn constants() -> Vec<String> {
    of_headers(Path::new(MINGW_HEADERS))
        .into_iter()
        .filter(|name| {
            !THEIR_OWN.contains(&name.as_str()) && !is_function_or_type(name) && !is_string(name)
        })
        .filter(|name| name != "UNICODE_RSTMAP")
        .collect()
}

#[test]
fn both_define_the_same_names() {
    mingw();
    let theirs: BTreeSet<String> = of_headers(Path::new(MINGW_HEADERS))
        .into_iter()
        .filter(|name| !THEIR_OWN.contains(&name.as_str()))
        .collect();
    let ours: BTreeSet<String> = of_headers(&crate_path("include"))
        .into_iter()
        .filter(|name| !name.starts_with("NTDSBCLI_") && !OF_WINDOWS.contains(&name.as_str()))
        .collect();
    assert_eq!(ours, theirs);
    assert!(constants().len() > 200, "the headers were found and read");
}

/// Our header on Linux prints its values; mingw's compiler must find the same in its own header,
/// and in ours on Windows.
#[test]
fn constants_sizes_and_offsets_are_the_same() {
    mingw();
    for unicode in [false, true] {
        let values = values_of_ours(unicode);
        assert_eq!(
            values.lines().count(),
            constants().len() + OF_WINDOWS.len() + 2 * TYPES.len() + MEMBERS.len()
        );
        let mut assertions = String::from(
            "#include <windows.h>\n#include <rpc.h>\n#include <stddef.h>\n#include <ntdsbcli.h>\n",
        );
        for line in values.lines() {
            let (what, value) = line.rsplit_once('=').expect("a value");
            let _ = writeln!(
                assertions,
                "_Static_assert(({what}) == {value}, \"{}\");",
                what.replace('"', "'")
            );
        }
        for include in [None, Some(crate_path("include"))] {
            compile_with_mingw(&assertions, unicode, include.as_deref());
        }
    }
}

fn values_of_ours(unicode: bool) -> String {
    let mut program = String::from(
        "#include <stddef.h>\n#include <stdio.h>\n#include <ntdsbcli.h>\n\
         #define SHOW(what) printf(\"%s=%lldLL\\n\", #what, (long long)(what))\nint main(void) {\n",
    );
    for name in constants().iter().map(String::as_str).chain(OF_WINDOWS) {
        // Without expanding the name, which is looked up in the other headers.
        let _ = writeln!(
            program,
            "printf(\"(long long)%s=%lldLL\\n\", \"{name}\", (long long){name});"
        );
    }
    for name in TYPES {
        let _ = writeln!(program, "SHOW(sizeof({name}));\nSHOW(_Alignof({name}));");
    }
    for (structure, member) in MEMBERS {
        let _ = writeln!(program, "SHOW(offsetof({structure}, {member}));");
    }
    program.push_str("return 0; }\n");
    let folder = tempfile::tempdir().expect("a temporary folder");
    let (source, binary) = (folder.path().join("values.c"), folder.path().join("values"));
    std::fs::write(&source, program).expect("write the program");
    let mut compiler = Command::new("gcc");
    compiler
        .args(["-Wall", "-Wextra", "-Werror", "-I"])
        .arg(crate_path("include"));
    if unicode {
        compiler.arg("-DUNICODE");
    }
    succeed(compiler.arg(&source).arg("-o").arg(&binary));
    succeed(&mut Command::new(&binary))
}

fn compile_with_mingw(text: &str, unicode: bool, include: Option<&Path>) {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let source = folder.path().join("assertions.c");
    std::fs::write(&source, text).expect("write the program");
    let mut compiler = Command::new(MINGW);
    compiler
        .args(["-Wall", "-Wextra", "-Werror", "-fsyntax-only"])
        .arg(&source);
    if unicode {
        compiler.arg("-DUNICODE");
    }
    if let Some(include) = include {
        compiler.arg("-I").arg(include);
    }
    succeed(&mut compiler);
}

/// The comparison finds a wrong value.
#[test]
fn the_comparison_finds_a_difference() {
    mingw();
    let text = "#include <windows.h>\n#include <ntdsbcli.h>\n\
                _Static_assert((long long)BFT_LOG == 0x22, \"BFT_LOG\");\n";
    let result = std::panic::catch_unwind(|| compile_with_mingw(text, false, None));
    assert!(result.is_err());
}

#[test]
fn strings_are_the_same() {
    mingw();
    let mut text = String::from("#include <windows.h>\n#include <ntdsbcli.h>\n");
    for (name, value) in [
        ("Backup", "NTDS Backup Interface"),
        ("Restore", "NTDS Restore Interface"),
    ] {
        let _ = writeln!(
            text,
            "_Static_assert(__builtin_strcmp(g_asz{name}Annotation, \"{value}\") == 0, \"A\");\n\
             _Static_assert(sizeof(g_wsz{name}Annotation) == sizeof(L\"{value}\"), \"W\");\n\
             _Static_assert(sizeof(g_sz{name}Annotation) == sizeof(TEXT(\"{value}\")), \"T\");"
        );
    }
    for unicode in [false, true] {
        for include in [None, Some(crate_path("include"))] {
            compile_with_mingw(&text, unicode, include.as_deref());
        }
    }
}

#[test]
fn functions_have_the_same_signatures() {
    mingw();
    let source = crate_path("tests/signatures.c");
    let include = crate_path("include");
    let compilers: [(&str, Option<&PathBuf>); 6] = [
        (MINGW, None),
        (MINGW_CPP, None),
        (MINGW, Some(&include)),
        (MINGW_CPP, Some(&include)),
        ("gcc", Some(&include)),
        ("g++", Some(&include)),
    ];
    for (compiler, include) in compilers {
        let mut command = Command::new(compiler);
        command
            .args([
                "-Wall",
                "-Wextra",
                "-Werror",
                "-Wno-address",
                "-fsyntax-only",
            ])
            .arg(&source);
        if let Some(include) = include {
            command.arg("-I").arg(include);
        }
        succeed(&mut command);
    }
}

/// The header of ours is good C99 and good C++11, with nothing before it.
#[test]
fn the_header_stands_alone() {
    need(&["gcc:gcc", "g++:g++"]);
    let folder = tempfile::tempdir().expect("a temporary folder");
    let source = folder.path().join("alone.c");
    std::fs::write(
        &source,
        "#include <ntdsbcli.h>\nint main(void) { return hrNone; }\n",
    )
    .expect("write");
    for (compiler, standard) in [("gcc", "-std=c99"), ("g++", "-std=c++11")] {
        let mut command = Command::new(compiler);
        command.args([
            standard,
            "-pedantic",
            "-Wall",
            "-Wextra",
            "-Werror",
            "-fsyntax-only",
            "-I",
        ]);
        succeed(command.arg(crate_path("include")).arg(&source));
    }
}

/// The 28 names of the import library, and one of ours.
#[test]
fn exported_names_are_those_of_the_import_library() {
    mingw();
    let names = |text: String| -> BTreeSet<String> {
        text.lines()
            .filter_map(|line| line.split_once(" T "))
            .map(|(_, name)| name.split('@').next().unwrap_or(name).to_owned())
            .collect()
    };
    let mut expected = names(succeed(
        Command::new("x86_64-w64-mingw32-nm").arg(MINGW_LIBRARY),
    ));
    assert_eq!(expected.len(), 28);
    expected.insert("DsBackupGetLastReason".into());
    let ours = names(succeed(
        Command::new("nm")
            .args(["-D", "--defined-only"])
            .arg(lab::library()),
    ));
    assert_eq!(ours, expected);
}
