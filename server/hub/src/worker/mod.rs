//! Working jobs off: claim, lease, heartbeat, end.
//!
//! A worker runs inside `serve`, or for one job inside a command when no worker is alive. What a job does stands in
//! [`jobs`]; how it is remembered in the store.

pub mod jobs;
mod lease;

use std::sync::Arc;
use std::time::Duration;

use acervo_core::Timestamp;
use acervo_store::db::commit;
use acervo_store::db::jobs::{self as queue, Ending, Job, Lease};
use serde::{Deserialize, Serialize};
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use crate::app::catalog;
use crate::app::events;
use crate::app::jobs::{self as jobs_seen, JobLog};
use crate::app::schedule;
use crate::app::sync::{self, Progress};
use crate::app::webhooks;
use crate::context::Hub;
use crate::error::HubError;
use crate::hooks::Hook;
use crate::upstream::UpstreamError;

/// How jobs are worked off.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct WorkerConfig {
    /// Jobs at the same time in this process; 0 leaves them to other processes.
    pub jobs_at_once: usize,
    /// Seconds for which a job belongs to its worker without a sign of life.
    pub lease_seconds: u64,
    /// Seconds between two looks at the queue.
    pub poll_seconds: u64,
    /// Seconds after which a partial or quarantined file that nobody works on is removed from staging.
    pub stale_staging_seconds: u64,
    /// Days for which jobs that ended, and their logs, can be looked at; 0 is for ever.
    pub keep_jobs_days: u64,
}

impl Default for WorkerConfig {
    fn default() -> Self {
        WorkerConfig {
            jobs_at_once: 2,
            lease_seconds: 30,
            poll_seconds: 1,
            stale_staging_seconds: 7 * 24 * 3600,
            keep_jobs_days: 90,
        }
    }
}

/// Shortest lease: several heartbeats, one of which may have to wait for the database.
pub const LEASE_SECONDS_MIN: u64 = 10;

/// Seconds between two signs of life of a worker.
const WORKER_HEARTBEAT_SECONDS: u64 = 5;

/// Seconds without a sign of life after which a worker counts as dead.
pub const WORKER_DEAD_SECONDS: i64 = 20;

/// Seconds between two sweeps of staging.
const SWEEP_SECONDS: u64 = 3600;

/// First wait before a job is tried again; doubled with each attempt.
const RETRY_SECONDS: i64 = 15;

/// Whether some process works jobs off.
pub async fn is_alive(hub: &Hub) -> Result<bool, HubError> {
    let now = hub.now();
    Ok(queue::workers_since(hub.db().reader(), now.plus_seconds(-WORKER_DEAD_SECONDS), now).await? > 0)
}

/// Works jobs off until `shutdown`, and does the housekeeping that comes with being a long-lived process.
pub async fn run(hub: Hub, shutdown: CancellationToken) {
    let id = Uuid::now_v7();
    let mut tasks = tokio::task::JoinSet::new();
    tasks.spawn(announce(hub.clone(), id, shutdown.clone()));
    tasks.spawn(housekeeping(hub.clone(), shutdown.clone()));
    tasks.spawn(scheduling(hub.clone(), shutdown.clone()));
    for _ in 0..hub.config().worker.jobs_at_once {
        tasks.spawn(work(hub.clone(), id, shutdown.clone()));
    }
    if works(&hub) {
        for hook in hub.hooks().all() {
            tasks.spawn(deliver(hub.clone(), hook.clone(), shutdown.clone()));
        }
    }
    while tasks.join_next().await.is_some() {}
    if let Err(error) = queue::worker_gone(hub.db().writer(), id).await {
        tracing::warn!(error = %error, worker.id = %id, "a worker could not be taken off the list");
    }
}

/// Whether this process works for others: on jobs, and on what is sent.
fn works(hub: &Hub) -> bool {
    hub.config().worker.jobs_at_once > 0
}

/// Name of this host.
fn host() -> String {
    std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default().trim().to_owned()
}

/// Says every few seconds that this worker is alive.
async fn announce(hub: Hub, id: Uuid, shutdown: CancellationToken) {
    if !works(&hub) {
        return;
    }
    let host = host();
    every(Duration::from_secs(WORKER_HEARTBEAT_SECONDS), &shutdown, || async {
        let now = hub.now();
        queue::worker_alive(hub.db().writer(), id, &host, std::process::id(), now).await?;
        queue::forget_workers(hub.db().writer(), now.plus_seconds(-10 * WORKER_DEAD_SECONDS)).await?;
        Ok(())
    })
    .await;
}

