//! `acervo gate`: what stands before the contents of a repository, and who is let in.

use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;

use acervo_core::access::Readable;
use acervo_core::gate::{GateMode, RequestState};
use acervo_core::{Caller, RepoKind};
use acervo_store::db::gates::Request;
use acervo_store::db::repos::Repo;
use clap::{Args, Subcommand};
use serde_json::{Value, json};

use crate::app::gates::{self, Asker, ListedRequest};
use crate::app::repos;
use crate::app::settings::{self, Change, Terms};
use crate::cli::{RepoArgs, print};
use crate::context::Hub;
use crate::error::HubError;

/// What to do with gates.
#[derive(Debug, Subcommand)]
pub(super) enum GateCommand {
    /// Put a gate before the contents of a repository, or open it
    Set(SetArgs),
    /// Show the gate of a repository and its terms
    Show {
        #[command(flatten)]
        repo: RepoArgs,
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
    /// List all repositories with a gate
    List {
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
    /// List who asked to be let in, and which terms they accepted
    Requests {
        #[command(flatten)]
        repo: RepoArgs,
        /// Only these: pending, accepted or rejected
        #[arg(long)]
        status: Option<RequestState>,
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
    /// Accept the request of a user
    Accept(DecisionArgs),
    /// Reject the request of a user
    Reject {
        #[command(flatten)]
        decision: DecisionArgs,
        /// Why, for the user
        #[arg(long)]
        reason: Option<String>,
    },
    /// Put the request of a user back to those that wait; they lose access
    Cancel(DecisionArgs),
    /// Let a user in who has not asked
    Grant(DecisionArgs),
}

/// A gate to set.
#[derive(Debug, Args)]
pub(super) struct SetArgs {
    #[command(flatten)]
    repo: RepoArgs,
    /// How people are let in: none (no gate), auto (when they ask), manual (when a maintainer accepts)
    #[arg(value_name = "GATE")]
    mode: GateMode,
    /// File with the text that people must accept; who accepted another one is asked again
    #[arg(long, value_name = "FILE", conflicts_with = "no_terms")]
    terms: Option<PathBuf>,
    /// Ask for consent to no text
    #[arg(long)]
    no_terms: bool,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// Whose request to decide on.
#[derive(Debug, Args)]
pub(super) struct DecisionArgs {
    #[command(flatten)]
    repo: RepoArgs,
    /// Name of the user
    user: String,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// Runs `acervo gate ..`.
pub(super) async fn run(hub: &Hub, command: GateCommand) -> Result<ExitCode, HubError> {
    match command {
        GateCommand::Set(args) => set(hub, &args).await?,
        GateCommand::Show { repo, json } => show(hub, &find(hub, &repo).await?, json).await?,
        GateCommand::List { json } => list(&gates::gated(hub, &Caller::System).await?, json),
        GateCommand::Requests { repo, status, json } => requests(hub, &find(hub, &repo).await?, status, json).await?,
        GateCommand::Accept(args) => decide(hub, &args, RequestState::Accepted, None).await?,
        GateCommand::Reject { decision, reason } => {
            decide(hub, &decision, RequestState::Rejected, reason.as_deref()).await?;
        }
        GateCommand::Cancel(args) => decide(hub, &args, RequestState::Pending, None).await?,
        GateCommand::Grant(args) => {
            let repo = find(hub, &args.repo).await?;
            let granted = gates::grant(hub, &Caller::System, &repo, &args.user).await?;
            tell(&repo, &args, &granted);
        }
    }
    Ok(ExitCode::SUCCESS)
}

async fn set(hub: &Hub, args: &SetArgs) -> Result<(), HubError> {
    let repo = find(hub, &args.repo).await?;
    let terms = match (&args.terms, args.no_terms) {
        (Some(file), _) => Terms::Put(std::fs::read_to_string(file).map_err(|error| {
            HubError::Invalid(format!("the terms in `{}` cannot be read: {error}", file.display()))
        })?),
        (None, true) => Terms::Remove,
        (None, false) => Terms::Keep,
    };
    let change = Change { gate: Some(args.mode), terms, ..Change::default() };
    let gate = settings::change(hub, &Caller::System, &repo, &change).await?.gate;
    if args.json {
        println!("{}", json!({ "repo": repo.name, "type": repo.kind, "gate": gate.mode, "terms": gate.terms }));
        return Ok(());
    }
    let name = &repo.name;
    match gate.mode {
        GateMode::Open => println!("`{name}` has no gate: who sees it may have its contents"),
        GateMode::Automatic => println!("`{name}` is gated: who asks is let in at once"),
        GateMode::Manual => {
            println!("`{name}` is gated: `acervo gate requests {name}` shows who asks, `acervo gate accept` lets in");
        }
    }
    Ok(())
}

/// The repository a command names; without a type, the only one of that name.
pub(super) async fn find(hub: &Hub, args: &RepoArgs) -> Result<Readable<Arc<Repo>>, HubError> {
    let kinds: Vec<RepoKind> = args.kind.map_or_else(|| RepoKind::ALL.to_vec(), |kind| vec![kind]);
    let mut found = Vec::new();
    for kind in kinds {
        match repos::find(hub, &Caller::System, kind, &args.repo).await {
            Ok(repo) => found.push(repo.into_repo()),
            Err(HubError::RepoNotFound { .. }) => {}
            Err(error) => return Err(error),
        }
    }
    match (found.pop(), found.len()) {
        (Some(only), 0) => Ok(only),
        (None, _) => Err(HubError::NotFound(format!(
            "there is no repository `{0}` here; mirror it with `acervo mirror add {0}`",
            args.repo
        ))),
        (Some(_), _) => Err(HubError::Invalid(format!(
            "several types of `{}` are here; say which with `--type model`, `--type dataset` or `--type space`",
            args.repo
        ))),
    }
}

async fn show(hub: &Hub, repo: &Readable<Arc<Repo>>, json: bool) -> Result<(), HubError> {
    let standing = gates::standing(hub, &Caller::System, repo).await?;
    let terms = standing.gate.terms.map(|sha256| json!({ "sha256": sha256, "text": standing.terms_text }));
    if json {
        let mut shown = describe(repo);
        shown["terms"] = terms.unwrap_or(Value::Null);
        println!("{shown}");
        return Ok(());
    }
    println!("repository  {} ({})", repo.name, repo.kind);
    println!("gate        {}", standing.gate.mode);
    println!("upstream    {}", GateMode::from(repo.upstream_gated));
    println!("terms       {}", standing.gate.terms.map_or_else(|| "none".to_owned(), |sha256| sha256.to_hex()));
    if let Some(text) = standing.terms_text {
        println!("\n{text}");
    }
    Ok(())
}

fn describe(repo: &Repo) -> Value {
    json!({
        "repo": repo.name, "type": repo.kind, "gate": GateMode::from(repo.gated), "terms": repo.gate_terms,
        "upstream": GateMode::from(repo.upstream_gated), "visibility": repo.visibility,
    })
}

fn list(repos: &[Repo], json: bool) {
    if json {
        println!("{}", Value::Array(repos.iter().map(describe).collect()));
        return;
    }
    if repos.is_empty() {
        println!("no repository has a gate; put one with `acervo gate set namespace/name manual`");
        return;
    }
    let rows: Vec<Vec<String>> = repos
        .iter()
        .map(|repo| {
            let terms = repo.gate_terms.map_or_else(|| "none".to_owned(), |sha256| sha256.to_hex()[..12].to_owned());
            let (gate, upstream) = (GateMode::from(repo.gated), GateMode::from(repo.upstream_gated));
            vec![repo.name.to_string(), repo.kind.to_string(), gate.to_string(), terms, upstream.to_string()]
        })
        .collect();
    print::table(&["repository", "type", "gate", "terms", "upstream"], &rows);
}

async fn requests(
    hub: &Hub,
    repo: &Readable<Arc<Repo>>,
    status: Option<RequestState>,
    json: bool,
) -> Result<(), HubError> {
    let mut all: Vec<ListedRequest> = Vec::new();
    let mut after: Option<String> = None;
    loop {
        let page = gates::requests(hub, &Caller::System, repo, status, after.as_deref()).await?;
        all.extend(page.items);
        after = page.next;
        if after.is_none() {
            break;
        }
    }
    if json {
        println!("{}", Value::Array(all.iter().map(describe_request).collect()));
        return Ok(());
    }
    if all.is_empty() {
        println!("nobody has asked for access to `{}`", repo.name);
        return Ok(());
    }
    let rows: Vec<Vec<String>> = all
        .iter()
        .map(|listed| {
            let accepted = listed.consents.last().map_or_else(
                || "none".to_owned(),
                |consent| format!("{} {}", &consent.terms.to_hex()[..12], consent.accepted_at),
            );
            let request = &listed.request;
            vec![
                listed.user.name.clone(),
                request.state.to_string(),
                request.asked_at.to_string(),
                accepted,
                by(listed),
                request.reason.clone().unwrap_or_default(),
            ]
        })
        .collect();
    print::table(&["user", "status", "asked", "accepted terms", "decided by", "reason"], &rows);
    Ok(())
}

/// Who let somebody in or kept them out.
fn by(listed: &ListedRequest) -> String {
    match (&listed.decided_by, listed.request.decided_at) {
        (Some(name), _) => name.clone(),
        (None, Some(_)) => "the hub".to_owned(),
        (None, None) => String::new(),
    }
}

fn describe_request(listed: &ListedRequest) -> Value {
    let accepted: Vec<Value> = listed
        .consents
        .iter()
        .map(|consent| json!({ "sha256": consent.terms, "accepted_at": consent.accepted_at }))
        .collect();
    let request = &listed.request;
    json!({
        "request": request.public_id, "user": listed.user.name, "status": request.state, "granted": request.granted,
        "asked_at": request.asked_at, "decided_at": request.decided_at, "decided_by": listed.decided_by,
        "reason": request.reason, "terms": accepted,
    })
}

async fn decide(hub: &Hub, args: &DecisionArgs, state: RequestState, reason: Option<&str>) -> Result<(), HubError> {
    let repo = find(hub, &args.repo).await?;
    let asker = Asker::User(args.user.clone());
    let decided = gates::decide(hub, &Caller::System, &repo, &asker, state, reason).await?;
    tell(&repo, args, &decided);
    Ok(())
}

/// Says where a request stands now.
fn tell(repo: &Repo, args: &DecisionArgs, request: &Request) {
    if args.json {
        println!(
            "{}",
            json!({ "repo": repo.name, "type": repo.kind, "user": args.user, "status": request.state, "granted": request.granted })
        );
        return;
    }
    let now = match request.state {
        RequestState::Accepted => "may have its contents",
        RequestState::Rejected => "is kept out",
        RequestState::Pending => "waits for a decision",
    };
    println!("`{}` {now}: `{}`", args.user, repo.name);
}
