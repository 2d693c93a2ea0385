//! `acervo sync`: queues a job, then follows it if a worker is alive, else works it itself.

use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use acervo_core::Caller;
use acervo_core::lock::Pin;
use acervo_store::db::jobs::{self, Job, State};
use acervo_store::db::mirrors::Mirror;
use clap::Args;
use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use crate::app::sync::{self, Plan, Progress, ProgressView, SyncOutcome};
use crate::app::{events, jobs as jobs_seen, locks, mirrors};
use crate::cli::progress::Display;
use crate::cli::{RepoArgs, lock, mirror, parse_kind, print};
use crate::context::Hub;
use crate::error::HubError;
use crate::worker;

/// Time between two looks at a job.
const LOOK_PERIOD: Duration = Duration::from_millis(100);

/// What to sync.
#[derive(Debug, Args)]
pub(super) struct SyncArgs {
    /// Repository to bring up to date, `namespace/name`
    #[arg(required_unless_present_any = ["all", "locked"], conflicts_with_all = ["all", "locked"])]
    repo: Option<String>,
    /// Its type: model, dataset or space
    #[arg(long = "type", value_name = "TYPE", value_parser = parse_kind, conflicts_with_all = ["all", "locked"])]
    kind: Option<acervo_core::RepoKind>,
    /// Every mirror that is not paused
    #[arg(long)]
    all: bool,
    /// Bring exactly what a lockfile names, whatever upstream has now; mirrors that are not here are made
    #[arg(long, value_name = "FILE", num_args = 0..=1, default_missing_value = lock::LOCK_FILE, conflicts_with_all = ["all", "dry_run"])]
    locked: Option<PathBuf>,
    /// Say what would be fetched, and change nothing
    #[arg(long)]
    dry_run: bool,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// Runs `acervo sync`.
pub(super) async fn run(hub: &Hub, args: SyncArgs) -> Result<ExitCode, HubError> {
    let chosen: Vec<(Mirror, Option<Pin>)> = match (args.repo, &args.locked) {
        (Some(repo), _) => vec![(mirror::find(hub, &RepoArgs { repo, kind: args.kind }).await?, None)],
        (None, Some(file)) => {
            let locked = lock::read_lock(file)?;
            let prepared = locks::prepare(hub, &Caller::System, &locked).await?;
            prepared.into_iter().map(|(mirror, pin)| (mirror, Some(pin))).collect()
        }
        (None, None) => {
            let all = mirrors::list(hub, &Caller::System).await?.into_iter();
            all.filter(|mirror| !mirror.paused).map(|mirror| (mirror, None)).collect()
        }
    };
    if chosen.is_empty() {
        return Err(HubError::NotFound(
            "there are no mirrors; add one with `acervo mirror add namespace/name`".to_owned(),
        ));
    }
    let mut reports = Vec::new();
    let mut failed = false;
    let stop = stop_on_interrupt();
    for (mirror, pin) in &chosen {
        if stop.is_cancelled() {
            break;
        }
        let report = if args.dry_run {
            tokio::select! {
                planned = dry_run(hub, mirror, args.json) => planned,
                () = stop.cancelled() => Err(HubError::JobEnded("interrupted")),
            }
        } else {
            let queued = match pin {
                Some(pin) => sync::enqueue_pinned(hub, &Caller::System, mirror, pin.clone()).await,
                None => sync::enqueue(hub, &Caller::System, mirror).await,
            };
            match queued {
                Ok(job) => ended(hub, mirror, job, args.json, &stop).await.map(|done| done.report),
                Err(error) => Err(error),
            }
        };
        match report {
            Ok(report) => {
                failed |= ["failed", "cancelled", "paused"].iter().any(|state| report["state"] == *state);
                reports.push(report);
            }
            Err(error) => {
                failed = true;
                print::failure(&format!("`{}`: {error}", mirror.repo.name));
                reports.push(json!({ "repo": mirror.repo.name, "type": mirror.repo.kind, "state": "failed", "error": error.to_string() }));
            }
        }
    }
    if args.json {
        println!("{}", Value::Array(reports));
    }
    events::number_waiting(hub).await?;
    Ok(if failed { ExitCode::FAILURE } else { ExitCode::SUCCESS })
}

/// A token that Ctrl-C cancels. It remembers: an interrupt between two waits is not lost.
pub(super) fn stop_on_interrupt() -> CancellationToken {
    let stop = CancellationToken::new();
    let cancel = stop.clone();
    tokio::spawn(async move {
        if tokio::signal::ctrl_c().await.is_ok() {
            cancel.cancel();
        }
    });
    stop
}

/// A sync that ended.
#[derive(Clone, Debug)]
pub(super) struct Done {
    /// What came of it, if it succeeded.
    pub(super) outcome: Option<SyncOutcome>,
    /// Everything, for machines.
    pub(super) report: Value,
}

/// Syncs one mirror to its end or until `stop`, showing how it goes.
pub(super) async fn one(hub: &Hub, mirror: &Mirror, silent: bool, stop: &CancellationToken) -> Result<Done, HubError> {
    let job = sync::enqueue(hub, &Caller::System, mirror).await?;
    ended(hub, mirror, job, silent, stop).await
}

/// Follows a job that syncs a mirror to its end or until `stop`.
async fn ended(hub: &Hub, mirror: &Mirror, id: Uuid, silent: bool, stop: &CancellationToken) -> Result<Done, HubError> {
    let mut display = Display::new(mirror.repo.name.as_str(), silent);
    let job = follow(hub, id, &mut display, stop).await?;
    let outcome: Option<SyncOutcome> = job.outcome.clone().and_then(|value| serde_json::from_value(value).ok());
    let state = match job.state {
        State::Succeeded | State::Cancelled | State::Paused => job.state.as_str(),
        State::Failed | State::Queued | State::Running => State::Failed.as_str(),
    };
    match (&outcome, job.state) {
        (Some(outcome), State::Succeeded) => display.finish(&summary(outcome)),
        (_, State::Paused) => {
            display.finish("paused");
            print::failure(&format!("its sync is paused; `acervo jobs resume {id}` lets it go on"));
        }
        (_, State::Cancelled) => display.finish("stopped; what has arrived is kept for the next sync"),
        _ => {
            display.finish("failed");
            print::failure(job.error.as_deref().unwrap_or("the sync failed without saying why"));
        }
    }
    let report = json!({
        "repo": mirror.repo.name, "type": mirror.repo.kind, "job": id, "state": state, "error": job.error,
        "outcome": outcome,
    });
    Ok(Done { outcome: outcome.filter(|_| job.state == State::Succeeded), report })
}

/// What a sync did, in one line.
fn summary(outcome: &SyncOutcome) -> String {
    if outcome.revisions.iter().all(|revision| !revision.changed) {
        return "up to date, nothing to fetch".to_owned();
    }
    let revisions: Vec<String> = outcome
        .revisions
        .iter()
        .map(|revision| format!("{} is {}", revision.revision, &revision.commit.to_hex()[..8]))
        .collect();
    format!(
        "fetched and verified {} ({}), {} held already; {}",
        print::files(outcome.files_fetched),
        print::size(outcome.bytes_fetched),
        print::files(outcome.files_held),
        revisions.join(", ")
    )
}

/// Waits for a job, working it here while no worker is alive.
async fn follow(hub: &Hub, id: Uuid, display: &mut Display, stop: &CancellationToken) -> Result<Job, HubError> {
    let never = CancellationToken::new();
    let me = Uuid::now_v7();
    let mut looks = tokio::time::interval(LOOK_PERIOD);
    // Goes on beside the work, never in its place: both may need the one connection that writes.
    let mut cancel = std::pin::pin!(cancel_on(hub, id, stop));
    let mut cancelled = false;
    loop {
        let job = job(hub, id).await?;
        // Nobody knows when somebody resumes it.
        if job.finished_at.is_some() || job.state == State::Paused {
            return Ok(job);
        }
        if worker::is_alive(hub).await? {
            display.show(&remote_view(&job));
            tokio::select! {
                _ = looks.tick() => {}
                () = stop.cancelled() => {
                    eprintln!("the sync goes on in the running server");
                    return Err(HubError::JobEnded("left to the running server"));
                }
            }
            continue;
        }
        let progress = Arc::new(Progress::default());
        let mut work = std::pin::pin!(worker::run_once(hub, me, Some(id), &progress, &never));
        let worked = loop {
            tokio::select! {
                worked = &mut work => break worked?,
                _ = looks.tick() => display.show(&progress.view()),
                asked = &mut cancel, if !cancelled => {
                    cancelled = true;
                    asked?;
                }
            }
        };
        if !worked {
            display.show(&waiting_view(hub, &job));
            tokio::select! {
                _ = looks.tick() => {}
                asked = &mut cancel, if !cancelled => {
                    cancelled = true;
                    asked?;
                }
            }
        }
    }
}

/// Cancels a job once `stop` says so.
async fn cancel_on(hub: &Hub, id: Uuid, stop: &CancellationToken) -> Result<(), HubError> {
    stop.cancelled().await;
    eprintln!("stopping; what has arrived is kept");
    match jobs_seen::cancel(hub, &Caller::System, id).await {
        // It ended by itself.
        Ok(_) | Err(HubError::Conflict(_)) => Ok(()),
        Err(error) => Err(error),
    }
}

async fn job(hub: &Hub, id: Uuid) -> Result<Job, HubError> {
    jobs::by_id(hub.db().reader(), id).await?.ok_or_else(|| HubError::Internal(format!("job {id} vanished")))
}

/// How far a job in another process has come, by its last heartbeat.
fn remote_view(job: &Job) -> ProgressView {
    let view = job.progress.clone().and_then(|value| serde_json::from_value(value).ok());
    view.unwrap_or_else(|| ProgressView { phase: "waiting for a worker".to_owned(), ..ProgressView::default() })
}

/// Why a job that nobody works on does not move.
fn waiting_view(hub: &Hub, job: &Job) -> ProgressView {
    let seconds = (job.run_at.0 - hub.now().as_millis()).max(0) / 1000;
    let phase = match &job.error {
        Some(error) if seconds > 0 => format!("trying again in {seconds} s: {error}"),
        _ => "waiting for another process to let go of it".to_owned(),
    };
    ProgressView { phase, ..ProgressView::default() }
}

/// Says what a sync would fetch.
async fn dry_run(hub: &Hub, mirror: &Mirror, quiet: bool) -> Result<Value, HubError> {
    let plan = sync::plan(hub, &mirror.into(), &Progress::default()).await?;
    let totals = plan.totals();
    if !quiet {
        print_plan(mirror, &plan);
    }
    let files: Vec<Value> = plan
        .commits
        .iter()
        .filter_map(|planned| Some((planned.oid, planned.fetch.as_ref()?)))
        .flat_map(|(oid, fetch)| fetch.missing.iter().map(move |content| (oid, content)))
        .map(|(oid, content)| json!({ "commit": oid, "path": content.entry.path, "size": content.entry.size }))
        .collect();
    let revisions: Vec<Value> =
        plan.revisions.iter().map(|found| json!({ "revision": found.revision, "commit": found.commit })).collect();
    Ok(json!({
        "repo": mirror.repo.name, "type": mirror.repo.kind, "state": "planned", "revisions": revisions,
        "totals": totals, "files": files,
    }))
}

fn print_plan(mirror: &Mirror, plan: &Plan) {
    for revision in &plan.revisions {
        println!("{} {} is commit {}", mirror.repo.name, revision.revision, revision.commit);
    }
    for content in plan.commits.iter().filter_map(|planned| planned.fetch.as_ref()).flat_map(|fetch| &fetch.missing) {
        println!("  {:>10}  {}", print::size(content.entry.size), content.entry.path);
    }
    let totals = plan.totals();
    println!(
        "to fetch: {} ({}); held: {} ({})",
        print::files(totals.files_to_fetch),
        print::size(totals.bytes_to_fetch),
        print::files(totals.files_held),
        print::size(totals.bytes_held)
    );
}
