//! Webhooks: events are taken over for each, sent until they are taken, and given up in the end; and what administrators
//! see and do about that.
//!
//! At least once, each attempt under the same id; oldest first for each webhook, and no webhook waits for another. What a
//! request looks like is the business of `hooks`.

mod deliver;
mod take_over;

use acervo_core::name::check_segment;
use acervo_core::{Caller, Role, Timestamp};
use acervo_store::db::commit;
use acervo_store::db::webhooks::{self as rows, Delivery, Filter, State};
use serde::Serialize;
use serde_json::json;
use uuid::Uuid;

use crate::app::events::{self, Told};
use crate::app::identity::demand;
use crate::context::Hub;
use crate::error::HubError;
use crate::hooks::{Hook, TEST_KIND};

pub use deliver::{ATTEMPTS_MAX, Sent, deliver_due, deliver_due_to};
pub use take_over::take_over;

/// Days for which it is kept that something was delivered.
const DELIVERED_DAYS: i64 = 30;

/// Days for which it is kept that something was given up.
const DEAD_DAYS: i64 = 180;

/// Most deliveries of one list.
pub const LIST_MAX: u64 = 1000;

/// A webhook, as administrators see it.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct HookView {
    /// Its name.
    pub name: String,
    /// Scheme, host and port of its receiver; absent if it is in the configuration no more, and sent nothing.
    pub origin: Option<String>,
    /// Kinds of events it is sent.
    pub events: Vec<String>,
    /// How many deliveries are to be made.
    pub pending: i64,
    /// How many were given up.
    pub dead: i64,
    /// When one was last made.
    pub last_delivered_at: Option<Timestamp>,
    /// Why the latest attempt failed of those that are not made.
    pub last_error: Option<String>,
}

/// A delivery, as administrators see it.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct DeliveryView {
    /// The id that its receiver knows it by.
    pub id: Uuid,
    /// Name of the webhook.
    pub hook: String,
    /// Where it stands: `pending`, `delivered` or `dead`.
    pub state: &'static str,
    /// Number of the event.
    pub sequence: i64,
    /// Kind of the event.
    pub kind: String,
    /// What the event is about.
    pub subject: String,
    /// How often it was sent.
    pub attempts: i32,
    /// When it is sent again, if it is.
    pub next_attempt_at: Option<Timestamp>,
    /// HTTP status of the latest answer.
    pub last_status: Option<i32>,
    /// Why the latest attempt failed.
    pub last_error: Option<String>,
    /// When the event was taken over.
    pub created_at: Timestamp,
    /// When it was delivered.
    pub delivered_at: Option<Timestamp>,
}

impl From<rows::Listed> for DeliveryView {
    fn from(listed: rows::Listed) -> Self {
        let rows::Listed { delivery, kind, subject } = listed;
        let ended_at = delivery.ended_at.map(Timestamp::from);
        DeliveryView {
            id: delivery.id,
            hook: delivery.hook,
            state: delivery.state.as_str(),
            sequence: delivery.event_seq,
            kind,
            subject,
            attempts: delivery.attempts,
            next_attempt_at: (delivery.state == State::Pending).then(|| delivery.next_attempt_at.into()),
            last_status: delivery.last_status,
            last_error: delivery.last_error,
            created_at: delivery.created_at.into(),
            delivered_at: ended_at.filter(|_| delivery.state == State::Delivered),
        }
    }
}

/// Every webhook: those of the configuration, and those that were there once and of which something is left.
pub async fn list(hub: &Hub, caller: &Caller) -> Result<Vec<HookView>, HubError> {
    demand(caller, Role::Admin)?;
    let db = hub.db().reader();
    let standings = rows::standings(db).await?;
    let configured = hub.hooks().all().iter().map(Hook::name);
    let left = standings.iter().map(|standing| standing.hook.as_str());
    let names: std::collections::BTreeSet<&str> = configured.chain(left).collect();
    let mut views = Vec::with_capacity(names.len());
    for name in names {
        let standing = standings.iter().find(|standing| standing.hook == name);
        let hook = hub.hooks().named(name);
        views.push(HookView {
            name: name.to_owned(),
            origin: hook.map(Hook::origin),
            events: hook.map(|hook| hook.events().iter().map(ToString::to_string).collect()).unwrap_or_default(),
            pending: standing.map_or(0, |standing| standing.pending),
            dead: standing.map_or(0, |standing| standing.dead),
            last_delivered_at: standing.and_then(|standing| standing.delivered_at).map(Timestamp::from_millis),
            last_error: rows::last_error(db, name).await?,
        });
    }
    Ok(views)
}

