//! Jobs as people see and steer them: lists, one with its log, following one, and the end of old records.
//!
//! What a job does is `sync`'s business, and who works it `worker`'s. Whoever sees jobs sees all repositories: the roles
//! that are demanded here imply it.

mod log;
mod steer;
mod watch;

use std::collections::HashMap;

use acervo_core::{Caller, RepoId, RepoKind, Role, Timestamp};
use acervo_store::db::commit;
use acervo_store::db::jobs::{self, Job, State};
use acervo_store::db::repos::Repo;
use serde::Serialize;
use serde_json::Value;
use uuid::Uuid;

use crate::app::identity::{demand, names_of};
use crate::app::repos;
use crate::app::sync::{ProgressView, SyncPayload};
use crate::context::Hub;
use crate::error::HubError;

pub use log::{JobLog, LogView, flush};
pub use steer::{cancel, pause, resume, retry};
pub use watch::{Followed, Watches, follow};

/// Most jobs of one page.
pub const LIST_LIMIT_MAX: u64 = 500;

/// Most jobs that a part of an id is looked for in, from the newest on.
const NAMED_MAX: u64 = 100_000;

/// Shortest part of an id that may stand for the whole, in hex digits.
const PART_DIGITS_MIN: usize = 4;

/// Jobs that are forgotten in one transaction.
const PRUNE_BATCH: u64 = 200;

/// A job, as it is told.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct JobView {
    /// Its id.
    pub id: Uuid,
    /// What sort of work.
    pub kind: String,
    /// Where it stands.
    pub state: &'static str,
    /// Model, dataset or space.
    #[serde(rename = "type")]
    pub repo_kind: Option<RepoKind>,
    /// The repository it is about.
    pub repo: Option<RepoId>,
    /// Whether it is held to a lockfile.
    pub locked: bool,
    /// Larger goes first.
    pub priority: i32,
    /// Attempts so far.
    pub attempts: i32,
    /// Attempts before it fails for good.
    pub attempts_max: i32,
    /// Who asked for it; nobody if it was this installation itself.
    pub created_by: Option<String>,
    /// When it was asked for.
    pub created_at: Timestamp,
    /// When it is due, or was.
    pub run_at: Timestamp,
    /// When its first attempt began.
    pub started_at: Option<Timestamp>,
    /// When it ended.
    pub finished_at: Option<Timestamp>,
    /// Whether it is to be paused as soon as its worker hears of it.
    pub pause_requested: bool,
    /// Whether it is to end as soon as its worker hears of it.
    pub cancel_requested: bool,
    /// Why the latest attempt failed.
    pub error: Option<String>,
    /// How far it has come.
    pub progress: Option<Value>,
    /// What came of it.
    pub outcome: Option<Value>,
}

impl JobView {
    fn new((job, repo): (Job, Option<Repo>), names: &HashMap<i64, String>) -> JobView {
        let locked = serde_json::from_value(job.payload).is_ok_and(|payload: SyncPayload| payload.pin.is_some());
        JobView {
            id: job.id,
            kind: job.kind,
            state: job.state.as_str(),
            repo_kind: repo.as_ref().map(|repo| repo.kind),
            repo: repo.map(|repo| repo.name),
            locked,
            priority: job.priority,
            attempts: job.attempts,
            attempts_max: job.attempts_max,
            created_by: job.created_by.and_then(|id| names.get(&id).cloned()),
            created_at: job.created_at.into(),
            run_at: job.run_at.into(),
            started_at: job.started_at.map(Into::into),
            finished_at: job.finished_at.map(Into::into),
            pause_requested: job.pause_requested,
            cancel_requested: job.cancel_requested,
            error: job.error,
            progress: job.progress,
            outcome: job.outcome,
        }
    }

    /// Whether nothing more will happen to it.
    pub fn has_ended(&self) -> bool {
        self.finished_at.is_some()
    }

    /// What it is about, in a word: the repository, or else its id.
    pub fn subject(&self) -> String {
        self.repo.as_ref().map_or_else(|| self.id.to_string(), ToString::to_string)
    }

    /// How far it has come, if that is known.
    pub fn progress_view(&self) -> Option<ProgressView> {
        serde_json::from_value(self.progress.clone()?).ok()
    }
}

/// Demands a role that may look at jobs.
pub fn look(caller: &Caller) -> Result<(), HubError> {
    if caller.has_hub_role(Role::Auditor) { Ok(()) } else { demand(caller, Role::Maintainer) }
}

fn missing(id: &str) -> HubError {
    HubError::NotFound(format!("there is no job `{id}`; `acervo jobs list` shows all"))
}

