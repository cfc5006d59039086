//! What a SOURCE on the command line names.

use std::cell::OnceCell;
use std::collections::{HashMap, HashSet};
use std::ops::Deref;
use std::path::Path;
use std::time::{Duration, SystemTime};

use ::samba::{PinnedDirectory, secrets};
use backup::selection::{self, LATEST};
use backup::view::{Cache, DiskImage, FileList, Limits};
use backup::{Shown, Snapshot, View, time};
use ese::Database;
use jiff::Timestamp;
use jiff::civil::DateTime;
use jiff::tz::TimeZone;
use objects::ntds::{Ntds, database_at};
use objects::samba::{self, Samba};
use objects::{Guid, Lookup, ObjectId, Source, Stored};
use repository::{Lock, Repository, SnapshotInfo, Work};
use zeroize::Zeroizing;

use crate::cli::{CacheOptions, SourceOptions};
use crate::failure::{Failure, Result};
use crate::report::Report;
use crate::{database, interrupt, lock};

/// The longest wait for the locks of a running domain controller.
const LOCK_LIMIT: Duration = Duration::from_secs(10);

/// What opens the sources of a command. Must live as long as they are read: it holds the lock on
/// the repository.
pub struct Sources<'o> {
    options: &'o SourceOptions,
    report: Report,
    /// The repository, once a source in it was named.
    repository: OnceCell<(Repository, Option<Lock>)>,
}

/// A directory, open for reading.
pub struct Opened {
    /// The path or URL, or the snapshot with its server and time.
    pub name: String,
    /// The server and time of the snapshot; `None` at a path.
    snapshot: Option<(String, SystemTime)>,
    /// The snapshot's whole id, or the path.
    place: String,
    directory: Directory,
}

enum Directory {
    Running(Box<dyn Source>),
    AtPath(Stored),
    InCache(View),
}

impl Deref for Opened {
    type Target = dyn Source;

    fn deref(&self) -> &Self::Target {
        match &self.directory {
            Directory::Running(source) => &**source,
            Directory::AtPath(directory) => &**directory,
            Directory::InCache(view) => &***view,
        }
    }
}

impl Opened {
    /// The directory of a running server.
    pub fn running(name: String, source: Box<dyn Source>) -> Self {
        Self {
            place: name.clone(),
            name,
            snapshot: None,
            directory: Directory::Running(source),
        }
    }

    /// The time of the snapshot; `None` at a path.
    pub fn time(&self) -> Option<SystemTime> {
        self.snapshot.as_ref().map(|(_, time)| *time)
    }

    /// The directory in its files.
    ///
    /// # Errors
    /// [`Failure::NotFound`] for that of a running server.
    pub fn stored(&self) -> Result<&Stored> {
        match &self.directory {
            Directory::Running(_) => Err(Failure::NotFound(format!(
                "{}: this is a running server; name its files, or a snapshot",
                self.name
            ))),
            Directory::AtPath(directory) => Ok(directory),
            Directory::InCache(view) => Ok(view),
        }
    }

    /// What names the same directory later as well: the snapshot's whole id, or an absolute path.
    pub fn place(&self) -> String {
        match (&self.snapshot, std::path::absolute(&self.place)) {
            (None, Ok(path)) => path.display().to_string(),
            _ => self.place.clone(),
        }
    }
}

impl<'o> Sources<'o> {
    /// From the command line.
    pub fn new(options: &'o SourceOptions, report: Report) -> Self {
        Self {
            options,
            report,
            repository: OnceCell::new(),
        }
    }

    /// Opens the directory at a path or, if nothing exists there, in a snapshot.
    ///
    /// # Errors
    /// Where there is none, where the one at the path was not shut down, and where it is damaged.
    pub fn open(&self, source: &Path) -> Result<Opened> {
        match self.locate(source)? {
            Located::Path => Ok(Opened {
                name: source.display().to_string(),
                place: source.display().to_string(),
                snapshot: None,
                directory: match self.in_image(source)? {
                    Some(view) => Directory::InCache(view),
                    None => Directory::AtPath(self.at_path(source)?),
                },
            }),
            Located::Snapshot(repository, info) => self.open_snapshot(repository, &info),
        }
    }

    /// The files of a snapshot, or in the folder of a path.
    ///
    /// # Errors
    /// Where there is none, and where it cannot be read.
    pub fn files(&self, source: &Path) -> Result<FileList> {
        match self.locate(source)? {
            Located::Path if self.lacks_files(source) => Err(Failure::refused(format!(
                "{}: this is an image of a disk, whose other files are not read; mount it, and \
                     name the folder",
                source.display()
            ))),
            Located::Path => Ok(FileList::in_folder(source)?),
            Located::Snapshot(repository, info) => {
                let (_, snapshot) = self.snapshot(repository, &info)?;
                Ok(FileList::of_snapshot(snapshot)?)
            }
        }
    }

    /// Whether a SOURCE is an image of a disk: of such only the directory is read.
    pub fn lacks_files(&self, source: &Path) -> bool {
        source.is_file() && database::may_be_image(source)
    }

