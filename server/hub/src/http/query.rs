//! Query strings as hub clients write them, read leniently.
//!
//! Repeated keys make lists, `k[]` is `k`, booleans come as `true`, `True` or `1` depending on the client's generation,
//! and what is unknown or does not parse is ignored: a client must never fail for a parameter this hub has not heard
//! of. Forms have the same encoding and are read by the same code.

use std::convert::Infallible;
use std::future::{Ready, ready};

use actix_web::dev::Payload;
use actix_web::{FromRequest, HttpRequest};
use url::form_urlencoded;

/// The parameters of a request, in the order they were written.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Query {
    pairs: Vec<(String, String)>,
}

impl Query {
    /// Reads a query string or a form.
    pub fn parse(raw: &[u8]) -> Query {
        let pairs = form_urlencoded::parse(raw)
            .map(|(key, value)| (key.strip_suffix("[]").unwrap_or(&key).to_owned(), value.into_owned()))
            .collect();
        Query { pairs }
    }

    /// Every value of a key, empty ones left out.
    pub fn all(&self, key: &str) -> impl Iterator<Item = &str> {
        self.pairs.iter().filter(move |(name, value)| name == key && !value.is_empty()).map(|(_, value)| value.as_str())
    }

    /// The value of a key; the last one if it is repeated.
    pub fn last(&self, key: &str) -> Option<&str> {
        self.all(key).last()
    }

    /// Every value of a key, as owned text.
    pub fn list(&self, key: &str) -> Vec<String> {
        self.all(key).map(str::to_owned).collect()
    }

    /// Every value of a key, those of one occurrence separated by commas; only where clients are known to join them.
    pub fn comma_list(&self, key: &str) -> Vec<String> {
        let parts = self.all(key).flat_map(|value| value.split(','));
        parts.map(str::trim).filter(|part| !part.is_empty()).map(str::to_owned).collect()
    }

    /// Whether a key is set to something that means yes.
    pub fn flag(&self, key: &str) -> bool {
        self.last(key).is_some_and(is_true)
    }

    /// The number a key is set to, if it is one.
    pub fn number(&self, key: &str) -> Option<u64> {
        self.last(key)?.trim().parse().ok()
    }

    /// The same query, encoded again, with another value for `key`.
    pub fn with(&self, key: &str, value: &str) -> String {
        let kept = self.pairs.iter().filter(|(name, _)| name != key);
        form_urlencoded::Serializer::new(String::new()).extend_pairs(kept).append_pair(key, value).finish()
    }

    /// The same query without `key`.
    pub fn without(mut self, key: &str) -> Query {
        self.pairs.retain(|(name, _)| name != key);
        self
    }
}

impl FromRequest for Query {
    type Error = Infallible;
    type Future = Ready<Result<Query, Infallible>>;

    fn from_request(req: &HttpRequest, _: &mut Payload) -> Self::Future {
        ready(Ok(Query::parse(req.query_string().as_bytes())))
    }
}

/// Whether a text means yes: `true` in any case, or `1`.
pub fn is_true(text: &str) -> bool {
    text.eq_ignore_ascii_case("true") || text == "1"
}

#[cfg(test)]
mod tests {
    use super::Query;

    #[test]
    fn booleans_of_every_client_generation_are_understood() {
        for yes in ["blobs=true", "blobs=True", "blobs=TRUE", "blobs=1", "blobs[]=1", "blobs=false&blobs=true"] {
            assert!(Query::parse(yes.as_bytes()).flag("blobs"), "{yes}");
        }
        for no in ["", "blobs", "blobs=", "blobs=false", "blobs=False", "blobs=0", "blobs=yes", "Blobs=true"] {
            assert!(!Query::parse(no.as_bytes()).flag("blobs"), "{no}");
        }
    }

    #[test]
    fn repeated_keys_and_brackets_make_one_list() {
        let query = Query::parse(b"expand=sha&expand%5B%5D=siblings&expand[]=likes&other=x");
        assert_eq!(query.list("expand"), ["sha", "siblings", "likes"]);
    }

    #[test]
    fn commas_separate_only_where_asked_for() {
        let query = Query::parse(b"filter=a,b&filter=license%3Amit&filter=,&filter=");
        assert_eq!(query.comma_list("filter"), ["a", "b", "license:mit"]);
        assert_eq!(query.list("filter"), ["a,b", "license:mit", ","]);
    }

    #[test]
    fn what_does_not_parse_is_ignored() {
        let query = Query::parse(b"limit=many&p=-1&%ff=%ff&&=&limit2=5");
        assert_eq!((query.number("limit"), query.number("p"), query.number("limit2")), (None, None, Some(5)));
    }

    #[test]
    fn a_query_is_repeated_whole_with_another_cursor() {
        let query = Query::parse(b"recursive=True&filter=a+b&filter=c%26d&cursor=old&limit=2");
        assert_eq!(query.with("cursor", "n=w"), "recursive=True&filter=a+b&filter=c%26d&limit=2&cursor=n%3Dw");
        assert_eq!(query.without("filter").with("cursor", "x"), "recursive=True&limit=2&cursor=x");
    }
}
