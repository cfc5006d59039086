//! Controls, by their object identifiers (\[MS-ADTS\] 3.1.1.3.4.1, RFC 2696, RFC 2891, RFC 3296).

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
/// Values that are there already may be added, and absent ones deleted.
pub const PERMISSIVE_MODIFY: &str = "1.2.840.113556.1.4.1413";
/// Samba, on its privileged socket: attributes that only the system sets.
pub const RELAX: &str = "1.3.6.1.4.1.4203.666.5.12";
/// Samba, on its privileged socket: hashes of passwords as they are.
pub const BYPASS_PASSWORD_HASH: &str = "1.3.6.1.4.1.7165.4.3.12";