/// Which jobs are asked for.
#[derive(Clone, Debug, Default)]
pub struct JobQuery {
    /// Where they stand.
    pub state: Option<State>,
    /// Name of the repository they are about.
    pub repo: Option<String>,
    /// Older than this one.
    pub before: Option<Uuid>,
    /// Most jobs of the page.
    pub limit: u64,
}

/// A page of jobs.
#[derive(Clone, Debug)]
pub struct JobPage {
    /// Jobs, the newest first.
    pub jobs: Vec<JobView>,
    /// The last of them, if there are older ones.
    pub next: Option<Uuid>,
}

/// Jobs, the newest first.
pub async fn list(hub: &Hub, caller: &Caller, query: &JobQuery) -> Result<JobPage, HubError> {
    look(caller)?;
    let db = hub.db().reader();
    let limit = query.limit.clamp(1, LIST_LIMIT_MAX);
    let mut asked = jobs::Asked { state: query.state, repos: None, before: query.before, limit: limit + 1 };
    if let Some(name) = &query.repo {
        let mut found = Vec::new();
        for kind in RepoKind::ALL {
            match repos::find(hub, caller, kind, name).await {
                Ok(repo) => found.push(repo.into_repo().id),
                Err(HubError::RepoNotFound { .. }) => {}
                Err(error) => return Err(error),
            }
        }
        asked.repos = Some(found);
    }
    let mut rows = jobs::listed(db, &asked).await?;
    let has_more = rows.len() as u64 > limit;
    rows.truncate(usize::try_from(limit).unwrap_or(usize::MAX));
    let names = names_of(hub, rows.iter().filter_map(|(job, _)| job.created_by)).await?;
    let jobs: Vec<JobView> = rows.into_iter().map(|row| JobView::new(row, &names)).collect();
    let next = jobs.last().filter(|_| has_more).map(|job| job.id);
    Ok(JobPage { jobs, next })
}

/// One job.
pub async fn get(hub: &Hub, caller: &Caller, id: Uuid) -> Result<JobView, HubError> {
    look(caller)?;
    let row = jobs::with_repo(hub.db().reader(), id).await?.ok_or_else(|| missing(&id.to_string()))?;
    let names = names_of(hub, row.0.created_by).await?;
    Ok(JobView::new(row, &names))
}

/// What is told of a job after the line with this number.
pub async fn lines(hub: &Hub, caller: &Caller, id: Uuid, after: i32) -> Result<Vec<LogView>, HubError> {
    look(caller)?;
    let lines = jobs::lines_after(hub.db().reader(), id, after).await?;
    Ok(lines.into_iter().map(LogView::from).collect())
}

/// The id that a text stands for: a whole one, or the beginning or end of just one.
pub async fn named(hub: &Hub, caller: &Caller, text: &str) -> Result<Uuid, HubError> {
    look(caller)?;
    if let Ok(id) = text.parse() {
        return Ok(id);
    }
    let part: String = text.chars().filter(|c| *c != '-').map(|c| c.to_ascii_lowercase()).collect();
    if part.len() < PART_DIGITS_MIN || !part.bytes().all(|b| b.is_ascii_hexdigit()) {
        return Err(HubError::Invalid(format!(
            "`{text}` is not the id of a job, nor {PART_DIGITS_MIN} or more digits from its beginning or end"
        )));
    }
    let all = jobs::ids(hub.db().reader(), NAMED_MAX).await?;
    let is_meant = |id: &Uuid| {
        let whole = id.simple().to_string();
        whole.starts_with(&part) || whole.ends_with(&part)
    };
    let found: Vec<Uuid> = all.into_iter().filter(is_meant).take(2).collect();
    match found.as_slice() {
        [only] => Ok(*only),
        [] => Err(missing(text)),
        _ => Err(HubError::Invalid(format!("several jobs have `{text}` in their ids; write more of the one you mean"))),
    }
}

/// Forgets jobs that ended long ago, and their logs; returns how many.
pub async fn prune(hub: &Hub) -> Result<u64, HubError> {
    let days = hub.config().worker.keep_jobs_days;
    if days == 0 {
        return Ok(0);
    }
    let before = hub.now().plus_seconds(-i64::try_from(days.saturating_mul(24 * 3600)).unwrap_or(i64::MAX));
    let mut gone = 0;
    loop {
        let tx = hub.db().begin().await?;
        let batch = jobs::prune(&tx, before, PRUNE_BATCH).await?;
        commit(tx).await?;
        gone += batch;
        if batch < PRUNE_BATCH {
            return Ok(gone);
        }
    }
}