/// Sends one webhook what is due; each has a task of its own, so that none waits for another's receiver.
async fn deliver(hub: Hub, hook: Hook, shutdown: CancellationToken) {
    every(Duration::from_secs(1), &shutdown, || async {
        webhooks::deliver_due_to(&hub, &hook, &shutdown).await?;
        Ok(())
    })
    .await;
}

/// Queues what schedules want.
async fn scheduling(hub: Hub, shutdown: CancellationToken) {
    if !works(&hub) {
        return;
    }
    every(Duration::from_secs(hub.config().worker.poll_seconds.max(1)), &shutdown, || async {
        schedule::queue_due(&hub).await?;
        Ok(())
    })
    .await;
}

/// Numbers events and hands them to webhooks, makes up for what lists lack, and sweeps what nobody needs any more.
async fn housekeeping(hub: Hub, shutdown: CancellationToken) {
    let number = every(Duration::from_secs(1), &shutdown, || async {
        events::number_waiting(&hub).await?;
        if works(&hub) {
            webhooks::take_over(&hub).await?;
        }
        Ok(())
    });
    let lists = every(Duration::from_secs(SWEEP_SECONDS), &shutdown, || async {
        // An older version may still publish beside this one.
        catalog::catch_up(&hub).await?;
        catalog::read_cards(&hub).await?;
        Ok(())
    });
    let sweep = every(Duration::from_secs(SWEEP_SECONDS), &shutdown, || async {
        sync::sweep_leftovers(&hub).await?;
        let swept = hub.blobs().sweep_staging(hub.config().worker.stale_staging_seconds).await?;
        if swept.files > 0 {
            tracing::info!(files = swept.files, size_bytes = swept.bytes, "removed stale partial files from staging");
        }
        let forgotten = jobs_seen::prune(&hub).await?;
        if forgotten > 0 {
            tracing::info!(jobs = forgotten, "forgot jobs that ended long ago");
        }
        Ok(())
    });
    let forget = every(Duration::from_secs(SWEEP_SECONDS), &shutdown, || async {
        webhooks::forget(&hub).await?;
        Ok(())
    });
    tokio::join!(number, lists, sweep, forget);
}

/// Does something at once and then again and again; a failure is logged and does not end it.
pub async fn every<F: Future<Output = Result<(), HubError>>>(
    period: Duration,
    shutdown: &CancellationToken,
    mut work: impl FnMut() -> F,
) {
    let mut ticks = tokio::time::interval(period);
    ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            () = shutdown.cancelled() => return,
            _ = ticks.tick() => {
                if let Err(error) = work().await {
                    tracing::warn!(error = %error, "a background task failed and will be tried again");
                }
            }
        }
    }
}

/// Claims and works jobs one after the other.
async fn work(hub: Hub, worker: Uuid, shutdown: CancellationToken) {
    let pause = Duration::from_secs(hub.config().worker.poll_seconds.max(1));
    while !shutdown.is_cancelled() {
        let progress = Arc::new(Progress::default());
        match run_once(&hub, worker, None, &progress, &shutdown).await {
            Ok(true) => continue,
            Ok(false) => {}
            Err(error) => tracing::warn!(error = %error, worker.id = %worker, "working off a job failed"),
        }
        tokio::select! {
            () = shutdown.cancelled() => {}
            () = tokio::time::sleep(pause) => {}
        }
    }
}

/// Claims one job that is due (or just the one named) and works it to an end; returns whether there was one.
///
/// On `shutdown` the job goes back to the queue; the next worker goes on where this one stopped.
pub async fn run_once(
    hub: &Hub,
    worker: Uuid,
    only: Option<Uuid>,
    progress: &Arc<Progress>,
    shutdown: &CancellationToken,
) -> Result<bool, HubError> {
    let now = hub.now();
    let until = lease::until(hub, now);
    let Some(job) = queue::claim(hub.db().writer(), worker, only, until, now).await? else {
        return Ok(false);
    };
    let lease = Lease { job_id: job.id, fence: job.fence };
    progress.log().info(
        now,
        format!(
            "attempt {} of {} begins on `{}`, process {}",
            job.attempts,
            job.attempts_max,
            host(),
            std::process::id()
        ),
    );
    let result = if job.attempts > job.attempts_max {
        Err(HubError::Sync(format!(
            "each of {} attempts ended with its worker, without a word; look into the log of the process that died, then sync again",
            job.attempts_max
        )))
    } else {
        tokio::select! {
            result = jobs::perform(hub, &job, lease, progress) => result,
            lost = lease::keep(hub, lease, progress) => Err(lost),
            () = shutdown.cancelled() => Err(HubError::JobEnded(SHUT_DOWN)),
        }
    };
    let ending = ending(hub, &job, result);
    let view = serde_json::to_value(progress.view()).ok();
    if let Some(ending) = ending {
        note(progress.log(), hub.now(), &ending);
        if let Err(error) = jobs_seen::flush(hub, lease, progress).await {
            tracing::warn!(job.id = %job.id, error = %error, "the last lines of a job's log could not be written");
        }
        end(hub, &job, lease, ending, view).await?;
    }
    // However it ended: what this attempt left half done, another one may have completed in its place.
    if let Err(error) = sync::sweep_leftovers(hub).await {
        tracing::warn!(job.id = %job.id, error = %error, "what a job left in staging could not be looked through");
    }
    Ok(true)
}

