//! Carrying out what orders want: one transaction, each change with its event. Nothing is fetched.

use std::collections::HashMap;

use acervo_core::gate::{Gate, GateMode};
use acervo_core::{Caller, Order, Role, Timestamp};
use acervo_store::db::mirrors::{self, ManagedBy, Mirror, NewMirror, Standing};
use acervo_store::db::repos::{self, Cause, Repo};
use acervo_store::db::{Transaction, commit, gates as gate_rows, generation, orders as rows};
use serde_json::{Value, json};

use super::{Action, MirrorStep, Steps, compare, discover};
use crate::app::events::{self, Told};
use crate::app::gates;
use crate::app::identity::demand;
use crate::app::mirrors::{NewRepository, make_repo, next_run};
use crate::app::sync::Progress;
use crate::context::Hub;
use crate::error::HubError;
use crate::upstream::Urgency;

/// Makes what is here what the orders want, as far as that is not refused. Doing it again changes nothing.
///
/// These orders are all that the file has: orders and mirrors of the file that are not among them are removed. Rows that
/// were made by hand are left alone, and what was fetched stays.
pub async fn apply(hub: &Hub, caller: &Caller, orders: &[Order], progress: &Progress) -> Result<Steps, HubError> {
    demand(caller, Role::Admin)?;
    carry_out(hub, caller, orders, Urgency::Interactive, progress).await
}

/// Looks again for what the orders of the file find: what is new is mirrored, and synced at once.
pub async fn refresh(hub: &Hub, progress: &Progress) -> Result<Steps, HubError> {
    let orders = rows::of_file(hub.db().reader()).await?;
    carry_out(hub, &Caller::System, &orders, Urgency::Background, progress).await
}

async fn carry_out(
    hub: &Hub,
    caller: &Caller,
    orders: &[Order],
    urgency: Urgency,
    progress: &Progress,
) -> Result<Steps, HubError> {
    let discovery = discover::discover(hub, orders, urgency, progress).await?;
    progress.phase("applying");
    let tx = hub.db().begin().await?;
    // Whoever else adds mirrors or namespaces waits; what is compared below is what is changed.
    generation::lock(&tx).await?;
    // Somebody has applied another file since these orders were read: what it wants was looked for then.
    if urgency == Urgency::Background && rows::of_file(&tx).await? != orders {
        return Ok(Steps::default());
    }
    let steps = compare::compare(hub, orders, &discovery).await?;
    if !steps.changes() {
        return Ok(steps);
    }
    let at = hub.now();
    let mut ids: HashMap<&str, i64> = HashMap::new();
    for stored in rows::all(&tx).await? {
        if let Some(order) = orders.iter().find(|order| order.name == stored.order.name) {
            ids.insert(&order.name, stored.id);
        } else if steps.orders.iter().any(|step| step.action == Action::Remove && step.name == stored.order.name) {
            rows::remove(&tx, stored.id).await?;
            tell(hub, &tx, caller, ("order.removed", None, &stored.order.name), json!({})).await?;
        }
    }
    for step in steps.orders.iter().filter(|step| matches!(step.action, Action::Add | Action::Change)) {
        let Some(order) = orders.iter().find(|order| order.name == step.name) else { continue };
        let id = rows::put(&tx, order, ManagedBy::File, order.next_search(at), caller.principal_id(), at).await?;
        ids.insert(&order.name, id);
        let kind = if step.action == Action::Add { "order.added" } else { "order.changed" };
        tell(hub, &tx, caller, (kind, None, &order.name), json!({ "order": order })).await?;
    }
    for step in &steps.mirrors {
        let order = step.work.order.and_then(|index| Some((&orders[index], *ids.get(orders[index].name.as_str())?)));
        match (step.action, order) {
            (Action::Add, Some((order, id))) => {
                // What a schedule has found is wanted now, not a night later.
                let due = (urgency == Urgency::Background).then_some(at);
                add(hub, &tx, caller, step, (order, id), due).await?;
            }
            (Action::Change, Some((order, id))) => change(hub, &tx, caller, step, order, id).await?,
            (Action::Remove, _) => remove(hub, &tx, caller, step).await?,
            _ => {}
        }
    }
    generation::bump(&tx).await?;
    commit(tx).await?;
    hub.caches().clear();
    Ok(steps)
}

async fn tell(
    hub: &Hub,
    tx: &Transaction,
    caller: &Caller,
    (kind, repo_id, subject): (&str, Option<i64>, &str),
    details: Value,
) -> Result<(), HubError> {
    events::record(hub, tx, caller, Told { kind, repo_id, subject, details }).await
}

