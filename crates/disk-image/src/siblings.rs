//! The other files that an image is made of: extents, and the parent that it differs from.

use std::sync::Arc;

use crate::bytes::ReadAt;
use crate::error::Result;

/// Opens files beside an image. An image names them, and may come from anywhere: only the last part
/// of a name counts, so that it can lead to no other folder.
pub(crate) trait Siblings {
    /// The bytes of a file as they are.
    ///
    /// # Errors
    /// Where it is not beside the image.
    fn file(&self, name: &str) -> Result<Arc<dyn ReadAt>>;

    /// The disk in an image.
    ///
    /// # Errors
    /// Where it is not beside the image, or is none.
    fn image(&self, name: &str) -> Result<Arc<dyn ReadAt>>;
}
