//! A folder, and files beneath it, never reached through a link.

use std::io::{Error, ErrorKind, Result};
use std::path::{Component, Path};

#[cfg_attr(unix, path = "unix.rs")]
#[cfg_attr(windows, path = "windows.rs")]
mod system;

pub use self::system::Folder;

fn check_plain(relative: &Path) -> Result<()> {
    let plain = |part: Component<'_>| matches!(part, Component::Normal(_));
    match relative.components().all(plain) {
        true => Ok(()),
        false => Err(not_plain(relative)),
    }
}

fn not_plain(relative: &Path) -> Error {
    Error::new(
        ErrorKind::InvalidInput,
        format!("{}: expected names below the folder", relative.display()),
    )
}

fn through_link(path: &Path) -> Error {
    Error::new(
        ErrorKind::InvalidInput,
        format!(
            "{}: a symbolic link leads there, and nothing is restored through links; remove the \
             link",
            path.display()
        ),
    )
}