fn standing(order: &Order, order_id: i64, repo: &Repo, existing: Option<&Mirror>, now: Timestamp) -> Standing {
    let unchanged = existing.filter(|mirror| mirror.rules.timing == order.rules.timing);
    let next_run_at = match unchanged {
        Some(mirror) => mirror.next_run_at,
        None => next_run(&order.rules, repo, now),
    };
    Standing {
        rules: order.rules.clone(),
        managed_by: ManagedBy::File,
        order_id: Some(order_id),
        paused: order.paused,
        next_run_at,
    }
}

async fn add(
    hub: &Hub,
    tx: &Transaction,
    caller: &Caller,
    step: &MirrorStep,
    (order, order_id): (&Order, i64),
    due: Option<Timestamp>,
) -> Result<(), HubError> {
    let at = hub.now();
    let repo = match repos::by_name(tx, step.kind, &step.repo.lower()).await? {
        // What an earlier mirror has left; who may see it was decided then.
        Some(repo) => repo,
        None => {
            let new = NewRepository {
                kind: step.kind,
                name: &step.repo,
                visibility: order.visibility,
                gate: order.gate,
                upstream: (&step.endpoint, &step.upstream),
            };
            make_repo(hub, tx, &new).await?
        }
    };
    if let Some(alias) = &step.work.alias {
        repos::add_alias(tx, &repo, alias, Cause::Canonical, at).await?;
    }
    let standing = standing(order, order_id, &repo, None, at);
    let new = NewMirror {
        repo_id: repo.id,
        endpoint: step.endpoint.clone(),
        upstream_name: step.upstream.clone(),
        order: Standing { next_run_at: due.or(standing.next_run_at), ..standing },
        created_by: caller.principal_id(),
        at,
    };
    mirrors::insert(tx, new).await?;
    if !step.work.readers.is_empty() {
        rows::set_readers(tx, repo.id, order_id, &step.work.readers, at).await?;
    }
    let details = details(&repo, step, order);
    tell(hub, tx, caller, ("mirror.added", Some(repo.id), repo.name.as_str()), details).await
}

async fn change(
    hub: &Hub,
    tx: &Transaction,
    caller: &Caller,
    step: &MirrorStep,
    order: &Order,
    order_id: i64,
) -> Result<(), HubError> {
    let Some(mirror) = &step.work.existing else { return Ok(()) };
    let (at, repo) = (hub.now(), &mirror.repo);
    mirrors::update(tx, mirror.id, standing(order, order_id, repo, Some(mirror), at), at).await?;
    if step.differs.contains(&"readers") {
        rows::set_readers(tx, repo.id, order_id, &step.work.readers, at).await?;
    }
    if step.differs.contains(&"visibility") && repo.visibility != order.visibility {
        repos::set_visibility(tx, repo.id, order.visibility).await?;
        let details = json!({ "before": repo.visibility, "now": order.visibility, "why": "the mirrors file" });
        tell(hub, tx, caller, ("repo.visibility_changed", Some(repo.id), repo.name.as_str()), details).await?;
    }
    if let Some(mode) = order.gate.filter(|_| step.differs.contains(&"gate")) {
        let gate = Gate { mode, terms: repo.gate().terms };
        gate_rows::set(tx, repo.id, gate).await?;
        gates::tell_gate(hub, tx, caller, repo, gate, None).await?;
    }
    let mut details = details(repo, step, order);
    details["differs"] = json!(step.differs);
    tell(hub, tx, caller, ("mirror.changed", Some(repo.id), repo.name.as_str()), details).await
}

async fn remove(hub: &Hub, tx: &Transaction, caller: &Caller, step: &MirrorStep) -> Result<(), HubError> {
    let Some(mirror) = &step.work.existing else { return Ok(()) };
    mirrors::remove(tx, mirror.id).await?;
    rows::clear_readers(tx, mirror.repo.id).await?;
    let details = json!({ "type": mirror.repo.kind, "order": step.order });
    tell(hub, tx, caller, ("mirror.removed", Some(mirror.repo.id), mirror.repo.name.as_str()), details).await
}

fn details(repo: &Repo, step: &MirrorStep, order: &Order) -> Value {
    json!({
        "type": repo.kind, "endpoint": step.endpoint, "upstream": step.upstream, "order": order.name,
        "revisions": order.rules.follow.revisions, "selection": order.rules.selection,
        "visibility": repo.visibility, "gate": GateMode::from(repo.gated),
    })
}
