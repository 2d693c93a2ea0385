//! Sync: making a repository here like its upstream, or saying what that would take.
//!
//! `plan` asks and compares, `fetch` moves bytes, `run` ties both to the publication. A sync is always a job: see
//! `worker`.

mod fetch;
mod leftovers;
mod pinned;
mod plan;
mod progress;
mod recorder;
mod run;
mod seed;
mod watch;
mod windows;

use acervo_core::access::Caller;
use acervo_core::lock::Pin;
use acervo_core::order::Window;
use acervo_core::{CommitOid, Role};
use acervo_store::db::jobs::{self, NewJob};
use acervo_store::db::mirrors::{self, Mirror};
use acervo_store::db::{Transaction, commit};
use serde::{Deserialize, Serialize};
use serde_json::json;
use uuid::Uuid;

use crate::app::events::{self, Told};
use crate::app::identity::demand;
use crate::context::Hub;
use crate::error::HubError;
use crate::upstream::{Client, Urgency};

pub use leftovers::sweep_leftovers;
pub use pinned::{held_files, run_pinned};
pub use plan::{Plan, PlanTotals, PlannedCommit, Subject, plan};
pub use progress::{ActiveFile, Progress, ProgressView};
pub use run::run;
pub use seed::{Seeded, Seeds, Unread, seed};

/// Revision that a mirror follows if none is named; hubs call their default branch so.
pub const DEFAULT_REVISION: &str = "main";

/// Kind of the jobs that sync a mirror.
pub const JOB_KIND: &str = "sync";

/// Attempts at a sync before it fails for good; each transfer has attempts of its own besides.
const ATTEMPTS_MAX: i32 = 3;

/// How syncs run.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct SyncConfig {
    /// Files of one sync on their way at the same time, and four times as many small ones.
    pub files_at_once: usize,
    /// Requests for bytes at the same time, over all syncs of this process and all their upstreams; 0 is no limit.
    pub transfers_at_once: usize,
}

impl Default for SyncConfig {
    fn default() -> Self {
        SyncConfig { files_at_once: 8, transfers_at_once: 64 }
    }
}

/// What a sync job is about.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct SyncPayload {
    /// Database id of the mirror.
    pub mirror_id: i64,
    /// What the sync is held to; otherwise the mirror's revisions are followed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pin: Option<Pin>,
    /// Whether a schedule wants it, and nobody waits.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub scheduled: bool,
}

impl SyncPayload {
    /// Whether somebody waits for it.
    pub fn urgency(&self) -> Urgency {
        if self.scheduled { Urgency::Background } else { Urgency::Interactive }
    }
}

/// What came of a sync.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct SyncOutcome {
    /// Revisions and the commits they stand for now.
    pub revisions: Vec<SyncedRevision>,
    /// Files whose bytes were fetched.
    pub files_fetched: u64,
    /// Their bytes.
    pub bytes_fetched: u64,
    /// Files whose bytes were here already.
    pub files_held: u64,
    /// Their bytes.
    pub bytes_held: u64,
}

impl SyncOutcome {
    /// Adds what came of another round; its revisions are those in force.
    pub fn add(&mut self, later: SyncOutcome) {
        self.files_fetched += later.files_fetched;
        self.bytes_fetched += later.bytes_fetched;
        self.files_held = later.files_held;
        self.bytes_held = later.bytes_held;
        self.revisions = later.revisions;
    }
}

/// A revision after a sync.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SyncedRevision {
    /// Its name, or the commit id it was given as.
    pub revision: String,
    /// The commit it stands for.
    pub commit: CommitOid,
    /// Whether anything was published for it.
    pub changed: bool,
}

/// A mirror that is being synced, and the way to its upstream.
#[derive(Clone, Debug)]
pub struct Source<'a> {
    /// The mirror.
    pub mirror: &'a Mirror,
    /// A client with the token of its organisation, within the limit of the window that is open.
    pub client: Client,
    /// Other hubs of its order, which are asked for files of the same commits when the first one fails.
    others: Vec<Client>,
    urgency: Urgency,
    window: Option<Window>,
}

