//! Kinds of events, and patterns of them.
//!
//! Owns how kinds are asked for. Which kinds there are is decided where the changes are made.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// Longest pattern, in bytes.
pub const PATTERN_BYTES_MAX: usize = 100;

/// Which kinds of events somebody wants: one kind (`mirror.added`), those of a family (`mirror.*`), or all (`*`).
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct KindPattern(String);

/// What a pattern stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kinds<'a> {
    /// All.
    Every,
    /// This one.
    Only(&'a str),
    /// Those that begin with this text, which ends in a dot.
    Beginning(&'a str),
}

impl KindPattern {
    /// The pattern of all kinds.
    pub fn every() -> KindPattern {
        KindPattern("*".to_owned())
    }

    /// As it was written.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// What it stands for.
    pub fn kinds(&self) -> Kinds<'_> {
        match self.0.strip_suffix('*') {
            Some("") => Kinds::Every,
            Some(beginning) => Kinds::Beginning(beginning),
            None => Kinds::Only(&self.0),
        }
    }

    /// Whether an event of this kind is meant.
    pub fn matches(&self, kind: &str) -> bool {
        match self.kinds() {
            Kinds::Every => true,
            Kinds::Only(only) => kind == only,
            Kinds::Beginning(beginning) => kind.starts_with(beginning),
        }
    }
}

/// Whether a text is a kind, or the beginning of one: words of small letters between dots.
fn is_kind(text: &str) -> bool {
    let is_word = |word: &str| {
        word.starts_with(|c: char| c.is_ascii_lowercase()) && word.bytes().all(|b| b.is_ascii_lowercase() || b == b'_')
    };
    text.split('.').all(is_word)
}

impl FromStr for KindPattern {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let kind = text.strip_suffix(".*").unwrap_or(text);
        if text == "*" || (text.len() <= PATTERN_BYTES_MAX && is_kind(kind)) {
            return Ok(KindPattern(text.to_owned()));
        }
        let shown: String = text.chars().take(PATTERN_BYTES_MAX).collect();
        Err(format!("`{shown}` is no kind of event; write one as in `mirror.added`, a family as in `mirror.*`, or `*`"))
    }
}

impl TryFrom<String> for KindPattern {
    type Error = String;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        text.parse()
    }
}

impl From<KindPattern> for String {
    fn from(pattern: KindPattern) -> String {
        pattern.0
    }
}

impl fmt::Display for KindPattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::KindPattern;

    #[test]
    fn a_pattern_means_a_kind_a_family_or_all() {
        let matching = |pattern: &str| {
            let pattern: KindPattern = pattern.parse().unwrap();
            ["mirror.added", "mirror.removed", "mirrors.added", "upstream.tag_moved", "mirror"]
                .into_iter()
                .filter(|kind| pattern.matches(kind))
                .collect::<Vec<_>>()
        };
        assert_eq!(matching("mirror.added"), ["mirror.added"]);
        assert_eq!(matching("mirror.*"), ["mirror.added", "mirror.removed"]);
        assert_eq!(matching("upstream.*"), ["upstream.tag_moved"]);
        assert_eq!(matching("mirror"), ["mirror"]);
        assert_eq!(matching("*").len(), 5);
    }

    #[test]
    fn what_could_be_misread_is_no_pattern() {
        for text in ["", ".", ".*", "**", "*.added", "mirror*", "mirror.", "mirror.a*", "Mirror.added", "a b", "a.*.b"]
        {
            let refused = text.parse::<KindPattern>();
            assert!(refused.as_ref().is_err_and(|error| error.contains("`mirror.*`")), "{text}: {refused:?}");
        }
        assert!("a".repeat(101).parse::<KindPattern>().is_err());
    }
}
