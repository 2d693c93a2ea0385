//! Which repositories orders want: ids as they stand, patterns by asking the upstream what there is.

use std::collections::{BTreeMap, HashMap};

use acervo_core::order::{RepoPattern, Specific};
use acervo_core::{Order, RepoId, RepoKind};
use acervo_store::db::mirrors as mirror_rows;

use super::Refusal;
use crate::app::mirrors;
use crate::app::sync::{DEFAULT_REVISION, Progress};
use crate::context::Hub;
use crate::error::HubError;
use crate::upstream::{Client, ListedRepo, UpstreamError, Urgency};

/// A repository that an order wants.
#[derive(Clone, Debug)]
pub(super) struct Wanted {
    /// Which of the orders.
    pub(super) order: usize,
    pub(super) kind: RepoKind,
    pub(super) endpoint: String,
    pub(super) upstream_name: String,
    /// Name here.
    pub(super) name: RepoId,
    /// A bare name that leads here too.
    pub(super) alias: Option<String>,
    specific: Specific,
}

/// What all orders want.
#[derive(Debug, Default)]
pub(super) struct Discovery {
    /// Each name here once, in the order of types and names.
    pub(super) wanted: Vec<Wanted>,
    pub(super) refused: Vec<Refusal>,
}

/// Lists of namespaces, each asked for once.
type Lists = HashMap<(String, RepoKind, String), Result<Vec<ListedRepo>, String>>;

/// Base URLs of the hubs that repositories are mirrored from already, by type and name here.
type Origins = HashMap<(RepoKind, String), String>;

/// Asks what the orders want. An upstream that does not answer costs the orders that need it, and no others.
pub(super) async fn discover(
    hub: &Hub,
    orders: &[Order],
    urgency: Urgency,
    progress: &Progress,
) -> Result<Discovery, HubError> {
    let here = mirror_rows::all(hub.db().reader()).await?;
    let origins = here.into_iter().map(|mirror| ((mirror.repo.kind, mirror.repo.name.lower()), mirror.endpoint));
    let mut search = Search { hub, urgency, origins: origins.collect(), lists: Lists::new() };
    let mut found = Discovery::default();
    let mut chosen: BTreeMap<(RepoKind, String), Wanted> = BTreeMap::new();
    for (index, order) in orders.iter().enumerate() {
        progress.phase(format!("looking for the repositories of `{}` ({} of {})", order.name, index + 1, orders.len()));
        for pattern in &order.repos {
            for (name, client) in search.repositories(order, pattern, &mut found.refused).await {
                let specific = order.wants(&name).unwrap_or(Specific::Pattern);
                match address(&client, order, &name).await {
                    Ok((local, upstream_name, alias)) => {
                        let wanted = Wanted {
                            order: index,
                            kind: order.kind,
                            endpoint: client.endpoint().to_owned(),
                            upstream_name,
                            name: local,
                            alias,
                            specific,
                        };
                        found.refused.extend(choose(&mut chosen, wanted, orders));
                    }
                    Err(error) => found.refused.push(refusal(order, &name, error.to_string())),
                }
            }
        }
    }
    found.wanted = chosen.into_values().collect();
    Ok(found)
}

fn refusal(order: &Order, repo: &str, reason: String) -> Refusal {
    Refusal { order: order.name.clone(), repo: repo.to_owned(), reason }
}

/// One look at what the upstreams have.
struct Search<'a> {
    hub: &'a Hub,
    urgency: Urgency,
    origins: Origins,
    lists: Lists,
}

