//! Controls of searches, by their object identifiers (\[MS-ADTS\] 3.1.1.3.4.1, RFC 2696, RFC 2891,
//! RFC 3296).

/// Results page by page.
pub const PAGED: &str = "1.2.840.113556.1.4.319";
/// Deleted objects as well.
pub const SHOW_DELETED: &str = "1.2.840.113556.1.4.417";
/// Sorted results.
pub const SORT: &str = "1.2.840.113556.1.4.473";
/// The answer to [`SORT`].
pub const SORTED: &str = "1.2.840.113556.1.4.474";
/// Names with GUIDs and SIDs.
pub const EXTENDED_DN: &str = "1.2.840.113556.1.4.529";
/// Parts of security descriptors.
pub const SD_FLAGS: &str = "1.2.840.113556.1.4.801";
/// No references to other domains.
pub const DOMAIN_SCOPE: &str = "1.2.840.113556.1.4.1339";
/// Flags of a search.
pub const SEARCH_OPTIONS: &str = "1.2.840.113556.1.4.1340";
/// The objects that an attribute of the base refers to.
pub const ATTRIBUTE_SCOPED: &str = "1.2.840.113556.1.4.1504";
/// Recycled objects as well.
pub const SHOW_RECYCLED: &str = "1.2.840.113556.1.4.2064";
/// References as objects.
pub const MANAGE_DSA_IT: &str = "2.16.840.1.113730.3.4.2";
