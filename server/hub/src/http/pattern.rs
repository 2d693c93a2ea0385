//! Route patterns: the short form in which the router page writes them, and how a path is split by one.
//!
//! `{repo}` stands for `{ns}/{name}` and for a bare `{name}`; `{plural}` for the three kinds; `{rest}` for one or more
//! further segments. The raw path is cut into segments before anything is decoded, once to find its pattern and once to
//! be split by it, so an encoded slash never moves a marker.

use std::ops::Range;

use acervo_core::RepoKind;
use percent_encoding::percent_decode_str;

use crate::error::HubError;

/// One concrete pattern of the router page.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Pattern {
    /// As the router page writes it; the label of metrics and log lines.
    pub(super) line: &'static str,
    pieces: Vec<Piece>,
}

/// What one segment of a pattern is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Piece {
    Literal(&'static str),
    Plural,
    Namespace,
    Name,
    /// A full commit id, the first segment of what follows the name.
    Commit,
    /// Any one segment that says nothing of a repository.
    Other(&'static str),
    Rest,
}

impl Piece {
    /// Whether one segment of a raw path can stand here.
    fn matches(&self, segment: &str) -> bool {
        match self {
            Piece::Literal(literal) => is_text(segment, literal),
            Piece::Plural => RepoKind::ALL.iter().any(|kind| is_text(segment, kind.plural())),
            Piece::Commit => segment.len() == 40 && segment.bytes().all(|b| b.is_ascii_hexdigit()),
            Piece::Namespace | Piece::Name | Piece::Other(_) | Piece::Rest => !segment.is_empty(),
        }
    }
}

/// Whether a raw segment stands for this text: plain in nearly every request, but any letter may be escaped.
fn is_text(segment: &str, text: &str) -> bool {
    segment == text || (segment.contains('%') && decode(segment).is_ok_and(|decoded| decoded == text))
}

/// A raw path, split by its pattern; nothing is decoded yet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Split<'a> {
    /// What kind of repository the path is about.
    pub(super) kind: RepoKind,
    /// Every segment.
    pub(super) segments: Vec<&'a str>,
    /// Which segments are the repository's name.
    pub(super) name: Range<usize>,
    /// Where the segments after the marker begin.
    pub(super) rest: usize,
}

impl Pattern {
    /// The concrete patterns of a line, namespaced ids before bare ones.
    pub(super) fn expand(line: &'static str) -> Vec<Pattern> {
        let pieces = |namespaced: bool| {
            line.split('/').filter(|text| !text.is_empty()).flat_map(move |text| piece(text, namespaced)).collect()
        };
        let bare = Pattern { line, pieces: pieces(false) };
        if line.contains("{repo}") { vec![Pattern { line, pieces: pieces(true) }, bare] } else { vec![bare] }
    }

    /// Whether these segments of a raw path are of this form.
    pub(super) fn matches(&self, segments: &[&str]) -> bool {
        let (pieces, has_rest) = match self.pieces.split_last() {
            Some((Piece::Rest, before)) => (before, true),
            _ => (self.pieces.as_slice(), false),
        };
        let long_enough = if has_rest { segments.len() > pieces.len() } else { segments.len() == pieces.len() };
        long_enough && pieces.iter().zip(segments).all(|(piece, segment)| piece.matches(segment))
    }

