//! Which repositories a namespace has at the hub.

use std::ops::ControlFlow;

use acervo_core::RepoKind;
use serde::Deserialize;

use super::answer::Subject;
use super::client::Client;
use super::error::UpstreamError;
use super::limits::ENTRIES_MAX;
use super::locator::Repo;

/// Repositories asked for at a time.
const REPOS_PER_PAGE: &str = "1000";

/// A repository of a list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ListedRepo {
    /// Its id as upstream spells it.
    pub name: String,
    /// Whether only some callers can see it.
    pub private: bool,
    /// Whether its terms must be accepted first.
    pub gated: bool,
    /// Whether it was taken down.
    pub disabled: bool,
}

#[derive(Deserialize)]
struct WireRepo {
    id: String,
    #[serde(default)]
    private: bool,
    #[serde(default)]
    gated: serde_json::Value,
    #[serde(default)]
    disabled: bool,
}

impl Client {
    /// Every repository of a kind in a namespace that the hub shows us.
    ///
    /// What a hub lists beside the namespace that was asked for is left out.
    pub async fn repositories(&self, kind: RepoKind, namespace: &str) -> Result<Vec<ListedRepo>, UpstreamError> {
        let repo = Repo::new(kind, namespace)?;
        let subject = Subject { repo, revision: None, path: None };
        let mut url = repo.list(&self.inner.endpoint);
        url.query_pairs_mut().append_pair("author", namespace).append_pair("limit", REPOS_PER_PAGE);
        let mut found = Vec::new();
        let each = |wire: WireRepo| {
            if found.len() >= ENTRIES_MAX {
                return Err(self.breach(format!("a namespace has more than {ENTRIES_MAX} repositories")));
            }
            let inside = wire.id.split_once('/').is_some_and(|(owner, _)| owner.eq_ignore_ascii_case(namespace));
            if inside {
                Repo::new(kind, &wire.id)?;
                let gated = !matches!(wire.gated, serde_json::Value::Null | serde_json::Value::Bool(false));
                found.push(ListedRepo { name: wire.id, private: wire.private, gated, disabled: wire.disabled });
            }
            Ok(ControlFlow::Continue(()))
        };
        self.pages(&subject, url, each).await?;
        found.sort_by(|a, b| a.name.cmp(&b.name));
        found.dedup_by(|a, b| a.name == b.name);
        Ok(found)
    }
}
