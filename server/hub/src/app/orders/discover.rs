//! Which repositories orders want: ids as they stand, patterns by asking the upstream what there is.

use std::collections::{BTreeMap, HashMap};

use acervo_core::order::Specific;
use acervo_core::{Order, RepoId, RepoKind};

use super::Refusal;
use crate::app::mirrors;
use crate::app::sync::Progress;
use crate::context::Hub;
use crate::error::HubError;
use crate::upstream::{Client, ListedRepo};

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

/// Asks what the orders want. An upstream that does not answer costs the orders that need it, and no others.
pub(super) async fn discover(hub: &Hub, orders: &[Order], progress: &Progress) -> Discovery {
    let mut found = Discovery::default();
    let mut lists = Lists::new();
    let mut chosen: BTreeMap<(RepoKind, String), Wanted> = BTreeMap::new();
    for (index, order) in orders.iter().enumerate() {
        progress.phase(format!("looking for the repositories of `{}` ({} of {})", order.name, index + 1, orders.len()));
        let refuse = |repo: &str, reason: String| Refusal { order: order.name.clone(), repo: repo.to_owned(), reason };
        let endpoint = order.rules.upstreams.first().map_or_else(|| hub.upstream().endpoint(), String::as_str);
        let client = match hub.upstream_at(endpoint) {
            Ok(client) => client,
            Err(error) => {
                found.refused.push(refuse(endpoint, error.to_string()));
                continue;
            }
        };
        for pattern in &order.repos {
            let names = if pattern.is_glob() {
                let namespace = pattern.namespace().unwrap_or_default();
                match list(&client, &mut lists, order.kind, namespace).await {
                    Ok(listed) => of_pattern(order, pattern.as_str(), &listed, &mut found.refused),
                    Err(reason) => {
                        found.refused.push(refuse(pattern.as_str(), reason));
                        continue;
                    }
                }
            } else if order.wants(pattern.as_str()).is_some() {
                vec![pattern.as_str().to_owned()]
            } else {
                Vec::new()
            };
            for name in names {
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
                    Err(error) => found.refused.push(refuse(&name, error.to_string())),
                }
            }
        }
    }
    found.wanted = chosen.into_values().collect();
    found
}

/// What a namespace has, asked for once.
async fn list(client: &Client, lists: &mut Lists, kind: RepoKind, namespace: &str) -> Result<Vec<ListedRepo>, String> {
    let key = (client.endpoint().to_owned(), kind, namespace.to_ascii_lowercase());
    if let Some(known) = lists.get(&key) {
        return known.clone();
    }
    let asked = client.repositories(kind, namespace).await.map_err(|error| error.to_string());
    lists.insert(key, asked.clone());
    asked
}

/// Names that a pattern finds among what is listed.
fn of_pattern(order: &Order, pattern: &str, listed: &[ListedRepo], refused: &mut Vec<Refusal>) -> Vec<String> {
    let is_it = |repo: &&ListedRepo| {
        order.repos.iter().any(|known| known.as_str() == pattern && known.matches(&repo.name))
            && order.wants(&repo.name).is_some()
    };
    let mut names = Vec::new();
    for repo in listed.iter().filter(is_it) {
        if repo.disabled {
            let reason = "upstream has taken it down".to_owned();
            refused.push(Refusal { order: order.name.clone(), repo: repo.name.clone(), reason });
        } else {
            names.push(repo.name.clone());
        }
    }
    names
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
