//! `acervo mirror`: standing orders.

use std::process::ExitCode;

use acervo_core::gate::GateMode;
use acervo_core::order::{ByteSize, Cron, Limits, Timing, Zone};
use acervo_core::selection::Preset;
use acervo_core::{Caller, RepoId, RepoKind, Selection, Visibility};
use acervo_store::db::mirrors::{ManagedBy, Mirror};
use clap::{Args, Subcommand};
use serde_json::{Value, json};

use crate::app::mirrors::{self, MirrorRequest};
use crate::cli::{RepoArgs, lock, orders, parse_kind, print, seed};
use crate::context::Hub;
use crate::error::HubError;

/// What to do with mirrors.
#[derive(Debug, Subcommand)]
pub(super) enum MirrorCommand {
    /// Add a mirror, or change what an existing one follows and holds
    Add(Box<AddArgs>),
    /// List all mirrors
    List {
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
    /// Show one mirror
    Show {
        #[command(flatten)]
        repo: RepoArgs,
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
    /// Suspend the schedule of a mirror; it can still be synced by hand
    Pause {
        #[command(flatten)]
        repo: RepoArgs,
    },
    /// Let the schedule of a mirror go on
    Resume {
        #[command(flatten)]
        repo: RepoArgs,
    },
    /// Remove a mirror; what it fetched stays and is served
    Remove {
        #[command(flatten)]
        repo: RepoArgs,
    },
    /// Say what `apply` would change and what a sync would then fetch; changes nothing
    ///
    /// Ends with 0 if there is nothing to do, with 2 if there is something to change or to fetch, and with 1 if something
    /// failed or is refused.
    Plan(orders::OrdersArgs),
    /// Make mirrors what the orders of a file say; fetches nothing
    ///
    /// Changes only what belongs to the file. Ends with 0 if all is as the file says now, and with 1 if something failed or
    /// is refused; what is not refused is done all the same.
    Apply(orders::OrdersArgs),
    /// Write down the commits that mirrors serve and the digest of every file; `acervo sync --locked` brings the same
    Lock(lock::LockArgs),
    /// Compare two lockfiles
    ///
    /// Ends with 0 if they are equal, with 2 if they differ, and with 1 if one cannot be read.
    Diff(lock::DiffArgs),
    /// Take what mirrors lack from a disk, verified like any other bytes; says what is left to fetch
    Seed(seed::SeedArgs),
}

/// A mirror to add.
#[derive(Debug, Args)]
pub(super) struct AddArgs {
    /// Repository at the upstream: `namespace/name`, or a bare name such as `gpt2`
    repo: String,
    /// Its type: model, dataset or space
    #[arg(long = "type", value_name = "TYPE", value_parser = parse_kind, default_value = "model")]
    kind: RepoKind,
    /// Branch, tag, `refs/..` name or commit id to follow; repeat for several [default: main]
    #[arg(long, value_name = "REVISION")]
    revision: Vec<String>,
    /// Hold only entries that match; `*` crosses folders; repeat for several
    #[arg(long, value_name = "GLOB")]
    include: Vec<String>,
    /// Leave out entries that match; repeat for several
    #[arg(long, value_name = "GLOB")]
    exclude: Vec<String>,
    /// Leave out by name: safetensors-only, no-duplicates, or all but one quantisation as in gguf:Q4_K_M; repeat for
    /// several
    #[arg(long, value_name = "PRESET")]
    preset: Vec<Preset>,
    /// Name here, if it is to be another than upstream's
    #[arg(long = "as", value_name = "NAMESPACE/NAME")]
    local_name: Option<RepoId>,
    /// Who may read it: public, internal or private; only when it is added [default: public]
    #[arg(long)]
    visibility: Option<Visibility>,
    /// Of the tags that patterns such as `--revision 'v*'` find, only so many of the highest versions
    #[arg(long, value_name = "COUNT", value_parser = clap::value_parser!(u32).range(1..=100))]
    newest_tags: Option<u32>,
    #[command(flatten)]
    rules: RuleArgs,
    /// What stands before its contents: none, auto or manual; only when it is added [default: manual if upstream gates
    /// it, else none]
    #[arg(long)]
    gate: Option<GateMode>,
}

/// When a mirror is due, and how large it may be; what is not given stays as it is.
#[derive(Debug, Args)]
struct RuleArgs {
    /// When it is due: minute, hour, day of the month, month, day of the week, as in '30 2 * * *'
    #[arg(long, value_name = "CRON")]
    schedule: Option<Cron>,
    /// Time zone of the schedule, such as Europe/Berlin [default: UTC]
    #[arg(long, value_name = "ZONE", requires = "schedule")]
    time_zone: Option<Zone>,
    /// Most seconds by which it is late, so that not all mirrors come at once [default: 0]
    #[arg(long, value_name = "SECONDS", requires = "schedule")]
    jitter_seconds: Option<u32>,
    /// Larger goes first [default: 0]
    #[arg(long, value_name = "NUMBER", requires = "schedule", allow_negative_numbers = true)]
    priority: Option<i32>,
    /// Largest file that is held, such as '100 GB'; what is above is refused
    #[arg(long, value_name = "SIZE")]
    file_bytes_max: Option<ByteSize>,
    /// Most bytes of all files of a commit that are held; what is above is refused
    #[arg(long, value_name = "SIZE")]
    repo_bytes_max: Option<ByteSize>,
}

impl RuleArgs {
    fn timing(&self) -> Option<Timing> {
        let schedule = self.schedule.clone()?;
        let ordinary = Timing::default();
        Some(Timing {
            schedule: Some(schedule),
            time_zone: self.time_zone.clone().unwrap_or(ordinary.time_zone),
            jitter_seconds: self.jitter_seconds.unwrap_or(ordinary.jitter_seconds),
            priority: self.priority.unwrap_or(ordinary.priority),
            windows: ordinary.windows,
        })
    }

    fn limits(&self) -> Option<Limits> {
        let limits = Limits {
            file_bytes_max: self.file_bytes_max.map(|size| size.0),
            repo_bytes_max: self.repo_bytes_max.map(|size| size.0),
        };
        (limits != Limits::default()).then_some(limits)
    }
}

/// Runs `acervo mirror ..`.
pub(super) async fn run(hub: &Hub, command: MirrorCommand) -> Result<ExitCode, HubError> {
    let caller = Caller::System;
    match command {
        MirrorCommand::Add(args) => {
            let request = MirrorRequest {
                kind: args.kind,
                upstream_name: args.repo,
                revisions: args.revision,
                selection: Selection { include: args.include, exclude: args.exclude, presets: args.preset },
                local_name: args.local_name,
                visibility: args.visibility.unwrap_or(Visibility::Public),
                newest_tags: args.newest_tags,
                limits: args.rules.limits(),
                timing: args.rules.timing(),
                gate: args.gate,
            };
            let mirror = mirrors::add(hub, &caller, &request).await?;
            if args.visibility.is_some_and(|wished| wished != mirror.repo.visibility) {
                let (name, visibility) = (&mirror.repo.name, mirror.repo.visibility.as_str());
                eprintln!(
                    "`{name}` was here before and stays {visibility}: `--visibility` counts when it is added first"
                );
            }
            if args.gate.is_some_and(|wished| wished != mirror.repo.gated.into()) {
                let name = &mirror.repo.name;
                eprintln!(
                    "`{name}` was here before and keeps its gate: `--gate` counts when it is added first, `acervo gate set` \
                     changes it"
                );
            }
            println!(
                "{} `{}` mirrors `{}` of {}; fetch it with `acervo sync {}`",
                mirror.repo.kind, mirror.repo.name, mirror.upstream_name, mirror.endpoint, mirror.repo.name
            );
        }
        MirrorCommand::Plan(args) => return orders::plan(hub, &args).await,
        MirrorCommand::Apply(args) => return orders::apply(hub, &args).await,
        MirrorCommand::Lock(args) => return lock::lock(hub, &args).await,
        MirrorCommand::Diff(args) => return lock::diff(&args),
        MirrorCommand::Seed(args) => return seed::seed(hub, &args).await,
        MirrorCommand::List { json: true } => {
            let all: Vec<Value> = mirrors::list(hub, &caller).await?.iter().map(describe).collect();
            println!("{}", Value::Array(all));
        }
        MirrorCommand::List { json: false } => list(&mirrors::list(hub, &caller).await?),
        MirrorCommand::Show { repo, json } => {
            let mirror = find(hub, &repo).await?;
            if json { println!("{}", describe(&mirror)) } else { show(&mirror) }
        }
        MirrorCommand::Pause { repo } => {
            let paused = mirrors::set_paused(hub, &caller, &find(hub, &repo).await?, true).await?;
            println!("the schedule of `{0}` is suspended; `acervo mirror resume {0}` lets it go on", paused.repo.name);
        }
        MirrorCommand::Resume { repo } => {
            let resumed = mirrors::set_paused(hub, &caller, &find(hub, &repo).await?, false).await?;
            println!("the schedule of `{}` goes on", resumed.repo.name);
        }
        MirrorCommand::Remove { repo } => {
            let kind = find(hub, &repo).await?.repo.kind;
            let removed = mirrors::remove(hub, &caller, kind, &repo.repo).await?;
            println!("the mirror of `{}` is removed; what it fetched stays and is served", removed.repo.name);
        }
    }
    Ok(ExitCode::SUCCESS)
}

/// The mirror a command names; without a type, the only one of that name.
pub(super) async fn find(hub: &Hub, args: &RepoArgs) -> Result<Mirror, HubError> {
    if let Some(kind) = args.kind {
        return mirrors::get(hub, &Caller::System, kind, &args.repo).await;
    }
    let mut found = Vec::new();
    for kind in RepoKind::ALL {
        match mirrors::get(hub, &Caller::System, kind, &args.repo).await {
            Ok(mirror) => found.push(mirror),
            Err(HubError::NotFound(_)) => {}
            Err(error) => return Err(error),
        }
    }
    match (found.pop(), found.len()) {
        (Some(only), 0) => Ok(only),
        (None, _) => Err(HubError::NotFound(format!(
            "there is no mirror of `{0}`; add it with `acervo mirror add {0}`",
            args.repo
        ))),
        (Some(_), _) => Err(HubError::Invalid(format!(
            "several types of `{}` are mirrored; say which with `--type model`, `--type dataset` or `--type space`",
            args.repo
        ))),
    }
}

/// The mirrors that are named, or all.
pub(super) async fn chosen(hub: &Hub, names: &[String]) -> Result<Vec<Mirror>, HubError> {
    if names.is_empty() {
        return mirrors::list(hub, &Caller::System).await;
    }
    let mut found = Vec::with_capacity(names.len());
    for name in names {
        found.push(find(hub, &RepoArgs { repo: name.clone(), kind: None }).await?);
    }
    Ok(found)
}

fn list(all: &[Mirror]) {
    if all.is_empty() {
        println!("no mirrors yet; add one with `acervo mirror add namespace/name`");
        return;
    }
    let rows: Vec<Vec<String>> = all
        .iter()
        .map(|mirror| {
            let synced = mirror.last_synced_at.map_or_else(|| "never".to_owned(), |at| at.to_string());
            vec![mirror.repo.name.to_string(), mirror.repo.kind.to_string(), revisions(mirror), part(mirror), synced]
        })
        .collect();
    print::table(&["repository", "type", "revisions", "holds", "synced"], &rows);
}

fn show(mirror: &Mirror) {
    let synced = mirror.last_synced_at.map_or_else(|| "never".to_owned(), |at| at.to_string());
    let rows = [
        ("repository", format!("{} ({})", mirror.repo.name, mirror.repo.kind)),
        ("upstream", format!("{} of {}", mirror.upstream_name, mirror.endpoint)),
        ("revisions", revisions(mirror)),
        ("holds", part(mirror)),
        ("managed by", managed_by(mirror).to_owned()),
        ("due", due(mirror)),
        ("visibility", mirror.repo.visibility.as_str().to_owned()),
        ("gate", GateMode::from(mirror.repo.gated).to_string()),
        ("synced", synced),
    ];
    for (name, value) in rows {
        println!("{name:<11} {value}");
    }
    if let Some((kind, since)) = trouble(mirror) {
        println!("{:<11} {kind} since {since}", "trouble");
    }
}

fn due(mirror: &Mirror) -> String {
    match mirror.next_run_at {
        None => "by hand".to_owned(),
        Some(at) if mirror.paused => format!("{at}, if it were not paused"),
        Some(at) => at.to_string(),
    }
}

fn revisions(mirror: &Mirror) -> String {
    let follow = &mirror.rules.follow;
    let mut parts: Vec<String> = follow.revisions.iter().map(ToString::to_string).collect();
    if parts.is_empty() {
        parts.push("main".to_owned());
    }
    parts.extend(follow.newest_tags.map(|count| format!("newest {count} tags")));
    parts.extend(follow.newest_commits.map(|count| format!("newest {count} commits")));
    parts.join(", ")
}

fn part(mirror: &Mirror) -> String {
    let selection = &mirror.rules.selection;
    let mut parts = Vec::new();
    if !selection.include.is_empty() {
        parts.push(format!("only {}", selection.include.join(", ")));
    }
    if !selection.exclude.is_empty() {
        parts.push(format!("not {}", selection.exclude.join(", ")));
    }
    parts.extend(selection.presets.iter().map(ToString::to_string));
    if parts.is_empty() { "everything".to_owned() } else { parts.join("; ") }
}

fn managed_by(mirror: &Mirror) -> &'static str {
    match mirror.managed_by {
        ManagedBy::File => "file",
        ManagedBy::Api => "api",
    }
}

/// Why upstream does not have it any more, and since when, as the last sync found it.
fn trouble(mirror: &Mirror) -> Option<(&str, &str)> {
    let trouble = mirror.seen.as_ref()?.get("trouble")?;
    Some((trouble["kind"].as_str()?, trouble["since"].as_str()?))
}

fn describe(mirror: &Mirror) -> Value {
    json!({
        "repo": mirror.repo.name, "type": mirror.repo.kind, "endpoint": mirror.endpoint,
        "upstream": mirror.upstream_name, "revisions": mirror.rules.follow.revisions,
        "include": mirror.rules.selection.include, "exclude": mirror.rules.selection.exclude, "rules": mirror.rules,
        "managed_by": managed_by(mirror), "next_run_at": mirror.next_run_at, "visibility": mirror.repo.visibility,
        "gate": GateMode::from(mirror.repo.gated), "paused": mirror.paused,
        "last_job": mirror.last_job_id, "last_synced_at": mirror.last_synced_at, "seen": mirror.seen,
    })
}
