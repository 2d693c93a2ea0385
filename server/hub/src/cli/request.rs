//! `acervo request`: asking for repositories, and deciding on what was asked for.

use std::process::ExitCode;

use acervo_core::{Caller, RepoId, RepoKind, Visibility};
use acervo_store::db::requests::State;
use clap::{Args, Subcommand};

use crate::app::events;
use crate::app::requests::{self, Acceptance, LIST_LIMIT_MAX, RequestQuery, RequestView, Wish};
use crate::cli::{parse_kind, print};
use crate::context::Hub;
use crate::error::HubError;

/// What to do with requests.
#[derive(Debug, Subcommand)]
pub(super) enum RequestCommand {
    /// Ask for a repository to be mirrored
    Add(AddArgs),
    /// List what was asked for, the newest first
    List {
        /// Only these: open, accepted or declined
        #[arg(long)]
        state: Option<State>,
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
    /// Make a mirror of what was asked for, and queue its first sync
    Accept {
        /// Id of the request
        id: String,
        /// Name here, if it is to be another than upstream's
        #[arg(long = "as", value_name = "NAMESPACE/NAME")]
        local_name: Option<RepoId>,
        /// Who may read it: public, internal or private [default: public]
        #[arg(long)]
        visibility: Option<Visibility>,
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
    /// Turn a request down
    Decline {
        /// Id of the request
        id: String,
        /// Why, for the one who asked
        #[arg(long)]
        reason: String,
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
}

/// What to ask for.
#[derive(Debug, Args)]
pub(super) struct AddArgs {
    /// Repository at the upstream: `namespace/name`, or a bare name such as `gpt2`
    repo: String,
    /// Its type: model, dataset or space
    #[arg(long = "type", value_name = "TYPE", value_parser = parse_kind, default_value = "model")]
    kind: RepoKind,
    /// Branch, tag, `refs/..` name or commit id; repeat for several [default: main]
    #[arg(long, value_name = "REVISION")]
    revision: Vec<String>,
    /// What it is wanted for
    #[arg(long)]
    reason: String,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// Runs `acervo request ..`.
pub(super) async fn run(hub: &Hub, command: RequestCommand) -> Result<ExitCode, HubError> {
    let caller = Caller::System;
    match command {
        RequestCommand::Add(args) => {
            let wish = Wish { kind: args.kind, name: args.repo, revisions: args.revision, reason: args.reason };
            let asked = requests::open(hub, &caller, &wish).await?;
            let text = format!(
                "asked for {} `{}`; decide with `acervo request accept {2}` or `acervo request decline {2}`",
                asked.kind, asked.repo, asked.id
            );
            tell(&asked, args.json, &text)?;
        }
        RequestCommand::List { state, json } => list(hub, state, json).await?,
        RequestCommand::Accept { id, local_name, visibility, json } => {
            let accepted = requests::accept(hub, &caller, &id, &Acceptance { local_name, visibility }).await?;
            let name = accepted.mirror.as_ref().map_or_else(|| accepted.repo.clone(), ToString::to_string);
            tell(&accepted, json, &format!("`{name}` is mirrored; `acervo jobs watch` shows how its sync goes"))?;
        }
        RequestCommand::Decline { id, reason, json } => {
            let declined = requests::decline(hub, &caller, &id, &reason).await?;
            tell(&declined, json, &format!("the request for `{}` is declined", declined.repo))?;
        }
    }
    events::number_waiting(hub).await?;
    Ok(ExitCode::SUCCESS)
}

fn tell(request: &RequestView, json: bool, text: &str) -> Result<(), HubError> {
    if json {
        println!("{}", print::as_json(request)?);
    } else {
        println!("{text}");
    }
    Ok(())
}

async fn list(hub: &Hub, state: Option<State>, json: bool) -> Result<(), HubError> {
    let query = RequestQuery { state, after: None, limit: LIST_LIMIT_MAX };
    let found = requests::list(hub, &Caller::System, &query).await?.requests;
    if json {
        println!("{}", print::as_json(&found)?);
        return Ok(());
    }
    if found.is_empty() {
        println!("no such requests");
        return Ok(());
    }
    let rows: Vec<Vec<String>> = found
        .iter()
        .map(|request| {
            let who = request.asked_by.clone().unwrap_or_else(|| "system".to_owned());
            let why = print::one_line(request.answer.as_ref().unwrap_or(&request.reason));
            let (kind, state) = (request.kind.to_string(), request.state.to_owned());
            vec![request.id.clone(), state, request.repo.clone(), kind, who, request.asked_at.to_string(), why]
        })
        .collect();
    print::table(&["request", "state", "repository", "type", "asked by", "asked", "why"], &rows);
    Ok(())
}
