//! Route patterns: the short form in which the router page writes them, and how a path is split by one.
//!
//! `{repo}` stands for `{ns}/{name}` and for a bare `{name}`; `{plural}` for the three kinds; `{rest}` for one or more
//! further segments. The router decides which pattern a path matches, and the same pattern then splits the raw path, so
//! the two can never disagree on which segment is a marker. actix matches with `%2F` still encoded, hence both see the
//! same slashes.

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

    /// The pattern as actix reads it, from its `skip`th segment on.
    pub(super) fn actix(&self, skip: usize) -> String {
        let mut text = String::new();
        for piece in self.pieces.iter().skip(skip) {
            text.push('/');
            text.push_str(match piece {
                Piece::Literal(literal) => literal,
                Piece::Plural => "{plural:models|datasets|spaces}",
                Piece::Namespace => "{ns}",
                Piece::Name => "{name}",
                Piece::Commit => "{commit:[0-9a-fA-F]{40}}",
                Piece::Other(name) => name,
                Piece::Rest => "{rest:.+}",
            });
        }
        if text.is_empty() { "/".to_owned() } else { text }
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
        text if text.starts_with('{') => vec![Piece::Other(text)],
        literal => vec![Piece::Literal(literal)],
    }
}

/// The segments of a raw path, without the empty ones at its ends: llama.cpp joins its endpoint with a second slash.
pub(super) fn segments(raw_path: &str) -> Vec<&str> {
    raw_path.trim_matches('/').split('/').collect()
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
    use super::{Pattern, decode};
    use crate::http::extract::RepoRoute;

    fn route(line: &'static str, namespaced: bool, path: &str) -> RepoRoute {
        let patterns = Pattern::expand(line);
        let pattern = if namespaced { &patterns[0] } else { patterns.last().unwrap() };
        RepoRoute::parse(pattern, path).unwrap()
    }

    #[test]
    fn a_line_stands_for_namespaced_and_bare_ids() {
        let actix = |line| Pattern::expand(line).iter().map(|pattern| pattern.actix(0)).collect::<Vec<_>>();
        assert_eq!(actix("/{repo}/resolve/{rest}"), ["/{ns}/{name}/resolve/{rest:.+}", "/{name}/resolve/{rest:.+}"]);
        assert_eq!(actix("/static/{name}"), ["/static/{name}"]);
        assert_eq!(actix("/"), ["/"]);
        assert_eq!(Pattern::expand("/api/{plural}")[0].actix(1), "/{plural:models|datasets|spaces}");
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
