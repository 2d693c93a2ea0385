//! What orders want against what is here: the steps from the one to the other.

use std::collections::{HashMap, HashSet};

use acervo_core::{Order, RepoKind, Rules};
use acervo_store::db::mirrors::{self, ManagedBy, Mirror};
use acervo_store::db::orders::{self, Stored};
use acervo_store::db::{principals, repos};

use super::discover::{Discovery, Wanted};
use super::{Action, MirrorStep, OrderStep, Refusal, Steps};
use crate::app::mirrors::{mirrorable, same_origin};
use crate::context::Hub;
use crate::error::HubError;

/// Most bytes that an order may have: the event that tells it must hold it whole.
const ORDER_BYTES_MAX: usize = 24 * 1024;

/// What carrying out a step needs.
#[derive(Clone, Debug, Default)]
pub(super) struct Work {
    /// The mirror that is there.
    pub(super) existing: Option<Mirror>,
    /// Which of the orders wants it.
    pub(super) order: Option<usize>,
    /// Principals to be made readers.
    pub(super) readers: Vec<i64>,
    /// A bare name that leads to it too.
    pub(super) alias: Option<String>,
}

/// What is here.
struct Here {
    stored: HashMap<String, Stored>,
    mirrors: HashMap<(RepoKind, String), Mirror>,
    /// Users by name in lower case.
    users: HashMap<String, i64>,
    /// Principals whom orders have made readers, by repository.
    readers: HashMap<i64, HashSet<i64>>,
}

/// The steps from what is here to what the orders want.
pub(super) async fn compare(hub: &Hub, orders: &[Order], found: &Discovery) -> Result<Steps, HubError> {
    let db = hub.db().reader();
    let here = Here {
        stored: orders::all(db).await?.into_iter().map(|stored| (stored.order.name.clone(), stored)).collect(),
        mirrors: mirrors::all(db)
            .await?
            .into_iter()
            .map(|mirror| ((mirror.repo.kind, mirror.repo.name.lower()), mirror))
            .collect(),
        users: principals::all(db).await?.into_iter().map(|user| (user.name.to_lowercase(), user.id)).collect(),
        readers: orders::readers(db).await?,
    };
    let mut steps = Steps { refused: found.refused.clone(), ..Steps::default() };
    let mut unusable = HashSet::new();
    let mut readers: Vec<Vec<i64>> = Vec::with_capacity(orders.len());
    for (index, order) in orders.iter().enumerate() {
        match usable(order, &here) {
            Ok(found) => readers.push(found),
            Err(reason) => {
                readers.push(Vec::new());
                unusable.insert(index);
                steps.refused.push(Refusal { order: order.name.clone(), repo: "*".to_owned(), reason });
            }
        }
    }
    let mut kept = HashSet::new();
    for wanted in found.wanted.iter().filter(|wanted| !unusable.contains(&wanted.order)) {
        let order = &orders[wanted.order];
        match step(hub, order, wanted, &here, &readers[wanted.order]).await? {
            Ok(step) => {
                kept.insert((wanted.kind, wanted.name.lower()));
                steps.mirrors.push(step);
            }
            Err(reason) => {
                let (order, repo) = (order.name.clone(), wanted.upstream_name.clone());
                steps.refused.push(Refusal { order, repo, reason });
            }
        }
    }
    for (key, mirror) in &here.mirrors {
        if mirror.managed_by == ManagedBy::File && !kept.contains(key) {
            steps.mirrors.extend(unlisted(mirror, orders, &unusable, &here));
        }
    }
    steps.mirrors.sort_by_cached_key(|step| (step.kind, step.repo.lower()));
    steps.orders = order_steps(orders, &unusable, &here, &steps.mirrors);
    Ok(steps)
}

/// Refuses an order that cannot be carried out; returns the principals that are its readers.
fn usable(order: &Order, here: &Here) -> Result<Vec<i64>, String> {
    if here.stored.get(&order.name).is_some_and(|stored| stored.managed_by == ManagedBy::Api) {
        return Err("an order of this name was made through the API; choose another name".to_owned());
    }
    let bytes = serde_json::to_string(order).map_or(usize::MAX, |text| text.len());
    if bytes > ORDER_BYTES_MAX {
        return Err(format!("an order has at most {ORDER_BYTES_MAX} bytes, this one has {bytes}; make several of it"));
    }
    let user = |name: &String| {
        let known = here.users.get(&name.to_lowercase()).copied();
        known.ok_or_else(|| format!("there is no user `{name}`; make one with `acervo user create {name}`"))
    };
    order.readers.iter().map(user).collect()
}