/// Writes how an attempt ended; a sync that is given up is told as an event.
async fn end(
    hub: &Hub,
    job: &Job,
    lease: Lease,
    ending: Ending,
    view: Option<serde_json::Value>,
) -> Result<(), HubError> {
    let failure = match &ending {
        Ending::Failed { error, .. } => Some(error.clone()),
        _ => None,
    };
    let tx = hub.db().begin().await?;
    let held = queue::finish(&tx, lease, ending, view, hub.now()).await?;
    if let Some(error) = failure.filter(|_| held) {
        jobs::tell_failure(hub, &tx, job, &error).await?;
    }
    Ok(commit(tx).await?)
}

const SHUT_DOWN: &str = "interrupted because this process ends";

/// Tells in the log of a job how an attempt ended.
fn note(log: &JobLog, at: Timestamp, ending: &Ending) {
    match ending {
        Ending::Succeeded(_) => log.info(at, "done"),
        Ending::Retry { error, run_at } => log.warn(at, format!("waiting until {run_at} because of this: {error}")),
        Ending::Deferred { reason, run_at } => log.info(at, format!("goes on at {run_at}: {reason}")),
        Ending::HandedBack => log.warn(at, "let go of; what has arrived is kept, and the attempt does not count"),
        Ending::Failed { error, .. } => log.error(at, format!("failed: {error}")),
        Ending::Cancelled => log.warn(at, "stopped; what has arrived is kept"),
    }
}

/// What to write of an attempt; `None` if it is not ours to write.
fn ending(hub: &Hub, job: &Job, result: Result<serde_json::Value, HubError>) -> Option<Ending> {
    let error = match result {
        Ok(outcome) => {
            tracing::info!(job.id = %job.id, job.kind = job.kind, "a job is done");
            return Some(Ending::Succeeded(outcome));
        }
        Err(error) => error,
    };
    match &error {
        HubError::JobEnded(SHUT_DOWN) => return Some(Ending::HandedBack),
        HubError::JobEnded(lease::PAUSED) => return Some(Ending::HandedBack),
        HubError::JobEnded(lease::CANCELLED) => return Some(Ending::Cancelled),
        HubError::JobEnded(_) => {
            tracing::warn!(job.id = %job.id, "a job was taken over by another worker");
            return None;
        }
        _ => {}
    }
    let waits = match &error {
        HubError::Waits { until, .. } => Some(*until),
        // The upstream has said when: to ask earlier would only cost another refusal.
        HubError::Upstream(UpstreamError::RateLimited { retry_after: Some(wait), .. }) => {
            Some(hub.now().plus_seconds(i64::try_from(wait.as_secs()).unwrap_or(i64::MAX).saturating_add(1)))
        }
        _ => None,
    };
    if let Some(run_at) = waits {
        tracing::info!(job.id = %job.id, "a job goes on at {run_at}: {error}");
        return Some(Ending::Deferred { reason: error.to_string(), run_at });
    }
    if error.is_transient() && job.attempts < job.attempts_max {
        let wait = RETRY_SECONDS << (job.attempts - 1).clamp(0, 6);
        tracing::warn!(job.id = %job.id, job.attempts, error = %error, "a job failed and will be tried again in {wait} s");
        return Some(Ending::Retry { error: error.to_string(), run_at: hub.now().plus_seconds(wait) });
    }
    tracing::error!(job.id = %job.id, job.attempts, error = ?error, "a job failed: {error}");
    Some(Ending::Failed { error: error.to_string(), outcome: None })
}
