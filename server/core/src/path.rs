//! Paths of entries inside a repository.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::name::NameError;

/// Longest path, in bytes.
pub const PATH_BYTES_MAX: usize = 4096;

/// A relative path with `/` between its parts; never escapes the repository.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct RepoPath(String);

impl RepoPath {
    /// The path as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Path of the folder that holds this entry; empty at the root.
    pub fn parent(&self) -> &str {
        self.0.rsplit_once('/').map_or("", |(parent, _)| parent)
    }

    /// Last part of the path.
    pub fn file_name(&self) -> &str {
        self.0.rsplit_once('/').map_or(self.0.as_str(), |(_, name)| name)
    }

    /// Every folder above this entry, outermost first.
    pub fn ancestors(&self) -> impl Iterator<Item = &str> {
        self.0.match_indices('/').map(|(at, _)| &self.0[..at])
    }
}

impl fmt::Display for RepoPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl FromStr for RepoPath {
    type Err = NameError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let part_is_valid = |part: &str| !matches!(part, "" | "." | "..");
        if text.len() <= PATH_BYTES_MAX && !text.chars().any(char::is_control) && text.split('/').all(part_is_valid) {
            return Ok(RepoPath(text.to_owned()));
        }
        // An overlong path would only bury the message.
        let shown: String = text.chars().take(200).collect();
        Err(NameError::Path(shown.escape_debug().to_string()))
    }
}

impl TryFrom<String> for RepoPath {
    type Error = NameError;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        text.parse()
    }
}

impl From<RepoPath> for String {
    fn from(path: RepoPath) -> String {
        path.0
    }
}

#[cfg(test)]
mod tests {
    use super::RepoPath;

    #[test]
    fn paths_that_escape_or_cannot_be_stored_are_refused() {
        for text in ["", "/a", "a/", "a//b", "../a", "a/../b", "a/./b", "a\0b", "a\nb", &"x".repeat(4097)] {
            assert!(text.parse::<RepoPath>().is_err(), "{text:?} must be refused");
        }
    }

    #[test]
    fn odd_but_legal_paths_are_kept_as_they_are() {
        for text in ["a b/ñandú #1%+?.txt", ".gitattributes", "...", "a/..b"] {
            assert_eq!(text.parse::<RepoPath>().unwrap().as_str(), text);
        }
        let path: RepoPath = "a/b/c.txt".parse().unwrap();
        assert_eq!(path.parent(), "a/b");
        assert_eq!(path.file_name(), "c.txt");
        assert_eq!(path.ancestors().collect::<Vec<_>>(), ["a", "a/b"]);
    }
}
