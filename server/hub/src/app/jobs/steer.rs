//! Cancelling, pausing, resuming and repeating jobs; each is an event, and a line of the job's log.

use acervo_core::{Caller, Role};
use acervo_store::db::jobs::{self, Job, Level, State};
use acervo_store::db::{commit, mirrors};
use serde_json::json;
use uuid::Uuid;

use super::{JobView, get, log, missing};
use crate::app::events::{self, Told};
use crate::app::identity::demand;
use crate::app::sync::{self, JOB_KIND, SyncPayload};
use crate::context::{Hub, caller_name};
use crate::error::HubError;

/// Ends a job: at once if nobody works on it, else as soon as its worker hears of it. What has arrived is kept.
pub async fn cancel(hub: &Hub, caller: &Caller, id: Uuid) -> Result<JobView, HubError> {
    steer(hub, caller, id, Act::Cancel).await
}

/// Puts a job aside until somebody resumes it; what has arrived is kept.
pub async fn pause(hub: &Hub, caller: &Caller, id: Uuid) -> Result<JobView, HubError> {
    steer(hub, caller, id, Act::Pause).await
}

/// Lets a paused job go on where it stopped.
pub async fn resume(hub: &Hub, caller: &Caller, id: Uuid) -> Result<JobView, HubError> {
    steer(hub, caller, id, Act::Resume).await
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Act {
    Cancel,
    Pause,
    Resume,
}

impl Act {
    /// What the job is afterwards.
    fn done(self) -> &'static str {
        match self {
            Act::Cancel => "cancelled",
            Act::Pause => "paused",
            Act::Resume => "resumed",
        }
    }
}

async fn steer(hub: &Hub, caller: &Caller, id: Uuid, act: Act) -> Result<JobView, HubError> {
    demand(caller, Role::Maintainer)?;
    let at = hub.now();
    let tx = hub.db().begin().await?;
    let is_done = match act {
        Act::Cancel => jobs::cancel(&tx, id, at).await?,
        Act::Pause => jobs::pause(&tx, id).await?,
        Act::Resume => jobs::resume(&tx, id, at).await?,
    };
    let (job, repo) = jobs::with_repo(&tx, id).await?.ok_or_else(|| missing(&id.to_string()))?;
    if !is_done {
        return Err(refusal(act, &job));
    }
    let text = format!("{} by `{}`", act.done(), caller_name(caller));
    // The change above holds the job's row until the end of this transaction.
    jobs::append(&tx, id, &[log::line(Level::Warn, at, &text)]).await?;
    let (subject, kind) = (id.to_string(), format!("job.{}", act.done()));
    let details = json!({
        "type": repo.as_ref().map(|repo| repo.kind), "repo": repo.as_ref().map(|repo| &repo.name), "state": job.state.as_str(),
    });
    let told = Told { kind: &kind, repo_id: repo.as_ref().map(|repo| repo.id), subject: &subject, details };
    events::record(hub, &tx, caller, told).await?;
    commit(tx).await?;
    get(hub, caller, id).await
}

/// Why a job cannot be steered so.
fn refusal(act: Act, job: &Job) -> HubError {
    let (id, state) = (job.id, job.state);
    HubError::Conflict(match act {
        _ if state.is_final() => {
            format!("job `{id}` has ended: it is {state}; `acervo jobs retry` queues what did not succeed once more")
        }
        Act::Resume => format!("job `{id}` is not paused: it is {state}"),
        _ if job.cancel_requested => format!("job `{id}` is being cancelled"),
        _ => format!("job `{id}` is paused already; `acervo jobs resume` lets it go on"),
    })
}

/// Queues once more what a failed or cancelled job was to do; returns the new job.
pub async fn retry(hub: &Hub, caller: &Caller, id: Uuid) -> Result<JobView, HubError> {
    demand(caller, Role::Maintainer)?;
    let db = hub.db().reader();
    let job = jobs::by_id(db, id).await?.ok_or_else(|| missing(&id.to_string()))?;
    if !matches!(job.state, State::Failed | State::Cancelled) {
        return Err(HubError::Conflict(format!(
            "job `{id}` is {}; only one that failed or was cancelled is queued once more",
            job.state
        )));
    }
    if job.kind != JOB_KIND {
        return Err(HubError::Conflict(format!(
            "job `{id}` looked for what orders find and is done again with their schedule; `acervo mirror apply` looks now"
        )));
    }
    let payload: SyncPayload = serde_json::from_value(job.payload)
        .map_err(|error| HubError::Internal(format!("the payload of job {id} cannot be read: {error}")))?;
    let mirror = mirrors::by_id(db, payload.mirror_id).await?.ok_or_else(|| {
        HubError::Conflict(format!("the mirror of job `{id}` was removed; add it again with `acervo mirror add`"))
    })?;
    let tx = hub.db().begin().await?;
    let payload = SyncPayload { scheduled: false, ..payload };
    let (queued, is_new) = sync::queue(hub, &tx, caller, &mirror, payload).await?;
    if !is_new {
        return Err(HubError::Conflict(format!("another sync of `{}` is under way: job `{queued}`", mirror.repo.name)));
    }
    commit(tx).await?;
    get(hub, caller, queued).await
}
