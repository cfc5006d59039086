//! The first log that the databases in a directory's folders may need: the hosted one and others
//! beside it.

use std::path::{Path, PathBuf};

use ese::header::{DatabaseHeader, DatabaseHeaders, DatabaseState, PatchHeader, Signature};

use crate::layout::Layout;

/// The engine's temporary database: created anew at every start, never recovered.
const SORTING: [&str; 2] = ["temp.edb", "tmp.edb"];
/// The file extensions of databases.
const DATABASES: [&str; 2] = ["edb", "dit"];

/// A database beside the hosted one, and the logs that it needs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Neighbour {
    pub(crate) path: PathBuf,
    /// The first generation, or why it is not known.
    pub(crate) needs: Result<u32, String>,
}

/// The first generation that a database may need, or why it is not known.
///
/// A clean database needs the logs from its last consistent position on: if it is older than its
/// logs, those attached it again and changed it. A dirty one names the logs that it requires. The
/// copy of a streaming backup needs the logs from the start of that backup.
pub(crate) fn first_needed(header: &DatabaseHeader) -> Result<u32, String> {
    match header.state() {
        DatabaseState::CleanShutdown => match header.last_consistent.generation() {
            0 => Err("the database does not say where it was consistent last".into()),
            generation => Ok(generation),
        },
        DatabaseState::DirtyShutdown | DatabaseState::DirtyAndPatchedShutdown => {
            let backup = header.current_full_backup.low.get();
            [header.min_required.get(), backup]
                .into_iter()
                .filter(|generation| *generation > 0)
                .min()
                .filter(|_| header.min_required != 0)
                .ok_or_else(|| "the database does not say which logs it requires".into())
        }
        state => Err(format!("the database is in the state {state}")),
    }
}

/// The other databases in the directory's folders that belong to the same sequence of logs, or may.
///
/// # Errors
/// If the folders cannot be listed.
pub(crate) fn neighbours(
    layout: &Layout,
    sequence: &Signature,
) -> contract::Result<Vec<Neighbour>> {
    let mut neighbours = Vec::new();
    for path in layout.contents()?.others {
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        if path.is_dir()
            || SORTING
                .iter()
                .any(|sorting| name.eq_ignore_ascii_case(sorting))
        {
            continue;
        }
        let needs = match read_header(&path) {
            Ok(header) if header.log_signature != *sequence => continue,
            Ok(header) => first_needed(&header),
            Err(_) if !is_called_a_database(&path) => continue,
            Err(reason) => Err(reason),
        };
        neighbours.push(Neighbour { path, needs });
    }
    Ok(neighbours)
}

fn is_called_a_database(path: &Path) -> bool {
    let extension = path.extension().unwrap_or_default().to_string_lossy();
    (DATABASES.iter()).any(|usual| extension.eq_ignore_ascii_case(usual))
}

/// A database's header; for the copy of a streaming backup with the additions of its last page.
fn read_header(path: &Path) -> Result<DatabaseHeader, String> {
    let io = |error: std::io::Error| error.to_string();
    let file = platform::file::open_without_waiting(path).map_err(io)?;
    let size = file.metadata().map_err(io)?.len();
    let read = |offset: u64, length: usize| {
        let mut bytes = vec![0; length];
        platform::file::read_exact_at(&file, &mut bytes, offset).map(|()| bytes)
    };
    let length = size.min(DatabaseHeaders::START as u64) as usize;
    let start = read(0, length).map_err(io)?;
    let mut header = DatabaseHeaders::parse(&start)
        .map_err(|fault| fault.in_file(path).to_string())?
        .header;
    if header.awaits_patch() {
        let page = header.page_size().bytes();
        let last = read(size.saturating_sub(page as u64), page).map_err(io)?;
        if let Ok(patch) = PatchHeader::parse(&last) {
            header
                .apply_patch(&patch)
                .map_err(|fault| fault.in_file(path).to_string())?;
        }
    }
    Ok(header)
}
