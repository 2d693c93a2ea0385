//! Standing orders of the mirrors file: what they would change, changing it, and what syncing them would fetch.
//!
//! `discover` asks upstreams what patterns find, `compare` holds that against what is here, `apply` carries it out,
//! `forecast` plans the syncs. Rows that others manage are never touched. What a sync does is `sync`'s business.

mod apply;
mod compare;
mod discover;
mod forecast;

use acervo_core::order::FILE_BYTES_MAX;
use acervo_core::{Caller, CommitOid, Order, RepoId, RepoKind, Role};
use serde::Serialize;

use crate::app::identity::demand;
use crate::app::sync::{PlanTotals, Progress};
use crate::context::Hub;
use crate::error::HubError;
use crate::upstream::Urgency;

pub use apply::{apply, refresh};

/// Reads the text of a mirrors file, for those who may do something with it.
pub fn read(caller: &Caller, text: &str) -> Result<Vec<Order>, HubError> {
    demand(caller, Role::Admin)?;
    if text.len() > FILE_BYTES_MAX {
        return Err(HubError::TooMuch(format!(
            "a mirrors file has at most {FILE_BYTES_MAX} bytes, this one has {}",
            text.len()
        )));
    }
    // What somebody forgot to send would end all orders.
    if text.trim().is_empty() {
        return Err(HubError::Invalid(
            "the mirrors file is empty; to end all orders, send one that holds a comment".to_owned(),
        ));
    }
    acervo_core::order::parse(text).map_err(|error| HubError::Invalid(error.to_string()))
}

/// What is done about an order or a mirror.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Action {
    /// It is made.
    Add,
    /// It is changed.
    Change,
    /// It is as it shall be.
    Keep,
    /// It is removed; what was fetched stays and is served.
    Remove,
}

impl Action {
    /// The word for it.
    pub fn as_str(self) -> &'static str {
        match self {
            Action::Add => "add",
            Action::Change => "change",
            Action::Keep => "keep",
            Action::Remove => "remove",
        }
    }
}

/// What is done about an order.
#[derive(Clone, Debug, Serialize)]
pub struct OrderStep {
    /// What.
    pub action: Action,
    /// Its name.
    pub name: String,
    /// Repositories that it has after it.
    pub repos: usize,
}

/// What is done about a mirror.
#[derive(Clone, Debug, Serialize)]
pub struct MirrorStep {
    /// What.
    pub action: Action,
    /// Model, dataset or space.
    #[serde(rename = "type")]
    pub kind: RepoKind,
    /// Name here.
    pub repo: RepoId,
    /// Base URL of the upstream.
    pub endpoint: String,
    /// Name there.
    pub upstream: String,
    /// The order that wants it, or wanted it.
    pub order: Option<String>,
    /// What differs, in words of the file.
    pub differs: Vec<&'static str>,
    /// What a sync of it would do, once it was asked.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sync: Option<Forecast>,
    #[serde(skip)]
    work: compare::Work,
}

/// What a sync would do.
#[derive(Clone, Debug, Serialize)]
pub struct Forecast {
    /// Revisions, and the commit each stands for.
    pub revisions: Vec<ForecastRevision>,
    /// Files and bytes.
    #[serde(flatten)]
    pub totals: PlanTotals,
    /// Commits that are not served as they shall be.
    pub commits_to_publish: u64,
    /// Requests to the upstream's hub.
    pub requests: u64,
}

/// A revision and the commit it stands for.
#[derive(Clone, Debug, Serialize)]
pub struct ForecastRevision {
    /// As the order or the upstream names it.
    pub revision: String,
    /// Its commit.
    pub commit: CommitOid,
}

/// Something an order wants and does not get.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Refusal {
    /// Name of the order.
    pub order: String,
    /// The repository or pattern it is about.
    pub repo: String,
    /// Why, and what to do.
    pub reason: String,
}

/// What applying a file changes.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Steps {
    /// Orders, in the order of the file; then those that go.
    pub orders: Vec<OrderStep>,
    /// Mirrors, in the order of types and names.
    pub mirrors: Vec<MirrorStep>,
    /// What is wanted and not given.
    pub refused: Vec<Refusal>,
}

impl Steps {
    /// Whether there is something to change.
    pub fn changes(&self) -> bool {
        let kept = |action: Action| action == Action::Keep;
        !(self.orders.iter().all(|step| kept(step.action)) && self.mirrors.iter().all(|step| kept(step.action)))
    }
}

/// What applying a file changes, and what syncing it afterwards fetches.
#[derive(Clone, Debug, Serialize)]
pub struct OrdersPlan {
    /// What is changed.
    #[serde(flatten)]
    pub steps: Steps,
    /// All syncs together.
    pub totals: Totals,
}

/// Sums over all mirrors of a plan.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Totals {
    /// Repositories that are mirrored.
    pub repos: u64,
    /// Commits that are not served as they shall be.
    pub commits_to_publish: u64,
    /// Files and bytes.
    #[serde(flatten)]
    pub files: PlanTotals,
    /// Requests to the upstreams' hubs that the syncs take.
    pub requests: u64,
    /// Requests that upstreams said they would still answer, and for how many seconds that counts.
    pub budgets: Vec<Budget>,
    /// Seconds that the syncs take at least by the configured budgets of requests; absent without such budgets.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub seconds_at_least: Option<u64>,
}

/// What an upstream said of its rate limit.
#[derive(Clone, Debug, Serialize)]
pub struct Budget {
    /// Its base URL.
    pub endpoint: String,
    /// Requests that are left.
    pub requests_left: u64,
    /// Seconds until there are more.
    pub seconds: u64,
}

impl OrdersPlan {
    /// Whether there is nothing to change, nothing to publish and nothing to fetch.
    pub fn is_done(&self) -> bool {
        !self.steps.changes() && self.totals.commits_to_publish == 0 && self.totals.files.files_to_fetch == 0
    }
}

/// Says what applying these orders would change and what a sync would fetch. Asks, writes nothing.
pub async fn plan(hub: &Hub, caller: &Caller, orders: &[Order], progress: &Progress) -> Result<OrdersPlan, HubError> {
    demand(caller, Role::Admin)?;
    let discovery = discover::discover(hub, orders, Urgency::Interactive, progress).await?;
    let mut steps = compare::compare(hub, orders, &discovery).await?;
    let totals = forecast::forecast(hub, orders, &mut steps, progress).await;
    Ok(OrdersPlan { steps, totals })
}
