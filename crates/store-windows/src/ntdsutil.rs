//! `ntdsutil`, the system's own tool: makes a consistent copy of the directory through its writer,
//! an "Install From Media" folder with database, registry and SYSVOL.

use std::path::Path;

use contract::{Error, Result, ResultCode};

use crate::tool::Said;

/// What is typed at its prompts, to copy into a folder that does not exist yet.
pub fn arguments(folder: &Path) -> [String; 5] {
    let folder = folder.display().to_string();
    // At its prompts, too, blanks separate words.
    let folder = match folder.contains(' ') {
        true => format!("\"{folder}\""),
        false => folder,
    };
    [
        "activate instance ntds".into(),
        "ifm".into(),
        format!("create sysvol full {folder}"),
        "quit".into(),
        "quit".into(),
    ]
}

/// Refuses what the tool says is no success. Its words depend on the system's language, and its exit
/// code is 0 in most cases: whether the folder is whole [`crate::ifm_folder`] finds out.
///
/// # Errors
/// `hrError` with its last words.
pub fn check(said: &Said) -> Result<()> {
    match said.success {
        true => Ok(()),
        false => Err(failed(&said.ended, said)),
    }
}

/// The error for a folder that is not whole, with the words of the tool that made it.
pub fn failed(reason: &str, said: &Said) -> Error {
    Error::new(
        ResultCode::ERROR,
        format!(
            "ntdsutil did not make a whole copy of the directory ({reason}); its last words: {}",
            said.last_words()
        ),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_with_blanks_is_one_word() {
        assert_eq!(arguments(Path::new("C:\\s"))[2], "create sysvol full C:\\s");
        assert_eq!(
            arguments(Path::new("C:\\a b"))[2],
            "create sysvol full \"C:\\a b\""
        );
    }
}
