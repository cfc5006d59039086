//! Which images a path names: one file, or those of a folder.

use std::path::{Path, PathBuf};

use disk_image::{Error, HostFile, Result, format_of};

/// How the names of images end.
const ENDINGS: [&str; 8] = [
    "vhdx", "vhd", "avhdx", "avhd", "vmdk", "qcow2", "img", "raw",
];
/// The folder of Windows Server Backup, and what those of its backups begin with.
const SERVER_BACKUP: &str = "WindowsImageBackup";
const BACKUP: &str = "Backup ";

/// The images that a path names; none if it names something else. In a folder of Windows Server
/// Backup they are those of its newest backup.
///
/// # Errors
/// Where a folder cannot be read, or holds the backups of several servers.
pub fn images_at(path: &Path) -> Result<Vec<PathBuf>> {
    if !path.is_dir() {
        return Ok(match is_image(path)? {
            true => vec![path.to_path_buf()],
            false => Vec::new(),
        });
    }
    let here = images_in(path)?;
    if !here.is_empty() {
        return Ok(here);
    }
    let inner = path.join(SERVER_BACKUP);
    let folder = match inner.is_dir() {
        true => inner,
        false => path.to_path_buf(),
    };
    if let Some(newest) = newest_backup(&folder)? {
        return images_in(&newest);
    }
    let mut servers = Vec::new();
    for server in folders_in(&folder)? {
        servers.extend(newest_backup(&server)?.map(|newest| (server, newest)));
    }
    match &servers[..] {
        [] => Ok(Vec::new()),
        [(_, newest)] => images_in(newest),
        several => {
            let names: Vec<String> = several.iter().map(|(server, _)| name_of(server)).collect();
            Err(Error::refused(
                path.display(),
                format_args!("it holds backups of several servers: {}", names.join(", ")),
                "name the folder of one of them",
            ))
        }
    }
}

/// Whether a file is an image, or one of a format that is refused with its reason.
fn is_image(path: &Path) -> Result<bool> {
    match HostFile::open(path) {
        Ok(file) => Ok(format_of(&file)?.is_some()),
        // Whoever reads it says why.
        Err(_) => Ok(false),
    }
}

/// The newest backup in the folder of a server. Their names end with the time.
fn newest_backup(server: &Path) -> Result<Option<PathBuf>> {
    let folders = folders_in(server)?.into_iter();
    let mut backups: Vec<PathBuf> = folders
        .filter(|folder| name_of(folder).starts_with(BACKUP))
        .collect();
    backups.sort();
    while let Some(newest) = backups.pop() {
        if !images_in(&newest)?.is_empty() {
            return Ok(Some(newest));
        }
    }
    Ok(None)
}

fn images_in(folder: &Path) -> Result<Vec<PathBuf>> {
    let files = entries(folder)?.into_iter().filter(|path| {
        let ending = path.extension().unwrap_or_default().to_string_lossy();
        ENDINGS.contains(&ending.to_ascii_lowercase().as_str()) && path.is_file()
    });
    Ok(files.collect())
}

fn folders_in(folder: &Path) -> Result<Vec<PathBuf>> {
    Ok((entries(folder)?.into_iter())
        .filter(|path| path.is_dir())
        .collect())
}

/// What is in a folder, sorted.
fn entries(folder: &Path) -> Result<Vec<PathBuf>> {
    let mut paths = (std::fs::read_dir(folder).map_err(Error::open(folder))?)
        .map(|entry| Ok(entry.map_err(Error::open(folder))?.path()))
        .collect::<Result<Vec<_>>>()?;
    paths.sort();
    Ok(paths)
}

fn name_of(path: &Path) -> String {
    let name = path.file_name().unwrap_or_default();
    name.to_string_lossy().into_owned()
}
