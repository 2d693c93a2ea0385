//! Slugs of collections: `owner/title-in-short-0123456789abcdef01234567`.
//!
//! Only the owner and the random id at the end say which collection is meant; what stands between them is for people,
//! and changes with the title.

use crate::words::fold;

/// Digits of the random id that ends a slug.
const ID_DIGITS: usize = 24;

/// Most characters of the title in a slug.
const TITLE_CHARS_MAX: usize = 60;

/// The slug of a collection.
pub fn slug(owner: &str, title: &str, id: &str) -> String {
    let mut short = String::new();
    for c in fold(title).chars() {
        if c.is_ascii_alphanumeric() {
            short.push(c);
        } else if !short.is_empty() && !short.ends_with('-') {
            short.push('-');
        }
        if short.len() >= TITLE_CHARS_MAX {
            break;
        }
    }
    match short.trim_end_matches('-') {
        "" => format!("{owner}/{id}"),
        short => format!("{owner}/{short}-{id}"),
    }
}

/// Owner and random id in a slug; `None` if it is not one.
pub fn parse_slug(slug: &str) -> Option<(&str, String)> {
    let (owner, rest) = slug.split_once('/')?;
    let start = rest.len().checked_sub(ID_DIGITS)?;
    let (title, id) = (rest.get(..start)?, rest.get(start..)?);
    let is_slug = (title.is_empty() || title.ends_with('-')) && id.bytes().all(|b| b.is_ascii_hexdigit());
    (is_slug && !owner.is_empty()).then(|| (owner, id.to_ascii_lowercase()))
}

#[cfg(test)]
mod tests {
    use super::{parse_slug, slug};

    const ID: &str = "0123456789abcdef01234567";

    #[test]
    fn slugs_hold_the_title_in_short_and_end_in_the_id() {
        for (title, expected) in [
            ("Recent models", format!("acme/recent-models-{ID}")),
            ("  Modelos: español & guaraní!  ", format!("acme/modelos-espanol-guarani-{ID}")),
            ("日本語", format!("acme/{ID}")),
            ("a/b", format!("acme/a-b-{ID}")),
        ] {
            assert_eq!(slug("acme", title, ID), expected);
            assert_eq!(parse_slug(&expected), Some(("acme", ID.to_owned())));
        }
        assert!(slug("acme", &"long ".repeat(100), ID).len() < 100);
    }

    #[test]
    fn what_is_no_slug_is_none() {
        assert_eq!(parse_slug(&format!("acme/other-title-{}", ID.to_uppercase())), Some(("acme", ID.to_owned())));
        for text in ["", "acme", "acme/", &format!("/{ID}"), &format!("acme/x{ID}"), "acme/recent-models", "acme/ñ"] {
            assert_eq!(parse_slug(text), None, "{text}");
        }
    }
}
