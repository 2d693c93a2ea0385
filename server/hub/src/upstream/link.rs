//! Where the next page is.

use reqwest::header::{HeaderMap, LINK};
use url::Url;

/// Target of the `rel="next"` link as it stands, `None` on the last page.
pub(super) fn next(headers: &HeaderMap) -> Option<String> {
    headers.get_all(LINK).iter().find_map(|value| {
        // Not UTF-8 is no URL; the empty text is refused where it is parsed.
        let text = String::from_utf8_lossy(value.as_bytes());
        next_of(&text)
    })
}

/// The same, for one header. Targets may hold commas and semicolons, so only `<`, `>` and quotes delimit.
fn next_of(text: &str) -> Option<String> {
    let mut rest = text;
    while let Some(open) = rest.find('<') {
        let (target, after) = rest[open + 1..].split_once('>')?;
        let mut quoted = false;
        let end = after.find(|c| {
            quoted ^= c == '"';
            c == ',' && !quoted
        });
        let (parameters, others) = after.split_at(end.unwrap_or(after.len()));
        if parameters.split(';').any(is_next) {
            return Some(target.trim().to_owned());
        }
        rest = others;
    }
    None
}

/// Whether a parameter is `rel="next"`, quoted or not, alone or among other relations.
fn is_next(parameter: &str) -> bool {
    let Some((name, value)) = parameter.split_once('=') else { return false };
    name.trim().eq_ignore_ascii_case("rel")
        && value.trim().trim_matches('"').split_ascii_whitespace().any(|relation| relation.eq_ignore_ascii_case("next"))
}

/// The next page's address, if it is one that may be asked with the token: absolute, and on the endpoint's own origin.
pub(super) fn own_page(target: &str, endpoint: &Url) -> Result<Url, String> {
    let url = Url::parse(target).map_err(|_| {
        let shown = target.split('?').next().unwrap_or_default();
        format!("the link to the next page is not an absolute URL (`{shown}`)")
    })?;
    if url.origin() == endpoint.origin() {
        return Ok(url);
    }
    Err(format!(
        "the link to the next page leads to another origin, `{}`; it needs the public URL of `{}` as its base",
        url.origin().ascii_serialization(),
        endpoint.origin().ascii_serialization()
    ))
}

#[cfg(test)]
mod tests {
    use super::{next_of, own_page};

    #[test]
    fn the_next_page_is_found_among_other_links() {
        let found = Some("https://h/a?c=1,2;3".to_owned());
        for text in [
            r#"<https://h/a?c=1,2;3>; rel="next""#,
            r#"<https://h/a?c=1,2;3>;rel=next"#,
            r#"<https://h/p>; rel="prev", <https://h/a?c=1,2;3>; title="a, b"; rel="last next""#,
            r#"<https://h/next>; title="rel=next, so to say"; rel=prev,<https://h/a?c=1,2;3>; REL="next""#,
        ] {
            assert_eq!(next_of(text), found, "{text}");
        }
        for text in ["", "<https://h/a>", r#"<https://h/a>; rel="prev""#, "<https://h/a; rel=next"] {
            assert_eq!(next_of(text), None, "{text}");
        }
    }

    #[test]
    fn a_page_that_is_relative_or_elsewhere_is_refused() {
        let endpoint = "http://h:8080/hf".parse().unwrap();
        assert!(own_page("http://h:8080/hf/api/x?cursor=1", &endpoint).is_ok());
        for target in ["/api/x?cursor=1", "", "https://h:8080/api", "http://h/api", "http://other:8080/api"] {
            assert!(own_page(target, &endpoint).is_err(), "{target} must be refused");
        }
        assert!(!own_page("/api/x?cursor=secret", &endpoint).unwrap_err().contains("secret"));
    }
}
