//! The pages of a database file, by number.

mod cache;
mod verified;

use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::header::DatabaseHeaders;
use crate::io::{self, Source};
use crate::page::{Fault, PageLayout, PageSize, PageView, Pgno};
use crate::{Error, Result};
use cache::PageCache;
use verified::VerifiedPages;

/// A database file, open for reading its pages.
///
/// Threads can share it.
pub struct PageFile {
    file: PathBuf,
    source: Box<dyn Source>,
    page_size: PageSize,
    page_count: u32,
    headers: DatabaseHeaders,
    cache: PageCache,
    verified: Option<VerifiedPages>,
}

/// A page of an open file.
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

/// Memory for pages of sources that are not in memory. More would cost more to fill than it saves:
/// the system keeps the file in its own cache.
const CACHE_BYTES: usize = 8 << 20;

impl PageFile {
    /// Opens the file at `path`. It is read page by page and never mapped into memory: if the file
    /// is truncated meanwhile, reading gives an error, while a map would end the program.
    ///
    /// # Errors
    /// Fails if this is no regular file, or its header cannot be read.
    pub fn open(path: &Path) -> Result<Self> {
        let (file, _) = io::open(path)?;
        Self::over(file, path)
    }

    /// As [`Self::open`]; `on_read` is called with the length of each read, from any thread.
    ///
    /// # Errors
    /// As [`Self::open`].
    pub fn open_watched(
        path: &Path,
        on_read: impl Fn(u64) + Send + Sync + 'static,
    ) -> Result<Self> {
        let (file, _) = io::open(path)?;
        Self::over(io::Watched::new(file, on_read), path)
    }

    /// Opens any source; `name` stands for it in errors.
    ///
    /// # Errors
    /// Fails if the header cannot be read.
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
            source: Box::new(source),
            file,
        })
    }

    /// Also checks the checksum of every page when it is first read.
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

    /// The number of pages after the two header pages.
    pub fn page_count(&self) -> u32 {
        self.page_count
    }

    /// The header, and the state of its two copies.
    pub fn headers(&self) -> &DatabaseHeaders {
        &self.headers
    }

    /// The source that the pages are read from.
    pub fn source(&self) -> &dyn Source {
        &*self.source
    }

    /// Reads the page `number`.
    ///
    /// # Errors
    /// Fails if there is no such page, if it cannot be read, or if its header or tags are damaged.
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

    /// The error for a page beyond the end of the file, which was longer when it was opened.
    #[cold]
    fn cut_short(&self, number: Pgno) -> Error {
        self.fault(Fault::new(
            number,
            "page",
            "a whole page",
            "the end of the file",
        ))
    }

    /// The error for a fault in this file.
    pub(crate) fn fault(&self, fault: Fault) -> Error {
        fault.in_file(&self.file, self.page_size)
    }
}

impl std::fmt::Debug for PageFile {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("PageFile")
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
