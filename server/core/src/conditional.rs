//! Conditional requests (RFC 9110, section 13) over one strong entity tag.

/// What the preconditions of a request decide.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Precondition {
    /// Go on.
    Proceed,
    /// The client has it: answer 304.
    NotModified,
    /// `If-Match` names another content: answer 412.
    Failed,
}

/// Evaluates `If-Match` and `If-None-Match` for a content whose strong tag (without quotes) is `etag`.
pub fn evaluate(if_match: Option<&str>, if_none_match: Option<&str>, etag: &str) -> Precondition {
    if let Some(list) = if_match
        && !tags(list).any(|tag| tag == "*" || strong(tag) == Some(etag))
    {
        return Precondition::Failed;
    }
    if let Some(list) = if_none_match
        && tags(list).any(|tag| tag == "*" || strong(tag.strip_prefix("W/").unwrap_or(tag)) == Some(etag))
    {
        return Precondition::NotModified;
    }
    Precondition::Proceed
}

/// Whether an `If-Range` header lets the range stand: absent, or exactly this strong tag.
pub fn range_applies(if_range: Option<&str>, etag: &str) -> bool {
    if_range.is_none_or(|tag| strong(tag.trim()) == Some(etag))
}

/// The members of a tag list; our tags hold no commas.
fn tags(list: &str) -> impl Iterator<Item = &str> {
    list.split(',').map(str::trim)
}

/// The opaque part of a strong tag.
fn strong(tag: &str) -> Option<&str> {
    tag.strip_prefix('"')?.strip_suffix('"')
}

#[cfg(test)]
mod tests {
    use super::{Precondition, evaluate, range_applies};

    #[test]
    fn a_client_that_has_the_content_is_told_so() {
        for header in ["\"abc\"", "W/\"abc\"", "\"x\", \"abc\"", "*"] {
            assert_eq!(evaluate(None, Some(header), "abc"), Precondition::NotModified, "{header}");
        }
        for header in ["\"x\"", "abc", ""] {
            assert_eq!(evaluate(None, Some(header), "abc"), Precondition::Proceed, "{header}");
        }
    }

    #[test]
    fn if_match_demands_the_very_content() {
        assert_eq!(evaluate(Some("\"abc\""), None, "abc"), Precondition::Proceed);
        assert_eq!(evaluate(Some("W/\"abc\""), None, "abc"), Precondition::Failed);
        assert_eq!(evaluate(Some("\"x\""), Some("*"), "abc"), Precondition::Failed);
    }

    #[test]
    fn if_range_with_another_tag_gives_the_whole() {
        assert!(range_applies(None, "abc"));
        assert!(range_applies(Some("\"abc\""), "abc"));
        assert!(!range_applies(Some("W/\"abc\""), "abc"));
        assert!(!range_applies(Some("Wed, 21 Oct 2015 07:28:00 GMT"), "abc"));
    }
}
