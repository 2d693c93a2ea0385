//! Names of repositories: kinds, namespaces and ids, parsed once at the edge.
//!
//! The rules are those that stock clients enforce themselves (huggingface_hub `validate_repo_id`), so that every name
//! accepted here can be asked for. Existence, aliases and spelling are the database's business.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// Longest segment of a repository id, in characters.
pub const SEGMENT_CHARS_MAX: usize = 96;

/// First path segments that routes use; a namespace of this name could never be addressed.
pub const RESERVED_NAMESPACES: &[&str] = &[
    "api",
    "buckets",
    "collections",
    "datasets",
    "healthz",
    "kernels",
    "lfs",
    "metrics",
    "models",
    "oauth",
    "openapi.json",
    "papers",
    "readyz",
    "settings",
    "spaces",
    "static",
    "uploads",
    "v2",
    "xet",
];

/// What a repository holds; decides its URL prefix.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum RepoKind {
    /// Weights and what loads them; no URL prefix.
    Model,
    /// Data; URL prefix `datasets/`.
    Dataset,
    /// A demo application; URL prefix `spaces/`.
    Space,
}

impl RepoKind {
    /// All kinds, in the order pages show them.
    pub const ALL: [RepoKind; 3] = [RepoKind::Model, RepoKind::Dataset, RepoKind::Space];

    /// Singular name as API bodies carry it: `model`, `dataset`, `space`.
    pub fn as_str(self) -> &'static str {
        match self {
            RepoKind::Model => "model",
            RepoKind::Dataset => "dataset",
            RepoKind::Space => "space",
        }
    }

    /// Plural name as API paths carry it: `models`, `datasets`, `spaces`.
    pub fn plural(self) -> &'static str {
        match self {
            RepoKind::Model => "models",
            RepoKind::Dataset => "datasets",
            RepoKind::Space => "spaces",
        }
    }

    /// Prefix of file URLs, with its slash: empty for models.
    pub fn url_prefix(self) -> &'static str {
        match self {
            RepoKind::Model => "",
            RepoKind::Dataset => "datasets/",
            RepoKind::Space => "spaces/",
        }
    }

    /// The kind whose API path segment this is.
    pub fn from_plural(text: &str) -> Option<RepoKind> {
        RepoKind::ALL.into_iter().find(|kind| kind.plural() == text)
    }
}

impl fmt::Display for RepoKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for RepoKind {
    type Err = NameError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        RepoKind::ALL
            .into_iter()
            .find(|kind| kind.as_str() == text || kind.plural() == text)
            .ok_or_else(|| NameError::Kind(text.to_owned()))
    }
}

/// Why a name was refused; the text says what to write instead.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NameError {
    /// Not one of the kinds.
    #[error("`{0}` is not a repository type; use `model`, `dataset` or `space`")]
    Kind(String),
    /// Not of the form `namespace/name`.
    #[error("`{0}` is not a repository id; write `namespace/name`")]
    RepoId(String),
    /// A segment breaks the character rules.
    #[error(
        "`{0}` is not a valid repository name; use 1 to 96 letters, digits, `.`, `_` or `-`, without `--` or `..`, \
         not starting or ending with `-` or `.`, nor ending with `.git`"
    )]
    Segment(String),
    /// A namespace that routes need.
    #[error("the namespace `{0}` is reserved; choose another with `--as namespace/name`")]
    ReservedNamespace(String),
    /// Not a branch, tag, special ref or commit id.
    #[error("`{0}` is not a valid revision; give a branch, a tag, a `refs/..` name or a commit id of 40 hex digits")]
    Revision(String),
    /// Not 40 lower-case hex digits.
    #[error("`{0}` is not a commit id; it has 40 hex digits")]
    CommitOid(String),
    /// Not a path inside a repository.
    #[error(
        "`{0}` is not a path inside a repository; it must be relative, without `.`, `..`, empty parts or control characters, and at most 4096 bytes long"
    )]
    Path(String),
    /// Not hex of the right length.
    #[error("`{0}` is not a digest of {1} hex digits")]
    Digest(String, usize),
    /// Not one of the presets.
    #[error("`{0}` is not a preset; use `safetensors-only`, `no-duplicates` or one quantisation as in `gguf:Q4_K_M`")]
    Preset(String),
    /// A glob that does not parse.
    #[error("`{0}` is not a valid pattern: {1}; use `*`, `?`, `[abc]` as in `*.safetensors`")]
    Glob(String, String),
}

/// Whether `text` may be a segment of a repository id.
fn segment_is_valid(text: &str) -> bool {
    let edge = |c: char| c == '-' || c == '.';
    (1..=SEGMENT_CHARS_MAX).contains(&text.len())
        && text.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'_' | b'-'))
        && !text.starts_with(edge)
        && !text.ends_with(edge)
        && !text.contains("--")
        && !text.contains("..")
        && !text.to_ascii_lowercase().ends_with(".git")
}

/// Checks a single name (a namespace, or a bare repository id).
pub fn check_segment(text: &str) -> Result<(), NameError> {
    if segment_is_valid(text) { Ok(()) } else { Err(NameError::Segment(text.to_owned())) }
}

/// `namespace/name` of a repository, in the spelling it was given.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct RepoId {
    text: String,
    slash: usize,
}

impl RepoId {
    /// Joins two segments, checking both.
    pub fn new(namespace: &str, name: &str) -> Result<Self, NameError> {
        check_segment(namespace)?;
        check_segment(name)?;
        if RESERVED_NAMESPACES.contains(&namespace.to_ascii_lowercase().as_str()) {
            return Err(NameError::ReservedNamespace(namespace.to_owned()));
        }
        Ok(RepoId { text: format!("{namespace}/{name}"), slash: namespace.len() })
    }

    /// The part before the slash.
    pub fn namespace(&self) -> &str {
        &self.text[..self.slash]
    }

    /// The part after the slash.
    pub fn name(&self) -> &str {
        &self.text[self.slash + 1..]
    }

    /// The whole id, `namespace/name`.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// The key under which names are unique: ASCII lower case.
    pub fn lower(&self) -> String {
        self.text.to_ascii_lowercase()
    }
}

impl fmt::Display for RepoId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl FromStr for RepoId {
    type Err = NameError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let Some((namespace, name)) = text.split_once('/') else {
            return Err(NameError::RepoId(text.to_owned()));
        };
        if name.contains('/') {
            return Err(NameError::RepoId(text.to_owned()));
        }
        RepoId::new(namespace, name)
    }
}

impl TryFrom<String> for RepoId {
    type Error = NameError;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        text.parse()
    }
}

impl From<RepoId> for String {
    fn from(id: RepoId) -> String {
        id.text
    }
}

#[cfg(test)]
mod tests {
    use super::{NameError, RepoId};

    #[test]
    fn ids_that_clients_accept_are_accepted() {
        for id in ["mistralai/Mistral-7B-v0.1", "a/b", "01-ai/Yi_1.5", "acme/x.y"] {
            assert_eq!(id.parse::<RepoId>().unwrap().as_str(), id);
        }
    }

    #[test]
    fn ids_that_clients_refuse_are_refused() {
        let long = "x".repeat(97);
        for id in [
            "",
            "gpt2",
            "a/b/c",
            "a/",
            "/b",
            "a/b--c",
            "a/..",
            "-a/b",
            "a/b.",
            "a/b.git",
            "a b/c",
            "a/b\0",
            &format!("a/{long}"),
        ] {
            assert!(id.parse::<RepoId>().is_err(), "{id} must be refused");
        }
        assert_eq!("API/x".parse::<RepoId>(), Err(NameError::ReservedNamespace("API".into())));
    }
}
