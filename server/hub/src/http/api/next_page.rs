//! The `Link` header that leads to the next page.
//!
//! Clients follow it blindly and add nothing, so it is absolute, under the public address, and repeats the whole query.
//! The JavaScript client's pattern wants exactly this spelling: a space after the semicolon, and double quotes.

use actix_web::http::header::HeaderValue;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

use crate::error::HubError;
use crate::http::query::Query;

/// What need not be encoded in a segment of a path.
const SEGMENT: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// The header's value: `segments` below `base`, and the query with the cursor of the next page.
pub fn link<'a>(
    base: &str,
    segments: impl IntoIterator<Item = &'a str>,
    query: &Query,
    cursor: &str,
) -> Result<HeaderValue, HubError> {
    let mut url = base.trim_end_matches('/').to_owned();
    for segment in segments {
        url.push('/');
        url.extend(utf8_percent_encode(segment, SEGMENT));
    }
    HeaderValue::from_str(&format!("<{url}?{}>; rel=\"next\"", query.with("cursor", cursor)))
        .map_err(|_| HubError::Internal(format!("the link to the next page, `{url}`, does not fit into a header")))
}

#[cfg(test)]
mod tests {
    use super::link;
    use crate::http::query::Query;

    #[test]
    fn links_are_absolute_and_repeat_the_query() {
        let query = Query::parse(b"recursive=true&limit=2&cursor=old");
        let segments = ["api", "models", "acme", "tiny", "tree", "main", "sub dir/ñ"];
        let value = link("https://hub.example.org", segments, &query, "bmV3").unwrap();
        assert_eq!(
            value.to_str().unwrap(),
            "<https://hub.example.org/api/models/acme/tiny/tree/main/sub%20dir%2F%C3%B1\
             ?recursive=true&limit=2&cursor=bmV3>; rel=\"next\""
        );
    }
}
