//! Revisions: commit ids, names that move, and what a client may write in place of one.
//!
//! Parsing only; which names exist, and the longest match over names with slashes, is the database's business.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::digest::hex_newtype;
use crate::name::NameError;

/// Longest revision name, in bytes.
pub const REVISION_BYTES_MAX: usize = 255;

hex_newtype!(
    /// Id of a commit: 40 hex digits, opaque for mirrored commits.
    CommitOid,
    20
);

/// What kind of name a revision name is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RefKind {
    /// A branch, `refs/heads/NAME`.
    Branch,
    /// A tag, `refs/tags/NAME`.
    Tag,
    /// A converted view, `refs/convert/NAME`.
    Convert,
    /// A pull request, `refs/pr/N`.
    PullRequest,
}

impl RefKind {
    /// Name as files and events carry it.
    pub fn as_str(self) -> &'static str {
        match self {
            RefKind::Branch => "branch",
            RefKind::Tag => "tag",
            RefKind::Convert => "convert",
            RefKind::PullRequest => "pull_request",
        }
    }
}

/// A movable name of a commit: a short branch or tag name, or a full `refs/..` name.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct RevisionName(String);

impl RevisionName {
    /// The name as given.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The kind that the name's own text tells, `None` for a short branch or tag name.
    pub fn explicit_kind(&self) -> Option<RefKind> {
        let rest = self.0.strip_prefix("refs/")?;
        let (first, _) = rest.split_once('/')?;
        match first {
            "heads" => Some(RefKind::Branch),
            "tags" => Some(RefKind::Tag),
            "convert" => Some(RefKind::Convert),
            "pr" => Some(RefKind::PullRequest),
            _ => None,
        }
    }

    /// Name under which a ref of this kind is stored: short for branches and tags, full otherwise.
    pub fn stored(&self) -> &str {
        self.0.strip_prefix("refs/heads/").or_else(|| self.0.strip_prefix("refs/tags/")).unwrap_or(&self.0)
    }
}

impl fmt::Display for RevisionName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Whether git would take `text` as a reference name (git-check-ref-format, one level allowed).
fn ref_name_is_valid(text: &str) -> bool {
    !text.is_empty()
        && text.len() <= REVISION_BYTES_MAX
        && !text.chars().any(|c| c.is_control() || matches!(c, ' ' | '~' | '^' | ':' | '?' | '*' | '[' | '\\'))
        && !text.contains("..")
        && !text.contains("@{")
        && text != "@"
        && !text.starts_with('-')
        && !text.ends_with('.')
        && text.split('/').all(|part| !part.is_empty() && !part.starts_with('.') && !part.ends_with(".lock"))
}

impl FromStr for RevisionName {
    type Err = NameError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if ref_name_is_valid(text) {
            Ok(RevisionName(text.to_owned()))
        } else {
            Err(NameError::Revision(text.to_owned()))
        }
    }
}

impl TryFrom<String> for RevisionName {
    type Error = NameError;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        text.parse()
    }
}

impl From<RevisionName> for String {
    fn from(name: RevisionName) -> String {
        name.0
    }
}

/// What a client wrote where a revision belongs.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum RevisionSpec {
    /// `HEAD`: the default branch.
    Head,
    /// A full commit id.
    Commit(CommitOid),
    /// A name, or an abbreviated commit id.
    Name(RevisionName),
}

impl RevisionSpec {
    /// The text that stands for this revision in URLs and configuration.
    pub fn text(&self) -> String {
        match self {
            RevisionSpec::Head => "HEAD".to_owned(),
            RevisionSpec::Commit(oid) => oid.to_hex(),
            RevisionSpec::Name(name) => name.to_string(),
        }
    }
}

impl fmt::Display for RevisionSpec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text())
    }
}

impl FromStr for RevisionSpec {
    type Err = NameError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if text == "HEAD" {
            return Ok(RevisionSpec::Head);
        }
        if text.len() == 40 && text.bytes().all(|b| b.is_ascii_hexdigit()) {
            return Ok(RevisionSpec::Commit(text.parse()?));
        }
        Ok(RevisionSpec::Name(text.parse()?))
    }
}

#[cfg(test)]
mod tests {
    use super::{RefKind, RevisionName, RevisionSpec};

    #[test]
    fn names_with_slashes_and_special_refs_are_names() {
        for text in ["main", "feature/x", "refs/pr/1", "refs/convert/parquet", "v1.0"] {
            assert_eq!(text.parse::<RevisionSpec>().unwrap(), RevisionSpec::Name(text.parse().unwrap()));
        }
        assert_eq!("refs/pr/1".parse::<RevisionName>().unwrap().explicit_kind(), Some(RefKind::PullRequest));
        assert_eq!("refs/heads/main".parse::<RevisionName>().unwrap().stored(), "main");
    }

    #[test]
    fn forty_hex_digits_are_a_commit_in_either_case() {
        let upper = "ABCDEF0123456789ABCDEF0123456789ABCDEF01";
        let RevisionSpec::Commit(oid) = upper.parse().unwrap() else { panic!("not a commit") };
        assert_eq!(oid.to_hex(), upper.to_lowercase());
    }

    #[test]
    fn names_that_git_refuses_are_refused() {
        for text in ["", "a..b", "/a", "a/", "a//b", ".a", "a.lock", "a b", "a\0", "-x", "x@{1}", &"x".repeat(256)] {
            assert!(text.parse::<RevisionSpec>().is_err(), "{text:?} must be refused");
        }
    }
}
