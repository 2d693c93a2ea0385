//! `acervo jobs`: what is being done, what was done, and steering it.

use std::collections::HashMap;
use std::process::ExitCode;
use std::time::Duration;

use acervo_core::Caller;
use acervo_store::db::jobs::State;
use clap::{Args, Subcommand};
use indicatif::MultiProgress;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use crate::app::events;
use crate::app::jobs::{self, JobPage, JobQuery, JobView, LogView};
use crate::app::sync::ProgressView;
use crate::cli::print;
use crate::cli::progress::Display;
use crate::cli::sync::stop_on_interrupt;
use crate::context::Hub;
use crate::error::HubError;

/// Time between two looks at jobs.
const LOOK_PERIOD: Duration = Duration::from_millis(250);

/// Most jobs that are followed at once.
const WATCHED_MAX: u64 = 50;

/// Digits of an id that tables show: those at its end, which differ most.
const SHOWN_DIGITS: usize = 8;

/// What to do with jobs.
#[derive(Debug, Subcommand)]
pub(super) enum JobsCommand {
    /// List jobs, the newest first
    List(ListArgs),
    /// Show one job and its log
    Show {
        #[command(flatten)]
        job: JobArgs,
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
    /// Show live how a job goes, or all that are running, until they end
    Watch {
        /// Job: its id, or 4 or more digits from the beginning or end of it
        id: Option<String>,
    },
    /// End a job; what has arrived is kept for the next sync
    Cancel(JobArgs),
    /// Put a job aside; what has arrived is kept
    Pause(JobArgs),
    /// Let a paused job go on where it stopped
    Resume(JobArgs),
    /// Queue once more what a failed or cancelled job was to do
    Retry(JobArgs),
}

/// Which jobs to list.
#[derive(Debug, Args)]
pub(super) struct ListArgs {
    /// Only these: queued, running, paused, succeeded, failed or cancelled
    #[arg(long)]
    state: Option<State>,
    /// Only those about this repository, `namespace/name`
    #[arg(long)]
    repo: Option<String>,
    /// Most jobs to list
    #[arg(long, default_value_t = 50)]
    limit: u64,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// Which job a command means.
#[derive(Debug, Args)]
pub(super) struct JobArgs {
    /// Job: its id, or 4 or more digits from the beginning or end of it
    id: String,
}

/// Runs `acervo jobs ..`.
pub(super) async fn run(hub: &Hub, command: JobsCommand) -> Result<ExitCode, HubError> {
    let caller = Caller::System;
    let id_of = async |args: &JobArgs| jobs::named(hub, &caller, &args.id).await;
    match command {
        JobsCommand::List(args) => list(hub, &args).await?,
        JobsCommand::Show { job, json } => show(hub, id_of(&job).await?, json).await?,
        JobsCommand::Watch { id: Some(id) } => {
            return watch_one(hub, jobs::named(hub, &caller, &id).await?).await;
        }
        JobsCommand::Watch { id: None } => return watch_running(hub).await,
        JobsCommand::Cancel(args) => {
            let job = jobs::cancel(hub, &caller, id_of(&args).await?).await?;
            println!("job {} {}", job.id, if job.has_ended() { "is cancelled" } else { "ends within seconds" });
        }
        JobsCommand::Pause(args) => {
            let job = jobs::pause(hub, &caller, id_of(&args).await?).await?;
            let how = if job.pause_requested { "is put aside within seconds" } else { "is paused" };
            println!("job {} {how}; `acervo jobs resume` lets it go on", job.id);
        }
        JobsCommand::Resume(args) => {
            let job = jobs::resume(hub, &caller, id_of(&args).await?).await?;
            println!("job {} goes on", job.id);
        }
        JobsCommand::Retry(args) => {
            let job = jobs::retry(hub, &caller, id_of(&args).await?).await?;
            println!("queued as job {}; `acervo jobs watch` shows how it goes", job.id);
        }
    }
    events::number_waiting(hub).await?;
    Ok(ExitCode::SUCCESS)
}

async fn list(hub: &Hub, args: &ListArgs) -> Result<(), HubError> {
    let query = JobQuery { state: args.state, repo: args.repo.clone(), before: None, limit: args.limit };
    let JobPage { jobs, .. } = jobs::list(hub, &Caller::System, &query).await?;
    if args.json {
        println!("{}", print::as_json(&jobs)?);
        return Ok(());
    }
    if jobs.is_empty() {
        println!("no such jobs; `acervo sync` makes them");
        return Ok(());
    }
    let rows: Vec<Vec<String>> = jobs
        .iter()
        .map(|job| {
            let ended = job.finished_at.map_or_else(String::new, |at| at.to_string());
            vec![short(job.id), job.state.to_owned(), job.subject(), came(job), job.created_at.to_string(), ended]
        })
        .collect();
    print::table(&["job", "state", "repository", "came", "queued", "ended"], &rows);
    Ok(())
}

/// The digits of an id by which tables tell jobs apart.
fn short(id: Uuid) -> String {
    let whole = id.simple().to_string();
    whole[whole.len() - SHOWN_DIGITS..].to_owned()
}

/// How far a job has come.
fn came(job: &JobView) -> String {
    match job.progress_view() {
        Some(view) if view.bytes_total > 0 => {
            format!("{} of {}", print::size(view.bytes_done), print::size(view.bytes_total))
        }
        Some(view) => print::one_line(&view.phase),
        None => String::new(),
    }
}

async fn show(hub: &Hub, id: Uuid, json: bool) -> Result<(), HubError> {
    let job = jobs::get(hub, &Caller::System, id).await?;
    let log = jobs::lines(hub, &Caller::System, id, 0).await?;
    if json {
        let mut shown = print::as_json(&job)?;
        shown["log"] = print::as_json(&log)?;
        println!("{shown}");
        return Ok(());
    }
    let at = |time: Option<acervo_core::Timestamp>| time.map_or_else(|| "not yet".to_owned(), |time| time.to_string());
    let rows = [
        ("job", job.id.to_string()),
        ("state", state(&job)),
        ("repository", job.subject()),
        ("asked by", job.created_by.clone().unwrap_or_else(|| "system".to_owned())),
        ("queued", job.created_at.to_string()),
        ("due", job.run_at.to_string()),
        ("started", at(job.started_at)),
        ("ended", at(job.finished_at)),
        ("attempts", format!("{} of {}", job.attempts, job.attempts_max)),
        ("came", came(&job)),
        ("error", print::one_line(job.error.as_deref().unwrap_or("none"))),
    ];
    for (name, value) in rows {
        println!("{name:<11} {value}");
    }
    if !log.is_empty() {
        println!();
    }
    log.iter().for_each(|line| println!("{}", told(line)));
    Ok(())
}

fn state(job: &JobView) -> String {
    match (job.cancel_requested && !job.has_ended(), job.pause_requested) {
        (true, _) => format!("{}, to be cancelled", job.state),
        (_, true) => format!("{}, to be paused", job.state),
        _ => job.state.to_owned(),
    }
}

fn told(line: &LogView) -> String {
    format!("{}  {:<5}  {}", line.at, line.level, print::one_line(&line.text))
}

/// Follows one job to its end; fails if it does.
async fn watch_one(hub: &Hub, id: Uuid) -> Result<ExitCode, HubError> {
    let stop = stop_on_interrupt();
    let first = jobs::get(hub, &Caller::System, id).await?;
    let mut display = Display::new(&first.subject(), false);
    let mut seen = 0;
    let mut looks = tokio::time::interval(LOOK_PERIOD);
    loop {
        // The job before its log: whatever was told of it until its end is there then.
        let job = jobs::get(hub, &Caller::System, id).await?;
        for line in jobs::lines(hub, &Caller::System, id, seen).await? {
            seen = line.seq;
            display.say(&told(&line));
        }
        if job.has_ended() {
            display.finish(&ending(&job));
            return Ok(if job.state == State::Succeeded.as_str() { ExitCode::SUCCESS } else { ExitCode::FAILURE });
        }
        display.show(&view(&job));
        if !next_look(&mut looks, &stop).await {
            return Ok(ExitCode::SUCCESS);
        }
    }
}

/// Follows all jobs that are running, until none is.
async fn watch_running(hub: &Hub) -> Result<ExitCode, HubError> {
    let stop = stop_on_interrupt();
    let group = MultiProgress::new();
    let mut shown: HashMap<Uuid, Display> = HashMap::new();
    let mut looks = tokio::time::interval(LOOK_PERIOD);
    let query = JobQuery { state: Some(State::Running), limit: WATCHED_MAX, ..JobQuery::default() };
    let mut any = false;
    loop {
        let running = jobs::list(hub, &Caller::System, &query).await?.jobs;
        let gone: Vec<Uuid> = shown.keys().copied().filter(|id| running.iter().all(|job| job.id != *id)).collect();
        for id in gone {
            let job = jobs::get(hub, &Caller::System, id).await?;
            if let Some(mut display) = shown.remove(&id) {
                display.finish(&ending(&job));
            }
        }
        if running.is_empty() {
            if !any {
                println!("no job is running");
            }
            return Ok(ExitCode::SUCCESS);
        }
        any = true;
        for job in &running {
            shown.entry(job.id).or_insert_with(|| Display::among(&group, &job.subject())).show(&view(job));
        }
        if !next_look(&mut looks, &stop).await {
            return Ok(ExitCode::SUCCESS);
        }
    }
}

/// Waits until it is time to look again; false if somebody had enough.
async fn next_look(looks: &mut tokio::time::Interval, stop: &CancellationToken) -> bool {
    tokio::select! {
        _ = looks.tick() => true,
        () = stop.cancelled() => false,
    }
}

/// How far a job has come, or why it does not move.
fn view(job: &JobView) -> ProgressView {
    let waits = |phase: String| ProgressView { phase, ..ProgressView::default() };
    match (job.state, &job.error) {
        ("running", _) => job.progress_view().unwrap_or_else(|| waits("starting".to_owned())),
        ("queued", Some(error)) => waits(format!("waits until {}: {error}", job.run_at)),
        (other, _) => waits(other.to_owned()),
    }
}

/// How a job ended, in one line.
fn ending(job: &JobView) -> String {
    match &job.error {
        Some(error) => format!("{}: {error}", job.state),
        None => job.state.to_owned(),
    }
}