/// Deliveries, latest first: at most `limit`, those of one webhook or all, that stand somewhere or anywhere.
pub async fn deliveries(
    hub: &Hub,
    caller: &Caller,
    state: Option<State>,
    hook: Option<&str>,
    limit: u64,
) -> Result<Vec<DeliveryView>, HubError> {
    demand(caller, Role::Admin)?;
    // No webhook is called that.
    if hook.is_some_and(|hook| check_segment(hook).is_err()) {
        return Ok(Vec::new());
    }
    let filter = Filter { state, hook, limit: limit.clamp(1, LIST_MAX) };
    let found = rows::listed(hub.db().reader(), &filter).await?;
    Ok(found.into_iter().map(DeliveryView::from).collect())
}

/// Reads where a delivery may stand.
pub fn state_named(text: &str) -> Result<State, HubError> {
    let found = State::ALL.into_iter().find(|state| state.as_str() == text);
    found.ok_or_else(|| HubError::Invalid("a delivery is `pending`, `delivered` or `dead`".to_owned()))
}

/// Makes a delivery due at once that is not made: what was given up begins anew. Returns the name of its webhook.
pub async fn retry(hub: &Hub, caller: &Caller, id: &str) -> Result<String, HubError> {
    demand(caller, Role::Admin)?;
    let id: Uuid = id.parse().map_err(|_| {
        HubError::Invalid("that is not the id of a delivery; `acervo webhook deliveries` shows them".to_owned())
    })?;
    let found: Option<Delivery> = rows::by_id(hub.db().reader(), id).await?;
    let Some(delivery) = found else {
        return Err(HubError::NotFound(format!("there is no delivery `{id}`; `acervo webhook deliveries` shows all")));
    };
    configured(hub, &delivery.hook)?;
    let tx = hub.db().begin().await?;
    if !rows::retry(&tx, id, hub.now()).await? {
        return Err(HubError::Conflict(format!("the delivery `{id}` was made already; its receiver has the event")));
    }
    let details = json!({ "delivery": id, "sequence": delivery.event_seq });
    let told = Told { kind: "webhook.retried", repo_id: None, subject: &delivery.hook, details };
    events::record(hub, &tx, caller, told).await?;
    commit(tx).await?;
    Ok(delivery.hook)
}

/// Makes all deliveries of a webhook due at once that were given up; returns how many.
pub async fn retry_dead(hub: &Hub, caller: &Caller, name: &str) -> Result<u64, HubError> {
    demand(caller, Role::Admin)?;
    configured(hub, name)?;
    let tx = hub.db().begin().await?;
    let revived = rows::retry_dead(&tx, name, hub.now()).await?;
    if revived > 0 {
        let details = json!({ "deliveries": revived });
        let told = Told { kind: "webhook.retried", repo_id: None, subject: name, details };
        events::record(hub, &tx, caller, told).await?;
    }
    commit(tx).await?;
    Ok(revived)
}

/// Records an event that is sent to this webhook alone.
pub async fn test(hub: &Hub, caller: &Caller, name: &str) -> Result<(), HubError> {
    demand(caller, Role::Admin)?;
    let hook = configured(hub, name)?;
    // One that no worker has seen yet would begin after it.
    take_over::begin(hub, hook).await?;
    let tx = hub.db().begin().await?;
    let details = json!({ "text": "a test of this webhook" });
    events::record(hub, &tx, caller, Told { kind: TEST_KIND, repo_id: None, subject: name, details }).await?;
    Ok(commit(tx).await?)
}

/// The webhook of this name, if it is in the configuration.
fn configured<'a>(hub: &'a Hub, name: &str) -> Result<&'a Hook, HubError> {
    hub.hooks().named(name).ok_or_else(|| {
        HubError::Conflict(format!("the configuration has no webhook `{name}`; add it there, or nothing is sent"))
    })
}

/// Forgets deliveries that were made, or given up, long ago; returns how many.
pub async fn forget(hub: &Hub) -> Result<u64, HubError> {
    let days_ago = |days: i64| hub.now().plus_seconds(-days * 24 * 3600);
    Ok(rows::forget(hub.db().writer(), days_ago(DELIVERED_DAYS), days_ago(DEAD_DAYS)).await?)
}