    /// What a SOURCE names.
    fn locate(&self, source: &Path) -> Result<Located<'_>> {
        if source.symlink_metadata().is_ok() {
            return Ok(Located::Path);
        }
        let wanted = Wanted::parse(source).ok_or_else(|| {
            Failure::NotFound(format!(
                "{}: there is no file or folder of this name, and it is neither `latest`, nor a \
                 time such as \"2026-11-20 08:00\", nor the beginning of a snapshot's id",
                source.display()
            ))
        })?;
        let repository = self.repository(source)?;
        let server = self.options.server_name.as_deref();
        let info = match wanted {
            Wanted::Named(name) => selection::find(repository, name, server)?,
            Wanted::At(time) => selection::find_at(repository, time, server)?,
        };
        Ok(Located::Snapshot(repository, Box::new(info)))
    }

    /// Calls `visit` with each snapshot of the server of `named`, oldest first, opened. One that
    /// cannot be opened comes as its failure.
    ///
    /// # Errors
    /// Where `named` is no snapshot, and those of `visit`.
    pub fn visit_same_server(
        &self,
        named: &Opened,
        shown: &mut Shown<'_>,
        mut visit: impl FnMut(&SnapshotInfo, Result<Opened>) -> Result<()>,
    ) -> Result<()> {
        let Some((server, _)) = &named.snapshot else {
            return Err(Failure::NotFound(format!(
                "{}: this is no snapshot; name one, such as `latest`",
                named.name
            )));
        };
        let repository = self.repository(Path::new(&named.name))?;
        let mut snapshots = selection::backups(repository)?;
        snapshots.retain(|info| info.is_of(server));
        let count = snapshots.len() as u64;
        for (number, info) in (0..).zip(snapshots) {
            shown.set(Work::Snapshots, number, count);
            visit(&info, self.open_snapshot(repository, &info))?;
        }
        Ok(())
    }

    /// The snapshot of a source; `None` for one at a path.
    ///
    /// # Errors
    /// Where it is not there any more, or cannot be read.
    pub fn snapshot_of(&self, named: &Opened) -> Result<Option<Snapshot>> {
        if named.snapshot.is_none() {
            return Ok(None);
        }
        let repository = self.repository(Path::new(&named.name))?;
        let info = selection::find(repository, &named.place, None)?;
        Ok(Some(Snapshot::open(repository, &info)?))
    }

    /// The passwords of these objects in a Samba domain controller's databases, for the one purpose
    /// of docs/decisions/secrets.md.
    ///
    /// # Errors
    /// Where `named` is none, or its key is missing or another one.
    pub fn secrets(
        &self,
        named: &Opened,
        objects: &HashSet<Guid>,
    ) -> Result<HashMap<Guid, secrets::Values>> {
        if let (Directory::InCache(view), Some(snapshot)) =
            (&named.directory, self.snapshot_of(named)?)
        {
            return Ok(view.secrets(&snapshot, objects)?);
        }
        let path = Path::new(&named.place);
        let folder = match path.is_dir() {
            true => path,
            false => path.parent().unwrap_or(path),
        };
        let file = folder.join(secrets::KEY_FILE);
        let bytes = std::fs::read(&file).map_err(Failure::io("read the key", &file))?;
        let key = secrets::Key::new(&Zeroizing::new(bytes)).ok_or_else(|| {
            Failure::refused(format!("{}: {} is no key", named.name, secrets::KEY_FILE))
        })?;
        Ok(secrets::read(folder, &key, objects)?)
    }

    fn at_path(&self, path: &Path) -> Result<Stored> {
        if let Some(private) = samba::folder_of(path) {
            return self.samba_in(&private);
        }
        let Some(file) = database_at(path) else {
            return Err(Failure::NotFound(format!(
                "{}: this folder holds neither ntds.dit nor Samba's sam.ldb, nor an image of a \
                 disk",
                path.display()
            )));
        };
        database::check(&file, "look into")?;
        let database = Database::open(&file)?.verifying_checksums();
        Ok(Ntds::over(database)?.into())
    }

    /// The directory in an image of a disk, or in a folder of images; `None` if there is no image.
    fn in_image(&self, path: &Path) -> Result<Option<View>> {
        if samba::folder_of(path).is_some() || !database::may_be_image(path) {
            return Ok(None);
        }
        let inside = self.options.image.in_image.as_deref();
        let Some(image) = DiskImage::open(path, inside, &self.report)? else {
            return Ok(None);
        };
        interrupt::watch()?;
        let cache = cache(&self.options.cache);
        Ok(Some(View::of_image(&image, &cache, &self.report)?))
    }

    /// Samba's databases; those of a running domain controller at one point in time.
    fn samba_in(&self, private: &Path) -> Result<Stored> {
        if !PinnedDirectory::is_in_use(private) {
            return Ok(Samba::open(private)?.into());
        }
        self.report.step(format!(
            "{}: a domain controller is running; its databases are read as they are now",
            private.display()
        ));
        let spool = backup::scratch::folder(&self.options.cache.cache)?;
        let pinned = PinnedDirectory::pin(private, &spool, LOCK_LIMIT)?;
        Ok(Samba::pinned(private, &pinned)?.into())
    }

    /// Opens a snapshot, and returns its name too.
    fn snapshot(&self, repository: &Repository, info: &SnapshotInfo) -> Result<(String, Snapshot)> {
        let name = format!(
            "snapshot {} of {}, {}",
            info.short_id(),
            info.host,
            time::from_system(info.time)
        );
        self.report.step(&name);
        let snapshot = Snapshot::open(repository, info)?;
        for file in repository.unreadable() {
            self.report.warn(file.to_string());
        }
        if snapshot.manifest.damaged {
            self.report
                .warn(format!("{name}: it was stored with damage in it"));
        }
        Ok((name, snapshot))
    }

    fn open_snapshot(&self, repository: &Repository, info: &SnapshotInfo) -> Result<Opened> {
        let (name, snapshot) = self.snapshot(repository, info)?;
        interrupt::watch()?;
        let view = View::open(&snapshot, &cache(&self.options.cache), &self.report)?;
        Ok(Opened {
            name,
            snapshot: Some((info.host.clone(), info.time)),
            place: info.id.clone(),
            directory: Directory::InCache(view),
        })
    }

    /// The repository, opened and locked once.
    fn repository(&self, source: &Path) -> Result<&Repository> {
        if let Some((repository, _)) = self.repository.get() {
            return Ok(repository);
        }
        let Some(options) = self.options.repository.as_repository() else {
            return Err(Failure::NotFound(format!(
                "{}: there is no file or folder of this name; where a snapshot is meant, say \
                 --repository",
                source.display()
            )));
        };
        let repository = crate::open_repository(&options)?;
        let lock = lock::for_reading(&repository, self.options.lock, self.report)?;
        Ok(&self.repository.get_or_init(|| (repository, lock)).0)
    }
}

