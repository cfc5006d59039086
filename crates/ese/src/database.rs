//! A database, open for reading: its pages and its catalog.

use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};

pub use crate::io::{Seekable, Source};

use crate::Result;
use crate::catalog::{Catalog, Table, TableEntry};
use crate::header::DatabaseHeaders;
use crate::page::{Fault, PageSize, Pgno};
use crate::page_file::{Page, PageFile};
use crate::tree::{TreeCursor, TreeId};

/// A database, open for reading.
///
/// Threads can share it; each makes cursors of its own.
pub struct Database {
    pages: PageFile,
    catalog: OnceLock<Catalog>,
}

impl Database {
    /// Opens the file at `path`. It is read page by page and never mapped into memory: if the file
    /// is truncated meanwhile, reading gives an error, while a map would end the program.
    ///
    /// The database may be dirty: its pages then lack changes that are only in the logs, and hold
    /// changes that were never committed. [`Self::is_clean`] tells.
    ///
    /// ```
    /// # let folder = testkit::find("sample-forest/clean").unwrap().unpack();
    /// # let path = folder.path().join("ntds.dit");
    /// let database = ese::Database::open(&path)?;
    /// assert!(database.is_clean());
    /// for table in database.tables()? {
    ///     println!("{}", table.name);
    /// }
    /// # Ok::<(), ese::Error>(())
    /// ```
    ///
    /// # Errors
    /// Fails if `path` is no regular file, and if its header cannot be read.
    pub fn open(path: impl AsRef<Path>) -> Result<Self> {
        Ok(Self::of(PageFile::open(path.as_ref())?))
    }

    /// As [`Self::open`]; `on_read` is called with the length of each read, from any thread, so that
    /// long work can show how far it is. Pages that are kept are not read again.
    ///
    /// # Errors
    /// As [`Self::open`].
    pub fn open_watched(
        path: impl AsRef<Path>,
        on_read: impl Fn(u64) + Send + Sync + 'static,
    ) -> Result<Self> {
        Ok(Self::of(PageFile::open_watched(path.as_ref(), on_read)?))
    }

    /// Opens a database over any source, such as a file in a backup; `name` stands for it in
    /// errors. A source that is shared, or of a type known only at run time, is passed as
    /// `Arc<dyn Source>`.
    ///
    /// Pages are read when they are needed, one at a time; the last 8 MiB of them are kept.
    ///
    /// ```
    /// # let folder = testkit::find("sample-forest/clean").unwrap().unpack();
    /// # let path = folder.path().join("ntds.dit");
    /// let bytes: Vec<u8> = std::fs::read(&path).unwrap();
    /// let database = ese::Database::over(bytes, "ntds.dit in memory")?;
    /// assert!(database.table("datatable")?.is_some());
    /// # Ok::<(), ese::Error>(())
    /// ```
    ///
    /// # Errors
    /// Fails if the header cannot be read.
    pub fn over(source: impl Source + 'static, name: impl Into<PathBuf>) -> Result<Self> {
        Ok(Self::of(PageFile::over(source, name)?))
    }

    fn of(pages: PageFile) -> Self {
        Self {
            pages,
            catalog: OnceLock::new(),
        }
    }

    /// Checks the checksum of every page when it is first read. A wrong one is then an error;
    /// without this the page's content is read as far as it makes sense.
    pub fn verifying_checksums(self) -> Self {
        Self::of(self.pages.verifying_checksums())
    }

    /// The pages.
    pub fn pages(&self) -> &PageFile {
        &self.pages
    }

    /// The file, as named on opening.
    pub fn file(&self) -> &Path {
        self.pages.file()
    }

    /// The size of all pages.
    pub fn page_size(&self) -> PageSize {
        self.pages.page_size()
    }

    /// The number of pages after the two header pages.
    pub fn page_count(&self) -> u32 {
        self.pages.page_count()
    }

    /// The header, and the state of its two copies.
    pub fn headers(&self) -> &DatabaseHeaders {
        self.pages.headers()
    }

    /// Whether the database was shut down cleanly, so that it is complete without logs.
    pub fn is_clean(&self) -> bool {
        self.headers().header.is_clean()
    }

    /// The source that the pages are read from.
    pub fn source(&self) -> &dyn Source {
        self.pages.source()
    }

    /// Reads the page `number`.
    ///
    /// # Errors
    /// Fails if there is no such page, if it cannot be read, or if its header or tags are damaged.
    pub fn page(&self, number: Pgno) -> Result<Page<'_>> {
        self.pages.page(number)
    }

    /// The nodes of `tree`, from the first on.
    pub fn nodes(&self, tree: TreeId) -> TreeCursor<'_> {
        TreeCursor::new(&self.pages, tree)
    }

    /// The catalog: all tables by name. If it is damaged its copy is read instead, and
    /// [`Catalog::fault`] says so.
    ///
    /// # Errors
    /// Fails if neither can be read.
    pub fn catalog(&self) -> Result<&Catalog> {
        if let Some(catalog) = self.catalog.get() {
            return Ok(catalog);
        }
        let catalog = Catalog::read(&self.pages)?;
        Ok(self.catalog.get_or_init(|| catalog))
    }

    /// The tables, sorted by name.
    ///
    /// # Errors
    /// As [`Self::catalog`].
    pub fn tables(&self) -> Result<&[TableEntry]> {
        Ok(self.catalog()?.tables())
    }

    /// The table `name` with its columns and indices; `None` if there is none.
    ///
    /// # Errors
    /// As [`Self::catalog`], and if the catalog contradicts itself about the table.
    pub fn table(&self, name: &str) -> Result<Option<Arc<Table>>> {
        self.catalog()?.table(&self.pages, name)
    }

    /// The error for a fault in this database.
    pub(crate) fn fault(&self, fault: Fault) -> crate::Error {
        self.pages.fault(fault)
    }
}

impl std::fmt::Debug for Database {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Database")
            .field("pages", &self.pages)
            .finish_non_exhaustive()
    }
}
