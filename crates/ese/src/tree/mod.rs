//! B+-trees of pages. Branch pages point to pages one level below; the leaves hold the nodes in key
//! order and link to each other in both directions.

mod cursor;

pub use cursor::{TreeCursor, TreeId};