/// The cache of copies of snapshots.
pub fn cache(options: &CacheOptions) -> Cache {
    Cache {
        folder: options.cache.clone(),
        limits: (!options.no_cache).then(Limits::default),
    }
}

/// What a SOURCE names.
enum Located<'r> {
    Path,
    Snapshot(&'r Repository, Box<SnapshotInfo>),
}

/// A snapshot, as a SOURCE names it.
#[derive(Debug, PartialEq, Eq)]
enum Wanted<'s> {
    /// `latest`, or the beginning of an id.
    Named(&'s str),
    /// The newest that is not newer.
    At(SystemTime),
}

impl<'s> Wanted<'s> {
    fn parse(source: &'s Path) -> Option<Self> {
        let text = source.to_str()?;
        let is_id = text.len() <= 64 && text.bytes().all(|byte| byte.is_ascii_hexdigit());
        if text == LATEST || is_id && !text.is_empty() {
            return Some(Self::Named(text));
        }
        let time = match text.parse::<Timestamp>() {
            Ok(time) => time,
            Err(_) => {
                let local = text.parse::<DateTime>().ok()?;
                local.to_zoned(TimeZone::system()).ok()?.timestamp()
            }
        };
        Some(Self::At(time.into()))
    }
}

/// The object with a distinguished name.
///
/// # Errors
/// [`Failure::NotFound`] where there is none.
pub fn at(source: &dyn Source, dn: &str) -> Result<ObjectId> {
    let found = source.find(&Lookup::Dn(dn))?;
    found
        .first()
        .copied()
        .ok_or_else(|| Failure::NotFound(format!("{dn}: the directory has no object of this name")))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(text: &str) -> Option<Wanted<'_>> {
        Wanted::parse(Path::new(text))
    }

    #[test]
    fn a_source_is_latest_an_id_or_a_time() {
        assert_eq!(parsed("latest"), Some(Wanted::Named("latest")));
        assert_eq!(parsed("3f9a1c2b"), Some(Wanted::Named("3f9a1c2b")));
        let utc = |text: &str| Some(Wanted::At(text.parse::<Timestamp>().unwrap().into()));
        let morning = "2026-11-20T08:00:00Z";
        assert_eq!(parsed(morning), utc(morning));
        assert_eq!(parsed("2026-11-20T09:00:00+01:00"), utc(morning));
        let local = |text: &str| {
            let local: DateTime = text.parse().unwrap();
            let zoned = local.to_zoned(TimeZone::system()).unwrap();
            Some(Wanted::At(zoned.timestamp().into()))
        };
        assert_eq!(parsed("2026-11-20 08:00"), local("2026-11-20T08:00:00"));
        assert_eq!(parsed("2026-11-20 08:00:30"), local("2026-11-20T08:00:30"));
        assert_eq!(parsed("2026-11-20"), local("2026-11-20T00:00:00"));
        for wrong in [
            "",
            "yesterday",
            "folder/ntds.dit",
            "2026-13-20 08:00",
            "08:00",
        ] {
            assert_eq!(parsed(wrong), None, "{wrong}");
        }
    }
}