impl<'a> Source<'a> {
    /// The way to the upstream of a mirror.
    pub fn of(hub: &Hub, mirror: &'a Mirror, urgency: Urgency) -> Result<Self, HubError> {
        let window = windows::open(hub, mirror, urgency);
        let rate = window.as_ref().and_then(|window| window.bytes_per_second);
        let at = |endpoint: &str| {
            let client = hub.upstream_at(endpoint, mirror.repo.name.namespace())?.with_urgency(urgency);
            Ok::<_, HubError>(match rate {
                Some(rate) => client.within(&hub.upstreams().window(&windows::shared_by(mirror), rate)),
                None => client,
            })
        };
        let others = mirror.rules.upstreams.iter().filter(|endpoint| **endpoint != mirror.endpoint);
        let others = others.map(|endpoint| at(endpoint)).collect::<Result<_, _>>()?;
        Ok(Source { mirror, client: at(&mirror.endpoint)?, others, urgency, window })
    }

    /// What a plan of it is for.
    pub fn subject(&self) -> Subject<'a> {
        Subject { urgency: self.urgency, ..self.mirror.into() }
    }
}

/// Key under which at most one sync of a repository is queued, running or paused.
pub fn dedup_key(repo_id: i64) -> String {
    format!("{JOB_KIND}:{repo_id}")
}

/// Queues a sync of a mirror, or finds the one under way; returns its id.
pub async fn enqueue(hub: &Hub, caller: &Caller, mirror: &Mirror) -> Result<Uuid, HubError> {
    demand(caller, Role::Maintainer)?;
    let tx = hub.db().begin().await?;
    let payload = SyncPayload { mirror_id: mirror.id, pin: None, scheduled: false };
    let (job, is_new) = queue(hub, &tx, caller, mirror, payload).await?;
    if !is_new {
        hurry(hub, &tx, job).await?;
    }
    commit(tx).await?;
    Ok(job)
}

/// Somebody waits now for what a schedule wanted, or what was put off.
async fn hurry(hub: &Hub, tx: &Transaction, job: Uuid) -> Result<(), HubError> {
    let Some(found) = jobs::by_id(tx, job).await? else { return Ok(()) };
    let mut payload = found.payload;
    if let Some(fields) = payload.as_object_mut() {
        fields.remove("scheduled");
    }
    Ok(jobs::hurry(tx, job, payload, hub.now()).await?)
}

/// Queues a sync of a mirror that is held to a lockfile; one that follows the revisions must not be under way.
pub async fn enqueue_pinned(hub: &Hub, caller: &Caller, mirror: &Mirror, pin: Pin) -> Result<Uuid, HubError> {
    demand(caller, Role::Maintainer)?;
    let tx = hub.db().begin().await?;
    let payload = SyncPayload { mirror_id: mirror.id, pin: Some(pin), scheduled: false };
    let (job, is_new) = queue(hub, &tx, caller, mirror, payload).await?;
    if !is_new {
        return Err(HubError::Conflict(format!(
            "another sync of `{}` is under way; wait until it has ended, or cancel it, then sync again",
            mirror.repo.name
        )));
    }
    commit(tx).await?;
    Ok(job)
}

/// Queues a sync unless one is under way, with its event; returns the id of either, and whether it is new.
pub(super) async fn queue(
    hub: &Hub,
    tx: &Transaction,
    caller: &Caller,
    mirror: &Mirror,
    payload: SyncPayload,
) -> Result<(Uuid, bool), HubError> {
    let at = hub.now();
    let details = json!({ "type": mirror.repo.kind, "locked": payload.pin.is_some(), "scheduled": payload.scheduled });
    let payload = serde_json::to_value(payload)
        .map_err(|error| HubError::Internal(format!("a job that cannot be written: {error}")))?;
    let new = NewJob {
        id: Uuid::now_v7(),
        kind: JOB_KIND,
        payload,
        dedup_key: dedup_key(mirror.repo.id),
        repo_id: Some(mirror.repo.id),
        priority: mirror.rules.timing.priority,
        run_at: at,
        attempts_max: ATTEMPTS_MAX,
        created_by: caller.principal_id(),
        organization: Some(mirror.repo.name.namespace().to_ascii_lowercase()),
        at,
    };
    let (job, is_new) = jobs::enqueue(tx, new).await?;
    if is_new {
        mirrors::note_job(tx, mirror.id, job).await?;
        let mut details = details;
        details["job"] = json!(job);
        let told =
            Told { kind: "sync.queued", repo_id: Some(mirror.repo.id), subject: mirror.repo.name.as_str(), details };
        events::record(hub, tx, caller, told).await?;
    }
    Ok((job, is_new))
}