impl Search<'_> {
    /// What a pattern stands for: names at the upstream, each with the hub to take it from.
    async fn repositories(
        &mut self,
        order: &Order,
        pattern: &RepoPattern,
        refused: &mut Vec<Refusal>,
    ) -> Vec<(String, Client)> {
        let mut clients = Vec::new();
        let organization = organization(order, pattern);
        let configured = [self.hub.upstream().endpoint().to_owned()];
        let endpoints = if order.rules.upstreams.is_empty() { &configured[..] } else { &order.rules.upstreams };
        for endpoint in endpoints {
            match self.hub.upstream_at(endpoint, &organization) {
                Ok(client) => clients.push(client.with_urgency(self.urgency)),
                Err(error) => refused.push(refusal(order, endpoint, error.to_string())),
            }
        }
        if pattern.is_glob() {
            return self.of_pattern(order, pattern, &clients, refused).await;
        }
        let name = pattern.as_str();
        if order.wants(name).is_none() {
            return Vec::new();
        }
        match self.preferred(order, name, &clients).await {
            Ok(client) => client.map(|client| (name.to_owned(), client)).into_iter().collect(),
            Err(error) => {
                refused.push(refusal(order, name, error.to_string()));
                Vec::new()
            }
        }
    }

    /// The hub that a repository is mirrored from already, else the first that has it. One that does not answer might
    /// have it, so nothing is decided then.
    async fn preferred(&self, order: &Order, name: &str, clients: &[Client]) -> Result<Option<Client>, HubError> {
        if let Some(known) = self.origin(order, name, clients) {
            return Ok(Some(known));
        }
        let Some((last, others)) = clients.split_last() else { return Ok(None) };
        for client in others {
            match client.snapshot_info(order.kind, name, DEFAULT_REVISION).await {
                Ok(_) => return Ok(Some(client.clone())),
                Err(UpstreamError::RepoNotFound { .. }) => {}
                Err(error) => return Err(error.into()),
            }
        }
        Ok(Some(last.clone()))
    }

    /// The hub that a repository is mirrored from already, if the order still knows it.
    fn origin(&self, order: &Order, name: &str, clients: &[Client]) -> Option<Client> {
        let local = match &order.local_name {
            Some(local) => local.of(name).ok()?.lower(),
            None => name.to_ascii_lowercase(),
        };
        let known = self.origins.get(&(order.kind, local))?;
        clients.iter().find(|client| client.endpoint() == known).cloned()
    }

    /// What a pattern finds in the lists of these hubs.
    async fn of_pattern(
        &mut self,
        order: &Order,
        pattern: &RepoPattern,
        clients: &[Client],
        refused: &mut Vec<Refusal>,
    ) -> Vec<(String, Client)> {
        let namespace = pattern.namespace().unwrap_or_default();
        let mut found: Vec<(String, Client)> = Vec::new();
        for client in clients {
            let listed = match self.list(client, order.kind, namespace).await {
                Ok(listed) => listed,
                Err(reason) => {
                    refused.push(refusal(order, pattern.as_str(), reason));
                    // What is listed after it might be the one's that did not answer.
                    return Vec::new();
                }
            };
            for repo in listed.iter().filter(|repo| pattern.matches(&repo.name) && order.wants(&repo.name).is_some()) {
                if repo.disabled {
                    refused.push(refusal(order, &repo.name, "upstream has taken it down".to_owned()));
                } else if found.iter().all(|(known, _)| !known.eq_ignore_ascii_case(&repo.name)) {
                    let from = self.origin(order, &repo.name, clients).unwrap_or_else(|| client.clone());
                    found.push((repo.name.clone(), from));
                }
            }
        }
        found
    }

    /// What a namespace has, asked for once.
    async fn list(&mut self, client: &Client, kind: RepoKind, namespace: &str) -> Result<Vec<ListedRepo>, String> {
        let key = (client.endpoint().to_owned(), kind, namespace.to_ascii_lowercase());
        if let Some(known) = self.lists.get(&key) {
            return known.clone();
        }
        let asked = client.repositories(kind, namespace).await.map_err(|error| error.to_string());
        self.lists.insert(key, asked.clone());
        asked
    }
}

/// Namespace here of what a pattern finds: its token is used to ask.
fn organization(order: &Order, pattern: &RepoPattern) -> String {
    let local = order.local_name.as_ref().and_then(|local| {
        let example = pattern.namespace().map_or_else(|| "x".to_owned(), |namespace| format!("{namespace}/x"));
        Some(local.of(&example).ok()?.namespace().to_owned())
    });
    local.or_else(|| pattern.namespace().map(str::to_owned)).unwrap_or_default()
}

/// Name here, name there, and the bare name that leads here too.
async fn address(client: &Client, order: &Order, name: &str) -> Result<(RepoId, String, Option<String>), HubError> {
    let local = order.local_name.as_ref().map(|local| local.of(name)).transpose()?;
    mirrors::names(client, order.kind, name, local.as_ref()).await
}

/// Gives a name here to the order that is most specific about it; of equals, to the first in the file.
fn choose(chosen: &mut BTreeMap<(RepoKind, String), Wanted>, wanted: Wanted, orders: &[Order]) -> Option<Refusal> {
    let key = (wanted.kind, wanted.name.lower());
    let Some(known) = chosen.get(&key) else {
        chosen.insert(key, wanted);
        return None;
    };
    let same = known.endpoint == wanted.endpoint && known.upstream_name.eq_ignore_ascii_case(&wanted.upstream_name);
    let (winner, loser) =
        if wanted.specific > known.specific { (wanted, known.clone()) } else { (known.clone(), wanted) };
    // An order that names the repository takes it from one that only finds it, and nobody is told.
    let is_quiet = same && (winner.order == loser.order || winner.specific > loser.specific);
    let refusal = (!is_quiet).then(|| Refusal {
        order: orders[loser.order].name.clone(),
        repo: loser.upstream_name.clone(),
        reason: format!(
            "`{}` here is given to `{}` by the order `{}`; leave it out with `except`, or choose another name with `as`",
            winner.name, winner.upstream_name, orders[winner.order].name
        ),
    });
    chosen.insert(key, winner);
    refusal
}
