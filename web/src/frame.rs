//! What every page has around its content: language, links home, static files.

use crate::assets::{ICON, STYLESHEET};
use crate::language::Language;
use crate::text::Text;

/// The frame of a page.
pub(crate) struct Frame<'a> {
    /// Language of the page.
    pub(crate) language: Language,
    /// Words of that language.
    pub(crate) t: &'static Text,
    /// Host of this hub, with its port: which hub this is.
    pub(crate) host: &'a str,
    /// Path all links start with: empty, or `/prefix`.
    pub(crate) root: String,
    /// Changes with the stylesheet.
    pub(crate) stylesheet_version: String,
    /// Changes with the icon.
    pub(crate) icon_version: String,
}

impl<'a> Frame<'a> {
    /// The frame of a page of the hub at this address.
    ///
    /// Links carry only the path of the address. A reader who came by another host name (a tunnel, the loopback)
    /// stays on it, and the browser's same-origin rules, by which it loads the stylesheet, still hold.
    pub(crate) fn new(language: Language, base_url: &'a str) -> Frame<'a> {
        let address = base_url.split_once("://").map_or(base_url, |(_, rest)| rest);
        let address = address.split(['?', '#']).next().unwrap_or_default();
        let (authority, path) = address.split_once('/').unwrap_or((address, ""));
        let host = authority.rsplit_once('@').map_or(authority, |(_, host)| host);
        // A path that began with two slashes would name another host.
        let path = path.trim_matches('/');
        Frame {
            language,
            t: language.text(),
            host,
            root: if path.is_empty() { String::new() } else { format!("/{path}") },
            stylesheet_version: STYLESHEET.version(),
            icon_version: ICON.version(),
        }
    }

    /// All languages, for the switch.
    pub(crate) fn languages(&self) -> [Language; 2] {
        Language::ALL
    }
}

#[cfg(test)]
mod tests {
    use super::Frame;
    use crate::language::Language;

    #[test]
    fn links_carry_the_path_of_the_address_and_never_its_host() {
        for (base_url, host, root) in [
            ("https://acervo.example", "acervo.example", ""),
            ("https://acervo.example/", "acervo.example", ""),
            ("http://127.0.0.1:7860", "127.0.0.1:7860", ""),
            ("https://example.org/hub/", "example.org", "/hub"),
            ("https://example.org/a/b", "example.org", "/a/b"),
            ("https://example.org//evil.example", "example.org", "/evil.example"),
            ("https://user:secret@example.org/x?y=/z#w", "example.org", "/x"),
            ("", "", ""),
        ] {
            let frame = Frame::new(Language::English, base_url);
            assert_eq!((frame.host, frame.root.as_str()), (host, root), "{base_url}");
        }
    }
}
