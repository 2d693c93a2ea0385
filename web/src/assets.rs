//! The static files pages load, embedded in the binary. Which headers they are served with is the caller's business.

/// A file of the pages, under `static/`.
#[derive(Clone, Copy, Debug)]
pub struct StaticFile {
    /// Media type.
    pub content_type: &'static str,
    /// Its bytes.
    pub bytes: &'static [u8],
    digest: u64,
}

/// The one stylesheet.
pub(crate) const STYLESHEET: StaticFile =
    StaticFile::new("text/css; charset=utf-8", include_bytes!("../static/acervo.css"));
/// The mark of a browser tab.
pub(crate) const ICON: StaticFile = StaticFile::new("image/svg+xml", include_bytes!("../static/icon.svg"));

/// Around the interactive description of the API.
pub(crate) const API_STYLESHEET: StaticFile =
    StaticFile::new("text/css; charset=utf-8", include_bytes!("../static/api.css"));
/// What shows the interactive description of the API.
pub(crate) const API_SCRIPT: StaticFile =
    StaticFile::new("text/javascript; charset=utf-8", include_bytes!("../static/api.js"));

/// The file of this name, which pages link to as `static/{name}`.
pub fn static_file(name: &str) -> Option<StaticFile> {
    match name {
        "acervo.css" => Some(STYLESHEET),
        "api.css" => Some(API_STYLESHEET),
        "api.js" => Some(API_SCRIPT),
        "icon.svg" => Some(ICON),
        _ => None,
    }
}

impl StaticFile {
    const fn new(content_type: &'static str, bytes: &'static [u8]) -> StaticFile {
        StaticFile { content_type, bytes, digest: fnv1a(bytes) }
    }

    /// Strong entity tag, quotes included.
    pub fn etag(&self) -> String {
        format!("\"{}\"", self.version())
    }

    /// What pages append as `?v=`: as long as it is the same, so are the bytes, so the answer may be cached for ever.
    pub fn version(&self) -> String {
        format!("{:016x}", self.digest)
    }
}

/// The FNV-1a hash. It only has to tell one build's file from the next one's, and can be computed at compile time.
const fn fnv1a(bytes: &[u8]) -> u64 {
    let mut hash: u64 = 0xcbf2_9ce4_8422_2325;
    let mut index = 0;
    while index < bytes.len() {
        hash = (hash ^ bytes[index] as u64).wrapping_mul(0x0000_0100_0000_01b3);
        index += 1;
    }
    hash
}

#[cfg(test)]
mod tests {
    use super::{fnv1a, static_file};

    #[test]
    fn the_hash_is_fnv1a() {
        assert_eq!(fnv1a(b""), 0xcbf2_9ce4_8422_2325);
        assert_eq!(fnv1a(b"foobar"), 0x8594_4171_f739_67e8);
    }

    #[test]
    fn files_are_found_by_exact_name_only() {
        let css = static_file("acervo.css").unwrap();
        assert!(css.content_type.starts_with("text/css"));
        assert_eq!(css.etag(), format!("\"{}\"", css.version()));
        assert_eq!(css.version().len(), 16);
        assert_ne!(css.etag(), static_file("icon.svg").unwrap().etag());
        for name in ["", "Acervo.css", "../Cargo.toml", "acervo.css/", "acervo.js"] {
            assert!(static_file(name).is_none(), "{name}");
        }
    }
}
