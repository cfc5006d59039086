//! Names as Windows compares them.

/// Whether two names are the same but for case.
pub(crate) fn equal_but_for_case(left: &str, right: &str) -> bool {
    fn folded(text: &str) -> impl Iterator<Item = char> {
        text.chars().flat_map(char::to_uppercase)
    }
    folded(left).eq(folded(right))
}
