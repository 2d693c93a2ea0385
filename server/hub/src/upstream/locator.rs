//! URLs of what is asked for.

use acervo_core::name::{NameError, check_segment};
use acervo_core::{CommitOid, RepoKind, RepoPath};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use url::Url;

/// Everything but RFC 3986's unreserved characters, as huggingface_hub's `quote(text, safe="")` does.
const SEGMENT: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// A repository at the upstream: `namespace/name`, or a bare `name`.
#[derive(Clone, Copy, Debug)]
pub(super) struct Repo<'a> {
    pub(super) kind: RepoKind,
    pub(super) name: &'a str,
}

impl<'a> Repo<'a> {
    /// Checks the name, so that it can stand in a URL as it is.
    pub(super) fn new(kind: RepoKind, name: &'a str) -> Result<Self, NameError> {
        let (namespace, rest) = name.split_once('/').map_or((None, name), |(first, rest)| (Some(first), rest));
        namespace.map_or(Ok(()), check_segment)?;
        check_segment(rest)?;
        Ok(Repo { kind, name })
    }

    /// `api/models/{name}/{part}/{part}..`, each part one segment.
    pub(super) fn api(&self, endpoint: &Url, parts: &[&str]) -> Url {
        let mut path = format!("api/{}/{}", self.kind.plural(), self.name);
        for part in parts {
            path.push('/');
            path.extend(utf8_percent_encode(part, SEGMENT));
        }
        at(endpoint, &path)
    }

    /// `api/models`: the list of everything of a kind.
    pub(super) fn list(&self, endpoint: &Url) -> Url {
        at(endpoint, &format!("api/{}", self.kind.plural()))
    }

    /// Where the bytes of a file are asked for.
    pub(super) fn resolve(&self, endpoint: &Url, commit: CommitOid, path: &RepoPath) -> Url {
        let encoded: Vec<String> =
            path.as_str().split('/').map(|part| utf8_percent_encode(part, SEGMENT).to_string()).collect();
        at(endpoint, &format!("{}{}/resolve/{commit}/{}", self.kind.url_prefix(), self.name, encoded.join("/")))
    }

    /// The repository's page.
    pub(super) fn page(&self, endpoint: &Url) -> Url {
        at(endpoint, &format!("{}{}", self.kind.url_prefix(), self.name))
    }
}

/// The endpoint with an encoded path under it.
fn at(endpoint: &Url, path: &str) -> Url {
    let mut url = endpoint.clone();
    url.set_path(&format!("{}/{path}", endpoint.path().trim_end_matches('/')));
    url
}

#[cfg(test)]
mod tests {
    use acervo_core::{CommitOid, RepoKind};

    use super::Repo;

    #[test]
    fn revisions_are_one_segment_and_paths_keep_their_slashes() {
        let endpoint = "http://h:8080/hf".parse().unwrap();
        let repo = Repo::new(RepoKind::Dataset, "acme/x.y").unwrap();
        assert_eq!(
            repo.api(&endpoint, &["revision", "refs/pr/1#%"]).as_str(),
            "http://h:8080/hf/api/datasets/acme/x.y/revision/refs%2Fpr%2F1%23%25"
        );
        let commit = CommitOid::from_bytes([0xab; 20]);
        let path = "sub dir/a+b #1%2F?\\é.txt".parse().unwrap();
        assert_eq!(
            repo.resolve(&endpoint, commit, &path).as_str(),
            format!("http://h:8080/hf/datasets/acme/x.y/resolve/{commit}/sub%20dir/a%2Bb%20%231%252F%3F%5C%C3%A9.txt")
        );
        assert_eq!(repo.page(&endpoint).as_str(), "http://h:8080/hf/datasets/acme/x.y");
    }

    #[test]
    fn bare_names_are_names_and_paths_are_not() {
        let endpoint = "https://hub.example".parse().unwrap();
        let bare = Repo::new(RepoKind::Model, "gpt2").unwrap();
        assert_eq!(bare.api(&endpoint, &["tree", "main"]).as_str(), "https://hub.example/api/models/gpt2/tree/main");
        for name in ["", "/", "a/", "/b", "a/b/c", "..", "a/..", "a b", "a?b", "a%2Fb"] {
            assert!(Repo::new(RepoKind::Model, name).is_err(), "{name} must be refused");
        }
    }
}
