//! rustic's view of a repository, without the unreadable files: rustic stops at the first of them.

use std::sync::Arc;

use bytes::Bytes;
use rustic_core::{BytesList, FileType, Id, ReadBackend, RusticResult, WriteBackend};

use crate::unreadable::Notes;

#[derive(Debug)]
pub(crate) struct Hiding {
    pub(crate) backend: Arc<dyn WriteBackend>,
    pub(crate) hidden: Arc<Notes>,
}

impl ReadBackend for Hiding {
    fn location(&self) -> String {
        self.backend.location()
    }

    fn list_with_size(&self, kind: FileType) -> RusticResult<Vec<(Id, u32)>> {
        let mut listed = self.backend.list_with_size(kind)?;
        listed.retain(|(id, _)| !self.hidden.contains(kind, id));
        Ok(listed)
    }

    fn read_full(&self, kind: FileType, id: &Id) -> RusticResult<Bytes> {
        self.backend.read_full(kind, id)
    }

    fn read_partial(
        &self,
        kind: FileType,
        id: &Id,
        cacheable: bool,
        offset: u32,
        length: u32,
    ) -> RusticResult<Bytes> {
        self.backend
            .read_partial(kind, id, cacheable, offset, length)
    }

    fn warmup_path(&self, kind: FileType, id: &Id) -> String {
        self.backend.warmup_path(kind, id)
    }
}

impl WriteBackend for Hiding {
    fn create(&self) -> RusticResult<()> {
        self.backend.create()
    }

    fn write_bytes(
        &self,
        kind: FileType,
        id: &Id,
        cacheable: bool,
        content: BytesList,
    ) -> RusticResult<()> {
        self.backend.write_bytes(kind, id, cacheable, content)
    }

    fn remove(&self, kind: FileType, id: &Id, cacheable: bool) -> RusticResult<()> {
        self.backend.remove(kind, id, cacheable)
    }
}
