//! Rows that several functions share: the server's name, handles, and pointers to results.

use ntdsbcli::contract::ResultCode;

use crate::calls::{on_handle, set_auth_identity};
use crate::library::{Form, Hbc, Place, Text, ok};
use crate::remote::Remote;
use crate::table::{Part, Source};
use crate::world::{Backup, Directory, Restore, nobody, offline, online};

/// The bad strings that every parameter refuses alike.
pub fn bad_text_rows(
    part: &mut Part,
    parameter: &'static str,
    source: Source,
    call: impl Fn(Form, Text<'static>) -> ResultCode + Send + Sync + Clone + 'static,
) {
    let invalid = ResultCode::INVALID_PARAMETER;
    for (condition, text, source) in [
        ("`NULL`", Text::Null, source),
        (
            "does not convert (no UTF-8; half of a surrogate pair)",
            Text::Unconvertible,
            source,
        ),
        (
            "no `NUL` within 32767 characters",
            Text::Endless,
            Source::Ours,
        ),
    ] {
        let call = call.clone();
        part.row(parameter, condition, invalid, source, move |form| {
            call(form, text)
        });
    }
    part.wide_row(parameter, "misaligned", invalid, source, move |form| {
        call(form, Text::Misaligned)
    });
}

/// The results of every function for a server's name.
pub fn server_rows(
    part: &mut Part,
    parameter: &'static str,
    source: Source,
    mode: Mode,
    call: impl Fn(Form, Text<'static>) -> ResultCode + Send + Sync + Clone + 'static,
) {
    let could_not_connect = ResultCode::COULD_NOT_CONNECT;
    bad_text_rows(part, parameter, source, call.clone());
    for (condition, name, source) in [
        ("empty", "", Source::Page),
        ("only backslashes", "\\\\", Source::Page),
        ("with an underscore", "dc_01", Source::Page),
        (
            "with an underscore, after backslashes",
            "\\\\dc_01",
            Source::Page,
        ),
        (
            "another computer, without a configured key or authority",
            "dc01.elsewhere.example",
            Source::Page,
        ),
    ] {
        let call = call.clone();
        part.row(
            parameter,
            condition,
            could_not_connect,
            source,
            move |form| call(form, Text::Is(name)),
        );
    }
    for (condition, name) in [
        ("this computer, after two backslashes", "\\\\localhost"),
        ("this computer, without backslashes", "localhost"),
        ("this computer, in upper case", "\\\\LOCALHOST"),
    ] {
        let call = call.clone();
        part.row(
            parameter,
            condition,
            ResultCode::OK,
            Source::Page,
            move |form| call(form, Text::Is(name)),
        );
    }
    {
        let call = call.clone();
        part.row(
            parameter,
            "no service answers",
            could_not_connect,
            Source::Page,
            move |form| {
                // The call points the library to a service; the missing socket must take
                // precedence.
                without_service(|| call(form, Text::Is("localhost")))
            },
        );
    }
    remote_rows(part, parameter, mode, call.clone());
    part.row(
        parameter,
        "after DsSetAuthIdentity, whose password the local endpoint cannot verify",
        ResultCode::ACCESS_DENIED,
        Source::Page,
        move |form| {
            ok(set_auth_identity(
                form,
                Text::Is("backup"),
                Text::Is("EXAMPLE"),
                Text::Is("secret"),
            ));
            let code = call(form, Text::Is("localhost"));
            ok(set_auth_identity(form, Text::Null, Text::Null, Text::Null));
            code
        },
    );
}

/// The mode of the services that a function talks to.
#[derive(Clone, Copy)]
pub enum Mode {
    Online,
    Offline,
}

/// Beyond the original, which serves the local computer only.
fn remote_rows(
    part: &mut Part,
    parameter: &'static str,
    mode: Mode,
    call: impl Fn(Form, Text<'static>) -> ResultCode + Send + Sync + Clone + 'static,
) {
    let start = move || {
        Remote::start(match mode {
            Mode::Online => &[],
            Mode::Offline => &["--restore-mode"],
        })
    };
    let calls = [call.clone(), call.clone(), call];
    let [trusted, mistaken, unknown] = calls;
    part.row(
        parameter,
        "another computer with the expected key, which knows the client's certificate",
        ResultCode::OK,
        Source::Beyond,
        move |form| {
            let remote = start();
            remote.trusted(|| trusted(form, Text::Is(remote.name)))
        },
    );
    part.row(
        parameter,
        "another computer with an unexpected key",
        ResultCode::COULD_NOT_CONNECT,
        Source::Beyond,
        move |form| {
            let remote = start();
            remote.mistaken(|| mistaken(form, Text::Is(remote.name)))
        },
    );
    part.row(
        parameter,
        "another computer, which does not know the client's certificate",
        ResultCode::ACCESS_DENIED,
        Source::Beyond,
        move |form| {
            let remote = start();
            remote.unknown(|| unknown(form, Text::Is(remote.name)))
        },
    );
}

thread_local! {
    static NO_SERVICE: std::cell::Cell<bool> = const { std::cell::Cell::new(false) };
}

fn without_service<T>(call: impl FnOnce() -> T) -> T {
    NO_SERVICE.set(true);
    let result = call();
    NO_SERVICE.set(false);
    result
}

/// Points the library to the service that is online, unless the row is about there being none.
pub fn to_online() {
    if NO_SERVICE.get() {
        nobody()
    } else {
        online();
    }
}

/// Points the library to the service that is offline, unless the row is about there being none.
pub fn to_offline() {
    if NO_SERVICE.get() {
        nobody()
    } else {
        offline();
    }
}

/// The kinds of handle.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    Backup,
    Restore,
}

/// The results of every function for values that are no handle of its kind.
pub fn handle_rows(
    part: &mut Part,
    kind: Kind,
    source: Source,
    call: impl Fn(Form, Hbc) -> ResultCode + Send + Sync + Clone + 'static,
) {
    let mut row = |condition: &'static str,
                   source,
                   value: fn(Kind, &dyn Fn(Hbc) -> ResultCode) -> ResultCode| {
        let call = call.clone();
        part.row(
            "hbc",
            condition,
            ResultCode::INVALID_PARAMETER,
            source,
            move |form| value(kind, &|hbc| call(form, hbc)),
        );
    };
    row("`NULL`", source, |_, call| call(std::ptr::null_mut()));
    row("all bits set", source, |_, call| {
        call(std::ptr::without_provenance_mut(usize::MAX))
    });
    row("a small number", source, |_, call| {
        call(std::ptr::without_provenance_mut(1))
    });
    row("the address of a variable", source, |_, call| {
        let mut variable = [0u64; 8];
        call(variable.as_mut_ptr().cast())
    });
    row("a valid handle's value plus 1", source, |kind, call| {
        Living::begin(kind).call_with(|hbc| call(hbc.wrapping_byte_add(1)))
    });
    row(
        "a valid handle's value with each single bit changed",
        source,
        |kind, call| {
            Living::begin(kind).call_with(|hbc| {
                let codes =
                    (0..usize::BITS).map(|bit| call(hbc.map_addr(|value| value ^ (1 << bit))));
                codes
                    .reduce(|one, other| {
                        if one == other {
                            one
                        } else {
                            panic!("{one}, {other}")
                        }
                    })
                    .expect("bits")
            })
        },
    );
    row("ended before", source, |kind, call| {
        call(Living::begin(kind).end())
    });
    row(
        "ended before, and another begun since",
        source,
        |kind, call| {
            let ended = Living::begin(kind).end();
            Living::begin(kind).call_with(|_| call(ended))
        },
    );
    row("of the other kind", source, |kind, call| {
        let other = if kind == Kind::Backup {
            Kind::Restore
        } else {
            Kind::Backup
        };
        Living::begin(other).call_with(call)
    });
}

enum Living {
    Backup(Backup),
    Restore(Restore),
}

impl Living {
    fn begin(kind: Kind) -> Self {
        match kind {
            Kind::Backup => {
                online();
                Self::Backup(Backup::begin())
            }
            Kind::Restore => {
                offline();
                Self::Restore(Restore::begin())
            }
        }
    }

    fn hbc(&self) -> Hbc {
        match self {
            Self::Backup(backup) => backup.hbc,
            Self::Restore(restore) => restore.hbc,
        }
    }

    /// Whatever the call does with some other value, this handle must live on.
    fn call_with(self, call: impl FnOnce(Hbc) -> ResultCode) -> ResultCode {
        let code = call(self.hbc());
        match &self {
            Self::Backup(backup) => ok(on_handle("DsBackupEnd", backup.hbc)),
            Self::Restore(restore) => ok(on_handle("DsRestoreEnd", restore.hbc)),
        }
        code
    }

    fn end(self) -> Hbc {
        self.hbc()
    }
}

/// The results of every function for bad pointers to a result.
pub fn place_rows<T: Copy + 'static>(
    part: &mut Part,
    parameter: &'static str,
    code: ResultCode,
    source: Source,
    call: impl Fn(Form, Place<T>) -> ResultCode + Send + Sync + Clone + 'static,
) {
    {
        let call = call.clone();
        part.row(parameter, "`NULL`", code, source, move |form| {
            call(form, Place::Null)
        });
    }
    part.row(parameter, "misaligned", code, source, move |form| {
        call(form, Place::Misaligned)
    });
}

/// Ends a context whose service is gone: the call returns an error, and the handle is ended all the
/// same.
pub fn ends_without_service(function: &str, hbc: Hbc, directory: &mut Directory) {
    directory.stop();
    assert_eq!(on_handle(function, hbc), ResultCode::COMMUNICATION_ERROR);
    assert_eq!(on_handle(function, hbc), ResultCode::INVALID_PARAMETER);
}
