//! Copies of TDB files, the only ones that cannot be avoided.
//!
//! A TDB is changed in place, so it is consistent only while its lock is held. The copy goes into
//! an unnamed file in a folder of the caller's choice, so that nothing is left of it when the
//! process ends. If the file system clones files, the lock is held for the clone only. Otherwise
//! the file is copied twice: first without the lock, which brings both files into memory and
//! allocates the space, then again under it.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use platform::file;

use crate::error::{Error, Result};
use crate::system;

/// The size of a piece that one thread copies at a time.
const PIECE: u64 = 1 << 20;

/// A TDB file and the file for its copy.
pub struct Prepared {
    path: PathBuf,
    source: File,
    copy: File,
    is_cloned: bool,
}

/// The copy of a TDB file.
#[derive(Clone)]
pub struct Copied {
    path: PathBuf,
    file: Arc<File>,
    size: u64,
}

impl Prepared {
    /// Reserves space for the copy of a file, and fills it with the current content.
    ///
    /// # Errors
    /// Fails if the file is unreadable, or the folder has no space for it.
    pub fn new(path: &Path, folder: &Path) -> Result<Self> {
        let source = File::open(path).map_err(Error::io("open", path))?;
        let copy =
            tempfile::tempfile_in(folder).map_err(Error::io("make a temporary file in", folder))?;
        let mut prepared = Self {
            path: path.to_path_buf(),
            is_cloned: system::clone_content(&source, &copy),
            source,
            copy,
        };
        if !prepared.is_cloned {
            let size = prepared.size()?;
            if size > 0 {
                system::take_space(&prepared.copy, size)
                    .map_err(Error::io("take space for a copy of a database in", folder))?;
            }
            copy_all(std::slice::from_mut(&mut prepared))?;
        }
        Ok(prepared)
    }

    fn size(&self) -> Result<u64> {
        let metadata = self.source.metadata();
        metadata
            .map(|metadata| metadata.len())
            .map_err(Error::io("look at", &self.path))
    }
}

/// Copies files whose locks are held: afterwards each copy equals its file.
///
/// # Errors
/// Fails if a file cannot be read, or a copy cannot be written.
pub fn capture(mut files: Vec<Prepared>) -> Result<Vec<Copied>> {
    for prepared in files.iter_mut().filter(|prepared| prepared.is_cloned) {
        prepared.is_cloned = system::clone_content(&prepared.source, &prepared.copy);
    }
    let sizes = copy_all(&mut files)?;
    Ok(files
        .into_iter()
        .zip(sizes)
        .map(|(prepared, size)| Copied {
            path: prepared.path,
            file: Arc::new(prepared.copy),
            size,
        })
        .collect())
}

/// Copies the files that are not cloned, with several threads, and returns all sizes.
fn copy_all(files: &mut [Prepared]) -> Result<Vec<u64>> {
    let sizes = files
        .iter()
        .map(Prepared::size)
        .collect::<Result<Vec<_>>>()?;
    let files = &*files;
    let mut pieces = Vec::new();
    for (prepared, size) in files.iter().zip(&sizes) {
        if prepared.is_cloned {
            continue;
        }
        prepared
            .copy
            .set_len(*size)
            .map_err(Error::io("size the copy of", &prepared.path))?;
        pieces.extend(
            (0..*size)
                .step_by(PIECE as usize)
                .map(|at| (prepared, at, PIECE.min(size - at))),
        );
    }
    let next = AtomicUsize::new(0);
    let work = || {
        let mut buffer = vec![0; PIECE as usize];
        while let Some((prepared, at, length)) = pieces.get(next.fetch_add(1, Ordering::Relaxed)) {
            let piece = buffer.get_mut(..*length as usize).unwrap_or_default();
            file::read_exact_at(&prepared.source, piece, *at)
                .map_err(Error::io("read", &prepared.path))?;
            file::write_all_at(&prepared.copy, piece, *at)
                .map_err(Error::io("copy into the temporary folder", &prepared.path))?;
        }
        Ok(())
    };
    let threads = std::thread::available_parallelism()
        .map_or(1, usize::from)
        .clamp(1, 4)
        .min(pieces.len());
    match threads {
        0 => {}
        1 => work()?,
        _ => std::thread::scope(|scope| {
            let helpers: Vec<_> = (1..threads).map(|_| scope.spawn(work)).collect();
            let own = work();
            helpers
                .into_iter()
                .map(|helper| {
                    helper
                        .join()
                        .unwrap_or_else(|panic| std::panic::resume_unwind(panic))
                })
                .fold(own, Result::and)
        })?,
    }
    Ok(sizes)
}

impl Copied {
    /// The path of the original.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The size of the copy.
    pub fn size(&self) -> u64 {
        self.size
    }

    /// The copy.
    pub fn file(&self) -> &File {
        file::announce_reading(&self.file);
        &self.file
    }
}