    /// Segments that say nothing of a repository, under the names that the router page gives them, decoded.
    pub(super) fn others<'a>(&'a self, segments: &'a [&str]) -> impl Iterator<Item = (&'static str, String)> + 'a {
        self.pieces.iter().zip(segments).filter_map(|(piece, segment)| match piece {
            Piece::Other(name) => Some((*name, decode(segment).unwrap_or_else(|_| (*segment).to_owned()))),
            _ => None,
        })
    }

    /// The order in which patterns are tried, lowest first.
    ///
    /// Paths under a literal come before those that begin with a name (`datasets/x/resolve/..` is a dataset with a bare
    /// id). Among the rest, a namespaced id with a marker after it wins over a bare one, and both over a plain id.
    pub(super) fn precedence(&self) -> u8 {
        let begins_with_name = matches!(self.pieces.first(), Some(Piece::Namespace | Piece::Name));
        let ends_with_name = self.pieces.last() == Some(&Piece::Name);
        let is_bare = self.pieces.contains(&Piece::Name) && !self.pieces.contains(&Piece::Namespace);
        u8::from(begins_with_name) * 4 + u8::from(ends_with_name) * 2 + u8::from(is_bare)
    }

    /// Where the segments begin that `{rest}` stands for.
    pub(super) fn rest(&self) -> usize {
        self.pieces.iter().position(|piece| *piece == Piece::Rest).unwrap_or(self.pieces.len())
    }

    /// Splits a raw path that this pattern matched.
    pub(super) fn split<'a>(&self, raw_path: &'a str) -> Result<Split<'a>, HubError> {
        let segments = segments(raw_path);
        let at = |wanted: fn(&Piece) -> bool| self.pieces.iter().position(wanted);
        let no_repository = || HubError::Internal(format!("the route `{}` names no repository", self.line));
        let name_at = at(|piece| *piece == Piece::Name).ok_or_else(no_repository)?;
        let start = at(|piece| *piece == Piece::Namespace).unwrap_or(name_at);
        let kind = match (at(|piece| *piece == Piece::Plural), self.pieces.first()) {
            (Some(index), _) => segments.get(index).and_then(|text| RepoKind::from_plural(text)),
            (None, Some(Piece::Literal(prefix))) => RepoKind::from_plural(prefix),
            (None, _) => Some(RepoKind::Model),
        };
        let rest = at(|piece| matches!(piece, Piece::Commit | Piece::Rest)).unwrap_or(self.pieces.len());
        let kind = kind.ok_or_else(no_repository)?;
        if segments.len() <= name_at {
            return Err(no_repository());
        }
        Ok(Split { kind, name: start..name_at + 1, rest: rest.min(segments.len()), segments })
    }
}

/// The pieces that one segment of a line stands for.
fn piece(text: &'static str, namespaced: bool) -> Vec<Piece> {
    match text {
        "{repo}" if namespaced => vec![Piece::Namespace, Piece::Name],
        "{repo}" => vec![Piece::Name],
        "{plural}" => vec![Piece::Plural],
        "{commit}" => vec![Piece::Commit],
        "{rest}" => vec![Piece::Rest],
        text if text.starts_with('{') => vec![Piece::Other(text.trim_matches(['{', '}']))],
        literal => vec![Piece::Literal(literal)],
    }
}

/// The segments of a raw path, without the empty ones at its ends: llama.cpp joins its endpoint with a second slash.
pub(super) fn segments(raw_path: &str) -> Vec<&str> {
    match raw_path.trim_matches('/') {
        "" => Vec::new(),
        path => path.split('/').collect(),
    }
}

/// Decodes one segment, exactly once; a plus sign is a plus sign.
pub(super) fn decode(segment: &str) -> Result<String, HubError> {
    let escapes_are_whole = segment
        .split('%')
        .skip(1)
        .all(|after| after.len() >= 2 && after.as_bytes()[..2].iter().all(u8::is_ascii_hexdigit));
    let refused = || HubError::Invalid(format!("the URL segment `{segment}` is not percent-encoded UTF-8"));
    if !escapes_are_whole {
        return Err(refused());
    }
    Ok(percent_decode_str(segment).decode_utf8().map_err(|_| refused())?.into_owned())
}

#[cfg(test)]
mod tests {
    use super::{Pattern, decode, segments};
    use crate::http::extract::RepoRoute;

    fn route(line: &'static str, namespaced: bool, path: &str) -> RepoRoute {
        let patterns = Pattern::expand(line);
        let pattern = if namespaced { &patterns[0] } else { patterns.last().unwrap() };
        RepoRoute::parse(pattern, path).unwrap()
    }

