//! Opens an image, with the files that it is made of.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use crate::blocks::Mapped;
use crate::bytes::{HostFile, ReadAt};
use crate::error::{Error, Result};
use crate::format::{Format, format_of};
use crate::qcow2::Qcow2;
use crate::siblings::Siblings;
use crate::vhdx::Vhdx;
use crate::{vhd, vmdk};

/// The longest chain of images that differ from each other.
const LONGEST_CHAIN: usize = 32;

/// The disk in an image.
pub struct Image {
    /// Its format.
    pub format: Format,
    /// The disk.
    pub disk: Arc<dyn ReadAt>,
    /// The other files that it is made of: extents, and what it differs from.
    pub others: Vec<PathBuf>,
}

impl Image {
    /// Opens the image at a path; `None` if the file there is none.
    ///
    /// # Errors
    /// For a damaged image, for a form that is not read, and where a file of it is missing.
    pub fn open(path: &Path) -> Result<Option<Self>> {
        if !path.is_file() && !is_device(path) {
            return Ok(None);
        }
        Self::over(Arc::new(HostFile::open(path)?), path)
    }

    /// As [`Image::open`], with the image's bytes. Its other files are looked for beside `path`.
    ///
    /// # Errors
    /// As [`Image::open`].
    pub fn over(file: Arc<dyn ReadAt>, path: &Path) -> Result<Option<Self>> {
        let others = Mutex::default();
        let beside = Beside {
            path,
            depth: 0,
            others: &others,
        };
        let Some((format, disk)) = open(file, &beside)? else {
            return Ok(None);
        };
        let mut others = others.into_inner().unwrap_or_else(PoisonError::into_inner);
        others.sort();
        others.dedup();
        Ok(Some(Self {
            format,
            disk,
            others,
        }))
    }
}

#[cfg(unix)]
fn is_device(path: &Path) -> bool {
    use std::os::unix::fs::FileTypeExt;
    std::fs::metadata(path).is_ok_and(|found| found.file_type().is_block_device())
}

#[cfg(not(unix))]
fn is_device(_: &Path) -> bool {
    false
}

fn open(file: Arc<dyn ReadAt>, beside: &Beside) -> Result<Option<(Format, Arc<dyn ReadAt>)>> {
    let Some(format) = format_of(&*file)? else {
        return Ok(None);
    };
    let disk = match format {
        Format::Raw => file,
        Format::Qcow2 => Arc::new(Mapped(Qcow2::open(file, beside)?)),
        Format::Vhd => vhd::open(file, beside)?,
        Format::Vhdx => Arc::new(Mapped(Vhdx::open(file)?)),
        Format::VmdkSparse => vmdk::open_sparse(file, beside)?,
        Format::VmdkDescriptor => vmdk::open_descriptor(&*file, beside)?,
    };
    Ok(Some((format, disk)))
}

/// The files beside an image.
struct Beside<'i> {
    path: &'i Path,
    /// Images between this one and that which was named.
    depth: usize,
    others: &'i Mutex<Vec<PathBuf>>,
}

impl Beside<'_> {
    fn find(&self, name: &str) -> Result<PathBuf> {
        // Windows, too, names files.
        let last = name.rsplit(['/', '\\']).next().unwrap_or_default();
        let folder = self.path.parent().unwrap_or(Path::new(""));
        let path = folder.join(last);
        if last.is_empty() || last == ".." || !path.is_file() {
            return Err(Error::not_found(
                self.path.display(),
                format_args!("it needs {name:?}, and there is no such file beside it"),
                "put all files of the disk into one folder",
            ));
        }
        let mut others = self.others.lock().unwrap_or_else(PoisonError::into_inner);
        others.push(path.clone());
        Ok(path)
    }
}

impl Siblings for Beside<'_> {
    fn file(&self, name: &str) -> Result<Arc<dyn ReadAt>> {
        Ok(Arc::new(HostFile::open(&self.find(name)?)?))
    }

    fn image(&self, name: &str) -> Result<Arc<dyn ReadAt>> {
        if self.depth >= LONGEST_CHAIN {
            return Err(Error::refused(
                self.path.display(),
                format_args!("more than {LONGEST_CHAIN} images that differ from each other"),
                "merge them, or convert the last one with qemu-img convert -O raw",
            ));
        }
        let path = self.find(name)?;
        let beside = Beside {
            path: &path,
            depth: self.depth + 1,
            others: self.others,
        };
        match open(Arc::new(HostFile::open(&path)?), &beside)? {
            Some((_, disk)) => Ok(disk),
            // A small disk without a partition table.
            None => Ok(Arc::new(HostFile::open(&path)?)),
        }
    }
}
