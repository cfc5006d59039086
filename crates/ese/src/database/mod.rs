//! Opening a database and reading its pages.

mod cache;
mod verified;

use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};

pub use crate::io::{Seekable, Source};

use crate::catalog::{Catalog, Table};
use crate::header::DatabaseHeaders;
use crate::io;
use crate::page::{Fault, PageLayout, PageSize, PageView, Pgno};
use crate::{Error, Result};
use cache::PageCache;
use verified::VerifiedPages;

/// A database, open for reading.
///
/// It is shared between threads freely; cursors over it are made as needed.
pub struct Database {
    file: PathBuf,
    source: Box<dyn Source>,
    page_size: PageSize,
    page_count: u32,
    headers: DatabaseHeaders,
    cache: PageCache,
    verified: Option<VerifiedPages>,
    catalog: OnceLock<Catalog>,
}

/// A page of an open database.
#[derive(Debug, Clone)]
pub struct Page<'db> {
    bytes: PageBytes<'db>,
    layout: PageLayout,
}

#[derive(Debug, Clone)]
enum PageBytes<'db> {
    Borrowed(&'db [u8]),
    Cached(Arc<[u8]>),
}

/// Memory for pages of sources that do not lie in memory. More would cost more to fill than it saves: the system keeps the
/// file in its own cache.
const CACHE_BYTES: usize = 8 << 20;

impl Database {
    /// Opens the file at `path`. It is read page by page and never mapped into memory: a file that others cut short
    /// meanwhile is an error, where a map would end the program.
    ///
    /// The database may be dirty: what is then read is the state of its pages, which lacks changes that are only in the
    /// logs and holds changes that were never committed. [`Self::is_clean`] tells.
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
    pub fn open(path: impl AsRef<Path>) -> Result<Self> {
        let path = path.as_ref();
        let (file, _) = io::open(path)?;
        Self::over(file, path)
    }

    /// Opens a database over any source, such as a file in a backup; `name` stands for it in errors.
    /// A source that is shared or of a type known only at run time is passed as `Arc<dyn Source>`.
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
    pub fn over(source: impl Source + 'static, name: impl Into<PathBuf>) -> Result<Self> {
        let file = name.into();
        let len = source.size().map_err(Error::io(&file))?;
        let mut start = vec![0; len.min(DatabaseHeaders::START as u64) as usize];
        source
            .read_exact_at(&mut start, 0)
            .map_err(Error::io(&file))?;
        let headers = DatabaseHeaders::parse(&start).map_err(|fault| fault.in_file(&file))?;
        let page_size = headers.header.page_size();
        Ok(Self {
            page_size,
            page_count: page_size.pages_in(len),
            headers,
            cache: PageCache::new(CACHE_BYTES / page_size.bytes(), page_size.bytes()),
            verified: None,
            catalog: OnceLock::new(),
            source: Box::new(source),
            file,
        })
    }

    /// Also check the checksum of every page when it is first read. A page whose checksum is wrong is then an error,
    /// where else its content is read as far as it makes sense.
    pub fn verifying_checksums(mut self) -> Self {
        self.verified = Some(VerifiedPages::new(self.page_count));
        self
    }

    /// The file, as named on opening.
    pub fn file(&self) -> &Path {
        &self.file
    }

    /// The size of all pages.
    pub fn page_size(&self) -> PageSize {
        self.page_size
    }

    /// How many pages follow the two header pages in the file.
    pub fn page_count(&self) -> u32 {
        self.page_count
    }

    /// The header, and how its two copies fare.
    pub fn headers(&self) -> &DatabaseHeaders {
        &self.headers
    }

    /// Whether the database was shut down cleanly, so that it is complete without logs.
    pub fn is_clean(&self) -> bool {
        self.headers.header.is_clean()
    }

    /// The source that the pages are read from.
    pub fn source(&self) -> &dyn Source {
        &*self.source
    }

    /// Reads the page `number`.
    pub fn page(&self, number: Pgno) -> Result<Page<'_>> {
        if number == 0 || number > self.page_count {
            let expected = format!("a page from 1 to {}", self.page_count);
            return Err(self.fault(Fault::new(
                number,
                "page number",
                expected,
                number.to_string(),
            )));
        }
        let offset = self.page_size.offset_of(number);
        let len = self.page_size.bytes();
        let bytes = if let Some(all) = self.source.as_bytes() {
            let page = usize::try_from(offset)
                .ok()
                .and_then(|start| all.get(start..start + len));
            PageBytes::Borrowed(page.ok_or_else(|| self.cut_short(number))?)
        } else {
            let page = (self.cache)
                .get_or_read(number, |page| self.source.read_exact_at(page, offset))
                .map_err(|source| match source.kind() {
                    ErrorKind::UnexpectedEof => self.cut_short(number),
                    _ => Error::io(&self.file)(source),
                })?;
            PageBytes::Cached(page)
        };
        if let Some(verified) = &self.verified {
            let checked = verified.check(number, bytes.as_slice());
            checked.map_err(|fault| self.fault(fault))?;
        }
        let layout =
            PageLayout::new(bytes.as_slice(), number).map_err(|fault| self.fault(fault))?;
        Ok(Page { bytes, layout })
    }

    /// The file ended before the page, which it held when it was opened.
    #[cold]
    fn cut_short(&self, number: Pgno) -> Error {
        self.fault(Fault::new(
            number,
            "page",
            "a whole page",
            "the end of the file",
        ))
    }

    /// The catalog: all tables by name. Where it is damaged its copy is read instead, and [`Catalog::fault`] says so.
    pub fn catalog(&self) -> Result<&Catalog> {
        if let Some(catalog) = self.catalog.get() {
            return Ok(catalog);
        }
        let catalog = Catalog::read(self)?;
        Ok(self.catalog.get_or_init(|| catalog))
    }

    /// The tables, sorted by name.
    pub fn tables(&self) -> Result<&[crate::catalog::TableEntry]> {
        Ok(self.catalog()?.tables())
    }

    /// The table `name` with its columns and indices; `None` where there is none.
    pub fn table(&self, name: &str) -> Result<Option<Arc<Table>>> {
        self.catalog()?.table(self, name)
    }

    /// The error of a fault in this database.
    pub(crate) fn fault(&self, fault: Fault) -> Error {
        fault.in_file(&self.file, self.page_size)
    }
}

impl std::fmt::Debug for Database {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Database")
            .field("file", &self.file)
            .field("page_size", &self.page_size)
            .field("page_count", &self.page_count)
            .finish_non_exhaustive()
    }
}

impl PageBytes<'_> {
    fn as_slice(&self) -> &[u8] {
        match self {
            Self::Borrowed(bytes) => bytes,
            Self::Cached(bytes) => bytes,
        }
    }
}

impl Page<'_> {
    /// The page's content.
    #[inline]
    pub fn view(&self) -> PageView<'_> {
        self.layout.view(self.bytes.as_slice())
    }

    /// The page's header and layout.
    pub fn layout(&self) -> &PageLayout {
        &self.layout
    }
}
