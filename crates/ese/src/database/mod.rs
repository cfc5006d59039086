//! Opening a database and reading its pages.

mod cache;
mod mapped;
mod source;

use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};

pub use source::{Seekable, Source};

use crate::catalog::{Catalog, Table};
use crate::page::{Fault, PageLayout, PageSize, PageView, Pgno, u32_at};
use crate::{Error, Result};
use cache::PageCache;

/// A database, open for reading.
///
/// It is shared between threads freely; cursors over it are made as needed.
pub struct Database {
    file: PathBuf,
    source: Box<dyn Source>,
    page_size: PageSize,
    page_count: u32,
    version: u32,
    revision: u32,
    state: u32,
    cache: PageCache,
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

/// Memory for pages of sources that do not lie in memory.
const CACHE_BYTES: usize = 32 << 20;

/// What the first bytes of every database's header hold after the checksum.
const MAGIC: u32 = 0x89ab_cdef;
/// The format version of all databases since Windows 2000.
const VERSION: u32 = 0x620;

impl Database {
    /// Opens the file at `path`, mapped into memory where the system can do that.
    ///
    /// The database may be dirty: what is then read is the state of its pages, which lacks changes that are only in the
    /// logs and holds changes that were never committed. [`Self::is_clean`] tells.
    ///
    /// ```no_run
    /// let database = ese::Database::open("ntds.dit")?;
    /// for table in database.tables()? {
    ///     println!("{}", table.name);
    /// }
    /// # Ok::<(), ese::Error>(())
    /// ```
    pub fn open(path: impl AsRef<Path>) -> Result<Self> {
        let path = path.as_ref();
        let io = |source| Error::Io {
            file: path.to_path_buf(),
            source,
        };
        let file = File::open(path).map_err(io)?;
        match mapped::Mapped::new(&file) {
            Ok(mapped) => Self::over(mapped, path),
            Err(_) => Self::over(file, path),
        }
    }

    /// Opens a database over any source; `name` stands for it in errors.
    ///
    /// ```no_run
    /// let bytes: Vec<u8> = std::fs::read("ntds.dit").unwrap();
    /// let database = ese::Database::over(bytes, "ntds.dit")?;
    /// # Ok::<(), ese::Error>(())
    /// ```
    pub fn over(source: impl Source + 'static, name: impl Into<PathBuf>) -> Result<Self> {
        let file = name.into();
        let io = |source| Error::Io {
            file: file.clone(),
            source,
        };
        let len = source.size().map_err(io)?;
        let mut header = [0; 640];
        if len < header.len() as u64 {
            return Err(damaged(
                &file,
                0,
                "a header of at least 640 bytes",
                format!("{len} bytes"),
            ));
        }
        source.read_exact_at(&mut header, 0).map_err(io)?;
        let field = |offset| u32_at(&header, offset).unwrap_or_default();
        if field(4) != MAGIC {
            let found = format!("{:#010x}", field(4));
            return Err(damaged(
                &file,
                4,
                "the database signature 0x89abcdef",
                found,
            ));
        }
        if field(8) != VERSION {
            return Err(Error::Unsupported {
                what: format!("database format version {:#x}", field(8)),
                file,
            });
        }
        // Databases older than the field have pages of 4 KiB.
        let page_size = match field(236) {
            0 => PageSize::new(4096),
            bytes => PageSize::new(bytes),
        };
        let Some(page_size) = page_size else {
            let found = format!("{} bytes", field(236));
            return Err(damaged(
                &file,
                236,
                "a page size of 2, 4, 8, 16 or 32 KiB",
                found,
            ));
        };
        Ok(Self {
            page_size,
            page_count: page_size.pages_in(len),
            version: field(8),
            revision: field(232),
            state: field(52),
            cache: PageCache::new(CACHE_BYTES / page_size.bytes()),
            catalog: OnceLock::new(),
            source: Box::new(source),
            file,
        })
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

    /// The format version and revision, such as 0x620 and 20.
    pub fn format(&self) -> (u32, u32) {
        (self.version, self.revision)
    }

    /// Whether the database was shut down cleanly, so that it is complete without logs.
    pub fn is_clean(&self) -> bool {
        const CLEAN_SHUTDOWN: u32 = 3;
        self.state == CLEAN_SHUTDOWN
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
            let missing = || {
                damaged(
                    &self.file,
                    offset,
                    "a whole page",
                    "the end of the file".into(),
                )
            };
            PageBytes::Borrowed(page.ok_or_else(missing)?)
        } else if let Some(page) = self.cache.get(number) {
            PageBytes::Cached(page)
        } else {
            let mut page = vec![0; len];
            self.source
                .read_exact_at(&mut page, offset)
                .map_err(|source| Error::Io {
                    file: self.file.clone(),
                    source,
                })?;
            let page: Arc<[u8]> = page.into();
            self.cache.put(number, Arc::clone(&page));
            PageBytes::Cached(page)
        };
        let layout =
            PageLayout::new(bytes.as_slice(), number).map_err(|fault| self.fault(fault))?;
        Ok(Page { bytes, layout })
    }

    /// The catalog: all tables by name.
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

fn damaged(file: &Path, offset: u64, expected: &str, found: String) -> Error {
    Error::Damaged {
        file: file.to_path_buf(),
        offset,
        structure: "database header".into(),
        expected: expected.into(),
        found,
    }
}