    fn matching(line: &'static str, path: &str) -> Vec<bool> {
        Pattern::expand(line).iter().map(|pattern| pattern.matches(&segments(path))).collect()
    }

    #[test]
    fn a_line_stands_for_namespaced_and_bare_ids() {
        assert_eq!(matching("/{repo}/resolve/{rest}", "/acme/x/resolve/main/a/b"), [true, false]);
        assert_eq!(matching("/{repo}/resolve/{rest}", "/x/resolve/main/a"), [false, true]);
        assert_eq!(matching("/{repo}/resolve/{rest}", "/acme/x/resolve"), [false, false]);
        assert_eq!(matching("/{repo}/resolve/{rest}", "/acme%2Fx/resolve/main"), [false, true]);
        assert_eq!(matching("/{repo}/resolve/{rest}", "//x/resolve//main/"), [false, true]);
        assert_eq!(matching("/static/{name}", "/static/a.css"), [true]);
        assert_eq!(matching("/static/{name}", "/static/a/b.css"), [false]);
        assert_eq!(matching("/", "//"), [true]);
        assert_eq!(matching("/", "/a"), [false]);
        for (path, is_list) in [("/api/models", true), ("/api/m%6Fdels/", true), ("/api/papers", false)] {
            assert_eq!(matching("/api/{plural}", path), [is_list], "{path}");
        }
        let other = Pattern::expand("/static/{name}").remove(0);
        assert_eq!(other.others(&segments("/static/a%20b.css")).collect::<Vec<_>>(), [("name", "a b.css".to_owned())]);
    }

    #[test]
    fn segments_are_decoded_once_and_keep_their_slashes() {
        let found = route("/{repo}/resolve/{rest}", true, "/acme/x/resolve/refs%2Fpr%2F1/sub%20dir/a%2Bb+%20%231.txt");
        assert_eq!((found.kind.as_str(), found.name.as_str()), ("model", "acme/x"));
        assert_eq!(found.rest, ["refs/pr/1", "sub dir", "a+b+ #1.txt"]);
        let found = route("/{repo}/resolve/{rest}", true, "/acme/x/resolve/main/100%2525.txt");
        assert_eq!(found.rest, ["main", "100%25.txt"]);
    }

    #[test]
    fn markers_and_kinds_are_found_by_the_pattern_alone() {
        let found = route("/datasets/{repo}/resolve/{rest}", false, "//datasets/squad/resolve/refs/pr/1/a");
        assert_eq!((found.kind.as_str(), found.name.as_str()), ("dataset", "squad"));
        assert_eq!(found.rest, ["refs", "pr", "1", "a"]);
        let found = route("/api/{plural}/{repo}/tree/{rest}", true, "/api/spaces/resolve/tree/tree/main/tree/");
        assert_eq!((found.kind.as_str(), found.name.as_str()), ("space", "resolve/tree"));
        assert_eq!(found.rest, ["main", "tree"]);
        let found = route("/api/{plural}/{repo}", true, "/api/models/acme/x");
        assert_eq!((found.name.as_str(), found.rest.len()), ("acme/x", 0));
    }

    #[test]
    fn the_cache_address_begins_its_rest_with_the_commit() {
        let commit = "0123456789abcdef0123456789abcdef01234567";
        let path = format!("/api/resolve-cache/datasets/acme/x/{commit}/a/b.txt");
        let found = route("/api/resolve-cache/{plural}/{repo}/{commit}/{rest}", true, &path);
        assert_eq!((found.kind.as_str(), found.name.as_str()), ("dataset", "acme/x"));
        assert_eq!(found.rest, [commit, "a", "b.txt"]);
    }

    #[test]
    fn what_is_not_percent_encoded_utf8_is_refused() {
        for segment in ["%", "%2", "a%zz", "%ff", "%C3", "%+1"] {
            assert!(decode(segment).is_err(), "{segment}");
        }
        assert_eq!(decode("%C3%B1%2f+").unwrap(), "\u{f1}/+");
    }
}
