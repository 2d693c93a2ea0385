//! What the fake hub knows: repositories, tokens, switches; and who may see what.

use std::collections::HashMap;

use sha2::{Digest, Sha256};

use super::faults::Faults;
use crate::fixture::{Gated, Kind, RepoFixture};

/// Who asks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Caller {
    Anonymous,
    Known {
        token: String,
        user: String,
    },
    /// A token came along that nobody has.
    Stranger,
}

/// What a repository name leads to for a caller.
pub(super) enum Found<'a> {
    Repo(&'a RepoFixture),
    /// The name in use now; the hub redirects there.
    Moved(&'a str),
    Missing,
}

#[derive(Default)]
pub(super) struct State {
    pub(super) repos: Vec<RepoFixture>,
    pub(super) tokens: HashMap<String, String>,
    /// Page size of every paged answer, in place of the hub's own.
    pub(super) page_size: Option<usize>,
    /// Send readers of small files through `/api/resolve-cache`.
    pub(super) resolve_cache: bool,
    /// Signed addresses of earlier epochs are refused.
    pub(super) signature_epoch: u64,
}

/// All that a handler needs for one answer.
pub(super) struct Context<'a> {
    pub(super) state: &'a State,
    pub(super) caller: &'a Caller,
    pub(super) faults: &'a Faults,
    pub(super) hub_url: &'a str,
    pub(super) cdn_url: &'a str,
}

impl State {
    /// Reads an `Authorization` header. Tokens named by a repository alone are known too.
    pub(super) fn caller(&self, authorization: Option<&str>) -> Caller {
        let Some(value) = authorization else { return Caller::Anonymous };
        let token = value.strip_prefix("Bearer ").unwrap_or(value).to_owned();
        if let Some(user) = self.tokens.get(&token) {
            return Caller::Known { user: user.clone(), token };
        }
        let named = self.repos.iter().any(|repo| repo.readers.contains(&token) || repo.granted.contains(&token));
        if named { Caller::Known { user: "reader".to_owned(), token } } else { Caller::Stranger }
    }

    pub(super) fn find(&self, kind: Kind, name: &str, caller: &Caller) -> Found<'_> {
        let matches = |known: &str| known.eq_ignore_ascii_case(name);
        let visible = || self.repos.iter().filter(|repo| repo.kind == kind && may_see(repo, caller));
        if let Some(repo) = visible().find(|repo| repo.name == name) {
            return Found::Repo(repo);
        }
        let moved = visible().find(|repo| matches(&repo.name) || repo.aliases.iter().any(|alias| matches(alias)));
        moved.map_or(Found::Missing, |repo| Found::Moved(&repo.name))
    }

    /// A repository by the address its files have: `ns/name`, `datasets/ns/name`, `spaces/ns/name`.
    pub(super) fn position(&self, address: &str) -> Option<usize> {
        self.repos.iter().position(|repo| format!("{}{}", repo.kind.prefix(), repo.name) == address)
    }

    /// Puts a repository in the place of the one with its address.
    pub(super) fn replace(&mut self, repo: RepoFixture) {
        let address = format!("{}{}", repo.kind.prefix(), repo.name);
        match self.position(&address) {
            Some(index) => self.repos[index] = repo,
            None => self.repos.push(repo),
        }
    }

    /// `name/path` of every file at a branch head with this content: what a storage address stands for.
    pub(super) fn paths_of(&self, sha256: &str) -> Vec<String> {
        let mut paths = Vec::new();
        for repo in &self.repos {
            for index in repo.refs.values() {
                let files = repo.commits[*index].files.iter().filter(|(_, file)| file.sha256 == sha256);
                paths.extend(files.map(|(path, _)| format!("{}/{path}", repo.name)));
            }
        }
        paths
    }
}

pub(super) fn may_see(repo: &RepoFixture, caller: &Caller) -> bool {
    !repo.private || holds(&repo.readers, caller)
}

/// Whether the caller may read the files of a repository that they see.
pub(super) fn may_read(repo: &RepoFixture, caller: &Caller) -> bool {
    repo.gated == Gated::No || holds(&repo.granted, caller)
}

fn holds(list: &[String], caller: &Caller) -> bool {
    match caller {
        Caller::Known { token, user } => list.contains(token) || list.contains(user),
        Caller::Anonymous | Caller::Stranger => false,
    }
}

/// The hub's opaque repository id: 24 hex digits.
pub(super) fn opaque_id(repo: &RepoFixture) -> String {
    let mut id = digest(&format!("{}{}", repo.kind.prefix(), repo.name));
    id.truncate(24);
    id
}

/// A stand-in for whatever opaque identifier is needed: 64 hex digits of a text.
pub(super) fn digest(text: &str) -> String {
    hex::encode(Sha256::digest(text.as_bytes()))
}