/// What is done about a repository that is wanted, or why nothing can be.
async fn step(
    hub: &Hub,
    order: &Order,
    wanted: &Wanted,
    here: &Here,
    readers: &[i64],
) -> Result<Result<MirrorStep, String>, HubError> {
    let db = hub.db().reader();
    let existing = here.mirrors.get(&(wanted.kind, wanted.name.lower()));
    let mut step = MirrorStep {
        action: Action::Add,
        kind: wanted.kind,
        repo: wanted.name.clone(),
        endpoint: wanted.endpoint.clone(),
        upstream: wanted.upstream_name.clone(),
        order: Some(order.name.clone()),
        differs: Vec::new(),
        sync: None,
        work: Work {
            existing: existing.cloned(),
            order: Some(wanted.order),
            readers: readers.to_vec(),
            alias: wanted.alias.clone(),
        },
    };
    let repo = match existing {
        Some(mirror) => Some(mirror.repo.clone()),
        None => repos::by_name(db, wanted.kind, &wanted.name.lower()).await?,
    };
    if let Some(repo) = repo
        && let Err(error) = same_origin(repo, &wanted.endpoint, &wanted.upstream_name)
    {
        return Ok(Err(error.to_string()));
    }
    let Some(mirror) = existing else {
        if let Some(namespace) = principals::namespace(db, wanted.name.namespace()).await?
            && let Err(error) = mirrorable(namespace)
        {
            return Ok(Err(error.to_string()));
        }
        return Ok(Ok(step));
    };
    if mirror.managed_by == ManagedBy::Api {
        return Ok(Err(format!(
            "a mirror of it was added by hand; remove that with `acervo mirror remove {}`, what it fetched stays",
            mirror.repo.name
        )));
    }
    step.repo.clone_from(&mirror.repo.name);
    step.differs = rules_differ(&mirror.rules, &order.rules);
    let before = here.stored.values().find(|stored| Some(stored.id) == mirror.order_id);
    if before.is_none_or(|before| before.order.name != order.name) {
        step.differs.push("order");
    }
    if mirror.paused != order.paused {
        step.differs.push("paused");
    }
    // What somebody decided here since stays: only what the file itself says otherwise is a difference.
    if before.is_some_and(|before| before.order.visibility != order.visibility) {
        step.differs.push("visibility");
    }
    if before.is_some_and(|before| before.order.gate != order.gate) && order.gate.is_some() {
        step.differs.push("gate");
    }
    let known = here.readers.get(&mirror.repo.id).cloned().unwrap_or_default();
    if known != readers.iter().copied().collect() {
        step.differs.push("readers");
    }
    step.action = if step.differs.is_empty() { Action::Keep } else { Action::Change };
    Ok(Ok(step))
}

fn rules_differ(before: &Rules, after: &Rules) -> Vec<&'static str> {
    let pairs = [
        ("revisions", before.follow != after.follow),
        ("selection", before.selection != after.selection),
        ("ceilings", before.limits != after.limits),
        ("timing", before.timing != after.timing),
        ("upstreams", before.upstreams != after.upstreams),
    ];
    pairs.into_iter().filter(|(_, differs)| *differs).map(|(name, _)| name).collect()
}

/// What is done about a mirror of the file that no order has named just now.
fn unlisted(mirror: &Mirror, orders: &[Order], unusable: &HashSet<usize>, here: &Here) -> Option<MirrorStep> {
    let before = here.stored.values().find(|stored| Some(stored.id) == mirror.order_id);
    let same = before.and_then(|before| orders.iter().position(|order| order.name == before.order.name));
    // An upstream that no longer lists a repository, or lists nothing at all now, does not end its mirror.
    let still = same.filter(|index| {
        let order = &orders[*index];
        unusable.contains(index) || (order.kind == mirror.repo.kind && order.wants(&mirror.upstream_name).is_some())
    });
    Some(MirrorStep {
        action: if still.is_some() { Action::Keep } else { Action::Remove },
        kind: mirror.repo.kind,
        repo: mirror.repo.name.clone(),
        endpoint: mirror.endpoint.clone(),
        upstream: mirror.upstream_name.clone(),
        order: before.map(|before| before.order.name.clone()),
        differs: if still.is_some() { vec!["not listed"] } else { Vec::new() },
        sync: None,
        work: Work { existing: Some(mirror.clone()), ..Work::default() },
    })
}

fn order_steps(orders: &[Order], unusable: &HashSet<usize>, here: &Here, mirrors: &[MirrorStep]) -> Vec<OrderStep> {
    let repos = |name: &str| {
        mirrors.iter().filter(|step| step.action != Action::Remove && step.order.as_deref() == Some(name)).count()
    };
    let mut steps = Vec::new();
    for (index, order) in orders.iter().enumerate() {
        let action = match here.stored.get(&order.name) {
            _ if unusable.contains(&index) => continue,
            None => Action::Add,
            Some(stored) if stored.order == *order => Action::Keep,
            Some(_) => Action::Change,
        };
        steps.push(OrderStep { action, name: order.name.clone(), repos: repos(&order.name) });
    }
    let mut gone: Vec<&Stored> = here
        .stored
        .values()
        .filter(|stored| stored.managed_by == ManagedBy::File)
        .filter(|stored| orders.iter().all(|order| order.name != stored.order.name))
        .collect();
    gone.sort_by(|a, b| a.order.name.cmp(&b.order.name));
    steps.extend(gone.into_iter().map(|stored| OrderStep {
        action: Action::Remove,
        name: stored.order.name.clone(),
        repos: 0,
    }));
    steps
}
